"""Model cards and tracks: what is known about a model without loading it (no torch here)."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

import pandas as pd

Strand = Literal["+", "-", "."]
Summary = Literal["mean", "max"]
Validation = Literal["official outputs", "upstream code", "known truth", "architecture only"]
Precision = Literal["bf16", "fp32"]
Kind = Literal["signal", "contacts", "junctions"]

#: Output types of the AlphaGenome SDK, ours for models that predict something else, and what a
#: visitor brings.
MODALITIES = (
    "ATAC",
    "DNASE",
    "RNA_SEQ",
    "CAGE",
    "PROCAP",
    "CHIP_HISTONE",
    "CHIP_TF",
    "SPLICE_SITES",
    "SPLICE_SITE_USAGE",
    "SPLICE_JUNCTIONS",
    "CONTACT_MAPS",
    "ELEMENTS",
    "BASE_PROBABILITY",
    "OWN",
)


#: Units of contact tracks whose values are logarithms of observed over expected contacts at that
#: distance, and what turns them into log2. Contacts in any other unit are not logarithmic.
LOG_RATIOS = {"ln observed/expected": 1 / math.log(2), "log2 observed/expected": 1.0}


class WeightsError(Exception):
    """A model cannot be opened; the message says why and what to do."""


@dataclass(frozen=True)
class Biosample:
    """A cell type, tissue or cell line.

    Attributes:
        name: As people write it, e.g. ``HepG2``.
        curie: Ontology CURIE, e.g. ``EFO:0001187``; empty where none is known.
        synonyms: Other names by which it may be searched.
    """

    name: str
    curie: str = ""
    synonyms: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """What names this biosample in a URL: its CURIE, or its name where it has none."""
        return self.curie or self.name


@dataclass(frozen=True)
class Track:
    """One predicted or measured signal along the genome.

    Attributes:
        id: ``model/MODALITY/name/strand``, or ``observed/dataset/name/strand``; stable.
        modality: One of ``MODALITIES``.
        name: Name within the source, e.g. the ENCODE file accession.
        strand: ``+``, ``-`` or ``.`` (no strand).
        resolution: Width of one native bin in bp; bin ``i`` of an array that starts at ``start``
            covers ``[start + i * resolution, start + (i + 1) * resolution)``.
        unit: What one number means, e.g. ``coverage per 32 bp``.
        biosample: The cell type, or None where the track has none (e.g. splice sites).
        assay: Assay title, e.g. ``DNase-seq``.
        target: Factor or mark, for ChIP.
        summary: How bins are merged when zoomed out: ``mean``, or ``max`` for sparse
            per-base probabilities that a mean would wipe out.
    """

    id: str
    modality: str
    name: str
    strand: Strand
    resolution: int
    unit: str
    biosample: Biosample | None = None
    assay: str = ""
    target: str = ""
    summary: Summary = "mean"

    @property
    def kind(self) -> Kind:
        """What one value belongs to: a bin, a pair of bins, or an intron."""
        kinds: dict[str, Kind] = {"CONTACT_MAPS": "contacts", "SPLICE_JUNCTIONS": "junctions"}
        return kinds.get(self.modality, "signal")

    def __post_init__(self) -> None:
        if self.modality not in MODALITIES:
            raise ValueError(f"unknown modality {self.modality!r}; one of {', '.join(MODALITIES)}")
        if self.strand not in ("+", "-", "."):
            raise ValueError(f"strand must be +, - or ., not {self.strand!r}")
        if self.resolution < 1:
            raise ValueError(f"resolution must be at least 1 bp, not {self.resolution}")


def sdk_metadata(tracks: Sequence[Track]) -> pd.DataFrame:
    """Returns the tracks as a metadata table in the AlphaGenome SDK's column names."""
    return pd.DataFrame(
        {
            "name": [t.name for t in tracks],
            "strand": [t.strand for t in tracks],
            "Assay title": [t.assay for t in tracks],
            "ontology_curie": [t.biosample.curie if t.biosample else "" for t in tracks],
            "biosample_name": [t.biosample.name if t.biosample else "" for t in tracks],
            "transcription_factor": [t.target if t.modality == "CHIP_TF" else "" for t in tracks],
            "histone_mark": [t.target if t.modality == "CHIP_HISTONE" else "" for t in tracks],
            "modality": [t.modality for t in tracks],
            "resolution": [t.resolution for t in tracks],
            "unit": [t.unit for t in tracks],
        }
    )


