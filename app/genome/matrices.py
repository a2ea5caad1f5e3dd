"""Arithmetic on square matrices of contacts, measured or predicted; NaN stands for no value."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: The mean at a distance is taken over distances that differ from it by up to this factor.
POOL = 1.1


def regrid(  # noqa: PLR0917 - one grid, then the other
    values: Floats, from_start: int, from_width: int, start: int, width: int, n: int
) -> Floats:
    """Returns a matrix in other bins: the mean over the pairs whose centres lie in each new pair.

    Args:
        values: Shape (bins, bins).
        from_start: Where its first bin starts.
        from_width: Width of its bins in bp.
        start: Where the first of the new bins starts.
        width: Their width, no narrower than that of the old ones.
        n: How many there are.

    Returns:
        Shape (n, n); NaN where no pair with a value lies.
    """
    centre = from_start + np.arange(len(values)) * from_width + from_width / 2
    home = np.floor((centre - start) / width).astype(np.intp)
    member = (home == np.arange(n)[:, None]).astype(np.float64)
    known = np.isfinite(values)
    total = member @ np.where(known, values, 0.0) @ member.T
    count = member @ known.astype(np.float64) @ member.T
    mean: Floats = np.where(count > 0, total / np.maximum(count, 1), np.nan).astype(np.float32)
    return mean


def expected_by_distance(values: Floats) -> Doubles:
    """Returns the mean contact by distance in bins, from one matrix alone.

    A matrix has few pairs that are far apart, so each distance is taken together with those that
    differ from it by less than a tenth.

    Args:
        values: Symmetric, shape (bins, bins), not logarithmic.

    Returns:
        Shape (bins,); NaN where no pair as far apart has a value.
    """
    n = len(values)
    total, count = np.zeros(n + 1), np.zeros(n + 1)
    for distance in range(n):
        diagonal = np.diagonal(values, distance)
        known = np.isfinite(diagonal)
        total[distance + 1] = diagonal[known].sum(dtype=np.float64)
        count[distance + 1] = known.sum()
    total, count = np.cumsum(total), np.cumsum(count)
    distances = np.arange(n)
    low = np.ceil(distances / POOL).astype(np.intp)
    high = np.minimum(np.floor(distances * POOL).astype(np.intp) + 1, n)
    with np.errstate(invalid="ignore"):
        mean: Doubles = (total[high] - total[low]) / (count[high] - count[low])
    return mean


def log2_ratio(values: Floats, expected: Floats | Doubles) -> Floats:
    """Returns log2 of observed over expected; minus infinity where nothing was observed."""
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Floats = np.log2(values / expected).astype(np.float32)
    return ratio


def distances(n: int) -> NDArray[np.intp]:
    """Returns how many bins apart the two bins of each pair are; shape (n, n)."""
    return np.abs(np.subtract.outer(np.arange(n), np.arange(n)))


def correlation(one: Floats, other: Floats) -> tuple[float | None, int]:
    """Returns Pearson's r over pairs of different bins with two finite values, and their number.

    Args:
        one: Symmetric, shape (bins, bins), e.g. log ratios.
        other: The same bins.

    Returns:
        None for r where fewer than three pairs have both values, or all values are equal.
    """
    upper = np.triu_indices(len(one), 1)
    x, y = one[upper].astype(np.float64), other[upper].astype(np.float64)
    both = np.isfinite(x) & np.isfinite(y)
    x, y = x[both], y[both]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None, len(x)
    return float(np.corrcoef(x, y)[0, 1]), len(x)
