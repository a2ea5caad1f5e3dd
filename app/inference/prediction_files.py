"""Predictions as files: arrays, tables, bigWig, contact matrices and introns."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
import pandas as pd
import pybigtools
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

from app.errors import BadInputError
from app.genome.catalogue import Bundle
from app.genome.junctions import Junctions
from app.genome.locus import format_interval
from app.inference.pairs import Contacts
from app.inference.summaries import Floats, Values
from models.card import Kind, ModelCard, Track

Predicted = Values | Contacts | Junctions
Span = tuple[int, int]

#: What a row of an intron says, 0-based half-open.
INTRON = ("start", "end", "value")
#: Endings, and what such a file can hold.
FORMATS: dict[str, tuple[Kind, ...]] = {
    ".npz": ("signal", "contacts", "junctions"),
    ".tsv": ("signal",),
    ".bw": ("signal",),
    ".cool": ("contacts",),
    ".bedpe": ("contacts", "junctions"),
    ".bed": ("junctions",),
}


def check_ending(out: Path) -> None:
    """Raises BadInputError where the ending of a file names no format."""
    if out.suffix not in FORMATS:
        raise BadInputError(f"The output ends in {', '.join(FORMATS)}, not in {out.name!r}.")


def check_format(out: Path, tracks: Sequence[Track]) -> None:
    """Raises BadInputError where a file cannot hold a track, before anything is computed for it."""
    for track in tracks:
        if track.kind not in FORMATS[out.suffix]:
            fitting = " or ".join(s for s, kinds in FORMATS.items() if track.kind in kinds)
            raise BadInputError(
                f"A {out.suffix} file cannot hold {track.id}. "
                f"Write {fitting}, or choose other tracks with --tracks."
            )


@dataclass(frozen=True)
class Prediction:
    """Values, and where they come from.

    Attributes:
        card: The model; None where nothing was predicted.
        bundle: The genome.
        interval: What was asked for.
        values: By track id; before that of an edited sequence stands ``alternate/``.
        units: What one number means, by track id.
        about: What else is to be said of them, by name.
    """

    card: ModelCard | None
    bundle: Bundle
    interval: Interval
    values: dict[str, Predicted]
    units: Mapping[str, str] = field(default_factory=dict)
    about: Mapping[str, str] = field(default_factory=dict)

    def provenance(self) -> dict[str, Any]:
        """Returns where the numbers come from."""
        card, bundle = self.card, self.bundle
        model = card and {
            "model": card.id,
            "weights": card.weights_hash,
            "validation": card.validation,
            "licence": card.licence,
            "licence_note": card.licence_note,
        }
        return {
            "program": f"locuscope {version('locuscope')}",
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            **(model or {}),
            "genome": bundle.id,
            "assembly": bundle.assembly,
            "reference": bundle.reference.checksum,
            "simulated": bundle.simulated or (card is not None and card.simulated),
            "interval": format_interval(self.interval),
            "coordinates": "0-based half-open, as in BED",
            **self.about,
            "notice": "not for clinical use",
        }

    def metadata(self, files: dict[str, Path] | None = None) -> str:
        """Returns as JSON the provenance, and of each track where its bins lie."""
        tracks: dict[str, dict[str, Any]] = {
            id_: {"chromosome": self.interval.chromosome, "unit": self.units[id_]}
            | ({"columns": INTRON} if isinstance(v, Junctions) else _bins(v))
            for id_, v in self.values.items()
        }
        for id_, path in (files or {}).items():
            tracks[id_]["file"] = path.name
        return json.dumps(self.provenance() | {"tracks": tracks}, indent=1)


def _bins(values: Values | Contacts) -> dict[str, Any]:
    return {"start": values.start, "resolution": values.resolution}


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """Yields a name to write to; what is there becomes ``path`` only if all went well."""
    part = path.with_name(f".part-{path.name}")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write(out: Path, made: Prediction) -> list[Path]:
    """Writes a prediction in the format that the ending names.

    ``.npz`` has by track id one array (contacts: bins by bins; junctions: one intron a row, with
    start, end and value), and ``metadata`` as JSON. ``.tsv`` is one table of all tracks. The others
    hold one track: of several each has a file of its own. ``.bw`` files have their metadata in
    ``.bw.json``, ``.cool`` files inside, the others as comments. Where there is no prediction
    stands NaN, an empty field or nothing.

    Returns:
        The files written.

    Raises:
        BadInputError: The tracks do not share a table, or their bins do not start where those of
            the format do.
    """
    if out.suffix == ".npz":
        return _write_npz(out, made)
    if out.suffix == ".tsv":
        return _write_tsv(out, made)
    files = dict.fromkeys(made.values, out)
    if len(files) > 1:
        files = {id_: out.with_suffix(f".{_file_name(id_)}{out.suffix}") for id_ in files}
    for id_, path in files.items():
        with whole(path) as part:
            _WRITERS[out.suffix](part, made, id_)
    if out.suffix != ".bw":
        return list(files.values())
    beside = out.with_name(f"{out.name}.json")  # a bigWig has no place for it
    beside.write_text(made.metadata(files) + "\n", encoding="utf-8")
    return [*files.values(), beside]


def _write_npz(out: Path, made: Prediction) -> list[Path]:
    arrays: dict[str, Any] = {
        id_: np.stack(v, axis=1) if isinstance(v, Junctions) else v.values
        for id_, v in made.values.items()
    }
    metadata = np.array(made.metadata())
    with whole(out) as part:
        np.savez_compressed(part, allow_pickle=False, metadata=metadata, **arrays)
    return [out]


def _write_tsv(out: Path, made: Prediction) -> list[Path]:
    columns = {id_: cast(Values, v) for id_, v in made.values.items()}
    if len({(v.start, v.resolution) for v in columns.values()}) > 1:
        raise BadInputError(
            "These tracks have different resolutions and cannot share one table. "
            "Choose tracks of one resolution with --tracks, or write .npz."
        )
    first = next(iter(columns.values()))
    table = np.stack([v.values for v in columns.values()], axis=1)
    with whole(out) as part, _commented(part, made) as file:
        file.write("\t".join(("chromosome", "start", "end", *columns)) + "\n")
        for i, row in enumerate(table):
            start = first.start + i * first.resolution
            numbers = ("" if np.isnan(x) else f"{x:.6g}" for x in row)
            place = (made.interval.chromosome, str(start), str(start + first.resolution))
            file.write("\t".join((*place, *numbers)) + "\n")
    return [out]


@contextmanager
def _commented(path: Path, made: Prediction) -> Iterator[TextIO]:
    """Opens a text file that begins with where its numbers come from."""
    with path.open("w", encoding="utf-8") as file:
        for name, value in made.provenance().items():
            file.write(f"# {name}: {value}\n")
        yield file


def _length(made: Prediction) -> int:
    """Returns the length of the chromosome, or as much of it as is known."""
    chromosome, reference = made.interval.chromosome, made.bundle.reference
    return reference.length(chromosome) or max(p.end for p in reference.pieces_on(chromosome))


def _write_bigwig(path: Path, made: Prediction, track: str) -> None:
    chromosome, length = made.interval.chromosome, _length(made)
    v = cast(Values, made.values[track])
    starts = v.start + np.flatnonzero(np.isfinite(v.values)) * v.resolution
    bins = (
        (chromosome, max(0, start), min(length, start + v.resolution), float(value))
        for start, value in zip(starts.tolist(), v.values[np.isfinite(v.values)], strict=True)
        if start < length
    )
    pybigtools.open(str(path), "w").write({chromosome: length}, bins)


def _pairs(v: Contacts) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Returns the pairs that have a value, each once, by its first bin and then its second."""
    first, second = np.nonzero(np.triu(np.isfinite(v.values)))
    return first, second, v.values[first, second]


