"""What leaves the page: pictures and data, as a person saves them in a real Chromium."""

from __future__ import annotations

import gzip
import io
import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader
from selenium.webdriver.common.keys import Keys

from tests.browser.site import MAPK1, Page
from tests.browser.test_effects import teaching, teaching_site  # noqa: F401 - fixtures

SVG = "{http://www.w3.org/2000/svg}"
HEPG2 = "EFO:0001187"
Saver = Callable[[str], Path]


def click_and_wait(page: Page, folder: Path, button: str) -> Path:
    """Clicks a button of the drawer and returns the file that then is in the folder."""
    before = set(folder.iterdir())
    page.run(
        "[...document.querySelectorAll('#drawer-body button')]"
        ".find(b => b.textContent === arguments[0]).click()",
        button,
    )
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        new = [f for f in set(folder.iterdir()) - before if f.suffix != ".crdownload"]
        if new and not new[0].name.startswith("."):
            return new[0]
        time.sleep(0.1)
    raise TimeoutError(page.run("return document.body.innerText"))


@pytest.fixture
def saved(page: Page, tmp_path: Path) -> Iterator[Saver]:
    """Clicks a button of the drawer and returns the file that the browser then saves."""
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )

    yield lambda button: click_and_wait(page, tmp_path, button)
    page.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "default"})


def words(svg: ElementTree.Element) -> list[str]:
    return ["".join(text.itertext()) for text in svg.iter(f"{SVG}text")]


def is_name(text: str, names: list[str]) -> bool:
    """Whether a text is a row's name, perhaps cut off where the row has no more room."""
    start, cut, _ = text.partition("\u2026")
    return any(name.startswith(start) if cut and len(start) > 9 else name == text for name in names)


def test_svg_has_the_rows_of_the_page_in_their_order_on_white(page, saved):
    page.open(locus=MAPK1, theme="dark")
    rows = page.run("return locuscope.state().view.rows.map(r => r.style.color || r.modality)")
    names = page.run("return [...document.querySelectorAll('.row-head b')].map(b => b.textContent)")
    link = page.driver.current_url
    page.keys("e")
    page.until("return document.activeElement.textContent === 'SVG'")
    page.screenshot("export")
    file = saved("SVG")
    assert file.name == "locuscope_hg38-windows_chr22-21691454-21822524.svg"
    svg = ElementTree.fromstring(file.read_text())
    assert svg.get("width") == "180mm"
    assert svg.get("viewBox", "").startswith("0 0 680 ")
    ground = svg.find(f"{SVG}rect")
    assert ground is not None
    assert ground.get("fill") == "#ffffff"
    shown = words(svg)
    assert [text for text in shown if is_name(text, names)] == [
        next(text for text in shown if is_name(text, [name])) for name in names
    ]
    assert len(names) == len(rows) > 3
    assert sum(bool(re.fullmatch(r"21\.\d+ Mb", text)) for text in shown) >= 3
    assert any(text.startswith("r .") for text in shown)
    assert any("MAPK1" in text for text in shown)
    caption = " ".join(shown[shown.index(names[0]) :])
    for part in (MAPK1, "hg38", "locuscope 0.", "not for clinical use", "predicted by"):
        assert part in caption
    assert link in "".join(shown)
    assert "simulated" not in caption
    texts = svg.iter(f"{SVG}text")
    sizes = {float(text.get("font-size", "0").removesuffix("px")) for text in texts}
    assert min(sizes) >= 10.66  # 8 pt at 180 mm
    assert max(sizes) <= 13.34  # 10 pt
    # The page itself is as it was.
    assert page.driver.current_url == link
    assert page.run("return document.querySelectorAll('iframe').length") == 0


def test_a_peak_stands_where_the_page_has_it(page, saved):
    """The path of the prediction is highest at the same base as the figure's polygon."""
    page.open(locus=MAPK1, track="baskerville-human74/DNASE/ENCFF136DBS/.")
    peak = page.run(
        "const t = document.getElementById('figure').data.find(d => d.meta?.part === 'predicted');"
        "const {start, end} = locuscope.state().base; let best = null;"
        "t.x.forEach((x, i) => { const inside = x >= start && x < end;"
        "if (inside && (best === null || t.y[i] < t.y[best])) best = i; });"
        "return (t.x[best] - start) / (end - start)"
    )
    page.keys("e")
    picture = Image.open(saved("PNG"))
    pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert picture.width == 2 * 680
    assert tuple(pixels[-1, -1]) == (255, 255, 255)
    # DNase is #56B4E9: much more blue than red.
    blue = pixels[..., 2] - pixels[..., 0] > 60
    blue[: 2 * 48] = False  # the overview marks what is in view in blue
    blue[:, : 2 * 208] = False
    highest = np.argwhere(blue)[np.argwhere(blue)[:, 0].argmin()]
    assert (highest[1] / 2 - 208) / 472 == pytest.approx(peak, abs=4 / 472)


