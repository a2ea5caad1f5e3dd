"""Route of ``/api/v1`` by which a visitor brings a track."""

from __future__ import annotations

from flask import Blueprint, request

from app.errors import BadInputError, LimitError
from app.genome.catalogue import Bundle
from app.genome.own_files import MAX_BYTES
from app.genome.remote import fetch
from app.web.asked import asked_json, asked_text
from app.web.describe import JSON
from app.web.services import services

own_api = Blueprint("own", __name__, url_prefix="/api/v1")

#: Longest name of a file, with its folders.
MAX_PATH = 400


@own_api.post("/own")
def add_own() -> JSON:
    """Keeps the file in the body as a track of a genome; its name says what it is.

    The body is sent as ``application/octet-stream``.
    """
    bundle = services().catalogue.get(asked_text("genome"))
    name = asked_text("name", MAX_PATH)
    if request.mimetype != "application/octet-stream":
        raise BadInputError("Send the file itself, as application/octet-stream.")
    if (request.content_length or 0) > MAX_BYTES:
        raise LimitError(f"A file has at most {MAX_BYTES // 2**20} MiB.")
    # A body that does not say how long it is, is cut off at the limit: then there is one byte more.
    request.max_content_length = MAX_BYTES + 1
    return _added(request.get_data(), name, bundle)


@own_api.post("/own-address")
def fetch_own() -> JSON:
    """Fetches a file from one of the hosts that the settings allow, and keeps it likewise."""
    asked = asked_json("genome", "url")
    bundle = services().catalogue.get(asked["genome"])
    name, data = fetch(asked["url"], services().settings.allowed_hosts, MAX_BYTES)
    return _added(data, name, bundle, asked["url"])


def _added(data: bytes, name: str, bundle: Bundle, address: str = "") -> JSON:
    id_, about = services().own.add(data, name, bundle, address)
    track = services().own.open(id_, bundle).track
    skipped = about["skipped"]
    note = f"{skipped:,} lines are on other chromosomes and were left out." if skipped else ""
    return {"id": id_, "row": track.id, "name": track.name, "lines": about["lines"], "note": note}