@dataclass(frozen=True)
class WeightsFile:
    """One file that the model needs, and the hash it must have.

    Attributes:
        name: Path below the weights folder or package, e.g. ``baskerville_human74/model.h5``.
        sha256: Hex digest, checked before the file is loaded.
        source: Where a user gets it.
    """

    name: str
    sha256: str
    source: str = ""

    def __post_init__(self) -> None:
        path = PurePosixPath(self.name)
        if path.is_absolute() or ".." in path.parts:
            raise ValueError(f"{self.name!r} must be a path below the weights folder")


@dataclass(frozen=True)
class ModelCard:
    """What is known about a model without loading it.

    Attributes:
        id: Stable, used in URLs and track ids.
        title: As people call it.
        family: Module below ``models`` that holds its network, and the name of its queue.
        paper: Citation with DOI.
        licence: Licence of the weights.
        licence_note: Restriction that must be shown wherever output is shown; may be empty.
        genomes: Assemblies on whose sequence the model is meant to be used.
        simulated: Whether it learned made-up rules, so that what it says is simulated anywhere.
        deep_lift: Whether DeepLIFT may be asked of it: all its layers have a rule, and memory is
            enough (``SequenceModel.members``).
        input_width: Width in bp of the sequence that the network reads.
        crop: bp at either end of the input for which the network gives no output.
        validation: How its numbers were checked.
        validation_note: Against what, and how closely.
        weights: The files it needs.
        tracks: What it predicts.
        precision: Arithmetic used while browsing where the hardware has it.
        package: Python package that carries the weights; empty when they are in a folder.
        summary: One sentence for people who choose a model.
        directory: The folder of ``card.toml`` and ``tracks.tsv``, in which a family finds the
            columns of ``tracks.tsv`` that only it reads.
        tracks_sha256: Hex digest of ``tracks.tsv``.
    """

    id: str
    title: str
    family: str
    paper: str
    licence: str
    genomes: tuple[str, ...]
    input_width: int
    crop: int
    validation: Validation
    weights: tuple[WeightsFile, ...]
    tracks: tuple[Track, ...] = field(repr=False)
    licence_note: str = ""
    validation_note: str = ""
    precision: Precision = "fp32"
    package: str = ""
    summary: str = ""
    simulated: bool = False
    deep_lift: bool = False
    directory: Path = field(default=Path(), repr=False, compare=False)
    tracks_sha256: str = field(default="", repr=False)

    def __post_init__(self) -> None:
        if self.input_width <= 2 * self.crop:
            raise ValueError(f"{self.id}: crop {self.crop} leaves nothing of {self.input_width} bp")
        for track in self.tracks:
            if self.output_width % track.resolution:
                raise ValueError(
                    f"{track.id}: {track.resolution} bp does not divide {self.output_width} bp"
                )

    def __hash__(self) -> int:
        """Equal cards have equal ids; their many tracks would take long."""
        return hash(self.id)

    @property
    def output_width(self) -> int:
        """Width in bp of the central part of the input for which there is output."""
        return self.input_width - 2 * self.crop

    @cached_property
    def weights_hash(self) -> str:
        """One hash over all that decides the numbers; part of every job id and cache key.

        That is the weights files and the track table, which may hold scales and units.
        """
        lines = sorted(f"{w.name}:{w.sha256}" for w in self.weights)
        lines.append(f"tracks.tsv:{self.tracks_sha256}")
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
