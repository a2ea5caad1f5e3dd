"""What is predicted and stored, by region; nothing here computes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
from alphagenome.data.genome import Interval

from app.errors import SequenceUnavailableError
from app.inference.alleles import ENSEMBLE, REFERENCE, Allele
from app.inference.reads import Bases, Read, Stretch, as_read, in_place, reads_of, stretches
from app.inference.requests import sequence_sha256
from app.inference.store import ResultStore, WindowKey, code_version
from app.inference.summaries import Floats, Summary, Values, summarise
from app.inference.windows import Window, unknown_runs
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.genome.haplotype import Inserted

#: Windows whose digest and gaps are remembered, so that polling never reads the genome.
REMEMBERED = 16_384


class Span(NamedTuple):
    """Where there is no prediction, and why.

    Attributes:
        start: 0-based.
        end: Exclusive.
        state: ``missing``: not computed yet. ``padded``: no known base there. ``unavailable``: the
            model would need sequence that the genome does not have. ``deleted``: the alternate has
            no base there.
    """

    start: int
    end: int
    state: Literal["missing", "padded", "unavailable", "deleted"]


class StoredWindow(NamedTuple):
    """What is stored of one track for one window.

    Attributes:
        window: The window.
        values: The output in the shape of ``SequenceModel.predict``, or None: not computed yet.
        padded: Where whole bins have no known base, as (start, end); those values mean nothing.
        shift: How far to the right of its place it was read in the alternate.
    """

    window: Window
    values: Floats | None
    padded: tuple[tuple[int, int], ...]
    shift: int = 0


class StoredPredictions:
    """Stored predictions by region. Safe across threads.

    Args:
        store: Where results are kept.
    """

    def __init__(self, store: ResultStore) -> None:
        self._store = store
        self._bases: OrderedDict[object, Bases | None] = OrderedDict()
        self._lock = threading.Lock()

    def values(
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        interval: Interval,
        allele: Allele = REFERENCE,
    ) -> Values:
        """Returns the native bins of a track that overlap an interval; computes nothing.

        For tracks with one value a bin; ``pairs.py`` reads contacts and junctions.

        Bins of different pieces of the reference do not share a grid: where the interval reaches
        into several pieces, the piece with the largest part of it is returned and the rest is NaN.

        Bins of the alternate stand where those of the reference stand (``Haplotype.runs``): to the
        left and to the right of an insertion or deletion they are read from two passes of the
        network, each of which has the very phase of the reference on its side, so that no bin is
        split. Bins all of whose bases are deleted are NaN.
        """
        grid = allele.grid(card, bundle.reference)
        parts = sorted(grid.parts(interval), key=lambda pair: -pair[1].width)
        res = track.resolution
        origin = grid.origin(parts[0][0]) if parts else 0
        start = origin + (interval.start - origin) // res * res
        values = np.full(-((start - interval.end) // res), np.nan, np.float32)
        if not parts:
            return Values(start, res, values)
        end = start + len(values) * res
        for one in stretches(grid.windows_in(*parts[0]), allele, res):
            low, high = max(one.low, start), min(one.high, end)
            stored = self._stored(card, bundle, track, one.read) if low < high else None
            if stored is None:
                continue
            into = slice((low - start) // res, (high - start) // res)
            taken = (low - one.read.window.output.start) // res
            values[into] = stored[taken : taken + into.stop - into.start]
            gaps = self._bases_of(bundle, one.read)
            for left, right in gaps.padded(one.read.window, res, low, high) if gaps else ():
                values[(left - start) // res : (right - start) // res] = np.nan
        return Values(start, res, values)

    def stored(
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        windows: Iterable[Window],
        allele: Allele = REFERENCE,
    ) -> Iterator[StoredWindow]:
        """Yields what is stored of a track for each of some windows; computes nothing.

        Of the alternate a window is read once at each shift that its bases have, the smallest
        first (``Haplotype.shifts``); what the genome lacks the flanks for is left out.
        """
        for read in reads_of(windows, allele):
            bases = self._bases_of(bundle, read)
            if bases is not None:
                out = read.window.output
                padded = tuple(bases.padded(read.window, track.resolution, out.start, out.end))
                values = self._store.read(self._key(card, bases), track.id)
                yield StoredWindow(read.window, values, padded, read.shift)

    def inserted(
        self, card: ModelCard, bundle: Bundle, track: Track, interval: Interval, allele: Allele
    ) -> list[tuple[Inserted, Values]]:
        """Returns the bins of inserted bases, which have no place on the reference.

        Args:
            card: The model.
            bundle: The genome.
            track: A track of the model.
            interval: Insertions in it, and at its end, are returned.
            allele: The alternate.

        Returns:
            Each insertion with the bins that hold its bases, in coordinates of the alternate.
        """
        found = []
        res = track.resolution
        edited = allele.edited
        for window in allele.grid(card, bundle.reference).windows(interval):
            for one in edited.insertions if edited else ():
                if not window.use.start < one.at <= window.use.end:
                    continue
                stored = self._stored(card, bundle, track, Read(window, allele, one.shift))
                origin = window.output.start + one.shift
                first = (one.start - origin) // res
                last = -((origin - one.start - one.length) // res)
                values = np.full(last - first, np.nan, np.float32)
                if stored is not None:
                    known = stored[first:last]
                    values[: len(known)] = known
                found.append((one, Values(origin + first * res, res, values)))
        return found

    def spans(
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        interval: Interval,
        allele: Allele = REFERENCE,
    ) -> list[Span]:
        """Returns where an interval has no prediction of a track, and why, from left to right."""
        found: list[Span] = []
        position = interval.start
        grid = allele.grid(card, bundle.reference)
        for window in grid.windows(interval):
            if position < window.use.start:
                found.append(Span(position, window.use.start, "unavailable"))
                position = window.use.start
            for one in stretches([window], allele, track.resolution):
                low, high = max(one.low, position), min(one.high, interval.end)
                if low >= high:
                    continue
                if position < low:
                    found.append(Span(position, low, "deleted"))
                found += self._spans_of(card, bundle, track, Stretch(low, high, one.read))
                position = high
            end = min(window.use.end, interval.end)
            if position < end:
                found.append(Span(position, end, "deleted"))
                position = end
        if position < interval.end:
            found.append(Span(position, interval.end, "unavailable"))
        return _joined(found)

    def _spans_of(
        self, card: ModelCard, bundle: Bundle, track: Track, one: Stretch
    ) -> Iterator[Span]:
        """Yields what is missing of one stretch."""
        bases = self._bases_of(bundle, one.read)
        if bases is None:
            yield Span(one.low, one.high, "unavailable")
            return
        source = as_read(card, track, one.read.allele.member)
        missing = self._store.missing(self._key(card, bases), [source.id] if source else [])
        at = one.low
        for left, right in bases.padded(one.read.window, track.resolution, one.low, one.high):
            if missing and at < left:
                yield Span(at, left, "missing")
            yield Span(left, right, "padded")
            at = right
        if missing and at < one.high:
            yield Span(at, one.high, "missing")

    def summarise(  # noqa: PLR0917 - the order of ObservedTrack.summarise
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        chromosome: str,
        start: int,
        end: int,
        n_bins: int,
        allele: Allele = REFERENCE,
    ) -> Summary:
        """Returns mean, minimum and maximum of a track in equal bins; computes nothing.

        The mean of a bin is the mean over its predicted bases. A bin narrower than the track's
        resolution has the value of the native bin that it lies in; nothing is interpolated.

        Args:
            card: The model.
            bundle: The genome.
            track: A track of the model.
            chromosome: Its name in the reference.
            start: Start of the first bin, 0-based; may be negative.
            end: End of the last bin; may lie beyond the chromosome.
            n_bins: How many bins.
            allele: Which sequence; an alternate bin has the place of the reference bin.
        """
        parts = allele.grid(card, bundle.reference).parts(Interval(chromosome, start, end))
        return summarise(
            (self.values(card, bundle, track, part, allele) for _, part in parts),
            np.linspace(start, end, n_bins + 1),
        )

    def spread(
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        interval: Interval,
        *sequences: Allele,
    ) -> tuple[Values, Values]:
        """Returns mean minus and mean plus standard deviation over an ensemble of readings.

        The members are those of ``alleles.ENSEMBLE``; where the genome lacks the flanks for one, it
        is left out. The standard deviation is that of a sample, ``sqrt(sum((x - mean)^2) / (n -
        1))``. Bins have no value while a member is still to be computed, or with one member alone.

        Args:
            card: The model.
            bundle: The genome.
            track: A track of the model.
            interval: The region, 0-based half-open.
            *sequences: The one that is read, by default the reference; of two the values are those
                of the first less those of the second, both read in the same way.
        """
        members = [
            [replace(sequence, member=member) for sequence in sequences or (REFERENCE,)]
            for member in ENSEMBLE
        ]
        first = self.values(card, bundle, track, interval, members[0][0])
        read = (
            [self.values(card, bundle, track, interval, allele).values for allele in member]
            for member in members
        )
        values = np.stack([np.subtract(*of) if len(of) > 1 else of[0] for of in read])
        values = values.astype(np.float64)
        known = np.isfinite(values)
        n = known.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known, values, 0).sum(0) / n
            sd = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(0) / (n - 1))
        sd[n < 2] = np.nan
        for allele in chain.from_iterable(members):
            for span in self.spans(card, bundle, track, interval, allele):
                if span.state == "missing":
                    left = (span.start - first.start) // track.resolution
                    right = -((first.start - span.end) // track.resolution)
                    sd[max(left, 0) : right] = np.nan
        low, high = ((mean + sign * sd).astype(np.float32) for sign in (-1, 1))
        return first._replace(values=low), first._replace(values=high)

    def summarise_spread(  # noqa: PLR0917 - the order of summarise
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        sequences: tuple[Allele, ...],
        chromosome: str,
        start: int,
        end: int,
        n_bins: int,
    ) -> tuple[Summary, Summary]:
        """Returns what ``spread`` does in equal bins, as ``summarise`` does; computes nothing."""
        grid = sequences[0].grid(card, bundle.reference)
        parts = [part for _, part in grid.parts(Interval(chromosome, start, end))]
        bands = [self.spread(card, bundle, track, part, *sequences) for part in parts]
        edges = np.linspace(start, end, n_bins + 1)
        lower, upper = (summarise((band[i] for band in bands), edges) for i in (0, 1))
        return lower, upper

    def _bases_of(self, bundle: Bundle, read: Read) -> Bases | None:
        """Returns digest and gaps of a read, looking at the sequence the first time only.

        None where the genome lacks some of it, as for a deletion near the end of a piece.
        """
        where, allele = read.window.interval, read.allele.key
        place = (where.chromosome, where.start, where.end, read.shift)
        key = (bundle.reference.checksum, *place, allele)
        with self._lock:
            if key in self._bases:
                self._bases.move_to_end(key)
                return self._bases[key]
        try:
            text = read.sequence(bundle.reference)
        except SequenceUnavailableError:
            bases = None
        else:
            offset, reverse, _ = read.allele.member
            runs = unknown_runs(text[::-1] if reverse else text, where.start + offset)
            bases = Bases(sequence_sha256(text), runs)
        with self._lock:
            self._bases[key] = bases
            if len(self._bases) > REMEMBERED:
                self._bases.popitem(last=False)
        return bases

    def _stored(self, card: ModelCard, bundle: Bundle, track: Track, read: Read) -> Floats | None:
        """Returns what is stored of a read, in the places of the plus strand, or None."""
        bases = self._bases_of(bundle, read)
        if bases is None:
            return None
        member = read.allele.member
        source = as_read(card, track, member)
        found = self._store.read(self._key(card, bases), source.id) if source else None
        return None if found is None else in_place(found, member, track.resolution)

    def _key(self, card: ModelCard, bases: Bases) -> WindowKey:
        return WindowKey(
            model=card.id,
            weights_hash=card.weights_hash,
            sequence_sha256=bases.sha256,
            precision=card.precision,
            code=code_version(card.family),
        )


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Joins neighbours of one state."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].end == span.start and joined[-1].state == span.state:
            joined[-1] = Span(joined[-1].start, span.end, span.state)
        else:
            joined.append(span)
    return joined
