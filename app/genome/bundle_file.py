"""The file genome.toml: what may stand in it, and how it is read."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.errors import BundleError
from app.genome.annotation import GeneFormat
from models.card import MODALITIES, Biosample, Strand, Track

FILE_NAME = "genome.toml"

_CURIE = re.compile(r"[A-Za-z][A-Za-z0-9_.]*:\d+")

Name = Annotated[str, Field(min_length=1, max_length=200)]
PathText = Annotated[str, Field(min_length=1)]
Slug = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._+-]*$")]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class GenomeTable(_Table):
    """``[genome]``: which genome it is.

    Attributes:
        id: Stable, used in URLs.
        name: As people call it.
        assembly: E.g. ``hg38``; the id where it is not given.
        organism: E.g. ``Homo sapiens``.
        simulated: Whether its sequence or measurements are made up.
    """

    id: Slug
    name: Name
    assembly: str = ""
    organism: str = ""
    simulated: bool = False


class ReferenceTable(_Table):
    """``[reference]``: the FASTA or 2bit file."""

    path: PathText


class GenesTable(_Table):
    """``[genes]``: the annotation; its format is guessed from the extension where not given."""

    path: PathText
    format: Literal["spliceai", "gtf", "gff3", "bed12"] | None = None

    def resolved_format(self) -> GeneFormat:
        """Returns the format as given or guessed.

        Raises:
            BundleError: The extension does not tell.
        """
        suffix = Path(self.path.lower().removesuffix(".gz")).suffix
        guesses: dict[str, GeneFormat] = {
            ".gtf": "gtf", ".gff": "gff3", ".gff3": "gff3", ".bed": "bed12", ".bed12": "bed12"
        }  # fmt: skip
        found = self.format or guesses.get(suffix)
        if found is None:
            raise BundleError(
                f"The format of {self.path} cannot be told from its name. "
                "Add format = to [genes]: spliceai, gtf, gff3 or bed12."
            )
        return found


class CytobandsTable(_Table):
    """``[cytobands]``: the bands of the chromosomes, in the format of UCSC's cytoBand table."""

    path: PathText


class MeasurementTable(_Table):
    """What every measured file says of itself.

    Attributes:
        path: The file.
        name: Name within the dataset.
        biosample: Cell type as people write it, or its CURIE; then ``name`` is the cell type too.
        curie: Its ontology CURIE, where ``biosample`` is a name.
        synonyms: Other names by which it may be searched.
        assay: Assay title.
        strand: ``+``, ``-`` or ``.``.
        target: Factor or mark, for ChIP.
        unit: What one number means.
        dataset: Names the collection in track ids; the modality in lower case where not given, so
            that one name may stand for a cell type in several assays.
        predicted: Id of the predicted track that it belongs to.
    """

    path: PathText
    name: Name
    biosample: str = ""
    curie: str = ""
    synonyms: tuple[str, ...] = Field((), strict=False)
    assay: str = ""
    strand: Strand = "."
    target: str = ""
    unit: str = "signal"
    dataset: Slug | None = None
    predicted: str | None = None

    def track(self, modality: str, resolution: int) -> Track:
        """Returns what is measured, with the id ``observed/dataset/name/strand``."""
        return Track(
            id=f"observed/{self.dataset or modality.lower()}/{self.name}/{self.strand}",
            modality=modality,
            name=self.name,
            strand=self.strand,
            resolution=resolution,
            unit=self.unit,
            biosample=self.resolved_biosample(),
            assay=self.assay,
            target=self.target,
        )

    def resolved_biosample(self) -> Biosample | None:
        """Returns the cell type, or None where none is named."""
        if _CURIE.fullmatch(self.biosample) and not self.curie:
            return Biosample(self.name, self.biosample, self.synonyms)
        name = self.biosample or self.curie
        return Biosample(name, self.curie, self.synonyms) if name else None


class ContactsTable(MeasurementTable):
    """One ``[[contacts]]``: a contact matrix, .cool, .mcool or .hic.

    Attributes:
        balancing: Name of a normalisation in the file, or ``raw``; the file's own where not given.
    """

    modality: Literal["CONTACT_MAPS"] = "CONTACT_MAPS"
    unit: str = "contacts"
    balancing: str = ""


class JunctionsTable(MeasurementTable):
    """One ``[[junctions]]``: splice junctions, BED with the reads in the score column."""

    modality: Literal["SPLICE_JUNCTIONS"] = "SPLICE_JUNCTIONS"
    unit: str = "reads"


