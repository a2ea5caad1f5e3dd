"""The genomes that are served: each a bundle of reference, genes and measurements."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from app.errors import BundleError, NotFoundError
from app.genome.bundle_file import (
    BundleFile,
    MarksTable,
    MeasurementTable,
    SuggestedView,
    bundle_path,
    read_bundle_file,
)
from app.genome.chromosomes import canonical_assembly
from app.genome.contacts import ContactTrack
from app.genome.cytobands import Cytoband, read_cytobands
from app.genome.genes import Genes
from app.genome.junctions import JunctionTrack
from app.genome.marks import Kind, Marks
from app.genome.reference import Reference
from app.genome.signals import ObservedTrack
from models.card import Track

Measured = ObservedTrack | ContactTrack | JunctionTrack


class Problem(NamedTuple):
    """Why a file of a bundle was left out."""

    path: str
    message: str


@dataclass(frozen=True, eq=False)  # each is itself: it may be a key of what is remembered of it
class Bundle:
    """A genome: its sequence, genes and measurements.

    Attributes:
        id: Stable, used in URLs.
        name: As people call it.
        assembly: E.g. ``hg38`` (also where the file says GRCh38).
        organism: E.g. ``Homo sapiens``; may be empty.
        simulated: Whether its sequence or measurements are made up.
        folder: Where ``genome.toml`` lies.
        reference: The sequence.
        genes: The annotation; empty where there is none.
        tracks: Measured signals by track id, in the order of the file.
        contacts: Measured contact matrices by track id, in the order of the file.
        junctions: Measured splice junctions by track id, in the order of the file.
        marks: Loops and domains that were called in contact matrices.
        cytobands: Bands by chromosome, from left to right; empty where there are none.
        views: Views worth seeing first.
        problems: Files that were left out, and why.
    """

    id: str
    name: str
    assembly: str
    organism: str
    simulated: bool
    folder: Path
    reference: Reference
    genes: Genes
    tracks: dict[str, ObservedTrack] = field(default_factory=dict, repr=False)
    contacts: dict[str, ContactTrack] = field(default_factory=dict, repr=False)
    junctions: dict[str, JunctionTrack] = field(default_factory=dict, repr=False)
    marks: tuple[Marks, ...] = field(default=(), repr=False)
    cytobands: dict[str, list[Cytoband]] = field(default_factory=dict, repr=False)
    views: tuple[SuggestedView, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def measured(self) -> list[Measured]:
        """All that was measured, signals first."""
        return [*self.tracks.values(), *self.contacts.values(), *self.junctions.values()]

    @classmethod
    def load(cls, folder: Path) -> Bundle:
        """Opens a bundle; files that are damaged or contradict the reference are left out.

        Raises:
            BundleError: There is no valid ``genome.toml``, or the reference cannot be used.
        """
        folder = folder.absolute()
        content = read_bundle_file(folder)
        assembly = canonical_assembly(content.genome.assembly or content.genome.id)
        reference = Reference(_existing(folder, content.reference.path), assembly)
        problems: list[Problem] = []
        return cls(
            id=content.genome.id,
            name=content.genome.name,
            assembly=assembly,
            organism=content.genome.organism,
            simulated=content.genome.simulated,
            folder=folder,
            reference=reference,
            genes=_genes(folder, content, reference, problems),
            tracks=_tracks(folder, content, reference, problems),
            contacts=_contacts(folder, content, reference, problems),
            junctions=_junctions(folder, content, reference, problems),
            marks=_marks(folder, content, reference, problems),
            cytobands=_cytobands(folder, content, reference, problems),
            views=content.views,
            problems=tuple(problems),
        )


class Catalogue:
    """The bundles that are served.

    Attributes:
        bundles: By id, in the order in which they were given.
    """

    def __init__(self, bundles: Iterable[Bundle]) -> None:
        """Keeps the bundles.

        Raises:
            BundleError: Two bundles have the same id.
        """
        self.bundles: dict[str, Bundle] = {}
        for bundle in bundles:
            other = self.bundles.setdefault(bundle.id, bundle)
            if other is not bundle:
                raise BundleError(
                    f"The genomes in {other.folder} and {bundle.folder} have the same id "
                    f"{bundle.id}. Give one of them another id in its genome.toml."
                )

    @classmethod
    def load(cls, folders: Iterable[Path]) -> Catalogue:
        """Opens the bundles in these folders.

        Raises:
            BundleError: One of them cannot be opened, or two have the same id.
        """
        return cls(Bundle.load(folder) for folder in folders)

    def get(self, genome_id: str) -> Bundle:
        """Returns the bundle of that id.

        Raises:
            NotFoundError: There is none; the suggestion is the id that resembles it most.
        """
        if genome_id in self.bundles:
            return self.bundles[genome_id]
        near = difflib.get_close_matches(genome_id, self.bundles, n=1, cutoff=0.0)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise NotFoundError(f"There is no genome {genome_id[:100]}.{hint}", *near)


def _existing(folder: Path, text: str) -> Path:
    path = bundle_path(folder, text)
    if not path.is_file():
        raise BundleError(f"The file {path} does not exist.")
    return path


def _genes(
    folder: Path, content: BundleFile, reference: Reference, problems: list[Problem]
) -> Genes:
    if content.genes is not None:
        try:
            path = _existing(folder, content.genes.path)
            return Genes(reference.names, path, content.genes.resolved_format())
        except BundleError as error:
            problems.append(Problem(content.genes.path, error.message))
    return Genes(reference.names)


def _cytobands(
    folder: Path, content: BundleFile, reference: Reference, problems: list[Problem]
) -> dict[str, list[Cytoband]]:
    if content.cytobands is not None:
        try:
            return read_cytobands(_existing(folder, content.cytobands.path), reference)
        except BundleError as error:
            problems.append(Problem(content.cytobands.path, error.message))
    return {}


def _tracks(
    folder: Path, content: BundleFile, reference: Reference, problems: list[Problem]
) -> dict[str, ObservedTrack]:
    tracks: dict[str, ObservedTrack] = {}
    for table in content.tracks:
        track = table.track(table.modality, table.resolution)
        if track.id in tracks:
            problems.append(_same_name(table, track))
            continue
        try:
            path = bundle_path(folder, table.path)
            tracks[track.id] = ObservedTrack.open(track, path, reference, table.predicted)
        except BundleError as error:
            problems.append(Problem(table.path, error.message))
    return tracks


def _same_name(table: MeasurementTable, track: Track) -> Problem:
    return Problem(table.path, f"There are two tracks {track.id}; change one's name or dataset.")


def _junctions(
    folder: Path, content: BundleFile, reference: Reference, problems: list[Problem]
) -> dict[str, JunctionTrack]:
    junctions: dict[str, JunctionTrack] = {}
    for table in content.junctions:
        track = table.track(table.modality, 1)
        if track.id in junctions:
            problems.append(_same_name(table, track))
            continue
        try:
            path = _existing(folder, table.path)
            junctions[track.id] = JunctionTrack.open(track, path, reference, table.predicted)
        except BundleError as error:
            problems.append(Problem(table.path, error.message))
    return junctions


def _contacts(
    folder: Path, content: BundleFile, reference: Reference, problems: list[Problem]
) -> dict[str, ContactTrack]:
    contacts: dict[str, ContactTrack] = {}
    for table in content.contacts:
        track = table.track(table.modality, 1)
        if track.id in contacts:
            problems.append(_same_name(table, track))
            continue
        try:
            contacts[track.id] = ContactTrack.open(
                track,
                bundle_path(folder, table.path),
                reference,
                balancing=table.balancing,
                predicted=table.predicted,
            )
        except BundleError as error:
            problems.append(Problem(table.path, error.message))
    return contacts


def _marks(
    folder: Path, content: BundleFile, reference: Reference, problems: list[Problem]
) -> tuple[Marks, ...]:
    marks = []
    tables: dict[Kind, tuple[MarksTable, ...]] = {
        "loops": content.loops,
        "domains": content.domains,
    }
    for kind, of_kind in tables.items():
        for table in of_kind:
            try:
                path = bundle_path(folder, table.path)
                biosample = table.curie or table.biosample
                marks.append(Marks.open(kind, table.name, path, reference, biosample))
            except BundleError as error:
                problems.append(Problem(table.path, error.message))
    return tuple(marks)
