"""Rows as a browser has them, on a genome in which every single base is known."""

from __future__ import annotations

import math
from collections.abc import Iterator
from urllib.parse import parse_qs

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from tests.browser import rows_bundle
from tests.browser.site import Page, Site, resize, visit
from tests.genome.test_translation import translate

SEQUENCE = rows_bundle.sequence()
#: Every letter that is drawn: lane, letter, and the positions under its left and right edge.
LETTERS = """
return [...document.querySelectorAll(arguments[0])].flatMap((text) => {
  const box = text.ownerSVGElement.getBoundingClientRect();
  const scale = box.width / text.ownerSVGElement.clientWidth;
  return [...text.textContent].map((letter, i) => {
    const x = text.getStartPositionOfChar(i).x, end = text.getEndPositionOfChar(i).x;
    const at = (px) => locuscope.positionAt(box.left + px * scale);
    return [Number(text.getAttribute("y")), letter, at(x), at(end)];
  });
});
"""


@pytest.fixture(scope="module")
def rows_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Measurements only, so that the page and the broker are all that must run."""
    folder = tmp_path_factory.mktemp("rows")
    bundle = rows_bundle.build(tmp_path_factory.mktemp("rows1"))
    site = Site(bundle, folder, folder, "broker", "web")
    yield site
    site.stop()


@pytest.fixture
def rows(rows_site: Site, driver) -> Iterator[Page]:
    with visit(driver, rows_site) as page:
        yield page


def query(page: Page) -> dict[str, list[str]]:
    # What WebDriver calls the current address may lag behind the page.
    return parse_qs(page.run("return location.search.slice(1)"), keep_blank_values=True)


# ---- Sequence ------------------------------------------------------------------------------------


@pytest.mark.parametrize("locus", ["chr1:2,001-2,100", "chr1:1-90", "chr1:299,901-300,000"])
def test_every_letter_stands_over_its_own_base(rows, locus):
    rows.open(locus=locus)
    letters = rows.run(LETTERS, "#sequence .letter")
    _, start, end = rows.locus()
    drawn = range(max(0, 2 * start - end), min(len(SEQUENCE), 2 * end - start))
    seen = {}
    for _, letter, left, right in letters:
        assert int(left) == int(right)  # all of it lies over one base
        seen[int(left)] = letter
    assert seen == {at: SEQUENCE[at] for at in drawn}


def test_the_reverse_strand_is_the_complement_below(rows):
    rows.open(locus="chr1:2,001-2,100", strand="both")
    by_lane: dict[float, dict[int, str]] = {}
    for y, letter, left, _ in rows.run(LETTERS, "#sequence .letter"):
        by_lane.setdefault(y, {})[int(left)] = letter
    upper, lower = (by_lane[y] for y in sorted(by_lane))
    pairs = {"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}
    assert all(
        SEQUENCE[at] == letter and lower[at] == pairs[letter] for at, letter in upper.items()
    )
    assert set(upper) == set(range(1_900, 2_200))


@pytest.mark.parametrize("strand", ["forward", "reverse"])
def test_frames_translate_the_bases_under_them(rows, strand):
    rows.open(locus="chr1:2,001-2,100", strand=strand)
    found = rows.run(LETTERS, "#sequence .amino")
    assert len({y for y, *_ in found}) == 3
    assert len(found) == 300 - 2
    proteins: dict[float, dict[int, str]] = {}
    for y, amino, left, right in found:
        at = int((left + right) / 2) - 1  # the letter stands over the middle of its codon
        codon = SEQUENCE[at : at + 3]
        forward = strand == "forward"
        assert amino == translate(codon if forward else rows_bundle.reverse_complement(codon))
        proteins.setdefault(y, {})[at] = amino
    planted = rows_bundle.FORWARD_AT if strand == "forward" else rows_bundle.REVERSE_AT
    codons = range(planted, planted + 21, 3)
    lane = next(lane for lane in proteins.values() if planted in lane)
    assert "".join(lane[at] for at in codons)[:: 1 if strand == "forward" else -1] == (
        rows_bundle.PROTEIN
    )
    # Starts and stops are marked, and nothing else is.
    marked = rows.run(LETTERS, "#sequence .amino.start, #sequence .amino.stop")
    assert sorted(m[1:3] for m in marked) == sorted(m[1:3] for m in found if m[1] in "M*")


def test_strand_and_frames_have_keys_and_are_in_the_link(rows):
    rows.open(locus="chr1:2,001-2,100")
    state = "return [locuscope.state().view.strand, locuscope.state().view.frames]"
    for strand in ("reverse", "both", "forward"):
        rows.keys("r")
        rows.until("return locuscope.state().view.strand === arguments[0]", strand)
        rows.wait_drawn()
        assert query(rows).get("strand", ["forward"]) == [strand]
    rows.keys("f")
    rows.until("return !document.querySelector('#sequence .amino')")
    assert query(rows)["frames"] == ["hidden"]
    rows.driver.refresh()
    rows.wait_drawn()
    assert rows.run(state) == ["forward", "hidden"]
    rows.keys("u")
    rows.until("return document.querySelector('#sequence .amino')")


def test_bases_are_bars_at_middle_zoom_and_gone_beyond(rows):
    rows.open(locus="chr1:1,601-2,500")
    # The areas of the four colours are the counts of the four bases.
    areas = rows.run(
        "return Object.fromEntries(['A', 'C', 'G', 'T', 'N'].map(b => [b,"
        "(document.querySelector(`.base-${b}.bar`).getAttribute('d').match(/M/g) || []).length]))"
    )
    drawn = SEQUENCE[700:3400]
    assert areas == {base: drawn.count(base) for base in "ACGTN"}
    assert rows.run("return document.querySelectorAll('#sequence text').length") == 0
    assert rows.elements(".row-label.sequence")
    rows.open(locus="chr1:1,001-5,000")
    assert not rows.elements(".row-label.sequence")


def test_a_click_on_a_base_offers_its_three_substitutions(rows):
    rows.open(locus="chr1:2,001-2,100")
    at = 2_042
    x, y = rows.run(
        "const v = document.getElementById('viewport').getBoundingClientRect();"
        "const s = document.getElementById('sequence').getBoundingClientRect();"
        "const {base} = locuscope.state();"
        "return [v.left + (arguments[0] + .5 - base.start) * v.width / (base.end - base.start),"
        "s.bottom - 6]",
        at,
    )
    ActionChains(rows.driver).move_by_offset(0, 0).perform()
    actions = ActionChains(rows.driver)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    actions.click().perform()
    rows.until("return document.querySelector('.base-menu')")
    base = SEQUENCE[at]
    assert rows.text(".base-menu .menu-title") == f"chr1:{at + 1:,} {base}"
    items = [b.text for b in rows.elements(".base-menu button")]
    assert items == [f"{base} \u2192 {other}" for other in "ACGT" if other != base]
    rows.keys(Keys.ESCAPE)


@pytest.mark.parametrize(
    ("size", "theme"), [((1440, 900), "light"), ((1024, 768), "dark")], ids=["wide", "narrow"]
)
def test_pictures_of_the_sequence(rows, size, theme):
    resize(rows.driver, *size)
    rows.open(locus="chr1:2,001-2,100", theme=theme, strand="both")
    rows.screenshot(f"sequence_{theme}_{size[0]}")
    # Nothing in the label reaches into the tracks.
    assert rows.run(
        "const g = document.getElementById('gutter').getBoundingClientRect();"
        "return [...document.querySelectorAll('.row-label.sequence *')]"
        ".every(e => e.getBoundingClientRect().right <= g.right)"
    )


# ---- Overview ------------------------------------------------------------------------------------


def test_cytobands_and_known_places_stand_where_they_are(rows):
    rows.open(locus="chr1:150,001-160,000")
    edges = rows.run(
        "const o = document.getElementById('overview').getBoundingClientRect();"
        "return [...document.querySelectorAll('.cytoband')].map(b => b.getBoundingClientRect())"
        ".map(b => [(b.left - o.left) / o.width * 3e5, (b.right - o.left) / o.width * 3e5])"
    )
    px = 300_000 / 900
    bands = [line.split("\t") for line in rows_bundle.BANDS.splitlines()]
    for (left, right), band in zip(edges, bands, strict=True):
        assert left == pytest.approx(int(band[1]), abs=px)
        assert right == pytest.approx(int(band[2]), abs=px)
    assert rows.element(".cytoband").get_attribute("title") == "1p11.2: chr1:1-100,000"
    mark = rows.element(".feature")
    assert "The spikes (chr1:1,951-2,150)" in mark.get_attribute("title")
    mark.click()
    rows.until("return locuscope.state().base.start === 1950")
    rows.driver.back()
    rows.until("return locuscope.state().base.start === 150000")


def test_the_box_of_the_overview_is_dragged_and_comes_where_it_is_clicked(rows):
    rows.open(locus="chr1:150,001-160,000")
    px = rows.run("return document.getElementById('overview').clientWidth")
    per_px = 300_000 / px
    box = rows.element("#overview")
    grip = round(5_000 / per_px)  # the middle of the box, from the middle of the chromosome
    chain = ActionChains(rows.driver, duration=50).move_to_element_with_offset(box, grip, 0)
    chain.click_and_hold().move_by_offset(100, 0).move_by_offset(100, 0).release().perform()
    rows.until("return locuscope.state().base.start > 200000")
    _, start, end = rows.locus()
    assert start - 150_000 == pytest.approx(200 * per_px, abs=per_px)
    assert end - start == 10_000
    rows.keys("u")
    rows.until("return locuscope.state().base.start === 150000")
    ActionChains(rows.driver).move_to_element_with_offset(box, -200, 0).click().perform()
    rows.until("return locuscope.state().base.start < 100000")
    _, start, _ = rows.locus()
    assert start + 5_000 == pytest.approx(150_000 - 200 * per_px, abs=2 * per_px)


def test_home_and_end_go_to_the_ends_of_the_chromosome(rows):
    rows.open(locus="chr1:150,001-150,100")
    rows.keys(Keys.END)
    rows.until("return locuscope.state().base.end === 300000")
    rows.wait_drawn()
    rows.keys(Keys.HOME)
    rows.until("return locuscope.state().base.start === 0")
    rows.wait_drawn()
    assert rows.locus() == ("chr1", 0, 100)
    assert rows.element("#overview").get_attribute("aria-valuetext") == "chr1:1-100"


# ---- Genes ---------------------------------------------------------------------------------------

#: Exons of the drawn transcripts, as the lines of the figure: their x, thick ones first.
EXONS = """
const lines = document.getElementById('figure').data.filter(
  t => t.mode === 'lines' && [10, 6].includes(t.line.width));
