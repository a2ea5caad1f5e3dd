"""Contact maps in a real Chromium: the teaching genome, and Akita beside Hi-C of GM12878."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import cooler
import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from app.teaching_bundle import build
from app.web.theme import RAMPS
from models.teaching.stories import read_stories
from tests.browser.site import REPOSITORY, Page, Site, visit

AKITA = "akita-v1/CONTACT_MAPS/GM12878/."
START, BIN = 1_041_248, 2_048
FENCE = next(story for story in read_stories() if story.id == "fused-domains")
HIC = f"teaching/CONTACT_MAPS/{FENCE.cell}-Hi-C/."
FENCE_VIEW = {
    "genome": "teach1",
    "model": "teaching",
    "locus": f"{FENCE.chromosome}:{FENCE.start + 1}-{FENCE.end}",
    "track": HIC,
}
VARIANT = f"{FENCE.chromosome}:{FENCE.causal.position}:{FENCE.causal.ref}>{FENCE.causal.alt}"
#: Value, place in px and colour of a pair of places as one map of a row shows them.
SHOWN = """
    const [row, part, a, b] = arguments;
    const one = locuscope.maps.rows().get(row);
    const i = one.maps.findIndex((map) => map.part === part);
    const [map, band] = [one.maps[i], one.bands[i]];
    const at = (place) => Math.floor((place - map.start) / map.bin);
    const { base, region } = locuscope.state();
    const px = document.getElementById('viewport').clientWidth / (base.end - base.start);
    const up = (b - a) / one.depth * band.height;
    const x = ((a + b) / 2 - region.start) * px;
    const y = band.hangs ? band.top + up : band.top + band.height - up;
    const dense = one.canvas.width / one.canvas.clientWidth;
    const pen = one.canvas.getContext('2d');
    const box = one.canvas.getBoundingClientRect();
    return {
      value: map.values[at(a) * map.n + at(b)],
      top: one.scales[i].high,
      rgb: [...pen.getImageData(Math.floor(x * dense), Math.floor(y * dense), 1, 1).data],
      page: [box.left + x, box.top + y],
      start: map.start, bin: map.bin, n: map.n,
    };
"""
ASKED = """
    const asked = performance.getEntriesByType('resource');
    return asked.filter((one) => one.name.includes('/contacts?')).length;
