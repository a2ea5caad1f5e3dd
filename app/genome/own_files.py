"""Files that a visitor brings: read in a process of its own, and turned into a bigWig.

Of regions and variants the bigWig holds how many lie over each base; their lines are kept beside
it.

Run as ``python -m app.genome.own_files``: reads what is asked for as JSON from standard input, and
answers as JSON on standard output. Whatever a file does to its reader, it does it there.
"""

from __future__ import annotations

import gzip
import json
import resource
import sys
import zlib
from array import array
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np
import pybigtools
from numpy.typing import NDArray

from app.errors import BadInputError, LimitError, LocuscopeError
from app.genome.chromosomes import ChromosomeNames
from app.genome.features import FeatureFile
from app.genome.features import Kind as FeatureKind

#: Largest file in bytes, also once it is unpacked; most lines and longest line of a text.
MAX_BYTES = 64 * 2**20
MAX_UNPACKED = 512 * 2**20
MAX_LINES = 2_000_000
MAX_LINE = 100_000
#: Memory that the reader may take, in bytes.
MAX_MEMORY = 4 * 2**30
#: No chromosome is longer.
MAX_POSITION = 2**31 - 1
GZIP = b"\x1f\x8b"
#: Where the lines are kept, beside the bigWig.
LINES = "lines.bed.gz"


class Found(NamedTuple):
    """What a file holds, 0-based half-open.

    Attributes:
        chromosomes: Name of each, as in the reference.
        chromosome: Shape (n,), which of them.
        start: Shape (n,).
        end: Shape (n,).
        value: Shape (n,).
        columns: What of each line follows its place, with tabs between.
    """

    chromosomes: list[str]
    chromosome: NDArray[np.int64]
    start: NDArray[np.int64]
    end: NDArray[np.int64]
    value: NDArray[np.float64]
    columns: list[str]


class Kind(NamedTuple):
    """A file format.

    Attributes:
        unit: What a value of its track means.
        columns: Fewest columns of a line.
        value: Column of the value; None where a line counts as 1.
        overlaps: Whether lines may overlap: then the values of a base are added up, or the
            greatest is taken.
    """

    unit: str
    columns: int
    value: int | None
    overlaps: str


KINDS = {
    "bed": Kind("regions a base", 3, None, "sum"),
    "narrowpeak": Kind("signal of the peak", 10, 6, "max"),
    "bedgraph": Kind("value", 4, 3, ""),
    "vcf": Kind("variants a base", 8, None, "sum"),
    "bigwig": Kind("value", 0, None, ""),
}


def convert(path: Path, kind: str, out: Path, lengths: Mapping[str, int | None]) -> dict[str, Any]:
    """Reads a file and writes its signal as bigWig, and beside it the lines of regions.

    Args:
        path: The file.
        kind: One of ``KINDS``.
        out: The bigWig.
        lengths: Length in bp of each chromosome of the reference; None where it is not known.

    Returns:
        ``unit``, the number of ``lines`` (or records) taken, and of those ``skipped`` because the
        reference has no such chromosome.

    Raises:
        BadInputError: The file is not what its name says, or of another genome.
        LimitError: It is larger than the limits above.
    """
    if kind == "bigwig":
        return _check_bigwig(path)
    rows = _vcf_rows(path) if kind == "vcf" else _rows(path, KINDS[kind])
    found, taken, skipped = _collect(rows, lengths)
    if not taken:
        raise BadInputError(
            "This file has no chromosome of this genome."
            if skipped
            else f"This file has no line as {kind} has them."
        )
    if not KINDS[kind].overlaps:
        _check_apart(found)
    header = {name: lengths[name] or MAX_POSITION for name in found.chromosomes}
    order = sorted(range(len(found.chromosomes)), key=lambda i: found.chromosomes[i])
    pieces = (piece for i in order for piece in _pieces(found, i, KINDS[kind].overlaps))
    pybigtools.open(str(out), "w").write(header, pieces)
    if kind in get_args(FeatureKind):
        lines = (line for i in order for line in _kept_lines(found, i))
        FeatureFile.write(out.with_name(LINES), kind, lines)  # type: ignore[arg-type]
    return {"unit": KINDS[kind].unit, "lines": taken, "skipped": skipped}


