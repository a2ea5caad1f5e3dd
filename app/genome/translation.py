"""Translation of DNA in the six reading frames, by the standard genetic code."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

#: NCBI translation table 1 with codons in the order TTT, TTC, TTA, TTG, TCT ... GGG; * is a stop.
STANDARD_CODE = "FFLLSSSSYY**CC*WLLLLPPPPHHQQRRRRIIIMTTTTNNKKSSRRVVVVAAAADDEEGGGG"

_DIGITS = np.full(256, -1, np.int8)
_DIGITS[np.frombuffer(b"TCAG", np.uint8)] = range(4)
#: By digit + 1, so that an unknown base stays one: T and A, C and G.
_COMPLEMENT = np.array([-1, 2, 3, 0, 1], np.int8)
_AMINO_ACIDS = np.frombuffer((STANDARD_CODE + "X").encode(), np.uint8)


class Frame(NamedTuple):
    """One reading frame of a stretch of sequence.

    Attributes:
        strand: Which strand is read.
        start: First base of the leftmost codon, 0-based; codon ``i`` is at
            ``[start + 3 * i, start + 3 * i + 3)`` on either strand.
        amino_acids: One letter a codon, from left to right; ``*`` for a stop, ``X`` where a base
            is unknown. Of the minus strand each codon is read from right to left.
    """

    strand: Literal["+", "-"]
    start: int
    amino_acids: str

    @property
    def frame(self) -> int:
        """The frame: what is left of ``start`` divided by 3, so that it stays on panning."""
        return self.start % 3


def frames(bases: str, start: int, strand: Literal["+", "-"]) -> list[Frame]:
    """Translates the three frames of one strand.

    Args:
        bases: The plus strand, upper case.
        start: Position of the first base, 0-based.
        strand: Which strand is read.

    Returns:
        The frames in the order of ``Frame.frame``; those without one whole codon are left out.
    """
    digits = _DIGITS[np.frombuffer(bases.encode("ascii"), np.uint8)]
    found = []
    for frame in range(3):
        first = (frame - start) % 3
        codons = digits[first : first + max(0, len(digits) - first) // 3 * 3].reshape(-1, 3)
        if not len(codons):
            continue
        if strand == "-":
            codons = _COMPLEMENT[codons[:, ::-1] + 1]
        index = np.where((codons < 0).any(1), 64, codons.astype(np.int64) @ (16, 4, 1))
        found.append(Frame(strand, start + first, _AMINO_ACIDS[index].tobytes().decode()))
    return found
