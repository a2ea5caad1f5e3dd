"""The REST API, ``/api/v1``: what the page asks for, as JSON and as binary tiles.

Numbers in JSON are 0-based half-open; texts that people read are 1-based inclusive. Errors are
``{"error": {"message", "suggestion"}}`` with the status of the error. ``docs/api.md`` lists the
routes.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode

import numpy as np
from alphagenome.data.genome import Interval
from flask import Blueprint, Response, current_app, jsonify, request

from app.errors import (
    BadInputError,
    LimitError,
    LocuscopeError,
    NotFoundError,
    WorkerUnavailableError,
)
from app.genome.catalogue import Bundle, Catalogue
from app.genome.genes import Gene, Transcript
from app.genome.locus import format_interval, format_variant, format_width, parse_locus
from app.genome.signals import ObservedTrack
from app.inference.jobs import Jobs, Priority, WorkerInfo
from app.inference.predictions import Predictions, Span
from app.inference.store import ResultStore, code_version
from app.settings import Settings
from app.web.agreement import Agreement, agreement, paired_bins
from app.web.figures.genes import pack_lanes
from app.web.figures.tracks import track_figure
from app.web.rows import LABELS, Row, biosamples, rows, track_groups
from app.web.state import ViewState, from_query, variant_text
from app.web.theme import Mode as Ground
from app.web.tiles import (
    MAX_TRACKS,
    TILE,
    Summarise,
    TileRange,
    TrackTiles,
    bin_width,
    pack,
    planes,
    tile_indices,
    tiles,
)
from models import registry
from models.card import ModelCard, Track

api = Blueprint("api", __name__, url_prefix="/api/v1")
log = logging.getLogger("locuscope.web")

JSON = dict[str, Any]
#: Width of the drawing in px where a request does not name it, and the largest.
WIDTH = 1_200
MAX_WIDTH = 10_000
#: Most suggestions, pieces of one chromosome and points of a scatter plot in one answer.
MAX_HITS = 10
MAX_PIECES = 500
MAX_POINTS = 2_000
#: No gene has a longer name.
MAX_GENE_NAME = 100
#: Predictions are read over at most this many times the widest view (tiles reach beyond it), and
#: this many native bins.
TILES_TO_VIEW = 8
MAX_NATIVE_BINS = 2**24
NO_WORKER = "No worker is running. Start one with: locuscope worker"
#: A complete tile never changes under the version in its address.
FOREVER = "public, max-age=31536000, immutable"


@dataclass(frozen=True)
class Services:
    """What the routes and pages work with; made once a process.

    Attributes:
        settings: The settings of this process.
        catalogue: The genomes that are served.
        cards: The models by id.
        jobs: The way to broker and workers.
        store: Stored results.
        predictions: Predicted values, stored or asked for.
    """

    settings: Settings
    catalogue: Catalogue
    cards: dict[str, ModelCard]
    jobs: Jobs
    store: ResultStore
    predictions: Predictions

    def unavailable(self, card: ModelCard) -> str:
        """Returns why a model cannot be used, or nothing if its files or a worker are here."""
        return registry.availability(card, self.settings.weights_dirs) or ""

    def preferred_cards(self) -> dict[str, ModelCard]:
        """Returns the models by id, those that can be used first."""
        return dict(sorted(self.cards.items(), key=lambda item: bool(self.unavailable(item[1]))))

    def card(self, model: str) -> ModelCard | None:
        """Returns a model by its id, None for no id, or raises NotFoundError."""
        if model and model not in self.cards:
            raise NotFoundError(f"There is no model “{model[:60]}”.", next(iter(self.cards), None))
        return self.cards[model] if model else None


def services() -> Services:
    """Returns the services of the app that handles this request."""
    return cast(Services, current_app.extensions["locuscope"])


@dataclass(frozen=True)
class View:
    """A view and what it refers to."""

    state: ViewState
    bundle: Bundle
    card: ModelCard | None
    rows: list[Row]
    notices: list[str]

    @property
    def predicted(self) -> list[Track]:
        """Every predicted track in the rows."""
        return [track for row in self.rows for track in row.predicted]


def read_view(query: str) -> View:
    """Reads a link; see ``from_query``."""
    its = services()
    state, notices = from_query(query, its.catalogue, its.preferred_cards())
    bundle, card = its.catalogue.get(state.genome), its.card(state.model)
    shown, cut = rows(state, bundle, card)
    if cut:
        notices.append(cut)
    if card and bundle.assembly not in card.genomes:
        notices.append(
            f"{card.title} is meant for {' and '.join(card.genomes)}; the assembly of this genome "
            f"is {bundle.assembly}."
        )
    return View(state, bundle, card, shown, notices)


# --- What a request says ------------------------------------------------------------------------


def _view_query(*own: str) -> str:
    """Returns the request's query without the keys that belong to the route, not to the view."""
    pairs = parse_qsl(request.query_string.decode("latin-1"), keep_blank_values=True)
    return urlencode([pair for pair in pairs if pair[0] not in own], quote_via=quote)


