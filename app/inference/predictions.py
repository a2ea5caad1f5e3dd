"""What the web asks: predicted values of a region, computed where they are not stored yet."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

from app.errors import LimitError, LocuscopeError, NotFoundError, SequenceUnavailableError
from app.inference.alleles import ENSEMBLE, PLAIN, REFERENCE, Allele, Member, alleles
from app.inference.jobs import JobStatus, Priority, WorkerInfo
from app.inference.requests import JobRequest, Request, sequence_sha256, tracks_to_request
from app.inference.store import ResultStore, WindowKey, code_version
from app.inference.windows import Window, padded_spans, unknown_runs
from app.settings import Settings
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.genome.haplotype import Haplotype, Inserted

#: Windows whose digest and gaps are remembered, so that polling never reads the genome.
REMEMBERED = 16_384

Floats = NDArray[np.float32]
State = Literal["ready", "running", "queued", "failed"]


@dataclass(frozen=True)
class WindowState:
    """One window of the region that was asked for.

    Attributes:
        interval: The bins that are taken from it.
        state: ``ready`` means that its values are stored.
        error: Why it failed, as a sentence.
    """

    interval: Interval
    state: State
    error: str = ""


@dataclass(frozen=True)
class Progress:
    """How far the prediction of a region is.

    Attributes:
        windows: Every window of the region, from left to right.
        message: In words, e.g. ``Computing, window 3 of 8, about 4 s``; empty when all is ready.
        ready: Changes whenever other windows are ready than before.
        eta_seconds: Estimated time until all is ready; None where nothing is known yet.
        error: Why nothing moves (no broker, no worker, too much asked), as a sentence; may be
            empty. What is stored is shown all the same.
    """

    windows: tuple[WindowState, ...]
    message: str
    ready: str
    eta_seconds: float | None = None
    error: str = ""

    def count(self, state: State) -> int:
        """Returns how many windows are in a state."""
        return sum(window.state == state for window in self.windows)

    @property
    def total(self) -> int:
        """Number of windows."""
        return len(self.windows)

    @property
    def done(self) -> int:
        """Number of windows that are ready."""
        return self.count("ready")

    @property
    def running(self) -> int:
        """Number of windows that are being computed."""
        return self.count("running")

    @property
    def failed(self) -> int:
        """Number of windows that failed."""
        return self.count("failed")

    @property
    def finished(self) -> bool:
        """Whether asking again would change nothing."""
        return self.done + self.failed == self.total


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


class Summary(NamedTuple):
    """Equal bins over a region, each of shape (n_bins,); NaN where there is no prediction."""

    mean: Floats
    min: Floats
    max: Floats


@dataclass(frozen=True)
class _Bases:
    """What must be known of the sequence of a window once it has been read."""

    sha256: str
    unknown: tuple[tuple[int, int], ...]

    def blank(self, interval: Interval) -> bool:
        return any(low <= interval.start and interval.end <= high for low, high in self.unknown)

    def padded(
        self, window: Window, resolution: int, low: int, high: int
    ) -> Iterator[tuple[int, int]]:
        """Yields the parts of ``[low, high)`` whose bins have no known base, left to right."""
        for start, end in padded_spans(window.output.start, resolution, self.unknown):
            if start < high and low < end:
                yield max(start, low), min(end, high)


class _Read(NamedTuple):
    """One input of the network: a window, read at some distance from the reference.

    The base of the alternate that lies ``shift`` after a place stands in that place, so that bins
    lie where those of the reference lie.
    """

    window: Window
    allele: Allele
    shift: int = 0


class _Stretch(NamedTuple):
    """Bins of ``[low, high)`` that are all taken from one read."""

    low: int
    high: int
    read: _Read


class JobQueue(Protocol):
    """What ``Predictions`` needs of ``jobs.Jobs``, where all of this is described."""

    def submit(
        self,
        request: JobRequest,
        sequence: str,
        family: str,
        priority: Priority = Priority.VIEW,
        *,
        retry: bool = False,
    ) -> None:
        """Asks for a computation."""

    def status(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Tells where jobs stand."""

    def result(self, id_: str) -> dict[str, Floats]:
        """Returns the arrays of a job that is done, by track id."""

    def workers(self) -> list[WorkerInfo]:
        """Returns who computes."""


