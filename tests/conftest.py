"""Fixtures that every part of the tests shares."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[1]

# Indices and the like are kept from run to run, but never in the home folder of who runs the tests.
os.environ.setdefault("LOCUSCOPE_CACHE_DIR", str(REPOSITORY / ".cache" / "tests"))


@pytest.fixture(scope="session")
def realdata() -> Path:
    """The folder of real human data beside the checkout, or ``LOCUSCOPE_REALDATA``."""
    given = os.environ.get("LOCUSCOPE_REALDATA")
    folder = Path(given) if given else REPOSITORY.parent / "shared" / "realdata"
    if not folder.is_dir():
        pytest.fail(f"no real data at {folder}; set LOCUSCOPE_REALDATA to its folder")
    return folder


@pytest.fixture(scope="session")
def hg38_windows(realdata: Path) -> Path:
    """The genome bundle hg38-windows, built once and kept below ``.cache``."""
    from tests.realdata.hg38_windows import build  # only where it is needed: it decodes much

    folder = REPOSITORY / ".cache" / "bundles" / "hg38-windows"
    build(folder, realdata)
    return folder


@pytest.fixture(scope="session")
def hg19_chr20(realdata: Path) -> Path:
    """The genome bundle hg19-chr20, built once and kept below ``.cache``."""
    from tests.realdata.hg19_chr20 import build

    folder = REPOSITORY / ".cache" / "bundles" / "hg19-chr20"
    build(folder, realdata)
    return folder