def _text(name: str) -> str:
    text = request.args.get(name, "")
    if not text:
        raise BadInputError(f"“{name}” is missing.")
    return text


def _integer(name: str, default: int | None = None) -> int:
    text = _text(name) if default is None else request.args.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) <= 12):
        raise BadInputError(f"“{name}” must be a whole number of at most 12 digits.")
    return int(text)


def _width() -> int:
    width = _integer("width", WIDTH)
    if not 1 <= width <= MAX_WIDTH:
        raise BadInputError(f"“width” must be 1 to {MAX_WIDTH:,} px.")
    return width


# --- Genomes and models -------------------------------------------------------------------------


def _genome_json(bundle: Bundle) -> JSON:
    return {
        "id": bundle.id,
        "name": bundle.name,
        "assembly": bundle.assembly,
        "simulated": bundle.simulated,
        "problems": [{"path": str(path), "message": message} for path, message in bundle.problems],
    }


@api.get("/genomes")
def genomes() -> JSON:
    """Lists the genomes, their chromosomes, and what was left out of each."""
    return {
        "genomes": [
            _genome_json(bundle)
            | {
                "tracks": len(bundle.tracks),
                "chromosomes": [
                    {"name": name, "length": bundle.reference.length(name)}
                    for name in bundle.reference.chromosomes
                ],
            }
            for bundle in services().catalogue.bundles.values()
        ]
    }


def _model_json(card: ModelCard) -> JSON:
    return {
        "id": card.id,
        "title": card.title,
        "family": card.family,
        "summary": card.summary,
        "paper": card.paper,
        "licence": card.licence,
        "licence_note": card.licence_note,
        "genomes": list(card.genomes),
        "input_width": card.input_width,
        "output_width": card.output_width,
        "validation": card.validation,
        "validation_note": card.validation_note,
        "precision": card.precision,
        "tracks": len(card.tracks),
        "unavailable": services().unavailable(card),
    }


@api.get("/models")
def models() -> JSON:
    """Lists the models: card, licence, validation, what is missing, whether a worker serves it."""
    its = services()
    served = {family for worker in its.jobs.workers() for family in worker.families}
    return {
        "models": [
            _model_json(card) | {"worker": card.family in served}
            for card in its.preferred_cards().values()
        ],
        "problems": list(registry.card_problems(its.settings.weights_dirs)),
    }


# --- Genes and search ---------------------------------------------------------------------------


def longest_per_gene(transcripts: Iterable[Transcript]) -> list[Transcript]:
    """Returns one transcript a gene, the one with most exonic bases, in order of position."""

    def exonic(transcript: Transcript) -> int:
        return sum(end - start for start, end in transcript.exons)

    best: dict[Gene, Transcript] = {}
    for transcript in transcripts:
        known = best.get(transcript.gene)
        if known is None or exonic(transcript) > exonic(known):
            best[transcript.gene] = transcript
    return sorted(best.values(), key=lambda t: (t.start, t.end))


