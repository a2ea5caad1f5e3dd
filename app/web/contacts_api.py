"""``/api/v1/contacts``: contact maps as bytes."""

from __future__ import annotations

import json
from typing import get_args

import numpy as np
from flask import Blueprint, Response, request

from app.errors import BadInputError, LocuscopeError, NotFoundError
from app.genome.catalogue import Bundle
from app.web.api import FOREVER
from app.web.asked import asked_haplotype, asked_interval, asked_text, asked_word
from app.web.contact_maps import ContactMap, ContactRequest
from app.web.describe import JSON
from app.web.rows import Part, Row, Value, all_rows
from app.web.services import services
from app.web.state import MAX_QUERY
from app.web.versions import data_version, digest
from models.card import ModelCard

contacts_api = Blueprint("contacts", __name__, url_prefix="/api/v1")


@contacts_api.get("/contacts")
def get_contacts() -> Response:
    """Returns the contact maps of a row as bytes, and what is marked in them.

    A little-endian uint32 says how long the JSON header is, which is padded with blanks so that the
    values start at a multiple of 4. Then, for each map in the header's order, ``n * n``
    little-endian float32, row by row.

    The entity tag names all that decides the bytes. Where nothing is missing and the request
    carries a version, the answer may be kept for good.
    """
    bundle = services().catalogue.get(asked_text("genome"))
    card = services().card(request.args.get("model", ""))
    where = asked_interval(bundle)
    row = _row(bundle, card, asked_text("row", MAX_QUERY))
    asked = ContactRequest(
        bundle,
        card,
        row,
        where,
        asked_word("part", get_args(Part), row.part),  # type: ignore[arg-type]
        asked_word("value", get_args(Value), row.value),  # type: ignore[arg-type]
        asked_haplotype(bundle, where.chromosome),
    )
    response = Response(mimetype="application/octet-stream")
    query = request.query_string.decode("latin-1")
    state = [(one.seen, one.missing, one.error) for one in asked.maps]
    tag = digest([data_version(bundle, card), query, state])
    response.set_etag(tag)
    if request.if_none_match.contains(tag):
        response.status_code = 304
    else:
        response.data = _packed(asked)
    if any(one.error for one in asked.maps):
        response.headers["Cache-Control"] = "no-store"
    else:
        keep = request.args.get("v") and not asked.partial
        response.headers["Cache-Control"] = FOREVER if keep else "no-cache"
    return response


def _row(bundle: Bundle, card: ModelCard | None, row_id: str) -> Row:
    """Returns the row of that id, or that has a track of that id."""
    for row in all_rows(bundle, card):
        if row_id in (row.id, *(t.id for t in row.tracks), *(o.track.id for o in row.observed)):
            if row.kind == "contacts":
                return row
            raise BadInputError(f"“{row_id[:100]}” is no contact map.")
    raise NotFoundError(f"There is no track “{row_id[:100]}” in this genome and model.")


def _packed(asked: ContactRequest) -> bytes:
    header = {
        "row": asked.row.id,
        "part": asked.part,
        "value": asked.value,
        "partial": asked.partial,
        "maps": [_described(one) for one in asked.maps],
        "loops": _marks(asked, "loops"),
        "domains": _marks(asked, "domains"),
        "agreement": _agreement(asked),
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    values = [np.ascontiguousarray(one.values, "<f4").tobytes() for one in asked.maps]
    return b"".join([len(text).to_bytes(4, "little"), text, *values])


def _described(one: ContactMap) -> JSON:
    return {
        "part": one.part,
        "track": one.track,
        "start": one.start,
        "bin": one.bin,
        "n": len(one.values),
        "unit": one.unit,
        "boundaries": one.boundaries,
        "seen": one.seen,
        "missing": one.missing,
        "error": one.error,
    }


def _marks(asked: ContactRequest, kind: str) -> list[JSON]:
    return [{"name": name, "marks": marks} for name, marks in asked.marks(kind) if marks]


def _agreement(asked: ContactRequest) -> JSON | None:
    """Tells how well predicted and observed agree where both are drawn."""
    if asked.part not in ("both", "difference") or any(one.error for one in asked.maps):
        return None
    try:
        r, n = asked.agreement()
    except LocuscopeError as error:
        return {"pearson": None, "n": 0, "reason": error.message}
    reason = "" if r is not None else "Fewer than three pairs of bins have both values."
    return {"pearson": r, "n": n, "reason": reason}
