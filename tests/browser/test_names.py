"""Names that hold HTML stand in the page as text, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from selenium import webdriver

from tests.browser.site import Page, Site, visit
from tests.genome.made import write_bigwig, write_fasta, write_toml

#: Nothing of Locuscope is made of this element, and its text is no name of anything else.
NAME = '<marquee onclick="window.hurt=1">{}</marquee>'
GENE, CELL, TRACK, GENOME, TITLE, ABOUT = (
    NAME.format(what) for what in ("gene", "cell", "track", "genome", "title", "about")
)


@pytest.fixture(scope="module")
def names_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("names")
    write_fasta(folder / "reference.fa", {"chr1": "ACGT" * 5_000})
    (folder / "genes.bed").write_text(
        f"chr1\t2000\t6000\t{GENE.replace(' ', chr(0xA0))}\t0\t+\t2000\t2000\t0\t1\t4000,\t0,\n"
    )
    write_bigwig(folder / "t.bw", {"chr1": 20_000}, [("chr1", 100, 19_000, 2.0)])
    write_toml(
        folder,
        genome={"id": "names", "name": GENOME},
        genes={"path": "genes.bed"},
        tracks=[{"path": "t.bw", "name": TRACK, "biosample": CELL}],
    )
    with (folder / "genome.toml").open("a") as file:
        file.write(f"[[views]]\ntitle = '{TITLE}'\nabout = '{ABOUT}'\n")
        file.write('link = "locus=chr1:1,001-9,000"\n')
    site = Site(folder, tmp_path_factory.mktemp("none"), tmp_path_factory.mktemp("cache"))
    yield site
    site.stop()


@pytest.fixture
def page(names_site: Site, driver: webdriver.Chrome) -> Iterator[Page]:
    with visit(driver, names_site) as page:
        yield page


def made(page: Page) -> int:
    return page.run("return document.querySelectorAll('marquee').length")


def test_first_page(page: Page) -> None:
    page.driver.get(page.site.url)
    page.until("return document.body.innerText.includes('about</marquee>')")
    text = page.run("return document.body.innerText")
    assert TITLE in text
    assert ABOUT in text
    assert GENOME.upper() in text.upper()
    assert made(page) == 0


def test_view(page: Page) -> None:
    page.open(locus="chr1:1,001-9,000")
    page.until("return document.body.textContent.includes('gene</marquee>')", what="the gene")
    text = page.run("return document.body.textContent")
    for name in (CELL, GENOME):
        assert name in text
    page.screenshot("names")
    page.search("marquee")
    assert made(page) == 0
    assert page.run("return window.hurt") is None


def test_simulated_predictions_of_another_genome_wear_the_badge(page: Page) -> None:
    page.open(locus="chr1:1,001-9,000")
    assert not page.elements(".row-simulated")
    page.open(locus="chr1:1,001-9,000", model="teaching", track="teaching/ATAC/hepatocyte-ATAC/.")
    badges = page.run(
        "return [...document.querySelectorAll('.row-label[data-kind=signal] .row-simulated')]"
        ".map(one => one.textContent)"
    )
    assert badges == ["simulated"]
    assert page.run("return document.body.classList.contains('simulated')")
