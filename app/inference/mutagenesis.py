"""In silico mutagenesis as the web asks for it: every single-base change in an interval, scored.

An interval is cut into jobs of a few bases, from coarse to fine: first every eighth base, then the
ones half-way between, and so on. Each base is stored by itself under sequence and read-out, so that
a wider interval computes only what is new. Only the next few jobs are submitted, and only as long
as someone asks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

from app.errors import BadInputError, LimitError, LocuscopeError
from app.genome.locus import format_interval
from app.inference.alleles import REFERENCE, Allele
from app.inference.asking import JobQueue, advance, why_waiting
from app.inference.jobs import JobStatus, Priority
from app.inference.progress import duration
from app.inference.requests import (
    MutagenesisRequest,
    Readout,
    Score,
    sequence_sha256,
)
from app.inference.store import ResultStore, WindowKey, code_version
from app.inference.windows import Window, WindowGrid
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.reference import Reference

Floats = NDArray[np.float32]

#: Longest interval in bp.
MAX_WIDTH = 500
#: bp on either side of the middle of an interval that its first read-out covers.
MASK_HALF = 1_000
#: Bins of a contact map on either side of the middle of an interval that its first read-out covers.
CONTACT_BINS = 5
#: Modalities of probabilities, of which the difference is told, not the ratio.
PROBABILITIES = ("SPLICE_SITES", "SPLICE_SITE_USAGE", "BASE_PROBABILITY", "ELEMENTS")
#: Every eighth base first, then those between: residues modulo 8 in the order of their jobs.
ORDER = (0, 4, 2, 6, 1, 5, 3, 7)
#: Bases from whose residues one job is made: it has at most ``SPAN / 8`` of them.
SPAN = 32
#: Jobs that are submitted at once.
AHEAD = 12


@dataclass(frozen=True)
class Target:
    """What is mutated, and what is read out.

    Attributes:
        card: The model.
        sequence: The bases that it reads, ``card.input_width`` of them: the reference, or the
            alternate sequence of an edit.
        start: First base that is changed, a 0-based offset into ``sequence``.
        end: Exclusive.
        readout: What is scored.

    Raises:
        LimitError: The interval is longer than ``MAX_WIDTH``.
        BadInputError: It has no known base, or reaches beyond the sequence.
    """

    card: ModelCard
    sequence: str
    start: int
    end: int
    readout: Readout

    def __post_init__(self) -> None:
        if self.end - self.start > MAX_WIDTH:
            raise LimitError(
                f"In silico mutagenesis takes {MAX_WIDTH} bp at most, "
                f"not {self.end - self.start:,}. Choose a shorter region."
            )
        if not 0 <= self.start < self.end <= len(self.sequence):
            raise BadInputError(
                f"The region lies outside the {self.card.input_width:,} bp that "
                f"{self.card.title} reads around the read-out. Read out nearer to the region."
            )
        if not self.bases.strip("N"):
            raise BadInputError(
                "No base of this region is known (it reads N), so there is nothing to change. "
                "Choose a region with sequence."
            )

    @property
    def bases(self) -> str:
        """The bases that are changed."""
        return self.sequence[self.start : self.end]


@dataclass(frozen=True)
class Located:
    """A target and where it lies on the genome.

    Attributes:
        target: What is mutated and read out.
        window: The window of the reference that the model reads.
        places: Of each base that is changed its 0-based place on the reference; None for an
            inserted base, which has none.
    """

    target: Target
    window: Window
    places: tuple[int | None, ...]


@dataclass(frozen=True)
class Effects:
    """How far in silico mutagenesis is, and what it has found.

    Attributes:
        values: What each base in each place does to the read-out, shape (width, 4), columns A, C,
            G, T; 0 for the base that is there, NaN where it is not computed yet or no base is
            known.
        value: The read-out of the unchanged sequence; NaN as long as nothing is computed.
        done: Bases that are computed.
        total: Bases that can be: those that are not N.
        message: In words, e.g. ``64 of 200 bases, about 6 s``; empty when all is there.
        error: Why nothing moves, as a sentence; may be empty.
        eta_seconds: Estimated time until all is there; None where nothing is known yet.
    """

    values: Floats
    value: float
    done: int
    total: int
    message: str = ""
    error: str = ""
    eta_seconds: float | None = None

    @property
    def complete(self) -> bool:
        """Whether every base is computed."""
        return self.done == self.total

    def contributions(self, bases: str) -> Floats:
        """Returns what each base that is there adds: minus the mean effect of the other three.

        Args:
            bases: The bases that were changed.

        Returns:
            Shape (width,); NaN where there are no effects.
        """
        known = np.array([base != "N" for base in bases])
        contributions: Floats = np.where(known, -self.values.sum(axis=1) / 3, np.nan)
        return contributions.astype(np.float32)


def default_score(track: Track) -> Score:
    """Returns the difference for probabilities, the log ratio for all else."""
    return "difference" if track.modality in PROBABILITIES else "lfc"


def readout_of(
    track: Track, window: Window, masks: Sequence[tuple[int, int]], score: Score
) -> Readout:
    """Returns the read-out of the bins that masks overlap, or of the intron that is the mask.

    Args:
        track: What is read.
        window: The window that the model reads.
        masks: Positions on the chromosome, half-open, such as the exons of a gene.
        score: How its change is told.

    Raises:
        BadInputError: The output of the window does not cover the masks, or they are not such as
            the track can be read out over.
    """
    low, high = min(start for start, _ in masks), max(end for _, end in masks)
    if low < window.output.start or high > window.output.end:
        place = format_interval(Interval(window.output.chromosome, max(low, 0), high))
        raise BadInputError(
            f"The model predicts {window.output.width:,} bp at once, and not all of the read-out "
            f"{place}. Choose a smaller read-out, or one further from the end of the sequence."
        )
    res, origin = track.resolution, window.output.start
    joined: list[tuple[int, int]] = []
    for start, end in sorted(masks):
        left, right = (start - origin) // res * res, -((origin - end) // res) * res
        if joined and left <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(right, joined[-1][1]))
        else:
            joined.append((left, right))
    if track.kind == "junctions" and len(joined) > 1:
        raise BadInputError("Junctions are read out one at a time. Choose one intron.")
    if track.modality == "CONTACT_MAPS" and (len(joined) > 1 or right - left < 2 * res):
        raise BadInputError(
            "Contacts are read out across the middle of one interval of at least two bins "
            f"({2 * res:,} bp). Choose a wider read-out."
        )
    return Readout(track.id, tuple(joined), score)


def located(  # noqa: PLR0917 - all of it is needed
    card: ModelCard,
    reference: Reference,
    interval: Interval,
    track: Track,
    masks: Sequence[tuple[int, int]],
    score: Score,
    allele: Allele = REFERENCE,
) -> Located:
    """Returns the target for an interval of the genome.

    The window lies around the read-out, not around the interval, so that it stays the same when
    the interval is widened, and for both alleles.

    Args:
        card: The model.
        reference: The genome.
        interval: What is mutated, 0-based half-open, in places of the reference.
        track: What is read out.
        masks: Where, as positions on the chromosome of the reference, half-open.
        score: How its change is told.
        allele: The sequence that is mutated.

    Raises:
        LimitError: The interval is too long.
        BadInputError: There is too little sequence, no known base, or the read-out does not fit
            into one window.
    """
    edits = allele.edited

    def place(edge: int) -> int:
        return edge if edits is None else edits.to_alternate(edge)

    low, high = min(start for start, _ in masks), max(end for _, end in masks)
    window = WindowGrid(card, reference).around(Interval(interval.chromosome, low, high))
    if window is None:
        raise BadInputError(
            f"{card.title} reads {card.input_width:,} bp at once, and this genome has less than "
            f"that around {format_interval(interval)}."
        )
    moved = [(place(start), place(end)) for start, end in masks]
    moved = [(start, end) for start, end in moved if start < end]
    start, end, offset = place(interval.start), place(interval.end), window.interval.start
    if not moved or start == end:
        raise BadInputError("The edits delete all of it. Choose another region or read-out.")
    readout = readout_of(track, window, moved, score)
    bases = allele.sequence(window, reference)
    target = Target(card, bases, start - offset, end - offset, readout)
    places = range(start, end)
    return Located(
        target,
        window,
        tuple(places if edits is None else (edits.to_reference(place) for place in places)),
    )


class Mutagenesis:
    """Effects of single-base changes, stored or asked for. Safe across threads.

    Args:
        jobs: The way to the workers.
        store: Stored results.
    """

    def __init__(self, jobs: JobQueue, store: ResultStore) -> None:
        self._jobs = jobs
        self._store = store

    def ensure(self, target: Target, *, retry: bool = False) -> Effects:
        """Sees to it that a target is computed, and returns what there is of it.

        Cheap when repeated. Ask again while it is not ``complete``: computing stops for whom
        nobody asks.

        Args:
            target: What is mutated and read out.
            retry: Compute jobs again that failed before.
        """
        stored = _Stored(self._store, target)
        missing = stored.missing()
        requests = [stored.request(chunk) for chunk in chunks(missing)[:AHEAD]]
        waiting: dict[MutagenesisRequest, JobStatus] = {}
        error = ""
        try:
            waiting = self._advance(target, stored, requests, retry=retry)
        except LocuscopeError as problem:
            error = problem.message
        statuses = list(waiting.values())
        error = error or next((s.error for s in statuses if s.state == "failed"), "")
        left = len(stored.missing())
        total = sum(base != "N" for base in target.bases)
        eta = _eta(waiting, left)
        if not error and left and not any(s.state == "running" for s in statuses):
            error = why_waiting(self._jobs, target.card)
        return Effects(
            values=stored.values,
            value=stored.value,
            done=total - left,
            total=total,
            message=_message(total - left, total, statuses, eta) if left else "",
            error=error,
            eta_seconds=eta if left else None,
        )

    def _advance(
        self,
        target: Target,
        stored: _Stored,
        requests: Sequence[MutagenesisRequest],
        *,
        retry: bool,
    ) -> dict[MutagenesisRequest, JobStatus]:
        """Submits and collects jobs; returns where those stand that are not done."""
        if not requests:
            return {}
        statuses = self._jobs.status([request.id for request in requests])
        for request in requests:
            statuses[request.id] = advance(
                self._jobs,
                request,
                statuses[request.id],
                collect=partial(stored.write, request),
                sequence=lambda: target.sequence,
                card=target.card,
                priority=Priority.MUTAGENESIS,
                retry=retry,
            )
        return {one: statuses[one.id] for one in requests if statuses[one.id].state != "done"}


def chunks(positions: Sequence[int]) -> list[tuple[int, ...]]:
    """Cuts positions into jobs, from coarse to fine.

    A job has the positions of one residue modulo 8 in one stretch of ``SPAN`` bases, both counted
    from the start of the sequence, so that overlapping intervals share their jobs.
    """
    grouped: dict[tuple[int, int], list[int]] = {}
    for position in positions:
        grouped.setdefault((ORDER.index(position % 8), position // SPAN), []).append(position)
    return [tuple(grouped[key]) for key in sorted(grouped)]


class _Stored:
    """What is stored of a target; reads each base once."""

    def __init__(self, store: ResultStore, target: Target) -> None:
        self._store = store
        self._target = target
        card = target.card
        self._sha256 = sequence_sha256(target.sequence)
        self._key = WindowKey(
            card.id, card.weights_hash, self._sha256, "fp32", code_version(card.family)
        )
        self.values = np.full((target.end - target.start, 4), np.nan, np.float32)
        self.value = float("nan")
        for row, position in enumerate(range(target.start, target.end)):
            found = store.read(self._key, self._entry(position))
            if found is not None:
                self._take(row, found)

    def missing(self) -> list[int]:
        """Returns the positions that can be computed and are not yet."""
        start = self._target.start
        return [
            start + row
            for row, base in enumerate(self._target.bases)
            if base != "N" and np.isnan(self.values[row, 0])
        ]

    def request(self, positions: tuple[int, ...]) -> MutagenesisRequest:
        """Returns the question for some positions."""
        target = self._target
        return MutagenesisRequest(
            target.card.id, target.card.weights_hash, self._sha256, target.readout, positions
        )

    def write(self, request: MutagenesisRequest, arrays: Mapping[str, Floats]) -> None:
        """Stores and takes in what a job has found."""
        rows = {
            position: np.append(effects, arrays["value"])
            for position, effects in zip(request.positions, arrays["effects"], strict=True)
        }
        self._store.write(self._key, {self._entry(p): row for p, row in rows.items()})
        for position, row in rows.items():
            self._take(position - self._target.start, row)

    def _take(self, row: int, found: Floats) -> None:
        self.values[row], self.value = found[:4], float(found[4])

    def _entry(self, position: int) -> str:
        return f"mutagenesis/{self._target.readout.key}/{position}"


def _eta(waiting: Mapping[MutagenesisRequest, JobStatus], left: int) -> float | None:
    """Estimates the time for all bases that are left from that of the jobs that wait.

    Those are the next ones, and what is estimated of the last of them is the time for all of them.
    """
    known = [s.eta_seconds for s in waiting.values() if s.eta_seconds is not None]
    if not known:
        return None
    return max(known) * max(left / sum(len(one.positions) for one in waiting), 1.0)


def _message(done: int, total: int, statuses: Sequence[JobStatus], eta: float | None) -> str:
    about = "" if eta is None else f", {duration(eta)}"
    if done or any(s.state == "running" for s in statuses):
        return f"{done} of {total} bases{about}"
    ahead = min((s.ahead for s in statuses if s.ahead is not None), default=0)
    return f"Waiting behind {ahead} other{'s' if ahead > 1 else ''}{about}" if ahead else "Waiting"
