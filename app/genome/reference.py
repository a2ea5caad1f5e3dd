"""Reference sequence: whole chromosomes or pieces of them, from FASTA or 2bit."""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

import py2bit
import pyfaidx
from alphagenome.data.genome import Interval

from app.errors import BundleError, NotFoundError, SequenceUnavailableError
from app.genome.chromosomes import ChromosomeNames, assembly_length, canonical_assembly
from app.genome.derived import derived
from app.genome.locus import format_interval, format_position, parse_region

_TO_ACGTN = bytes.maketrans(
    bytes(range(256)),
    bytes(ord(chr(b).upper()) if chr(b) in "ACGTacgt" else 78 for b in range(256)),
)
_BGZF_MARK = b"BC\x02\x00"


class _SequenceFile(Protocol):
    """An open sequence file."""

    def lengths(self) -> dict[str, int]:
        """Returns the length of every record."""

    def read(self, name: str, start: int, end: int) -> str:
        """Returns part of a record, 0-based half-open, in the file's own letters."""


class _Fasta:
    def __init__(self, path: Path) -> None:
        _check_compression(path)

        def write_index(target: Path) -> None:
            blocks = target.with_suffix(".gzi")  # written for bgzipped files only
            pyfaidx.Faidx(path, indexname=target, gzi_indexname=blocks).close()

        index = derived(path, ".fai", write_index)
        self._file = pyfaidx.Fasta(
            path,
            indexname=index,
            gzi_indexname=index.with_suffix(".gzi"),
            as_raw=True,
            rebuild=False,
        )

    def lengths(self) -> dict[str, int]:
        return {name: len(self._file[name]) for name in self._file.keys()}  # noqa: SIM118 no dict

    def read(self, name: str, start: int, end: int) -> str:
        return str(self._file[name][start:end])


class _TwoBit:
    def __init__(self, path: Path) -> None:
        self._file = py2bit.open(str(path))

    def lengths(self) -> dict[str, int]:
        return dict(self._file.chroms())

    def read(self, name: str, start: int, end: int) -> str:
        return str(self._file.sequence(name, start, end))


def _check_compression(path: Path) -> None:
    with path.open("rb") as file:
        head = file.read(16)
    if head[:1] == b">":
        return
    if head[:2] != b"\x1f\x8b":
        raise BundleError(f"{path.name} is not a FASTA file: its first character is not >.")
    if head[12:16] != _BGZF_MARK:
        plain = path.name.removesuffix(".gz")
        raise BundleError(
            f"{path.name} is compressed with gzip, which cannot be read from the middle. "
            f"Recompress it: gunzip {path.name} && bgzip {plain}"
        )
    if path.suffix.lower() not in (".gz", ".bgz"):
        raise BundleError(f"{path.name} is compressed with bgzip: rename it so that it ends in .gz")


@dataclass(frozen=True)
class _Record:
    """One record of the file and where it lies on its chromosome, 0-based half-open."""

    name: str
    chromosome: str
    start: int
    end: int
    whole: bool


def _record(name: str, length: int) -> _Record:
    piece = parse_region(name)
    if piece is None:
        return _Record(name, name, 0, length, whole=True)
    if piece.width != length:
        raise BundleError(
            f"The record {name} of the reference has {length:,} bases, but its name says "
            f"{piece.width:,}. Names of pieces are 1-based and inclusive."
        )
    return _Record(name, piece.chromosome, piece.start, piece.end, whole=False)