return lines.map(t => t.x.filter(x => x !== null));
"""


def pairs(flat: list[int]) -> set[tuple[int, int]]:
    return set(zip(flat[::2], flat[1::2], strict=True))


def test_gene_rows_show_one_all_or_each_of_the_transcripts(rows):
    rows.open(locus="chr1:1,001-8,000")
    labels = "return [...document.querySelectorAll('#figure text')].map(t => t.textContent)"
    assert rows.run(labels) == ["ALPHA \u203a", "\u2039 BETA"]
    thick, thin = rows.run(EXONS)
    beta = {(3_000, 3_500), (6_500, 7_000)}
    # Exons of ALPHA.1 are cut where its coding sequence begins and ends.
    assert pairs(thick) == {(2_100, 2_600), (4_000, 4_500)} | beta
    assert pairs(thin) == {(2_000, 2_100), (5_500, 6_000)}
    rows.keys("t")
    rows.until("return locuscope.state().view.genes === 'collapsed'")
    rows.wait_drawn()
    assert query(rows)["genes"] == ["collapsed"]
    assert rows.run(labels) == ["ALPHA \u203a", "\u2039 BETA"]
    thick, _ = rows.run(EXONS)
    assert {(5_000, 5_100), (4_000, 4_500)} < pairs(thick)
    rows.keys("t")
    rows.until("return locuscope.state().view.genes === 'expanded'")
    rows.wait_drawn()
    assert sorted(rows.run(labels)) == ["ALPHA.1 \u203a", "ALPHA.2 \u203a", "\u2039 BETA.1"]
    rows.screenshot("genes_expanded")
    rows.driver.refresh()
    rows.wait_drawn()
    assert len(rows.run(labels)) == 3


def point(page: Page, position: float, y: float) -> None:
    """Moves the pointer to a base, y px below the upper edge of the tracks."""
    x, top = page.run(
        "const v = document.getElementById('viewport').getBoundingClientRect();"
        "const {base} = locuscope.state();"
        "return [v.left + (arguments[0] + .5 - base.start) * v.width / (base.end - base.start),"
        "v.top]",
        position,
    )
    chain = ActionChains(page.driver, duration=20)
    chain.w3c_actions.pointer_action.move_to_location(round(x), round(top + y))
    chain.perform()


@pytest.mark.parametrize(
    ("position", "lane", "text"),
    [
        (4_200, 0, "ALPHA.1, exon 2 of 3, + strand, chr1:2,001-6,000"),
        (5_050, 1, "ALPHA.2, exon 2 of 3, + strand, chr1:2,001-6,000"),
        (5_050, 0, "ALPHA.1, intron, + strand, chr1:2,001-6,000"),
        (3_200, 2, "BETA.1, exon 2 of 2, \u2212 strand, chr1:3,001-7,000"),
        (6_700, 2, "BETA.1, exon 1 of 2, \u2212 strand, chr1:3,001-7,000"),
    ],
)
def test_the_pointer_tells_which_exon_it_is_over(rows, position, lane, text):
    rows.open(locus="chr1:1,001-8,000", genes="expanded")
    point(rows, position, 6 + 26 * lane + 6)
    rows.until("return document.getElementById('readout').textContent.includes(arguments[0])", text)


def test_a_click_on_a_gene_opens_what_is_known_of_it(rows):
    rows.open(locus="chr1:1,001-8,000")
    point(rows, 3_200, 6 + 26 + 6)
    ActionChains(rows.driver).click().perform()
    rows.until("return document.querySelector('#drawer .gene-facts')")
    facts = rows.element("#drawer .gene-facts").text
    for fact in ("BETA (G2)", "\u2212 strand", "chr1:3,001-7,000", "exon 2 of 2", "3,001-3,500"):
        assert fact in facts
    rows.element("#drawer .gene-facts .tool:last-child").click()
    rows.until("return locuscope.state().base.start === 2950")
    rows.keys(Keys.ESCAPE)
    # By keys: all transcripts at the base in the middle.
    rows.keys("k")
    rows.until("return document.querySelectorAll('#drawer .gene-facts').length === 3")
    rows.keys(Keys.ESCAPE)


# ---- Without a mouse, and without eyes -----------------------------------------------------------

#: Roles of what can be used; each needs a name.
USED = {
    *("button", "link", "textbox", "combobox", "slider", "checkbox", "radio", "switch"),
    *("menuitem", "menuitemradio", "treeitem", "option", "dialog"),
}


def nameless(page: Page) -> list[str]:
    """Returns what Chromium's accessibility tree has no name for."""
    nodes = page.driver.execute_cdp_cmd("Accessibility.getFullAXTree", {})["nodes"]
    return [
        str(node)
        for node in nodes
        if not node["ignored"]
        and node["role"]["value"] in USED
        and not node.get("name", {}).get("value", "").strip()
    ]


