"""A change of sequence, as models that compute its effect take it (no torch here)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Bases of a sequence that are replaced by others, and where the effect is asked for.

    All positions are 0-based offsets into the unchanged sequence.

    Attributes:
        start: The first base that is replaced.
        length: How many bases are replaced, at least 1.
        alternate: What stands in their place, at least one of ``ACGTN``.
        window: Half-open interval of the unchanged sequence in which the effect is asked for. In
            the changed sequence it begins at the same offset and is longer by ``shift``.
    """

    start: int
    length: int
    alternate: str
    window: tuple[int, int]

    @property
    def shift(self) -> int:
        """By how many bases the changed sequence is longer; negative for a deletion."""
        return len(self.alternate) - self.length
