"""Routes of ``/api/v1`` by which pictures and data leave the page."""

from __future__ import annotations

from flask import Blueprint, Response, request

from app.errors import LimitError
from app.web.pictures import MAX_BYTES, pdf

export_api = Blueprint("export", __name__, url_prefix="/api/v1")


@export_api.post("/pdf")
def picture_pdf() -> Response:
    """Turns the SVG in the body, which the page has composed, into a PDF."""
    if (request.content_length or 0) > MAX_BYTES:
        raise LimitError(f"A picture has at most {MAX_BYTES // 2**20} MiB.")
    request.max_content_length = MAX_BYTES
    return Response(pdf(request.get_data()), mimetype="application/pdf")
