"""`/browse` in a real Chromium, with the real model on real human sequence."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import numpy as np
import pyBigWig
import pytest
from selenium.webdriver.common.keys import Keys

from tests.browser.site import MAPK1, REPOSITORY, Page, Site, resize

HEPG2 = "EFO:0001187"
DNASE = "baskerville-human74/DNASE/ENCFF136DBS/."
RNA = "baskerville-human74/RNA_SEQ/ENCFF782HFV"
WINDOW = ("chr22", 21_691_453, 21_822_524)
PASTE = (
    "const box = document.getElementById('locus'); box.value = arguments[0];"
    "box.dispatchEvent(new Event('input', {bubbles: true}));"
)


def query(page: Page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.driver.current_url).query, keep_blank_values=True)


def badge(page: Page, row: str) -> str:
    return str(
        page.until(
            'const b = document.querySelector(`[data-row="${arguments[0]}"] .badge`);'
            "return b && !b.hidden && b.textContent",
            row,
            what="no agreement was shown",
        )
    )


@pytest.fixture(scope="module")
def predicted(
    hg38_windows: Path, realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[int, np.ndarray]:
    """HepG2 DNase as the command line predicts it: start of the first bin, and 32-bp bins."""
    folder = tmp_path_factory.mktemp("predict")
    subprocess.run(
        [
            sys.executable, "-m", "app.cli", "predict", "--genome", hg38_windows,
            "--weights", realdata / "weights", "--model", "baskerville-human74",
            "--interval", MAPK1, "--tracks", "ENCFF136DBS", "-o", folder / "out.npz",
        ],
        check=True,
        cwd=REPOSITORY,
    )  # fmt: skip
    with np.load(folder / "out.npz") as file:
        about = json.loads(str(file["metadata"]))["tracks"][DNASE]
        return about["start"], file[DNASE]


def observed(hg38_windows: Path, start: int, n: int) -> np.ndarray:
    with pyBigWig.open(str(hg38_windows / "tracks" / "DNASE_ENCFF136DBS.bw")) as file:
        bases = np.array(file.values("chr22", start, start + 32 * n))
    return bases.reshape(n, 32).mean(1)


def test_page_and_command_line_agree_on_hepg2(page, predicted, hg38_windows):
    page.open(locus=MAPK1, biosample=HEPG2)
    assert page.locus() == WINDOW
    start, values = predicted
    both = np.isfinite(values) & np.isfinite(observed(hg38_windows, start, len(values)))
    x, y = values[both], observed(hg38_windows, start, len(values))[both]
    r = np.corrcoef(np.log1p(x), np.log1p(y))[0, 1]
    assert both.sum() == 2048
    assert badge(page, DNASE).startswith(f"r {r:.2f}".replace("0.", "."))
    assert badge(page, DNASE).endswith("n 2,048")
    page.element(f'[data-row="{DNASE}"] .badge').click()
    page.until("return document.querySelectorAll('#drawer .scatter .points path').length > 100")
    assert f"{r:.4f}" in page.text("#drawer-body")
    page.screenshot("mapk1_hepg2")
    page.keys(Keys.ESCAPE)
    assert not page.element("#drawer").is_displayed()


def test_every_drawn_step_is_a_predicted_bin_at_its_own_place(page, predicted):
    """At 2 bp a pixel tiles are finer than the model's bins: every step can be checked."""
    page.open(locus="chr22:21,735,001-21,737,000", track=DNASE, autoscale="each")
    start, values = predicted
    traces = page.run(
        "return document.getElementById('figure').data"
        ".filter(t => t.meta && t.meta.part === 'predicted').map(t => [t.x, t.y, t.meta.series[0]])"
    )
    ((x, y, series),) = traces
    top = page.run("return parseFloat(document.querySelector('.row-top').textContent)")
    steps = [(a, b) for a, b in zip(x, y, strict=True) if a is not None and b != series["base"]]
    assert len(steps) > 1000
    highest = 0.0
    for left, px in steps:
        value = values[(int(left) - start) // 32]
        if 21_735_000 <= left < 21_737_000:
            highest = max(highest, value)
        steps_value = (series["base"] - px) / series["height"]
        if steps_value < 0.999:  # what is higher than the visible top is cut off there
            assert steps_value * top == pytest.approx(value, rel=0.01, abs=0.01 * top)
    assert top == pytest.approx(highest, rel=0.005)


def test_predicted_and_observed_share_their_scale(page, predicted, hg38_windows):
    page.open(locus="chr22:21,735,001-21,737,000", track=DNASE)
    start, values = predicted
    inside = slice((21_735_000 - start) // 32, (21_737_000 - start) // 32 + 1)
    measured = observed(hg38_windows, start, len(values))
    top = page.run("return Number(document.querySelector('.row-top').textContent)")
    assert top == pytest.approx(max(values[inside].max(), measured[inside].max()), rel=0.005)


def test_drag_pans_by_what_the_hand_moved_and_back_undoes_it(page):
    page.open(locus=MAPK1, track=DNASE)
    _, start, end = page.locus()
    px = page.run("return document.getElementById('viewport').clientWidth")
    page.drag("#viewport", -240)
    page.wait_drawn()
    page.until("return locuscope.state().base.start !== arguments[0]", start)
    _, moved, moved_end = page.locus()
    assert moved - start == pytest.approx(240 * (end - start) / px, abs=2)
    assert moved_end - moved == end - start
    assert query(page)["locus"] == [f"chr22:{moved + 1}-{moved_end}"]
    page.driver.back()
    page.until("return locuscope.state().base.start === arguments[0]", start)
    page.driver.forward()
    page.until("return locuscope.state().base.start === arguments[0]", moved)
    page.driver.refresh()
    page.wait_drawn()
    assert page.locus() == ("chr22", moved, moved_end)


def test_figure_follows_the_hand_before_anything_is_fetched(page):
    page.open(locus=MAPK1, track=DNASE)
    before = page.run("return document.getElementById('figure').getBoundingClientRect().left")
    requests = (
        "return performance.getEntriesByType('resource')"
        ".filter(e => /view|tiles|predict/.test(e.name)).length"
    )
    n = page.run(requests)
    page.run("const {base} = locuscope.state(); locuscope.panBy((base.end - base.start) / 10)")
    time.sleep(0.1)
    after = page.run("return document.getElementById('figure').getBoundingClientRect().left")
    px = page.run("return document.getElementById('viewport').clientWidth")
    assert before - after == pytest.approx(px / 10, abs=1)
    assert page.run(requests) == n
    page.run("locuscope.settle()")


def test_ctrl_wheel_zooms_at_the_pointer(page):
    page.open(locus=MAPK1, track=DNASE)
    at = "return locuscope.positionAt(900)"
    held = page.run(at)
    page.run(
        "document.getElementById('viewport').dispatchEvent(new WheelEvent('wheel', {deltaY: -120,"
        "ctrlKey: true, clientX: 900, clientY: 300, bubbles: true, cancelable: true}))"
    )
    page.until("const b = locuscope.state().base; return b.end - b.start < 131000")
    page.wait_drawn()
    _, start, end = page.locus()
    assert end - start < 131_071
    assert page.run(at) == pytest.approx(held, abs=(end - start) / 1000 + 1)


def test_wheel_pans_sideways(page):
    page.open(locus=MAPK1, track=DNASE)
    page.run(
        "document.getElementById('viewport').dispatchEvent(new WheelEvent('wheel', {deltaY: 100,"
        "clientX: 900, clientY: 300, bubbles: true, cancelable: true}))"
    )
    page.until("return locuscope.state().base.start > arguments[0]", WINDOW[1])
    _, start, end = page.locus()
    assert end - start == WINDOW[2] - WINDOW[1]


def test_keys_and_buttons_move_the_view(page):
    page.open(locus=MAPK1, track=DNASE)
    width = WINDOW[2] - WINDOW[1]

    def after(action) -> tuple[int, int]:
        old = page.locus()
        action()
        page.until(
            "const b = locuscope.state().base; return b.start !== arguments[0] ||"
            "b.end !== arguments[1]",
            *old[1:],
            what=f"{old} stayed",
        )
        page.wait_drawn()
        return page.locus()[1:]

    start, end = after(lambda: page.keys("+"))
    assert end - start == pytest.approx(width / 2, abs=1)
    start, end = after(lambda: page.keys("-"))
    assert end - start == pytest.approx(width, abs=2)
    right, _ = after(lambda: page.keys(Keys.ARROW_RIGHT))
    assert right - start == pytest.approx(width * 0.2, abs=2)
    left, _ = after(lambda: page.keys(Keys.ARROW_LEFT))
    assert left == pytest.approx(start, abs=2)
    after(lambda: page.keys("n"))
    after(lambda: page.keys("u"))
    after(lambda: page.element("[data-action=zoom-in]").click())
    after(lambda: page.element("[data-action=go-left]").click())


def test_drag_on_the_ruler_zooms_to_that_region(page):
    page.open(locus=MAPK1, track=DNASE)
    left = page.run(
        "const b = document.getElementById('ruler').getBoundingClientRect();"
        "return locuscope.positionAt(b.left + b.width / 2)"
    )
    px = page.run("return document.getElementById('viewport').clientWidth")
    page.drag("#ruler", 160)
    page.until("const b = locuscope.state().base; return b.end - b.start < 60000")
    _, start, end = page.locus()
    bp_per_px = (WINDOW[2] - WINDOW[1]) / px
    assert start == pytest.approx(left, abs=2 * bp_per_px)
    assert end - start == pytest.approx(160 * bp_per_px, abs=3 * bp_per_px)


def test_shift_drag_offers_a_selection_that_can_be_highlighted(page):
    page.open(locus=MAPK1, track=DNASE)
    page.drag("#viewport", 200, shift=True)
    menu = page.element("#selection-menu")
    assert menu.is_displayed()
    assert "chr22:21,7" in menu.text
    page.screenshot("selection")
    page.element("[data-action=select-highlight]").click()
    page.until("return document.querySelectorAll('.highlight').length === 1")
    assert len(query(page)["highlight"]) == 1
    page.driver.refresh()
    page.wait_drawn()
    assert len(page.elements(".highlight")) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("chr22:21,700,001-21,750,000", ("chr22", 21_700_000, 21_750_000)),
        ("22:21700001..21750000", ("chr22", 21_700_000, 21_750_000)),
        ("chr22\t21700000\t21750000", ("chr22", 21_700_000, 21_750_000)),
        ("chr22:21.7M-21.75M", ("chr22", 21_699_999, 21_750_000)),
        ("mapk1", ("chr22", 21_743_186, 21_822_524)),
        ("chr22-21742118-T-G", ("chr22", 21_741_617, 21_742_618)),
        ("chr22:g.21742118T>G", ("chr22", 21_741_617, 21_742_618)),
    ],
)
def test_locus_box_takes_the_usual_spellings(page, text, expected):
    page.open(locus=MAPK1, track=DNASE)
    # A typed tab would leave the box; people paste BED lines.
    page.element("#locus").click()
    page.run(PASTE, text)
    page.keys("\n")
    page.until(
        "const b = locuscope.state().base;"
        "return b.start === arguments[0] && b.end === arguments[1]",
        *expected[1:],
        seconds=10,
        what=f"{text} was read as {page.locus()}",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("once upon a time", "is not a place on this genome"),
        ("chr22:21,750,000-21,700,000", "The start is after the end"),
        ("chr22:60,000,000-60,100,000", "chr22 has 50,818,468 bp"),
        ("NOTAGENE", "is no gene or chromosome"),
        ("chr22-21742118-G-A", "The reference has T at chr22:21,742,118, not G"),
        ("chr22:1-1000", "does not cover"),
        ("x" * 5000, "at most"),
    ],
)
def test_a_bad_locus_says_why_and_keeps_the_view(page, text, message):
    page.open(locus=MAPK1, track=DNASE)
    before = page.locus()
    page.run("document.getElementById('locus').removeAttribute('maxlength')")
    page.element("#locus").click()
    page.run(PASTE, text)
    page.keys("\n")
    page.until(
        "const m = document.querySelector('.locus-message.error');"
        "return m && !m.hidden && m.textContent.includes(arguments[0])",
        message,
        seconds=10,
        what=f"said {page.text('#locus-message')!r}",
    )
    assert page.locus() == before
    page.keys(Keys.ESCAPE)
    page.keys("+")
    page.until("const b = locuscope.state().base; return b.end - b.start < 70000")
    # Messages are answers with an error status, which Chromium logs as such.
    page.complaints()