def test_all_that_can_be_used_has_a_name_for_those_who_do_not_see(rows):
    rows.open(locus="chr1:2,001-2,100", highlight="chr1:2051-2060")
    assert nameless(rows) == []
    for key, there in (("?", "[role=dialog] kbd"), ("e", "#drawer:not([hidden]) textarea")):
        rows.keys(key)
        rows.until("return document.querySelector(arguments[0])", there)
        assert nameless(rows) == []
        rows.keys(Keys.ESCAPE)
        rows.until("return !document.querySelector(arguments[0])", there)
    rows.run("document.querySelector('.row-menu').click()")
    rows.until("return document.getElementById('menu')")
    assert nameless(rows) == []


def test_tab_goes_down_the_labels_and_its_place_is_seen(rows):
    rows.open(locus="chr1:2,001-2,100")
    rows.run("document.getElementById('overview').focus()")
    tops = []
    while True:
        rows.keys(Keys.TAB)
        inside, top, outline = rows.run(
            "const a = document.activeElement, label = a.closest('.row-label');"
            "return [Boolean(label), label?.offsetTop, getComputedStyle(a).outlineStyle]"
        )
        if tops and not inside:
            break
        if inside:
            tops.append(top)
            assert outline == "solid"
    assert tops == sorted(tops)
    labels = rows.run("return [...document.querySelectorAll('.row-label')].map(l => l.offsetTop)")
    assert set(tops) == set(labels), "every label can be reached"


