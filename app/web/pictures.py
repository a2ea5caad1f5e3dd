"""A picture that the page has drawn, as PDF."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import typst

from app.errors import BadInputError, LimitError

#: Width of a picture in mm, a page of a journal, and in units of its drawing.
WIDTH_MM = 180
#: Largest picture in bytes, most shapes in it, and highest in units of its width.
MAX_BYTES = 32 * 2**20
MAX_ELEMENTS = 200_000
MAX_DEPTH = 60
MAX_RATIO = 20
#: Most pixels of all its images together.
MAX_PIXELS = 2**26

_SVG = "{http://www.w3.org/2000/svg}"
#: All that a picture is made of. Nothing here can run, repeat another part, or name a file.
_ELEMENTS = {
    *("svg", "g", "title", "desc", "defs", "clipPath", "pattern", "path", "rect", "line"),
    *("circle", "ellipse", "polygon", "polyline", "text", "tspan", "image"),
    *("linearGradient", "stop"),
}
_IMAGE = re.compile(r"data:image/png;base64,([A-Za-z0-9+/=]*)")
_SHARED = {f"{_SVG}clipPath", f"{_SVG}pattern"}
_REFERENCE = re.compile(r"url\s*\(", re.IGNORECASE)
_OUTSIDE = re.compile(r"url\s*\((?!#)", re.IGNORECASE)
_FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
_PAGE = f"""
#set document(title: sys.inputs.title)
#set page(width: {WIDTH_MM}mm, height: auto, margin: 0pt)
#image("view.svg", width: 100%)
"""


def pdf(svg: bytes) -> bytes:
    """Turns a picture into a page with shapes and text.

    Args:
        svg: The SVG that the page has composed, UTF-8.

    Raises:
        LimitError: It is larger than the limits above.
        BadInputError: It is no SVG, or holds what no picture of ours holds: scripts, links to
            files or addresses, parts that repeat others.
    """
    if len(svg) > MAX_BYTES:
        raise LimitError(f"A picture has at most {MAX_BYTES // 2**20} MiB.")
    title = _check(svg)
    try:
        return bytes(
            typst.compile(  # type: ignore[call-overload]  # files by name are documented, not typed
                {"main.typ": _PAGE.encode(), "view.svg": svg},
                format="pdf",
                sys_inputs={"title": title},
                font_paths=[str(_FONTS)],
                ignore_system_fonts=True,  # the same file on every machine
            )
        )
    except typst.TypstError as error:
        raise BadInputError("This picture cannot be read.") from error


def _check(svg: bytes) -> str:
    """Refuses what no picture of ours holds; returns the title."""
    # Without a declaration it is UTF-8, in which no document type can hide.
    if not svg.startswith(b"<svg") or b"<!DOCTYPE" in svg:
        raise BadInputError("This is no SVG as the page writes it.")
    count = depth = shared = pixels = 0
    title = ""
    try:
        # Entities, by which such readers are attacked, need a document type: refused above.
        events = ElementTree.iterparse(io.BytesIO(svg), ("start", "end"))  # noqa: S314  # nosec B314
        for event, element in events:
            step = 1 if event == "start" else -1
            depth += step
            shared += step * (element.tag in _SHARED)
            if event == "end":
                title = title or (element.text or "" if element.tag == f"{_SVG}title" else "")
                element.clear()
                continue
            if not count:
                _check_size(element)
            count += 1
            pixels += _check_element(element, shared=bool(shared))
            if count > MAX_ELEMENTS or depth > MAX_DEPTH or pixels > MAX_PIXELS:
                raise LimitError("This picture has too many shapes or pixels.")
    except (ElementTree.ParseError, ValueError) as error:
        raise BadInputError("This is no SVG.") from error
    return title


def _check_element(element: ElementTree.Element, *, shared: bool) -> int:
    """Refuses what no picture of ours holds; returns how many pixels an image has.

    Args:
        element: One element.
        shared: Whether it is part of a pattern or a clip path. These refer to no other, or a few
            of them could stand for more shapes than anyone can draw.
    """
    name = str(element.tag).removeprefix(_SVG)
    if name not in _ELEMENTS:
        raise BadInputError(f"A picture holds no {name[:40]}.")
    pixels = 0
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == "href":
            pixels += _pixels(value)
        elif key.startswith("on") or "@import" in value:
            raise BadInputError("A picture holds nothing that runs.")
        elif (_REFERENCE if shared else _OUTSIDE).search(value):
            raise BadInputError("A picture refers to nothing outside.")
    return pixels


def _pixels(address: str) -> int:
    """Returns how many pixels an image has, from the first 24 bytes of a PNG file."""
    image = _IMAGE.fullmatch(address)
    head = base64.b64decode(image[1][:32]) if image else b""
    if len(head) < 24 or head[:8] != b"\x89PNG\r\n\x1a\n":
        raise BadInputError("The images in a picture are PNG files that it holds itself.")
    return int.from_bytes(head[16:20], "big") * int.from_bytes(head[20:24], "big")


def _check_size(root: ElementTree.Element) -> None:
    """Refuses what is no SVG, and a page without an end."""
    if root.tag != f"{_SVG}svg":
        raise BadInputError("This is no SVG.")
    _, _, width, height = (float(text) for text in root.get("viewBox", "").split())
    if not (width > 0 and 0 < height <= MAX_RATIO * width):
        raise LimitError(f"A picture is at most {MAX_RATIO} times as high as wide.")
