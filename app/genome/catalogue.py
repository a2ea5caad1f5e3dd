"""The genomes that are served: each a bundle of reference, genes and measurements."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, TypeVar

from app.errors import BundleError, NotFoundError
from app.genome.bundle_file import (
    ContactsTable,
    CytobandsTable,
    GenesTable,
    JunctionsTable,
    MarksTable,
    MeasurementTable,
    SuggestedView,
    TrackTable,
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

Measured = ObservedTrack | ContactTrack | JunctionTrack

_File = TypeVar("_File")
_Measured = TypeVar("_Measured", ObservedTrack, ContactTrack, JunctionTrack)
_Table = TypeVar("_Table", bound=GenesTable | CytobandsTable | MeasurementTable | MarksTable)


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
        files = _Files(folder, reference)
        return cls(
            id=content.genome.id,
            name=content.genome.name,
            assembly=assembly,
            organism=content.genome.organism,
            simulated=content.genome.simulated,
            folder=folder,
            reference=reference,
            genes=files.genes(content.genes),
            tracks=files.tracks(content.tracks),
            contacts=files.contacts(content.contacts),
            junctions=files.junctions(content.junctions),
            marks=(
                *files.marks("loops", content.loops),
                *files.marks("domains", content.domains),
            ),
            cytobands=files.cytobands(content.cytobands),
            views=content.views,
            problems=tuple(files.problems),
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


class _Files:
    """Opens the files of a bundle; those that cannot be used are left out, with the reason.

    Attributes:
        problems: What was left out.
    """

    def __init__(self, folder: Path, reference: Reference) -> None:
        self._folder = folder
        self._reference = reference
        self.problems: list[Problem] = []

    def _opened(self, table: _Table, open_: Callable[[_Table], _File]) -> _File | None:
        try:
            return open_(table)
        except BundleError as error:
            self.problems.append(Problem(table.path, error.message))
            return None

    def _measured(
        self, tables: Iterable[_Table], open_: Callable[[_Table], _Measured]
    ) -> dict[str, _Measured]:
        """Opens the files of some tables, by track id."""
        measured: dict[str, _Measured] = {}
        for table in tables:
            one = self._opened(table, open_)
            if one is not None and measured.setdefault(one.track.id, one) is not one:
                problem = f"There are two tracks {one.track.id}; change one's name or dataset."
                self.problems.append(Problem(table.path, problem))
        return measured

    def tracks(self, tables: Iterable[TrackTable]) -> dict[str, ObservedTrack]:
        """Opens bigWig files."""

        def open_(table: TrackTable) -> ObservedTrack:
            track = table.track(table.modality, table.resolution)
            path = bundle_path(self._folder, table.path)
            return ObservedTrack.open(track, path, self._reference, table.predicted)

        return self._measured(tables, open_)

    def contacts(self, tables: Iterable[ContactsTable]) -> dict[str, ContactTrack]:
        """Opens contact matrices."""

        def open_(table: ContactsTable) -> ContactTrack:
            return ContactTrack.open(
                table.track(table.modality, 1),
                bundle_path(self._folder, table.path),
                self._reference,
                balancing=table.balancing,
                predicted=table.predicted,
            )

        return self._measured(tables, open_)

    def junctions(self, tables: Iterable[JunctionsTable]) -> dict[str, JunctionTrack]:
        """Opens splice junctions."""

        def open_(table: JunctionsTable) -> JunctionTrack:
            track = table.track(table.modality, 1)
            path = _existing(self._folder, table.path)
            return JunctionTrack.open(track, path, self._reference, table.predicted)

        return self._measured(tables, open_)

    def marks(self, kind: Kind, tables: Iterable[MarksTable]) -> list[Marks]:
        """Opens loops or domains."""

        def open_(table: MarksTable) -> Marks:
            path = bundle_path(self._folder, table.path)
            cell = table.curie or table.biosample
            return Marks.open(kind, table.name, path, self._reference, cell)

        opened = [self._opened(table, open_) for table in tables]
        return [marks for marks in opened if marks is not None]

    def genes(self, table: GenesTable | None) -> Genes:
        """Opens the annotation; without one there are no genes."""
        names = self._reference.names

        def open_(table: GenesTable) -> Genes:
            return Genes(names, _existing(self._folder, table.path), table.resolved_format())

        found = self._opened(table, open_) if table else None
        return Genes(names) if found is None else found

    def cytobands(self, table: CytobandsTable | None) -> dict[str, list[Cytoband]]:
        """Reads the bands of the chromosomes."""

        def open_(table: CytobandsTable) -> dict[str, list[Cytoband]]:
            return read_cytobands(_existing(self._folder, table.path), self._reference)

        return (self._opened(table, open_) if table else None) or {}
