"""How fast views are drawn once their data are there, measured in headless Chromium.

    python -m benchmarks.views [--repeats 15]

Prints medians and 95th percentiles in ms. What is measured begins when the answer of the server has
arrived and ends with the frame that shows it, or before the browser paints it where so said.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from benchmarks.browse import say
from tests.browser.site import REPOSITORY, Page, Site, chromium
from tests.realdata.hg19_chr20 import build

REALDATA = REPOSITORY.parent / "shared" / "realdata"
AKITA = "akita-v1/CONTACT_MAPS/GM12878/."
#: From now on the page gets a made map of 512 x 512 bins over its view.
MADE = """
    const real = window.fetch;
    window.fetch = async (address, options) => {
      if (!String(address).includes('/contacts?')) return real(address, options);
      const query = new URL(address, window.location).searchParams;
      const [start, end] = [Number(query.get('start')), Number(query.get('end'))];
      const n = 512;
      const map = { part: 'predicted', start, bin: (end - start) / n, n, unit: 'log2', error: '',
                    boundaries: [], seen: [[start, end]], missing: [] };
      const header = { value: 'ratio', partial: false, agreement: null, maps: [map],
                       loops: [], domains: [] };
      let text = JSON.stringify(header);
      text += ' '.repeat((4 - text.length % 4) % 4);
      const bytes = new Uint8Array(4 + text.length + 4 * n * n);
      new DataView(bytes.buffer).setUint32(0, text.length, true);
      bytes.set(new TextEncoder().encode(text), 4);
      const values = new Float32Array(bytes.buffer, 4 + text.length);
      for (let i = 0; i < n; i += 1)
        for (let j = 0; j <= i; j += 1) {
          values[i * n + j] = Math.sin((i + start) / 9) * Math.cos(j / 7) - (i - j) / n;
          values[j * n + i] = values[i * n + j];
        }
      return new Response(bytes);
    };
"""
#: Moves on by one bp, so that a new map comes; ms from its arrival until it is drawn.
DRAWN = """
    const done = arguments[arguments.length - 1];
    const { chrom, start, end } = locuscope.state().view.locus;
    performance.clearMarks();
    locuscope.go({ locus: locuscope.locusText(chrom, start + 1, end + 1) });
    const look = () => {
      const [data] = performance.getEntriesByName('locuscope:map-data');
      const [drawn] = performance.getEntriesByName('locuscope:map-drawn')
        .filter((mark) => data && mark.startTime >= data.startTime);
      if (drawn) done(drawn.startTime - data.startTime);
      else setTimeout(look, 20);
    };
    look();
"""


def contact_map(page: Page, repeats: int) -> None:
    """Draws maps of 512 x 512 bins as triangles and as squares: scale, colours, canvas, margin."""
    for shape in ("triangle", "square"):
        style = f"{AKITA};part=predicted;shape={shape}"
        where = {"genome": "hg19-chr20", "locus": "chr20:1041249-1900000", "model": "akita-v1"}
        page.open(**where, track=AKITA, style=style)
        page.run(MADE)
        times = []
        for _ in range(repeats + 2):
            times.append(page.driver.execute_async_script(DRAWN))
            page.wait_drawn()
        say(f"contact map 512 x 512, {shape}", times[2:], "100 ms")


#: Each measures one view on a site that serves hg19-chr20 with Akita.
VIEWS: tuple[Callable[[Page, int], None], ...] = (contact_map,)


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--realdata", type=Path, default=REALDATA)
    options = parser.parse_args()
    bundle = REPOSITORY / ".cache" / "bundles" / "hg19-chr20"
    build(bundle, options.realdata)
    print("| what | median | 95 % | n | budget |\n| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as cache, chromium() as driver:
        site = Site(bundle, options.realdata / "weights", Path(cache))
        try:
            for view in VIEWS:
                view(Page(driver, site), options.repeats)
        finally:
            site.stop()


if __name__ == "__main__":
    main()
