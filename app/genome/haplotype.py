"""The alternate sequence: what edits make of a chromosome, and which bases stand for which.

Edits of equal length leave every base in its place. An insertion or a deletion of ``n`` bases moves
all that follows by ``n``. So reference and alternate consist of **blocks** that are each aligned
base by base, at one distance (``shift``) from each other; between two blocks lie inserted bases,
which the reference does not have, or deleted ones, which the alternate does not have.

An inverted or shuffled interval is aligned place by place: what is compared is what stands there.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from app.errors import BadInputError

#: Farther than any base of any chromosome.
FAR = 2**40


@dataclass(frozen=True, order=True)
class Replacement:
    """Bases of the reference, and what stands in their place.

    Attributes:
        start: First base that is replaced, 0-based.
        end: One past the last; ``start`` for an insertion before that base.
        alternate: What stands there instead; may be empty.
    """

    start: int
    end: int
    alternate: str

    @property
    def shift(self) -> int:
        """By how many bases the sequence becomes longer."""
        return len(self.alternate) - (self.end - self.start)

    @property
    def aligned(self) -> int:
        """How many bases are aligned one by one; what is inserted or deleted follows them."""
        return min(self.end - self.start, len(self.alternate))


class Block(NamedTuple):
    """Reference ``[start, end)``, aligned with alternate ``[start + shift, end + shift)``."""

    start: int
    end: int
    shift: int


class Inserted(NamedTuple):
    """Bases that only the alternate has.

    Attributes:
        at: The reference base before which they stand.
        start: The first of them, in coordinates of the alternate.
        length: How many.
        shift: Distance of the block to their left.
    """

    at: int
    start: int
    length: int
    shift: int


class Run(NamedTuple):
    """Adjacent bins ``[first, last)`` whose values are read at one shift."""

    first: int
    last: int
    shift: int


@dataclass(frozen=True)
class Haplotype:
    """Edits of one chromosome, taken together.

    Coordinates of the alternate are those of the reference up to the first edit, and go on from
    there without a gap.

    Attributes:
        chromosome: Its name in the reference.
        replacements: From left to right; none overlaps another.
    """

    chromosome: str
    replacements: tuple[Replacement, ...]

    def __post_init__(self) -> None:
        if not self.replacements:
            raise ValueError("a haplotype has at least one edit")
        for left, right in itertools.pairwise(self.replacements):
            if left.end > right.start or (left.start, left.end) == (right.start, right.end):
                raise BadInputError("Two edits overlap. Remove one of them.")

    @property
    def start(self) -> int:
        """First base of the reference that is edited."""
        return self.replacements[0].start

    @property
    def end(self) -> int:
        """One past the last base of the reference that is edited."""
        return max(self.start, self.replacements[-1].end)

    @property
    def middle(self) -> int:
        """Where windows are centred: the middle of what is edited."""
        return (self.start + self.end) // 2

    @property
    def shift(self) -> int:
        """By how many bases the alternate chromosome is longer."""
        return sum(one.shift for one in self.replacements)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """What is aligned, from left to right; the outer blocks reach beyond any chromosome."""
        found, start, shift = [], -FAR, 0
        for one in self.replacements:
            if one.shift == 0:
                continue
            found.append(Block(start, one.start + one.aligned, shift))
            start, shift = one.end, shift + one.shift
        found.append(Block(start, FAR, shift))
        return tuple(block for block in found if block.start < block.end)

    @cached_property
    def insertions(self) -> tuple[Inserted, ...]:
        """Bases that only the alternate has, from left to right."""
        found, shift = [], 0
        for one in self.replacements:
            if one.shift > 0:
                at = one.start + one.aligned
                found.append(Inserted(at, at + shift, one.shift, shift))
            shift += one.shift
        return tuple(found)

    @cached_property
    def deletions(self) -> tuple[tuple[int, int], ...]:
        """Bases that only the reference has, as (start, end), from left to right."""
        return tuple((r.start + r.aligned, r.end) for r in self.replacements if r.shift < 0)

    def bases(self, read: Callable[[int, int], str], start: int, end: int) -> str:
        """Returns alternate bases.

        Args:
            read: Returns the reference bases of ``[start, end)``.
            start: First base, in coordinates of the alternate.
            end: One past the last.
        """
        parts = []
        for first, past, source in self._segments():
            low, high = max(start, first), min(end, past)
            if low < high:
                if isinstance(source, str):
                    parts.append(source[low - first : high - first])
                else:
                    parts.append(read(source + low - first, source + high - first))
        return "".join(parts)

    def _segments(self) -> Iterator[tuple[int, int, str | int]]:
        """Yields (start, end) in the alternate with the bases, or where the reference has them."""
        at, shift = -FAR, 0
        for one in self.replacements:
            yield at + shift, one.start + shift, at
            first = one.start + shift
            yield first, first + len(one.alternate), one.alternate
            at, shift = one.end, shift + one.shift
        yield at + shift, FAR, at

    def shifts(self, start: int, end: int) -> list[int]:
        """Returns the shifts at which bases of ``[start, end)`` are read.

        Bases that are inserted behind a base are read as what is to their left.
        """
        found = {b.shift for b in self.blocks if b.start < end and start < b.end}
        found |= {one.shift for one in self.insertions if start < one.at <= end}
        return sorted(found)

    def runs(self, start: int, resolution: int, n: int) -> list[Run]:
        """Tells at which shift the bins of a reference grid are read in the alternate.

        A bin belongs to the block that holds most of its bases, of equals to the left one; a bin
        of which every base is deleted belongs to none and is left out.

        Args:
            start: Start of the first bin in the reference.
            resolution: Width of a bin in bp.
            n: How many bins.
        """
        found: list[Run] = []
        free = 0  # the first bin that no block has taken
        for index, block in enumerate(self.blocks):
            first = max(free, (block.start - start) // resolution)
            while first < n and self._owner(start + first * resolution, resolution) < index:
                first += 1  # at most two bins: the border itself and its neighbour
            last = min(n, -((start - block.end) // resolution))
            while last > first and self._owner(start + (last - 1) * resolution, resolution) > index:
                last -= 1
            if first < last and self._owner(start + first * resolution, resolution) == index:
                found.append(Run(first, last, block.shift))
                free = last
        return found

    def _owner(self, start: int, resolution: int) -> int:
        """Returns the index of the block that a bin belongs to, or -1."""
        best, owner = 0, -1
        for index, block in enumerate(self.blocks):
            shared = min(block.end, start + resolution) - max(block.start, start)
            if shared > best:
                best, owner = shared, index
        return owner

    def to_reference(self, position: int) -> int | None:
        """Returns the reference base with which a base of the alternate is aligned, or None."""
        for block in self.blocks:
            if block.start + block.shift <= position < block.end + block.shift:
                return position - block.shift
        return None

    def to_alternate(self, edge: int) -> int:
        """Returns where an edge between two bases of the reference lies in the alternate.

        Inserted bases lie before it, as they belong to the base that they follow; edges between
        deleted bases all lie where those were.

        Args:
            edge: The base of the reference to the right of it.
        """
        shift = 0
        for one in self.replacements:
            kept = one.start + one.aligned
            if edge < kept:
                break
            if edge < one.end:
                return kept + shift
            shift += one.shift
        return edge + shift


def haplotype(chromosome: str, replacements: Iterable[Replacement]) -> Haplotype | None:
    """Returns the replacements of a chromosome as one sequence, or None where there are none.

    Raises:
        BadInputError: Two of them overlap.
    """
    ordered: Sequence[Replacement] = sorted(replacements)
    return Haplotype(chromosome, tuple(ordered)) if ordered else None
