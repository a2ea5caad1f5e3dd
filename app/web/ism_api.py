"""``/api/v1/ism`` and ``/api/v1/motif``: in silico mutagenesis and attributions of a view."""

from __future__ import annotations

from typing import Any

import numpy as np
from flask import Blueprint, Response
from numpy.typing import NDArray

from app.errors import BadInputError, BusyError
from app.genome.jaspar import SOURCE, Matrix, matrix
from app.genome.locus import format_interval
from app.inference.alleles import Allele
from app.inference.explanations import Answer, Seqlet, seqlets
from app.inference.mutagenesis import Located, Target, located
from app.web.asked import asked_json, asked_text, view_query
from app.web.describe import JSON
from app.web.ism import Ism, masks, place_text
from app.web.ism_table import METHOD_TEXTS, ism_tsv, reference_bases, score_text
from app.web.rows import LABELS
from app.web.services import services
from app.web.view import View, read_view
from app.web.view_data import file_stem
from models.card import ModelCard, Track

ism_api = Blueprint("ism", __name__, url_prefix="/api/v1")

Floats = NDArray[np.float32]


@ism_api.post("/ism")
def ism() -> JSON:
    """Sees to it that the ``ism`` of a view is computed, and returns what there is of it.

    The page repeats this while ``complete`` is false; computing stops for whom nobody asks.
    """
    asked = asked_json("query")
    seen = read_view(asked["query"])
    wanted, track, found = _wanted(seen)
    retry = asked.get("retry") is True
    answer = _answer(found, wanted, retry)
    if answer["complete"]:
        answer |= _motifs(found.target, answer, retry)
    for name in ("effects", "contributions"):
        answer[name] = _listed(answer[name])
    return answer | _about(seen, wanted, track, found)


@ism_api.get("/ism.tsv")
def ism_effects() -> Response:
    """Returns the effects of a view whose ``ism`` is computed, as a file."""
    seen = read_view(view_query())
    wanted, track, found = _wanted(seen)
    answer = _answer(found, wanted, retry=False)
    if not answer["complete"]:
        bases = f"{answer['done']} of {answer['total']} bases are computed"
        done = bases if wanted.method == "ism" else answer["message"]
        raise BusyError(f"The contributions are not complete: {done}. Ask again in a moment.")
    text = ism_tsv(seen, wanted, track, found, answer)
    response = Response(text, mimetype="text/tab-separated-values")
    name = f"{file_stem(seen)}_ism.tsv"
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@ism_api.get("/motif")
def motif() -> JSON:
    """Returns a matrix of JASPAR."""
    return _matrix(matrix(asked_text("id"))) | {"source": SOURCE}


def _wanted(seen: View) -> tuple[Ism, Track, Located]:
    """Returns what a view asks, the track that is read out, and where it lies."""
    wanted, card = seen.state.ism, seen.card
    if wanted is None or card is None:
        raise BadInputError(
            next(iter(seen.notices), "The link names no region for in silico mutagenesis.")
        )
    track = next(track for track in card.tracks if track.id == wanted.track)
    return wanted, track, _located(seen, wanted, card, track)


def _answer(found: Located, wanted: Ism, retry: bool) -> JSON:
    if wanted.method == "ism":
        return _mutated(found.target, retry)
    return _explained(found.target, wanted, retry)


def _located(seen: View, wanted: Ism, card: ModelCard, track: Track) -> Located:
    alternate = wanted.background == "alternate"
    if alternate and seen.haplotype is None:
        raise BadInputError(
            "There is no edit on this chromosome, so there is no alternate sequence. "
            "Explain the reference instead."
        )
    allele = Allele(seen.haplotype, alternate=alternate)
    where = masks(wanted, seen.bundle)
    reference = seen.bundle.reference
    return located(card, reference, wanted.interval, track, where, wanted.score, allele)


def _mutated(target: Target, retry: bool) -> JSON:
    effects = services().mutagenesis.ensure(target, retry=retry)
    return {
        "complete": effects.complete,
        "failed": bool(effects.error),
        "message": effects.error or effects.message,
        "eta_seconds": effects.eta_seconds,
        "done": effects.done,
        "total": effects.total,
        "value": None if np.isnan(effects.value) else effects.value,
        "effects": effects.values,
        "contributions": effects.contributions(target.bases),
    }


def _explained(target: Target, wanted: Ism, retry: bool) -> JSON:
    if wanted.method == "ism":
        raise AssertionError("in silico mutagenesis is no attribution")
    answer = services().explanations.attributions(target, wanted.method, retry=retry)
    present = np.array([[base == letter for letter in "ACGT"] for base in target.bases])
    known = present.any(axis=1)
    values = np.full((len(target.bases), 4), np.nan, np.float32)
    if answer.arrays is not None:
        values[known] = answer.arrays["attribution"][known]
    here = np.where(known, np.where(present, values, 0).sum(axis=1), np.nan)
    return _progress(answer) | {
        "done": 0 if answer.arrays is None else int(known.sum()),
        "total": int(known.sum()),
        "value": None if answer.arrays is None else float(answer.arrays["value"][0]),
        "effects": values - here[:, None],
        "contributions": here,
    }


def _progress(answer: Answer) -> JSON:
    return {
        "complete": answer.arrays is not None and not answer.message,
        "failed": bool(answer.error),
        "message": answer.error or answer.message,
        "eta_seconds": answer.eta_seconds,
    }


def _motifs(target: Target, answer: JSON, retry: bool) -> JSON:
    """Adds the motifs; until they are there, asking again changes something."""
    named = services().explanations.motifs(
        target.card, target.bases, answer["contributions"], retry=retry
    )
    if named.arrays is None:
        progress = _progress(named)
        message = progress["message"] if named.error else f"Naming motifs. {progress['message']}"
        return progress | {"message": message}
    return {"motifs": [_seqlet(one) for one in seqlets(named.arrays)]}


def _seqlet(one: Seqlet) -> JSON:
    return {
        "start": one.start,
        "end": one.end,
        "attribution": one.attribution,
        "p": one.p,
        "alike": one.alike,
        "matches": [
            {
                "id": match.matrix.id,
                "name": match.matrix.name,
                "width": len(match.matrix.counts),
                "p": match.p,
                "q": match.q,
                "offset": match.offset,
                "strand": match.strand,
            }
            for match in one.matches
        ],
    }


def _matrix(one: Matrix) -> JSON:
    return {
        "id": one.id,
        "name": one.name,
        "class": one.tf_class,
        "frequencies": np.round(one.frequencies, 4).tolist(),
    }


def _about(seen: View, wanted: Ism, track: Track, found: Located) -> JSON:
    names = [LABELS[track.modality], track.biosample.name if track.biosample else track.name]
    label = " ".join([*names, track.strand]) if track.strand != "." else " ".join(names)
    where = wanted.interval
    return {
        "interval": {
            "chrom": where.chromosome,
            "start": where.start,
            "end": where.end,
            "text": format_interval(where),
        },
        "bases": found.target.bases,
        "places": list(found.places),
        "reference": reference_bases(seen, wanted, found),
        "method_text": METHOD_TEXTS[wanted.method],
        "readout": {
            "label": label,
            "unit": track.unit,
            "mask_text": place_text(wanted, track),
            "score_text": score_text(wanted.score, track),
        },
    }


def _listed(values: Floats) -> list[Any]:
    """Returns numbers with five significant digits, and None for no value."""

    def plain(number: float) -> float | None:
        return None if np.isnan(number) else float(f"{number:.5g}")

    if values.ndim == 1:
        return [plain(number) for number in values.tolist()]
    return [[plain(number) for number in row] for row in values.tolist()]