class Predictions:
    """Predicted values by region. Safe across threads; make one in each process.

    Args:
        settings: Limits.
        jobs: Where to ask for what is missing.
        store: Where results are kept.
    """

    def __init__(self, settings: Settings, jobs: JobQueue, store: ResultStore) -> None:
        self._settings = settings
        self._jobs = jobs
        self._store = store
        self._bases: OrderedDict[object, _Bases | None] = OrderedDict()
        self._lock = threading.Lock()

    def ensure(
        self,
        card: ModelCard,
        bundle: Bundle,
        interval: Interval,
        tracks: Sequence[Track],
        priority: Priority = Priority.VIEW,
        *,
        retry: bool = False,
        haplotype: Haplotype | None = None,
        members: Sequence[Member] = (PLAIN,),
    ) -> Progress:
        """Sees to it that a region is predicted: asks for what is missing, collects what is done.

        Cheap and without effect when repeated. Ask again while ``finished`` is false: computing
        stops for whom nobody asks.

        Args:
            card: The model.
            bundle: The genome.
            interval: The region, 0-based half-open.
            tracks: Tracks of the model.
            priority: How urgent it is.
            retry: Compute windows again that failed before.
            haplotype: Edits; both alleles are predicted where there are any.
            members: The ways in which they are read; contacts are read in the plain way alone.

        Raises:
            LimitError: The region is wider than ``settings.max_view``.
            BadInputError: A track is not one of the model.
        """
        if interval.width > self._settings.max_view:
            raise LimitError(
                f"{interval.width:,} bp are too many to predict at once; "
                f"zoom in to {self._settings.max_view:,} bp or less."
            )
        order = _Order(card, bundle, tuple(tracks), priority, retry)
        signals = replace(order, tracks=tuple(t for t in tracks if t.kind != "contacts"))
        reads = [
            read
            for member in members
            for allele in alleles(haplotype)
            for read in self._reads(
                order if member == PLAIN else signals, interval, replace(allele, member=member)
            )
        ]
        wanted = [(read, self._request(order, read)) for read in reads]
        # Reads without an edit in reach are the same for both alleles: one job.
        jobs = {request.id: (read, request) for read, request in wanted if request}
        statuses, error = self._advance(order, jobs)
        states = tuple(
            _window_state(read.window, statuses[request.id])
            if request
            else WindowState(read.window.use, "ready")
            for read, request in wanted
        )
        etas = [s.eta_seconds for s in statuses.values() if s.eta_seconds is not None]
        eta = max(etas, default=None)
        return Progress(
            windows=states,
            message=_message(card, states, list(statuses.values()), eta),
            ready=_digest(card, states),
            eta_seconds=eta,
            error=error or self._why_waiting(card, states),
        )

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
        for one in _stretches(grid.windows_in(*parts[0]), allele, res):
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
        for read in _reads(windows, allele):
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
                stored = self._stored(card, bundle, track, _Read(window, allele, one.shift))
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
            for one in _stretches([window], allele, track.resolution):
                low, high = max(one.low, position), min(one.high, interval.end)
                if low >= high:
                    continue
                if position < low:
                    found.append(Span(position, low, "deleted"))
                found += self._spans_of(card, bundle, track, _Stretch(low, high, one.read))
                position = high
            end = min(window.use.end, interval.end)
            if position < end:
                found.append(Span(position, end, "deleted"))
                position = end
        if position < interval.end:
            found.append(Span(position, interval.end, "unavailable"))
        return _joined(found)

    def _spans_of(
        self, card: ModelCard, bundle: Bundle, track: Track, one: _Stretch
    ) -> Iterator[Span]:
        """Yields what is missing of one stretch."""
        bases = self._bases_of(bundle, one.read)
        if bases is None:
            yield Span(one.low, one.high, "unavailable")
            return
        source = _as_read(card, track, one.read.allele.member)
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
        return _summary(
            (self.values(card, bundle, track, part, allele) for _, part in parts),
            np.linspace(start, end, n_bins + 1),
        )

    def spread(
        self, card: ModelCard, bundle: Bundle, track: Track, interval: Interval
    ) -> tuple[Values, Values]:
        """Returns mean minus and mean plus standard deviation over an ensemble of readings.

        The members are those of ``alleles.ENSEMBLE``; where the genome lacks the flanks for one, it
        is left out. The standard deviation is that of a sample, ``sqrt(sum((x - mean)^2) / (n -
        1))``. Bins have no value while a member is still to be computed, or with one member alone.
        """
        read = [
            (
                Allele(member=member),
                self.values(card, bundle, track, interval, Allele(member=member)),
            )
            for member in ENSEMBLE
        ]
        first = read[0][1]
        values = np.stack([one.values for _, one in read]).astype(np.float64)
        known = np.isfinite(values)
        n = known.sum(0)
        with np.errstate(invalid="ignore", divide="ignore"):
            mean = np.where(known, values, 0).sum(0) / n
            sd = np.sqrt(np.where(known, (values - mean) ** 2, 0).sum(0) / (n - 1))
        sd[n < 2] = np.nan
        for allele, _ in read:
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
        chromosome: str,
        start: int,
        end: int,
        n_bins: int,
        *,
        upper: bool,
    ) -> Summary:
        """Returns one edge of ``spread`` in equal bins, as ``summarise`` does; computes nothing."""
        parts = REFERENCE.grid(card, bundle.reference).parts(Interval(chromosome, start, end))
        return _summary(
            (self.spread(card, bundle, track, part)[upper] for _, part in parts),
            np.linspace(start, end, n_bins + 1),
        )

    def _reads(self, order: _Order, interval: Interval, allele: Allele) -> list[_Read]:
        """Returns what the network must read for a region, left out what the genome lacks."""
        windows = windows_for(order.card, order.bundle, interval, order.tracks, allele)
        return [r for r in _reads(windows, allele) if self._bases_of(order.bundle, r) is not None]

    def _bases_of(self, bundle: Bundle, read: _Read) -> _Bases | None:
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
            text = read.allele.sequence(read.window, bundle.reference, read.shift)
        except SequenceUnavailableError:
            bases = None
        else:
            offset, reverse = read.allele.member
            runs = unknown_runs(text[::-1] if reverse else text, where.start + offset)
            bases = _Bases(sequence_sha256(text), runs)
        with self._lock:
            self._bases[key] = bases
            if len(self._bases) > REMEMBERED:
                self._bases.popitem(last=False)
        return bases

    def _stored(self, card: ModelCard, bundle: Bundle, track: Track, read: _Read) -> Floats | None:
        """Returns what is stored of a read, in the places of the plus strand, or None."""
        bases = self._bases_of(bundle, read)
        if bases is None:
            return None
        member = read.allele.member
        source = _as_read(card, track, member)
        found = self._store.read(self._key(card, bases), source.id) if source else None
        return None if found is None else _in_place(found, member, track.resolution)

    def _key(self, card: ModelCard, bases: _Bases) -> WindowKey:
        return WindowKey(
            model=card.id,
            weights_hash=card.weights_hash,
            sequence_sha256=bases.sha256,
            precision=card.precision,
            code=code_version(card.family),
        )

    def _request(self, order: _Order, read: _Read) -> Request | None:
        """Returns what must be computed for a read, or None if nothing."""
        bases = self._bases_of(order.bundle, read)
        if bases is None or bases.blank(read.window.use):
            return None
        sources = (_as_read(order.card, track, read.allele.member) for track in order.tracks)
        tracks = [track for track in sources if track]
        missing = self._store.missing(self._key(order.card, bases), _ids(tracks, read.window))
        if not missing:
            return None
        # What a grid's window can tell at no great cost is not computed again for another row.
        offered = [t.id for t in order.card.tracks if t.kind == "contacts" or read.window.bins]
        return Request(
            model=order.card.id,
            weights_hash=order.card.weights_hash,
            sequence_sha256=bases.sha256,
            tracks=tuple(t for t in tracks_to_request(order.card, missing) if t in offered),
            precision=order.card.precision,
        )

    def _advance(
        self, order: _Order, jobs: dict[str, tuple[_Read, Request]]
    ) -> tuple[dict[str, JobStatus], str]:
        """Submits and collects; returns where each job stands, and what hindered it."""
        statuses = {id_: JobStatus("lost") for id_ in jobs}
        try:
            known = self._jobs.status(list(jobs)) if jobs else {}
            # What is done is there only once it has been fetched and stored.
            statuses |= {id_: status for id_, status in known.items() if status.state != "done"}
            for id_, (read, request) in jobs.items():
                status = known[id_]
                if status.state == "done":
                    status = self._collect(order, read, request)
                if _to_submit(order, status):
                    bases = read.allele.sequence(read.window, order.bundle.reference, read.shift)
                    self._jobs.submit(
                        request, bases, order.card.family, order.priority, retry=order.retry
                    )
                    status = JobStatus("queued", priority=order.priority)
                statuses[id_] = status
        except LocuscopeError as error:
            return statuses, error.message
        return statuses, ""

    def _collect(self, order: _Order, read: _Read, request: Request) -> JobStatus:
        bases = self._bases_of(order.bundle, read)
        assert bases is not None
        try:
            arrays = self._jobs.result(request.id)
        except NotFoundError:
            return JobStatus("lost")
        self._store.write(self._key(order.card, bases), arrays)
        return JobStatus("done")

    def _why_waiting(self, card: ModelCard, states: Sequence[WindowState]) -> str:
        waiting = {state.state for state in states}
        if "queued" not in waiting or "running" in waiting:
            return ""
        return why_waiting(self._jobs, card)


