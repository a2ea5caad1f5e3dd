"""What the web asks: predicted values of a region, computed where they are not stored yet."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from alphagenome.data.genome import Interval

from app.errors import LimitError, LocuscopeError
from app.inference.alleles import PLAIN, Allele, Member, alleles
from app.inference.asking import JobQueue, advance, why_waiting
from app.inference.jobs import JobStatus, Priority
from app.inference.progress import (
    Progress,
    WindowState,
    digest,
    message,
    window_state,
)
from app.inference.reads import Read, as_read, reads_of, windows_for
from app.inference.requests import Request, tracks_to_request
from app.inference.store import ResultStore
from app.inference.stored import StoredPredictions
from app.inference.summaries import Floats
from app.inference.windows import Window
from app.settings import Settings
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.genome.haplotype import Haplotype


class Predictions(StoredPredictions):
    """Predicted values by region. Safe across threads; make one in each process.

    Args:
        settings: Limits.
        jobs: Where to ask for what is missing.
        store: Where results are kept.
    """

    def __init__(self, settings: Settings, jobs: JobQueue, store: ResultStore) -> None:
        super().__init__(store)
        self._settings = settings
        self._jobs = jobs

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
            members: The ways in which they are read; contacts and junctions in the plain way alone.

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
        signals = replace(order, tracks=tuple(t for t in tracks if t.kind == "signal"))
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
            window_state(read.window, statuses[request.id])
            if request
            else WindowState(read.window.use, "ready")
            for read, request in wanted
        )
        etas = [s.eta_seconds for s in statuses.values() if s.eta_seconds is not None]
        eta = max(etas, default=None)
        return Progress(
            windows=states,
            message=message(card, states, list(statuses.values()), eta),
            ready=digest(card, states),
            eta_seconds=eta,
            error=error or self._why_waiting(card, states),
        )

    def _reads(self, order: _Order, interval: Interval, allele: Allele) -> list[Read]:
        """Returns what the network must read for a region, left out what the genome lacks."""
        windows = windows_for(order.card, order.bundle, interval, order.tracks, allele)
        return [r for r in reads_of(windows, allele) if self._bases_of(order.bundle, r) is not None]

    def _request(self, order: _Order, read: Read) -> Request | None:
        """Returns what must be computed for a read, or None if nothing."""
        bases = self._bases_of(order.bundle, read)
        if bases is None or bases.blank(read.window.use):
            return None
        sources = (as_read(order.card, track, read.allele.member) for track in order.tracks)
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
        self, order: _Order, jobs: dict[str, tuple[Read, Request]]
    ) -> tuple[dict[str, JobStatus], str]:
        """Submits and collects; returns where each job stands, and what hindered it."""
        statuses = {id_: JobStatus("lost") for id_ in jobs}
        try:
            known = self._jobs.status(list(jobs)) if jobs else {}
            # What is done is there only once it has been fetched and stored.
            statuses |= {id_: status for id_, status in known.items() if status.state != "done"}
            for id_, (read, request) in jobs.items():
                statuses[id_] = advance(
                    self._jobs,
                    request,
                    known[id_],
                    collect=partial(self._keep, order, read),
                    sequence=partial(read.sequence, order.bundle.reference),
                    card=order.card,
                    priority=order.priority,
                    retry=order.retry,
                )
        except LocuscopeError as error:
            return statuses, error.message
        return statuses, ""

    def _keep(self, order: _Order, read: Read, arrays: dict[str, Floats]) -> None:
        bases = self._bases_of(order.bundle, read)
        assert bases is not None
        self._store.write(self._key(order.card, bases), arrays)

    def _why_waiting(self, card: ModelCard, states: Sequence[WindowState]) -> str:
        waiting = {state.state for state in states}
        if "queued" not in waiting or "running" in waiting:
            return ""
        return why_waiting(self._jobs, card)


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