def _check_bigwig(path: Path) -> dict[str, Any]:
    """Reads a bigWig from end to end, so that nothing in it can surprise the page."""
    count = 0
    with pybigtools.open(str(path)) as file:
        if not file.is_bigwig:
            raise BadInputError("This is a bigBed, not a bigWig. Send it as BED.")
        for name, length in file.chroms().items():
            count += sum(1 for _ in file.records(name))
            file.values(name, 0, length, bins=min(1000, length), summary="mean")
    return {"unit": KINDS["bigwig"].unit, "lines": count, "skipped": 0}


#: One line of a file: its number, chromosome, start, end, value and further columns.
Row = tuple[int, str, int, int, float, str]


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yields the lines of a text that may be gzipped, each with its number."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP
    with gzip.open(path) if packed else path.open("rb") as file:
        size = 0
        for number in range(1, MAX_LINES + 2):
            line = file.readline(MAX_LINE + 1)
            if not line:
                return
            size += len(line)
            if number > MAX_LINES or size > MAX_UNPACKED or len(line) > MAX_LINE:
                raise LimitError(
                    f"A text has at most {MAX_LINES:,} lines of {MAX_LINE:,} characters, and "
                    f"{MAX_UNPACKED // 2**20} MiB in all."
                )
            if b"\0" in line:
                raise BadInputError(f"Line {number} is no text.")
            yield number, line.decode("utf-8", "replace").rstrip("\r\n")


def _rows(path: Path, kind: Kind) -> Iterator[Row]:
    """Yields the lines of BED and its relatives."""
    for number, line in _lines(path):
        if not line.strip() or line.startswith(("#", "track", "browser")):
            continue
        fields = line.split("\t") if "\t" in line else line.split()
        if len(fields) < kind.columns:
            raise BadInputError(
                f"Line {number} has {len(fields)} columns; {kind.columns} are needed."
            )
        start, end = (_whole(text, number) for text in fields[1:3])
        value = 1.0 if kind.value is None else _number(fields[kind.value], number)
        yield number, fields[0], start, end, value, "\t".join(fields[3:])


def _whole(text: str, line: int) -> int:
    digits = text.strip()
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 12):
        raise BadInputError(f"Line {line}: “{_short(text)}” is no position, which is 0 or more.")
    return int(digits)


def _number(text: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not np.isfinite(value) or abs(value) > np.finfo(np.float32).max:
        raise BadInputError(f"Line {line}: “{_short(text)}” is no number.")
    return value


def _short(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:39]}…"


def _vcf_rows(path: Path) -> Iterator[Row]:
    """Yields where the variants of a VCF stand: the bases of REF."""
    import pysam

    pysam.set_verbosity(0)
    # htslib reads a line whole, however long: what it gets has passed the limits of a text.
    plain = path.with_name("plain.vcf")
    with plain.open("w", encoding="utf-8") as file:
        for number, line in _lines(path):
            if number == 1 and not line.startswith("##fileformat=VCF"):
                break
            file.write(f"{line}\n")
    if not plain.stat().st_size:
        raise BadInputError("Line 1 is not ##fileformat=VCF, with which a VCF begins.")
    number = 0
    try:
        with pysam.VariantFile(str(plain)) as variants:
            for number, record in enumerate(variants, 1):
                alleles = f"{record.id or '.'}\t{record.ref}\t{','.join(record.alts or '.')}"
                yield number, record.chrom, record.start, record.stop, 1.0, alleles
    except (OSError, ValueError) as error:
        raise BadInputError(f"After {number:,} variants a line cannot be read.") from error


