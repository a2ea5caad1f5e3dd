"""What dies, or happens at once, while a contact map is on its way: the page goes on by itself."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import pytest

from app.teaching_bundle import build
from tests.browser.site import Page, Site, visit
from tests.browser.test_contacts import FENCE_VIEW, HIC, quiet
from tests.browser.test_effects import TEACH1
from tests.inference.helpers import until

#: Loci of which nothing is computed yet, one for each test: each has a window of its own.
LOCI = {
    "tabs": ["chrT2:200001-260000", "chrT2:700001-760000"],
    "child": "chrT2:1200001-1260000",
    "worker": "chrT3:200001-260000",
    "web": "chrT3:700001-760000",
    "net": "chrT3:1200001-1260000",
}
#: Seconds of a computation of about half a second, after which it is killed.
INTO_IT = 0.2
COMPUTING = """
    const progress = window.locuscope?.state().progress;
    return progress && !progress.complete
      && document.querySelector('.map[aria-busy=true]');
"""
MAP = """
    const { progress, base } = window.locuscope?.state() || {};
    if (!progress || !progress.complete || progress.failed) return false;
    const found = locuscope.maps.rows().get(arguments[0]).maps;
    const map = found.find((one) => one.part === 'predicted');
    const holds = ([a, b]) => a <= base.start && base.end <= b;
    if (!map || !map.seen.some(holds) || map.missing.some(holds)) return false;
    return { start: map.start, bin: map.bin, n: map.n, values: [...map.values] };
"""


@pytest.fixture(scope="module")
def recovering_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("recovery")
    build(TEACH1)
    site = Site(TEACH1, folder, folder, "broker", "web", "worker")
    yield site
    site.stop()


@pytest.fixture
def recovering(recovering_site: Site, driver) -> Iterator[Page]:
    with visit(driver, recovering_site) as page:
        yield page


def begin(page: Page, site: Site, locus: str, *tracks: str) -> None:
    """Opens a map below other tracks, of which nothing is computed before ``go_on``."""
    send(site, signal.SIGSTOP)
    page.open(**(FENCE_VIEW | {"locus": locus, "track": [*tracks, HIC]}), wait=False)
    page.until(COMPUTING, seconds=300, what="nothing was asked for")


def go_on(site: Site, seconds: float = 0) -> None:
    """Lets the worker compute, and waits."""
    send(site, signal.SIGCONT)
    time.sleep(seconds)


def send(site: Site, number: signal.Signals) -> None:
    """Sends a signal to the child of the worker, which computes, not to its parent."""
    worker = site.processes[2].pid
    listed = Path(f"/proc/{worker}/task/{worker}/children")
    until(lambda: listed.read_text().split(), 120)
    for child in listed.read_text().split():
        os.kill(int(child), number)


def whole(page: Page) -> np.ndarray:
    """Waits for the map in view, returns its values there; nothing may complain any more."""
    shown = page.until(MAP, HIC, seconds=200, what="the map did not come")
    values = np.array([np.nan if v is None else v for v in shown["values"]], float)
    values = values.reshape(shown["n"], shown["n"])
    _, start, end = page.locus()
    low, high = (round((at - shown["start"]) / shown["bin"]) for at in (start, end))
    values = values[low:high, low:high]
    assert np.isfinite(values).mean() > 0.9
    quiet(page)
    assert not page.elements(".map-error, .pill.failed")
    return values


def test_child_of_the_worker_is_killed(recovering: Page, recovering_site: Site) -> None:
    begin(recovering, recovering_site, LOCI["child"])
    go_on(recovering_site, INTO_IT)
    send(recovering_site, signal.SIGKILL)
    whole(recovering)


def test_worker_is_killed(recovering: Page, recovering_site: Site) -> None:
    begin(recovering, recovering_site, LOCI["worker"])
    go_on(recovering_site, INTO_IT)
    recovering_site.processes[2].kill()
    recovering_site.processes[2].wait()
    recovering.until(
        "return [...document.querySelectorAll('.row-message')]"
        ".some((one) => one.textContent.includes('No worker is running'))",
        what="the page did not say that no worker runs",
    )
    recovering.screenshot("map_without_worker")
    recovering_site.processes[2] = recovering_site.start("worker")
    recovering.until("return document.getElementById('worker-state').className === 'ready'")
    whole(recovering)
    assert recovering.complaints() == []


def test_web_is_killed(recovering: Page, recovering_site: Site) -> None:
    begin(recovering, recovering_site, LOCI["web"])
    os.killpg(recovering_site.processes[1].pid, signal.SIGKILL)
    recovering_site.processes[1].wait()
    recovering.until(
        "return document.body.textContent.includes('Locuscope does not answer')",
        what="the page did not say that nobody answers",
    )
    recovering_site.processes[1] = recovering_site.start("web")
    recovering_site.wait_for_page()
    go_on(recovering_site)
    whole(recovering)
    assert all("ERR_" in one for one in recovering.complaints()), "of what could not be asked"


def block(page: Page, *addresses: str) -> None:
    """Cuts the page off from these addresses, and from no others."""
    page.driver.execute_cdp_cmd("Network.enable", {})
    page.driver.execute_cdp_cmd("Network.setBlockedURLs", {"urls": list(addresses)})


def test_what_does_not_come_through_is_asked_for_again(
    recovering: Page, recovering_site: Site
) -> None:
    begin(recovering, recovering_site, LOCI["net"], "teaching/ATAC/myoblast-ATAC/.")
    try:
        block(recovering, "*/api/v1/tiles*", "*/api/v1/contacts*")
        go_on(recovering_site)
        recovering.until(
            "return document.querySelector('.map-error')?.textContent.includes('does not answer')"
            "&& document.querySelector('#row-messages').textContent.includes('does not answer')",
            what="the page did not say what is wrong",
        )
    finally:
        block(recovering)
    whole(recovering)
    recovering.until("return locuscope.valuesAt(1230000)[0].predicted[0] > 0")
    assert all("ERR_BLOCKED" in one for one in recovering.complaints())


def test_tabs_of_one_link_and_of_another_at_once(recovering: Page, recovering_site: Site) -> None:
    driver = recovering.driver
    first = driver.current_window_handle
    loci = [LOCI["tabs"][0], LOCI["tabs"][0], LOCI["tabs"][1]]
    tabs = [first]
    try:
        for i, locus in enumerate(loci):
            if i:
                driver.switch_to.new_window("tab")
                tabs.append(driver.current_window_handle)
            # Contacts themselves: what is expected depends on how much of the map is there.
            query = urlencode(
                FENCE_VIEW | {"locus": locus, "style": f"{HIC};value=signal;part=predicted"}
            )
            driver.get(f"{recovering_site.url}/browse?{query}")
        values = []
        for tab, locus in zip(tabs, loci, strict=True):
            driver.switch_to.window(tab)
            values.append(whole(recovering))
            start, end = (int(text) for text in locus.split(":")[1].split("-"))
            assert recovering.locus() == ("chrT2", start - 1, end)
        np.testing.assert_array_equal(values[0], values[1])
        assert not np.array_equal(values[0], values[2], equal_nan=True)
    finally:
        for tab in tabs[1:]:
            driver.switch_to.window(tab)
            driver.close()
        driver.switch_to.window(first)
    assert recovering.complaints() == []