"""


@pytest.fixture(scope="module")
def maps_site(
    hg19_chr20: Path, realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    teach1 = REPOSITORY / ".cache" / "bundles" / "teach1"
    build(teach1)
    genomes = Path(f"{teach1}{os.pathsep}{hg19_chr20}")
    site = Site(genomes, realdata / "weights", tmp_path_factory.mktemp("maps"))
    yield site
    site.stop()


@pytest.fixture
def maps(maps_site: Site, driver: webdriver.Chrome) -> Iterator[Page]:
    with visit(driver, maps_site) as page:
        yield page


def opened(page: Page, **params: str) -> Page:
    page.open(**params)
    quiet(page)
    return page


def quiet(page: Page) -> None:
    """Waits until nothing of a map is on its way."""
    page.wait_drawn(300)
    page.until(
        "return document.querySelectorAll('.map').length > 0 &&"
        "!document.querySelector('.map[aria-busy=true]')",
        seconds=300,
        what="a contact map did not come",
    )


def shown(page: Page, row: str, part: str, a: int, b: int) -> dict:
    return page.run(SHOWN, row, part, a, b)


def link(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.driver.current_url).query, keep_blank_values=True)


def colour(value: float, top: float) -> np.ndarray:
    """The colour of a log ratio, as numpy finds it between the colours of the ramp."""
    stops = np.array([[int(text[i : i + 2], 16) for i in (1, 3, 5)] for text in RAMPS["ratio"]])
    at = np.clip((value + top) / (2 * top), 0, 1) * (len(stops) - 1)
    return np.array([np.interp(at, np.arange(len(stops)), stops[:, k]) for k in range(3)])


def hover(page: Page, place: list[float]) -> str:
    box = page.run("const b = document.body.getBoundingClientRect(); return [b.width, b.height]")
    body = page.element("body")
    chain = ActionChains(page.driver, duration=20)
    chain.move_to_element_with_offset(body, place[0] - box[0] / 2, place[1] - box[1] / 2).perform()
    return str(page.until("return document.getElementById('readout').textContent"))


def test_first_view_of_hg19_is_akita_beside_hic(maps: Page, realdata: Path) -> None:
    opened(maps, genome="hg19-chr20")
    assert maps.locus() == ("chr20", START, 1_958_752)
    badge = maps.until(
        "const b = document.querySelector('.row-label .badge'); return !b.hidden && b.textContent"
    )
    assert badge == "r .60 n 630"
    maps.screenshot("contacts_hg19")
    maps.run("locuscope.restyle(locuscope.state().view.rows[0], { marks: 'off' })")
    maps.until("return locuscope.state().view.rows[0].style.marks === 'off'")
    quiet(maps)
    with np.load(realdata / "reference_outputs" / "akita_v1_hg19_chr20_pred.npz") as file:
        reference = np.zeros((448, 448))
        reference[np.triu_indices(448, 2)] = file["pred"][[*file["targets"]].index("GM12878")]
    for a, b in ((1_160_000, 1_435_000), (1_410_000, 1_512_000), (1_240_000, 1_812_000)):
        one = shown(maps, AKITA, "predicted", a, b)
        i, j = (a - START) // BIN, (b - START) // BIN
        assert one["value"] * np.log(2) == pytest.approx(reference[i, j], abs=1e-3)
        # A bin is a third of a pixel high, so that a pixel may show its neighbour.
        np.testing.assert_allclose(one["rgb"][:3], colour(one["value"], one["top"]), atol=8)
        observed = shown(maps, AKITA, "observed", a, b)
        np.testing.assert_allclose(
            observed["rgb"][:3], colour(observed["value"], observed["top"]), atol=2
        )


def test_pointer_tells_both_loci_their_distance_and_values(maps: Page, hg19_chr20: Path) -> None:
    opened(maps, genome="hg19-chr20")
    a, b = 1_512_000, 1_712_000
    matrix = cooler.Cooler(str(hg19_chr20 / "GM12878_hg19_chr20_25kb.cool"))
    balanced = matrix.matrix().fetch("chr20")
    along = np.diagonal(balanced, 8)
    ratio = np.log2(balanced[a // 25_000, b // 25_000] / np.nanmean(along))
    text = hover(maps, shown(maps, AKITA, "observed", a, b)["page"])
    assert "chr20:1,500,001-1,525,000" in text
    assert "chr20:1,700,001-1,725,000" in text
    assert "200 kb apart" in text
    assert f"observed: {float(f'{ratio:.3g}'):g} log2 observed/expected" in text
    assert "predicted: " in text
    assert maps.text("#map-tip").startswith("chr20:1,500,001-1,525,000")
    text = hover(maps, shown(maps, AKITA, "predicted", 1_060_000, 1_940_000)["page"])
    assert "predicted: " in text
    maps.screenshot("contacts_hg19_hover")


def test_menu_sets_the_upper_end_of_the_colours(maps: Page) -> None:
    opened(maps, genome="hg19-chr20")
    maps.run("document.querySelector('.row-menu').click()")
    box = maps.element("#menu input[aria-label^='Upper end of the colours']")
    box.send_keys("0.75\n")
    maps.until("return locuscope.state().view.rows[0].style.ymax === 0.75")
    quiet(maps)
    assert link(maps)["style"] == [f"{AKITA};ymax=0.75"]
    assert shown(maps, AKITA, "predicted", 1_512_000, 1_712_000)["top"] == 0.75
    assert shown(maps, AKITA, "observed", 1_512_000, 1_712_000)["top"] == 0.75


def test_clicked_anchor_is_in_the_link_and_its_contacts_below(maps: Page) -> None:
    opened(maps, genome="hg19-chr20")
    before = maps.element(".map").size["height"]
    x, y = shown(maps, AKITA, "observed", 1_512_000, 1_712_000)["page"]
    hover(maps, [x, y])
    ActionChains(maps.driver).click().perform()
    maps.until("return locuscope.state().view.anchor !== null")
    quiet(maps)
    (text,) = link(maps)["anchor"]
    anchor = int(text.rpartition(":")[2].rpartition("-")[2])
    assert anchor == pytest.approx(1_612_000, abs=2_000)
    assert maps.element(".map").size["height"] == before + 64
    maps.screenshot("contacts_hg19_anchor")
    maps.driver.refresh()
    quiet(maps)
    assert f"contacts of chr20:{anchor:,}" in maps.text(".map-name.strip")
    maps.keys("4")
    maps.until("return locuscope.state().view.anchor === null")
    quiet(maps)
    assert "anchor" not in link(maps)
    # By keys: the crosshair to one place, 4, the crosshair to the other.
    maps.keys(",", ",", "4")
    maps.until("return locuscope.state().view.anchor !== null")
    quiet(maps)
    anchor = maps.run("return locuscope.state().view.anchor")
    maps.keys(",", *["."] * 60)
    text = maps.text("#readout")
    position = int(text.split()[0].partition(":")[2].replace(",", "")) - 1
    assert f"chr20:{anchor + 1:,} with chr20:{position + 1:,}" in text
    value = shown(maps, AKITA, "predicted", min(anchor, position), max(anchor, position))["value"]
    assert f"predicted: {float(f'{value:.3g}'):g} log2" in text.replace("\u2212", "-")


def test_fallen_boundary_is_a_gain_and_flipping_alleles_asks_for_nothing(maps: Page) -> None:
    opened(maps, **FENCE_VIEW, variant=VARIANT)
    assert maps.text(".row-label[data-kind=contacts] .row-simulated") == "simulated"
    boundary = FENCE.causal.position
    a, b = boundary - 10_000, boundary + 8_000
    after = shown(maps, HIC, "alternate", a, b)["value"]
    asked = maps.run(ASKED)
    maps.keys("a")
    maps.until("return locuscope.state().view.compare === 'reference'")
    before = shown(maps, HIC, "reference", a, b)
    maps.keys("d")
    maps.until("return locuscope.state().view.compare === 'overlay'")
    maps.keys("d")
    maps.until("return locuscope.state().view.compare === 'difference'")
    change = shown(maps, HIC, "change", a, b)
    maps.screenshot("contacts_fence_change")
    assert maps.run(ASKED) == asked
    assert after > before["value"]
    assert change["value"] > 0.3
    assert change["rgb"][0] > change["rgb"][2] + 40, "a gain is red"
    inside = shown(maps, HIC, "change", boundary - 12_000, boundary - 6_000)["value"]
    assert abs(inside) < change["value"] / 3


#: Holds back the first answer about a map until others have come, and makes a failure of it.
LATE = """
const real = window.fetch; let first = true;
window.fetch = (...asked) => {
  if (!first || !String(asked[0]).includes("/api/v1/contacts")) return real(...asked);
  first = false;
  return new Promise((come) => setTimeout(() => {
    const text = JSON.stringify({ error: { message: "too late" } });
    come(new Response(text, { status: 500, headers: { "Content-Type": "application/json" } }));
    setTimeout(() => { window.late = true; }, 300);
  }, 8000));
};
"""


def test_answer_that_comes_late_does_not_replace_a_newer_one(maps: Page) -> None:
    script = maps.driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": LATE})
    try:
        # Nobody has looked here before, so the map is asked for again as windows become ready.
        opened(maps, **FENCE_VIEW | {"locus": "chrT3:900,001-940,000"})
        badge = ".row-label[data-kind=contacts] .badge"
        before = maps.until(f"return document.querySelector('{badge}').textContent", what="r")
        maps.until("return window.late")
        assert maps.text(badge) == before
        assert "too late" not in maps.run("return document.body.textContent")
    finally:
        maps.driver.execute_cdp_cmd("Page.removeScriptToEvaluateOnNewDocument", script)


def test_canvas_follows_the_hand_and_square_keeps_the_axis(maps: Page) -> None:
    opened(maps, **FENCE_VIEW)
    middle = (FENCE.start + FENCE.end) // 2
    pair = (middle - 4_000, middle + 4_000)
    before = shown(maps, HIC, "predicted", *pair)["page"]
    maps.run("locuscope.panBy((locuscope.state().base.end - locuscope.state().base.start) / 10)")
    moved = maps.run("return document.querySelector('.map canvas').getBoundingClientRect().left")
    maps.run("locuscope.settle()")
    quiet(maps)
    width = maps.run("return document.getElementById('viewport').clientWidth")
    after = shown(maps, HIC, "predicted", *pair)
    assert after["page"][0] - before[0] == pytest.approx(-width / 10, abs=1.5)
    assert after["page"][1] == pytest.approx(before[1], abs=0.5)
    assert moved is not None
    button = ".row-label[data-kind=contacts] button[aria-label=Square]"
    maps.run("document.querySelector(arguments[0]).focus()", button)
    maps.keys(Keys.ENTER)
    maps.until("return locuscope.state().view.rows[0].style.shape === 'square'")
    quiet(maps)
    assert link(maps)["style"] == [f"{HIC};shape=square"]
    maps.screenshot("contacts_fence_square")


def test_triangle_of_a_wide_view_is_as_high_as_what_is_known(maps: Page) -> None:
    where = f"{FENCE.chromosome}:{FENCE.start - 60_000}-{FENCE.end + 60_000}"
    style = f"{HIC};part=predicted"
    opened(maps, **(FENCE_VIEW | {"locus": where, "style": style}))
    depth, span = maps.run(
        "const { base } = locuscope.state(); const one = locuscope.maps.rows().get(arguments[0]);"
        "return [one.depth, base.end - base.start]",
        HIC,
    )
    assert 98_304 * 0.9 < depth < 98_304 * 1.03 < span
    near, far = (
        shown(maps, HIC, "predicted", FENCE.start, FENCE.start + d) for d in (20_480, 40_960)
    )
    assert far["page"][1] - near["page"][1] == pytest.approx(-20_480 / depth * 218, abs=1)


def test_key_c_shows_and_hides_the_map(maps: Page) -> None:
    atac = f"teaching/ATAC/{FENCE.cell}-ATAC/."
    maps.open(**(FENCE_VIEW | {"track": atac}), biosample="")
    assert not maps.elements(".map")
    maps.keys("c")
    quiet(maps)
    assert len(maps.elements(".map")) == 1
    maps.keys("c")
    maps.until("return !document.querySelector('.map')")
    assert len(link(maps)["hide"]) == 1


def test_view_without_any_contact_map_says_so(page: Page) -> None:
    page.open(locus="chr22:21,735,001-21,737,000")
    page.keys("c")
    page.until("return document.getElementById('toast').textContent.includes('contact map')")