class Reference:
    """The reference sequence of a bundle.

    Reads are lazy, and safe across threads and forks: every thread of every process opens the
    file for itself.

    Attributes:
        path: The FASTA (plain or bgzipped) or 2bit file.
        assembly: Name of the assembly; lengths of known ones (hg19, hg38) are checked.
        pieces: What the file covers, sorted; a whole chromosome is one piece, and records that
            overlap or touch are one piece together.
        chromosomes: Length in bp by name; None where only pieces are known.
        names: The chromosome names, found by any spelling.
    """

    def __init__(self, path: Path, assembly: str = "") -> None:
        """Opens the file and lists what it covers.

        Raises:
            BundleError: The file is missing, damaged, compressed with plain gzip, or its records
                contradict each other or their names.
        """
        self.path = path
        self.assembly = canonical_assembly(assembly)
        self._local = threading.local()
        try:
            records = [_record(name, n) for name, n in self._file().lengths().items()]
        except (OSError, RuntimeError, ValueError, pyfaidx.FastaIndexingError) as error:
            raise BundleError(f"The reference {path.name} cannot be read: {error}") from error
        if not records:
            raise BundleError(f"The reference {path.name} holds no sequence.")
        self._records: dict[str, list[_Record]] = {}
        for record in records:
            self._records.setdefault(record.chromosome, []).append(record)
        for group in self._records.values():
            group.sort(key=lambda r: (r.start, r.end))
        self.chromosomes: dict[str, int | None] = {
            chromosome: next((r.end for r in group if r.whole), None)
            for chromosome, group in self._records.items()
        }
        self.names = ChromosomeNames(self.chromosomes)
        self._pieces = {name: _merge(group) for name, group in self._records.items()}
        self.pieces: tuple[Interval, ...] = tuple(itertools.chain(*self._pieces.values()))
        self._check_records()
        self._check_assembly()

    def _file(self) -> _SequenceFile:
        if getattr(self._local, "pid", None) != os.getpid():
            two_bit = self.path.suffix.lower() == ".2bit"
            self._local.file = _TwoBit(self.path) if two_bit else _Fasta(self.path)
            self._local.pid = os.getpid()
        file: _SequenceFile = self._local.file
        return file

    def _check_records(self) -> None:
        for group in self._records.values():
            for left, right in itertools.pairwise(group):
                start, end = right.start, min(left.end, right.end)
                if start < end and self._read(left, start, end) != self._read(right, start, end):
                    raise BundleError(
                        f"The records {left.name} and {right.name} of the reference differ "
                        "where they overlap."
                    )

    def _check_assembly(self) -> None:
        for chromosome, length in self.chromosomes.items():
            known = assembly_length(self.assembly, chromosome)
            end = max(r.end for r in self._records[chromosome])
            if known is not None and ((length is not None and length != known) or end > known):
                raise BundleError(
                    f"{chromosome} ends at {end:,} in {self.path.name}, but has {known:,} bp in "
                    f"{self.assembly}. Correct assembly in genome.toml, or name a piece of a "
                    f"chromosome by its place, e.g. {chromosome}:1-{end}."
                )

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the file in hex; computed once for a file and kept (1.7 GB a second)."""

        def write(target: Path) -> None:
            with self.path.open("rb") as file:
                target.write_text(hashlib.file_digest(file, "sha256").hexdigest())

        return derived(self.path, ".sha256", write).read_text()

    def resolve(self, name: str) -> str:
        """Returns this reference's name of a chromosome that may be spelt otherwise.

        Raises:
            NotFoundError: There is no such chromosome; the suggestion is the nearest name.
        """
        found = self.names.find(name)
        if found is None:
            nearest = self.names.nearest(name)
            hint = f" Did you mean {nearest}?" if nearest else ""
            raise NotFoundError(f"This genome has no chromosome {name}.{hint}", nearest)
        return found

    def length(self, chromosome: str) -> int | None:
        """Returns the length of a chromosome in bp, or None where nothing tells it."""
        return self.chromosomes.get(chromosome) or assembly_length(self.assembly, chromosome)

    def pieces_on(self, chromosome: str) -> list[Interval]:
        """Returns the pieces of one chromosome from left to right."""
        return self._pieces.get(chromosome, [])

    def nearest_piece(self, interval: Interval) -> Interval:
        """Returns the piece that shares most bases with an interval, or else lies nearest to it.

        Raises:
            NotFoundError: There is no such chromosome.
        """
        pieces = self.pieces_on(self.resolve(interval.chromosome))
        return min(pieces, key=lambda piece: _distance(piece, interval))

    def piece_containing(self, interval: Interval) -> Interval:
        """Returns the piece that covers the whole interval.

        Raises:
            NotFoundError: There is no such chromosome.
            SequenceUnavailableError: No piece covers all of it; names the nearest one.
        """
        piece = self.nearest_piece(interval)
        if piece.start <= interval.start and interval.end <= piece.end:
            return piece
        nearest = format_interval(piece)
        asked = (
            format_position(interval.chromosome, interval.start)
            if interval.width == 1
            else format_interval(interval)
        )
        raise SequenceUnavailableError(
            f"The sequence of this genome does not cover {asked}. "
            f"The nearest part that it has is {nearest}.",
            nearest,
        )

    def fetch(self, interval: Interval) -> str:
        """Returns the sequence of an interval: upper case, anything but A, C, G and T as N.

        The strand of the interval is not looked at: this is always the plus strand.

        Raises:
            NotFoundError: There is no such chromosome.
            SequenceUnavailableError: The interval is not wholly inside one piece.
            BundleError: The file has become unreadable.
        """
        piece = self.piece_containing(interval)
        parts = []
        position = interval.start
        for record in self._records[piece.chromosome]:
            if record.start <= position < min(record.end, interval.end):
                end = min(record.end, interval.end)
                parts.append(self._read(record, position, end))
                position = end
        return "".join(parts)

    def _read(self, record: _Record, start: int, end: int) -> str:
        try:
            text = self._file().read(record.name, start - record.start, end - record.start)
        except (OSError, RuntimeError, ValueError, pyfaidx.FetchError) as error:
            raise BundleError(f"{self.path.name} cannot be read any more: {error}") from error
        if len(text) != end - start:
            raise BundleError(f"{self.path.name} is shorter than its index says: was it changed?")
        return text.encode().translate(_TO_ACGTN).decode()

    def check_lengths(self, lengths: Mapping[str, int], file: str) -> None:
        """Checks that a file of measurements was made on this assembly.

        Args:
            lengths: Chromosome lengths in bp that the file states, by its own names.
            file: How the file is called in the message.

        Raises:
            BundleError: A length contradicts the reference, or no chromosome is shared.
        """
        shared = 0
        for name, stated in lengths.items():
            chromosome = self.names.find(name)
            if chromosome is None:
                continue
            shared += 1
            expected = self.length(chromosome)
            if expected is not None and stated != expected:
                raise BundleError(
                    f"{file} was made on another assembly: its {name} has {stated:,} bp, that of "
                    f"{self.assembly or 'the reference'} {expected:,} bp."
                )
            end = max(piece.end for piece in self.pieces_on(chromosome))
            if stated < end:
                raise BundleError(
                    f"{file} was made on another assembly: its {name} has {stated:,} bp, but the "
                    f"reference reaches {end:,}."
                )
        if not shared:
            raise BundleError(f"{file} has no chromosome in common with the reference.")


def _merge(records: Iterable[_Record]) -> list[Interval]:
    merged: list[Interval] = []
    for record in records:
        if merged and record.start <= merged[-1].end:
            merged[-1].end = max(merged[-1].end, record.end)
        else:
            merged.append(Interval(record.chromosome, record.start, record.end))
    return merged


def _distance(piece: Interval, interval: Interval) -> int:
    """Returns how many bases lie between the two; negative by as many as they share."""
    gap: int = max(piece.start, interval.start) - min(piece.end, interval.end)
    return gap
