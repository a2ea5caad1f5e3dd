"""``/api/v1/effects``: what the edits of a view do to every track of its model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from flask import Blueprint, Response

from app.errors import BadInputError, BusyError, ComputationError
from app.web.asked import asked_json, view_query
from app.web.describe import JSON
from app.web.rows import LABELS, all_rows
from app.web.services import services
from app.web.view import View, read_view
from models.card import MODALITIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from app.genome.edits import SequenceEdit
    from app.inference.effects import EffectScoring

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
    its = services()
    progress = scoring.ensure(its.predictions, retry=asked.get("retry") is True)
    reason = next((window.error for window in progress.windows if window.error), "")
    answer: JSON = {
        "complete": progress.finished,
        "failed": bool(progress.failed or progress.error),
        "message": progress.error or f"{progress.message} {reason}".strip(),
        "eta_seconds": progress.eta_seconds,
        "rows": [],
    }
    if not progress.finished or progress.failed:
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
    return answer | {"rows": rows, "genes": genes, "provenance": about}


@effects_api.get("/effects.tsv")
def effects_tsv() -> Response:
    """Returns the scores of a view whose edits have been predicted, as a file."""
    from app.inference.effect_table import effect_table, provenance, tsv, variant_id

    seen = read_view(view_query())
    scoring = _scoring(seen)
    predictions = services().predictions
    progress = scoring.ensure(predictions)
    if not progress.finished:
        raise BusyError("These edits are still being predicted. Ask again in a moment.")
    if progress.failed:
        raise ComputationError(next(one.error for one in progress.windows if one.error))
    name, where = variant_id(_made(seen)), scoring.window.output
    table = effect_table(name, where, scoring.score(predictions))
    text = tsv(table, provenance(scoring.card, seen.bundle, where, name))
    response = Response(text, mimetype="text/tab-separated-values")
    response.headers["Content-Disposition"] = 'attachment; filename="effects.tsv"'
    return response