# ---- In a hurry ----------------------------------------------------------------------------------


def settled(page: Page) -> tuple[str, int, int]:
    """Waits for the page to rest, and checks that all its parts speak of one place."""
    page.until(
        "const { view, base, visible } = locuscope.state();"
        "return !document.documentElement.classList.contains('loading') &&"
        "base.start === visible.start && base.end === visible.end &&"
        "view.figure.layout.width === 3 * document.getElementById('viewport').clientWidth"
    )
    chromosome, start, end = page.locus()
    text = f"{chromosome}:{start + 1:,}-{end:,}"
    shown = page.run(
        "return [document.getElementById('locus').value, document.title.split(' ')[0],"
        "document.getElementById('overview').getAttribute('aria-valuetext')]"
    )
    assert shown == [text] * 3
    assert query(page)["locus"] == [text.replace(",", "")]
    assert page.run("return document.documentElement.scrollWidth <= innerWidth")
    return chromosome, start, end


def test_who_is_in_a_hurry_is_left_where_the_link_says(rows):
    rows.open(wait=False, locus="chr1:100,001-120,000")
    for size in ((1200, 700), (1024, 768), (1440, 900)):
        resize(rows.driver, *size)
    rows.wait_drawn()
    assert settled(rows) == ("chr1", 100_000, 120_000)
    rows.keys(*[Keys.ARROW_RIGHT] * 8, "+", "+", "-", *[Keys.ARROW_LEFT] * 3)
    rows.wait_drawn()
    _, start, end = settled(rows)
    assert (end - start, start > 100_000) == (10_000, True)
    for _ in range(3):
        rows.driver.back()
    for _ in range(3):
        rows.driver.forward()
    rows.wait_drawn()
    assert settled(rows) == ("chr1", start, end)


