"""What edits do, on the teaching genome with the teaching model: the table and its tracks."""

from __future__ import annotations

import csv
import re
import urllib.request
from collections.abc import Iterator
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.keys import Keys

from app.teaching_bundle import build
from tests.browser.site import REPOSITORY, Page, Site, resize, visit
from tests.web.test_figures import contrast

TEACH1 = REPOSITORY / ".cache" / "bundles" / "teach1"
ATAC = "teaching/ATAC/thymocyte-ATAC/."
#: The story of one base that makes an enhancer far upstream of TALOS.
STORY = (
    f"genome=teach1&locus=chrT1:690001-702000&model=teaching&biosample=CL:0000893&track={ATAC}"
    f"&variant={quote('chrT1:696359:A>C')}"
)


@pytest.fixture(scope="module")
def teaching_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if not (TEACH1 / "complete.txt").is_file():  # by whatever version of the program
        build(TEACH1)
    folder = tmp_path_factory.mktemp("effects")
    site = Site(TEACH1, folder, folder)
    yield site
    site.stop()


@pytest.fixture
def teaching(teaching_site: Site, driver) -> Iterator[Page]:
    with visit(driver, teaching_site) as page:
        yield page


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.driver.current_url).query, keep_blank_values=True)


def wait_for_table(page: Page) -> None:
    page.until(
        "return document.querySelector('#effects-about a.tool') && "
        "document.querySelector('.ag-row') && document.querySelector('#effects-map .heatmaplayer')",
        seconds=240,
        what="no table was shown",
    )


def rows(page: Page) -> list[list[str]]:
    """Returns the texts of the lines that the table shows, from top to bottom."""
    found: list[list[str]] = page.run(
        "return [...document.querySelectorAll('.ag-center-cols-container .ag-row')]"
        ".sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))"
        ".map((row) => [...row.querySelectorAll('.ag-cell')].map((cell) => cell.textContent))"
    )
    return found


#: Each number of the heat map: its text, its computed colour and the pixel of its cell.
NUMBERS = """
const plot = document.querySelector('#effects-map .js-plotly-plot');
return Promise.all([...plot.querySelectorAll('.heatmaplayer image')].map(async (node) => {
  const image = new Image();
  image.src = node.getAttribute('href') || node.getAttribute('xlink:href');
  await image.decode();
  const canvas = document.createElement('canvas');
  canvas.width = image.naturalWidth;
  canvas.height = image.naturalHeight;
  canvas.getContext('2d').drawImage(image, 0, 0);
  const box = node.getBoundingClientRect();
  return [...plot.querySelectorAll('.scatterlayer text')].map((text) => {
    const at = text.getBoundingClientRect();
    const x = (at.left + at.right) / 2 - box.left, y = (at.top + at.bottom) / 2 - box.top;
    const pixel = canvas.getContext('2d').getImageData(
      x * canvas.width / box.width, y * canvas.height / box.height, 1, 1).data;
    return [text.textContent, getComputedStyle(text).fill, [...pixel]];
  }).filter(([, , pixel]) => pixel[3] === 255);
})).then((found) => found.flat());
"""


def as_hex(channels: list[int]) -> str:
    return "#" + "".join(f"{channel:02x}" for channel in channels[:3])


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_number_of_the_heat_map_can_be_read(teaching: Page, theme: str) -> None:
    teaching.open(f"{STORY}&panel=effects&theme={theme}")
    wait_for_table(teaching)
    found = teaching.run(NUMBERS)
    assert len(found) == teaching.run(
        "return document.querySelectorAll('#effects-map .scatterlayer text').length"
    ), "each number stands in one cell"
    assert len(found) > 40
    for text, ink, cell in found:
        on = [int(channel) for channel in re.findall(r"\d+", ink)]
        assert contrast(as_hex(on), as_hex(cell)) >= 4.5, (text, ink, cell)
    grounds = {as_hex(cell) for _, _, cell in found}
    assert len(grounds) > 8, "the colours of the cells, not of what is below them"


def test_locus_is_not_cut_in_a_narrow_window(teaching: Page) -> None:
    resize(teaching.driver, 1024, 768)
    teaching.open(
        f"genome=teach1&model=&locus=chrT2:1353515-1409385&variant={quote('chrT2:1384746:C>G')}"
    )
    box = "const box = document.getElementById('locus'); return "
    assert teaching.run(f"{box}box.value") == "chrT2:1,353,515-1,409,385"
    assert teaching.run(f"{box}box.scrollWidth <= box.clientWidth")
    resize(teaching.driver, 1440, 900)


