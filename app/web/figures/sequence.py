"""The row of the reference sequence: which lanes it has at a scale, and how high they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Strands = Literal["forward", "reverse", "both"]

#: px a base from which bases are drawn, as bars; the client writes letters where they fit.
BASE_PX = 1
#: px a base from which reading frames are drawn.
FRAME_PX = 2
#: Heights in px of a lane of bases and of a reading frame.
BASES_HEIGHT = 16
FRAME_HEIGHT = 13


@dataclass(frozen=True)
class SequenceLane:
    """One line of the row.

    Attributes:
        strand: The strand that it shows.
        frame: Of codons, what is left of their start divided by 3; None for the bases.
        top: px from the upper edge of the row.
        height: px.
    """

    strand: Literal["+", "-"]
    frame: int | None
    top: int
    height: int


def sequence_lanes(bp_per_px: float, strands: Strands, *, frames: bool) -> list[SequenceLane]:
    """Returns the lanes of the row, from the top: as the strands lie, frames on the outside.

    Args:
        bp_per_px: Scale of the view.
        strands: Which strands are shown.
        frames: Whether reading frames are shown where there is room.

    Returns:
        The lanes; none where a base is narrower than a pixel.
    """
    if bp_per_px > 1 / BASE_PX:
        return []
    numbers = range(3) if frames and bp_per_px <= 1 / FRAME_PX else ()
    plan: list[tuple[Literal["+", "-"], int | None]] = []
    if strands != "reverse":
        plan += [*(("+", number) for number in numbers), ("+", None)]
    if strands != "forward":
        plan += [("-", None), *(("-", number) for number in numbers)]
    lanes: list[SequenceLane] = []
    top = 0
    for strand, frame in plan:
        height = BASES_HEIGHT if frame is None else FRAME_HEIGHT
        lanes.append(SequenceLane(strand, frame, top, height))
        top += height
    return lanes
