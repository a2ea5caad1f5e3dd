"""Which of two sequences is predicted, and by which windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from app.inference.windows import Window, WindowGrid, bases, only_within

if TYPE_CHECKING:
    from app.genome.haplotype import Haplotype
    from app.genome.reference import Reference
    from models.card import ModelCard

_COMPLEMENT = str.maketrans("ACGT", "TGCA")


class Member(NamedTuple):
    """One way to read a sequence, as in an ensemble of ways that should all tell the same.

    Attributes:
        offset: How many bp to the right of its place a window is read.
        reverse: Whether the reverse complement is read.
        within: First base of the reference that is read, and one past the last: all others are
            read as N. None reads all.
    """

    offset: int = 0
    reverse: bool = False
    within: tuple[int, int] | None = None


#: As the view is predicted: from the plus strand, each window in its place.
PLAIN = Member()
#: Both strands, each read in its place and 1 bp to either side.
ENSEMBLE = tuple(Member(offset, reverse) for reverse in (False, True) for offset in (0, -1, 1))


@dataclass(frozen=True)
class Allele:
    """A sequence: the reference, or what edits make of it.

    Both alleles of an edited view are read through the same windows, of which one is centred on
    the edits, so that they differ by nothing but the edits.

    Attributes:
        haplotype: The edits of the view; None where there are none.
        alternate: Whether it is the edited sequence.
        member: How it is read.
    """

    haplotype: Haplotype | None = None
    alternate: bool = False
    member: Member = PLAIN

    def grid(self, card: ModelCard, reference: Reference) -> WindowGrid:
        """Returns the windows through which it is read."""
        return WindowGrid(card, reference, self.haplotype.middle if self.haplotype else None)

    @cached_property
    def edited(self) -> Haplotype | None:
        """The edits that this sequence has; None for the reference."""
        return self.haplotype if self.alternate else None

    @property
    def key(self) -> object:
        """What names its bases, besides those of the reference."""
        return (self.edited and self.edited.replacements, self.member)

    def sequence(self, window: Window, reference: Reference, shift: int = 0) -> str:
        """Returns the bases that the network reads: full width, with real flanks.

        An insertion pushes bases out of the window and a deletion draws more of them in; N stands
        beyond the ends of the chromosome only. Of the reverse complement these are the bases as the
        network reads them.

        Args:
            window: In coordinates of the reference.
            reference: The genome.
            shift: How far to the right of its place the window is read in the alternate.

        Raises:
            SequenceUnavailableError: The reference does not cover what is read.
        """
        where = window.interval

        def read(start: int, end: int) -> str:
            found = bases(reference, where.chromosome, start, end)
            within = self.member.within
            return found if within is None else only_within(found, start, within)

        start, end = where.start + self.member.offset, where.end + self.member.offset
        if self.edited is None:
            found = read(start, end)
        else:
            found = self.edited.bases(read, start + shift, end + shift)
        return found.translate(_COMPLEMENT)[::-1] if self.member.reverse else found


REFERENCE = Allele()


def alleles(haplotype: Haplotype | None) -> tuple[Allele, ...]:
    """Returns reference and alternate of an edited view; of any other the reference alone."""
    if haplotype is None:
        return (REFERENCE,)
    return Allele(haplotype), Allele(haplotype, alternate=True)
