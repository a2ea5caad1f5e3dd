"""In silico mutagenesis in the page, by the teaching model at a place whose answer is known.

One base of the first story, chrT1:696,359 A>C, completes a MYB site between RUNX1 sites: in
thymocytes the place opens (``models/teaching/stories.py``), as the oracle says in the first test.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.keys import Keys

from models.teaching.oracle import REACH, oracle
from models.teaching.stories import read_stories, teach1
from models.teaching.tracks import track_id
from tests.browser.site import Page, Site, resize, visit
from tests.genome.made import write_fasta, write_toml

SEQUENCE = teach1("chrT1").sequence
#: The planted variant, 0-based.
AT = 696_358
TRACK = track_id("ATAC", "thymocyte-ATAC", ".")
#: The story on the same chromosome in which a deletion takes the acceptor of an exon.
SKIPPED = next(story for story in read_stories() if story.id == "skipped-exon")
START, END = AT - 11, AT + 13
ISM = f"chrT1:{START + 1}-{END};track={TRACK};mask=chrT1:{AT - 499}-{AT + 501};score=lfc"
VIEW = {
    "genome": "ism1",
    "model": "teaching",
    "locus": f"chrT1:{AT - 29}-{AT + 31}",
    "track": TRACK,
}
DONE = (
    "const s = locuscope.ism.state(); return s.found && s.found.done === s.found.total && s.found"
)


@pytest.fixture(scope="module")
def ism_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Chromosome chrT1 of the teaching genome, and its model."""
    folder = tmp_path_factory.mktemp("ism1")
    write_fasta(folder / "reference.fa", {"chrT1": SEQUENCE})
    genome = {"id": "ism1", "name": "Teaching chromosome", "assembly": "teach1", "simulated": True}
    write_toml(folder, genome=genome)
    site = Site(folder, folder, tmp_path_factory.mktemp("ism-site"))
    yield site
    site.stop()


@pytest.fixture
def page(ism_site: Site, driver) -> Iterator[Page]:
    with visit(driver, ism_site) as page:
        yield page


def link(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.driver.current_url).query, keep_blank_values=True)


def computed(page: Page) -> dict:
    return page.until(DONE, seconds=280, what="in silico mutagenesis did not finish")


