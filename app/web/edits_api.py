"""Routes of ``/api/v1`` for edits: what a text means, what stands there, what is inserted."""

from __future__ import annotations

import numpy as np
from flask import Blueprint

from app.errors import BadInputError, LimitError
from app.genome.edits import check_edits, parse_edits
from app.inference.alleles import Allele
from app.web import describe
from app.web.asked import asked_interval, asked_json, asked_text, view_query
from app.web.describe import JSON
from app.web.services import services
from app.web.view import read_view

edits_api = Blueprint("edits", __name__, url_prefix="/api/v1")

#: Most bases in one answer.
MAX_BASES = 10_000


@edits_api.post("/edits")
def edits() -> JSON:
    """Reads edits as people type or paste them, and checks that they go with others."""
    asked = asked_json("genome", "text")
    bundle = services().catalogue.get(asked["genome"])
    made = parse_edits(asked["text"], bundle)
    others = asked.get("edits", [])
    if not isinstance(others, list) or not all(isinstance(one, str) for one in others):
        raise BadInputError("“edits” is a list of texts.")
    if others:
        check_edits([*parse_edits("\n".join(others), bundle), *made])
    return {"edits": [describe.edit(one) for one in made]}


@edits_api.get("/sequence")
def sequence() -> JSON:
    """Returns the reference bases of an interval."""
    bundle = services().catalogue.get(asked_text("genome"))
    where = asked_interval(bundle)
    if where.width > MAX_BASES:
        raise LimitError(f"{MAX_BASES:,} bases are the most that can be asked for at once.")
    return {"start": where.start, "end": where.end, "sequence": bundle.reference.fetch(where)}


@edits_api.get("/inserted")
def inserted() -> JSON:
    """Returns the predicted bins of inserted bases, which have no place on the reference."""
    seen = read_view(view_query())
    if seen.card is None or seen.haplotype is None:
        return {"insertions": []}
    allele, card, bundle = Allele(seen.haplotype, alternate=True), seen.card, seen.bundle
    found: dict[int, JSON] = {}
    for track in seen.predicted:
        for one, bins in services().predictions.inserted(card, bundle, track, seen.drawn, allele):
            mark = found.setdefault(one.at, {**one._asdict(), "tracks": {}})
            known = [None if np.isnan(value) else float(value) for value in bins.values]
            mark["tracks"][track.id] = {
                "start": bins.start,
                "resolution": bins.resolution,
                "values": known,
            }
    return {"insertions": list(found.values())}
