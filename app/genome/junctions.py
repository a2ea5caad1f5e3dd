"""Measured splice junctions: introns with the reads that span them, from BED files."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

from app.errors import BundleError
from app.genome.reference import Reference
from models.card import Track


class Junctions(NamedTuple):
    """Introns, from left to right.

    Attributes:
        start: First base of each intron, 0-based.
        end: One past its last base.
        value: In the unit of the track.
    """

    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float32]


@dataclass(frozen=True)
class JunctionTrack:
    """Measured introns of one sample and strand.

    The file is BED, which may be gzipped, with the number of reads in the score column. A line of
    twelve columns with two blocks is what aligners write: the intron is the gap between the blocks.
    Any other line is an intron itself.

    Attributes:
        track: What was measured. Of a track with a strand only lines of that strand count.
        path: The file.
        reference: Whose chromosomes it speaks of; lines of others are left out.
        predicted: Id of the predicted track that it belongs to, or None.
    """

    track: Track
    path: Path
    reference: Reference
    predicted: str | None = None

    @classmethod
    def open(
        cls, track: Track, path: Path, reference: Reference, predicted: str | None = None
    ) -> JunctionTrack:
        """Checks that the file begins as it should; all of it is read when it is first asked.

        Raises:
            BundleError: It does not exist, or its first line cannot be read.
        """
        opened = cls(track, path, reference, predicted)
        next(opened._lines(), None)
        return opened

    def values(self, interval: Interval) -> Junctions:
        """Returns the introns that overlap an interval.

        Raises:
            BundleError: The file cannot be read.
        """
        found = self._introns.get(interval.chromosome)
        if found is None:
            nothing = np.empty(0, np.int64)
            return Junctions(nothing, nothing, np.empty(0, np.float32))
        near = (found.start < interval.end) & (interval.start < found.end)
        return Junctions(found.start[near], found.end[near], found.value[near])

    @cached_property
    def _introns(self) -> dict[str, Junctions]:
        """The introns by chromosome."""
        rows: dict[str, list[tuple[int, int, float]]] = {}
        for name, start, end, reads in self._lines():
            chromosome = self.reference.names.find(name)
            if chromosome is not None:
                rows.setdefault(chromosome, []).append((start, end, reads))
        found = {}
        for chromosome, introns in rows.items():
            starts, ends, values = zip(*sorted(introns), strict=True)
            found[chromosome] = Junctions(
                np.array(starts, np.int64), np.array(ends, np.int64), np.array(values, np.float32)
            )
        return found

    def _lines(self) -> Iterator[tuple[str, int, int, float]]:
        """Yields chromosome, start, end and reads of each intron of the strand."""
        try:
            opened = gzip.open if self.path.suffix == ".gz" else open
            with opened(self.path, "rt", encoding="utf-8") as file:
                for number, line in enumerate(file, 1):
                    if line.strip() and not line.startswith(("#", "track ", "browser ")):
                        row = self._read(line.rstrip("\n").split("\t"), number)
                        if self.track.strand in (".", row[4]):
                            yield row[:4]
        except (OSError, UnicodeDecodeError, EOFError) as error:
            raise BundleError(f"{self.path} cannot be read: {error}.") from error

    def _read(self, columns: list[str], number: int) -> tuple[str, int, int, float, str]:
        try:
            start, end = int(columns[1]), int(columns[2])
            if len(columns) >= 12 and columns[9] == "2":
                size, _ = (int(text) for text in columns[10].rstrip(",").split(","))
                _, second = (int(text) for text in columns[11].rstrip(",").split(","))
                start, end = start + size, start + second
            reads, strand = float(columns[4]), columns[5]
        except (ValueError, IndexError):
            start, end, reads, strand = 0, 0, 0.0, "."
        if not 0 <= start < end or not 0 <= reads < np.inf:
            raise BundleError(
                f"{self.path}: line {number} is no junction. It needs the columns of BED: "
                "chromosome, start, end, name, reads and strand, with tabs between them."
            )
        return columns[0], start, end, reads, strand
