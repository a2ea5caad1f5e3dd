"""Measured contact matrices, read from .cool, .mcool and .hic files through hictkpy."""

from __future__ import annotations

import logging
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from app.errors import BundleError, LimitError
from app.genome.chromosomes import ChromosomeNames
from app.genome.locus import format_width
from app.genome.reference import Reference
from models.card import Track

if TYPE_CHECKING:
    import hictkpy

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Flags = NDArray[np.bool_]

#: Balancing that is used where a file has it, the first of these; cooler's, then juicer's.
BALANCING = ("weight", "KR", "SCALE", "GW_KR", "GW_SCALE", "VC_SQRT", "VC")
#: Raw counts, whatever else a file has.
RAW = "raw"
#: Most bins of a file that are read at once on either side, and the farthest distance in bins up to
#: which the mean contact is known.
MAX_BINS = 4_096


class ContactMatrix(NamedTuple):
    """Contacts among the bins of a region.

    Bin ``i`` covers ``[start + i * resolution, start + (i + 1) * resolution)``.

    Attributes:
        start: Where the first bin starts, 0-based.
        resolution: Width of a bin in bp.
        values: Mean over the pairs of the file's own bins in each pair of bins that have a value,
            zeros included; symmetric, shape (bins, bins), NaN where there are none.
        expected: Mean over the chromosome at the same distances, of the same pairs.
    """

    start: int
    resolution: int
    values: Floats
    expected: Floats


@dataclass(frozen=True)
class _Profile:
    """What must be known of a whole chromosome before a part of it can be judged.

    Attributes:
        valid: Which bins have values; the others are missing.
        expected: Mean contact by distance in bins, over all pairs of valid bins; as many as are
            stored, since nobody knows whether pairs farther apart were measured.
    """

    valid: Flags
    expected: Doubles


@dataclass(frozen=True)
class ContactTrack:
    """A contact matrix and what is known about it.

    The file is opened for each read, which makes reads safe across threads and forks.

    Attributes:
        track: What it is; ``track.resolution`` is the finest that it has.
        path: The .cool, .mcool or .hic file.
        resolutions: Widths of its bins in bp, finest first.
        balancing: Name of the normalisation in the file, or ``raw``.
        names: The chromosome names of the file.
        lengths: Its chromosome lengths in bp.
        predicted: Id of the predicted track that it belongs to, or None.
    """

    track: Track
    path: Path
    resolutions: tuple[int, ...]
    balancing: str
    names: ChromosomeNames
    lengths: dict[str, int]
    predicted: str | None = None

    @classmethod
    def open(
        cls,
        track: Track,
        path: Path,
        reference: Reference,
        *,
        balancing: str = "",
        predicted: str | None = None,
    ) -> ContactTrack:
        """Checks a contact matrix against the reference.

        Args:
            track: What it is; its resolution is replaced by the finest of the file.
            path: The file.
            reference: The genome's sequence.
            balancing: ``raw``, or the name of a normalisation in the file; if not given, the first
                of ``BALANCING`` that the file has, else raw.
            predicted: Id of the predicted track that it belongs to.

        Raises:
            BundleError: It is missing, in no known format, damaged, made on another assembly, or
                has no such normalisation.
        """
        if not path.is_file():
            raise BundleError(f"The file {path.name} does not exist.")
        resolutions = _resolutions(path)
        with _opened(path, resolutions[0]) as file:
            lengths = {name: int(length) for name, length in file.chromosomes().items()}
            known = file.avail_normalizations()
        reference.check_lengths(lengths, path.name)
        best = next((name for name in BALANCING if name in known), RAW)
        if balancing not in ("", RAW, *known):
            raise BundleError(
                f"{path.name} has no normalisation {balancing}; "
                f"it has {', '.join([RAW, *sorted(known)])}."
            )
        return cls(
            replace(track, resolution=resolutions[0]),
            path,
            resolutions,
            balancing or best,
            ChromosomeNames(lengths),
            lengths,
            predicted,
        )

    def nearest(self, width: float) -> int:
        """Returns the finest resolution that is no finer than ``width`` bp, else the coarsest."""
        return next((r for r in self.resolutions if r >= width), self.resolutions[-1])

    def matrix(
        self, chromosome: str, start: int, end: int, resolution: int, coarsen: int = 1
    ) -> ContactMatrix:
        """Reads the contacts among the bins that overlap a region.

        Args:
            chromosome: Any spelling of its name.
            start: First base, 0-based; may be negative.
            end: One past the last base; may lie beyond the chromosome.
            resolution: One of ``resolutions``.
            coarsen: How many bins of the file on either side become one.

        Raises:
            ValueError: The file has no such resolution.
            LimitError: The region has more bins than can be read at once.
            BundleError: The file cannot be read.
        """
        if resolution not in self.resolutions:
            raise ValueError(f"{self.path.name} has no bins of {resolution} bp")
        width = resolution * coarsen
        first = start // width
        n = -(-end // width) - first
        if n * coarsen > MAX_BINS:
            raise LimitError(
                f"{self.path.name} has no bins wider than {format_width(self.resolutions[-1])}. "
                f"Zoom in to {format_width(MAX_BINS * resolution // 2)} or less to see contacts."
            )
        nothing = np.full((n, n), np.nan, np.float32)
        name = self.names.find(chromosome)
        if name is None:
            return ContactMatrix(first * width, width, nothing, nothing)
        profile = self._profile(name, resolution)
        total = np.zeros((n, n))
        offset = first * coarsen
        low, high = max(offset, 0), min(offset + n * coarsen, len(profile.valid))
        for one, other, value in self._pixels(name, resolution, low, high):
            near = other - one < len(profile.expected)
            i, j = (one[near] - offset) // coarsen, (other[near] - offset) // coarsen
            np.add.at(total, (i, j), value[near])
            mirrored = one[near] != other[near]
            np.add.at(total, (j[mirrored], i[mirrored]), value[near][mirrored])
        pairs, expected = _sums(profile, offset, n, coarsen)
        with np.errstate(invalid="ignore", divide="ignore"):
            values, mean = total / pairs, expected / pairs
        values[pairs == 0] = np.nan
        return ContactMatrix(
            first * width, width, values.astype(np.float32), mean.astype(np.float32)
        )

    def _profile(self, name: str, resolution: int) -> _Profile:
        status = self.path.stat()
        version = (status.st_size, status.st_mtime_ns)
        return _profile(self.path, version, name, resolution, self.balancing)

    def _pixels(
        self, name: str, resolution: int, low: int, high: int
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Doubles]]:
        """Yields the stored pairs of bins in ``[low, high)`` with their values, once each."""
        with _opened(self.path, resolution) as file:
            yield from _stored(file, name, self.balancing, low, high)


