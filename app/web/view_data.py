"""The numbers of a view: the native bins of its rows, predicted and measured, and as files."""

from __future__ import annotations

import re
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Literal, NamedTuple

import numpy as np

from app.errors import BadInputError, LimitError, NotFoundError
from app.genome.catalogue import Measured
from app.genome.contacts import ContactTrack
from app.genome.junctions import JunctionTrack
from app.genome.signals import ObservedTrack
from app.inference.alleles import Allele, alleles
from app.inference.pairs import Contacts, contacts, junctions
from app.inference.prediction_files import Predicted, Prediction, write
from app.inference.summaries import Values
from app.web.rows import Row
from app.web.services import services
from app.web.view import View
from models.card import Kind, ModelCard, Track

#: Most values in one file.
MAX_VALUES = 5_000_000
#: Fewest bins of a contact map that was measured and not predicted.
CONTACT_BINS = 500
#: Endings of the files in an archive.
ENDINGS: dict[Kind, str] = {"signal": ".bw", "contacts": ".bedpe", "junctions": ".bed"}


class Column(NamedTuple):
    """The values of one track in a view.

    Attributes:
        track: Which track.
        source: ``predicted`` or ``observed``; of an edited sequence ``reference`` or
            ``alternate``.
        values: Native bins that overlap the view, pairs of them, or introns.
    """

    track: Track
    source: Literal["predicted", "observed", "reference", "alternate"]
    values: Predicted

    @property
    def id(self) -> str:
        """The track id; before that of an edited sequence stands ``alternate/``."""
        return f"alternate/{self.track.id}" if self.source == "alternate" else self.track.id


def file_stem(seen: View) -> str:
    """Returns what files of a view are called; what is simulated says so."""
    locus = seen.state.locus
    words = ["locuscope", *(["simulated"] if seen.simulated else []), seen.bundle.id]
    words.append(f"{locus.chromosome}-{locus.start + 1}-{locus.end}")
    return re.sub(r"[^\w.-]", "-", "_".join(words))


def columns(seen: View, only: str = "") -> list[Column]:
    """Reads the rows of a view in their order; computes nothing.

    Args:
        seen: The view.
        only: Id of the row that is asked for; empty for all.

    Raises:
        NotFoundError: There is no such row.
        LimitError: There are more than ``MAX_VALUES`` values.
        BadInputError: Something of it is not predicted yet.
    """
    rows = [row for row in seen.rows if only in ("", row.id)]
    if not rows:
        raise NotFoundError("There is no such row in this view.")
    _check_size(seen, rows)
    found: list[Column] = []
    for row in rows:
        if seen.card:
            for track in row.predicted:
                found += _predicted(seen, seen.card, track)
        for observed in row.observed:
            found.append(Column(observed.track, "observed", _measured(seen, row, observed)))
    return found


