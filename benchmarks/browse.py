"""What a visitor waits for, measured in headless Chromium on the real human bundle.

    python -m benchmarks.browse [--rows 12] [--repeats 15]

Prints, as medians and 95th percentiles: navigation to first data of a cached view with a warm
browser cache; the time between two frames while a hand drags; the time from the end of a pan to
new data whose window is cached; and what of that is the redraw.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
from selenium.webdriver.common.action_chains import ActionChains

from tests.browser.site import MAPK1, REPOSITORY, Page, Site, chromium
from tests.realdata.hg38_windows import build

REALDATA = REPOSITORY.parent / "shared" / "realdata"
FRAMES = """
const done = arguments[arguments.length - 1];
const times = []; let last = 0;
window.__frames = times; window.__watch = true;
const step = (now) => { if (last) times.push(now - last); last = now;
  if (window.__watch) requestAnimationFrame(step); };
requestAnimationFrame(step); done();
"""


def say(name: str, values: list[float], budget: str) -> None:
    """Prints one line of the table."""
    median, high = np.percentile(values, [50, 95])
    print(f"| {name} | {median:.1f} | {high:.1f} | {len(values)} | {budget} |", flush=True)


def view_query(page: Page, n_rows: int) -> str:
    """Returns a link with some rows of each modality."""
    url = f"{page.site.url}/api/v1/tracks?genome=hg38-windows&model=baskerville-human74"
    with urllib.request.urlopen(url) as answer:
        groups = [[row["id"] for row in group["rows"]] for group in json.load(answer)["groups"]]
    rows = [row for level in zip(*groups, strict=False) for row in level][:n_rows]
    return urlencode({"locus": MAPK1, "track": rows}, doseq=True)


def first_data(page: Page, query: str, repeats: int) -> list[float]:
    """Returns ms from navigation to the frame that shows the first data."""
    times = []
    for _ in range(repeats):
        page.driver.get("about:blank")
        page.open(query)
        times.append(
            page.until("return performance.getEntriesByName('locuscope:first-data')[0]?.startTime")
        )
    return times


def drag_frames(page: Page, repeats: int) -> list[float]:
    """Returns ms between frames while a hand drags to and fro."""
    times: list[float] = []
    for repeat in range(repeats):
        page.driver.execute_async_script(FRAMES)
        chain = ActionChains(page.driver, duration=16)
        chain.move_to_element(page.element("#viewport")).click_and_hold()
        for _ in range(60):
            chain.move_by_offset(6 if repeat % 2 else -6, 0)
        chain.perform()
        times += page.run("window.__watch = false; return window.__frames")[2:]
        ActionChains(page.driver).release().perform()
        page.wait_drawn()
    return times


def new_data(page: Page, repeats: int) -> tuple[list[float], list[float]]:
    """Returns ms from a pan's end to new data, and of that the redraw."""
    times, redraws = [], []
    for repeat in range(repeats):
        step = 300 if repeat % 2 else -300
        script = """
            const done = arguments[1];
            const { base } = locuscope.state();
            const react = Plotly.react;
            let redraw = 0;
            Plotly.react = function (...args) {
              const t = performance.now(); const r = react.apply(Plotly, args);
              redraw += performance.now() - t; return r; };
            locuscope.panBy((base.end - base.start) / 1000 * arguments[0]);
            performance.clearMarks('locuscope:data');
            const begun = performance.now();
            locuscope.settle();
            const look = () => {
              const mark = performance.getEntriesByName('locuscope:data')[0];
              if (!mark) return requestAnimationFrame(look);
              Plotly.react = react;
              done([mark.startTime - begun, redraw]);
            };
            look();
        """
        total, redraw = page.driver.execute_async_script(script, step)
        times.append(total)
        redraws.append(redraw)
        page.wait_drawn()
        time.sleep(0.3)
    return times, redraws


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=12)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--realdata", type=Path, default=REALDATA)
    options = parser.parse_args()
    bundle = REPOSITORY / ".cache" / "bundles" / "hg38-windows"
    build(bundle, options.realdata)
    with tempfile.TemporaryDirectory() as cache, chromium() as driver:
        site = Site(bundle, options.realdata / "weights", Path(cache))
        try:
            driver.set_script_timeout(30)
            page = Page(driver, site)
            query = view_query(page, options.rows)
            first_data(page, query, 3)  # computes the windows, warms the browser's cache
            print(f"{options.rows} rows, {MAPK1}\n")
            print("| ms | median | p95 | n | budget |\n| --- | --- | --- | --- | --- |")
            say("navigation to first data", first_data(page, query, options.repeats), "500")
            say("frame while dragging", drag_frames(page, 6), "p95 17")
            times, redraws = new_data(page, options.repeats)
            say("pan to new data", times, "150")
            say("of that, redraw", redraws, "")
        finally:
            site.stop()


if __name__ == "__main__":
    main()
