"""Regions and variants, line by line: what a visitor's BED, narrowPeak or VCF says of each.

The lines are kept as a sorted BED with an index (tabix), so that those of a view are found at once.
After chromosome, start and end they have the columns of their own format; a variant has ID, REF
and ALT.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import pysam
from alphagenome.data.genome import Interval

Kind = Literal["bed", "narrowpeak", "vcf"]
Span = tuple[int, int]

_COLOUR = re.compile(r"\d{1,3},\d{1,3},\d{1,3}")
_ALLELE = re.compile("[ACGTNacgtn]+")


class Feature(NamedTuple):
    """One line of a file; positions are 0-based half-open.

    Attributes:
        start: First base.
        end: One past the last base.
        name: What it is called; may be empty.
        score: As the file has it; may be empty.
        strand: ``+``, ``-`` or ``.``.
        thick: The part that is drawn thick, e.g. what is coding, or the summit of a peak; None
            where all of it is.
        colour: ``#rrggbb``, or empty where the file does not say.
        blocks: The parts that are drawn as boxes, left to right; empty where it is one box.
        ref: Reference allele of a variant, else empty.
        alt: Alternate allele of a variant, else empty.
    """

    start: int
    end: int
    name: str = ""
    score: str = ""
    strand: str = "."
    thick: Span | None = None
    colour: str = ""
    blocks: tuple[Span, ...] = ()
    ref: str = ""
    alt: str = ""

    @property
    def substitutes(self) -> bool:
        """Whether it is a variant whose alleles are written out, base by base."""
        return all(_ALLELE.fullmatch(allele) for allele in (self.ref, self.alt))


@dataclass(frozen=True)
class FeatureFile:
    """The lines of a file; it is opened for each read, which makes reads safe across threads.

    Attributes:
        path: A sorted, block-compressed BED with its index beside it.
        kind: What its columns mean.
    """

    path: Path
    kind: Kind

    @classmethod
    def write(cls, path: Path, kind: Kind, lines: Iterable[str]) -> FeatureFile:
        """Keeps lines.

        Args:
            path: Ends in ``.bed.gz``.
            kind: What their columns mean.
            lines: Chromosome, start, end and further columns, with tabs between them; those of one
                chromosome together, from left to right.
        """
        plain = path.with_suffix("")
        with plain.open("w", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        pysam.tabix_compress(str(plain), str(path), force=True)
        plain.unlink()
        pysam.tabix_index(str(path), preset="bed", csi=True)  # reaches further than .tbi
        return cls(path, kind)

    def overlapping(self, interval: Interval, most: int) -> list[Feature] | None:
        """Returns the features that overlap an interval, by their start.

        Args:
            interval: 0-based half-open; may reach beyond the chromosome.
            most: How many lines are read.

        Returns:
            None where there are more than ``most`` lines.
        """
        read = {"bed": _bed, "narrowpeak": _peak, "vcf": _variants}[self.kind]
        found: list[Feature] = []
        for count, line in enumerate(self.lines(interval)):
            if count == most:
                return None
            _, start, end, *rest = line.split("\t")
            found += read(int(start), int(end), rest)
        return found

    def lines(self, interval: Interval) -> Iterator[str]:
        """Yields the lines of the features that overlap an interval, by their start."""
        with pysam.TabixFile(str(self.path), index=f"{self.path}.csi") as file:
            if interval.chromosome in file.contigs and interval.end > 0:
                start = max(0, interval.start)
                yield from file.fetch(interval.chromosome, start, interval.end)


def _at(columns: Sequence[str], i: int) -> str:
    """Returns a column, empty where the line has none or only the dot that stands for none."""
    return columns[i] if i < len(columns) and columns[i] != "." else ""


def _strand(columns: Sequence[str]) -> str:
    return columns[2] if _at(columns, 2) in ("+", "-") else "."


def _bed(start: int, end: int, rest: Sequence[str]) -> list[Feature]:
    """Reads BED3 to BED12; columns that are not as UCSC defines them say nothing of the drawing."""
    thick = _span(_at(rest, 3), _at(rest, 4))
    if thick == (start, end) or (thick and not start <= thick[0] <= thick[1] <= end):
        thick = None
    colour = _at(rest, 5)
    one = Feature(
        start,
        end,
        _at(rest, 0),
        _at(rest, 1),
        _strand(rest),
        thick,
        _hex(colour) if _COLOUR.fullmatch(colour) else "",
        _blocks(start, end, rest[6:9]),
    )
    return [one]


def _span(first: str, last: str) -> Span | None:
    return (int(first), int(last)) if first.isdecimal() and last.isdecimal() else None


def _hex(colour: str) -> str:
    red, green, blue = (min(255, int(part)) for part in colour.split(","))
    # Black is what programs write that have no colour to give; it would vanish on dark ground.
    return f"#{red:02x}{green:02x}{blue:02x}" if red or green or blue else ""


def _blocks(start: int, end: int, columns: Sequence[str]) -> tuple[Span, ...]:
    """Returns the blocks of BED12; none where they do not fit into the line's own interval."""
    if len(columns) < 3 or not columns[0].isdecimal():
        return ()
    lists = [[part for part in column.split(",") if part] for column in columns[1:]]
    if any(not part.isdecimal() for parts in lists for part in parts):
        return ()
    sizes, starts = ([int(part) for part in parts] for parts in lists)
    if not len(sizes) == len(starts) == int(columns[0]):
        return ()
    blocks = [(start + at, start + at + size) for at, size in zip(starts, sizes, strict=True)]
    edges = [edge for block in blocks for edge in block]
    fits = edges == sorted(edges) and edges[:1] == [start] and edges[-1:] == [end]
    return tuple(blocks) if fits else ()


def _peak(start: int, end: int, rest: Sequence[str]) -> list[Feature]:
    """Reads ENCODE's narrowPeak: its tenth column is the summit, counted from the start."""
    summit = _at(rest, 6)
    at = start + int(summit) if summit.isdecimal() and int(summit) < end - start else None
    thick = (at, at + 1) if at is not None else None
    return [Feature(start, end, _at(rest, 0), _at(rest, 3), _strand(rest), thick)]


def _variants(start: int, end: int, rest: Sequence[str]) -> list[Feature]:
    """Reads a variant: one feature for each alternate allele."""
    name, ref, alts = rest
    shown = "" if name == "." else name
    return [Feature(start, end, shown, ref=ref, alt=alt) for alt in alts.split(",")]