@pytest.mark.parametrize(
    ("query_text", "message"),
    [
        ("model=nope", "no model “nope”"),
        ("genome=nope", "no genome"),
        ("locus=chr99:1-100", "no chromosome chr99"),
        ("track=nope", "no track “nope”"),
        ("v=99&colour=red", "later version"),
        ("height=7", "left out"),
        ("locus=chr22:9-1", "The start is after the end"),
    ],
)
def test_a_bad_link_opens_a_usable_page_that_says_why(page, query_text, message):
    page.open(query_text)
    assert message in page.text("#notes")
    page.search("MAPK1")
    page.until("return locuscope.state().base.start === 21743186")


def test_an_endless_link_is_refused_in_words(site):
    url = f"{site.url}/browse?track="
    with urllib.request.urlopen(url + quote("x" * 7_900)) as answer:
        assert answer.status == 200
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(url + "x" * 100_000)
    assert caught.value.code == 414
    assert "longer than the 8,190 characters" in caught.value.read().decode()


def test_a_biosample_is_found_by_its_curie_and_synonyms(page):
    page.open(locus=MAPK1, biosample=HEPG2)
    page.until("return document.querySelectorAll('.mantine-Pill-root').length === 1")
    box = page.element("#biosamples")
    box.click()
    box.send_keys("EFO:0002784")
    option = page.until(
        "const o = [...document.querySelectorAll('.mantine-MultiSelect-option')];"
        "return o.length === 1 && o[0]"
    )
    assert option.text == "GM12878"
    option.click()
    page.until("return locuscope.state().view.rows.length > 1")
    assert query(page)["biosample"] == [HEPG2, "EFO:0002784"]
    box = page.element("#biosamples")
    box.send_keys("hep-g2")
    options = page.until(
        "const o = [...document.querySelectorAll('.mantine-MultiSelect-option')];"
        "return o.length === 1 && o.map(e => e.textContent)"
    )
    assert options == ["HepG2"]
    page.keys(Keys.ESCAPE)