def test_letters_of_the_sequence_stand_in_their_order(page, saved):
    page.open(locus="chr22:21,736,001-21,736,040", track="baskerville-human74/DNASE/ENCFF136DBS/.")
    bases = page.driver.execute_async_script(
        "const done = arguments[0];"
        "fetch('/api/v1/sequence?genome=hg38-windows&chrom=chr22&start=21736000&end=21736040')"
        ".then(r => r.json()).then(r => done(r.sequence))"
    )
    page.keys("e")
    svg = ElementTree.fromstring(saved("SVG").read_text())
    letters = []
    for text in svg.iter(f"{SVG}text"):
        places = [float(x) for x in text.get("x", "").split()]
        if len(places) > 1 and set(text.text or "") <= set("ACGT") and text.get("font-weight"):
            assert text.get("textLength") is None
            assert text.get("transform") is None
            letters += zip(places, text.text or "", strict=True)
    # The figure is three screens of 472 px wide.
    assert "".join(letter for x, letter in sorted(letters) if 472 < x < 944) == bases


def test_pdf_is_180_mm_wide_and_says_what_it_shows(page, saved):
    page.open(locus=MAPK1, biosample=HEPG2)
    page.keys("e")
    (sheet,) = PdfReader(io.BytesIO(saved("PDF").read_bytes())).pages
    assert float(sheet.mediabox.width) == pytest.approx(180 / 25.4 * 72, abs=0.1)
    text = sheet.extract_text()
    assert MAPK1 in text
    assert "MAPK1" in text
    assert "not for clinical use" in text


def test_a_selected_region_is_exported(page, saved):
    page.open(locus=MAPK1, track="baskerville-human74/DNASE/ENCFF136DBS/.")
    page.drag("#viewport", 200, shift=True)
    page.element("[data-action='select-export']").click()
    name = saved("SVG").name
    start, end = (int(n) for n in re.findall(r"chr22-(\d+)-(\d+)", name)[0])
    assert 21_691_454 < start < end < 21_822_524
    assert page.locus() == ("chr22", 21_691_453, 21_822_524)


def test_simulated_rows_wear_their_badge_and_maps_come_along(teaching, tmp_path):  # noqa: F811
    teaching.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    tracks = ("ATAC/thymocyte-ATAC/.", "CONTACT_MAPS/thymocyte-Hi-C/.")
    teaching.open(
        genome="teach1",
        locus="chrT1:690001-702000",
        model="teaching",
        track=[f"teaching/{track}" for track in tracks],
    )
    teaching.keys("e")
    file = click_and_wait(teaching, tmp_path, "SVG")
    assert file.name == "locuscope_simulated_teach1_chrT1-690001-702000.svg"
    svg = ElementTree.fromstring(file.read_text())
    shown = words(svg)
    assert shown.count("simulated") == 2
    assert any(text.startswith("simulated: nothing here") for text in shown)
    images = list(svg.iter(f"{SVG}image"))
    assert images
    for image in images:
        assert image.get("href", "").startswith("data:image/png;base64,")
    assert any(gradient.tag for gradient in svg.iter(f"{SVG}linearGradient"))
    assert "Obs/exp" not in shown  # what is only for the hand
    pdf = click_and_wait(teaching, tmp_path, "PDF")
    (sheet,) = PdfReader(io.BytesIO(pdf.read_bytes())).pages
    assert "simulated" in sheet.extract_text()
    table = click_and_wait(teaching, tmp_path, "TSV")
    assert "simulated" in table.name
    assert "# simulated: True" in table.read_text()


