"""Diamond insulation: how few contacts pass over each bin, and where that is fewest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Width of the diamond in bins.
WINDOW = 10
#: Diagonals that are left out, since what lies on them is mostly fragments that met themselves.
IGNORED = 2
#: Least share of a diamond's pairs that must have a value.
LEAST_VALID = 0.66
#: How far in log2 the score must rise on both sides of a boundary before it is lower elsewhere.
LEAST_STRENGTH = 0.2


class Boundary(NamedTuple):
    """A bin over which fewer contacts pass than over those around it.

    Attributes:
        bin: Its index.
        strength: Prominence of the minimum in log2 of the score.
    """

    bin: int
    strength: float


def insulation(contacts: Floats, window: int = WINDOW) -> Doubles:
    """Returns log2 of the mean contact in the diamond over each bin.

    As cooltools defines it (Open2C et al. 2024, doi:10.1371/journal.pcbi.1012067, after Crane et
    al. 2015): the pairs of bins ``c - i`` and ``c + j`` with ``0 <= i, j < window`` and
    ``i + j >= 2``, where the pairs without a value do not count. It is not divided by the median of
    the chromosome, which moves no boundary and changes no strength.

    Args:
        contacts: Symmetric, shape (bins, bins), not logarithmic; NaN for no value.
        window: Width of the diamond in bins.

    Returns:
        Shape (bins,); NaN where fewer than ``LEAST_VALID`` of the pairs have a value, or all are 0.
    """
    n = len(contacts)
    total, count, possible = np.zeros(n), np.zeros(n), 0
    for i in range(window):
        for j in range(window):
            if i + j < IGNORED:
                continue
            possible += 1
            if i + j >= n:
                continue
            values = np.diagonal(contacts, i + j)  # of bins c - i and c + j, from c = i on
            known = np.isfinite(values)
            total[i : n - j] += np.where(known, values, 0)
            count[i : n - j] += known
    enough = (count >= LEAST_VALID * possible) & (total > 0)
    score = np.full(n, np.nan)
    score[enough] = np.log2(total[enough] / count[enough])
    return score


def boundaries(score: Doubles, least: float = LEAST_STRENGTH) -> list[Boundary]:
    """Returns the minima of an insulation score that are at least so prominent, left to right."""
    from scipy.signal import find_peaks  # 0.7 s, which the start of the page need not wait for

    known = np.isfinite(score)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], known, [False]]).astype(np.int8)))
    found = []
    for start, end in edges.reshape(-1, 2).tolist():
        bins, about = find_peaks(-score[start:end], prominence=least)
        strengths = about["prominences"]
        found += [Boundary(start + int(b), float(s)) for b, s in zip(bins, strengths, strict=True)]
    return found
