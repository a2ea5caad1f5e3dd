"""Edits by hand, by mouse and by keys; what cannot be done is said and leaves the view as it is."""

from __future__ import annotations

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.site import Page
from tests.browser.test_effects import ATAC, query, teaching, teaching_site  # noqa: F401

#: Measurements alone: nothing is computed.
MEASURED = "genome=teach1&locus=chrT1:696001-697000&model="
PREDICTED = f"genome=teach1&locus=chrT1:696001-697000&model=teaching&track={ATAC}"


def edits(page: Page) -> list[str]:
    found: list[str] = page.run("return locuscope.state().view.edits.map((one) => one.text)")
    return found


def enter(page: Page, text: str) -> None:
    """Pastes a text into the box of edits and presses Enter."""
    page.run("document.getElementById('edit-box').value = arguments[0]", text)
    page.element("#edit-box").send_keys(Keys.ENTER)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("chrT1:696359:G>C", "The reference has A at chrT1:696,359, not G."),
        ("chrT1:99999999:A>C", "chrT1 has"),
        (f"chrT1:696359:ins:{'ACGTA' * 2_000}", "takes 4,000"),
        ("chrT1:690001-700001:dup", "10,000 bp"),
        ("chrT1:696151-696250:inv", "overlap"),
    ],
)
def test_bad_edit_is_refused_under_the_box(teaching: Page, text: str, words: str) -> None:  # noqa: F811
    teaching.open(f"{MEASURED}&edit=chrT1:696101-696200:del")
    teaching.until("return document.querySelector('#edit-list .edit-chip')")
    enter(teaching, text)
    teaching.until(
        "const said = document.getElementById('edit-message');"
        "return !said.hidden && said.textContent.includes(arguments[0])",
        words,
        what=f"{text[:40]} was not refused with “{words}”",
    )
    assert edits(teaching) == ["chrT1:696101-696200:del"]
    assert query(teaching)["edit"] == ["chrT1:696101-696200:del"]
    teaching.screenshot("edit-refused")
    [refused] = teaching.complaints()
    assert "/api/v1/edits" in refused


def test_selection_is_inverted_duplicated_and_shuffled(teaching: Page) -> None:  # noqa: F811
    for action, ending in (("invert", ":inv"), ("duplicate", ":dup"), ("shuffle", ":shuffle:1")):
        teaching.open(MEASURED)
        teaching.drag("#viewport", 160, shift=True)
        teaching.until("return !document.getElementById('selection-menu').hidden")
        start, end = teaching.run("const s = locuscope.selected(); return [s.start, s.end]")
        teaching.element(f"[data-action=select-{action}]").send_keys(Keys.ENTER)
        teaching.until("return locuscope.state().view.edits.length === 1", what=action)
        assert edits(teaching) == [f"chrT1:{start + 1}-{end}{ending}"]
        assert query(teaching)["edit"] == edits(teaching)


def test_motif_of_jaspar_is_inserted_by_keys(teaching: Page) -> None:  # noqa: F811
    teaching.open(MEASURED)
    teaching.run("document.activeElement.blur()")
    teaching.keys("v")
    teaching.until("return document.activeElement.id === 'edit-box'")
    teaching.keys("chrT1:696500:ins:CTCF", Keys.ENTER)
    teaching.until("return locuscope.state().view.edits.length === 1", what="nothing was inserted")
    [text] = edits(teaching)
    assert text.startswith("chrT1:696500:ins:")
    assert ";CTCF MA" in text, "the link names the matrix"
    teaching.until("return document.querySelector('.edit-chip')")
    label = teaching.text(".edit-chip .edit-name")
    assert label.startswith("CTCF MA")
    assert label.endswith("inserted after chrT1:696,500")


def test_insertion_is_shown_in_place_and_deletion_is_a_gap(teaching: Page) -> None:  # noqa: F811
    bases = "ACGTTGCAAC" * 6
    teaching.open(
        f"{PREDICTED}&edit=chrT1:696359:ins:{bases}&edit=chrT1:696601-696700:del", wait=False
    )
    teaching.wait_drawn(400)
    px, start = teaching.run(
        "const { base, region } = locuscope.state();"
        "return [document.getElementById('viewport').clientWidth / (base.end - base.start),"
        " region.start]"
    )

    def left(css: str) -> float:
        return float(
            teaching.run("return parseFloat(document.querySelector(arguments[0]).style.left)", css)
        )

    assert left(".inserted-mark") == pytest.approx((696_359 - start) * px, abs=0.5)
    assert left(".edit-mark.deleted") == pytest.approx((696_600 - start) * px, abs=0.5)
    known = teaching.run(
        "return arguments[0].map((at) => locuscope.valuesAt(at)[0]"
        ".alternate.every(Number.isFinite))",
        [696_599, 696_600, 696_699, 696_700],
    )
    assert known == [True, False, False, True], "the first and the last base that is deleted"
    mark = teaching.element(".inserted-mark")
    mark.send_keys(Keys.ENTER)
    teaching.until("return document.querySelector('.inserted-box path')", what="not expanded")
    assert mark.get_attribute("aria-expanded") == "true"
    assert left(".inserted-box") == pytest.approx((696_359 - start) * px + 2, abs=0.5)
    steps = teaching.run(
        "return document.querySelector('.inserted-box path').getAttribute('d').match(/H/g).length"
    )
    assert steps >= len(bases), "each inserted base has its own step"
    teaching.screenshot("inserted")
    mark.send_keys(Keys.ENTER)
    teaching.until("return !document.querySelector('.inserted-box')", what="not closed")


def test_figures_of_the_other_ways_are_drawn_in_advance(teaching: Page) -> None:  # noqa: F811
    """What is put in place is what would be drawn anew."""
    paths = "return [...document.querySelectorAll('#figure path')].map((p) => p.getAttribute('d'))"
    teaching.open(f"{PREDICTED}&edit=chrT1:696601-696700:del", wait=False)
    teaching.wait_drawn(400)
    teaching.until("return locuscope.figuresWaiting() === 4", what="not drawn in advance")
    before = teaching.run(paths)
    drawn = {}
    for way in ("reference", "alternate"):
        teaching.run("document.activeElement.blur()")
        teaching.keys("a")
        teaching.until("return locuscope.state().view.compare === arguments[0]", way)
        assert teaching.run("return locuscope.figuresWaiting()") == 4, "one goes, one comes"
        drawn[way] = teaching.run(paths)
    assert before != drawn["reference"] != drawn["alternate"] != before
    for way, expected in drawn.items():
        teaching.open(f"{PREDICTED}&edit=chrT1:696601-696700:del&compare={way}")
        assert teaching.run(paths) == expected
