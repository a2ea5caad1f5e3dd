"""A view as a program that computes and draws it with this package."""

from __future__ import annotations

from importlib.metadata import version

from app.genome.locus import format_interval
from app.genome.signals import ObservedTrack
from app.web.rows import LABELS, Row
from app.web.theme import modality_colour
from app.web.view import View

#: What stands in braces is filled in, as a literal of Python.
_PROGRAM = '''\
# The view {link}
# computed and drawn by the package locuscope {version}. Set in the environment:
#   LOCUSCOPE_GENOMES  the folder of the genome {genome_id}
#   LOCUSCOPE_WEIGHTS  the folder of the model's weights, where the package does not bring them
# {notice}

import matplotlib.pyplot as plt
import numpy as np

from app.genome.catalogue import Catalogue
from app.genome.locus import parse_locus
from app.inference.batch import predict
from app.settings import settings

MODEL = {model}
EDITS = {edits}  # one a line
# Of each row: label, colour, predicted tracks, observed tracks. Of two the second hangs: it is
# the minus strand.
ROWS = [
{rows}
]
# Of these tracks the values are computed, but not drawn: contacts of bins, and introns.
OTHERS = {others}

bundle = Catalogue.load(settings().genome_dirs).get({genome})
locus = parse_locus({locus}, bundle).interval  # 0-based half-open

# By track id: start of the first bin, width of a bin in bp, one value a bin.
tracks = OTHERS + [id_ for _, _, predicted, _ in ROWS for id_ in predicted]
predictions = predict(settings(), MODEL, bundle, locus, tracks, EDITS) if tracks else []
observed = {{}}
for id_ in [id_ for _, _, _, ids in ROWS for id_ in ids]:
    start, values = bundle.tracks[id_].overlapping(locus)
    observed[id_] = (start, bundle.tracks[id_].track.resolution, values)


def draw(ax, ids, series, **style):
    """Draws one track, or two of which the second hangs."""
    for sign, id_ in zip((1, -1), ids):
        start, width, values = series[id_]
        edges = start + width * np.arange(len(values) + 1)
        ax.stairs(sign * np.nan_to_num(values), edges, **style)


size = (180 / 25.4, 0.6 + 0.7 * len(ROWS))
figure, axes = plt.subplots(max(1, len(ROWS)), sharex=True, squeeze=False, figsize=size)
for ax, (label, colour, predicted, measured) in zip(axes[:, 0], ROWS):
    draw(ax, measured, observed, color="0.4")
    for allele in predictions[1:]:
        draw(ax, predicted, allele, color=colour, fill=True, alpha=0.7)
    for reference in predictions[:1]:
        filled = {{"color": colour, "fill": True, "alpha": 0.7}}
        draw(ax, predicted, reference, **({{"color": "0.4"}} if predictions[1:] else filled))
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1, 0].set_xlim(locus.start, locus.end)
axes[-1, 0].set_xlabel({caption}, fontsize=8)
figure.savefig({file}, bbox_inches="tight")
'''


def snippet(seen: View, link: str, file: str) -> str:
    """Returns a program that computes the rows of a view and draws its signals.

    Args:
        seen: The view.
        link: Its address.
        file: What the picture is called that the program writes.
    """
    bundle, state = seen.bundle, seen.state
    notice = "Simulated, not for clinical use." if bundle.simulated else "Not for clinical use."
    drawn = [row for row in seen.rows if row.kind == "signal" and row.modality != "OWN"]
    others = [t.id for row in seen.rows if row.kind != "signal" for t in row.predicted]
    if state.own:
        notice += " The tracks that the visitor has brought are left out."
    where = f"{format_interval(state.locus)}, {bundle.name}. {notice}"
    return _PROGRAM.format(
        link=link,
        version=version("locuscope"),
        genome_id=bundle.id,
        notice=notice,
        model=repr(state.model),
        edits=repr("\n".join(edit.text for edit in state.edits)),
        rows="\n".join(f"    {_row(row)!r}," for row in drawn),
        others=repr(others),
        genome=repr(bundle.id),
        locus=repr(format_interval(state.locus).replace(",", "")),
        caption=repr(where),
        file=repr(file),
    )


def _row(row: Row) -> tuple[str, str, list[str], list[str]]:
    name = row.biosample.name if row.biosample else row.title
    colour = row.style.color or modality_colour(row.modality, "light")
    observed = [o.track.id for o in row.observed if isinstance(o, ObservedTrack)]
    return f"{name}\n{LABELS[row.modality]}", colour, [t.id for t in row.predicted], observed