@api.get("/genes")
def genes() -> JSON:
    """Lists one transcript a gene that overlaps a region, each with its display lane."""
    bundle = services().catalogue.get(_text("genome"))
    start, end = _integer("start"), _integer("end")
    if start >= end:
        raise BadInputError("“start” must be below “end”.")
    interval = Interval(bundle.reference.resolve(_text("chrom")), start, end)
    found = longest_per_gene(bundle.genes.overlapping(interval))
    placed, hidden = pack_lanes(found, interval, interval.width / _width())
    return {
        "total": len(found),
        "hidden": hidden,
        "genes": [_transcript_json(cast(Transcript, p.transcript), p.lane) for p in placed],
    }


def _transcript_json(transcript: Transcript, lane: int) -> JSON:
    return _gene_json(transcript.gene) | {
        "transcript": transcript.transcript_id,
        "start": transcript.start,
        "end": transcript.end,
        "exons": transcript.exons,
        "cds": transcript.cds,
        "lane": lane,
    }


def _gene_json(gene: Gene) -> JSON:
    return {
        "symbol": gene.symbol,
        "id": gene.gene_id,
        "strand": gene.strand,
        "start": gene.start,
        "end": gene.end,
    }


@api.get("/next-gene")
def next_gene() -> JSON:
    """Finds the nearest gene to the right (``direction=next``) or left (``previous``).

    Genes of which the reference has no sequence are passed over.
    """
    bundle = services().catalogue.get(_text("genome"))
    direction = request.args.get("direction", "next")
    if direction not in ("next", "previous"):
        raise BadInputError("“direction” is next or previous.")
    forward = direction == "next"
    find = bundle.genes.next_gene if forward else bundle.genes.previous_gene
    chromosome = bundle.reference.resolve(_text("chrom"))
    pieces = bundle.reference.pieces_on(chromosome)
    position = asked = _integer("pos")
    while gene := find(chromosome, position):
        position = (gene.start + gene.end) // 2
        if any(piece.overlaps(gene.interval) for piece in pieces):
            shown = parse_locus(gene.gene_id or gene.symbol, bundle).interval
            middle = (shown.start + shown.end) // 2
            # A gene cut by the edge of a piece may be the one that is already in view.
            if (middle > asked) if forward else (middle < asked):
                return _gene_json(gene) | {"locus": format_interval(shown)}
    raise NotFoundError(f"There is no {direction} gene on {chromosome}.")


@api.get("/search")
def search() -> JSON:
    """Suggests what a text in the locus box may mean, and says how it would be understood."""
    bundle = services().catalogue.get(_text("genome"))
    text = request.args.get("q", "")
    suggestions: dict[str, list[JSON]] = {"genes": [], "regions": [], "variants": []}
    answer: JSON = {"suggestions": suggestions}
    if not text.strip():
        return answer
    if len(text) <= MAX_GENE_NAME:
        suggestions["genes"] = [
            {
                "label": hit.matched,
                "detail": format_interval(hit.gene.interval),
                "locus": hit.matched,
            }
            for hit in bundle.genes.search(text, MAX_HITS)
        ]
    try:
        found = parse_locus(text, bundle)
    except LocuscopeError as error:
        return answer | {"error": error_json(error)}
    place = format_interval(found.interval)
    if found.variant:
        change = {"label": format_variant(found.variant), "locus": variant_text(found.variant)}
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
            "variant": variant_text(found.variant) if found.variant else None,
        }
    }


# --- The view -----------------------------------------------------------------------------------


def _locus_json(bundle: Bundle, interval: Interval) -> JSON:
    pieces = bundle.reference.pieces_on(interval.chromosome)
    return {
        "chrom": interval.chromosome,
        "start": interval.start,
        "end": interval.end,
        "text": format_interval(interval),
        "width_text": format_width(interval.width),
        "chrom_length": bundle.reference.length(interval.chromosome),
        "pieces": [{"start": p.start, "end": p.end} for p in pieces[:MAX_PIECES]],
    }


def _track_json(track: Track, width: int) -> JSON:
    return {
        "id": track.id,
        "name": track.name,
        "strand": track.strand,
        "unit": track.unit,
        "resolution": track.resolution,
        "summary": track.summary,
        "planes": planes(width, track.resolution),
    }


