"""Regions and variants of a visitor's file, packed into the lanes of their row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from alphagenome.data.genome import Interval

from app.genome.features import Feature
from app.genome.signals import ObservedTrack
from app.web.rows import Row

#: Most features that are drawn of one row, margins included; more are drawn as how many overlap.
MAX_FEATURES = 600
#: Height in px of a lane with labels and without, and most lanes of either.
LANE_PX = 16
BARE_LANE_PX = 8
MAX_LANES = 12
MAX_BARE_LANES = 24
#: Free px above and below the lanes, and between a feature and what follows it.
PADDING_PX = 3
SPACE_PX = 4
#: No feature is drawn narrower.
LEAST_PX = 3
MAX_LABEL = 24
#: Rough width of one character of a label; alleles are capitals.
CHARACTER_PX = 7.2

#: ``over``: upon what has gaps or is low, where it can be read only with a ground of its own.
Side = Literal["inside", "right", "left", "over", ""]


class PlacedFeature(NamedTuple):
    """A feature, its lane (0 is the top one), and where its label stands."""

    feature: Feature
    lane: int
    label: str
    side: Side


class FeatureLanes(NamedTuple):
    """How the features of a row are drawn.

    Attributes:
        placed: Every feature of what is drawn, margins included.
        lane: Height of a lane in px.
        height: Height of all of them in px, with the space around them.
    """

    placed: list[PlacedFeature]
    lane: float
    height: int


def feature_lanes(row: Row, drawn: Interval, view: Interval, width: int) -> FeatureLanes | None:
    """Places the features of a row.

    Args:
        row: The row.
        drawn: The view and its margins.
        view: What is visible.
        width: px of the visible part.

    Returns:
        None where the row has none, shares its place with another one, or has too many to draw
        each: then its depth is drawn.
    """
    measured = row.observed[0] if len(row.observed) == 1 else None
    if not isinstance(measured, ObservedTrack) or not measured.features:
        return None
    if row.host or row.guests:
        return None
    found = measured.features.overlapping(drawn, MAX_FEATURES)
    if not found or len(found) > MAX_FEATURES:
        return None
    for px, most, labelled in ((LANE_PX, MAX_LANES, True), (BARE_LANE_PX, MAX_BARE_LANES, False)):
        placed = _packed(found, view, view.width / width, labelled=labelled)
        lanes = 1 + max(one.lane for one in placed)
        room = (row.style.height or most * px + 2 * PADDING_PX) - 2 * PADDING_PX
        if lanes * px <= room:
            return FeatureLanes(placed, px, lanes * px + 2 * PADDING_PX)
    return None


def feature_label(feature: Feature) -> str:
    """Returns what stands beside a feature: its name, or the alleles of a variant."""
    if not feature.ref:
        return _short(feature.name, MAX_LABEL)
    return f"{_short(feature.ref, 6)}>{_short(feature.alt, 6)}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}\u2026"


def _packed(
    found: Sequence[Feature], view: Interval, bp_per_px: float, *, labelled: bool
) -> list[PlacedFeature]:
    """Places features from left to right in the first lane that is free there."""
    ends: list[float] = []
    placed = []
    for feature in sorted(found, key=lambda one: (one.start, -one.end)):
        label = feature_label(feature) if labelled else ""
        room = len(label) * CHARACTER_PX * bp_per_px
        side = _side(feature, view, bp_per_px, room) if label else ""
        first: float = feature.start
        last = max(feature.end, feature.start + LEAST_PX * bp_per_px)
        if side == "left":
            first -= room
        elif side == "right":
            last += room
        lane = next((i for i, end in enumerate(ends) if end <= first), len(ends))
        if lane == len(ends):
            ends.append(0)
        ends[lane] = last + SPACE_PX * bp_per_px
        placed.append(PlacedFeature(feature, lane, label, side))
    return placed


def _side(feature: Feature, view: Interval, bp_per_px: float, room: float) -> Side:
    """Returns where a label of ``room`` bp is seen whole: in the box, or beside it.

    What lies outside the view has its label on the far side, so that none reaches into the view.
    """
    if feature.end <= view.start:
        return "left"
    if feature.start >= view.end:
        return "right"
    seen = min(feature.end, view.end) - max(feature.start, view.start)
    fits = seen >= room + SPACE_PX * bp_per_px
    # Blocks have gaps, and thin parts are lower than letters.
    if fits and not feature.blocks and not feature.thick:
        return "inside"
    if feature.end + room <= view.end:
        return "right"
    if feature.start - room >= view.start:
        return "left"
    return "over" if fits else ""
