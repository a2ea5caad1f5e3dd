"""Measured signals along the genome, read from bigWig files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pybigtools
from alphagenome.data.genome import Interval

from app.errors import BundleError
from app.genome.bigwig_index import check_index
from app.genome.chromosomes import ChromosomeNames
from app.genome.features import FeatureFile
from app.genome.reference import Reference
from models.card import Track

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

#: Regions up to this width in bp are summarised from every base, wider ones from zoom levels.
EXACT_WIDTH = 2_000_000
#: How many times finer than a bin the zoom levels are read.
OVERSAMPLING = 32
_BIGWIG_MAGIC = (b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26")


class Summary(NamedTuple):
    """A signal in equal bins; float32, NaN where nothing was measured.

    Attributes:
        mean: Mean over the measured bases of each bin.
        min: Smallest value in each bin.
        max: Largest value in each bin.
    """

    mean: Floats
    min: Floats
    max: Floats


@dataclass(frozen=True)
class ObservedTrack:
    """One bigWig file and what is known about it.

    The file is opened for each read, which takes 15 microseconds and makes reads safe across
    threads and forks, with no more files open than reads under way.

    Attributes:
        track: What it is; ``track.resolution`` is the width of its native bins.
        path: The bigWig file.
        names: The chromosome names of the file.
        lengths: Its chromosome lengths in bp.
        predicted: Id of the predicted track that it belongs to, or None.
        features: The regions or variants that it counts, or None where it is a signal.
    """

    track: Track
    path: Path
    names: ChromosomeNames
    lengths: dict[str, int]
    predicted: str | None = None
    features: FeatureFile | None = None

    @classmethod
    def open(
        cls, track: Track, path: Path, reference: Reference, predicted: str | None = None
    ) -> ObservedTrack:
        """Checks a bigWig file against the reference.

        Raises:
            BundleError: It is missing, no bigWig, cut off, or made on another assembly.
        """
        _check_complete(path)
        with _open(path) as file:
            lengths = dict(file.chroms())
        reference.check_lengths(lengths, path.name)
        return cls(track, path, ChromosomeNames(lengths), lengths, predicted)

    def values(self, interval: Interval) -> Floats:
        """Reads the signal at native resolution.

        Args:
            interval: 0-based half-open; its width is a multiple of the resolution. It may reach
                beyond the chromosome.

        Returns:
            Shape (width / resolution,). Value ``i`` is the mean over the measured bases of
            ``[start + i * resolution, start + (i + 1) * resolution)``, NaN where there are none.

        Raises:
            ValueError: The width is no multiple of the resolution.
            BundleError: The file cannot be read.
        """
        bins, rest = divmod(interval.width, self.track.resolution)
        if rest:
            raise ValueError(f"{interval} is no multiple of {self.track.resolution} bp wide")
        if not bins:
            return np.zeros(0, np.float32)
        bases = self._bases(interval.chromosome, interval.start, interval.end)
        return _binned(bases, bins).mean

    def overlapping(self, interval: Interval) -> tuple[int, Floats]:
        """Reads the native bins that overlap an interval; see ``values``.

        Returns:
            Where the first bin starts, a multiple of the resolution, and the values.
        """
        width = self.track.resolution
        start = interval.start // width * width
        end = -(-interval.end // width) * width
        return start, self.values(Interval(interval.chromosome, start, end))

    def summarise(self, chromosome: str, start: int, end: int, n_bins: int) -> Summary:
        """Summarises a region in equal bins.

        Bin ``i`` covers ``[start + i * w, start + (i + 1) * w)`` with ``w = (end - start) /
        n_bins``, which need not be whole: a base that lies across an edge counts for the mean of
        either bin by the part that lies in it, and for the min and max of both. Up to
        ``EXACT_WIDTH`` this is exact; beyond it the means come from the file's zoom levels.

        Args:
            chromosome: Any spelling of its name.
            start: First base, 0-based; may be negative.
            end: One past the last base; may lie beyond the chromosome.
            n_bins: Number of bins.

        Raises:
            ValueError: The region is empty or there are no bins.
            BundleError: The file cannot be read.
        """
        if end <= start or n_bins < 1:
            raise ValueError(f"nothing to summarise in [{start}, {end}) with {n_bins} bins")
        if end - start <= EXACT_WIDTH:
            return _binned(self._bases(chromosome, start, end), n_bins)
        return self._from_zoom_levels(chromosome, start, end, n_bins)

    def _bases(self, chromosome: str, start: int, end: int) -> Doubles:
        """Reads one value a base, NaN where there is none, outside the chromosome too."""
        bases = np.full(end - start, np.nan)
        name = self.names.find(chromosome)
        if name is None:
            return bases
        left, right = max(start, 0), min(end, self.lengths[name])
        if left < right:
            bases[left - start : right - start] = self._read(name, left, right)
        return bases

    def _read(self, name: str, start: int, end: int, **how: object) -> Doubles:
        with _open(self.path) as file:
            values: Doubles = file.values(name, start, end, fillna=None, **how)
        return values

    def _from_zoom_levels(self, chromosome: str, start: int, end: int, n_bins: int) -> Summary:
        result = Summary(*(np.full(n_bins, np.nan, np.float32) for _ in Summary._fields))
        name = self.names.find(chromosome)
        if name is None:
            return result
        edges = start + (np.arange(n_bins + 1) * ((end - start) / n_bins)).round().astype(np.int64)
        inside = (edges[:-1] >= 0) & (edges[1:] <= self.lengths[name])
        whole = np.flatnonzero(inside)
        if len(whole):
            part = slice(whole[0], whole[-1] + 1)
            left, right = int(edges[whole[0]]), int(edges[whole[-1] + 1])
            for values, found in zip(
                result, self._oversampled(name, left, right, len(whole)), strict=True
            ):
                values[part] = found
        # The bins in which the chromosome begins and ends are few: they are taken base by base.
        cut = ~inside & (edges[:-1] < self.lengths[name]) & (edges[1:] > 0)
        for i in np.flatnonzero(cut):
            bases = self._bases(chromosome, int(edges[i]), int(edges[i + 1]))
            for values, value in zip(result, _binned(bases, 1), strict=True):
                values[i] = value[0]
        return result

    def _oversampled(self, name: str, start: int, end: int, n_bins: int) -> Summary:
        """Summarises from zoom levels much finer than a bin.

        Zoom records lie across the edges of bins, and what is in them is then seen in both: the
        finer they are, the less of a peak leaks into the next bin.
        """
        mean, low, high, bases = (
            self._read(name, start, end, bins=n_bins * OVERSAMPLING, summary=field).reshape(
                n_bins, OVERSAMPLING
            )
            for field in ("mean", "min", "max", "bases_covered")
        )
        with np.errstate(invalid="ignore"):
            weighted = np.nansum(mean * bases, axis=1) / np.nansum(bases, axis=1)
        lowest, highest = np.fmin.reduce(low, axis=1), np.fmax.reduce(high, axis=1)
        return _summary(weighted, lowest, highest)


@contextmanager
def _open(path: Path) -> Iterator[pybigtools.BBIReader]:
    """Opens a bigWig file for one read; what goes wrong meanwhile is a BundleError."""
    try:
        with pybigtools.open(str(path)) as file:
            yield file
    except BaseException as error:
        # Damaged data can make the Rust library panic, which is no Exception to Python.
        expected = isinstance(error, OSError | ValueError | pybigtools.BBIReadError)
        if not expected and type(error).__name__ != "PanicException":
            raise
        raise BundleError(f"{path.name} is damaged and cannot be read.") from error


def _check_complete(path: Path) -> None:
    """Raises BundleError unless the file begins and ends as a bigWig does, and its index is whole.

    A bigWig ends with the number that it begins with, so that one which was cut off is seen
    without reading it (UCSC, bbiFile.h).
    """
    try:
        with path.open("rb") as file:
            head = file.read(4)
            file.seek(-4, 2)
            tail = file.read(4)
    except FileNotFoundError:
        raise BundleError(f"The file {path.name} does not exist.") from None
    except OSError as error:
        raise BundleError(f"{path.name} cannot be read ({error.strerror}).") from error
    if head not in _BIGWIG_MAGIC:
        raise BundleError(f"{path.name} is not a bigWig file.")
    if tail != head:
        raise BundleError(f"{path.name} is cut off: copy or download it again.")
    if not check_index(path):
        raise BundleError(f"{path.name} is damaged and cannot be read.")


def _binned(bases: Doubles, n_bins: int) -> Summary:
    """Summarises one value a base in ``n_bins`` equal bins."""
    whole = len(bases) % n_bins == 0
    return _in_whole_bins(bases, n_bins) if whole else _across_edges(bases, n_bins)


def _in_whole_bins(bases: Doubles, n_bins: int) -> Summary:
    """Summarises bins whose edges lie between bases, several times as fast as any edges."""
    bins = bases.reshape(n_bins, -1)
    measured = np.isfinite(bins)
    if measured.all():  # as nearly everywhere, and then it takes half the time
        return _summary(bins.mean(1), bins.min(1), bins.max(1))
    count = measured.sum(1)
    lowest = np.where(measured, bins, np.inf).min(1)
    highest = np.where(measured, bins, -np.inf).max(1)
    lowest[count == 0] = highest[count == 0] = np.nan
    with np.errstate(invalid="ignore"):
        return _summary(np.where(measured, bins, 0.0).sum(1) / count, lowest, highest)


def _across_edges(bases: Doubles, n_bins: int) -> Summary:
    """Summarises equal bins whose edges may lie within a base."""
    measured = np.isfinite(bases)
    # In whole numbers: an edge between two bases must not slip into one of them by rounding.
    base, part = np.divmod(np.arange(n_bins + 1) * len(bases), n_bins)
    past = base[1:] + (part[1:] > 0)
    # reduceat takes [first, past) from every other pair; the sentinel lets past be the length.
    pairs = np.stack([base[:-1], past], axis=1).ravel()
    lowest = np.fmin.reduceat(np.append(bases, np.nan), pairs)[::2]
    highest = np.fmax.reduceat(np.append(bases, np.nan), pairs)[::2]
    total = np.diff(_integral(np.where(measured, bases, 0.0), base, part / n_bins))
    width = np.diff(_integral(measured.astype(np.float64), base, part / n_bins))
    with np.errstate(invalid="ignore"):
        return _summary(total / width, lowest, highest)


def _summary(mean: Doubles, lowest: Doubles, highest: Doubles) -> Summary:
    # Sums carry rounding, but a mean never leaves [min, max].
    columns = (np.clip(mean, lowest, highest), lowest, highest)
    return Summary(*(column.astype(np.float32) for column in columns))


def _integral(values: Doubles, base: npt.NDArray[np.int64], part: Doubles) -> Doubles:
    """Returns the integral of a step function from 0 to each edge, a part into a base."""
    sums = np.concatenate([[0.0], np.cumsum(values), [0.0]])
    result: Doubles = sums[base] + part * np.append(values, 0.0)[base]
    return result
