"""How well a prediction agrees with its measurement over what is in view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

from app.errors import BadInputError, LimitError
from app.genome.signals import ObservedTrack

Float32 = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Fewest bins from which a correlation is given.
MIN_BINS = 3
#: Most bins that are compared; ranking more would hold up everyone else.
MAX_BINS = 500_000
#: Widest part of a measurement read at once: below this, means are exact.
CHUNK = 1_000_000


@dataclass(frozen=True)
class Agreement:
    """Correlation of a predicted with an observed track.

    Attributes:
        pearson_log1p: Pearson r of log(1 + value), or None where it has no value.
        spearman: Spearman rank correlation, or None where it has no value.
        n: Bins compared: those in which both have a value.
        reason: Why a value is missing; empty where none is.
    """

    pearson_log1p: float | None
    spearman: float | None
    n: int
    reason: str = ""


def agreement(predicted: Float32, observed: Float32) -> Agreement:
    """Correlates two tracks over the bins in which both are finite.

    Args:
        predicted: Shape (bins,), in the unit of the track, not negative.
        observed: Shape (bins,), the same bins in the same unit.

    Returns:
        Pearson r of log1p and Spearman rho; no value from fewer than three bins, and none
        where either track is constant, for then neither correlation is defined.
    """
    both = np.isfinite(predicted) & np.isfinite(observed)
    x = predicted[both].astype(np.float64)
    y = observed[both].astype(np.float64)
    n = len(x)
    if n < MIN_BINS:
        return Agreement(None, None, n, f"Fewer than {MIN_BINS} bins have both values.")
    for values, name in ((x, "predicted"), (y, "observed")):
        if np.ptp(values) == 0:
            return Agreement(None, None, n, f"The {name} signal is the same in every bin.")
    spearman = _pearson(_ranks(x), _ranks(y))
    if min(x.min(), y.min()) <= -1:
        return Agreement(None, spearman, n, "Values of -1 and below have no log1p.")
    return Agreement(_pearson(np.log1p(x), np.log1p(y)), spearman, n)


def _ranks(values: Doubles) -> Doubles:
    return np.asarray(pd.Series(values).rank(), np.float64)


def _pearson(x: Doubles, y: Doubles) -> float:
    return float(np.corrcoef(x, y)[0, 1])


def whole_bins(start: int, resolution: int, n: int, interval: Interval) -> slice:
    """Returns which of ``n`` bins from ``start`` on lie wholly inside ``interval``."""
    first = max(0, -((start - interval.start) // resolution))
    last = min(n, (interval.end - start) // resolution)
    return slice(first, max(first, last))


def paired_bins(
    values: Callable[[Interval], tuple[int, int, Float32]],
    observed: ObservedTrack,
    interval: Interval,
) -> tuple[Float32, Float32]:
    """Returns a predicted and an observed track in the same bins.

    These are the bins of the prediction that lie wholly inside the interval; a measurement with
    narrower bins is averaged over each of them.

    Args:
        values: Gives the predicted bins that overlap an interval: where the first one starts,
            their width in bp, and their values.
        observed: The measurement.
        interval: The region, 0-based half-open.

    Raises:
        BadInputError: The measurement has wider bins than the prediction.
        LimitError: There are more than ``MAX_BINS`` bins.
    """
    start, width, predicted = values(interval)
    if observed.track.resolution > width:
        raise BadInputError(
            f"Measured in bins of {observed.track.resolution} bp, predicted in bins of {width} bp."
        )
    if len(predicted) > MAX_BINS:
        raise LimitError(f"More than {MAX_BINS:,} bins are in view. Zoom in.")
    inside = whole_bins(start, width, len(predicted), interval)
    start += inside.start * width
    predicted = predicted[inside]
    step = max(1, CHUNK // width)
    measured = [np.empty(0, np.float32)]
    for first in range(0, len(predicted), step):
        n = min(step, len(predicted) - first)
        left = start + first * width
        measured.append(observed.summarise(interval.chromosome, left, left + n * width, n)[0])
    return predicted, np.concatenate(measured)
