"""The REST API, ``/api/v1``: what the page asks for, as JSON and as binary tiles.

Numbers in JSON are 0-based half-open; texts that people read are 1-based inclusive. Errors are
``{"error": {"message", "suggestion"}}`` with the status of the error. ``docs/api.md`` lists the
routes.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import get_args
from urllib.parse import unquote

import numpy as np
from flask import Blueprint, Response, jsonify, request

from app.errors import BadInputError, LocuscopeError, NotFoundError
from app.genome.catalogue import Bundle
from app.genome.edits import variant_edit
from app.genome.genes import GeneHit
from app.genome.locus import format_interval, format_variant, format_width, parse_locus
from app.genome.own_tracks import own_ids
from app.genome.signals import ObservedTrack
from app.inference.alleles import ENSEMBLE, Allele, alleles
from app.inference.jobs import Priority
from app.web import describe
from app.web.agreement import Agreement, agreement, paired_bins
from app.web.asked import (
    MAX_NAME,
    asked_haplotype,
    asked_integer,
    asked_interval,
    asked_json,
    asked_text,
    asked_word,
    view_query,
)
from app.web.describe import JSON
from app.web.figures.genes import pack_lanes
from app.web.figures.sequence import sequence_lanes
from app.web.figures.tracks import track_figure
from app.web.services import services
from app.web.state import MAX_QUERY
from app.web.theme import Mode as Ground
from app.web.tile_request import TileRequest, read_tracks
from app.web.tiles import TileRange, bin_width, pack
from app.web.transcripts import GeneRows, gene_lines
from app.web.versions import PROGRAM, data_version, digest
from app.web.view import View, margins, read_view, with_features
from app.web.view_data import file_stem
from models import registry
from models.card import Track

api = Blueprint("api", __name__, url_prefix="/api/v1")

#: Width of the drawing in px where a request does not name it, and the largest.
WIDTH = 1_200
MAX_WIDTH = 10_000
#: Most suggestions and points of a scatter plot in one answer.
MAX_HITS = 10
#: Most genes among which those are looked for that the sequence covers.
MAX_HITS_READ = 500
NOT_COVERED = "beyond the sequence of this genome"
MAX_POINTS = 2_000
#: A complete tile never changes under the version in its address.
FOREVER = "public, max-age=31536000, immutable"


# --- What a request says ------------------------------------------------------------------------


def _width() -> int:
    width = asked_integer("width", WIDTH)
    if not 1 <= width <= MAX_WIDTH:
        raise BadInputError(f"“width” must be 1 to {MAX_WIDTH:,} px.")
    return width


# --- Genomes and models -------------------------------------------------------------------------


@api.get("/genomes")
def genomes() -> JSON:
    """Lists the genomes, their chromosomes, and what was left out of each."""
    return {
        "genomes": [
            describe.genome(bundle)
            | {
                "tracks": len(bundle.measured),
                "chromosomes": [
                    {"name": name, "length": bundle.reference.length(name)}
                    for name in bundle.reference.chromosomes
                ],
            }
            for bundle in services().catalogue.bundles.values()
        ]
    }


@api.get("/models")
def models() -> JSON:
    """Lists the models: card, licence, validation, what is missing, whether a worker serves it."""
    its = services()
    served = {family for worker in its.workers() for family in worker.families}
    return {
        "models": [
            describe.model(card) | {"worker": card.family in served}
            for card in its.preferred_cards().values()
        ],
        "problems": list(registry.card_problems(its.settings.weights_dirs)),
    }


# --- Genes and search ---------------------------------------------------------------------------


@api.get("/genes")
def genes() -> JSON:
    """Lists the transcripts of a region, each with its display lane; ``genes`` says which."""
    bundle = services().catalogue.get(asked_text("genome"))
    interval = asked_interval(bundle)
    how = asked_word("genes", get_args(GeneRows), "longest")
    lines = gene_lines(bundle.genes.overlapping(interval), how)  # type: ignore[arg-type]
    found = [line.transcript for line in lines]
    expanded = how == "expanded"
    placed, hidden = pack_lanes(found, interval, interval.width / _width(), expanded=expanded)
    return {
        "total": len(found),
        "hidden": hidden,
        "genes": [describe.transcript(p.transcript, p.lane) for p in placed],
    }


@api.get("/next-gene")
def next_gene() -> JSON:
    """Finds the nearest gene to the right (``direction=next``) or left (``previous``).

    Genes of which the reference has no sequence are passed over.
    """
    bundle = services().catalogue.get(asked_text("genome"))
    direction = asked_word("direction", ("next", "previous"), "next")
    forward = direction == "next"
    find = bundle.genes.next_gene if forward else bundle.genes.previous_gene
    chromosome = bundle.reference.resolve(asked_text("chrom"))
    pieces = bundle.reference.pieces_on(chromosome)
    position = asked = asked_integer("pos")
    while gene := find(chromosome, position):
        position = (gene.start + gene.end) // 2
        if any(piece.overlaps(gene.interval) for piece in pieces):
            shown = parse_locus(gene.gene_id or gene.symbol, bundle).interval
            middle = (shown.start + shown.end) // 2
            # A gene cut by the edge of a piece may be the one that is already in view.
            if (middle > asked) if forward else (middle < asked):
                return describe.gene(gene) | {"locus": format_interval(shown)}
    raise NotFoundError(f"There is no {direction} gene on {chromosome}.")


@api.get("/search")
def search() -> JSON:
    """Suggests what a text in the locus box may mean, and says how it would be understood."""
    bundle = services().catalogue.get(asked_text("genome"))
    text = request.args.get("q", "")
    suggestions: dict[str, list[JSON]] = {"genes": [], "regions": [], "variants": []}
    answer: JSON = {"suggestions": suggestions}
    if not text.strip():
        return answer
    if len(text) <= MAX_NAME:
        suggestions["genes"] = [
            {
                "label": hit.matched,
                "detail": format_interval(hit.gene.interval) if covered else NOT_COVERED,
                "locus": hit.matched,
            }
            for covered, hit in _gene_hits(bundle, text)
        ]
    try:
        found = parse_locus(text, bundle)
    except LocuscopeError as error:
        return answer | {"error": describe.error(error)}
    place = format_interval(found.interval)
    if found.variant:
        change = {"label": format_variant(found.variant), "locus": variant_edit(found.variant).text}
        suggestions["variants"] = [change | {"detail": "reference allele matches"}]
    elif found.kind != "gene":
        suggestions["regions"] = [
            {"label": place, "detail": format_width(found.interval.width), "locus": place}
        ]
    return answer | {
        "understood": {
            "label": found.label,
            "kind": found.kind,
            "locus": place,
            "variant": variant_edit(found.variant).text if found.variant else None,
        }
    }


def _gene_hits(bundle: Bundle, text: str) -> list[tuple[bool, GeneHit]]:
    """Finds genes, those first of which this genome has the sequence."""
    hits = [
        (bundle.reference.nearest_piece(hit.gene.interval).overlaps(hit.gene.interval), hit)
        for hit in bundle.genes.search(text, MAX_HITS_READ)
    ]
    return sorted(hits, key=lambda pair: not pair[0])[:MAX_HITS]


# --- The view -----------------------------------------------------------------------------------


@api.get("/view")
def view() -> JSON:
    """Describes a view completely: what to draw, from which tiles, and what could not be read."""
    width = _width()
    ground: Ground = "dark" if request.args.get("ground") == "dark" else "light"
    seen, features = with_features(read_view(view_query("width", "ground")), width)
    state, bundle, card = seen.state, seen.bundle, seen.card
    scale = state.locus.width / width
    bins = bin_width(scale)
    lanes = sequence_lanes(scale, state.strand, frames=state.frames == "shown")
    return {
        "query": state.to_query(),
        "notices": seen.notices,
        "genome": describe.genome(bundle),
        "simulated": seen.simulated,
        "locus": describe.locus(bundle, state.locus),
        "file": file_stem(seen),
        "program": PROGRAM,
        "model": describe.model(card) if card else None,
        "rows": [describe.row(row, bins) for row in seen.rows],
        "features": {id_: describe.features(lanes) for id_, lanes in features.items()},
        "chosen_biosamples": state.biosamples,
        "hidden": state.hidden,
        "mode": state.mode,
        "theme": state.theme,
        "autoscale": state.autoscale,
        "compare": state.compare,
        "edits": [describe.edit(one) for one in state.edits],
        "edited": seen.haplotype is not None,
        "anchor": state.anchor.start
        if state.anchor and state.anchor.chromosome == state.locus.chromosome
        else None,
        "highlights": describe.highlights(state),
        "overview": describe.overview(bundle, state.locus.chromosome),
        "genes": state.genes,
        "ensemble": state.ensemble,
        "strand": state.strand,
        "frames": state.frames,
        "panel": state.panel,
        "sequence": describe.sequence(seen, lanes),
        "ism": describe.ism(seen),
        "data": describe.data(seen, bins),
        "figure": track_figure(
            seen.rows,
            gene_lines(bundle.genes.overlapping(seen.drawn), state.genes),
            state.locus,
            seen.drawn,
            width,
            ground,
            state.mode,
            edited=seen.haplotype is not None,
            sequence=lanes,
            expanded=state.genes == "expanded",
            spread=state.ensemble == "on",
            explained=seen.explained,
        ),
    }


@api.get("/tracks")
def get_tracks() -> Response:
    """Lists all that can be chosen of a genome and a model: rows by modality, and biosamples.

    With ``own`` (repeated) also tracks that the visitor has brought.
    """
    bundle = services().catalogue.get(asked_text("genome"))
    bundle = services().own.with_own(bundle, request.args.getlist("own"))
    card = services().card(request.args.get("model", ""))
    response = jsonify(
        groups=describe.row_choices(bundle, card),
        biosamples=describe.biosample_choices(bundle, card),
    )
    response.headers["Cache-Control"] = "no-cache"
    response.add_etag()
    response.make_conditional(request)
    return response


# --- Prediction ---------------------------------------------------------------------------------


@api.post("/predict")
def predict() -> JSON:
    """Sees to it that what a view needs is predicted, and tells how far that is.

    The page repeats this while ``complete`` is false; computing stops for whom nobody asks.
    """
    asked = asked_json("query")
    seen = read_view(asked["query"])
    if seen.card is None or not seen.predicted:
        return {"complete": True, "failed": False, "message": "", "ready": "", "spans": []}
    haplotype = seen.haplotype
    ensure = partial(services().predictions.ensure, seen.card, seen.bundle, haplotype=haplotype)
    if seen.state.ensemble == "on":
        ensure = partial(ensure, members=ENSEMBLE)
    locus = seen.state.locus
    progress = ensure(locus, seen.predicted, Priority.VIEW, retry=asked.get("retry") is True)
    ready = [data_version(seen.bundle, seen.card), progress.ready]
    if asked.get("prefetch", True) and not progress.error:
        for side in margins(locus):
            ready.append(ensure(side, seen.predicted, Priority.PREFETCH).ready)
    reason = next((window.error for window in progress.windows if window.error), "")
    return {
        "complete": progress.finished,
        "failed": bool(progress.failed or progress.error),
        "message": progress.error or f"{progress.message} {reason}".strip(),
        "eta_seconds": progress.eta_seconds,
        "ready": digest(ready),
        "total": progress.total,
        "done": progress.done,
        "running": progress.running,
        "windows": [
            {"start": w.interval.start, "end": w.interval.end, "state": w.state, "error": w.error}
            for w in progress.windows
        ],
        "spans": _spans(seen),
    }


def _spans(view: View) -> list[JSON]:
    """Lists where the tracks with one value a bin have none, and why; all have the same windows."""
    track = next((track for track in view.predicted if track.kind != "contacts"), None)
    if track is None or view.card is None:
        return []
    allele = alleles(view.haplotype)[-1]
    spans = services().predictions.spans(view.card, view.bundle, track, view.drawn, allele)
    return [span._asdict() for span in spans]


# --- Tiles --------------------------------------------------------------------------------------


@api.get("/tiles")
def get_tiles() -> Response:
    """Returns tiles of several tracks as bytes; ``app.web.tiles.pack`` says how they are laid out.

    The entity tag names all that decides the bytes. Where nothing is missing and the request
    carries a version, the answer may be kept for good.
    """
    wanted = asked_text("tracks", MAX_QUERY)
    own = own_ids(map(unquote, wanted.split(",")))
    bundle = services().own.with_own(services().catalogue.get(asked_text("genome")), own)
    card = services().card(request.args.get("model", ""))
    where = TileRange(
        bundle.reference.resolve(asked_text("chrom")),
        asked_integer("bin"),
        asked_integer("from"),
        asked_integer("to"),
    )
    tracks = read_tracks(wanted, bundle, card)
    asked = TileRequest(bundle, card, tracks, where, asked_haplotype(bundle, where.chromosome))
    spans = [asked.spans(track) for track in asked.tracks]
    missing = [any(span.state == "missing" for span in one) for one in spans]
    partial_ = any(missing)
    response = Response(mimetype="application/octet-stream")
    query = request.query_string.decode("latin-1")
    version = data_version(bundle, card)
    tag = digest([version, query, spans])
    response.set_etag(tag)
    if request.if_none_match.contains(tag):
        response.status_code = 304
    else:
        read = [
            asked.read(track, "" if own or changes else version)
            for track, changes in zip(asked.tracks, missing, strict=True)
        ]
        response.data = pack(where, read, partial=partial_)
        if any(track.error for track in read):
            response.headers["Cache-Control"] = "no-store"
            return response
    keep = request.args.get("v") and not partial_
    response.headers["Cache-Control"] = FOREVER if keep else "no-cache"
    return response


# --- Agreement ----------------------------------------------------------------------------------


@api.get("/agreement")
def get_agreement() -> JSON:
    """Tells how well predicted and observed agree over what is in view, row by row.

    With ``points`` (a row id) only that row, and with the values of its bins.
    """
    only = request.args.get("points", "")
    seen = read_view(view_query("points"))
    shown = [row for row in seen.rows if row.pairs and only in ("", row.id)]
    return {
        "locus": format_interval(seen.state.locus),
        "rows": [
            {
                "id": row.id,
                "pairs": [
                    {"predicted": track.id, "observed": observed.track.id}
                    | _pair_json(seen, track, observed, points=bool(only))
                    for track, observed in row.pairs
                ],
            }
            for row in shown
        ],
    }


def _pair_json(view: View, track: Track, observed: ObservedTrack, *, points: bool) -> JSON:
    if view.card is None:
        raise AssertionError("a row without a model has no pairs")
    values = partial(
        services().predictions.values,
        view.card,
        view.bundle,
        track,
        allele=Allele(view.haplotype),
    )
    try:
        predicted, measured = paired_bins(values, observed, view.state.locus)
    except LocuscopeError as error:
        return asdict(Agreement(None, None, 0, error.message))
    answer = asdict(agreement(predicted, measured))
    if points:
        both = np.flatnonzero(np.isfinite(predicted) & np.isfinite(measured))
        drawn = both[:: max(1, -(-len(both) // MAX_POINTS))]
        answer["points"] = {
            "predicted": predicted[drawn].tolist(),
            "observed": measured[drawn].tolist(),
        }
    return answer


# --- Everything else ----------------------------------------------------------------------------


@api.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@api.route("/<path:path>", methods=["GET", "POST"])
def unknown(path: str) -> JSON:
    """Refuses an address that is not one of the API's."""
    raise NotFoundError(f"There is no /api/v1/{path[:60]}.", "/api/v1/status")