def test_tracks_are_checked_and_hidden(page):
    page.open(locus=MAPK1, track=[DNASE, RNA])
    page.until("return document.querySelectorAll('.mantine-Tree-label').length > 2")
    assert len(page.elements(".row-label[data-row]")) == 2
    page.run("document.querySelector('.row-menu').click()")
    page.screenshot("row_menu")
    next(b for b in page.elements("#menu button") if b.text == "Hide").click()
    page.until("return document.querySelectorAll('.row-label[data-row]').length === 1")
    assert query(page)["track"] == [RNA]
    page.driver.back()
    page.until("return document.querySelectorAll('.row-label[data-row]').length === 2")


def test_scale_height_and_modes_are_in_the_link(page):
    page.open(locus=MAPK1, track=DNASE)
    page.run("document.querySelector('.row-menu').click()")
    next(b for b in page.elements("#menu button") if b.text == "Log").click()
    page.until("return locuscope.state().view.rows[0].style.scale === 'log'")
    assert query(page)["style"] == [f"{DNASE};scale=log"]
    page.wait_drawn()
    assert page.text(".row-top").endswith("ln")
    for mode in ("overlay", "mirror"):
        page.until("return document.querySelector('#overlay')")
        page.run(
            "[...document.querySelectorAll('#overlay label')]"
            ".find(l => l.textContent.toLowerCase() === arguments[0]).click()",
            mode,
        )
        page.until("return new URLSearchParams(location.search).get('mode') === arguments[0]", mode)
        page.wait_drawn()
        page.screenshot(f"mode_{mode}")
    page.driver.refresh()
    page.wait_drawn()
    assert page.run("return locuscope.state().view.mode") == "mirror"


