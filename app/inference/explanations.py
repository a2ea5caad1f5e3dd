"""What one job answers about an interval: attributions by gradient, and names of motifs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from app.errors import LocuscopeError
from app.genome.jaspar import RELEASE, Matrix, matrix
from app.inference.asking import JobQueue, advance, why_waiting
from app.inference.jobs import Priority
from app.inference.mutagenesis import Target
from app.inference.progress import duration
from app.inference.requests import (
    Attribution,
    AttributionRequest,
    JobRequest,
    MotifRequest,
    sequence_sha256,
)
from app.inference.store import ResultStore, WindowKey, code_version
from models.card import ModelCard

Floats = NDArray[np.float32]

#: Shuffles of the sequence with which DeepLIFT compares it, and how many are asked for at once.
SHUFFLES, AHEAD = 20, 2


@dataclass(frozen=True)
class Answer:
    """What a job has answered, or why it has not yet.

    Attributes:
        arrays: By name; None while there is none, and not final while there is a message.
        message: In words, e.g. ``Computing, about 3 s``; empty when all is there.
        error: Why nothing moves, as a sentence; may be empty.
        eta_seconds: Estimated time until it is there; None where nothing is known.
    """

    arrays: Mapping[str, Floats] | None
    message: str = ""
    error: str = ""
    eta_seconds: float | None = None


@dataclass(frozen=True)
class MotifMatch:
    """A matrix that a seqlet looks like.

    Attributes:
        matrix: Of JASPAR.
        p: TOMTOM's p-value.
        q: Of Benjamini and Hochberg, over all seqlets of the interval and all matrices.
        offset: Base of the interval on which the first column of the matrix lies, as it is
            turned; may lie outside.
        strand: ``-`` where the reverse complement of the matrix fits.
    """

    matrix: Matrix
    p: float
    q: float
    offset: int
    strand: Literal["+", "-"]


@dataclass(frozen=True)
class Seqlet:
    """A stretch of high contribution.

    Attributes:
        start: First base, counted from the start of the interval.
        end: Exclusive.
        attribution: Sum of the contributions.
        p: How rare such a sum is among stretches of as many bases drawn from the interval and
            its background.
        alike: How many other factors have a matrix that fits about as well as the best one.
        matches: The matrices that it looks like, best first.
    """

    start: int
    end: int
    attribution: float
    p: float
    alike: int
    matches: tuple[MotifMatch, ...]


class Explanations:
    """Answers of single jobs, stored or asked for. Safe across threads.

    Args:
        jobs: The way to the workers.
        store: Stored results.
    """

    def __init__(self, jobs: JobQueue, store: ResultStore) -> None:
        self._jobs = jobs
        self._store = store

    def attributions(self, target: Target, method: Attribution, *, retry: bool = False) -> Answer:
        """Sees to it that a read-out is explained; ask again while there is a ``message``.

        Args:
            target: Interval and read-out.
            method: How. ``deeplift`` is the mean over ``SHUFFLES`` comparisons, and of those that
                are there as long as some are missing.
            retry: Compute again what failed before.

        Returns:
            The arrays of ``attribution.attribute``.
        """
        if method == "gradient":
            return self._attribution(target, method, 0, retry=retry)
        known: list[Mapping[str, Floats]] = []
        waiting: list[Answer] = []
        for shuffle in range(SHUFFLES):
            answer = self._attribution(target, method, shuffle, retry=retry)
            if answer.arrays is None:
                waiting.append(answer)
            else:
                known.append(answer.arrays)
            if answer.error or len(waiting) == AHEAD:
                break
        if not known:
            return next((one for one in waiting if one.error), waiting[0])
        arrays = {name: np.mean([one[name] for one in known], axis=0) for name in known[0]}
        if not waiting:
            return Answer(arrays)
        paces = [one.eta_seconds for one in waiting if one.eta_seconds is not None]
        left = SHUFFLES - len(known)
        eta = max(paces) / len(waiting) * left if paces else None
        about = "" if eta is None else f", {duration(eta)}"
        message = f"{len(known)} of {SHUFFLES} comparisons{about}"
        return Answer(arrays, message, waiting[-1].error, eta)

    def _attribution(
        self, target: Target, method: Attribution, shuffle: int, *, retry: bool
    ) -> Answer:
        request = AttributionRequest(
            model=target.card.id,
            weights_hash=target.card.weights_hash,
            sequence_sha256=sequence_sha256(target.sequence),
            readout=target.readout,
            start=target.start,
            end=target.end,
            method=method,
            shuffle=shuffle,
        )
        names = ("attribution", "value")
        return self._ask(target.card, request, target.sequence, names, retry=retry)

    def motifs(
        self, card: ModelCard, bases: str, contributions: Floats, *, retry: bool = False
    ) -> Answer:
        """Sees to it that motifs are named; ask again while ``arrays`` is None.

        Args:
            card: The model whose workers do it.
            bases: The bases of the interval.
            contributions: Of each base; one that is NaN counts as 0.
            retry: Compute it again if it failed before.

        Returns:
            The arrays of ``motifs.name_motifs``, for ``seqlets``.
        """
        numbers = np.nan_to_num(contributions, nan=0.0)
        request = MotifRequest(
            model=card.id,
            weights_hash=card.weights_hash,
            sequence_sha256=sequence_sha256(bases),
            contributions=tuple(float(f"{number:.5g}") for number in numbers),
            release=RELEASE,
        )
        return self._ask(card, request, bases, ("seqlets", "matches"), retry=retry)

    def _ask(
        self,
        card: ModelCard,
        request: JobRequest,
        sequence: str,
        names: tuple[str, ...],
        *,
        retry: bool,
    ) -> Answer:
        key = WindowKey(
            card.id,
            card.weights_hash,
            request.sequence_sha256,
            "fp32",
            code_version(card.family),
        )
        arrays = {name: self._store.read(key, f"{request.id}/{name}") for name in names}
        known = {name: values for name, values in arrays.items() if values is not None}
        if len(known) == len(names):
            return Answer(known)

        def collect(found: dict[str, Floats]) -> None:
            known.update(found)
            self._store.write(key, {f"{request.id}/{name}": found[name] for name in names})

        try:
            status = advance(
                self._jobs,
                request,
                self._jobs.status([request.id])[request.id],
                collect=collect,
                sequence=lambda: sequence,
                card=card,
                priority=Priority.MUTAGENESIS,
                retry=retry,
            )
        except LocuscopeError as problem:
            return Answer(None, error=problem.message)
        if status.state == "done":
            return Answer(known)
        error = status.error if status.state == "failed" else ""
        if status.state == "queued":
            error = why_waiting(self._jobs, card)
        about = "" if status.eta_seconds is None else f", {duration(status.eta_seconds)}"
        word = "Computing" if status.state == "running" else "Waiting"
        return Answer(None, f"{word}{about}", error, status.eta_seconds)


def seqlets(arrays: Mapping[str, Floats]) -> list[Seqlet]:
    """Reads the answer of ``Explanations.motifs``, from left to right."""
    found = []
    for row, matches in zip(arrays["seqlets"], arrays["matches"], strict=True):
        start, end, attribution, p, alike = row.tolist()
        named = tuple(
            MotifMatch(
                matrix(f"MA{number:04.0f}.{version:.0f}"),
                p=p_value,
                q=q_value,
                offset=int(offset),
                strand="-" if strand < 0 else "+",
            )
            for number, version, p_value, q_value, offset, _, strand in matches.tolist()
        )
        found.append(Seqlet(int(start), int(end), attribution, p, int(alike), named))
    return found