# Puts a picture into a page and returns which of its texts reach beyond its edges.
CUT = """
const svg = new DOMParser().parseFromString(arguments[0], "image/svg+xml").documentElement;
svg.setAttribute("style", "position: absolute; top: 0; left: 0; width: 1360px; height: auto");
document.body.append(document.adoptNode(svg));
const edge = svg.getBoundingClientRect();
const cut = [...svg.querySelectorAll("text")].filter((text) => {
  const box = text.getBoundingClientRect();
  return box.left < edge.left - 1 || box.right > edge.right + 1 || box.bottom > edge.bottom + 1;
});
svg.remove();
return cut.map((text) => text.textContent);
"""


def test_arcs_and_maps_have_their_numbers_units_and_legend(teaching, tmp_path):  # noqa: F811
    teaching.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    arcs, hic = "SPLICE_JUNCTIONS/hepatocyte-junctions", "CONTACT_MAPS/hepatocyte-Hi-C/."
    teaching.open(
        genome="teach1",
        locus="chrT1:1384457-1412448",
        model="teaching",
        track=[f"teaching/{arcs}", f"teaching/{hic}"],
        style=f"teaching/{hic};part=difference",
        variant="chrT1:1399898:CTCAG>C",
        highlight="chrT1:1386001-1388000;before",
        theme="dark",
    )
    unit = teaching.text(".map-unit")
    assert unit.startswith("log2")
    teaching.keys("e")
    file = click_and_wait(teaching, tmp_path, "SVG")
    svg = ElementTree.fromstring(file.read_text())
    shown = words(svg)
    assert "before" in shown
    assert any("colour: alternate" in text and "grey, below: observed" in text for text in shown)
    assert any("Splice junctions in reads" in text for text in shown)
    # The unit of the map is there to its end, on as many lines as it takes.
    assert unit.replace(" ", "") in "".join(shown).replace(" ", "")
    # Each number stands on a lighter copy of itself, not below it.
    numbers = [text for text in svg.iter(f"{SVG}text") if text.get("stroke") == "#ffffff"]
    assert numbers
    order = list(svg.iter(f"{SVG}text"))
    for below in numbers:
        above = order[order.index(below) + 1]
        assert above.text == below.text
        assert above.get("stroke") is None
        assert re.fullmatch(r"[\d.,e+-]+", above.text or "")
    assert teaching.run(CUT, file.read_text()) == []


def test_own_track_is_a_row_and_its_link_restores_it(page, tmp_path):
    page.open(locus="chr22:21,735,951-21,736,150", track="baskerville-human74/DNASE/ENCFF136DBS/.")
    file = tmp_path / "my <i>peaks.narrowPeak"
    file.write_text("chr22\t21735999\t21736100\tp\t0\t.\t7\t1\t1\t1\n")
    page.element("#file-choice").send_keys(str(file))
    row = page.until(
        "const r = locuscope.state().view.rows.find(r => r.modality === 'OWN'); return r && r.id",
        seconds=200,
    )
    page.wait_drawn()
    page.driver.get(page.driver.current_url)
    page.wait_drawn()
    label = page.run(
        "return [...document.querySelectorAll('.row-label')]"
        ".find(n => n.dataset.row === arguments[0]).textContent",
        row,
    )
    assert "my _i_peaks.narrowPeak" in label
    values = page.run(
        "return [21735998, 21735999, 21736099, 21736100].map(p =>"
        " locuscope.valuesAt(p).find(v => v.row.id === arguments[0]).observed[0])",
        row,
    )
    assert values == [None, 7, 7, None]
    page.screenshot("own_track")


BAD = {
    "bad.bed": (b"chr22\t5\t6\nchr22\t-1\t6\n", "Line 2"),
    "picture.bed": (b"\x89PNG\r\n\x1a\n\0\0", "Line 1 has 1 columns"),
    "text.bw": (b"chr22\t5\t6\n", "damaged, or not what its name says"),
    "empty.bed": (b"", "no line as bed has them"),
    "elsewhere.bed": (b"chrQ\t5\t6\n", "no chromosome of this genome"),
    "beyond.bed": (b"22\t5\t60000000\n", "chr22 ends at 50,818,468"),
    "bomb.bed.gz": (gzip.compress(b"#" + b" " * 50_000_000), "A text has at most"),
    "notes.doc": (b"hello", "must end in"),
}


