"""Cytobands of chromosomes, from a file in the format of UCSC's ``cytoBand`` table."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from app.errors import BundleError
from app.genome.marks import is_position, text_rows
from app.genome.reference import Reference

#: How a band takes the stain; ``acen`` is the centromere, ``gvar`` and ``stalk`` vary in length.
STAINS = {
    *("gneg", "gpos", "gpos25", "gpos33", "gpos50", "gpos66", "gpos75", "gpos100"),
    *("acen", "gvar", "stalk"),
}


class Cytoband(NamedTuple):
    """One band, 0-based half-open.

    Attributes:
        start: First base.
        end: One past the last.
        name: E.g. ``q11.22``; may be empty.
        stain: One of ``STAINS``.
    """

    start: int
    end: int
    name: str
    stain: str


def read_cytobands(path: Path, reference: Reference) -> dict[str, list[Cytoband]]:
    """Reads the bands of the chromosomes that a reference has.

    Args:
        path: Columns chromosome, start (0-based), end, name and stain with tabs between them, no
            header; may be gzipped.
        reference: The genome's sequence.

    Returns:
        By the chromosome's name in the reference, from left to right.

    Raises:
        BundleError: The file is missing, damaged, of another assembly, or holds no band.
    """
    found: dict[str, list[Cytoband]] = {}
    for fields in text_rows(path, "\t"):
        chromosome = reference.names.find(fields[0])
        if len(fields) < 5 or chromosome is None:
            continue
        start, end, name, stain = fields[1:5]
        if not (is_position(start) and is_position(end) and stain in STAINS):
            raise BundleError(f"{path.name} is no table of cytobands: “{' '.join(fields)[:80]}”.")
        band = Cytoband(int(start), int(end), name, stain)
        length = reference.length(chromosome)
        if band.start >= band.end or (length is not None and band.end > length):
            raise BundleError(
                f"{path.name} was made on another assembly: {chromosome} does not reach {end}."
            )
        found.setdefault(chromosome, []).append(band)
    if not found:
        raise BundleError(f"{path.name} has no bands of the chromosomes of this genome.")
    return {chromosome: sorted(bands) for chromosome, bands in found.items()}