def test_strands_are_drawn_above_and_below_one_base_line(page):
    page.open(locus=MAPK1, track=RNA)
    series = page.run(
        "return document.getElementById('figure').data.filter(t => t.meta).map(t => t.meta.series)"
    )
    assert len(series) == 2
    for plus, minus in series:
        assert (plus["sign"], minus["sign"]) == (1, -1)
        assert plus["base"] == minus["base"]
    # MAPK1 lies on the minus strand, so its RNA hangs.
    low = page.run(
        "const t = document.getElementById('figure').data.find(t => t.meta?.part === 'observed');"
        "return Math.max(...t.y.filter(y => y !== null)) - t.meta.series[0].base"
    )
    assert low > 10


def test_what_cannot_be_predicted_is_hatched_and_says_why(page):
    page.open(locus=MAPK1, track=DNASE)
    words = "return [...document.querySelectorAll('.band.unavailable')].map(b => b.title)"
    assert page.run(words) == ["Needs sequence beyond this piece"] * 2
    page.open(locus="chr22:21,692,000-21,700,000", track=DNASE)
    message = "No prediction: the model needs sequence beyond this piece"
    assert page.text(".row-message") == message
    page.screenshot("beyond_the_piece")


def test_what_lies_over_the_figure_is_at_its_own_bases(page):
    page.open(locus=MAPK1, track=[DNASE, RNA], highlight="chr22:21,724,222-21,789,757")
    for _ in range(2):
        edges = page.run(
            "return ['.highlight', '.band.unavailable'].map(css => {"
            "const b = document.querySelector(css).getBoundingClientRect();"
            "return [locuscope.positionAt(b.left), locuscope.positionAt(b.right)] })"
        )
        (left, right), (_, border) = edges
        bp_per_px = 131_071 / 1000
        assert left == pytest.approx(21_724_221, abs=bp_per_px)
        assert right == pytest.approx(21_789_757, abs=bp_per_px)
        # No output lies within 32,768 bp of the end of a piece.
        assert border == pytest.approx(21_691_452 + 32_768, abs=bp_per_px)
        # The same when the width of the page has changed.
        page.element("[data-action=toggle-side]").click()
        page.until("return document.getElementById('world').offsetWidth % 3 === 0")
        time.sleep(0.5)
        page.wait_drawn()
    page.element("[data-action=toggle-side]").click()