def test_every_track_is_scored_and_a_line_leads_to_its_track_and_gene(teaching: Page) -> None:
    teaching.open(STORY)
    teaching.keys("x")
    wait_for_table(teaching)
    assert query(teaching)["panel"] == ["effects"]
    first = rows(teaching)[0]
    assert first[:4] == ["ATAC", "thymocyte", "ATAC-seq", ""], "where the enhancer is made"
    link = teaching.element("#effects-about a.tool").get_attribute("href")
    text = urllib.request.urlopen(str(link)).read()
    lines = [line for line in text.decode().splitlines() if not line.startswith("#")]
    scores = list(csv.DictReader(lines, delimiter="\t"))
    assert f"{len(scores)} scores" in teaching.text("#effects-about")
    [score] = [
        float(row["raw_score"])
        for row in scores
        if row["track_id"] == ATAC and "DIFF_LOG2_SUM" in row["variant_scorer"]
    ]
    assert score > 1
    assert float(first[5].replace("−", "-")) == pytest.approx(score, rel=5e-3)
    assert "simulated: True" in text.decode()
    teaching.screenshot("effects")

    box = teaching.element(".ag-floating-filter-input input")
    box.click()
    teaching.keys("RNA")
    teaching.until(
        "return [...document.querySelectorAll('.ag-center-cols-container .ag-row')]"
        ".every((row) => row.textContent.startsWith('RNA'))",
        what="the table was not filtered",
    )
    teaching.run(
        "[...document.querySelectorAll('.ag-row')]"
        ".find((row) => /thymocyte.*TALOS/.test(row.textContent)).querySelector('.ag-cell').click()"
    )
    teaching.until(
        "return locuscope.state().view.rows.some((row) => row.id === arguments[0])",
        "teaching/RNA_SEQ/thymocyte-RNA",
        what="the track was not brought into view",
    )
    teaching.wait_drawn()
    _, start, end = teaching.locus()
    assert start < 696_358, "the variant"
    assert end > 708_000, "the gene, which lies to its right"
    teaching.screenshot("effects-gene")


def test_table_is_in_the_link_and_closes_with_it(teaching: Page) -> None:
    teaching.open(f"{STORY}&panel=effects&theme=dark")
    wait_for_table(teaching)
    resize(teaching.driver, 1024, 768)
    teaching.screenshot("effects-dark")
    resize(teaching.driver, 1440, 900)
    teaching.run("document.activeElement.blur()")
    teaching.keys(Keys.ESCAPE)
    teaching.until("return document.getElementById('drawer').hidden")
    teaching.until("return !locuscope.state().params.get('panel')", what="the link keeps it")
    teaching.driver.back()
    wait_for_table(teaching)


def test_a_line_is_chosen_with_the_keyboard(teaching: Page) -> None:
    teaching.open(f"{STORY}&panel=effects")
    wait_for_table(teaching)
    teaching.run("document.querySelectorAll('.ag-row .ag-cell')[0].focus()")
    for _ in range(3):
        teaching.keys(Keys.ARROW_DOWN)
    chosen = teaching.run("return document.activeElement.closest('.ag-row').textContent")
    assert "thymocyte" not in chosen
    before = teaching.run("return locuscope.state().view.rows.length")
    teaching.keys(Keys.ENTER)
    teaching.until("return locuscope.state().view.rows.length > arguments[0]", before)


def test_without_an_edit_the_table_says_what_to_do(teaching: Page) -> None:
    teaching.open(STORY.partition("&variant")[0])
    teaching.keys("x")
    teaching.until(
        "return document.getElementById('effects-about').textContent.includes('Type or paste one')"
    )
    [refusal] = teaching.complaints()
    assert "400" in refusal, "the browser notes the refused request and nothing else"


def test_delete_takes_a_selection_out(teaching: Page) -> None:
    teaching.open(STORY.partition("&variant")[0])
    teaching.drag("#viewport", 160, shift=True)
    teaching.keys(Keys.DELETE)
    teaching.until("return locuscope.state().view.edits.length === 1", what="nothing was deleted")
    [edit] = query(teaching)["edit"]
    assert edit.endswith(":del")
    ActionChains(teaching.driver).send_keys("u").perform()
    teaching.until("return locuscope.state().view.edits.length === 0", what="it was not undone")


def test_lost_acceptor_takes_its_intron_from_the_arcs(teaching: Page) -> None:
    """The intron into the fourth exon of DELGA ends with the acceptor that the variant deletes."""
    row = "teaching/SPLICE_JUNCTIONS/hepatocyte-junctions"
    teaching.open(
        "genome=teach1&locus=chrT1:1392457-1408448&model=teaching&biosample=CL:0000182"
        f"&track={row}&variant={quote('chrT1:1399898:CTCAG>C')}"
    )
    teaching.until("return document.querySelectorAll('.arc').length > 5", what="no arc was drawn")
    arcs = teaching.run(
        "return [...document.querySelectorAll('.arc')].map((arc) => "
        "[arc.classList[1], ...arc.dataset.intron.split('-').map(Number)])"
    )
    into = [kind for kind, _, end in arcs if end == 1_399_902]
    # Measured was the reference, so that its intron stays below the line.
    assert set(into) == {"reference", "observed"}
    kept = {kind for kind, start, _ in arcs if start > 1_400_000}
    assert kept == {"reference", "predicted", "observed"}
    teaching.screenshot("junctions")
    teaching.keys("d")
    teaching.until("return document.querySelector('.arc.loss')", what="no loss was drawn")
    assert not teaching.elements(".arc.reference")