def _row_json(row: Row, width: int) -> JSON:
    """Describes a row whose tiles have bins of ``width`` bp."""
    first, biosample = row.tracks[0], row.biosample
    return {
        "id": row.id,
        "kind": row.kind,
        "modality": row.modality,
        "label": LABELS[row.modality],
        "family": row.family,
        "title": row.title,
        "assay": first.assay,
        "target": first.target,
        "biosample": {"key": biosample.key, "name": biosample.name, "curie": biosample.curie}
        if biosample
        else None,
        "strand": row.strand,
        "unit": row.unit,
        "resolution": first.resolution,
        "summary": row.summary,
        "style": asdict(row.style),
        "predicted": [_track_json(t, width) for t in row.predicted],
        "observed": [
            _track_json(o.track, width) | {"predicted": o.predicted} for o in row.observed
        ],
    }


def _groups_json(bundle: Bundle, card: ModelCard | None) -> list[JSON]:
    return [
        {
            "modality": modality,
            "label": LABELS[modality],
            "family": group[0].family,
            "rows": [
                {
                    "id": row.id,
                    "label": f"{row.biosample.name if row.biosample else row.title} "
                    f"{row.strand.replace('.', '')}".strip(),
                    "predicted": bool(row.predicted),
                    "observed": bool(row.observed),
                }
                for row in group
            ],
        }
        for modality, group in track_groups(bundle, card).items()
    ]


def _biosamples_json(bundle: Bundle, card: ModelCard | None) -> list[JSON]:
    return [
        {
            "value": c.biosample.key,
            "label": c.biosample.name,
            "search": " ".join((c.biosample.curie, *c.biosample.synonyms)),
            "predicted": c.predicted,
            "observed": c.observed,
        }
        for c in biosamples(bundle, card)
    ]


def _highlights_json(state: ViewState) -> list[JSON]:
    return [
        {
            "start": h.interval.start,
            "end": h.interval.end,
            "text": format_interval(h.interval),
            "note": h.note,
        }
        for h in state.highlights
        if h.interval.chromosome == state.locus.chromosome
    ]


def with_margins(locus: Interval) -> Interval:
    """Returns a region with one screen on either side, which may reach beyond the chromosome."""
    return Interval(locus.chromosome, locus.start - locus.width, locus.end + locus.width)


def _data_json(view: View, bins: int) -> JSON:
    """Describes the tiles that a view and its margins need."""
    locus = view.state.locus
    wide = with_margins(locus)
    length = view.bundle.reference.length(locus.chromosome) or wide.end
    first, last = tile_indices(max(wide.start, 0), min(wide.end, length), bins)
    return {
        "bin": bins,
        "tile": TILE,
        "from": first,
        "to": last,
        "v": data_version(view.bundle, view.card),
    }


@api.get("/view")
def view() -> JSON:
    """Describes a view completely: what to draw, from which tiles, and what could not be read."""
    width = _width()
    ground: Ground = "dark" if request.args.get("ground") == "dark" else "light"
    seen = read_view(_view_query("width", "ground"))
    state, bundle, card = seen.state, seen.bundle, seen.card
    bins = bin_width(state.locus.width / width)
    region = with_margins(state.locus)
    transcripts = longest_per_gene(bundle.genes.overlapping(region))
    return {
        "query": state.to_query(),
        "notices": seen.notices,
        "genome": _genome_json(bundle),
        "locus": _locus_json(bundle, state.locus),
        "model": _model_json(card) if card else None,
        "rows": [_row_json(row, bins) for row in seen.rows],
        "chosen_biosamples": state.biosamples,
        "hidden": state.hidden,
        "mode": state.mode,
        "theme": state.theme,
        "autoscale": state.autoscale,
        "variant": variant_text(state.variant) if state.variant else None,
        "highlights": _highlights_json(state),
        "data": _data_json(seen, bins),
        "figure": track_figure(
            seen.rows, transcripts, state.locus, region, width, ground, state.mode
        ),
    }


