"""What leaves the page: pictures and data, as a person saves them in a real Chromium."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image
from pypdf import PdfReader

from tests.browser.site import MAPK1, Page

SVG = "{http://www.w3.org/2000/svg}"
HEPG2 = "EFO:0001187"
Saver = Callable[[str], Path]


@pytest.fixture
def saved(page: Page, tmp_path: Path) -> Iterator[Saver]:
    """Clicks a button of the drawer and returns the file that the browser then saves."""
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )

    def save(button: str) -> Path:
        before = set(tmp_path.iterdir())
        page.run(
            "[...document.querySelectorAll('#drawer-body button')]"
            ".find(b => b.textContent === arguments[0]).click()",
            button,
        )
        deadline = time.monotonic() + 200
        while time.monotonic() < deadline:
            new = [f for f in set(tmp_path.iterdir()) - before if f.suffix != ".crdownload"]
            if new and not new[0].name.startswith("."):
                return new[0]
            time.sleep(0.1)
        raise TimeoutError(page.run("return document.body.innerText"))

    yield save
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