def test_crosshair_says_position_and_values(page):
    page.open(locus=MAPK1, track=DNASE)
    page.run(
        "const b = document.getElementById('viewport').getBoundingClientRect();"
        "document.getElementById('viewport').dispatchEvent(new PointerEvent('pointermove',"
        "{clientX: b.left + b.width / 2, clientY: b.top + 90, bubbles: true}))"
    )
    text = page.text("#readout")
    assert text.startswith("chr22:21,756,98")
    assert "DNase HepG2: predicted 0." in text
    assert "/ observed 0." in text


def test_splice_sites_stand_at_exon_ends_and_the_licence_is_shown(page, hg38_windows):
    page.open(locus="chr22:21,760,000-21,780,000", model="spliceai", wait=False)
    page.until("return document.getElementById('licence-note')?.textContent")
    assert "non-commercial" in page.text("#licence-note")
    page.until(
        "return [...document.querySelectorAll('.row-message')]"
        ".some(m => /Computing|Waiting/.test(m.textContent))",
        what="no progress was shown",
    )
    page.wait_drawn(300)
    # MAPK1 lies on the minus strand: an exon's left end is a donor, its right end an acceptor.
    table = (hg38_windows / "genes.tsv").read_text().splitlines()
    row = next(line.split("\t") for line in table if line.startswith("MAPK1\t"))
    lefts, rights = ([int(x) for x in row[k].split(",") if x] for k in (5, 6))
    exons = [e for e in zip(lefts, rights, strict=True) if 21_760_000 < e[0] < e[1] < 21_780_000]
    assert len(exons) >= 2
    for left, right in exons[1:]:  # the last exon of the gene, leftmost, has no donor
        for position, kind in ((left, "donor"), (right - 1, "acceptor")):
            plus, minus = page.run(
                "return locuscope.valuesAt(arguments[0])"
                ".find(v => v.row.id === `spliceai/SPLICE_SITES/${arguments[1]}`).predicted",
                position,
                kind,
            )
            assert minus > 0.5 > plus
    page.screenshot("spliceai")


