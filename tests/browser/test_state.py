"""Everything that a link can say is on the page, and is there again after a reload."""

from __future__ import annotations

from urllib.parse import parse_qs

import pytest

from tests.browser.site import Page
from tests.web.test_state import documented_keys

MODEL = "baskerville-human74"
FIRST, SECOND, THIRD = (
    f"{MODEL}/DNASE/{name}/." for name in ("ENCFF136DBS", "ENCFF427FEF", "ENCFF890OGQ")
)
CAGE = f"{MODEL}/CAGE/CNhs10853"
LOCUS = "chr22:21742001-21742400"
#: What the page shows of each key of the link.
SHOWN = """
const { view } = locuscope.state();
const all = (css, read) => [...document.querySelectorAll(css)].map(read);
const text = (node) => node.textContent;
const checked = (id) => document.querySelector(`#${id} input:checked`)?.value;
const { figure, data, ...said } = view;
return {
  said,
  geometry: figure.geometry.rows,
  labels: all('.row-label[data-row] b', text),
  chips: all('.row-label[data-row]', (node) => node.style.getPropertyValue('--chip')),
  notes: all('.highlight-flag', text),
  edits: all('#edit-list > *', text),
  theme: document.documentElement.dataset.theme,
  mode: checked('overlay'),
  autoscale: checked('autoscale'),
  compare: checked('compare'),
  ensemble: document.getElementById('ensemble').checked,
  drawer: document.getElementById('drawer-title').textContent,
  ism: all('.row-label', (node) => node.className).filter((name) => name.includes('ism')),
  strands: all('.row-label.sequence button', text),
  locus: document.getElementById('locus').value,
};
"""


@pytest.fixture
def own(page: Page) -> list[str]:
    """A track that the visitor has brought: its id, and that of its row."""
    page.open(genome="hg38-windows", locus=LOCUS, model="")
    sent: list[str] = page.run(
        "return fetch('/api/v1/own?genome=hg38-windows&name=mine.bedGraph', {method: 'POST',"
        "headers: {'Content-Type': 'application/octet-stream'},"
        "body: 'chr22\\t21742000\\t21742100\\t3\\n'}).then(r => r.json()).then(a => [a.id, a.row])"
    )
    return sent


def wait_shown(page: Page) -> None:
    """Waits for the page, not for what is computed."""
    page.until(
        "return document.querySelector('#centre-slot #centre') && locuscope.state().drawn &&"
        "!document.documentElement.classList.contains('loading') &&"
        "document.querySelector('#autoscale input:checked') &&"
        "document.querySelector('#edit-list > *') && document.querySelector('.row-label.ism') &&"
        "document.getElementById('drawer-title').textContent &&"
        # The drawer has taken its place, and the tracks are drawn for what is left.
        "locuscope.state().view.figure.layout.width ==="
        "3 * document.getElementById('viewport').clientWidth",
        what="the page was not there",
    )


def test_every_key_of_a_link_survives_a_reload(page: Page, own: list[str]) -> None:
    own_id, own_row = own
    keys = {
        "v": "1",
        "genome": "hg38-windows",
        "locus": LOCUS,
        "model": MODEL,
        "biosample": ["EFO:0001187"],
        "track": [SECOND, own_row, CAGE, FIRST, THIRD],
        "own": own_id,
        "hide": THIRD,
        "style": [
            f"{SECOND};height=96;color=aa3377;scale=symlog;summary=max;ymax=40",
            f"{FIRST};scale=log;over={SECOND}",
        ],
        "mode": "mirror",
        "autoscale": "each",
        "theme": "dark",
        "genes": "collapsed",
        "ensemble": "on",
        "strand": "both",
        "frames": "hidden",
        "panel": "effects",
        "compare": "split",
        "variant": "chr22:21742118:T>G",
        "edit": "chr22:21742201-21742230:inv",
        "ism": "chr22:21742111-21742130;by=gradient;on=alternate;show=heat",
        "highlight": ["chr22:21742011-21742050;first > note", "chr22:21742301-21742310"],
        "anchor": "chr22:21742150",
    }
    assert keys.keys() == documented_keys()
    page.open(wait=False, **keys)
    wait_shown(page)
    link = parse_qs(page.run("return location.search.slice(1)"), keep_blank_values=True)
    assert link.keys() == keys.keys() - {"v"}, "version 1 is what a link without one has"
    before = page.run(SHOWN)
    assert before["said"]["notices"] == []
    assert [place["height"] for place in before["geometry"]][:2] == [96, 96]
    assert before["chips"][0] == "#aa3377"
    assert [row["id"] for row in before["said"]["rows"]] == [SECOND, FIRST, own_row, CAGE]
    assert before["notes"][0] == "first > note"
    page.driver.refresh()
    wait_shown(page)
    assert page.run(SHOWN) == before
    page.until(
        "return document.querySelector('#effects-map .heatmaplayer')",
        seconds=240,
        what="the effects were not drawn",
    )
    page.screenshot("every_key")
