"""Native bins of a track, and what is left of them in wider or narrower bins."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Values(NamedTuple):
    """Native bins: bin ``i`` covers ``[start + i * resolution, start + (i + 1) * resolution)``.

    Attributes:
        start: Start of the first bin, 0-based.
        resolution: Width of a bin in bp.
        values: One number a bin; NaN where there is no prediction.
    """

    start: int
    resolution: int
    values: Floats


class Summary(NamedTuple):
    """Equal bins over a region, each of shape (n_bins,); NaN where there is no prediction."""

    mean: Floats
    min: Floats
    max: Floats


def summarise(values: Iterable[Values], edges: NDArray[np.float64]) -> Summary:
    """Summarises native bins of several pieces between consecutive edges."""
    total = _Sums.empty(len(edges) - 1)
    for native in values:
        total = total.merged(_Sums.of(native, edges))
    return Summary(*(a.astype(np.float32) for a in (total.mean, total.low, total.high)))


@dataclass(frozen=True)
class _Sums:
    """Mean, extremes and number of predicted bases of equal bins."""

    mean: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    bases: NDArray[np.float64]

    @classmethod
    def empty(cls, n_bins: int) -> _Sums:
        nothing = np.full(n_bins, np.nan)
        return cls(nothing, nothing, nothing, np.zeros(n_bins))

    @classmethod
    def of(cls, native: Values, edges: NDArray[np.float64]) -> _Sums:
        """Summarises native bins between consecutive edges, by the bases that they share."""
        # In units of native bins; one bin of NaN is added so that the end is an index too.
        values = np.append(native.values, np.nan).astype(np.float64)
        at = np.clip((edges - native.start) / native.resolution, 0, len(native.values))
        known = np.isfinite(values)
        bases = np.diff(_integral(known.astype(np.float64), at))
        total = np.diff(_integral(np.where(known, values, 0.0), at))
        first, last = np.floor(at[:-1]).astype(np.intp), np.ceil(at[1:]).astype(np.intp)
        pairs = np.stack([first, last], axis=1).ravel()
        low = np.fmin.reduceat(values, pairs)[::2]
        high = np.fmax.reduceat(values, pairs)[::2]
        some = bases > 0
        mean = np.divide(total, bases, out=np.full(len(total), np.nan), where=some)
        # Where all is one value the mean is that value, without the rounding of the sums.
        mean = np.where(low == high, low, mean)
        gone = np.where(some, 0.0, np.nan)
        return cls(mean + gone, low + gone, high + gone, bases * native.resolution)

    def merged(self, other: _Sums) -> _Sums:
        bases = self.bases + other.bases
        total = np.where(self.bases > 0, self.mean * self.bases, 0.0)
        total += np.where(other.bases > 0, other.mean * other.bases, 0.0)
        mean = np.divide(total, bases, out=np.full(len(total), np.nan), where=bases > 0)
        mean = np.where(self.bases == 0, other.mean, np.where(other.bases == 0, self.mean, mean))
        return _Sums(mean, np.fmin(self.low, other.low), np.fmax(self.high, other.high), bases)


def _integral(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrates a step function from 0 to each position; the last value is not reached."""
    before = np.concatenate([[0.0], np.cumsum(values)])
    index = np.minimum(np.floor(at).astype(np.intp), len(values) - 1)
    area: NDArray[np.float64] = before[index] + (at - index) * values[index]
    return area