def _write_bedpe(path: Path, made: Prediction, track: str) -> None:
    values, name = made.values[track], made.interval.chromosome
    strands: tuple[str, ...] = ()
    if isinstance(values, Junctions):
        pairs, strands = _flanks(values), (track.rpartition("/")[2],) * 2
    else:
        pairs = _bins_of(made, values)
    with _commented(path, made) as file:
        for (a, b), (c, d), value in pairs:
            columns = (name, a, b, name, c, d, ".", f"{value:.6g}", *strands)
            file.write("\t".join(map(str, columns)) + "\n")


def _bins_of(made: Prediction, values: Predicted) -> Iterator[tuple[Span, Span, float]]:
    """Yields each pair of bins that has contacts."""
    v, length = cast(Contacts, values), _length(made)
    for i, j, value in zip(*(column.tolist() for column in _pairs(v)), strict=True):
        first, second = (v.start + one * v.resolution for one in (i, j))
        yield (
            (first, min(length, first + v.resolution)),
            (second, min(length, second + v.resolution)),
            value,
        )


def _flanks(values: Junctions) -> Iterator[tuple[Span, Span, float]]:
    """Yields the exon's last base before each intron and the first one after it, which it joins."""
    for start, end, value in zip(*(column.tolist() for column in values), strict=True):
        yield (start - 1, start), (end, end + 1), value


def _write_cool(path: Path, made: Prediction, track: str) -> None:
    import cooler  # 0.6 s

    v = cast(Contacts, made.values[track])
    first, rest = divmod(v.start, v.resolution)
    if rest:
        raise BadInputError(
            f"The bins of this prediction start at {v.start:,}, which is no multiple of "
            f"{v.resolution:,} as in a .cool file. Write .npz or .bedpe."
        )
    bins = cooler.binnify(pd.Series({made.interval.chromosome: _length(made)}), v.resolution)
    one, other, value = _pairs(v)
    pixels = pd.DataFrame({"bin1_id": one + first, "bin2_id": other + first, "count": value})
    cooler.create_cooler(
        str(path),
        bins,
        pixels,
        dtypes={"count": "float32"},
        ordered=True,
        assembly=made.bundle.assembly,
        metadata=json.loads(made.metadata()),
    )


def _write_bed(path: Path, made: Prediction, track: str) -> None:
    strand = track.rpartition("/")[2]
    with _commented(path, made) as file:
        for start, end, value in zip(*cast(Junctions, made.values[track]), strict=True):
            place = (made.interval.chromosome, str(start), str(end))
            file.write("\t".join((*place, ".", f"{value:.6g}", strand)) + "\n")


_WRITERS: dict[str, Callable[[Path, Prediction, str], None]] = {
    ".bw": _write_bigwig,
    ".bedpe": _write_bedpe,
    ".cool": _write_cool,
    ".bed": _write_bed,
}


def _file_name(track: str) -> str:
    """Returns modality, name and strand of a track as they may stand in the name of a file."""
    *before, modality, name, strand = track.split("/")
    kept = [word for word in before if word in ("observed", "alternate")]
    words = (*kept, modality, name, *{"+": ["plus"], "-": ["minus"], ".": []}[strand])
    return re.sub(r"[^\w.,+-]", "-", "_".join(words))