def test_nothing_is_fetched_from_elsewhere(page, site):
    page.open(locus=MAPK1, track=[DNASE, RNA])
    names = page.run("return performance.getEntriesByType('resource').map(e => e.name)")
    assert names
    assert [n for n in names if not n.startswith((site.url, "data:", "blob:"))] == []


def test_the_web_process_has_no_torch(site):
    def mapped(part: str) -> list[str]:
        """What the processes of one part of this site have mapped into memory."""
        port = f"LOCUSCOPE_PORT={site.port}\0"
        return [
            (process / "maps").read_text()
            for process in Path("/proc").glob("[0-9]*")
            if f"app.cli\0{part}\0" in (process / "cmdline").read_text()
            and port in (process / "environ").read_text()
        ]

    assert len(mapped("web")) >= 2  # gunicorn's parent and its child
    assert not any("libtorch" in maps for maps in mapped("web"))
    assert any("libtorch" in maps for maps in mapped("worker"))


@pytest.mark.parametrize("size", [(1440, 900), (1024, 768)])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_page_fits_and_has_its_colours(page, size, theme):
    resize(page.driver, *size)
    page.open(locus=MAPK1, track=[DNASE, RNA, "baskerville-human74/CAGE/CNhs10853"], theme=theme)
    page.screenshot(f"browse_{size[0]}_{theme}")
    assert page.run("return document.documentElement.scrollWidth") <= size[0]
    ground = page.run("return getComputedStyle(document.body).backgroundColor")
    assert ground == {"light": "rgb(255, 255, 255)", "dark": "rgb(18, 22, 28)"}[theme]
    cut = page.run(
        "return [...document.querySelectorAll('.bar *, #status *')].filter(e => {"
        "const r = e.getBoundingClientRect(); return r.width && r.right > innerWidth + 1 })"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    assert cut == []


def test_controls_have_names_for_screen_readers(page):
    page.open(locus=MAPK1, track=DNASE)
    nameless = page.run(
        "return [...document.querySelectorAll('button, input, a')].filter(e =>"
        "e.getClientRects().length && !(e.textContent.trim() || e.ariaLabel || e.title ||"
        "e.labels?.length || e.closest('[aria-label]'))).map(e => e.outerHTML.slice(0, 120))"
    )
    assert nameless == []


@pytest.mark.parametrize("path", ["/", "/variants", "/models", "/status", "/nowhere"])
def test_the_other_pages(page, site, path):
    page.driver.get(site.url + path)
    page.until("return document.querySelector('.document h1')")
    page.screenshot("page" + path.replace("/", "_"))
    assert "not for clinical use" in page.text("#status")


def test_a_card_on_the_first_page_opens_its_view(page, site):
    page.driver.get(site.url)
    card = page.until("return document.querySelector('a.card')")
    picture = page.run("return arguments[0].querySelector('img').naturalWidth", card)
    assert picture > 0
    card.click()
    page.wait_drawn()
    assert page.locus() == WINDOW


def test_two_visitors_share_one_site(page, site, driver):
    page.open(locus=MAPK1, track=DNASE)
    driver.switch_to.new_window("tab")
    try:
        page.open(locus="chr1:13,626,977-13,758,048", track=DNASE)
        assert page.locus()[0] == "chr1"
    finally:
        driver.close()
        driver.switch_to.window(driver.window_handles[0])
    assert page.locus() == WINDOW


def test_a_missing_worker_is_named_and_its_return_noticed(
    hg38_windows: Path, realdata: Path, tmp_path: Path, driver
):
    """The page says that no worker runs, and goes on when one does."""
    site = Site(hg38_windows, realdata / "weights", tmp_path, "broker", "web")
    page = Page(driver, site)
    try:
        page.open(locus=MAPK1, track=DNASE, wait=False)
        page.until(
            "return [...document.querySelectorAll('.row-message')]"
            ".some(m => m.textContent.includes('No worker is running'))",
            what="the page did not say that no worker runs",
        )
        page.until("return document.getElementById('worker-state').className === 'waiting'")
        page.screenshot("no_worker")
        # What was measured is drawn all the same.
        assert page.run(
            "return document.getElementById('figure').data"
            ".find(t => t.meta?.part === 'observed').x.length > 100"
        )
        site.processes.append(site.start("worker"))
        page.until(
            "const p = locuscope.state().progress; return p && p.complete && !p.failed",
            seconds=60,
            what="the page did not go on",
        )
        page.until("return document.querySelector('.badge').textContent.startsWith('r .92')")
        page.complaints()
    finally:
        site.stop()


@pytest.fixture(scope="module")
def damaged(
    hg38_windows: Path, realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Site]:
    """A site whose weights have the wrong hash, with a truncated bigWig and one of hg19."""
    folder = tmp_path_factory.mktemp("damaged")
    bundle, weights = folder / "bundle", folder / "weights" / "baskerville_human74"
    shutil.copytree(hg38_windows, bundle)
    cut = bundle / "tracks" / "DNASE_ENCFF136DBS.bw"
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 3])
    shutil.copy(realdata / "tracks" / "K562_H3K27ac_hg19_chr9_4-6Mb.bigWig", bundle / "hg19.bw")
    with (bundle / "genome.toml").open("a") as file:
        file.write('[[tracks]]\npath = "hg19.bw"\nmodality = "CHIP_HISTONE"\nname = "K562"\n')
    weights.mkdir(parents=True)
    shutil.copy(realdata / "weights" / "baskerville_human74" / "params.json", weights)
    content = bytearray((realdata / "weights/baskerville_human74/model.h5").read_bytes())
    content[1_000_000] ^= 1
    (weights / "model.h5").write_bytes(content)
    site = Site(bundle, folder / "weights", folder, "broker", "worker", "web")
    yield site
    site.stop()


