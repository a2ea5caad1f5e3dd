"""``/api/v1/effects``: what the edits of a view do to every track of its model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Blueprint, Response

from app.errors import BadInputError, BusyError, ComputationError
from app.genome.locus import format_position
from app.web.asked import asked_json, view_query
from app.web.describe import JSON
from app.web.rows import LABELS, all_rows
from app.web.services import services
from app.web.view import View, read_view
from models.card import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.genome.edits import SequenceEdit
    from app.inference.delta_scores import DeltaScoring
    from app.inference.effects import EffectScoring
    from app.inference.progress import Progress

effects_api = Blueprint("effects", __name__, url_prefix="/api/v1")

#: Most scorers that may be named.
MAX_SCORERS = 50


def _scoring(seen: View, scorers: Sequence[str] = ()) -> EffectScoring:
    # The scorers of the SDK take a second to import, which no other page should wait for.
    from app.inference.effects import EffectScoring

    if seen.card is None:
        raise BadInputError("Choose a model: what edits do is scored in its predictions.")
    if seen.haplotype is None:
        raise BadInputError("There is no edit on the chromosome in view. Type or paste one.")
    return EffectScoring.of(seen.card, seen.bundle, _made(seen), seen.haplotype, scorers)


def _made(seen: View) -> list[SequenceEdit]:
    return [e for e in seen.state.edits if e.place.chromosome == seen.state.locus.chromosome]


@effects_api.post("/effects")
def effects() -> JSON:
    """Sees to it that both alleles are predicted, and scores them once they are.

    Repeat it while ``complete`` is false; computing stops for whom nobody asks.
    """
    from app.inference.delta_scores import DeltaScoring
    from app.inference.effect_table import effect_table, provenance, variant_id
    from app.inference.scorer_names import label

    asked = asked_json("query")
    names = asked.get("scorers", [])
    if not isinstance(names, list) or not all(isinstance(one, str) for one in names):
        raise BadInputError("“scorers” is a list of texts.")
    if len(names) > MAX_SCORERS:
        raise BadInputError(f"At most {MAX_SCORERS} scorers can be named.")
    seen = read_view(asked["query"])
    scoring = _scoring(seen, names)
    spliced = DeltaScoring.of(scoring, _made(seen))
    its = services()
    wanted: list[EffectScoring | DeltaScoring] = [scoring, *([spliced] if spliced else [])]
    steps = [one.ensure(its.predictions, retry=asked.get("retry") is True) for one in wanted]
    answer: JSON = _state(steps) | {"rows": []}
    if not answer["complete"] or answer["failed"]:
        return answer
    name, where = variant_id(_made(seen)), scoring.window.output
    found = scoring.score(its.predictions)
    table = effect_table(name, where, found)
    about = provenance(scoring.card, seen.bundle, where, name)
    genes = {gene.symbol: (gene.start, gene.end) for gene in scoring.genes}
    shown = {t.id: row.id for row in all_rows(seen.bundle, seen.card) for t in row.predicted}
    rows = [
        row
        | {
            "row": shown.get(effect.track.id),
            "label": LABELS[effect.track.modality],
            "order": MODALITIES.index(effect.track.modality),
            "scorer": label(effect.scorer),
            "signed": effect.scorer.is_signed,
        }
        for row, effect in zip(
            json.loads(table.to_json(orient="records", double_precision=15)), found, strict=True
        )
    ]
    answer |= {"rows": rows, "genes": genes, "provenance": about}
    return answer | ({"splicing": _splicing(spliced)} if spliced else {})


def _state(steps: Sequence[Progress]) -> JSON:
    """Says how far several predictions are: the first that is not done, and the longest wait."""
    open_ = [step for step in steps if not step.finished or step.failed or step.error]
    shown = open_[0] if open_ else steps[0]
    reason = next((window.error for window in shown.windows if window.error), "")
    return {
        "complete": all(step.finished for step in steps),
        "failed": any(step.failed or step.error for step in steps),
        "message": shown.error or f"{shown.message} {reason}".strip(),
        "eta_seconds": max(
            (s.eta_seconds for s in steps if s.eta_seconds is not None), default=None
        ),
    }


def _splicing(spliced: DeltaScoring) -> JSON:
    """Describes the delta scores of SpliceAI, or says why there are none."""
    from app.inference.delta_scores import DISTANCE
    from app.inference.splicing import DELTAS, Unscored
    from app.inference.vcf import format_entry

    found = spliced.score(services().predictions)
    answer: JSON = {"distance": DISTANCE, "scores": [], "problem": ""}
    if isinstance(found, Unscored):
        return answer | {"problem": str(found)}
    place, alternate = spliced.made.place, spliced.made.alternate
    for one in found:
        values, offsets = one.deltas[:4], one.deltas[4:]
        answer["scores"].append({
            "gene": one.target.symbol,
            "strand": one.target.strand,
            "entry": format_entry(alternate, one),
            "deltas": [
                {
                    **{"name": name, "what": what, "score": score, "offset": offset},
                    **{"position": place.start + offset},
                    "text": format_position(place.chromosome, place.start + offset),
                }
                for (name, what), score, offset in zip(
                    DELTAS.items(), values, offsets, strict=True
                )
            ],
        })  # fmt: skip
    return answer


@effects_api.get("/effects.tsv")
def effects_tsv() -> Response:
    """Returns the scores of a view whose edits have been predicted, as a file."""
    from app.inference.delta_scores import DeltaScoring
    from app.inference.effect_table import effect_table, provenance, tsv, variant_id

    seen = read_view(view_query())
    scoring = _scoring(seen)
    spliced = DeltaScoring.of(scoring, _made(seen))
    predictions = services().predictions
    wanted: list[EffectScoring | DeltaScoring] = [scoring, *([spliced] if spliced else [])]
    steps = [one.ensure(predictions) for one in wanted]
    if not all(step.finished for step in steps):
        raise BusyError("These edits are still being predicted. Ask again in a moment.")
    if failed := [one.error for step in steps for one in step.windows if one.error]:
        raise ComputationError(failed[0])
    name, where = variant_id(_made(seen)), scoring.window.output
    table = effect_table(name, where, scoring.score(predictions))
    about = provenance(scoring.card, seen.bundle, where, name)
    if spliced:
        said = _splicing(spliced)
        about |= {
            f"SpliceAI within {said['distance']} bp": said["problem"]
            or ", ".join(one["entry"] for one in said["scores"])
        }
    text = tsv(table, about)
    response = Response(text, mimetype="text/tab-separated-values")
    response.headers["Content-Disposition"] = 'attachment; filename="effects.tsv"'
    return response