class TrackTable(MeasurementTable):
    """One ``[[tracks]]``: a bigWig file.

    Attributes:
        modality: One of ``models.card.MODALITIES``.
        resolution: Width of a native bin in bp.
    """

    modality: Literal[*MODALITIES]  # type: ignore[valid-type] # one place for the list
    resolution: int = Field(1, ge=1, le=1_000_000)


class MarksTable(_Table):
    """One ``[[loops]]`` (BEDPE) or ``[[domains]]`` (BED): what was called in contact maps.

    Attributes:
        path: The file, which may be gzipped.
        name: As people call it.
        biosample: Cell type in whose contact maps it is drawn, as in ``[[contacts]]``; all if not
            given.
        curie: Its ontology CURIE.
    """

    path: PathText
    name: Name
    biosample: str = ""
    curie: str = ""


class SuggestedView(_Table):
    """One ``[[views]]``: a view worth seeing first, offered on the first page.

    Attributes:
        title: A few words.
        about: What there is to see.
        link: Query of the view without ``genome``, e.g. ``locus=chr1:1-1000&model=spliceai``. The
            first view is also the one that opens when a link names nothing but the genome.
    """

    title: Name
    about: str = ""
    link: Annotated[str, Field(min_length=1, max_length=4_000)]


class BundleFile(_Table):
    """All of ``genome.toml``."""

    genome: GenomeTable
    reference: ReferenceTable
    genes: GenesTable | None = None
    cytobands: CytobandsTable | None = None
    tracks: tuple[TrackTable, ...] = Field((), strict=False)
    contacts: tuple[ContactsTable, ...] = Field((), strict=False)
    junctions: tuple[JunctionsTable, ...] = Field((), strict=False)
    loops: tuple[MarksTable, ...] = Field((), strict=False)
    domains: tuple[MarksTable, ...] = Field((), strict=False)
    views: tuple[SuggestedView, ...] = Field((), strict=False)


_TABLES: dict[str, type[_Table]] = {
    "genome": GenomeTable,
    "reference": ReferenceTable,
    "genes": GenesTable,
    "cytobands": CytobandsTable,
    "tracks": TrackTable,
    "contacts": ContactsTable,
    "junctions": JunctionsTable,
    "loops": MarksTable,
    "domains": MarksTable,
    "views": SuggestedView,
}


def read_bundle_file(folder: Path) -> BundleFile:
    """Reads ``genome.toml`` of a bundle.

    Raises:
        BundleError: It is missing, no TOML, or something in it is missing, unknown or wrong.
    """
    path = folder / FILE_NAME
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{folder} is no genome bundle: it has no {FILE_NAME}.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not valid TOML: {error}.") from error
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror}).") from error
    try:
        return BundleFile.model_validate(content)
    except ValidationError as error:
        raise BundleError(f"{path}: {_first_complaint(error)}") from error


def _first_complaint(error: ValidationError) -> str:
    """Says what is wrong first, unknown keys before what may be missing because of them."""
    details = sorted(error.errors(), key=lambda detail: detail["type"] != "extra_forbidden")
    location = details[0]["loc"]
    key = str(location[-1])
    table = str(location[0]) if len(location) > 1 else ""
    number = f" number {location[1] + 1}" if len(location) > 2 and isinstance(location[1], int) else ""  # noqa: E501  # fmt: skip
    where = f"in [{table}]{number}" if table else "at the top"
    kind, value = details[0]["type"], details[0].get("input")
    if kind == "extra_forbidden":
        valid = list((_TABLES[table] if table else BundleFile).model_fields)
        near = difflib.get_close_matches(key, valid, n=1, cutoff=0.0)
        return f"the key {key} {where} is unknown. Did you mean {near[0]}?"
    if kind == "missing":
        return f"the key {key} {where} is missing."
    if kind == "literal_error":
        return f"{key} {where} is {value!r}; it must be {details[0]['ctx']['expected']}."
    return f"{key} {where} is not valid: {details[0]['msg']}."


def bundle_path(folder: Path, text: str) -> Path:
    """Returns where a path of ``genome.toml`` leads.

    Raises:
        BundleError: It is relative and leads out of the folder.
    """
    if Path(text).is_absolute():
        return Path(text)
    path = Path(os.path.normpath(folder / text))
    if not path.is_relative_to(os.path.normpath(folder)):
        raise BundleError(f"The path {text} leads out of the bundle; write it as an absolute path.")
    return path
