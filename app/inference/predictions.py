"""What the web asks: predicted values of a region, computed where they are not stored yet."""

from __future__ import annotations

import hashlib
import math
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

import numpy as np
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

from app.errors import LimitError, LocuscopeError, NotFoundError
from app.inference.jobs import JobStatus, Priority, WorkerInfo
from app.inference.requests import JobRequest, Request, sequence_sha256, tracks_to_request
from app.inference.store import ResultStore, WindowKey, code_version
from app.inference.windows import Window, WindowGrid, padded_spans, sequence, unknown_runs
from app.settings import Settings
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle

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
            model would need sequence that the genome does not have.
    """

    start: int
    end: int
    state: Literal["missing", "padded", "unavailable"]


class StoredWindow(NamedTuple):
    """What is stored of one track for one window.

    Attributes:
        window: The window.
        values: The output in the shape of ``SequenceModel.predict``, or None: not computed yet.
        padded: Where whole bins have no known base, as (start, end); those values mean nothing.
    """

    window: Window
    values: Floats | None
    padded: tuple[tuple[int, int], ...]


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
        self._bases: OrderedDict[tuple[str, str, str, int], _Bases] = OrderedDict()
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
        requests = [
            (window, self._request(order, window))
            for window in windows_for(card, bundle, interval, tracks)
        ]
        statuses, error = self._advance(order, [(w, r) for w, r in requests if r is not None])
        states = tuple(
            WindowState(w.use, "ready") if r is None else _window_state(w, statuses[r.id])
            for w, r in requests
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

    def values(self, card: ModelCard, bundle: Bundle, track: Track, interval: Interval) -> Values:
        """Returns the native bins of a track that overlap an interval; computes nothing.

        For tracks with one value a bin; ``pairs.py`` reads contacts and junctions.

        Bins of different pieces of the reference do not share a grid: where the interval reaches
        into several pieces, the piece with the largest part of it is returned and the rest is NaN.
        """
        grid = WindowGrid(card, bundle.reference)
        parts = sorted(grid.parts(interval), key=lambda pair: -pair[1].width)
        res = track.resolution
        origin = grid.origin(parts[0][0]) if parts else 0
        start = origin + (interval.start - origin) // res * res
        values = np.full(-((start - interval.end) // res), np.nan, np.float32)
        if not parts:
            return Values(start, res, values)
        for window in grid.windows_in(*parts[0]):
            stored = self._store.read(self._key(card, bundle, window), track.id)
            if stored is None:
                continue
            low, high = max(window.use.start, start), min(window.use.end, start + len(values) * res)
            into = slice((low - start) // res, (high - start) // res)
            taken = (low - window.output.start) // res
            values[into] = stored[taken : taken + into.stop - into.start]
            for left, right in self._read(card, bundle, window).padded(window, res, low, high):
                values[(left - start) // res : (right - start) // res] = np.nan
        return Values(start, res, values)

    def stored(
        self, card: ModelCard, bundle: Bundle, track: Track, windows: Iterable[Window]
    ) -> Iterator[StoredWindow]:
        """Yields what is stored of a track for each of some windows; computes nothing."""
        for window in windows:
            values = self._store.read(self._key(card, bundle, window), track.id)
            bases = self._read(card, bundle, window)
            out = window.output
            padded = tuple(bases.padded(window, track.resolution, out.start, out.end))
            yield StoredWindow(window, values, padded)

    def spans(
        self, card: ModelCard, bundle: Bundle, track: Track, interval: Interval
    ) -> list[Span]:
        """Returns where an interval has no prediction of a track, and why, from left to right."""
        found: list[Span] = []
        position = interval.start
        for window in WindowGrid(card, bundle.reference).windows(interval):
            low = max(window.use.start, interval.start)
            high = min(window.use.end, interval.end)
            if position < low:
                found.append(Span(position, low, "unavailable"))
            position = high
            bases = self._read(card, bundle, window)
            missing = self._store.missing(self._key(card, bundle, window), [track.id])
            at = low
            for left, right in bases.padded(window, track.resolution, low, high):
                if missing and at < left:
                    found.append(Span(at, left, "missing"))
                found.append(Span(left, right, "padded"))
                at = right
            if missing and at < high:
                found.append(Span(at, high, "missing"))
        if position < interval.end:
            found.append(Span(position, interval.end, "unavailable"))
        return _joined(found)

    def summarise(  # noqa: PLR0917 - the order of ObservedTrack.summarise
        self,
        card: ModelCard,
        bundle: Bundle,
        track: Track,
        chromosome: str,
        start: int,
        end: int,
        n_bins: int,
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
        """
        edges = np.linspace(start, end, n_bins + 1)
        total = _Sums.empty(n_bins)
        grid = WindowGrid(card, bundle.reference)
        for _, part in grid.parts(Interval(chromosome, start, end)):
            total = total.merged(_Sums.of(self.values(card, bundle, track, part), edges))
        return Summary(*(a.astype(np.float32) for a in (total.mean, total.low, total.high)))

    def _read(self, card: ModelCard, bundle: Bundle, window: Window) -> _Bases:
        """Returns digest and gaps of a window, reading the sequence the first time only."""
        where = window.interval
        key = (bundle.reference.checksum, where.chromosome, where.start, where.end)
        with self._lock:
            if key in self._bases:
                self._bases.move_to_end(key)
                return self._bases[key]
        text = sequence(window, bundle.reference)
        bases = _Bases(sequence_sha256(text), unknown_runs(text, where.start))
        with self._lock:
            self._bases[key] = bases
            if len(self._bases) > REMEMBERED:
                self._bases.popitem(last=False)
        return bases

    def _key(self, card: ModelCard, bundle: Bundle, window: Window) -> WindowKey:
        return WindowKey(
            model=card.id,
            weights_hash=card.weights_hash,
            sequence_sha256=self._read(card, bundle, window).sha256,
            precision=card.precision,
            code=code_version(card.family),
        )

    def _request(self, order: _Order, window: Window) -> Request | None:
        """Returns what must be computed for a window, or None if nothing."""
        bases = self._read(order.card, order.bundle, window)
        if bases.blank(window.use):
            return None
        key = self._key(order.card, order.bundle, window)
        missing = self._store.missing(key, _ids(order.tracks, window))
        if not missing:
            return None
        offered = _ids(order.card.tracks, window)
        return Request(
            model=order.card.id,
            weights_hash=order.card.weights_hash,
            sequence_sha256=bases.sha256,
            tracks=tuple(t for t in tracks_to_request(order.card, missing) if t in offered),
            precision=order.card.precision,
        )

    def _advance(
        self, order: _Order, missing: Sequence[tuple[Window, Request]]
    ) -> tuple[dict[str, JobStatus], str]:
        """Submits and collects; returns where each job stands, and what hindered it."""
        statuses = {request.id: JobStatus("lost") for _, request in missing}
        try:
            if missing:
                statuses |= self._jobs.status(list(statuses))
            for window, request in missing:
                status = statuses[request.id]
                if status.state == "done":
                    status = self._collect(order, window, request)
                if _to_submit(order, status):
                    bases = sequence(window, order.bundle.reference)
                    self._jobs.submit(
                        request, bases, order.card.family, order.priority, retry=order.retry
                    )
                    status = JobStatus("queued", priority=order.priority)
                statuses[request.id] = status
        except LocuscopeError as error:
            return statuses, error.message
        return statuses, ""

    def _collect(self, order: _Order, window: Window, request: Request) -> JobStatus:
        try:
            arrays = self._jobs.result(request.id)
        except NotFoundError:
            return JobStatus("lost")
        self._store.write(self._key(order.card, order.bundle, window), arrays)
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
    return [t.id for t in tracks if t.modality == "CONTACT_MAPS" or not window.pairs_only]


def windows_for(
    card: ModelCard, bundle: Bundle, interval: Interval, tracks: Sequence[Track]
) -> list[Window]:
    """Returns the windows that predict some tracks in an interval, from left to right."""
    grid = WindowGrid(card, bundle.reference)
    pairs = any(track.modality == "CONTACT_MAPS" for track in tracks)
    windows = grid.windows(interval) + (grid.between(interval) if pairs else [])
    return sorted(windows, key=lambda window: window.use.start)


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


def _to_submit(order: _Order, status: JobStatus) -> bool:
    if status.state == "queued":
        return order.priority < status.priority
    return status.state == "lost" or (status.state == "failed" and order.retry)


def _window_state(window: Window, status: JobStatus) -> WindowState:
    states: dict[str, State] = {"done": "ready", "running": "running", "failed": "failed"}
    return WindowState(window.use, states.get(status.state, "queued"), status.error)


def _digest(card: ModelCard, states: Iterable[WindowState]) -> str:
    places = [(s.interval.chromosome, s.interval.start) for s in states if s.state == "ready"]
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
