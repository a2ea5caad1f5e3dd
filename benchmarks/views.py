"""How fast views are drawn once their data are there, measured in headless Chromium.

    python -m benchmarks.views [--repeats 15]

Prints medians and 95th percentiles in ms. What is measured begins when the answer of the server has
arrived and ends with the frame that shows it, or before the browser paints it where so said. For a
change between reference and alternate, of which all is in the page, it begins with the press of the
key and ends when everything is drawn and laid out: by the clock, and as time that the page's thread
was computing, which other programs of a busy machine do not lengthen.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

from app import teaching_bundle
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

#: The variant that makes an enhancer 12 kb upstream of its gene.
VARIANT = "chrT1:696359:A>C"
ROWS = 12
#: Presses a key, and has everything drawn and laid out; ms by the clock.
PRESS = """
    const from = performance.now();
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: arguments[0], bubbles: true }));
    document.getElementById("world").getBoundingClientRect();
    return performance.now() - from;
"""


#: From now on the page gets made effects of every base of the region that it asks for.
MADE_ISM = """
    const real = window.fetch;
    const { start, end } = locuscope.state().view.ism;
    const n = end - start;
    const bases = Array.from({ length: n }, (_, i) => 'ACGT'[(i * i + 3 * i) % 4]);
    const wave = (i, k) => Math.sin(i / 7 + k) * Math.cos(i / 31);
    const row = (base, i) => [...'ACGT'].map((b, k) => (b === base ? 0 : wave(i, k)));
    const effects = bases.map(row);
    const answer = {
      complete: true, failed: false, message: '', done: n, total: n, value: 1,
      interval: { start, end }, bases: bases.join(''), reference: bases,
      places: bases.map((_, i) => start + i), effects, motifs: [],
      contributions: effects.map((one) => -one.reduce((a, b) => a + b) / 3), method_text: 'made',
      readout: { label: 'made', unit: '1', mask_text: 'made', score_text: 'made' },
    };
    window.fetch = async (address, options) =>
      String(address).endsWith('/api/v1/ism') ? Response.json(answer) : real(address, options);
"""
#: Asks for them; ms from their arrival until the frame that shows them.
DRAWN_ISM = """
    const done = arguments[arguments.length - 1];
    performance.clearMarks();
    locuscope.ism.again();
    const look = () => {
      const [data] = performance.getEntriesByName('locuscope:ism-data');
      if (!performance.getEntriesByName('locuscope:ism').length) requestAnimationFrame(look);
      else setTimeout(() => done(performance.now() - data.startTime));
    };
    look();
"""


def ism(page: Page, repeats: int) -> None:
    """Draws the in silico mutagenesis of 200 bp, in each of its ways."""
    track = "teaching/ATAC/thymocyte-ATAC/."
    where = {"genome": "teach1", "locus": "chrT1:696259-696458", "model": "teaching"}
    for show, name in (("logo", "logo"), ("heat", "heat map"), ("lollipop", "strongest changes")):
        page.open(**where, track=track, ism=f"chrT1:696259-696458;track={track};show={show}")
        page.until("return locuscope.state().view.ism")
        page.run(MADE_ISM)
        times = [page.driver.execute_async_script(DRAWN_ISM) for _ in range(repeats + 2)]
        say(f"{name} of 200 bp", times[2:], "100 ms")


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


def thread_ms(page: Page) -> float:
    """Returns for how long the page's thread has computed, in ms."""
    metrics = page.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
    return 1000 * next(m["value"] for m in metrics if m["name"] == "ThreadTime")


def rows(site: Site) -> list[str]:
    """Returns rows of as many modalities as there are, signals alone."""
    with urllib.request.urlopen(f"{site.url}/api/v1/tracks?genome=teach1&model=teaching") as answer:
        groups = json.load(answer)["groups"]
    signals = [g for g in groups if g["modality"] not in ("CONTACT_MAPS", "SPLICE_JUNCTIONS")]
    ids = [[row["id"] for row in group["rows"]] for group in signals]
    return [id_ for level in zip(*ids, strict=False) for id_ in level][:ROWS]


def toggle(page: Page, repeats: int) -> None:
    """Presses ``a`` (reference, alternate) and ``d`` (overlay, difference, split)."""
    query = {"genome": "teach1", "model": "teaching", "locus": "chrT1:690001-710000"}
    page.open(
        f"{urlencode(query)}&variant={quote(VARIANT)}&"
        + urlencode({"track": rows(page.site)}, doseq=True),
        wait=False,
    )
    page.wait_drawn(600)
    page.driver.execute_cdp_cmd("Performance.enable", {})
    waiting = "return locuscope.figuresWaiting() === 4"
    page.until(waiting, seconds=120, what="the other ways are not drawn in advance")
    for key, what in (("a", "reference, alternate"), ("d", "overlay, difference, split")):
        clock, thread = [], []
        for _ in range(repeats + 2):
            before = thread_ms(page)
            clock.append(page.run(PRESS, key))
            thread.append(thread_ms(page) - before)
        say(f"{what}, {ROWS} rows, clock", clock[2:], "100 ms")
        say(f"{what}, {ROWS} rows, thread", thread[2:], "100 ms")


#: Each measures one view on a site that serves the genome.
VIEWS: dict[str, tuple[Callable[[Page, int], None], ...]] = {
    "hg19-chr20": (contact_map,),
    "teach1": (toggle, ism),
}


def main() -> None:
    """Runs all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--realdata", type=Path, default=REALDATA)
    options = parser.parse_args()
    bundles = REPOSITORY / ".cache" / "bundles"
    build(bundles / "hg19-chr20", options.realdata)
    if not (bundles / "teach1" / "complete.txt").is_file():
        teaching_bundle.build(bundles / "teach1")
    print("| what | median | 95 % | n | budget |\n| --- | --- | --- | --- | --- |")
    with chromium() as driver:
        for genome, views in VIEWS.items():
            with tempfile.TemporaryDirectory() as cache:
                site = Site(bundles / genome, options.realdata / "weights", Path(cache))
                try:
                    for view in views:
                        view(Page(driver, site), options.repeats)
                finally:
                    site.stop()


if __name__ == "__main__":
    main()
