"""The gene row: transcripts packed into lanes, exons as boxes, introns as lines with chevrons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from alphagenome.data.genome import Interval

from app.web.theme import PALETTE, SIZES, Mode

#: Rough width of one character of an 11 px label; only spacing depends on it.
LABEL_PX_PER_CHARACTER = 6.6
MAX_LANES = 6
EXON_PX = 10
UTR_PX = 6
CHEVRON_EVERY_PX = 36


class TranscriptLike(Protocol):
    """What is drawn of a transcript; 0-based half-open."""

    @property
    def symbol(self) -> str: ...
    @property
    def strand(self) -> str: ...
    @property
    def start(self) -> int: ...
    @property
    def end(self) -> int: ...
    @property
    def exons(self) -> Sequence[tuple[int, int]]: ...
    @property
    def cds(self) -> tuple[int, int] | None: ...


@dataclass(frozen=True)
class PlacedTranscript:
    """A transcript and the lane (0 is the top one) in which it is drawn."""

    transcript: TranscriptLike
    lane: int
    label_at: int


def pack_lanes(
    transcripts: Sequence[TranscriptLike], view: Interval, bp_per_px: float
) -> tuple[list[PlacedTranscript], int]:
    """Places transcripts so that neither bodies nor labels overlap.

    Args:
        transcripts: In any order.
        view: The visible part; a gene that starts left of it is labelled at its edge.
        bp_per_px: Scale of the view.

    Returns:
        The placed transcripts, and how many found no place in ``MAX_LANES`` lanes.
    """
    lane_ends: list[float] = []
    placed: list[PlacedTranscript] = []
    hidden = 0
    longest_first = sorted(transcripts, key=lambda t: (t.start, t.start - t.end))
    for transcript in longest_first:
        inside = transcript.start < view.start < transcript.end
        label_at = view.start if inside else transcript.start
        label_bp = (len(transcript.symbol) + 2) * LABEL_PX_PER_CHARACTER * bp_per_px
        taken_to = max(transcript.end + 6 * bp_per_px, label_at + label_bp)
        lane = next((i for i, end in enumerate(lane_ends) if end <= transcript.start), None)
        if lane is None:
            if len(lane_ends) == MAX_LANES:
                hidden += 1
                continue
            lane_ends.append(0.0)
            lane = len(lane_ends) - 1
        lane_ends[lane] = taken_to
        placed.append(PlacedTranscript(transcript, lane, label_at))
    return placed, hidden


def _boxes(
    spans: Sequence[tuple[int, int, float]], height: float
) -> tuple[list[float | None], list[float | None]]:
    """Returns the corners of (start, end, centre y) boxes as one polygon path with gaps."""
    x: list[float | None] = []
    y: list[float | None] = []
    half = height / 2
    for start, end, centre in spans:
        x += [start, end, end, start, start, None]
        y += [centre - half, centre - half, centre + half, centre + half, centre - half, None]
    return x, y


def _exon_parts(
    transcript: TranscriptLike, centre: float
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
        thin += [
            (a, b, centre) for a, b in ((start, coding[0]), (coding[1], end)) if a < b
        ]
    return thick, thin


def gene_traces(
    placed: Sequence[PlacedTranscript],
    region: Interval,
    bp_per_px: float,
    top: float,
    mode: Mode,
) -> list[dict[str, Any]]:
    """Draws placed transcripts.

    Args:
        placed: From ``pack_lanes``.
        region: All that is drawn, margins included.
        bp_per_px: Scale of the view.
        top: y in px of the upper edge of lane 0.
        mode: Light or dark ground.

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
        coding, untranslated = _exon_parts(transcript, centre)
        thick += coding
        thin += untranslated
        line_x += [transcript.start, transcript.end, None]
        line_y += [centre, centre, None]
        if transcript.strand in chevrons:
            left = max(transcript.start, region.start)
            at = np.arange(left + step / 2, min(transcript.end, region.end), step).tolist()
            chevrons[transcript.strand][0].extend(at)
            chevrons[transcript.strand][1].extend([centre] * len(at))
        arrow = {"+": f"{transcript.symbol} \u203a", "-": f"\u2039 {transcript.symbol}"}
        text = arrow.get(transcript.strand, transcript.symbol)
        labels.append((item.label_at, centre + EXON_PX / 2 + 7, text))

    def trace(**fields: Any) -> dict[str, Any]:
        return {"type": "scatter", "hoverinfo": "skip", "showlegend": False} | fields

    def filled(spans: list[tuple[int, int, float]], height: float) -> dict[str, Any]:
        x, y = _boxes(spans, height)
        return trace(
            x=x, y=y, mode="lines", fill="toself", fillcolor=muted, line={"width": 1, "color": muted}
        )

    return [
        trace(x=line_x, y=line_y, mode="lines", line={"width": 1, "color": muted}),
        filled(thick, EXON_PX),
        filled(thin, UTR_PX),
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
