"""Sequence patterns: matrices, how they are scored, and how often chance reaches a score."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int8]

DATA = Path(__file__).parent / "data"
BASES = "ACGT"
#: Score of a place that cannot hold the pattern: it reaches beyond the sequence or over an N.
IMPOSSIBLE = np.float32(-1e4)
#: Part of every column that is spread evenly over the bases, so that no base is impossible.
PSEUDO = 0.01
#: Bases that one look-up scores at a time.
WORD = 8


@dataclass(frozen=True)
class Motif:
    """A position count matrix.

    Attributes:
        name: Factor or site.
        accession: JASPAR accession with version; empty where the matrix is not from JASPAR.
        counts: Shape (width, 4), columns A, C, G, T.
    """

    name: str
    accession: str
    counts: npt.NDArray[np.float64]

    @property
    def width(self) -> int:
        """Number of positions."""
        return len(self.counts)

    @property
    def consensus(self) -> str:
        """The most frequent base of every position."""
        return "".join(BASES[i] for i in self.counts.argmax(1))

    @property
    def bits(self) -> Floats:
        """Log-odds against even bases, ``log2(p / 0.25)``; shape (width, 4)."""
        frequencies = self.counts / self.counts.sum(1, keepdims=True)
        odds = ((1 - PSEUDO) * frequencies + PSEUDO / 4) * 4
        bits: Floats = np.log2(odds).astype(np.float32)
        return bits

    @property
    def best_score(self) -> float:
        """Score of the consensus in bits."""
        return float(self.bits.max(1).sum())


def _rows(name: str) -> list[dict[str, str]]:
    with (DATA / name).open(encoding="utf-8") as file:
        lines = [line for line in file if not line.startswith("#")]
    return list(csv.DictReader(lines, delimiter="\t"))


@lru_cache(maxsize=1)
def jaspar() -> dict[str, Motif]:
    """Returns the JASPAR matrices by factor name."""
    return _grouped(_rows("jaspar.tsv"), "name")


@lru_cache(maxsize=1)
def splice_sites() -> dict[str, Motif]:
    """Returns the matrices ``donor`` (positions -3 to +6) and ``acceptor`` (-20 to +1)."""
    return _grouped(_rows("splice_sites.tsv"), "site")


def _grouped(rows: list[dict[str, str]], key: str) -> dict[str, Motif]:
    names = dict.fromkeys(row[key] for row in rows)
    found = {}
    for name in names:
        mine = [row for row in rows if row[key] == name]
        counts = np.array([[float(row[base]) for base in BASES] for row in mine])
        found[name] = Motif(name, mine[0].get("accession", ""), counts)
    return found


_IUPAC = {
    "A": "A", "C": "C", "G": "G", "T": "T", "R": "AG", "Y": "CT", "W": "AT", "S": "CG", "N": "ACGT"
}  # fmt: skip


def motif_of_consensus(name: str, consensus: str, strictness: float = 0.9) -> Motif:
    """Builds a matrix from IUPAC letters; the named bases share ``strictness``."""
    counts = np.full((len(consensus), 4), (1 - strictness) * 25)
    for position, letter in enumerate(consensus):
        for base in _IUPAC[letter]:
            counts[position, BASES.index(base)] += strictness * 100 / len(_IUPAC[letter])
    return Motif(name, "", counts)


_CODE = np.full(256, 4, np.int8)
for _i, _base in enumerate(BASES):
    _CODE[ord(_base)] = _CODE[ord(_base.lower())] = _i


def encode(sequence: str) -> Codes:
    """Returns 0 to 3 for A, C, G, T and 4 for everything else."""
    return _CODE[np.frombuffer(sequence.encode("ascii"), np.uint8)]


def decode(codes: Codes) -> str:
    """Returns the letters of codes; 4 is N."""
    return np.frombuffer(b"ACGTN", np.uint8)[codes].tobytes().decode()


def reverse_complement(codes: Codes) -> Codes:
    """Returns the other strand, read in its own direction."""
    other: Codes = np.array([3, 2, 1, 0, 4], np.int8)[codes[::-1]]
    return other


class Scanner:
    """Scores matrices at every place of one sequence, eight bases a look-up."""

    def __init__(self, codes: Codes) -> None:
        self.length = len(codes)
        padded = np.concatenate([codes, np.full(WORD - 1, 4, np.int8)])
        known = np.where(padded < 4, padded, 0).astype(np.int32)
        self._words = np.zeros(self.length, np.int32)
        for offset in range(WORD):
            self._words = self._words * 4 + known[offset : offset + self.length]
        self._unknown = np.concatenate([[0], np.cumsum(codes > 3)])

    def score(self, bits: Floats) -> Floats:
        """Scores a matrix of shape (width, 4).

        Returns:
            Shape (length,): the score in bits of the place that begins at each base;
            ``IMPOSSIBLE`` where it does not fit or holds an N.
        """
        width = len(bits)
        result = np.full(self.length, IMPOSSIBLE)
        places = self.length - width + 1
        if places < 1:
            return result
        total = np.zeros(places, np.float32)
        for first in range(0, width, WORD):
            words = self._words[first : first + places]
            total += _word_scores(bits[first : first + WORD])[words]
        total[self._unknown[width:] > self._unknown[:places]] = IMPOSSIBLE
        result[:places] = total
        return result


def _word_scores(bits: Floats) -> Floats:
    """Scores every word of eight bases against the first positions of a matrix."""
    scores = np.zeros(1, np.float32)
    for position in range(WORD):
        column = bits[position] if position < len(bits) else np.zeros(4, np.float32)
        scores = (scores[:, None] + column[None, :]).ravel()
    return scores


def score_at_rate(motif: Motif, rate: float) -> float:
    """Returns the score that random bases reach at a given rate a place.

    The distribution of scores over independent, equally frequent bases is the convolution of
    those of the positions (Staden 1989), here on a grid of 0.01 bits.
    """
    steps = np.rint((motif.bits - motif.bits.min(1, keepdims=True)) * 100).astype(int)
    lowest = float(motif.bits.min(1).sum())
    chance = np.ones(1)
    for column in steps:
        longer = np.zeros(len(chance) + column.max())
        for step in column:
            longer[step : step + len(chance)] += chance / 4
        chance = longer
    tail = chance[::-1].cumsum()[::-1]
    reached = np.flatnonzero(tail <= rate)
    return lowest + float(reached[0] if len(reached) else len(tail) - 1) / 100
