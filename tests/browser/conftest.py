"""One running Locuscope and one Chromium for all browser tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.site import Page, Site, chromium, visit


@pytest.fixture(scope="session")
def site(
    hg38_windows: Path, realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("site")
    allowed = {"LOCUSCOPE_REMOTE_HOSTS": "localhost"}
    site = Site(hg38_windows, realdata / "weights", folder, **allowed)
    yield site
    site.stop()


@pytest.fixture(scope="session")
def driver() -> Iterator[webdriver.Chrome]:
    with chromium() as driver:
        yield driver


@pytest.fixture
def page(site: Site, driver: webdriver.Chrome) -> Iterator[Page]:
    with visit(driver, site) as page:
        yield page