@api.get("/tracks")
def get_tracks() -> Response:
    """Lists all that can be chosen of a genome and a model: rows by modality, and biosamples."""
    bundle = services().catalogue.get(_text("genome"))
    card = services().card(request.args.get("model", ""))
    response = jsonify(groups=_groups_json(bundle, card), biosamples=_biosamples_json(bundle, card))
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
    asked = request.get_json()
    if not isinstance(asked, dict) or not isinstance(asked.get("query"), str):
        raise BadInputError("The body must be JSON with the query of the view under “query”.")
    seen = read_view(asked["query"])
    if seen.card is None or not seen.predicted:
        return {"complete": True, "failed": False, "message": "", "ready": "", "spans": []}
    ensure = partial(services().predictions.ensure, seen.card, seen.bundle)
    locus, region = seen.state.locus, with_margins(seen.state.locus)
    progress = ensure(locus, seen.predicted, Priority.VIEW, retry=asked.get("retry") is True)
    ready = [data_version(seen.bundle, seen.card), progress.ready]
    if asked.get("prefetch", True) and not progress.error:
        for side in (
            Interval(locus.chromosome, locus.end, region.end),
            Interval(locus.chromosome, max(region.start, 0), locus.start),
        ):
            if side.width:
                ready.append(ensure(side, seen.predicted, Priority.PREFETCH).ready)
    reason = next((window.error for window in progress.windows if window.error), "")
    return {
        "complete": progress.finished,
        "failed": bool(progress.failed or progress.error),
        "message": progress.error or f"{progress.message} {reason}".strip(),
        "eta_seconds": progress.eta_seconds,
        "ready": _digest(ready),
        "total": progress.total,
        "done": progress.done,
        "running": progress.running,
        "windows": [
            {"start": w.interval.start, "end": w.interval.end, "state": w.state, "error": w.error}
            for w in progress.windows
        ],
        "spans": [
            span._asdict()
            for span in services().predictions.spans(
                seen.card, seen.bundle, seen.predicted[0], region
            )
        ],
    }


# --- Tiles --------------------------------------------------------------------------------------


def _digest(parts: object) -> str:
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def data_version(bundle: Bundle, card: ModelCard | None) -> str:
    """Names all that decides the numbers of a genome and a model: files, weights and programs."""
    return _digest(
        [
            bundle.reference.checksum,
            [(o.track.id, _file_version(o.path)) for o in bundle.tracks.values()],
            [card.weights_hash, code_version(card.family)] if card else [version("locuscope")],
        ]
    )


def _file_version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns


def _asked_tracks(bundle: Bundle, card: ModelCard | None) -> list[Track | ObservedTrack]:
    """Reads ``tracks``: ids with commas between them, each percent-encoded by itself."""
    ids = [unquote(part) for part in _text("tracks").split(",")]
    if len(ids) > MAX_TRACKS:
        raise LimitError(f"{len(ids):,} tracks were asked for; at most {MAX_TRACKS} at once.")
    known: dict[str, Track | ObservedTrack] = dict(bundle.tracks)
    known |= {track.id: track for track in card.tracks} if card else {}
    for id_ in ids:
        if id_ not in known:
            raise NotFoundError(f"There is no track “{id_[:100]}” in this genome and model.")
    return [known[id_] for id_ in ids]