def why_waiting(jobs: JobQueue, card: ModelCard) -> str:
    """Returns why nothing of a model is computed, or nothing where a worker serves it."""
    try:
        workers = jobs.workers()
    except LocuscopeError as error:
        return error.message
    if any(card.family in worker.families for worker in workers):
        return ""
    return f"No worker is running for {card.title}. Start one with: locuscope worker"


@dataclass(frozen=True)
class _Order:
    """What ``ensure`` was asked for."""

    card: ModelCard
    bundle: Bundle
    tracks: tuple[Track, ...]
    priority: Priority
    retry: bool


def _ids(tracks: Iterable[Track], window: Window) -> list[str]:
    """Returns the ids of those tracks for which a window is needed."""
    return [t.id for t in tracks if (window.pairs if t.kind == "contacts" else window.bins)]


def windows_for(
    card: ModelCard,
    bundle: Bundle,
    interval: Interval,
    tracks: Sequence[Track],
    allele: Allele = REFERENCE,
) -> list[Window]:
    """Returns the windows that predict some tracks in an interval, from left to right."""
    grid = allele.grid(card, bundle.reference)
    kinds = {track.kind for track in tracks}
    bins = grid.windows(interval) if kinds - {"contacts"} else []
    found = {window.output.start: window for window in bins}
    for window in grid.pairs(interval) if "contacts" in kinds else []:
        start = window.output.start
        found[start] = replace(window, bins=start in found)
    return [found[start] for start in sorted(found)]