def test_bad_files_are_notices_and_the_view_stays(page, tmp_path):
    page.open(locus="chr22:21,735,001-21,737,000", track="baskerville-human74/DNASE/ENCFF136DBS/.")
    before = page.driver.current_url
    for name, (content, says) in BAD.items():
        file = tmp_path / name
        file.write_bytes(content)
        page.run(
            "document.getElementById('notes').replaceChildren();"
            "document.getElementById('file-choice').value = ''"  # as before each choice of a person
        )
        page.element("#file-choice").send_keys(str(file))
        said = page.until("return document.querySelector('#notes .error')?.textContent", seconds=99)
        assert f"{name}: " in said
        assert says in said
    assert page.driver.current_url == before
    page.complaints()  # the browser notes the answers 400


def test_a_gigabyte_is_refused_before_it_is_sent(page, tmp_path):
    page.open(locus="chr22:21,735,001-21,737,000", track="baskerville-human74/DNASE/ENCFF136DBS/.")
    file = tmp_path / "large.bw"
    with file.open("wb") as large:
        large.truncate(2**30)
    page.element("#file-choice").send_keys(str(file))
    said = page.until("return document.querySelector('#notes .error')?.textContent", seconds=99)
    assert said.startswith("large.bw: This file has 1,024 MiB; at most 64 can be read.")


def test_a_saved_session_opens_the_same_view_with_its_notes(page, saved):
    page.open(locus=MAPK1, biosample=HEPG2, highlight="chr22:21700001-21710000;here")
    view = page.driver.current_url
    page.keys("e")
    page.element(".session-notes").send_keys("Look <b>here</b> \u03c1")
    file = saved("Save session")
    assert file.name.endswith(".session.json")
    page.open(locus="chr22:21,735,001-21,737,000")
    page.run("sessionStorage.clear()")
    page.element("#file-choice").send_keys(str(file))
    page.until("return location.href === arguments[0]", view, seconds=60)
    page.until("return document.activeElement.matches('.session-notes')")
    assert page.run("return document.activeElement.value") == "Look <b>here</b> \u03c1"
    assert page.locus() == ("chr22", 21_691_453, 21_822_524)


def test_a_session_names_own_tracks_and_says_that_it_does_not_hold_them(page, saved, tmp_path):
    page.open(locus="chr22:21,735,951-21,736,150", track="baskerville-human74/DNASE/ENCFF136DBS/.")
    own = tmp_path / "mine.bed"
    own.write_text("chr22\t21735999\t21736100\n")
    page.element("#file-choice").send_keys(str(own))
    page.until("return locuscope.state().view.rows.some(r => r.modality === 'OWN')", seconds=200)
    page.wait_drawn()
    page.keys("e")
    assert "mine.bed) but does not hold them" in page.text("#drawer-body")
    file = saved("Save session")
    session = json.loads(file.read_text())
    (named,) = session["own"]
    assert named["name"] == "mine.bed"
    assert f"own={named['id']}" in session["view"]
    # As if another server opened it, which has never had that file.
    text = file.read_text().replace(named["id"], "0" * 32)
    file.write_text(text)
    page.element("#file-choice").send_keys(str(file))
    said = page.until(
        "return [...document.querySelectorAll('#notes .note')].map(n => n.textContent)"
        ".find(t => t.startsWith('Not kept on this server: mine.bed.'))",
        seconds=99,
    )
    assert "Add the file again" in said


def test_share_button_copies_the_link(page):
    page.open(locus=MAPK1, biosample=HEPG2)
    page.driver.execute_cdp_cmd(
        "Browser.grantPermissions",
        {"permissions": ["clipboardReadWrite", "clipboardSanitizedWrite"]},
    )
    page.element("[data-action='copy-link']").click()
    page.until("return document.getElementById('toast').textContent === 'Link copied'")
    copied = page.driver.execute_async_script("navigator.clipboard.readText().then(arguments[0])")
    assert copied == page.driver.current_url


def test_link_that_the_browser_does_not_copy_is_shown_and_selected(page):
    page.open(locus=MAPK1, biosample=HEPG2)
    denied = {"permission": {"name": "clipboard-write"}, "setting": "denied"}
    page.driver.execute_cdp_cmd("Browser.setPermission", denied)
    try:
        page.keys("l")
        page.until("return document.querySelector('#drawer-body textarea')")
    finally:
        page.driver.execute_cdp_cmd("Browser.resetPermissions", {})
    assert page.text("#drawer-title") == "Link"
    assert page.run("return document.getSelection().toString()") == page.driver.current_url
    page.keys(Keys.ESCAPE)
    assert not page.element("#drawer").is_displayed()