def test_damaged_files_are_named_and_the_rest_goes_on(damaged, driver):
    page = Page(driver, damaged)
    resize(driver, 1440, 900)
    other = "baskerville-human74/DNASE/ENCFF427FEF/."
    page.open(locus=MAPK1, model="baskerville-human74", track=[DNASE, other], wait=False)
    page.until(
        "return window.locuscope && locuscope.state().progress?.failed",
        what="the page did not say that the model cannot be used",
    )
    notes = page.text("#notes")
    assert "hg19.bw" in notes
    assert "model.h5" in notes
    message = page.text(f'.row-message[data-row="{other}"]')
    assert "model.h5" in message
    assert "Retry" in message
    page.screenshot("damaged")
    # The intact measurement is drawn, and the truncated one says what is wrong with it.
    drawn = page.run(
        "return Object.fromEntries(document.getElementById('figure').data"
        ".filter(t => t.meta?.part === 'observed').map(t => [t.meta.row, t.x.length]))"
    )
    assert drawn[other] > 100
    assert drawn.get(DNASE, 0) == 0
    assert "DNASE_ENCFF136DBS.bw" in notes + page.text(f'.row-message[data-row="{DNASE}"]')
    page.search("chr1:13,626,977-13,758,048")
    page.until("return locuscope.state().base.chromosome === 'chr1'")
    page.complaints()


def test_missing_weights_are_named(hg38_windows: Path, tmp_path: Path, driver):
    site = Site(hg38_windows, tmp_path, tmp_path, "broker", "worker", "web")
    try:
        page = Page(driver, site)
        page.open(locus=MAPK1, model="baskerville-human74", track=DNASE, wait=False)
        page.until("return document.querySelector('.note.error')?.textContent.includes('model.h5')")
        assert "github.com" in page.text("#notes")
        page.until("return locuscope.state().drawn")
        page.complaints()
    finally:
        site.stop()
