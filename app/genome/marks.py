"""Loops and domains that others called in contact maps, read from BEDPE and BED files."""

from __future__ import annotations

import gzip
import itertools
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from app.errors import BundleError
from app.genome.reference import Reference

Kind = Literal["loops", "domains"]

#: Most lines of a file that are read.
MAX_LINES = 1_000_000
#: No position has more digits.
MAX_DIGITS = 12


class Mark(NamedTuple):
    """Two places of one chromosome, 0-based half-open; of a domain its two ends.

    Attributes:
        start1: Start of the left place.
        end1: End of the left place.
        start2: Start of the right place.
        end2: End of the right place.
    """

    start1: int
    end1: int
    start2: int
    end2: int


@dataclass(frozen=True)
class Marks:
    """The loops or domains of one file.

    Attributes:
        kind: Which of the two.
        name: As people call it.
        biosample: CURIE or name of the cell type in whose maps it belongs; empty: any.
        path: The file.
        by_chromosome: By the chromosome's name in the reference, from left to right.
    """

    kind: Kind
    name: str
    biosample: str
    path: Path
    by_chromosome: dict[str, list[Mark]]

    @classmethod
    def open(
        cls, kind: Kind, name: str, path: Path, reference: Reference, biosample: str = ""
    ) -> Marks:
        """Reads a file; pairs of two chromosomes, and those of others than the reference has, go.

        Args:
            kind: ``loops``: BEDPE; ``domains``: BED.
            name: As people call it.
            path: The file, which may be gzipped. Lines without coordinates are headers.
            reference: The genome's sequence.
            biosample: CURIE or name of the cell type.

        Raises:
            BundleError: It is missing, damaged, or holds no loop or domain.
        """
        found: dict[str, list[Mark]] = {}
        for fields in text_rows(path):
            mark = _loop(fields) if kind == "loops" else _domain(fields)
            chromosome = mark and reference.names.find(fields[0])
            if mark and chromosome:
                found.setdefault(chromosome, []).append(mark)
        if not found:
            raise BundleError(f"{path.name} has no {kind} on the chromosomes of this genome.")
        return cls(kind, name, biosample, path, {c: sorted(marks) for c, marks in found.items()})

    def within(self, chromosome: str, start: int, end: int) -> list[Mark]:
        """Returns those that lie wholly in a region."""
        known = self.by_chromosome.get(chromosome, [])
        return [mark for mark in known if start <= mark.start1 and mark.end2 <= end]


def text_rows(path: Path, separator: str | None = None) -> Iterator[list[str]]:
    """Yields the columns of a table without its comments.

    Args:
        path: The file, which may be gzipped.
        separator: What stands between columns; None for any blanks.

    Raises:
        BundleError: The file is missing or damaged.
    """
    open_ = gzip.open if path.suffix == ".gz" else open
    try:
        with open_(path, "rt", encoding="utf-8") as file:
            for line in itertools.islice(file, MAX_LINES):
                if not line.startswith("#"):
                    yield line.rstrip("\n").split(separator)
    except FileNotFoundError:
        raise BundleError(f"The file {path.name} does not exist.") from None
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise BundleError(f"{path.name} is damaged and cannot be read.") from error


def _loop(fields: list[str]) -> Mark | None:
    """Reads ``chrom1 start1 end1 chrom2 start2 end2``; None for headers and other chromosomes."""
    if len(fields) < 6 or fields[0] != fields[3]:
        return None
    places = _numbers(fields[1:3] + fields[4:6])
    if places is None:
        return None
    left, right = sorted((tuple(places[:2]), tuple(places[2:])))
    return Mark(*left, *right)


def _domain(fields: list[str]) -> Mark | None:
    """Reads ``chrom start end``; None for headers."""
    places = _numbers(fields[1:3])
    if places is None or len(places) < 2:
        return None
    return Mark(places[0], places[0], places[1], places[1])


def is_position(text: str) -> bool:
    """Returns whether a text is a position as tables write it."""
    return text.isascii() and text.isdigit() and len(text) <= MAX_DIGITS


def _numbers(texts: list[str]) -> list[int] | None:
    if not all(map(is_position, texts)):
        return None
    return [int(text) for text in texts]
