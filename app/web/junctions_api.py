"""``/api/v1/junctions``: the introns of a row, as arcs are drawn of them."""

from __future__ import annotations

import numpy as np
from flask import Blueprint, request

from app.errors import LocuscopeError, NotFoundError
from app.genome.junctions import Junctions, JunctionTrack
from app.inference.alleles import alleles
from app.inference.pairs import junctions
from app.web.asked import asked_haplotype, asked_interval, asked_text
from app.web.describe import JSON
from app.web.rows import all_rows
from app.web.services import services
from app.web.state import MAX_QUERY
from models.card import Track

junctions_api = Blueprint("junctions", __name__, url_prefix="/api/v1")

#: Most introns of one track and allele in an answer: those with the most reads.
MAX_INTRONS = 400


@junctions_api.get("/junctions")
def get_junctions() -> JSON:
    """Lists the introns of a row that overlap a region, predicted of both alleles and measured."""
    its = services()
    bundle, card = its.catalogue.get(asked_text("genome")), its.card(request.args.get("model", ""))
    where = asked_interval(bundle)
    id_ = asked_text("row", MAX_QUERY)
    row = next((one for one in all_rows(bundle, card) if one.id == id_), None)
    if row is None or row.kind != "junctions":
        raise NotFoundError(f"There is no row of junctions “{id_[:100]}” here.")
    both = alleles(asked_haplotype(bundle, where.chromosome))
    lists: list[JSON] = []
    for track in row.predicted:
        assert card is not None
        for part, allele in zip(("predicted", "alternate"), both, strict=False):
            found = junctions(its.predictions, card, bundle, track, where, allele)
            lists.append(_listed(track, part, found))
    for measured in row.observed:
        if isinstance(measured, JunctionTrack):
            try:
                lists.append(_listed(measured.track, "observed", measured.values(where)))
            except LocuscopeError as error:
                lists.append({"id": measured.track.id, "part": "observed", "error": error.message})
    return {"unit": row.unit, "lists": lists}


def _listed(track: Track, part: str, found: Junctions) -> JSON:
    kept = np.sort(np.argsort(-found.value, kind="stable")[:MAX_INTRONS])
    return {
        "id": track.id,
        "part": part,
        "strand": track.strand,
        "total": len(found.value),
        "start": found.start[kept].tolist(),
        "end": found.end[kept].tolist(),
        "value": [float(f"{value:.4g}") for value in found.value[kept]],
    }