def _stored(
    file: hictkpy.File, name: str, balancing: str, low: int, high: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int64], Doubles]]:
    """Yields pairs of bins of a chromosome fewer than ``MAX_BINS`` apart, block by block.

    Yields:
        First bin, second bin (not before the first) and value, NaN for what has none. Bins are
        counted from the start of the chromosome; the first bins of a block are in no other block.
    """
    resolution = int(file.resolution())
    length = int(file.chromosomes()[name])
    origin = int(file.bins().get_id(name, 0))
    for block in range(low, high, MAX_BINS):
        last = min(high, block + 2 * MAX_BINS)
        where = f"{name}\t{block * resolution}\t{min(length, last * resolution)}"
        pixels = file.fetch(
            where,
            normalization="NONE" if balancing == RAW else balancing,
            count_type=float,
            query_type="BED",
            diagonal_band_width=MAX_BINS,
        ).to_df()
        one = pixels["bin1_id"].to_numpy() - origin
        other = pixels["bin2_id"].to_numpy() - origin
        mine = one < block + MAX_BINS
        yield one[mine], other[mine], pixels["count"].to_numpy()[mine]


@lru_cache(maxsize=256)
def _profile(
    path: Path, version: tuple[int, int], name: str, resolution: int, balancing: str
) -> _Profile:
    """Reads a chromosome once; ``version`` changes with the file."""
    with _opened(path, resolution) as file:
        n = -(-int(file.chromosomes()[name]) // resolution)
        total = np.zeros(min(n, MAX_BINS))
        covered = np.zeros(n, bool)
        farthest = -1
        for one, other, value in _stored(file, name, balancing, 0, n):
            known = np.isfinite(value)
            apart = (other - one)[known]
            total += np.bincount(apart, value[known], len(total))[: len(total)]
            covered[one[known]] = covered[other[known]] = True
            farthest = max(farthest, int(apart.max(initial=-1)))
    # A bin with a weight but no contact, and a bin without one in a matrix that is not balanced,
    # were not measured: a bin always meets at least itself and its neighbours.
    pairs = _pairs_by_distance(covered)[: len(total)]
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.where(pairs > 0, total / pairs, np.nan)
    return _Profile(covered, expected[: farthest + 1])


def _pairs_by_distance(valid: Flags) -> Doubles:
    """Returns how many pairs of valid bins are 0, 1, 2, ... bins apart."""
    flags = valid.astype(np.float64)
    size = 2 * len(flags)
    spectrum = np.fft.rfft(flags, size)
    pairs: Doubles = np.fft.irfft(spectrum * spectrum.conj(), size)[: len(flags)]
    return pairs.round()


def _sums(profile: _Profile, offset: int, n: int, coarsen: int) -> tuple[Doubles, Doubles]:
    """Returns how many pairs of measured bins each pair of wider bins holds, and what is expected.

    Args:
        profile: Of the chromosome.
        offset: First bin, which may lie before the chromosome.
        n: How many wider bins.
        coarsen: Bins in one of them.

    Returns:
        Number of pairs and sum of their expected contacts, each of shape (n, n).
    """
    place = offset + np.arange(n * coarsen)
    inside = (place >= 0) & (place < len(profile.valid))
    valid = np.zeros(len(place), bool)
    valid[inside] = profile.valid[place[inside]]
    columns = valid.reshape(n, coarsen)
    apart = np.subtract.outer(np.arange(n), np.arange(n)) * coarsen
    pairs, expected = np.zeros((n, n)), np.zeros((n, n))
    by_distance = np.append(profile.expected, np.nan)
    for a in range(coarsen):
        for b in range(coarsen):
            distance = np.minimum(np.abs(apart + a - b), len(profile.expected))
            here = by_distance[distance]
            known = np.logical_and.outer(columns[:, a], columns[:, b]) & np.isfinite(here)
            pairs += known
            expected += np.where(known, here, 0.0)
    return pairs, expected


@lru_cache
def _library() -> ModuleType:
    """Imports hictkpy when it is first needed: that takes 0.4 s, and few bundles hold contacts."""
    import hictkpy

    _end_log_thread(hictkpy)
    # What it has to say about a file comes as an exception; of forks it warns for its log's sake.
    warnings.filterwarnings("ignore", "hictkpy: detected a call to fork", UserWarning)
    hictkpy.logging.setLevel("CRITICAL")
    return hictkpy


def _end_log_thread(hictkpy: ModuleType) -> None:
    """Ends the thread that hands hictkpy's messages to Python.

    It looks for messages without a pause (1.4.0), which takes a whole core for as long as the
    process lives, and its handlers of a fork may wait for it for ever. It ends when handling a
    message fails; nothing else in the library needs it.
    """
    seen = threading.Event()

    def fail(_record: logging.LogRecord) -> bool:
        seen.set()
        raise EOFError

    logger = logging.getLogger("hictkpy")
    logger.addFilter(fail)
    hictkpy.logging._log("error", "nobody listens from here on")
    seen.wait(10)
    logger.removeFilter(fail)


def _resolutions(path: Path) -> tuple[int, ...]:
    """Returns the widths of the bins of a file, finest first."""
    hictkpy = _library()
    with _reading(path):
        if hictkpy.is_hic(path) or hictkpy.is_mcool_file(path):
            return tuple(sorted(int(r) for r in hictkpy.MultiResFile(path).resolutions()))
        if hictkpy.is_cooler(path):
            resolution = int(hictkpy.File(path).resolution())
            if resolution == 0:
                raise BundleError(f"The bins of {path.name} differ in width.")
            return (resolution,)
    raise BundleError(f"{path.name} is not a .cool, .mcool or .hic file, or is cut off.")


@contextmanager
def _opened(path: Path, resolution: int) -> Iterator[hictkpy.File]:
    """Opens a file at one resolution; what goes wrong meanwhile is a BundleError."""
    with _reading(path):
        file = _library().File(path, resolution)
        try:
            yield file
        finally:
            file.close()


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, RuntimeError, ValueError, KeyError) as error:
        raise BundleError(f"{path.name} is damaged and cannot be read.") from error
