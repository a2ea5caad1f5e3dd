"""Routes of ``/api/v1`` by which pictures and data leave the page."""

from __future__ import annotations

from flask import Blueprint, Response, request, send_file

from app.errors import LimitError
from app.web.asked import view_query
from app.web.pictures import MAX_BYTES, pdf
from app.web.services import services
from app.web.snippet import snippet
from app.web.view import View, read_view
from app.web.view_data import Column, archive, columns, file_stem, tsv

export_api = Blueprint("export", __name__, url_prefix="/api/v1")


@export_api.post("/pdf")
def picture_pdf() -> Response:
    """Turns the SVG in the body, which the page has composed, into a PDF."""
    if (request.content_length or 0) > MAX_BYTES:
        raise LimitError(f"A picture has at most {MAX_BYTES // 2**20} MiB.")
    request.max_content_length = MAX_BYTES + 1  # as in ``add_own``
    return Response(pdf(request.get_data()), mimetype="application/pdf")


def _asked() -> tuple[View, list[Column], str]:
    """Reads the view of a request, its values, and its link."""
    seen = read_view(view_query("only"))
    return seen, columns(seen, request.args.get("only", "")), _link(seen)


def _link(seen: View) -> str:
    return f"{request.host_url}browse?{seen.state.to_query()}"


@export_api.get("/export.tsv")
def export_tsv() -> Response:
    """Returns the values of a view, or of its row ``only``, as one table."""
    seen, shown, link = _asked()
    response = Response(tsv(seen, shown, link), mimetype="text/tab-separated-values")
    return _named(response, f"{file_stem(seen)}.tsv")


@export_api.get("/export.zip")
def export_zip() -> Response:
    """Returns the values of a view, or of its row ``only``, as files of the field."""
    seen, shown, link = _asked()
    file = archive(seen, shown, link)
    response = send_file(file, "application/zip")
    return _named(response, f"{file_stem(seen)}.zip")


@export_api.get("/export.py")
def export_python() -> Response:
    """Returns a program that computes and draws a view with this package."""
    seen = read_view(view_query())
    own = {id_: services().own.source(id_) for id_ in seen.state.own}
    program = snippet(seen, _link(seen), f"{file_stem(seen)}.svg", own)
    response = Response(program, mimetype="text/x-python")
    return _named(response, f"{file_stem(seen)}.py")


def _named(response: Response, name: str) -> Response:
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
