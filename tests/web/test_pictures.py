"""Pictures become PDF, and nothing hostile in them is followed."""

from __future__ import annotations

import base64
import io
import struct
import zlib

import pytest
from pypdf import PdfReader

from app.errors import BadInputError, LimitError
from app.web.pictures import pdf

HEAD = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 680 340"><title>chrT1:1-10</title>'


def svg(inside: str, head: str = HEAD) -> bytes:
    return f"{head}{inside}</svg>".encode()


def png(width: int, height: int) -> str:
    """A PNG that says it is this large; its pixels are missing beyond the first."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = zlib.compress(b"\0" + b"\xff\0\0")
    file = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    return "data:image/png;base64," + base64.b64encode(file).decode()


def test_page_is_180_mm_wide_and_its_text_is_text():
    inside = '<text x="9" y="20" font-size="11" textLength="60">r \u03c1 \u2212 simulated</text>'
    reader = PdfReader(io.BytesIO(pdf(svg(inside))))
    (page,) = reader.pages
    assert float(page.mediabox.width) == pytest.approx(180 / 25.4 * 72, abs=0.1)
    assert float(page.mediabox.height) == pytest.approx(90 / 25.4 * 72, abs=0.1)
    assert "r \u03c1 \u2212 simulated" in page.extract_text()
    assert reader.metadata is not None
    assert reader.metadata.title == "chrT1:1-10"


def test_every_font_is_in_the_file():
    inside = (
        '<text y="20" font-family="Arial, \'DejaVu Sans\'">plain</text>'
        '<text y="40" font-weight="700" font-family="Arial, \'DejaVu Sans\'">bold</text>'
    )
    (page,) = PdfReader(io.BytesIO(pdf(svg(inside)))).pages
    fonts = [font.get_object() for font in page["/Resources"]["/Font"].values()]
    assert len(fonts) == 2
    for font in fonts:
        (one,) = font["/DescendantFonts"]
        descriptor = one.get_object()["/FontDescriptor"]
        assert any(key in descriptor for key in ("/FontFile2", "/FontFile3"))


def test_images_come_along():
    page = PdfReader(
        io.BytesIO(pdf(svg(f'<image width="9" height="9" href="{png(1, 1)}"/>')))
    ).pages[0]
    assert len(page.images) == 1


@pytest.mark.parametrize(
    "inside",
    [
        "<script>alert(1)</script>",
        "<foreignObject/>",
        '<use href="#a"/>',
        "<style>@import url(http://127.0.0.1/)</style>",
        '<image href="file:///etc/passwd"/>',
        '<image href="/etc/passwd"/>',
        '<image href="http://169.254.169.254/"/>',
        '<image xmlns:x="http://www.w3.org/1999/xlink" x:href="view.svg"/>',
        '<image href="data:image/svg+xml;base64,PHN2Zy8+"/>',
        '<rect fill="url(http://127.0.0.1/a.svg#b)"/>',
        '<rect style="fill:url(/etc/passwd)"/>',
        '<rect onclick="alert(1)"/>',
        '<pattern id="a"><rect fill="url(#b)"/></pattern>',
        "<g>" * 100 + "</g>" * 100,
        f'<image width="9" height="9" href="{png(60_000, 60_000)}"/>',
    ],
)
def test_what_no_picture_of_ours_holds_is_refused(inside):
    with pytest.raises((BadInputError, LimitError)):
        pdf(svg(inside))


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"\x00\x01",
        b"<svg",
        b"<html/>",
        b"<svg/>",
        svg("", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 999999">'),
        svg("", '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 nan nan">'),
        b'<!DOCTYPE svg [<!ENTITY a "b">]>' + svg("&a;"),
        '<?xml version="1.0" encoding="cp037"?>'.encode("cp037") + svg("").decode().encode("cp037"),
        svg("").decode().encode("utf-16"),
    ],
)
def test_what_is_no_svg_is_refused(text):
    with pytest.raises((BadInputError, LimitError)):
        pdf(text)


def test_route_answers_with_the_page_or_a_sentence(client):
    good = client.post("/api/v1/pdf", data=svg('<rect width="9" height="9"/>'))
    assert good.data.startswith(b"%PDF-")
    bad = client.post("/api/v1/pdf", data=b"garbage")
    assert bad.status_code == 400
    assert bad.json["error"]["message"]
    large = client.post("/api/v1/pdf", data=b"<svg" + b" " * (33 * 2**20))
    assert large.status_code == 413
