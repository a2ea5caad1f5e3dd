"""Splice scores of variants, as the SpliceAI command line computes them (no torch here).

For a variant and a transcript that it lies in, the network reads the transcript's strand with
everything outside the transcript as N, once with the reference allele and once with the alternate.
Within ``distance`` bases of the variant the largest rise and fall of the acceptor and the donor
probability are the four delta scores, and where they are found the delta positions (Jaganathan et
al., Cell 2019). Every rule here reproduces the authors' tool, version 1.3.1.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np
from alphagenome.data.genome import Interval, Variant
from numpy.typing import NDArray

from app.errors import BadInputError, NotFoundError, SequenceUnavailableError
from app.genome.genes import Transcript
from app.inference.windows import only_within
from models.edit import Edit

Probabilities = NDArray[np.float32]

#: Bases that the networks read on either side of a position.
CONTEXT = 5000
MAX_DISTANCE = 4999
#: Longest sequence for one reference pass, and most variants on it: bounds memory and the time
#: between two reports of progress.
MAX_REGION = 50_000
MAX_EDITS = 128

#: The four delta scores, as the authors' tool names them.
DELTAS = {
    "DS_AG": "acceptor gain",
    "DS_AL": "acceptor loss",
    "DS_DG": "donor gain",
    "DS_DL": "donor loss",
}

_ACCEPTOR, _DONOR = 1, 2
_COMPLEMENT = str.maketrans("ACGT", "TGCA")


class Predictor(Protocol):
    """The part of ``models.spliceai.SpliceAI`` that is used here."""

    def predict_edits(
        self, sequence: str, edits: Sequence[Edit]
    ) -> list[tuple[Probabilities, Probabilities]]:
        """Returns probabilities of none, acceptor and donor before and after each edit."""


class Skip(StrEnum):
    """Why a variant has no scores."""

    NO_ALT = "no ALT allele"
    SYMBOLIC = "ALT is not a sequence of A, C, G, T and N"
    UNKNOWN_CHROMOSOME = "chromosome is not in the genome"
    WRONG_REF = "REF differs from the reference"
    NO_TRANSCRIPT = "in no transcript of the annotation"
    REF_TOO_LONG = "REF is longer than twice the distance"
    NO_FLANK = "too little sequence around the variant"
    COMPLEX = "REF and ALT are both longer than one base"


@dataclass(frozen=True)
class Unscored:
    """A variant without scores.

    Attributes:
        skip: The kind of reason.
        detail: More about this one; may be empty.
        symbols: Genes that it lies in, where the reason came up only after looking for them.
    """

    skip: Skip
    detail: str = ""
    symbols: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.skip}: {self.detail}" if self.detail else str(self.skip)


class Deltas(NamedTuple):
    """Delta scores (``ds_``) and positions (``dp_``) of one variant in one transcript.

    Acceptor gain and loss, donor gain and loss. Positions are relative to the variant's POS and
    run with the chromosome, whatever the strand.
    """

    ds_ag: float
    ds_al: float
    ds_dg: float
    ds_dl: float
    dp_ag: int
    dp_al: int
    dp_dg: int
    dp_dl: int


@dataclass(frozen=True)
class Target:
    """Transcripts of one gene that share both ends, and hence the sequence that is read.

    Attributes:
        symbol: The gene.
        strand: ``+`` or ``-``.
        start: First base, 0-based.
        end: One past the last base.
        borders: 0-based first and last bases of all exons, sorted.
        transcripts: Their ids, where they have any.
    """

    symbol: str
    strand: str
    start: int
    end: int
    borders: tuple[int, ...]
    transcripts: tuple[str, ...] = ()

    def border_offset(self, position: int) -> int:
        """Returns the signed distance from a position to the nearest exon border.

        Of two that are equally near it is the left one.
        """
        return min((border - position for border in self.borders), key=abs)


@dataclass(frozen=True)
class SpliceScore:
    """The scores of one variant in one gene."""

    target: Target
    deltas: Deltas


def targets(transcripts: Iterable[Transcript]) -> list[Target]:
    """Groups transcripts by gene and ends; those without a strand are left out."""
    groups: dict[tuple[str, str, int, int], list[Transcript]] = defaultdict(list)
    for one in transcripts:
        if one.strand in ("+", "-"):
            groups[one.symbol, one.strand, one.start, one.end].append(one)
    return [
        Target(
            *key,
            borders=tuple(
                sorted({b for t in group for start, end in t.exons for b in (start, end - 1)})
            ),
            transcripts=tuple(t.transcript_id for t in group if t.transcript_id),
        )
        for key, group in groups.items()
    ]


Fetch = Callable[[Interval], str]
Overlapping = Callable[[Interval], Sequence[Transcript]]


def scorable(
    variant: Variant, fetch: Fetch, transcripts: Overlapping, distance: int
) -> list[Target] | Unscored:
    """Returns where a variant is scored, or why it is not.

    Only the first base of REF decides in which transcripts a variant lies.

    Args:
        variant: Its chromosome by the reference's name.
        fetch: Returns upper-case sequence; raises ``SequenceUnavailableError`` where there is none
            and ``NotFoundError`` for an unknown chromosome.
        transcripts: Returns the transcripts that overlap an interval.
        distance: How far from the variant a change may be, in bp.
    """
    start = variant.start
    if problem := _wrong_reference(variant, fetch):
        return problem
    found = targets(transcripts(Interval(variant.chromosome, start, start + 1)))
    if not found:
        return Unscored(Skip.NO_TRANSCRIPT)
    flank = distance + CONTEXT
    lengths = len(variant.reference_bases), len(variant.alternate_bases)
    if lengths[0] > 2 * distance:
        return Unscored(Skip.REF_TOO_LONG, f"{lengths[0]:,} bases")
    try:
        fetch(Interval(variant.chromosome, start - flank, start + flank + 1))
    except SequenceUnavailableError:
        return Unscored(Skip.NO_FLANK, f"{flank:,} bases are needed on either side")
    if min(lengths) > 1:
        return Unscored(Skip.COMPLEX, symbols=tuple(target.symbol for target in found))
    return found


def _wrong_reference(variant: Variant, fetch: Fetch) -> Unscored | None:
    """Compares REF with the genome."""
    try:
        there = fetch(variant.reference_interval)
    except NotFoundError:
        return Unscored(Skip.UNKNOWN_CHROMOSOME, variant.chromosome)
    except SequenceUnavailableError:
        return Unscored(Skip.NO_FLANK)
    ref = variant.reference_bases
    if there != ref:
        return Unscored(Skip.WRONG_REF, f"REF is {ref} but the genome has {there}")
    return None


def align(
    alternate: Probabilities, distance: int, ref_length: int, alt_length: int
) -> Probabilities:
    """Brings the probabilities of a changed sequence to the positions of the reference.

    Inserted bases and the one before them become one position with the maximum of each
    probability; deleted bases become positions of zeros after the base that stays.

    Args:
        alternate: Shape (2 * distance + 1 + alt_length - ref_length, 3), left to right.
        distance: Bases before the variant in ``alternate``.
        ref_length: Length of REF; REF or ALT has one base.
        alt_length: Length of ALT.

    Returns:
        Shape (2 * distance + 1, 3).
    """
    if alt_length > ref_length:
        inserted = alternate[distance : distance + alt_length].max(0, keepdims=True)
        return np.concatenate([alternate[:distance], inserted, alternate[distance + alt_length :]])
    if ref_length > alt_length:
        kept = distance + alt_length
        gap = np.zeros((ref_length - alt_length, alternate.shape[1]), alternate.dtype)
        return np.concatenate([alternate[:kept], gap, alternate[kept:]])
    return alternate


def deltas(reference: Probabilities, alternate: Probabilities, border_offset: int | None) -> Deltas:
    """Finds the largest gains and losses.

    Args:
        reference: Shape (2 * distance + 1, 3), left to right, the variant in the middle.
        alternate: Likewise, aligned.
        border_offset: None for raw scores. For masked ones the nearest annotated exon border,
            relative to the variant: a gain at it and a loss anywhere else count as 0.

    Returns:
        The scores; a position is the leftmost one that has the extreme value.
    """
    scores: list[float] = []
    positions: list[int] = []
    for channel in (_ACCEPTOR, _DONOR):
        before, after = reference[:, channel], alternate[:, channel]
        for is_gain, change in ((True, after - before), (False, before - after)):
            index = int(change.argmax())
            position = index - len(reference) // 2
            hidden = border_offset is not None and (position == border_offset) == is_gain
            scores.append(0.0 if hidden else float(change[index]))
            positions.append(position)
    return Deltas(scores[0], scores[1], scores[2], scores[3], *positions)


def reverse_complement(sequence: str) -> str:
    """Returns the other strand, read in its own direction."""
    return sequence.translate(_COMPLEMENT)[::-1]


class _Task(NamedTuple):
    """A variant, by its place among those asked for, in one target."""

    number: int
    variant: Variant
    target: Target

    def window(self, distance: int) -> Interval:
        """The bases for which probabilities are compared."""
        start = self.variant.start
        return Interval(self.variant.chromosome, start - distance, start + distance + 1)


class SpliceScorer:
    """Scores variants of one genome.

    Attributes:
        distance: How far from the variant a change may be, in bp.
        mask: Whether gains at annotated and losses at other splice sites count as 0.
    """

    def __init__(
        self,
        model: Predictor,
        fetch: Fetch,
        transcripts: Overlapping,
        distance: int = 50,
        mask: bool = False,
    ) -> None:
        """Keeps what is needed to score.

        Args:
            model: The network.
            fetch: Returns upper-case sequence; raises ``SequenceUnavailableError`` where there is
                none and ``NotFoundError`` for an unknown chromosome.
            transcripts: Returns the transcripts that overlap an interval.
            distance: 1 to 4,999.
            mask: See above.

        Raises:
            BadInputError: The distance is out of range.
        """
        if not 1 <= distance <= MAX_DISTANCE:
            raise BadInputError(f"The distance must be from 1 to {MAX_DISTANCE:,}, not {distance}.")
        self.distance, self.mask = distance, mask
        self._model, self._fetch, self._transcripts = model, fetch, transcripts

    def score(
        self, variants: Sequence[Variant], progress: Callable[[int], object] = lambda _: None
    ) -> list[list[SpliceScore] | Unscored]:
        """Scores variants, which may be in any order.

        Args:
            variants: Chromosomes by the reference's names.
            progress: Told how many more variants are done.

        Returns:
            For each variant its scores, one a target, or why there are none.
        """
        results: list[list[SpliceScore] | Unscored] = []
        tasks: list[_Task] = []
        for index, variant in enumerate(variants):
            found = scorable(variant, self._fetch, self._transcripts, self.distance)
            results.append(found if isinstance(found, Unscored) else [])
            if not isinstance(found, Unscored):
                tasks += [_Task(index, variant, target) for target in found]
        left = Counter(task.number for task in tasks)
        progress(len(variants) - len(left))
        done: dict[tuple[int, Target], SpliceScore] = {}
        for region in self._regions(tasks):
            for task, score in zip(region, self._score_region(region), strict=True):
                done[task.number, task.target] = score
            left.subtract(task.number for task in region)
            finished = {task.number for task in region if not left[task.number]}
            progress(len(finished))
        for task in tasks:
            result = results[task.number]
            if isinstance(result, list):
                result.append(done[task.number, task.target])
        return results

    def _regions(self, tasks: Sequence[_Task]) -> Iterator[list[_Task]]:
        """Groups the tasks of a target that one stretch of sequence serves.

        Stretches are joined where they touch, so that no sequence between them is asked for.
        """
        by_target: dict[tuple[str, Target], list[_Task]] = defaultdict(list)
        for task in tasks:
            by_target[task.variant.chromosome, task.target].append(task)
        reach = 2 * (self.distance + CONTEXT) + 1
        for group in by_target.values():
            group.sort(key=lambda task: task.variant.start)
            region = [group[0]]
            for task in group[1:]:
                gap = task.variant.start - region[-1].variant.start
                span = task.variant.start - region[0].variant.start
                if gap > reach or span + reach > MAX_REGION or len(region) == MAX_EDITS:
                    yield region
                    region = []
                region.append(task)
            yield region

    def _score_region(self, tasks: Sequence[_Task]) -> Iterator[SpliceScore]:
        """Scores variants of one target that lie close together, sorted by position."""
        target, chromosome = tasks[0].target, tasks[0].variant.chromosome
        region = Interval(
            chromosome,
            tasks[0].window(self.distance).start - CONTEXT,
            tasks[-1].window(self.distance).end + CONTEXT,
        )
        sequence = only_within(self._fetch(region), region.start, (target.start, target.end))
        edits = [self._edit(task, region) for task in tasks]
        if target.strand == "-":
            sequence = reverse_complement(sequence)
            edits = [_reversed(edit, len(sequence)) for edit in edits]
        for task, pair in zip(tasks, self._model.predict_edits(sequence, edits), strict=True):
            before, after = pair if target.strand == "+" else (pair[0][::-1], pair[1][::-1])
            variant = task.variant
            lengths = len(variant.reference_bases), len(variant.alternate_bases)
            offset = target.border_offset(variant.start) if self.mask else None
            yield SpliceScore(target, deltas(before, align(after, self.distance, *lengths), offset))

    def _edit(self, task: _Task, region: Interval) -> Edit:
        """Returns the change of the region's sequence."""
        variant, window = task.variant, task.window(self.distance)
        return Edit(
            variant.start - region.start,
            len(variant.reference_bases),
            variant.alternate_bases,
            (window.start - region.start, window.end - region.start),
        )


def _reversed(edit: Edit, length: int) -> Edit:
    """Returns an edit of a sequence of that length as seen on the other strand."""
    start, end = edit.window
    return Edit(
        length - edit.start - edit.length,
        edit.length,
        reverse_complement(edit.alternate),
        (length - end, length - start),
    )