def _reads(windows: Iterable[Window], allele: Allele) -> Iterator[_Read]:
    """Yields what the network reads for some windows."""
    for window in windows:
        start, end = window.use.start, window.use.end
        for shift in allele.edited.shifts(start, end) if allele.edited else [0]:
            yield _Read(window, allele, shift)


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


def _summary(values: Iterable[Values], edges: NDArray[np.float64]) -> Summary:
    """Summarises native bins of several pieces between consecutive edges."""
    total = _Sums.empty(len(edges) - 1)
    for native in values:
        total = total.merged(_Sums.of(native, edges))
    return Summary(*(a.astype(np.float32) for a in (total.mean, total.low, total.high)))


def _as_read(card: ModelCard, track: Track, member: Member) -> Track | None:
    """Returns the track that holds a track's values where a member is read.

    In the reverse complement the plus strand is the minus strand; None where the model has no track
    of that one.
    """
    if not member.reverse or track.strand == ".":
        return track
    mate = f"{track.id[:-1]}{'-' if track.strand == '+' else '+'}"
    return next((one for one in card.tracks if one.id == mate), None)


def _in_place(values: Floats, member: Member, resolution: int) -> Floats:
    """Returns what a member gives in the places where the plain reading has it.

    A bin of the reverse complement counts from the other end. An offset that is less than half a
    bin leaves each bin in its place, as is usual for such ensembles; a greater one moves the bins
    by whole ones, and those that then have no value are NaN.
    """
    if member == PLAIN:
        return values
    found = values[::-1] if member.reverse else values
    bins = round(member.offset / resolution)
    if not bins:
        return found
    moved = np.full_like(found, np.nan)
    if bins > 0:
        moved[bins:] = found[:-bins]
    else:
        moved[:bins] = found[-bins:]
    return moved


