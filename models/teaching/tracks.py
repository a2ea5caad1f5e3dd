"""What the oracle tells: every track with its words and unit."""

from __future__ import annotations

from functools import lru_cache

from models.card import Strand, Track
from models.teaching.cells import Cell, cells

MARKS = ("H3K4me3", "H3K27ac", "H3K4me1", "H3K36me3", "H3K27me3")
CHIP_RESOLUTION = 128
CONTACT_RESOLUTION = 2048
#: A factor is measured in the cells that hold at least this much of it.
LEAST_CONCENTRATION = 1.0
_STRANDS: tuple[Strand, ...] = ("+", "-")


def track_id(modality: str, name: str, strand: Strand, source: str = "teaching") -> str:
    """Returns the id of a track; those of the oracle have the source ``teaching``."""
    return f"{source}/{modality}/{name}/{strand}"


def _track(  # noqa: PLR0917 - one row of a table
    modality: str, cell: Cell | None, what: str, strand: Strand, resolution: int, unit: str,
    assay: str, target: str = "",
) -> Track:  # fmt: skip
    name = f"{cell.key}-{what}" if cell else what
    return Track(
        id=track_id(modality, name, strand),
        modality=modality,
        name=name,
        strand=strand,
        resolution=resolution,
        unit=unit,
        biosample=cell.biosample if cell else None,
        assay=assay,
        target=target,
        summary="max" if modality.startswith("SPLICE") else "mean",
    )


def _of_cell(cell: Cell) -> list[Track]:
    cuts, starts = "cuts per bp", "transcript starts per bp"
    found = [
        _track("ATAC", cell, "ATAC", ".", 1, cuts, "ATAC-seq"),
        _track("DNASE", cell, "DNase", ".", 1, cuts, "DNase-seq"),
    ]
    for strand in _STRANDS:
        found += [
            _track("CAGE", cell, "CAGE", strand, 1, starts, "CAGE"),
            _track("PROCAP", cell, "PRO-cap", strand, 1, starts, "PRO-cap"),
            _track("RNA_SEQ", cell, "RNA", strand, 1, "coverage per bp", "total RNA-seq"),
            _track("SPLICE_SITE_USAGE", cell, "usage", strand, 1, "part of transcripts", "RNA-seq"),
            _track("SPLICE_JUNCTIONS", cell, "junctions", strand, 1, "reads", "RNA-seq"),
        ]
    fold = "enrichment per 128 bp"
    found += [
        _track("CHIP_HISTONE", cell, mark, ".", CHIP_RESOLUTION, fold, "Histone ChIP-seq", mark)
        for mark in MARKS
    ]
    found += [
        _track(
            "CHIP_TF", cell, name.replace("::", "-"), ".", CHIP_RESOLUTION, fold, "TF ChIP-seq",
            name,
        )
        for name, amount in cell.concentrations.items()
        if amount >= LEAST_CONCENTRATION
    ]  # fmt: skip
    unit = "contacts relative to a bin with itself"
    found.append(_track("CONTACT_MAPS", cell, "Hi-C", ".", CONTACT_RESOLUTION, unit, "Hi-C"))
    return found


@lru_cache(maxsize=1)
def tracks() -> tuple[Track, ...]:
    """Returns every track of the oracle, the splice sites first and then cell by cell."""
    sites = [
        _track("SPLICE_SITES", None, kind, strand, 1, "probability", "")
        for kind in ("donor", "acceptor")
        for strand in _STRANDS
    ]
    return tuple(sites + [track for cell in cells() for track in _of_cell(cell)])