def _collect(rows: Iterator[Row], lengths: Mapping[str, int | None]) -> tuple[Found, int, int]:
    """Gathers the lines on chromosomes of the reference, and counts the others."""
    names = ChromosomeNames(lengths)
    index: dict[str, int] = {}
    places, values = array("q"), array("d")
    columns: list[str] = []
    skipped = 0
    for line, chromosome, start, end, value, rest in rows:
        name = names.find(chromosome)
        if name is None:
            skipped += 1
            continue
        length = lengths[name] or MAX_POSITION
        if not start < end:
            raise BadInputError(f"Line {line} ends at or before its start.")
        if end > length:
            raise BadInputError(
                f"Line {line} reaches {end:,}, but {name} ends at {length:,}. "
                "Is this file of another assembly?"
            )
        places.extend((index.setdefault(name, len(index)), start, end))
        values.append(value)
        columns.append(rest)
    which, starts, ends = np.array(places, np.int64).reshape(-1, 3).T
    found = Found(list(index), which, starts, ends, np.array(values), columns)
    return found, len(values), skipped


def _in_order(found: Found, which: int) -> NDArray[np.int64]:
    """Returns which lines lie on one chromosome, from left to right."""
    mine = np.flatnonzero(found.chromosome == which)
    return mine[np.lexsort((found.end[mine], found.start[mine]))]


def _sorted(
    found: Found, which: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Returns start, end and value of what lies on one chromosome, from left to right."""
    mine = _in_order(found, which)
    return found.start[mine], found.end[mine], found.value[mine]


def _kept_lines(found: Found, which: int) -> Iterator[str]:
    """Yields the lines of one chromosome under its name in the reference, from left to right."""
    for i in _in_order(found, which).tolist():
        columns = (found.chromosomes[which], found.start[i], found.end[i], found.columns[i])
        yield "\t".join(map(str, columns)).rstrip("\t")


def _check_apart(found: Found) -> None:
    """Raises BadInputError where two lines have a value for one base."""
    for which, name in enumerate(found.chromosomes):
        start, end, _ = _sorted(found, which)
        clash = np.flatnonzero(start[1:] < end[:-1])
        if len(clash):
            at = int(start[clash[0] + 1])
            raise BadInputError(f"Two lines have a value for {name}:{at + 1:,}.")


def _pieces(found: Found, which: int, overlaps: str) -> Iterator[tuple[str, int, int, float]]:
    """Yields the signal of one chromosome in pieces that do not overlap, from left to right."""
    name = found.chromosomes[which]
    start, end, value = _sorted(found, which)
    if not overlaps:
        names = [name] * len(start)
        yield from zip(names, start.tolist(), end.tolist(), value.tolist(), strict=True)
        return
    edges = np.unique(np.concatenate([start, end]))
    first, last = np.searchsorted(edges, start), np.searchsorted(edges, end)
    height = (
        _sums(first, last, value, len(edges))
        if overlaps == "sum"
        else _greatest(first, last, value, len(edges))
    )
    covered = _sums(first, last, np.ones(len(start)), len(edges)) > 0
    for i in np.flatnonzero(covered[:-1]).tolist():
        yield name, int(edges[i]), int(edges[i + 1]), float(height[i])


def _sums(
    first: NDArray[np.int64], last: NDArray[np.int64], value: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    steps = np.zeros(n)
    np.add.at(steps, first, value)
    np.add.at(steps, last, -value)
    return np.cumsum(steps)


def _greatest(
    first: NDArray[np.int64], last: NDArray[np.int64], value: NDArray[np.float64], n: int
) -> NDArray[np.float64]:
    """Returns the greatest value over each stretch: the small ones are written first."""
    result = np.zeros(n)
    for i in np.argsort(value, kind="stable").tolist():
        result[first[i] : last[i]] = value[i]
    return result


def main() -> None:
    """Converts the file that standard input names."""
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    asked = json.load(sys.stdin)
    path, out = Path(asked["path"]), Path(asked["out"])
    answer: dict[str, Any]
    try:
        answer = convert(path, asked["kind"], out, asked["lengths"])
    except LocuscopeError as error:
        answer = {"error": error.message, "limit": isinstance(error, LimitError)}
    except (EOFError, OSError, ValueError, zlib.error, pybigtools.BBIReadError):
        answer = {"error": "This file is damaged, or not what its name says.", "limit": False}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