def _integral(values: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.float64]:
    """Integrates a step function from 0 to each position; the last value is not reached."""
    before = np.concatenate([[0.0], np.cumsum(values)])
    index = np.minimum(np.floor(at).astype(np.intp), len(values) - 1)
    area: NDArray[np.float64] = before[index] + (at - index) * values[index]
    return area


def _stretches(windows: Iterable[Window], allele: Allele, resolution: int) -> Iterator[_Stretch]:
    """Yields which bins are taken from which read, from left to right."""
    for window in windows:
        use = window.use
        if allele.edited is None:
            yield _Stretch(use.start, use.end, _Read(window, allele))
            continue
        for run in allele.edited.runs(use.start, resolution, use.width // resolution):
            first, last = (use.start + bin_ * resolution for bin_ in (run.first, run.last))
            yield _Stretch(first, last, _Read(window, allele, run.shift))


def _to_submit(order: _Order, status: JobStatus) -> bool:
    if status.state == "queued":
        return order.priority < status.priority
    return status.state == "lost" or (status.state == "failed" and order.retry)


def _window_state(window: Window, status: JobStatus) -> WindowState:
    states: dict[str, State] = {"done": "ready", "running": "running", "failed": "failed"}
    return WindowState(window.use, states.get(status.state, "queued"), status.error)


def _digest(card: ModelCard, states: Iterable[WindowState]) -> str:
    places = [
        (i, s.interval.chromosome, s.interval.start)
        for i, s in enumerate(states)
        if s.state == "ready"
    ]
    return hashlib.sha256(repr((card.id, places)).encode()).hexdigest()[:16]


def _message(
    card: ModelCard,
    states: Sequence[WindowState],
    statuses: Sequence[JobStatus],
    eta: float | None,
) -> str:
    count = {name: sum(s.state == name for s in states) for name in ("ready", "running", "failed")}
    if not states:
        return (
            f"{card.title} reads {card.input_width:,} bp at once, "
            "and this genome has less than that around here."
        )
    if count["ready"] + count["failed"] == len(states):
        return f"{count['failed']} of {len(states)} windows failed." if count["failed"] else ""
    about = "" if eta is None else f", {duration(eta)}"
    if count["running"]:
        of = f", window {count['ready'] + 1} of {len(states)}" if len(states) > 1 else ""
        return f"Computing{of}{about}"
    ahead = min((s.ahead for s in statuses if s.ahead is not None), default=0)
    behind = f" behind {ahead} other{'s' if ahead > 1 else ''}" if ahead else ""
    return f"Waiting{behind}{about}"


def duration(seconds: float) -> str:
    """Returns a time as people say it."""
    if seconds < 90:
        return f"about {max(math.ceil(seconds), 1)} s"
    return f"about {math.ceil(seconds / 60)} min"


def _joined(spans: Sequence[Span]) -> list[Span]:
    """Joins neighbours of one state."""
    joined: list[Span] = []
    for span in spans:
        if joined and joined[-1].end == span.start and joined[-1].state == span.state:
            joined[-1] = Span(joined[-1].start, span.end, span.state)
        else:
            joined.append(span)
    return joined
