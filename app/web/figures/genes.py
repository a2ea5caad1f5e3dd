"""The gene row: transcripts packed into lanes, exons as boxes, introns as lines with chevrons."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from alphagenome.data.genome import Interval

from app.genome.genes import Transcript
from app.web.theme import PALETTE, SIZES, Mode
from app.web.transcripts import as_seen

#: Width in px of one character of an 11 px label, of a wide font and capitals; only spacing
#: depends on it. And the free px before a name at the edge of the view, and after any name.
LABEL_PX_PER_CHARACTER = 7.6
EDGE_PX = 3
SPACE_PX = 6
MAX_LANES = 6
#: Most lanes where each transcript has a line of its own.
MAX_EXPANDED_LANES = 24
EXON_PX = 10
UTR_PX = 6
CHEVRON_EVERY_PX = 36


@dataclass(frozen=True)
class PlacedTranscript:
    """A transcript, the lane (0 is the top one) in which it is drawn, and where its name begins."""

    transcript: Transcript
    lane: int
    label_at: float
    label: str


def _label(transcript: Transcript, *, expanded: bool) -> str:
    """Returns how a line is called, with an arrow in the direction of transcription."""
    name = transcript.symbol
    if expanded and transcript.transcript_id:
        inside = transcript.transcript_id.startswith(name)
        name = transcript.transcript_id if inside else f"{name} {transcript.transcript_id}"
    return {"+": f"{name} \u203a", "-": f"\u2039 {name}"}.get(transcript.strand, name)


def pack_lanes(
    transcripts: Sequence[Transcript],
    view: Interval,
    bp_per_px: float,
    *,
    expanded: bool = False,
) -> tuple[list[PlacedTranscript], int]:
    """Places transcripts, the longest first, so that neither bodies nor labels overlap.

    Args:
        transcripts: In any order.
        view: The visible part; the name of a gene that reaches into it stands wholly in it.
        bp_per_px: Scale of the view.
        expanded: Whether each transcript has a line, with its own name and more lanes.

    Returns:
        The placed transcripts from left to right, and how many found no place.
    """
    lanes: list[list[tuple[float, float]]] = []
    placed: list[PlacedTranscript] = []
    hidden = 0
    most = MAX_EXPANDED_LANES if expanded else MAX_LANES
    for transcript in sorted(transcripts, key=lambda t: (t.start - t.end, t.start)):
        label = _label(transcript, expanded=expanded)
        label_bp = (len(label) * LABEL_PX_PER_CHARACTER + SPACE_PX) * bp_per_px
        label_at = _label_at(transcript, view, label_bp, EDGE_PX * bp_per_px)
        span = (
            min(transcript.start, label_at),
            max(transcript.end + SPACE_PX * bp_per_px, label_at + label_bp),
        )
        lane = next((i for i, taken in enumerate(lanes) if _is_free(taken, span)), len(lanes))
        if lane == most:
            hidden += 1
            continue
        if lane == len(lanes):
            lanes.append([])
        insort(lanes[lane], span)
        placed.append(PlacedTranscript(transcript, lane, label_at, label))
    return sorted(placed, key=lambda p: p.transcript.start), hidden


def _label_at(transcript: Transcript, view: Interval, room: float, edge: float) -> float:
    """Returns where a name begins: wholly in view where its gene reaches into it, else outside.

    Args:
        transcript: What is named.
        view: The visible part.
        room: bp that the name takes.
        edge: bp between the left edge of the view and a name.
    """
    if transcript.end <= view.start:
        return float(min(transcript.start, view.start - room))
    if transcript.start >= view.end:
        return float(transcript.start)
    return float(max(view.start + edge, min(transcript.start, view.end - room)))


def _is_free(taken: list[tuple[float, float]], span: tuple[float, float]) -> bool:
    """Whether a span overlaps none of a lane's spans, which are sorted and do not overlap."""
    after = bisect_left(taken, span)
    clear_left = after == 0 or taken[after - 1][1] <= span[0]
    clear_right = after == len(taken) or span[1] <= taken[after][0]
    return clear_left and clear_right


def _bars(
    spans: Sequence[tuple[int, int, float]], least: float
) -> tuple[list[float | None], list[float | None]]:
    """Returns (start, end, centre y) spans as line segments at least ``least`` bp long."""
    x: list[float | None] = []
    y: list[float | None] = []
    for start, end, centre in spans:
        x += [start, max(end, start + least), None]
        y += [centre, centre, None]
    return x, y


