"""The page of several variants, on the teaching genome with the teaching model."""

from __future__ import annotations

import csv
import urllib.request
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.site import Page, resize
from tests.browser.test_effects import STORY, teaching, teaching_site  # noqa: F401
from tests.browser.test_security import reports

#: A base that makes an enhancer in thymocytes, and the loss of an acceptor.
NEW, LOST = "chrT1:696359:A>C", "chrT1:1399898:CTCAG>C"
LINK = f"genome=teach1&model=teaching&variant={quote(NEW)}&variant={quote(LOST)}"
SCORED = (
    "const said = document.getElementById('variants-message');"
    "return said && said.textContent.startsWith(arguments[0])"
    " && document.querySelector('#variants-clusters .js-plotly-plot')"
)


def table(page: Page) -> list[list[str]]:
    found: list[list[str]] = page.run(
        "return [...document.querySelectorAll('#variants-table tr')].slice(1)"
        ".map((line) => [...line.cells].map((cell) => cell.textContent))"
    )
    return found


def strongest(page: Page, variant: str) -> tuple[str, float]:
    """The strongest change of ATAC in the file of one variant: biosample and score."""
    query = f"genome=teach1&model=teaching&locus=chrT1:1-9&variant={quote(variant)}"
    text = urllib.request.urlopen(f"{page.site.url}/api/v1/effects.tsv?{query}").read().decode()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    scores = [
        (row["biosample_name"].replace(" (simulated)", ""), float(row["raw_score"]))
        for row in csv.DictReader(lines, delimiter="\t")
        if row["output_type"] == "ATAC" and "DIFF_LOG2_SUM" in row["variant_scorer"]
    ]
    return max(scores, key=lambda pair: abs(pair[1]))


def test_variants_are_scored_drawn_and_clustered(teaching: Page) -> None:  # noqa: F811
    teaching.driver.get(f"{teaching.site.url}/variants?{LINK}&theme=light")
    teaching.until(SCORED, "2 of 2", seconds=400, what="not scored")
    expected = {name: strongest(teaching, name) for name in (NEW, LOST)}
    assert expected[NEW][0] == "thymocyte"
    for (name, where, _, score), (biosample, value) in zip(
        table(teaching), expected.values(), strict=True
    ):
        assert name.startswith("chrT1:")
        assert where == biosample
        assert float(score.replace("−", "-")) == pytest.approx(value, rel=5e-3)
    x, y = teaching.run(
        "const [, heads] = document.getElementById('variants-needles').data;"
        "return [[...heads.x], [...heads.y]]"
    )
    assert x == [696_359, 1_399_898], "1-based, as people read them"
    assert y == pytest.approx([value for _, value in expected.values()])
    cells = teaching.run(
        "return document.querySelector('#variants-clusters .js-plotly-plot').data"
        ".find((one) => one.type === 'heatmap').text.flat()"
    )
    assert len(cells) == 2 * 6, "two variants in six cell types"
    assert any(NEW in cell and "thymocyte: 1." in cell for cell in cells)
    assert [badge.is_displayed() for badge in teaching.elements(".simulated-badge")] == [True] * 4
    assert reports(teaching) == [], "no eval, nothing from elsewhere"
    assert not teaching.elements("script[src*=dash_bio]")
    height = teaching.run("return document.querySelector('.document').scrollHeight + 80")
    resize(teaching.driver, 1440, height)
    low, top = teaching.run(
        "const box = (id) => document.querySelector(`#variants-${id} .svg-container`)"
        ".getBoundingClientRect(); return [box('needles').bottom, box('clusters').top]"
    )
    assert low <= top, "one plot below the other, at any size of the window"
    teaching.screenshot("variants")
    resize(teaching.driver, 1440, 900)


def test_page_is_used_by_keys_and_its_state_is_in_the_link(teaching: Page) -> None:  # noqa: F811
    teaching.driver.get(f"{teaching.site.url}/variants?genome=teach1&model=teaching&theme=dark")
    teaching.until("return document.getElementById('variants-box')")
    teaching.until("return document.querySelector('#variants-genome').value")
    teaching.run("document.getElementById('variants-box').focus()")
    teaching.keys("##fileformat=VCFv4.2", Keys.ENTER, "chrT1 696359 . A C", Keys.ENTER)
    teaching.keys(LOST, Keys.ENTER, "chrT1:696359:G>C", Keys.TAB)
    typed = ["##fileformat=VCFv4.2", "chrT1 696359 . A C", LOST, "chrT1:696359:G>C"]
    box = "return document.getElementById('variants-box').value"
    assert teaching.run(box).split("\n") == typed
    teaching.keys(Keys.ENTER)
    teaching.until(SCORED, "2 of 3", seconds=400, what="not scored")
    wrong, why = table(teaching)[2]
    assert wrong == "chrT1:696359:G>C"
    assert why == "The reference has A at chrT1:696,359, not G."
    teaching.until("return location.search.includes('variant=')")
    link = parse_qs(urlsplit(teaching.driver.current_url).query)
    assert link["variant"] == [NEW, LOST]
    teaching.run("document.getElementById('variants-show').focus()")
    teaching.keys("Splice site u")
    teaching.until("return location.search.includes('show=SPLICE_SITE_USAGE')")
    teaching.until(
        "return document.querySelectorAll('#variants-table tr')[2].textContent.includes('DELGA')",
        what="the gene whose acceptor is lost",
    )
    resize(teaching.driver, 1024, 768)
    teaching.until(
        "const page = document.querySelector('.document-scroll');"
        "return page.scrollWidth <= page.clientWidth",
        what="something is wider than the page",
    )
    teaching.screenshot("variants-dark")
    teaching.driver.refresh()
    teaching.until(SCORED, "2 of 2", seconds=400, what="the link does not restore it")
    shown = teaching.run("return document.getElementById('variants-show').value")
    assert shown.startswith("SPLICE_SITE_USAGE")
    link = teaching.element("#variants-table a").get_attribute("href")
    assert parse_qs(urlsplit(str(link)).query)["variant"] == [NEW]
    refused = teaching.complaints()
    assert refused
    assert all("400" in one for one in refused), "of the wrong REF, and nothing else"


def test_drawer_of_effects_leads_there(teaching: Page) -> None:  # noqa: F811
    teaching.open(f"{STORY}&panel=effects")
    teaching.until(
        "return document.querySelector('#effects-about a[href^=\"/variants\"]')", seconds=240
    )
    link = teaching.element("#effects-about a[href^='/variants']").get_attribute("href")
    assert parse_qs(urlsplit(str(link)).query) == {
        "genome": ["teach1"], "model": ["teaching"], "variant": [NEW],
    }  # fmt: skip
