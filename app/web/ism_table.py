"""The effects of in silico mutagenesis as a file that says where they come from."""

from __future__ import annotations

import numpy as np

from app.inference.explanations import SHUFFLES
from app.inference.mutagenesis import Located
from app.inference.prediction_files import Prediction
from app.inference.requests import Score
from app.web.describe import JSON
from app.web.ism import Ism, place_text
from app.web.view import View
from models.card import Track

SCORE_TEXTS: dict[Score, str] = {
    "lfc": "ln((mean + 0.001) / (mean of the unchanged sequence + 0.001))",
    "difference": "sum minus the sum of the unchanged sequence",
}
JUNCTION_TEXTS: dict[Score, str] = {
    "lfc": "ln((reads + 0.001) / (reads of the unchanged sequence + 0.001))",
    "difference": "reads minus those of the unchanged sequence",
}
METHOD_TEXTS = {
    "ism": "in silico mutagenesis: minus the mean effect of the three changes of a base",
    "gradient": "gradient in the base that is there, minus the mean over the four bases",
    "deeplift": f"DeepLIFT/SHAP: what the base there adds, mean over {SHUFFLES} comparisons",
}
COLUMNS = ("chromosome", "position", "reference", "base", "changed_to", "effect", "contribution")


def score_text(score: Score, track: Track) -> str:
    """Returns how the change of a read-out is told, in words."""
    return (JUNCTION_TEXTS if track.kind == "junctions" else SCORE_TEXTS)[score]


def reference_bases(seen: View, ism: Ism, found: Located) -> list[str | None]:
    """Returns what the reference has in the place of each base; None for inserted ones."""
    reference, start = seen.bundle.reference.fetch(ism.interval), ism.interval.start
    return [None if at is None else reference[at - start] for at in found.places]


def ism_tsv(seen: View, ism: Ism, track: Track, found: Located, answer: JSON) -> str:
    """Returns comment lines on where the numbers come from, then one line a change.

    Args:
        seen: The view.
        ism: What was asked.
        track: What was read out.
        found: Where it lies.
        answer: ``effects``, shape (bases, 4), columns A, C, G, T; ``contributions``, shape
            (bases,); NaN where there is no value; and ``value`` of the unchanged sequence.
    """
    edits = ", ".join(edit.text for edit in seen.state.edits)
    about = {
        "coordinates": "1-based positions on the reference; an inserted base has none",
        "read-out": f"{track.id} {place_text(ism, track)}",
        "unit": track.unit,
        "effect": score_text(ism.score, track),
        "contribution": METHOD_TEXTS[ism.method],
        "sequence": f"alternate: {edits}" if ism.background == "alternate" else "reference",
        "unchanged": f"{answer['value']:.6g}",
    }
    whole = Prediction(seen.card, seen.bundle, ism.interval, {}, about=about)
    lines = [f"# {key}: {text}" for key, text in whole.provenance().items()]
    lines.append("\t".join(COLUMNS))
    was = reference_bases(seen, ism, found)
    for row, base in enumerate(found.target.bases):
        place = found.places[row]
        where = (ism.interval.chromosome, "" if place is None else str(place + 1), was[row] or "")
        contribution = f"{answer['contributions'][row]:.6g}"
        for letter, effect in zip("ACGT", answer["effects"][row], strict=True):
            if letter != base and not np.isnan(effect):
                lines.append("\t".join([*where, base, letter, f"{effect:.6g}", contribution]))
    return "\n".join([*lines, ""])
