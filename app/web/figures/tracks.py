"""All rows of a view as ONE Plotly figure with one x axis in bp and one y axis in px.

The figure that Python returns holds everything but the signal: geometry, style and genes. The
browser fills each signal trace from tiles, by the recipe in the trace's ``meta`` (see
``assets/20-figure.js``), so that panning and zooming never wait for Python. With y in px, rows need
no axes of their own, which is what makes the redraw quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from alphagenome.data.genome import Interval

from app.web.figures.genes import gene_traces, hit_boxes, pack_lanes
from app.web.figures.sequence import SequenceLane
from app.web.rows import OVERLAID_LABEL, OVERLAID_TOP, Row
from app.web.theme import DIFFERENCE, FONT, PALETTE, SIZES, Mode, modality_colour, rgba
from app.web.tile_request import ALTERNATE, CHANGE, LOWER, UPPER
from app.web.transcripts import GeneLine, as_seen

Overlay = Literal["stacked", "overlay", "mirror"]
Compare = Literal["overlay", "difference", "split", "reference", "alternate"]

#: Traces that share a scale, beside those of the prediction.
GROUPS = {"observed": "observed"} | dict.fromkeys(("gain", "loss", "difference band"), "difference")

#: Lanes that the gene row always has, so that the rows below seldom move.
MIN_GENE_LANES = 2
#: Space in px kept free above the highest value, so that a peak does not touch the next row.
HEADROOM = 3


@dataclass(frozen=True)
class Series:
    """How one track becomes a polygon.

    Attributes:
        track: Track id, as in tiles.
        summary: Which of a tile's planes is drawn.
        base: y in px of the value 0.
        height: px between 0 and the top of the scale.
        sign: 1 if values rise, -1 if they hang.
        minus: Track id whose values are subtracted; empty for none.
        only: Which differences are drawn.
        floor: Track id of the lower edge where a band is drawn rather than an area.
    """

    track: str
    summary: str
    base: float
    height: float
    sign: int
    minus: str = ""
    only: Literal["", "gain", "loss"] = ""
    floor: str = ""


def _halves(top: float, height: float, n_strands: int) -> list[tuple[float, float, int]]:
    """Returns (base, height, sign) of each strand drawn in a band of the row."""
    if n_strands == 1:
        return [(top + height, height - HEADROOM, 1)]
    middle = top + height / 2
    return [(middle, height / 2 - HEADROOM, 1), (middle, height / 2 - HEADROOM, -1)]


def row_series(row: Row, top: float, overlay: Overlay) -> dict[str, list[Series]]:
    """Returns where each track of a row is drawn.

    Args:
        row: The row.
        top: y in px of its upper edge.
        overlay: ``stacked``: predicted above observed; ``overlay``: on one base line;
            ``mirror``: observed hangs below predicted. Strand pairs are never mirrored, since
            there the lower half is the minus strand.
    """
    predicted = [t.id for t in row.predicted]
    observed = [o.track.id for o in row.observed]
    bands: dict[str, tuple[float, float]]
    if not predicted or not observed or overlay == "overlay":
        bands = {"predicted": (top, row.height), "observed": (top, row.height)}
    else:
        half = row.height / 2
        bands = {"predicted": (top, half), "observed": (top + half, half)}
    placed: dict[str, list[Series]] = {}
    for part, tracks in (("predicted", predicted), ("observed", observed)):
        if not tracks:
            continue
        band_top, band_height = bands[part]
        spots = _halves(band_top, band_height, len(tracks))
        if overlay == "mirror" and part == "observed" and predicted and len(tracks) == 1:
            spots = [(band_top, band_height - HEADROOM, -1)]
        placed[part] = [
            Series(track, row.summary, *spot) for track, spot in zip(tracks, spots, strict=True)
        ]
    return placed


def compared_series(
    row: Row, predicted: Sequence[Series]
) -> dict[Compare, dict[str, list[Series]]]:
    """Returns where reference and alternate are drawn, for each way to compare them.

    Args:
        row: The row.
        predicted: Where the prediction would be drawn were there no edit.
    """
    top = min(s.base - s.height if s.sign > 0 else s.base for s in predicted) - HEADROOM
    height = max(s.base if s.sign > 0 else s.base + s.height + HEADROOM for s in predicted) - top
    reference = list(predicted)
    alternate = [replace(s, track=ALTERNATE + s.track) for s in predicted]
    split = {
        part: [
            Series(s.track, s.summary, *spot)
            for s, spot in zip(
                shown, _halves(top + i * height / 2, height / 2, len(shown)), strict=True
            )
        ]
        for i, (part, shown) in enumerate((("reference", reference), ("alternate", alternate)))
    }
    band = height / len(predicted)
    difference: dict[str, list[Series]] = {"gain": [], "loss": []}
    for i, s in enumerate(predicted):
        middle, reach = top + (i + 0.5) * band, band / 2 - HEADROOM
        for only in ("gain", "loss"):
            difference[only].append(
                Series(ALTERNATE + s.track, row.summary, middle, reach, 1, s.track, only)
            )
    return {
        "overlay": {"alternate": alternate, "reference": reference},
        "difference": difference,
        "split": split,
        "reference": {"reference": reference},
        "alternate": {"alternate": alternate},
    }


def spread_series(parts: Mapping[str, Sequence[Series]]) -> dict[str, list[Series]]:
    """Returns where the bands of the spread of what is predicted are drawn.

    Args:
        parts: Where the predictions are drawn, of one way to compare alleles if there are two.
    """
    names = {
        "predicted": "band",
        "alternate": "band",
        "reference": "reference band",
        "gain": "difference band",  # the loss has the same
    }
    found: dict[str, list[Series]] = {}
    for part, name in names.items():
        for s in parts.get(part, ()):
            of = s.track if name != "difference band" else CHANGE + s.minus
            band = replace(s, track=UPPER + of, floor=LOWER + of, minus="", only="")
            found.setdefault(name, []).append(band)
    return found


def _signal_trace(part: str, row: Row, series: list[Series], mode: Mode) -> dict[str, Any]:
    muted = PALETTE[mode]["muted"]
    colour = row.style.color or modality_colour(row.modality, mode)
    # What is drawn over another row lets it be seen; alone, a measurement may have a colour.
    own = not row.predicted and (row.style.color or row.host)
    observed = colour if own else muted
    style: dict[str, Any] = {
        "line": {"width": 1, "color": observed},
        "fillcolor": rgba(observed, 0.18),
    }
    if part in ("predicted", "alternate"):
        opacity = 0.35 if row.host else 0.7
        style = {"line": {"width": 1, "color": colour}, "fillcolor": rgba(colour, opacity)}
    elif part.endswith("band"):
        ink = PALETTE[mode]["muted" if part == "reference band" else "ink"]
        style = {"line": {"width": 0.75, "color": rgba(ink, 0.55)}, "fillcolor": rgba(ink, 0.25)}
    elif part == "reference":
        style = {"line": {"width": 1.25, "color": muted}, "fillcolor": rgba(muted, 0.08)}
    elif part in DIFFERENCE[mode]:
        colour = DIFFERENCE[mode][part]
        style = {"line": {"width": 1, "color": colour}, "fillcolor": rgba(colour, 0.75)}
    style["line"]["shape"] = "hv"
    return {
        "type": "scatter",
        "mode": "lines",
        "fill": "toself",
        "hoverinfo": "skip",
        "showlegend": False,
        "x": [],
        "y": [],
        "meta": {
            "row": row.id,
            "part": part,
            "group": GROUPS.get(part, "predicted"),
            "series": [vars(s) for s in series],
        },
        **style,
    }


def _base_lines(heights: Sequence[float], region: Interval, mode: Mode) -> dict[str, Any]:
    """Returns one trace of all base lines: as many shapes would double the time of a redraw."""
    return {
        "type": "scatter",
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "x": [x for _ in heights for x in (region.start, region.end, None)],
        "y": [y for height in heights for y in (height, height, None)],
        "line": {"width": 1, "color": PALETTE[mode]["line"]},
    }


def _layout(region: Interval, width: int, height: float, mode: Mode) -> dict[str, Any]:
    axis = {"visible": False, "fixedrange": True}
    return {
        "width": width,
        "height": height,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0},
        "xaxis": axis | {"range": [region.start, region.end]},
        "yaxis": axis | {"range": [height, 0]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 11, "color": PALETTE[mode]["ink"]},
        "showlegend": False,
        "hovermode": False,
        "dragmode": False,
    }


def track_figure(  # noqa: PLR0917 - one figure of one view
    rows: Sequence[Row],
    genes: Sequence[GeneLine],
    view: Interval,
    region: Interval,
    width: int,
    mode: Mode = "light",
    overlay: Overlay = "stacked",
    *,
    edited: bool = False,
    sequence: Sequence[SequenceLane] = (),
    expanded: bool = False,
    spread: bool = False,
    explained: bool = False,
) -> dict[str, Any]:
    """Builds the figure of a view.

    Args:
        rows: From the top; of rows that are no signal, and of those whose features are drawn one
            by one, only the place is kept.
        genes: Lines of the gene row in ``region``.
        view: What is visible.
        region: What is drawn: the view and its margins.
        width: px of the visible part.
        mode: Light or dark ground.
        overlay: How predicted and observed share a row.
        edited: Whether reference and alternate are compared.
        sequence: Lanes of the row of the reference sequence, which the client draws.
        expanded: Whether each transcript has a line of its own.
        spread: Whether predictions have a band of their spread over an ensemble.
        explained: Whether there is a row of in silico mutagenesis, which the client draws.

    Returns:
        ``data`` and ``layout`` for Plotly, and ``geometry``: px top and height of the rows of the
        sequence, of the genes, of in silico mutagenesis (None without) and of every signal, and
        how many genes found no lane. ``compare`` has, where there are edits, the traces of the
        prediction for each way to compare, so that the page changes from one to the other without
        asking again.
    """
    bp_per_px = view.width / width
    placed, hidden = pack_lanes(
        [line.transcript for line in genes], view, bp_per_px, expanded=expanded
    )
    lines = {line.transcript: [as_seen(p, bp_per_px) for p in line.parts] for line in genes}
    lanes = max(MIN_GENE_LANES, 1 + max((p.lane for p in placed), default=0))
    gap = SIZES["gap"]
    sequence_height = sum(lane.height for lane in sequence)
    gene_top = gap + (sequence_height + gap if sequence else 0)
    gene_height = lanes * SIZES["gene-lane"]
    traces = gene_traces(placed, region, bp_per_px, gene_top, mode, parts=lines)
    top = gene_top + gene_height + gap
    ism = {"top": top, "height": SIZES["ism"]} if explained else None
    top += SIZES["ism"] + gap if explained else 0
    geometry = []
    baselines: list[float] = []
    compare: dict[Compare, list[dict[str, Any]]] = {}
    tops: dict[str, int] = {}
    labels: dict[str, int] = {}  # of rows over one another, those that have a place so far
    for row in rows:
        tops[row.id] = tops[row.host.id] if row.host else top
        is_drawn = row.kind == "signal" and not row.features
        series = row_series(row, tops[row.id], overlay) if is_drawn else {}
        if edited and "predicted" in series:
            for how, parts in compared_series(row, series["predicted"]).items():
                drawn = compare.setdefault(how, [])
                banded = parts | (spread_series(parts) if spread else {})
                drawn += [_signal_trace(part, row, s, mode) for part, s in banded.items()]
            series = {part: s for part, s in series.items() if part == "observed"}
        series |= spread_series(series) if spread else {}
        for part in ("observed", "predicted", "band"):
            if part in series:
                traces.append(_signal_trace(part, row, series[part], mode))
        baselines += sorted({s.base for part in series.values() for s in part})
        label = {"top": tops[row.id], "height": row.height}
        if row.host is not None:
            labels[row.host.id] = nth = labels.get(row.host.id, -1) + 1
            label = {
                "top": tops[row.id] + OVERLAID_TOP + nth * OVERLAID_LABEL,
                "height": OVERLAID_LABEL,
            }
        place = {"id": row.id, "top": tops[row.id], "height": row.height, "label": label}
        geometry.append(place)
        if row.host is None:
            top += row.height + gap
    traces.insert(0, _base_lines(baselines, region, mode))
    return {
        "data": traces,
        "layout": _layout(region, round(width * region.width / view.width), top, mode),
        "compare": compare,
        "geometry": {
            "sequence": {
                "top": gap,
                "height": sequence_height,
                "lanes": [vars(lane) for lane in sequence],
            },
            "genes": {
                "top": gene_top,
                "height": gene_height,
                "lane": SIZES["gene-lane"],
                "hidden": hidden,
                "placed": hit_boxes(placed, bp_per_px),
            },
            "ism": ism,
            "rows": geometry,
            "height": top,
        },
    }
