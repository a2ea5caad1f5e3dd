"""All rows of a view as ONE Plotly figure with one x axis in bp and one y axis in px.

The figure that Python returns holds everything but the signal: geometry, style and genes. The
browser fills each signal trace from tiles, by the recipe in the trace's ``meta`` (see
``assets/20-figure.js``), so that panning and zooming never wait for Python. With y in px, rows need
no axes of their own, which is what makes the redraw quick.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from alphagenome.data.genome import Interval

from app.genome.genes import Transcript
from app.web.figures.genes import gene_traces, pack_lanes
from app.web.rows import Row
from app.web.theme import FONT, PALETTE, SIZES, Mode, modality_colour, rgba

Overlay = Literal["stacked", "overlay", "mirror"]

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
    """

    track: str
    summary: str
    base: float
    height: float
    sign: int


def _halves(top: float, height: float, n_strands: int) -> list[tuple[float, float, int]]:
    """Returns (base, height, sign) of each strand drawn in a band of the row."""
    if n_strands == 1:
        return [(top + height, height - HEADROOM, 1)]
    middle = top + height / 2
    return [(middle, height / 2 - HEADROOM, 1), (middle, height / 2 - HEADROOM, -1)]


def row_series(
    row: Row, top: float, overlay: Overlay
) -> dict[Literal["predicted", "observed"], list[Series]]:
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
    placed: dict[Literal["predicted", "observed"], list[Series]] = {}
    for part, tracks in (("predicted", predicted), ("observed", observed)):
        if not tracks:
            continue
        band_top, band_height = bands[part]
        spots = _halves(band_top, band_height, len(tracks))
        if overlay == "mirror" and part == "observed" and predicted and len(tracks) == 1:
            spots = [(band_top, band_height - HEADROOM, -1)]
        placed[part] = [  # type: ignore[index]
            Series(track, row.summary, *spot) for track, spot in zip(tracks, spots, strict=True)
        ]
    return placed


def _signal_trace(part: str, row: Row, series: list[Series], mode: Mode) -> dict[str, Any]:
    muted = PALETTE[mode]["muted"]
    colour = row.style.color or modality_colour(row.modality, mode)
    if part == "predicted":
        style = {"line": {"width": 1, "color": colour}, "fillcolor": rgba(colour, 0.7)}
    else:
        style = {"line": {"width": 1, "color": muted}, "fillcolor": rgba(muted, 0.18)}
    style["line"]["shape"] = "hv"  # type: ignore[index]
    return {
        "type": "scatter",
        "mode": "lines",
        "fill": "toself",
        "hoverinfo": "skip",
        "showlegend": False,
        "x": [],
        "y": [],
        "meta": {"row": row.id, "part": part, "series": [asdict(s) for s in series]},
        **style,
    }


def track_figure(  # noqa: PLR0917 - one figure of one view
    rows: Sequence[Row],
    transcripts: Sequence[Transcript],
    view: Interval,
    region: Interval,
    width: int,
    mode: Mode = "light",
    overlay: Overlay = "stacked",
) -> dict[str, Any]:
    """Builds the figure of a view.

    Args:
        rows: Signal rows, from the top.
        transcripts: Genes of ``region``.
        view: What is visible.
        region: What is drawn: the view and its margins.
        width: px of the visible part.
        mode: Light or dark ground.
        overlay: How predicted and observed share a row.

    Returns:
        ``data`` and ``layout`` for Plotly, and ``geometry``: px top and height of the gene row and
        of every signal row, and how many genes found no lane.
    """
    bp_per_px = view.width / width
    placed, hidden = pack_lanes(transcripts, view, bp_per_px)
    lanes = max(MIN_GENE_LANES, 1 + max((p.lane for p in placed), default=0))
    gap = SIZES["gap"]
    gene_height = lanes * SIZES["gene-lane"]
    traces = gene_traces(placed, region, bp_per_px, gap, mode)
    top = gap + gene_height + gap
    geometry = []
    baselines: list[float] = []
    for row in rows:
        series = row_series(row, top, overlay)
        for part in ("observed", "predicted"):
            if part in series:
                traces.append(_signal_trace(part, row, series[part], mode))
        baselines += sorted({s.base for part in series.values() for s in part})
        geometry.append({"id": row.id, "top": top, "height": row.height})
        top += row.height + gap
    axis = {"visible": False, "fixedrange": True}
    # One trace for all base lines: as many layout shapes would double the time of a redraw.
    traces.insert(
        0,
        {
            "type": "scatter",
            "mode": "lines",
            "hoverinfo": "skip",
            "showlegend": False,
            "x": [x for _ in baselines for x in (region.start, region.end, None)],
            "y": [y for base in baselines for y in (base, base, None)],
            "line": {"width": 1, "color": PALETTE[mode]["line"]},
        },
    )
    layout = {
        "width": round(width * region.width / view.width),
        "height": top,
        "margin": {"l": 0, "r": 0, "t": 0, "b": 0, "pad": 0},
        "xaxis": axis | {"range": [region.start, region.end]},
        "yaxis": axis | {"range": [top, 0]},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"family": FONT, "size": 11, "color": PALETTE[mode]["ink"]},
        "showlegend": False,
        "hovermode": False,
        "dragmode": False,
    }
    return {
        "data": traces,
        "layout": layout,
        "geometry": {
            "genes": {"top": gap, "height": gene_height, "hidden": hidden},
            "rows": geometry,
            "height": top,
        },
    }
