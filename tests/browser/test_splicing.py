"""Variants whose SpliceAI scores have been published, as the page shows them."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from selenium import webdriver

from tests.browser.site import REPOSITORY, Page, Site, resize
from tests.realdata.published_variants import GENOMES, build

TUBB8, _ = GENOMES
LOST = TUBB8.variants[0]
#: Where the acceptor is that LOST weakens: 23 bp to its left, 0-based.
ACCEPTOR = 94_077 - 1 - 23


@pytest.fixture(scope="module")
def published(
    realdata: Path, tmp_path_factory: pytest.TempPathFactory, driver: webdriver.Chrome
) -> Iterator[Page]:
    folder = REPOSITORY / ".cache" / "bundles" / TUBB8.id
    build(TUBB8, folder, realdata)
    cache = tmp_path_factory.mktemp("published")
    site = Site(folder, cache, cache)  # SpliceAI's weights are in its package
    resize(driver, 1440, 900)
    page = Page(driver, site)
    page.complaints()
    yield page
    assert page.complaints() == []
    site.stop()


def test_first_page_leads_to_the_published_scores_and_both_alleles(published: Page) -> None:
    published.driver.get(published.site.url)
    published.until("return document.querySelector('.card')")
    titles = [card.text.splitlines()[0] for card in published.elements(".card")]
    assert titles == ["A>C in TUBB8: acceptor loss", "C>T in TUBB8: donor loss"]
    published.element(".card").click()
    published.wait_drawn(400)
    published.until("return document.querySelector('.deltas')", seconds=400, what="no scores")
    cells = published.run(
        "return [...document.querySelectorAll('.deltas tr')]"
        ".map((line) => [...line.cells].map((cell) => cell.textContent))"
    )
    _, gene, *numbers = LOST.entry.split("|")
    assert published.text(".deltas caption") == f"{gene} (-)"
    names = ["DS_AG", "DS_AL", "DS_DG", "DS_DL"]
    assert [(cell[0], cell[2]) for cell in cells] == list(zip(names, numbers[:4], strict=True))
    offsets = [int(cell[3].removesuffix(" bp").replace("−", "-")) for cell in cells]
    assert offsets == [int(text) for text in numbers[4:]]
    assert [cell[4] for cell in cells] == [f"chr10:{94_077 + offset:,}" for offset in offsets]
    href = published.element("#effects-about a.tool").get_attribute("href")
    text = urllib.request.urlopen(str(href)).read().decode()
    assert f"# SpliceAI within 500 bp: {LOST.entry}\n" in text

    # The track reads what is around the gene, too; the loss is at the same base.
    published.element(".deltas tr:nth-of-type(2) button").click()
    readout = published.text("#readout")
    assert readout.startswith(f"chr10:{ACCEPTOR + 1:,} ")
    values = re.search(r"acceptor: reference \S+, (\S+) / alternate \S+, (\S+) ", readout)
    assert values
    before, after = (float(text) for text in values.groups())
    assert before > 0.9
    assert before - after > 0.27
    published.screenshot("spliceai-published")


def test_reference_alternate_and_difference_are_drawn(published: Page) -> None:
    """From one way to compare to the next by the key, each in the link."""
    published.open(f"genome={TUBB8.id}&{LOST.query}", wait=False)
    published.wait_drawn(400)
    groups = (
        "return [...new Set(document.getElementById('figure').data"
        ".filter((one) => one.meta).map((one) => one.meta.part))].sort()"
    )
    shown = {}
    for _ in range(3):
        way = published.run("return locuscope.state().view.compare")
        shown[way] = published.run(groups)
        published.screenshot(f"spliceai-{way}")
        published.keys("d")
        published.until("return locuscope.state().view.compare !== arguments[0]", way)
    assert shown["difference"] == ["gain", "loss"]
    assert {"reference", "alternate"} <= set(shown["split"]) & set(shown["overlay"])
    narrow = LOST.query.replace(LOST.locus, "chr10:93954-94153").replace("split", "difference")
    published.open(f"genome={TUBB8.id}&{narrow}")  # each base has its own step
    [(x, y, series)] = published.run(
        "return document.getElementById('figure').data.filter((one) => one.meta"
        " && one.meta.part === 'loss' && one.meta.row.endsWith('acceptor'))"
        ".map((one) => [one.x, one.y, one.meta.series[1]])"
    )
    points = zip(x, y, strict=True)
    off = [(abs(px - series["base"]), place) for place, px in points if px is not None]
    mine = [one for one in off if one[0] <= series["height"]]  # the other strand is further off
    deepest = {place for px, place in mine if px == max(mine)[0]}
    assert deepest == {ACCEPTOR}


def test_deeplift_is_offered_where_all_layers_have_a_rule(published: Page) -> None:
    """One comparison is drawn while others are computed; its top letter is of the lost site."""
    region = f"chr10:{ACCEPTOR - 19}-{ACCEPTOR + 20}"
    track = "spliceai/SPLICE_SITES/acceptor"
    ism = f"{region};track={track}/-;mask={region};score=difference;by=deeplift"
    published.open(
        f"genome={TUBB8.id}&locus={region}&model=spliceai&track={track}&ism={ism}", wait=False
    )
    published.until(
        "return / of 20 comparisons/.test(locuscope.ism.state().found?.message)", seconds=180
    )
    published.until("return document.querySelector('.row-label.ism')?.textContent.includes('SHAP')")
    published.screenshot("spliceai-deeplift")
    contributions = published.run("return locuscope.ism.state().found.contributions")
    assert len(contributions) == 40
    top = contributions.index(max(contributions)) + ACCEPTOR - 20
    assert top - ACCEPTOR in {1, 2}, "AG, before the exon on the other strand"
    published.keys("i")
    published.until(
        "return document.querySelector('#ism-panel [name=method]')?.value === 'deeplift'"
    )
    published.run("locuscope.ism.cancel()")
    assert "Stopped" in published.text("#ism-message")
