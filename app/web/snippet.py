"""A view as a program that computes and draws it with this package."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version

from app.genome.locus import format_interval
from app.genome.own_tracks import own_ids
from app.genome.signals import ObservedTrack
from app.web.ism import masks
from app.web.rows import LABELS, Row
from app.web.theme import modality_colour
from app.web.view import View
from models.card import Kind

#: What stands in braces is filled in, as a literal of Python.
_PROGRAM = '''\
# The view {link}
# computed and drawn by the package locuscope {version}. Set in the environment:
#   LOCUSCOPE_GENOMES  the folder of the genome {genome_id}
#   LOCUSCOPE_WEIGHTS  the folder of the model's weights, where the package does not bring them
# {notice}

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.patches import Arc

from app.genome.catalogue import Catalogue
from app.genome.locus import parse_locus
from app.genome.own_tracks import OwnTracks
from app.inference.batch import predict
from app.inference.mutagenesis_batch import mutate
from app.settings import settings

MODEL = {model}
EDITS = {edits}  # one a line
# Of each row: label, colour, predicted tracks, observed tracks. Of two the second hangs: it is
# the minus strand.
ROWS = [
{rows}
]
# Files that the visitor has brought, by track: a path or an https address. Of regions and variants
# it is drawn how many lie over each base.
OWN = {own}
# Introns and contact maps, of which what is predicted is drawn: label and tracks.
ARCS = {arcs}
MAPS = {maps}
# In silico mutagenesis: where, track, masks (0-based half-open), score, on the alternate.
ISM = {ism}

bundle = Catalogue.load(settings().genome_dirs).get({genome})
locus = parse_locus({locus}, bundle).interval  # 0-based half-open

# By track id, of the reference and of what the edits make of it: start of the first bin, width of
# a bin in bp, one value a bin; contacts have one a pair of bins, introns start, end and value.
tracks = [id_ for _, _, predicted, _ in ROWS for id_ in predicted]
tracks += [id_ for _, ids in ARCS + MAPS for id_ in ids]
predictions = predict(settings(), MODEL, bundle, locus, tracks, EDITS) if tracks else []
kept = OwnTracks(settings().cache_dir / "own")
measured = bundle.tracks | {{id_: kept.read(file, bundle) for id_, file in OWN.items()}}
observed = {{}}
for id_ in [id_ for _, _, _, ids in ROWS for id_ in ids]:
    start, values = measured[id_].overlapping(locus)
    observed[id_] = (start, measured[id_].track.resolution, values)
if ISM:
    where, track, masks, score, alternate = ISM
    region = parse_locus(where, bundle).interval
    mutated, effects = mutate(
        settings(), MODEL, bundle, region, track, masks, score, EDITS, alternate=alternate
    )


def draw(ax, ids, series, **style):
    """Draws one track, or two of which the second hangs."""
    for sign, id_ in zip((1, -1), ids):
        start, width, values = series[id_]
        edges = start + width * np.arange(len(values) + 1)
        ax.stairs(sign * np.nan_to_num(values), edges, **style)


heights = [1] * len(ROWS) + [2] * len(ARCS) + [8] * len(MAPS) + [1] * bool(ISM) or [1]
size = (180 / 25.4, 0.6 + 0.7 * sum(heights))
figure, axes = plt.subplots(
    len(heights), sharex=True, squeeze=False, figsize=size, height_ratios=heights
)
free = iter(axes[:, 0])
for label, colour, predicted, measured in ROWS:
    ax = next(free)
    draw(ax, measured, observed, color="0.4")
    for allele in predictions[1:]:
        draw(ax, predicted, allele, color=colour, fill=True, alpha=0.7)
    for reference in predictions[:1]:
        filled = {{"color": colour, "fill": True, "alpha": 0.7}}
        draw(ax, predicted, reference, **({{"color": "0.4"}} if predictions[1:] else filled))
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
for label, ids in ARCS:
    ax = next(free)
    for start, end, value in [one for id_ in ids for one in zip(*predictions[-1][id_])]:
        middle, height = (start + end) / 2, 2 * np.sqrt(value)
        ax.add_patch(Arc((middle, 0), end - start, height, theta2=180, linewidth=0.8))
        ax.set_ylim(0, max(height / 2, ax.get_ylim()[1]))
    ax.set_ylabel(label + "\\nroot of reads", rotation=0, ha="right", va="center", fontsize=8)
for label, (id_,) in MAPS:
    ax = next(free)
    start, width, values, *_ = predictions[-1][id_]
    edges = start + width * np.arange(len(values) + 1)
    ax.pcolormesh(edges, edges, np.ma.masked_invalid(values), cmap="viridis", rasterized=True)
    ax.set_ylim(locus.end, locus.start)
    ax.set_ylabel(label, rotation=0, ha="right", va="center", fontsize=8)
if ISM:
    ax = next(free)
    top = np.nanmax(np.abs(effects.values))
    for place, of_base in zip(mutated.places, effects.values):
        if place is not None:  # an inserted base has no place
            colours = {{"cmap": "RdBu_r", "vmin": -top, "vmax": top}}
            ax.pcolormesh([place, place + 1], range(5), of_base[:, None], **colours)
    ax.set_yticks(np.arange(4) + 0.5, "ACGT")
    ax.set_ylabel("ISM\\n" + score, rotation=0, ha="right", va="center", fontsize=8)
for ax in axes[:, 0]:
    ax.tick_params(labelsize=8)
    ax.spines[["top", "right"]].set_visible(False)
axes[-1, 0].set_xlim(locus.start, locus.end)
axes[-1, 0].set_xlabel({caption}, fontsize=8)
figure.savefig({file}, bbox_inches="tight")
'''


def snippet(seen: View, link: str, file: str, own: Mapping[str, str]) -> str:
    """Returns a program that computes and draws the rows of a view.

    Args:
        seen: The view.
        link: Its address.
        file: What the picture is called that the program writes.
        own: Of each track that the visitor has brought, by its id in the link, the address it was
            fetched from or the name of its file.
    """
    bundle, state = seen.bundle, seen.state
    notice = "Simulated, not for clinical use." if seen.simulated else "Not for clinical use."
    drawn = [row for row in seen.rows if row.kind == "signal"]
    if seen.explained and not _ism(seen):
        notice += " Attributions are left out, but for in silico mutagenesis."
    where = f"{format_interval(state.locus)}, {bundle.name}. {notice}"
    return _PROGRAM.format(
        link=link,
        version=version("locuscope"),
        genome_id=bundle.id,
        notice=notice,
        model=repr(state.model),
        edits=repr("\n".join(edit.text for edit in state.edits)),
        rows="\n".join(f"    {_row(row)!r}," for row in drawn),
        own=_own(drawn, own),
        arcs=repr(_predicted(seen, "junctions")),
        maps=repr(_predicted(seen, "contacts")),
        ism=repr(_ism(seen)),
        genome=repr(bundle.id),
        locus=repr(format_interval(state.locus).replace(",", "")),
        caption=repr(where),
        file=repr(file),
    )


def _own(drawn: Sequence[Row], own: Mapping[str, str]) -> str:
    """Returns where the files of own tracks are, one a line."""
    lines = []
    for track in [observed.track for row in drawn for observed in row.observed]:
        if track.modality == "OWN":
            source = own[own_ids([track.id])[0]]
            todo = "" if source.startswith("https://") else "  # put the path of this file here"
            lines.append(f"    {track.id!r}: {source!r},{todo}\n")
    return f"{{\n{''.join(lines)}}}" if lines else "{}"


def _predicted(seen: View, kind: Kind) -> list[tuple[str, list[str]]]:
    """Returns label and predicted tracks of the rows of a kind."""
    rows = [row for row in seen.rows if row.kind == kind and row.predicted]
    return [(_label(row), [track.id for track in row.predicted]) for row in rows]


def _ism(seen: View) -> tuple[str, str, list[tuple[int, int]], str, bool] | None:
    """Returns what is mutated in a view and by which read-out; None for nothing."""
    ism = seen.state.ism
    if ism is None or not seen.explained or ism.method != "ism":
        return None
    where = format_interval(ism.interval).replace(",", "")
    alternate = ism.background == "alternate"
    return where, ism.track, masks(ism, seen.bundle), ism.score, alternate


def _label(row: Row) -> str:
    name = row.biosample.name if row.biosample else row.title
    return f"{name}\n{LABELS[row.modality]}"


def _row(row: Row) -> tuple[str, str, list[str], list[str]]:
    colour = row.style.color or modality_colour(row.modality, "light")
    observed = [o.track.id for o in row.observed if isinstance(o, ObservedTrack)]
    return _label(row), colour, [t.id for t in row.predicted], observed
