"""A small picture of a view, for cards: the same numbers, drawn as SVG without a browser."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Ink that can be told from both grounds; a picture in a card does not know which it lies on.
OBSERVED = "#7A8594"
ROW_PX = 34
GAP_PX = 4


@dataclass(frozen=True)
class PreviewRow:
    """One row of the picture.

    Attributes:
        colour: Hex colour of the predicted signal.
        predicted: Shape (bins,), NaN where there is no value; empty if nothing is predicted.
        observed: Shape (bins,), the same bins; empty if nothing was measured.
    """

    colour: str
    predicted: NDArray[np.float32]
    observed: NDArray[np.float32]


def _path(values: NDArray[np.float32], top: float, base: float, px: float) -> str:
    """Returns a step outline over equal bins as an SVG path; no value is drawn as 0."""
    heights = np.nan_to_num(values, nan=0.0) / top * px
    step = 100 / len(values)
    parts = [f"M0 {base:.1f}"]
    for i, height in enumerate(heights):
        parts.append(f"V{base - height:.1f}H{(i + 1) * step:.2f}")
    return "".join(parts) + f"V{base:.1f}Z"


def preview(rows: Sequence[PreviewRow]) -> str:
    """Draws rows on scales that predicted and observed share.

    Args:
        rows: From the top.

    Returns:
        The picture as a ``data:`` address, 100 units wide, stretched by whoever shows it.
    """
    shapes = []
    for i, row in enumerate(rows):
        both = np.concatenate([row.predicted, row.observed])
        top = float(np.nanmax(both)) if np.isfinite(both).any() else 0.0
        if top <= 0:
            continue
        parts = [part for part in ("predicted", "observed") if len(getattr(row, part))]
        band = ROW_PX / len(parts)
        for k, part in enumerate(parts):
            base = i * (ROW_PX + GAP_PX) + (k + 1) * band
            path = _path(getattr(row, part), top, base, band - 2)
            colour, opacity = (row.colour, 0.85) if part == "predicted" else (OBSERVED, 0.6)
            shapes.append(f'<path d="{path}" fill="{colour}" fill-opacity="{opacity}"/>')
    height = max(1, len(rows)) * (ROW_PX + GAP_PX)
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 100 {height}" '
        f'preserveAspectRatio="none">{"".join(shapes)}</svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()