def test_planted_variant_opens_the_place_by_the_model_as_by_the_oracle(page):
    page.open(**VIEW, ism=ISM)
    found = computed(page)
    page.screenshot("ism_logo")
    assert found["bases"] == SEQUENCE[START:END]
    effects = np.array(found["effects"], float)
    assert effects[AT - START, 1] == effects.max() > 0.2
    low = (AT - REACH) // 2048 * 2048
    width = -(-2 * REACH // 2048) * 2048 + 2048
    known = SEQUENCE[low : low + width]
    changed = known[: AT - low] + "C" + known[AT - low + 1 :]
    mask = slice(AT - 500 - low, AT + 501 - low)
    before, after = (oracle(s, 64).values[TRACK][mask].mean() for s in (known, changed))
    assert np.log(after + 0.001) - np.log(before + 0.001) > 0.2


def test_every_letter_stands_over_its_base_as_high_as_its_contribution(page):
    page.open(**VIEW, ism=ISM)
    found = computed(page)
    drawn = page.run(
        "const svg = document.querySelector('#ism svg').getBoundingClientRect();"
        "const line = document.querySelector('#ism .zero').getAttribute('d');"
        "const zero = Number(line.split(/[ H]/)[1]);"
        "return [...'ACGT'].flatMap((letter) => document.querySelector(`#ism .base-${letter}`)"
        ".getAttribute('d').split('Z').filter(Boolean).map((part) => {"
        " const points = part.slice(1).split('L').map((p) => p.split(' ').map(Number));"
        " const x = points.map((p) => p[0]), y = points.map((p) => p[1]);"
        " const at = (px) => locuscope.positionAt(svg.left + px);"
        " return [letter, at(Math.min(...x)), at(Math.max(...x)),"
        "  Math.min(...y), Math.max(...y), zero]; }))"
    )
    tall = {}
    for letter, left, right, top, bottom, zero in drawn:
        at = int(left)
        assert int(right) == at
        assert letter == SEQUENCE[at]
        up = zero - top if bottom <= zero + 0.02 else zero - bottom
        tall[at] = max(tall.get(at, 0.0), up, key=abs)  # A and G consist of two parts
    contributions = np.array(found["contributions"], float)
    px = np.array([tall[at] for at in range(START, END)])
    strong = np.abs(contributions) > 0.02 * np.abs(contributions).max()
    scale = 96 / (max(contributions.max(), 0) - min(contributions.min(), 0))
    np.testing.assert_allclose(px[strong], contributions[strong] * scale, rtol=0.02, atol=0.05)
    wanted = -np.array(found["effects"], float).sum(1) / 3
    np.testing.assert_allclose(contributions, wanted, atol=1e-4)


def test_hover_tells_base_change_and_score_and_a_click_tries_it(page):
    page.open(**VIEW, ism=ISM)
    found = computed(page)
    x = page.run(
        "const s = locuscope.state();"
        "const box = document.getElementById('viewport').getBoundingClientRect();"
        "return (arguments[0] + 0.5 - s.base.start) / (s.base.end - s.base.start) * box.width"
        " - box.width / 2",
        AT,
    )
    y = page.run(
        "const at = locuscope.state().view.figure.geometry.ism;"
        "return at.top + at.height / 2 - document.getElementById('viewport').clientHeight / 2"
    )
    viewport = page.element("#viewport")
    ActionChains(page.driver).move_to_element_with_offset(viewport, round(x), round(y)).perform()
    tip = page.until("return document.getElementById('ism-tip')?.innerText")
    assert tip.startswith("chrT1:696,359 A")
    effect = found["effects"][AT - START][1]
    assert f"A›C +{effect:.3g}" in tip
    ActionChains(page.driver).click().perform()
    choice = page.until(
        "return [...document.querySelectorAll('#menu button')]"
        ".find((b) => b.textContent.startsWith('A → C'))"
    )
    assert f"+{effect:.3g}" in choice.text
    choice.click()
    page.until("return locuscope.state().view.edits.length === 1")
    assert link(page)["variant"] == ["chrT1:696359:A>C"]
    assert link(page)["ism"] == [ISM]


def test_ways_to_draw_are_in_the_link_and_survive_reload(page):
    page.open(**VIEW, ism=ISM, theme="dark")
    computed(page)
    for label, word, css in (
        ("Heat map", "heat", "#ism image"),
        ("Strongest", "lollipop", "#ism circle"),
    ):
        page.run(
            "[...document.querySelectorAll('.ism-ways button')]"
            ".find((b) => b.textContent === arguments[0]).click()",
            label,
        )
        page.until("return document.querySelector(arguments[0])", css)
        assert link(page)["ism"] == [f"{ISM};show={word}"]
        page.driver.refresh()
        page.wait_drawn()
        page.until("return document.querySelector(arguments[0])", css)
        page.screenshot(f"ism_{word}_dark")
    resize(page.driver, 1024, 768)
    page.until("return document.getElementById('viewport').clientWidth < 900")
    page.wait_drawn()
    page.screenshot("ism_1024")
    # The label may be made anew while one looks.
    badge = "return document.querySelector('.row-label.ism .row-simulated')?.checkVisibility()"
    page.until(badge, what="no badge")


def test_keys_alone_choose_a_region_and_its_settings(page):
    page.open(**VIEW)
    page.keys("i")
    page.until("return locuscope.state().view.ism")
    assert link(page)["ism"][0].startswith(f"chrT1:{AT - 29}-{AT + 30};track={TRACK}")
    page.until("return locuscope.ism.state().found?.message.includes('of 60 bases')", seconds=120)
    page.keys("i")
    page.until("return document.activeElement.name === 'track'")
    page.run("locuscope.ism.cancel()")
    assert "Stopped" in page.text("#ism-message")
    done = page.run("return locuscope.ism.state().found.done")
    page.run(
        "const s = document.querySelector('#ism-panel [name=method]');"
        "s.value = 'gradient'; s.onchange()"
    )
    page.until("return locuscope.state().view.ism.method === 'gradient'")
    assert "by=gradient" in link(page)["ism"][0]
    found = computed(page)
    assert done < 60 == found["total"]
    page.screenshot("ism_gradient")
    page.keys(Keys.ESCAPE)
    page.keys("u")
    page.until("return locuscope.state().view.ism.method === 'ism'")


def test_shift_drag_offers_it(page):
    page.open(**VIEW)
    page.drag("#viewport", 160, x=-200, y=60, shift=True)
    page.until("return !document.getElementById('selection-menu').hidden")
    page.element('[data-action="select-ism"]').click()
    page.until("return locuscope.state().view.ism")
    found = page.run("return locuscope.state().view.ism")
    assert 5 <= found["end"] - found["start"] <= 15
    assert page.run("return document.getElementById('ism').offsetWidth") >= 140


def test_motifs_of_the_alternate_are_the_planted_ones(page):
    """On the sequence with the variant MYB's site stands out, and the matrix can be seen."""
    start, end = AT - 20, AT + 24
    ism = f"chrT1:{start + 1}-{end};track={TRACK};mask=chrT1:{AT - 499}-{AT + 501};score=lfc"
    page.open(**VIEW, variant="chrT1:696359:A>C", ism=f"{ism};on=alternate")
    computed(page)
    found = page.until("return locuscope.ism.state().found.motifs", seconds=280)
    page.screenshot("ism_motifs")
    top = max(found, key=lambda one: one["attribution"])
    assert top["start"] <= AT - start < top["end"]
    assert (top["matches"][0]["name"], top["alike"]) == ("MYB", 0)
    bracket = page.element("#ism .motif")
    assert bracket.text == "MYB"
    bracket.click()
    page.until("return document.querySelector('.motif-match svg path')")
    page.until(
        "return document.getElementById('drawer-body').textContent.includes('JASPAR CORE 2026')"
    )


def test_junction_is_chosen_by_its_arc_and_its_acceptor_stands_out(page):
    """The intron before the exon that is skipped in the second story, from the arc to the logo."""
    exon = SKIPPED.causal.position - 1 + len(SKIPPED.causal.ref)
    row = "teaching/SPLICE_JUNCTIONS/neuron-junctions"
    view = VIEW | {"track": [row, TRACK], "locus": f"chrT1:{exon - 1_500}-{exon + 500}"}
    page.open(**view)
    ending = f".arc.predicted[data-intron$='-{exon}']"
    page.until("return document.querySelector(arguments[0])", ending)
    page.element(".row-label:not(.ism) .row-menu").click()  # the badge does not cover it
    assert "ISM of the strongest junction, around its acceptor" in page.text("#menu")
    page.keys(Keys.ESCAPE)
    start, x, y = page.run(
        "const arcs = [...document.querySelectorAll(arguments[0])];"
        "const width = (arc) => parseFloat(arc.style.strokeWidth);"
        "const arc = arcs.sort((a, b) => width(b) - width(a))[0];"
        "const at = arc.getPointAtLength(0.6 * arc.getTotalLength());"
        "const on = at.matrixTransform(arc.getScreenCTM());"
        "return [Number(arc.dataset.intron.split('-')[0]), on.x, on.y]",
        ending,
    )
    chain = ActionBuilder(page.driver)
    chain.pointer_action.move_to_location(round(x), round(y)).click()
    chain.perform()
    page.until("return document.getElementById('menu')")
    assert page.text("#menu .menu-title") == f"chrT1:{start + 1:,}-{exon:,} +"
    page.screenshot("ism_junction_menu")
    assert page.run("return document.activeElement.textContent").endswith("around its donor")
    page.keys(Keys.TAB, Keys.ENTER)
    page.until("return locuscope.state().view.ism")
    (text,) = link(page)["ism"]
    where = f"track={row}/+;mask=junction:{start + 1}-{exon};score=lfc"
    assert text == f"chrT1:{exon - 99}-{exon + 100};{where}"
    page.open(
        **view | {"locus": f"chrT1:{exon - 29}-{exon + 30}"},
        ism=f"chrT1:{exon - 4}-{exon + 3};{where}",
    )
    found = computed(page)
    assert found["bases"] == SEQUENCE[exon - 5 : exon + 3]
    assert found["readout"]["mask_text"] == f"of the intron chrT1:{start + 1:,}-{exon:,}"
    assert "reads of the unchanged" in found["readout"]["score_text"]
    strongest = sorted(np.argsort(found["contributions"])[-2:])
    assert strongest == [3, 4]
    assert found["bases"][3:5] == "AG"
    page.keys("i")
    offered = page.run(
        "return [...document.querySelector('[name=mask]').options].map((o) => o.text)"
    )
    assert re.fullmatch(rf"chrT1:{start + 1:,}-{exon:,} \([\d.]+ reads\)", offered[0])
    scores = page.run(
        "return [...document.querySelector('[name=score]').options].map((o) => o.text)"
    )
    assert scores == ["ln ratio of the reads", "Difference of the reads"]
    page.screenshot("ism_junction")
    # By keys to the other row and back: the strongest junction of those that are drawn.
    for letter, track in (("A", TRACK), ("S", f"{row}/+")):
        page.run("document.querySelector('[name=track]').focus()")
        page.keys(letter)
        page.until("return locuscope.state().view.ism?.track === arguments[0]", track)
        page.until("return document.querySelector('[name=track]').value === arguments[0]", track)
    assert f"mask=junction:{start + 1}-{exon};" in link(page)["ism"][0]