# ---- Crosshair -----------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [2_000, 2_099, 0, 299_999, 1_023, 1_024])
def test_the_crosshair_has_the_value_of_every_row(rows, at):
    start = min(max(at - 20, 0), rows_bundle.LENGTH - 100)
    rows.open(locus=f"chr1:{start + 1}-{start + 100}")
    for position in {at, max(at - 1, 0), min(at + 1, 299_999)}:
        point(rows, position, 200)
        place = f"chr1:{position + 1:,} {SEQUENCE[position]}"
        rows.until(
            "return document.getElementById('readout').textContent.startsWith(arguments[0])", place
        )
        spike = rows_bundle.SPIKES.get(position)
        strands = "no value, no value" if spike is None else f"{spike:g}, {2 * spike:g}"
        expected = ["no value" if spike is None else f"{spike:g}", f"{position // 32 % 7}", strands]
        if position >= 299_999 // 32 * 32:  # the last whole bin ends before
            expected[1] = "no value" if position // 32 >= rows_bundle.LENGTH // 32 else expected[1]
        assert [chip.text for chip in rows.elements(".cross-value")] == expected


def test_the_crosshair_and_a_selection_are_moved_by_keys(rows):
    rows.open(locus="chr1:2,001-2,100")
    rows.keys(".")
    assert rows.text("#readout").startswith("chr1:2,051 ")
    rows.keys(".", ".", ",")
    assert rows.text("#readout").startswith(f"chr1:2,052 {SEQUENCE[2_051]}")
    rows.keys("b")
    rows.until("return document.querySelector('.base-menu')")
    assert rows.text(".menu-title").startswith("chr1:2,052 ")
    rows.keys(Keys.ESCAPE)
    rows.keys(">", ">", ">")
    assert "chr1:2,052-2,055" in rows.text("#selection-text")
    rows.keys("h")
    rows.until("return document.querySelectorAll('.highlight').length === 1")
    assert query(rows)["highlight"] == ["chr1:2052-2055"]


# ---- Order, height, colour, scale ----------------------------------------------------------------

SPIKES, BINS, RNA = "observed/atac/spikes/.", "observed/dnase/bins/.", "observed/rna_seq/rna"
SHOWN = "return locuscope.state().view.rows.map(row => row.id)"
VIEW = "chr1:1,951-2,150"  # at 4.9 px a base every step is one base


def label(page: Page, row: str):
    return page.element(f'.row-label[data-row="{row}"]')


