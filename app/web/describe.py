"""Descriptions of what is served, as JSON; ``docs/api.md`` says what they mean."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qsl

from alphagenome.data.genome import Interval

from app.errors import LocuscopeError
from app.genome.catalogue import Bundle
from app.genome.edits import SequenceEdit
from app.genome.genes import Gene, Transcript
from app.genome.locus import format_interval, format_width, parse_locus
from app.genome.translation import frames
from app.web.figures.features import FeatureLanes
from app.web.figures.sequence import SequenceLane
from app.web.ism import mask_choices
from app.web.rows import LABELS, Row, biosamples, track_groups
from app.web.services import services
from app.web.state import ViewState
from app.web.tiles import TILE, planes, tile_indices
from app.web.versions import data_version
from app.web.view import View
from models.card import LOG_RATIOS, ModelCard, Track

JSON = dict[str, Any]

#: Longest allele of a variant in an answer; one that is longer cannot be taken over as an edit.
MAX_ALLELE = 200
#: Most pieces of one chromosome that are listed.
MAX_PIECES = 500


def genome(bundle: Bundle) -> JSON:
    """Describes a genome, with the files that were left out of it."""
    return {
        "id": bundle.id,
        "name": bundle.name,
        "assembly": bundle.assembly,
        "simulated": bundle.simulated,
        "problems": [{"path": str(path), "message": message} for path, message in bundle.problems],
    }


def model(card: ModelCard) -> JSON:
    """Describes a model, and why it cannot be used if it cannot."""
    return {
        "id": card.id,
        "title": card.title,
        "family": card.family,
        "summary": card.summary,
        "paper": card.paper,
        "licence": card.licence,
        "licence_note": card.licence_note,
        "simulated": card.simulated,
        "deep_lift": card.deep_lift,
        "genomes": list(card.genomes),
        "input_width": card.input_width,
        "output_width": card.output_width,
        "validation": card.validation,
        "validation_note": card.validation_note,
        "precision": card.precision,
        "tracks": len(card.tracks),
        "unavailable": services().unavailable(card),
    }


def gene(known: Gene) -> JSON:
    """Describes a gene."""
    return {
        "symbol": known.symbol,
        "id": known.gene_id,
        "strand": known.strand,
        "start": known.start,
        "end": known.end,
    }


def transcript(placed: Transcript, lane: int) -> JSON:
    """Describes a transcript, the gene it stands for, and the lane it is drawn in."""
    return gene(placed.gene) | {
        "transcript": placed.transcript_id,
        "start": placed.start,
        "end": placed.end,
        "exons": placed.exons,
        "cds": placed.cds,
        "lane": lane,
    }


def locus(bundle: Bundle, interval: Interval) -> JSON:
    """Describes a region and the chromosome that it lies on."""
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


def overview(bundle: Bundle, chromosome: str) -> JSON:
    """Describes what is known of a chromosome as a whole: its bands, and views worth seeing."""
    features = []
    for view in bundle.views:
        with suppress(LocuscopeError):  # the first page tells what is wrong with that view
            where = parse_locus(dict(parse_qsl(view.link)).get("locus", ""), bundle).interval
            if where.chromosome == chromosome:
                features.append(
                    {
                        "start": where.start,
                        "end": where.end,
                        "text": format_interval(where),
                        "title": view.title,
                        "about": view.about,
                        "link": view.link,
                    }
                )
    bands = [band._asdict() for band in bundle.cytobands.get(chromosome, [])]
    return {"bands": bands, "features": features}


def sequence(view: View, lanes: Sequence[SequenceLane]) -> JSON:
    """Gives the bases of what is drawn, and the reading frames that have a lane."""
    pieces, translated = [], []
    drawn = view.drawn
    for piece in view.bundle.reference.pieces_on(drawn.chromosome) if lanes else ():
        start, end = max(piece.start, drawn.start), min(piece.end, drawn.end)
        if start >= end:
            continue
        bases = view.bundle.reference.fetch(Interval(drawn.chromosome, start, end))
        pieces.append({"start": start, "bases": bases})
        for strand in dict.fromkeys(lane.strand for lane in lanes if lane.frame is not None):
            read = frames(bases, start, strand)
            translated += [one._asdict() | {"frame": one.frame} for one in read]
    return {"pieces": pieces, "frames": translated}


def track(shown: Track, width: int) -> JSON:
    """Describes a track whose tiles have bins of ``width`` bp."""
    return {
        "id": shown.id,
        "name": shown.name,
        "strand": shown.strand,
        "unit": shown.unit,
        "resolution": shown.resolution,
        "summary": shown.summary,
        "planes": planes(width, shown.resolution),
    }


def row(shown: Row, width: int) -> JSON:
    """Describes a row whose tiles have bins of ``width`` bp."""
    first, biosample = shown.tracks[0], shown.biosample
    return {
        "id": shown.id,
        "kind": shown.kind,
        "modality": shown.modality,
        "label": LABELS[shown.modality],
        "family": shown.family,
        "title": shown.title,
        "assay": first.assay,
        "target": first.target,
        "biosample": {"key": biosample.key, "name": biosample.name, "curie": biosample.curie}
        if biosample
        else None,
        "strand": shown.strand,
        "unit": shown.unit,
        "resolution": first.resolution,
        "summary": shown.summary,
        "height": shown.height,
        "part": shown.part,
        "value": shown.value,
        "strip": shown.strip,
        "host": shown.host.id if shown.host else None,
        "guests": shown.guests,
        "features": shown.features > 0,
        "ratio_only": shown.predicted[0].unit in LOG_RATIOS if shown.predicted else False,
        "style": vars(shown.style),
        "predicted": [track(t, width) for t in shown.predicted],
        "observed": [track(o.track, width) | {"predicted": o.predicted} for o in shown.observed],
    }


def features(lanes: FeatureLanes) -> JSON:
    """Describes the regions or variants of a row, and where each is drawn."""
    return {
        "lane": lanes.lane,
        "placed": [
            one.feature._asdict()
            | {
                "lane": one.lane,
                "label": one.label,
                "side": one.side,
                "ref": one.feature.ref[:MAX_ALLELE],
                "alt": one.feature.alt[:MAX_ALLELE],
                "edit": one.feature.substitutes
                and max(len(one.feature.ref), len(one.feature.alt)) <= MAX_ALLELE,
            }
            for one in lanes.placed
        ],
    }


def row_choices(bundle: Bundle, card: ModelCard | None) -> list[JSON]:
    """Lists every row that can be chosen, by modality."""
    return [
        {
            "modality": modality,
            "label": LABELS[modality],
            "family": group[0].family,
            "rows": [
                {
                    "id": one.id,
                    "biosample": one.biosample.key if one.biosample else "",
                    "label": f"{one.biosample.name if one.biosample else one.title} "
                    f"{one.strand.replace('.', '')}".strip(),
                    "predicted": bool(one.predicted),
                    "observed": bool(one.observed),
                }
                for one in group
            ],
        }
        for modality, group in track_groups(bundle, card).items()
    ]


def biosample_choices(bundle: Bundle, card: ModelCard | None) -> list[JSON]:
    """Lists every biosample that can be chosen, and how many rows it has."""
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


def highlights(state: ViewState) -> list[JSON]:
    """Lists the marked regions of the chromosome in view."""
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


def edit(made: SequenceEdit) -> JSON:
    """Describes an edit: what it is in words, and where it stands."""
    change = made.replacement
    return {
        "text": made.text,
        "kind": made.kind,
        "label": made.label,
        "detail": made.detail,
        "chrom": made.place.chromosome,
        "start": made.place.start,
        "end": made.place.end,
        "deleted": [change.start + change.aligned, change.end] if change.shift < 0 else None,
        "inserted": {"at": change.start + change.aligned, "length": change.shift}
        if change.shift > 0
        else None,
    }


def ism(view: View) -> JSON | None:
    """Describes which bases are explained, and by what else they could be."""
    wanted, card = view.state.ism, view.card
    if wanted is None or card is None:
        return None
    where = wanted.interval
    return {
        "text": wanted.to_text(),
        "chrom": where.chromosome,
        "start": where.start,
        "end": where.end,
        "locus": format_interval(where),
        "track": wanted.track,
        "mask": wanted.mask,
        "score": wanted.score,
        "method": wanted.method,
        "background": wanted.background,
        "show": wanted.show,
        "masks": [
            {"value": mask, "label": label}
            for mask, label in mask_choices(wanted, view.bundle, card)
        ],
    }


def data(view: View, bins: int) -> JSON:
    """Describes the tiles that a view and its margins need."""
    wide = view.drawn
    length = view.bundle.reference.length(wide.chromosome) or wide.end
    first, last = tile_indices(max(wide.start, 0), min(wide.end, length), bins)
    return {
        "bin": bins,
        "tile": TILE,
        "from": first,
        "to": last,
        "v": data_version(view.bundle, view.card),
    }


def error(shown: LocuscopeError) -> JSON:
    """Describes an error: what is wrong, and the nearest valid request if there is one."""
    return {"message": shown.message, "suggestion": shown.suggestion}