@dataclass(frozen=True)
class _Asked:
    """What one request for tiles is about."""

    bundle: Bundle
    card: ModelCard | None
    tracks: list[Track | ObservedTrack]
    where: TileRange

    @property
    def interval(self) -> Interval:
        """What the tiles cover of the chromosome."""
        start, end = self.where.start, self.where.end
        length = self.bundle.reference.length(self.where.chromosome)
        return Interval(
            self.where.chromosome, start, end if length is None else max(start, min(end, length))
        )

    def spans(self, track: Track) -> list[Span]:
        """Returns where a track is not computed yet, or cannot be."""
        if self.card is None or not self.interval.width or self.too_wide(track):
            return []
        return services().predictions.spans(self.card, self.bundle, track, self.interval)

    def too_wide(self, track: Track) -> bool:
        """Whether the tiles reach further than predictions are read."""
        width: int = self.interval.width
        widest = TILES_TO_VIEW * services().settings.max_view
        return width > widest or width // track.resolution > MAX_NATIVE_BINS

    def summarise(self, track: Track | ObservedTrack) -> Summarise:
        """Returns what reads a track, or raises LimitError."""
        if isinstance(track, ObservedTrack):
            return track.summarise
        if self.card is None or self.too_wide(track):
            raise LimitError("Zoom in to see predictions.")
        return partial(services().predictions.summarise, self.card, self.bundle, track)

    def read(self, track: Track | ObservedTrack) -> TrackTiles:
        """Reads the tiles of a track; one that fails has no values, and says why."""
        about = track if isinstance(track, Track) else track.track
        n_planes = planes(self.where.bin, about.resolution)
        try:
            values = tiles(self.summarise(track), self.where)[:, :n_planes]
        except LocuscopeError as error:
            log.warning("tiles of %s: %s", about.id, error.message)
            values = np.full((self.where.count, n_planes, TILE), np.nan, np.float32)
            return TrackTiles(about.id, values, error.message)
        return TrackTiles(about.id, values)


@api.get("/tiles")
def get_tiles() -> Response:
    """Returns tiles of several tracks as bytes; ``app.web.tiles.pack`` says how they are laid out.

    The entity tag names all that decides the bytes. Where nothing is missing and the request
    carries a version, the answer may be kept for good.
    """
    bundle = services().catalogue.get(_text("genome"))
    card = services().card(request.args.get("model", ""))
    where = TileRange(
        bundle.reference.resolve(_text("chrom")), _integer("bin"), _integer("from"), _integer("to")
    )
    asked = _Asked(bundle, card, _asked_tracks(bundle, card), where)
    spans = [asked.spans(track) for track in asked.tracks if isinstance(track, Track)]
    partial_ = any(span.state == "missing" for one in spans for span in one)
    response = Response(mimetype="application/octet-stream")
    query = request.query_string.decode("latin-1")
    tag = _digest([data_version(bundle, card), query, spans])
    response.set_etag(tag)
    if request.if_none_match.contains(tag):
        response.status_code = 304
    else:
        read = [asked.read(track) for track in asked.tracks]
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
    seen = read_view(_view_query("points"))
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
    values = partial(services().predictions.values, view.card, view.bundle, track)
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


# --- Health and status --------------------------------------------------------------------------


@api.get("/health")
def health() -> JSON:
    """Says OK only if the broker and a worker answer."""
    if not services().jobs.workers():
        raise WorkerUnavailableError(NO_WORKER)
    return {"status": "OK"}


@api.get("/status")
def status() -> JSON:
    """Tells what runs: workers, queues, stored results, models."""
    its = services()
    stored = {"bytes": its.store.bytes_used, "limit": its.settings.cache_bytes}
    try:
        workers = its.jobs.workers()
        families = sorted({card.family for card in its.cards.values()})
        queues = {family: its.jobs.waiting(family) for family in families}
    except WorkerUnavailableError as error:
        return {
            "ready": False,
            "sentence": error.message,
            "workers": [],
            "queues": {},
            "stored": stored,
        }
    return {
        "ready": bool(workers),
        "sentence": _sentence(workers, sum(queues.values())),
        "workers": [asdict(worker) for worker in workers],
        "queues": queues,
        "stored": stored,
    }


def _sentence(workers: list[WorkerInfo], queued: int) -> str:
    if not workers:
        return NO_WORKER
    state = "computing" if any(worker.job for worker in workers) else "worker ready"
    devices = ", ".join(sorted({worker.device for worker in workers}))
    return f"{state} on {devices} · {queued:,} queued"


# --- Everything else ----------------------------------------------------------------------------


@api.route("/", defaults={"path": ""}, methods=["GET", "POST"])
@api.route("/<path:path>", methods=["GET", "POST"])
def unknown(path: str) -> JSON:
    """Refuses an address that is not one of the API's."""
    raise NotFoundError(f"There is no /api/v1/{path[:60]}.", "/api/v1/status")


def error_json(error: LocuscopeError) -> JSON:
    """Returns what the page shows of an error."""
    return {"message": error.message, "suggestion": error.suggestion}
