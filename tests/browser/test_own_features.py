"""Regions and variants that a visitor brings: drawn base by base, and loaded as edits."""

from __future__ import annotations

import json
import re
import urllib.request
from pathlib import Path
from xml.etree import ElementTree

import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.site import REPOSITORY, Page
from tests.browser.test_exports import SVG, click_and_wait, words

LOCUS = "chr22:21,735,951-21,736,950"
DNASE = "baskerville-human74/DNASE/ENCFF136DBS/."
START = 21_735_950


def base(page: Page, position: int) -> str:
    url = f"{page.site.url}/api/v1/sequence?genome=hg38-windows&chrom=chr22"
    with urllib.request.urlopen(f"{url}&start={position}&end={position + 1}") as answer:
        return str(json.load(answer)["sequence"])


def bring(page: Page, file: Path, text: str) -> None:
    file.write_text(text)
    page.element("#file-choice").send_keys(str(file))
    page.until("return document.querySelectorAll('.own-feature').length", seconds=200)
    page.wait_drawn()


def boxes(page: Page) -> list[list[float]]:
    """The boxes of the features, in bases from the start of the view."""
    return page.run(
        "const view = document.getElementById('viewport').getBoundingClientRect();"
        "const bp = 1000 / view.width;"
        "return [...document.querySelectorAll('.own-feature rect')].map(r => {"
        "const b = r.getBoundingClientRect();"
        "return [(b.left - view.left) * bp, (b.right - view.left) * bp, b.height]; })"
    )


def test_bed12_is_drawn_with_blocks_where_they_are(page, tmp_path):
    page.open(locus=LOCUS, track=DNASE)
    columns = "21735999 21736500 mine 0 - 21736099 21736500 200,30,30 2 200,101 0,400"
    bring(page, tmp_path / "mine.bed", f"chr22 {columns}\n")
    thin, first, second = boxes(page)
    for found, (start, end) in ((thin, (50, 150)), (first, (150, 250)), (second, (450, 551))):
        left, right, _ = found
        assert (left, right) == pytest.approx((start - 1, end - 1), abs=1)
    assert thin[2] == pytest.approx(first[2] / 2)
    assert page.text(".own-feature .feature-label") == "mine"
    title = page.text(".own-feature title")
    assert "chr22:21,736,000-21,736,500" in title
    assert "\u2212 strand" in title
    assert "2 blocks" in title
    fill = page.run("return getComputedStyle(document.querySelector('.own-feature rect')).fill")
    assert fill == "rgb(200, 30, 30)"
    page.screenshot("own_features")


@pytest.mark.parametrize("by", ["mouse", "keys"])
def test_a_variant_is_loaded_as_an_edit(page, tmp_path, by):
    page.open(locus=LOCUS, track=DNASE)
    ref = base(page, START + 500)
    alt = "A" if ref != "A" else "C"
    head = "##fileformat=VCF\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    line = f"chr22\t{START + 501}\trs1\t{ref}\t{alt}\t.\t.\t.\n"
    bring(page, tmp_path / "calls.vcf", head + line)
    assert page.text(".own-feature .feature-label") == f"{ref}>{alt}"
    ((left, right, _),) = boxes(page)
    assert left <= 500.5 <= right
    if by == "mouse":
        page.element(".own-feature.loads rect").click()
    else:
        page.run("document.querySelector('.own-feature.loads').focus()")
        page.keys("\n")
    edits = page.until(
        "const v = locuscope.state().view; return v.edits.length && v.edits.map(e => e.text)",
        seconds=120,
    )
    assert edits == [f"chr22:{START + 501}:{ref}>{alt}"]
    assert "variant=chr22:" in page.driver.current_url


def test_features_are_in_the_picture(page, tmp_path):
    page.driver.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    page.open(locus=LOCUS, track=DNASE)
    text = "chr22\t21735999\t21736200\tmine\nchr22\t21736099\t21736150\tother\n"
    bring(page, tmp_path / "mine.bed", text)
    page.keys("e")
    svg = ElementTree.fromstring(click_and_wait(page, tmp_path, "SVG").read_text())
    shown = words(svg)
    assert "mine" in shown
    assert "other" in shown
    sizes = [float(one.get("font-size", "0").removesuffix("px")) for one in svg.iter(f"{SVG}text")]
    assert min(sizes) >= 10.66


def test_address_is_asked_for_in_a_form_that_keeps_what_was_typed(page):
    page.open(locus=LOCUS, track=DNASE)
    button = page.element("[data-action=ask-address]")
    button.click()
    assert page.run("return document.activeElement.id") == "track-address"
    said = page.text("#drawer-body")
    assert ".bed, .narrowPeak, .bedGraph" in said
    assert "Hosts: localhost" in said
    error = "return document.querySelector('#drawer-body [role=alert]').textContent"
    for typed, message in (
        ("https://example.org/a.bed", "Files may not come from example.org."),
        ("https://localhost/a.bed", "localhost is not on the open internet."),
    ):
        page.run("document.activeElement.select()")
        page.keys(typed, Keys.ENTER)
        page.until(f"{error}.startsWith(arguments[0])", message, what=message)
        assert page.run("return document.activeElement.value") == typed
    page.screenshot("own_address")
    assert len(page.complaints()) == 2, "of the two refusals"
    page.keys(Keys.ESCAPE)
    assert not page.element("#drawer").is_displayed()
    assert page.driver.switch_to.active_element == button
    page.keys(Keys.ENTER)
    assert page.run("return document.activeElement.id") == "track-address"


def test_no_part_of_the_page_uses_the_dialogs_of_the_browser():
    scripts = (REPOSITORY / "assets").glob("*.js")
    assert not [s.name for s in scripts if re.search(r"\b(prompt|alert|confirm)\(", s.read_text())]