def carry(page: Page, row: str, dy: int, *, from_edge: bool = False) -> None:
    """Drags a label, or its lower edge, dy px down."""
    node = label(page, row)
    y = node.size["height"] // 2 - 2 if from_edge else -14
    chain = ActionChains(page.driver, duration=60).move_to_element_with_offset(node, -40, y)
    chain.click_and_hold().move_by_offset(0, dy // 2).move_by_offset(0, dy - dy // 2).perform()
    page.until("return !document.getElementById('row-guide').hidden")
    ActionChains(page.driver).release().perform()


def becomes(page: Page, rows: list[str]) -> None:
    page.until(
        "return JSON.stringify(locuscope.state().view.rows.map(r => r.id)) === arguments[0]",
        str(rows).replace("'", '"').replace(", ", ","),
        what=f"{page.run(SHOWN)} are shown",
    )
    page.wait_drawn()


def heights(page: Page, row: str) -> dict[int, float]:
    """The height of each drawn step by its first base, as a part of the scale."""
    traces = page.run(
        "return document.getElementById('figure').data.filter(t => t.meta?.row === arguments[0])"
        ".map(t => [t.x, t.y, t.meta.series[0]])",
        row,
    )
    found = {}
    for x, y, series in traces:
        for left, px in zip(x, y, strict=True):
            if left is not None and px != series["base"]:
                found[int(left)] = (series["base"] - px) / series["height"]
    return found


def test_rows_are_carried_to_another_place(rows):
    rows.open(locus=VIEW)
    assert rows.run(SHOWN) == [SPIKES, BINS, RNA]
    carry(rows, SPIKES, 62 + 36)  # to the lower end of the next
    becomes(rows, [BINS, SPIKES, RNA])
    assert query(rows)["track"] == [BINS, SPIKES, RNA]
    carry(rows, RNA, -140)
    becomes(rows, [RNA, BINS, SPIKES])
    rows.driver.refresh()
    rows.wait_drawn()
    becomes(rows, [RNA, BINS, SPIKES])
    rows.keys("u")
    becomes(rows, [BINS, SPIKES, RNA])


def test_rows_are_moved_resized_and_hidden_by_keys(rows):
    rows.open(locus=VIEW)
    rows.run("document.querySelector('.row-label[data-row]').focus()")
    alt, shift = Keys.ALT, Keys.SHIFT
    ActionChains(rows.driver).key_down(alt).send_keys(Keys.ARROW_DOWN).key_up(alt).perform()
    becomes(rows, [BINS, SPIKES, RNA])
    focus = "return document.activeElement.dataset.row"
    assert rows.run(focus) == SPIKES
    rows.keys(Keys.ARROW_UP)
    assert rows.run(focus) == BINS
    ActionChains(rows.driver).key_down(shift).send_keys(Keys.ARROW_DOWN).key_up(shift).perform()
    rows.until("return locuscope.state().view.rows[0].height === 64")
    assert query(rows)["style"] == [f"{BINS};height=64"]
    rows.wait_drawn()
    rows.keys(Keys.ENTER)
    rows.until("return document.activeElement.closest('#menu')")
    rows.keys(Keys.ESCAPE)
    rows.run("document.querySelector('.row-label[data-row]').focus()")
    rows.keys(Keys.DELETE)
    becomes(rows, [SPIKES, RNA])


def test_the_lower_edge_resizes_a_row(rows):
    rows.open(locus=VIEW)
    carry(rows, BINS, 60, from_edge=True)
    rows.until("return locuscope.state().view.rows[1].height !== 56")
    rows.wait_drawn()
    height = rows.run("return locuscope.state().view.rows[1].height")
    assert height == pytest.approx(116, abs=2)
    assert label(rows, BINS).size["height"] == height
    below = label(rows, RNA).location["y"] - label(rows, BINS).location["y"]
    assert below == height + 6


def test_a_row_dropped_on_another_is_drawn_over_it_on_one_scale(rows):
    rows.open(locus=VIEW, track=[BINS, SPIKES, RNA])
    alone = heights(rows, BINS)
    carry(rows, SPIKES, -62 + 14)  # onto the middle of the row above
    rows.until("return locuscope.state().view.rows[1].host === arguments[0]", BINS)
    rows.wait_drawn()
    assert query(rows)["style"] == [f"{SPIKES};over={BINS}"]
    # Both have the unit "signal": 9 is the top of both, where 6 was that of the bins before.
    assert heights(rows, SPIKES)[2_099] == 1
    assert heights(rows, SPIKES)[2_000] == pytest.approx(8 / 9)
    assert heights(rows, BINS)[2_016 - 32] == pytest.approx(6 / 9)
    assert alone[2_016 - 32] == 1
    tops = rows.run("return locuscope.state().view.figure.geometry.rows.map(r => r.top)")
    assert tops[0] == tops[1] < tops[2]
    rows.screenshot("rows_over_each_other")
    rows.run(f"document.querySelector('[data-row=\"{SPIKES}\"] .row-menu').click()")
    next(b for b in rows.elements("#menu button") if b.text == "In a row of its own").click()
    rows.until("return locuscope.state().view.rows[1].host === null")
    assert "style" not in query(rows)


@pytest.mark.parametrize(
    ("style", "height"),
    [
        ("", lambda x: x / 9),
        ("scale=log", lambda x: math.log(1 + x) / math.log(10)),
        ("scale=symlog", lambda x: math.log10(1 + 100 * x / 9) / math.log10(101)),
        ("ymax=20", lambda x: x / 20),
        ("ymax=4", lambda x: min(1, x / 4)),
        ("scale=symlog;ymax=20", lambda x: math.log10(1 + 5 * x) / math.log10(101)),
    ],
)
def test_every_scale_draws_a_value_at_its_height(rows, style, height):
    rows.open(locus=VIEW, track=SPIKES, style=f"{SPIKES};{style}" if style else "")
    drawn = heights(rows, SPIKES)
    assert drawn[2_000] == pytest.approx(height(8))
    assert drawn[2_099] == pytest.approx(height(9))
    assert set(drawn) == {2_000, 2_099}


def test_scales_are_shared_by_row_or_by_modality_or_not_at_all(rows):
    rows.open(locus=VIEW, autoscale="modality")
    assert query(rows)["autoscale"] == ["modality"]
    tops = "return [...document.querySelectorAll('.row-top')].map(t => t.textContent)"
    assert rows.run(tops) == ["9", "6", "18"]  # three modalities
    box = rows.element("#autoscale input[value=each]")
    rows.run("arguments[0].click()", box)
    rows.until("return new URLSearchParams(location.search).get('autoscale') === 'each'")


def test_the_menu_sets_scale_top_colour_and_height(rows):
    rows.open(locus=VIEW)

    def menu() -> None:
        rows.wait_drawn()
        rows.run("document.querySelector('.row-menu').click()")

    def style() -> list[str]:
        return rows.until("return new URLSearchParams(location.search).getAll('style')")

    menu()
    rows.element("#menu [aria-label='Scale: Symlog']").click()
    rows.until("return locuscope.state().view.rows[0].style.scale === 'symlog'")
    menu()
    rows.element("#menu [aria-label='Colour #e69f00']").click()
    rows.until("return locuscope.state().view.rows[0].style.color")
    menu()
    box = rows.element("#menu .menu-number")
    box.send_keys("12.5\n")
    rows.until("return locuscope.state().view.rows[0].style.ymax === 12.5")
    menu()
    rows.screenshot("row_menu_full")
    assert style() == [f"{SPIKES};color=e69f00;scale=symlog;ymax=12.5"]
    line = rows.run(
        "return document.getElementById('figure').data.find(t => t.meta?.row === arguments[0])"
        ".line.color",
        SPIKES,
    )
    assert line == "#e69f00"
    assert rows.text(".row-top") == "12.5 symlog"


# ---- Highlights ----------------------------------------------------------------------------------


def test_a_highlight_has_a_note_that_is_edited_and_is_removed(rows):
    marks = ["chr1:2001-2010;first", "chr1:2051-2060"]
    rows.open(locus="chr1:2,001-2,100", highlight=marks)
    flags = "return [...document.querySelectorAll('.highlight-flag')].map(f => f.textContent)"
    assert rows.run(flags) == ["first", "\u2691"]
    rows.elements(".highlight-flag")[1].send_keys(Keys.ENTER)
    rows.until("return document.activeElement.classList.contains('highlight-note')")
    rows.keys("CTCF; site > 1 & more\n")
    rows.until("return document.querySelectorAll('.highlight-flag')[1].textContent.length > 1")
    rows.driver.refresh()
    rows.wait_drawn()
    assert rows.run(flags) == ["first", "CTCF; site > 1 & more"]
    rows.screenshot("highlight_notes")
    rows.elements(".highlight-flag")[1].click()
    next(b for b in rows.elements("#menu button") if b.text == "Remove highlight").click()
    rows.until("return document.querySelectorAll('.highlight-flag').length === 1")
    assert query(rows)["highlight"] == marks[:1]
    rows.keys("u")
    rows.until("return document.querySelectorAll('.highlight-flag').length === 2")


# ---- Spread over an ensemble ---------------------------------------------------------------------

DRAWN = """
const {view} = locuscope.state();
return document.getElementById('figure').data.filter(t => t.meta?.part === arguments[0])
  .map(t => [t.x, t.y, t.meta.series[0]]);
"""


def test_the_spread_is_a_band_around_the_prediction(site, driver):
    """The band lies between the edges that the API gives, bin by bin, and is in the link."""
    resize(driver, 1440, 900)
    page = Page(driver, site)
    row = "baskerville-human74/DNASE/ENCFF136DBS/."
    page.open(locus="chr22:21,735,001-21,737,000", track=row)
    assert page.run(DRAWN, "band") == []
    page.run("document.querySelector('.row-menu').click()")
    next(b for b in page.elements("#menu button") if b.text.startswith("Show the spread")).click()
    page.until("return locuscope.state().view.ensemble === 'on'", what="the menu did nothing")
    page.until(
        "const t = document.getElementById('figure').data.find(t => t.meta?.part === 'band');"
        "return t && t.x.length > 100 && locuscope.state().progress.complete",
        seconds=280,
        what="no band was drawn",
    )
    assert query(page)["ensemble"] == ["on"]
    ((x, y, series),) = page.run(DRAWN, "band")
    edges = page.run(
        "const {scene, chromosome, bin} = locuscope.state().where;"
        "return arguments[0].map(at => ['low:', 'high:'].map(edge =>"
        "locuscope.valueAt(scene, edge + arguments[1], chromosome, bin, at, 0)))",
        [21_735_520, 21_736_000, 21_736_480],
        row,
    )
    top = page.run("return locuscope.tops().get(arguments[0]).tops[0]", row)
    for at, (low, high) in zip([21_735_520, 21_736_000, 21_736_480], edges, strict=True):
        assert low < high
        drawn = {round(px, 3) for left, px in zip(x, y, strict=True) if left == at}
        for value in (low, high):
            px = series["base"] - series["height"] * value / top
            assert any(abs(px - one) < 0.01 for one in drawn), (at, value)
    page.screenshot("spread")
    point(page, 21_736_000, 100)
    page.until("return document.querySelector('.cross-value')?.textContent.includes('SD')")
    page.keys("m")
    page.until("return locuscope.state().view.ensemble === 'off'", what="the key did nothing")
    assert page.complaints() == []


#: Every name that any part of the view shows, with the box of its letters.
NAMES = """
const view = document.getElementById('viewport').getBoundingClientRect();
const found = [...document.querySelectorAll('#figure .scatterlayer text')].map((text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  return [text.textContent, left, right, top, bottom];
}).filter(([, left, right]) => right > view.left && left < view.right);
return [view.left, view.right, found];
"""


@pytest.mark.parametrize("genes", ["longest", "expanded"])
def test_names_of_genes_are_neither_cut_nor_over_each_other(page, genes):
    page.open(locus="chr22:21,001,001-22,400,000", model="", genes=genes)
    left, right, names = page.run(NAMES)
    assert len(names) > 20
    [edge] = [a for name, a, *_ in names if "THAP7" in name]
    assert edge - left == pytest.approx(3, abs=2), "its gene begins left of the view"
    for name, a, b, *_ in names:
        assert left <= a < b <= right, name
    for i, (one, a, b, top, bottom) in enumerate(names):
        for other, c, d, upper, lower in names[i + 1 :]:
            apart = b + 2 < c or d + 2 < a or bottom <= upper or lower <= top
            assert apart, (one, other)


def test_without_allowed_hosts_the_form_says_so_and_offers_a_file(rows):
    rows.open(locus="chr1:2,001-2,100")
    button = rows.element("[data-action=ask-address]")
    button.click()
    assert "LOCUSCOPE_REMOTE_HOSTS" in rows.text("#drawer-body")
    assert rows.driver.switch_to.active_element.text == "Add a file"
    rows.keys(Keys.ESCAPE)
    assert not rows.element("#drawer").is_displayed()
    assert rows.driver.switch_to.active_element == button