def _exon_parts(
    transcript: Transcript, centre: float
) -> tuple[list[tuple[int, int, float]], list[tuple[int, int, float]]]:
    """Splits exons at the coding region: (thick coding parts, thin untranslated parts)."""
    if transcript.cds is None:
        return [(s, e, centre) for s, e in transcript.exons], []
    cds_start, cds_end = transcript.cds
    thick: list[tuple[int, int, float]] = []
    thin: list[tuple[int, int, float]] = []
    for start, end in transcript.exons:
        coding = (max(start, cds_start), min(end, cds_end))
        if coding[0] >= coding[1]:
            thin.append((start, end, centre))
            continue
        thick.append((*coding, centre))
        thin += [(a, b, centre) for a, b in ((start, coding[0]), (coding[1], end)) if a < b]
    return thick, thin


def gene_traces(
    placed: Sequence[PlacedTranscript],
    region: Interval,
    bp_per_px: float,
    top: float,
    mode: Mode,
    *,
    parts: Mapping[Transcript, Sequence[Transcript]] | None = None,
) -> list[dict[str, Any]]:
    """Draws placed transcripts.

    Args:
        placed: From ``pack_lanes``.
        region: All that is drawn, margins included.
        bp_per_px: Scale of the view.
        top: y in px of the upper edge of lane 0.
        mode: Light or dark ground.
        parts: By placed transcript those whose exons are drawn in its line, where it is not alone.

    Returns:
        Plotly traces: introns, coding exons, untranslated exons, strand chevrons and labels;
        x in 0-based bp, y in px from the top of the figure.
    """
    ink = PALETTE[mode]["ink"]
    muted = PALETTE[mode]["muted"]
    thick: list[tuple[int, int, float]] = []
    thin: list[tuple[int, int, float]] = []
    line_x: list[float | None] = []
    line_y: list[float | None] = []
    chevrons: dict[str, tuple[list[float], list[float]]] = {"+": ([], []), "-": ([], [])}
    labels: list[tuple[float, float, str]] = []
    step = CHEVRON_EVERY_PX * bp_per_px
    for item in placed:
        transcript = item.transcript
        centre = top + item.lane * SIZES["gene-lane"] + EXON_PX / 2 + 1
        for part in (parts or {}).get(transcript, (transcript,)):
            coding, untranslated = _exon_parts(part, centre)
            thick += coding
            thin += untranslated
        line_x += [transcript.start, transcript.end, None]
        line_y += [centre, centre, None]
        if transcript.strand in chevrons:
            left = max(transcript.start, region.start)
            at = np.arange(left + step / 2, min(transcript.end, region.end), step).tolist()
            chevrons[transcript.strand][0].extend(at)
            chevrons[transcript.strand][1].extend([centre] * len(at))
        labels.append((item.label_at, centre + EXON_PX / 2 + 7, item.label))

    def trace(**fields: Any) -> dict[str, Any]:  # noqa: ANN401 - Plotly's own fields
        return {"type": "scatter", "hoverinfo": "skip", "showlegend": False} | fields

    # Thick lines rather than polygons: half the numbers, and never thinner than a pixel.
    def bars(spans: list[tuple[int, int, float]], height: float) -> dict[str, Any]:
        x, y = _bars(spans, bp_per_px)
        return trace(x=x, y=y, mode="lines", line={"width": height, "color": muted})

    return [
        trace(x=line_x, y=line_y, mode="lines", line={"width": 1, "color": muted}),
        bars(thick, EXON_PX),
        bars(thin, UTR_PX),
        *(
            trace(
                x=x,
                y=y,
                mode="markers",
                marker={"symbol": symbol, "size": 5, "color": muted, "line": {"width": 0}},
            )
            for (x, y), symbol in (
                (chevrons["+"], "triangle-right"),
                (chevrons["-"], "triangle-left"),
            )
        ),
        trace(
            x=[x for x, _, _ in labels],
            y=[y for _, y, _ in labels],
            text=[text for _, _, text in labels],
            mode="text",
            textposition="middle right",
            textfont={"size": 11, "color": ink},
            cliponaxis=True,
        ),
    ]


def hit_boxes(placed: Sequence[PlacedTranscript], bp_per_px: float) -> list[dict[str, Any]]:
    """Returns what lies where in the gene row, for the pointer.

    Returns:
        For each line its lane, span, names and strand, and how many exons it has; ``exons`` is
        None where some are so near each other that they are drawn as one.
    """
    boxes = []
    for item in placed:
        known = item.transcript
        told_apart = len(as_seen(known, bp_per_px).exons) == len(known.exons)
        boxes.append(
            {
                "lane": item.lane,
                "start": known.start,
                "end": known.end,
                "symbol": known.symbol,
                "gene": known.gene.gene_id,
                "transcript": known.transcript_id,
                "strand": known.strand,
                "n_exons": len(known.exons),
                "exons": known.exons if told_apart else None,
            }
        )
    return boxes
