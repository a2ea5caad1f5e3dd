"""Small operations on arrays along the genome that several rules share."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d

from models.teaching.motifs import Doubles, Floats, Ints


def deposit(places: Ints, values: Doubles, length: int) -> Doubles:
    """Adds values up where they belong.

    Args:
        places: Where; shape (n,). The same place may occur several times.
        values: Shape (cells, n).
        length: Width of the result.

    Returns:
        Shape (cells, length).
    """
    return np.stack([np.bincount(places, row, length) for row in values])


def triangle(signal: npt.NDArray[np.floating], half_width: int) -> Floats:
    """Smooths along the last axis with a triangle of height 1 and the given half-width."""
    size = half_width // 2 * 2 + 1
    once = uniform_filter1d(signal.astype(np.float64), size, axis=-1, mode="constant")
    twice = uniform_filter1d(once, size, axis=-1, mode="constant")
    smooth: Floats = (twice * size).astype(np.float32)
    return smooth


def binned(values: Floats, width: int) -> Floats:
    """Averages the last axis in bins of ``width``."""
    means: Floats = values.reshape(*values.shape[:-1], -1, width).mean(-1)
    return means