def _check_size(seen: View, rows: Sequence[Row]) -> None:
    count = 0
    for row in rows:
        widths = [track.resolution for track in row.predicted]
        widths += [_resolution(seen, row, observed) for observed in row.observed]
        for width in widths:
            bins = seen.state.locus.width // width + 2
            count += {"signal": bins, "contacts": bins**2 // 2, "junctions": 0}[row.kind]
    if count > MAX_VALUES:
        raise LimitError(
            f"These are {count:,} values; a file holds {MAX_VALUES:,}. Zoom in, or take one row."
        )


def _predicted(seen: View, card: ModelCard, track: Track) -> Iterator[Column]:
    """Yields what is predicted of a track, of either allele where there are edits."""
    stored = services().predictions
    read: dict[Kind, Callable[..., Predicted]] = {
        "contacts": partial(contacts, stored),
        "junctions": partial(junctions, stored),
        "signal": stored.values,
    }
    where = (card, seen.bundle, track, seen.state.locus)
    for allele in alleles(seen.haplotype):
        if any(span.state == "missing" for span in stored.spans(*where, allele)):
            raise BadInputError(
                "Not all of this view is predicted yet. Wait until it is drawn, then export it."
            )
        yield Column(track, _source(allele), read[track.kind](*where, allele=allele))


def _source(allele: Allele) -> Literal["predicted", "reference", "alternate"]:
    if allele.haplotype is None:
        return "predicted"
    return "alternate" if allele.alternate else "reference"


def _resolution(seen: View, row: Row, observed: Measured) -> int:
    """Returns the width of the bins in which a measurement is written.

    Contacts are written in those of the prediction, or in as many as a screen shows.
    """
    if not isinstance(observed, ContactTrack):
        return observed.track.resolution
    least = row.predicted[0].resolution if row.predicted else seen.state.locus.width / CONTACT_BINS
    return observed.nearest(least)


def _measured(seen: View, row: Row, observed: Measured) -> Predicted:
    locus, width = seen.state.locus, _resolution(seen, row, observed)
    if isinstance(observed, JunctionTrack):
        return observed.values(locus)
    if isinstance(observed, ObservedTrack):
        start, values = observed.overlapping(locus)
        return Values(start, width, values)
    found = observed.matrix(locus.chromosome, locus.start, locus.end, width)
    return Contacts(found.start, width, found.values)


def as_prediction(seen: View, shown: Sequence[Column], link: str) -> Prediction:
    """Returns columns with where they come from."""
    about = {"link": link}
    if seen.state.edits:
        about["edits"] = " ".join(edit.text for edit in seen.state.edits)
    return Prediction(
        seen.card if any(column.source != "observed" for column in shown) else None,
        seen.bundle,
        seen.state.locus,
        {column.id: column.values for column in shown},
        {column.id: column.track.unit for column in shown},
        about,
    )


def tsv(seen: View, shown: Sequence[Column], link: str) -> Iterator[str]:
    """Yields a table with one line a bin and track, after lines that say what it is.

    Values are written so that they are read back as the very same float32; where there is no value
    the field is empty. Contacts and introns have files of their own, and are named in the lines.
    """
    about = as_prediction(seen, shown, link)
    for name, value in about.provenance().items():
        yield f"# {name}: {value}\n"
    chromosome = seen.state.locus.chromosome
    for track, _, values in shown:
        if not isinstance(values, Values):
            yield f"# not in this table: {track.id}; a {ENDINGS[track.kind]} file holds it\n"
    yield "chromosome\tstart\tend\tstrand\tsource\ttrack\tvalue\n"
    for track, source, values in shown:
        if not isinstance(values, Values):
            continue
        ends = values.start + values.resolution * np.arange(len(values.values) + 1)
        same = f"{track.strand}\t{source}\t{track.id}"
        texts = np.where(np.isnan(values.values), "", values.values.astype(np.float32).astype("U"))
        yield "".join(
            f"{chromosome}\t{start}\t{end}\t{same}\t{text}\n"
            for start, end, text in zip(
                ends[:-1].tolist(), ends[1:].tolist(), texts.tolist(), strict=True
            )
        )


def archive(seen: View, shown: Sequence[Column], link: str) -> BinaryIO:
    """Returns a ZIP file: a bigWig for each signal, a BEDPE for contacts, a BED for introns.

    Of regions and variants that a visitor has brought there are also the lines in view.

    Their metadata (what each file holds, and where it comes from) lie beside them or in them.
    """
    file = tempfile.TemporaryFile()  # noqa: SIM115 - whoever sends it closes it
    with tempfile.TemporaryDirectory() as name, zipfile.ZipFile(file, "w", 8) as zipped:
        for of_kind, ending in ENDINGS.items():
            these = [column for column in shown if column.track.kind == of_kind]
            if these:
                out = Path(name) / f"{file_stem(seen)}{ending}"
                for path in write(out, as_prediction(seen, these, link)):
                    zipped.write(path, path.name)
        for id_ in [column.id for column in shown]:
            own = seen.bundle.tracks.get(id_)
            if own and own.features:
                lines = "".join(f"{line}\n" for line in own.features.lines(seen.state.locus))
                _, hash_, called, _ = id_.split("/")
                zipped.writestr(f"{file_stem(seen)}.{hash_[:8]}_{called}.bed", lines)
    file.seek(0)
    return file
