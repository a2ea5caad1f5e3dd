"""Reading of gene annotation files into one table of transcripts."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.compute as pc  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]

from app.errors import BundleError

GeneFormat = Literal["spliceai", "gtf", "gff3", "bed12"]

_GFF_COLUMNS = ("chromosome", "source", "feature", "start", "end", "score", "strand", "frame", "attributes")  # noqa: E501  # fmt: skip
_TEXT_COLUMNS = ("chromosome", "strand", "symbol", "gene_id", "transcript_id", "aliases")
_NUMBER_COLUMNS = ("start", "end", "cds_start", "cds_end")
_GTF_KEYS: tuple[str, ...] = ("gene_id", "gene_name", "gene", "transcript_id")
_GFF3_KEYS: tuple[str, ...] = (
    "ID",
    "Parent",
    "Name",
    "gene_name",
    "gene",
    "gene_id",
    "transcript_id",
)
_ALIAS = {
    "gtf": re.compile(r'\b(?:gene_synonym|gene_alias) "([^"]+)"'),
    "gff3": re.compile(r"(?:^|;)(?:gene_synonym|Alias)=([^;]+)"),
}
_GENE_FEATURE = re.compile(r".*gene$|.*gene_segment$")


@dataclass(frozen=True)
class TranscriptTable:
    """Transcripts as columns; row ``i`` has exons ``exon_offsets[i]:exon_offsets[i + 1]``.

    Attributes:
        chromosomes: Name in the file.
        strands: ``+``, ``-`` or ``.``.
        symbols: Gene symbol, may be empty.
        gene_ids: May be empty.
        transcript_ids: May be empty.
        aliases: Other names of the gene, joined by ``|``.
        starts: First base of the transcript, 0-based.
        ends: One past its last base.
        cds_starts: First coding base; equals ``cds_ends`` where nothing is coding.
        cds_ends: One past the last coding base.
        exon_offsets: One longer than the other columns.
        exon_starts: First bases of all exons, sorted within a transcript.
        exon_ends: One past their last bases.
    """

    chromosomes: npt.NDArray[np.str_]
    strands: npt.NDArray[np.str_]
    symbols: npt.NDArray[np.str_]
    gene_ids: npt.NDArray[np.str_]
    transcript_ids: npt.NDArray[np.str_]
    aliases: npt.NDArray[np.str_]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    cds_starts: npt.NDArray[np.int64]
    cds_ends: npt.NDArray[np.int64]
    exon_offsets: npt.NDArray[np.int64]
    exon_starts: npt.NDArray[np.int64]
    exon_ends: npt.NDArray[np.int64]

    @classmethod
    def empty(cls) -> TranscriptTable:
        """Returns a table without transcripts."""
        return _from_rows(pd.DataFrame(columns=[*_TEXT_COLUMNS, *_NUMBER_COLUMNS]), [], [])

    def save(self, path: Path) -> None:
        """Writes the table as ``.npz``."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> TranscriptTable:
        """Reads a table written by ``save``."""
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{f.name: arrays[f.name] for f in fields(cls)})


#: What the libraries raise for a file that is not what it should be.
_DAMAGE = (
    *(ValueError, KeyError, OverflowError, EOFError, OSError),
    *(zlib.error, pa.ArrowException),
)


def read_annotation(path: Path, file_format: GeneFormat) -> TranscriptTable:
    """Reads a gene annotation file, plain or gzipped.

    Raises:
        BundleError: The file is not what its format says, or holds no transcript.
        OSError: It cannot be read.
    """
    readers = {"spliceai": _read_spliceai, "bed12": _read_bed12, "gtf": _read_gtf, "gff3": _read_gff3}  # noqa: E501  # fmt: skip
    try:
        table = readers[file_format](path)
    except _DAMAGE as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise  # not the file is at fault
        raise BundleError(
            f"The gene file {path.name} cannot be read as {file_format}: {error}"
        ) from error
    if not len(table.starts):
        raise BundleError(f"The gene file {path.name} holds no transcripts with exons.")
    return table


def _from_rows(
    rows: pd.DataFrame, exon_starts: Sequence[npt.NDArray[np.int64]],
    exon_ends: Sequence[npt.NDArray[np.int64]],
) -> TranscriptTable:  # fmt: skip
    """Builds the table from one row a transcript and its exons.

    Args:
        rows: Columns chromosome, strand, symbol, gene_id, transcript_id, aliases, start, end,
            cds_start and cds_end.
        exon_starts: One array a row.
        exon_ends: One array a row.
    """
    counts = [len(starts) for starts in exon_starts]
    if counts != [len(ends) for ends in exon_ends]:
        raise ValueError("a transcript has more exon starts than ends, or fewer")
    text = {name: np.array(rows[name].tolist(), dtype=str) for name in _TEXT_COLUMNS}
    number = {name: rows[name].to_numpy(np.int64) for name in _NUMBER_COLUMNS}
    none = np.zeros(0, np.int64)
    table = TranscriptTable(
        **{f"{name}s" if name != "aliases" else name: column for name, column in text.items()},
        **{f"{name}s": column for name, column in number.items()},
        exon_offsets=np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]),
        exon_starts=np.concatenate([none, *exon_starts]),
        exon_ends=np.concatenate([none, *exon_ends]),
    )
    if (table.exon_ends <= table.exon_starts).any() or (table.starts < 0).any():
        raise ValueError("an exon ends before it starts, or lies before the first base")
    return table


def _numbers(text: str) -> npt.NDArray[np.int64]:
    return np.array([int(part) for part in text.strip().strip(",").split(",")], np.int64)


def _read_spliceai(path: Path) -> TranscriptTable:
    """Reads the gene table of SpliceAI: one transcript a gene, 0-based half-open, no CDS."""
    rows = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False)
    rows = rows.rename(
        columns={
            "#NAME": "symbol", "CHROM": "chromosome", "STRAND": "strand",
            "TX_START": "start", "TX_END": "end",
        }
    )  # fmt: skip
    rows = rows.assign(gene_id="", transcript_id="", aliases="", cds_start=0, cds_end=0)
    return _from_rows(
        rows,
        [_numbers(text) for text in rows["EXON_START"]],
        [_numbers(text) for text in rows["EXON_END"]],
    )


def _read_bed12(path: Path) -> TranscriptTable:
    """Reads BED12; the name is the symbol, thick start and end the CDS."""
    names = ["chromosome", "start", "end", "name", "score", "strand", "cds_start", "cds_end", "rgb", "count", "sizes", "offsets"]  # noqa: E501  # fmt: skip
    lines = pd.read_csv(path, sep="\t", dtype=str, keep_default_na=False, comment="#", header=None)
    if lines.shape[1] < len(names):
        raise ValueError(f"it has {lines.shape[1]} columns instead of {len(names)}")
    rows = lines.iloc[:, : len(names)].set_axis(names, axis=1)
    rows = rows.assign(
        symbol=rows["name"], gene_id="", transcript_id=rows["name"], aliases="",
        start=rows["start"].astype(np.int64),
    )  # fmt: skip
    starts = [
        start + _numbers(text) for start, text in zip(rows["start"], rows["offsets"], strict=True)
    ]
    ends = [s + _numbers(text) for s, text in zip(starts, rows["sizes"], strict=True)]
    return _from_rows(rows, starts, ends)


def _read_gtf(path: Path) -> TranscriptTable:
    lines = _gff_lines(path, "gtf")
    parts = lines[lines["feature"].isin(["exon", "CDS"]) & (lines["transcript_id"] != "")]
    symbols = parts["gene_name"].where(parts["gene_name"] != "", parts["gene"])
    parts = parts.assign(symbol=symbols.where(symbols != "", parts["gene_id"]))
    aliases = lines[lines["aliases"] != ""].drop_duplicates("gene_id").set_index("gene_id")
    parts = parts.assign(aliases=parts["gene_id"].map(aliases["aliases"]).fillna(""))
    return _from_parts(parts)


def _read_gff3(path: Path) -> TranscriptTable:
    lines = _gff_lines(path, "gff3")
    lines["Parent"] = lines["Parent"].str.split(",")
    parts = lines[lines["feature"].isin(["exon", "CDS"])]
    parts = parts[["chromosome", "feature", "start", "end", "strand", "Parent"]].explode("Parent")
    named = lines[lines["ID"] != ""].drop_duplicates("ID").set_index("ID")
    transcripts = named[named.index.isin(parts["Parent"])]
    parents = transcripts["Parent"].str[0]
    # An exon may hang on a gene directly (single-exon genes of some annotations).
    gene_ids = parents.where(parents != "", transcripts.index.to_series())
    genes = named.reindex(gene_ids.to_numpy()).fillna("").set_axis(transcripts.index)
    symbol = _first_filled(genes["gene_name"], genes["Name"], genes["gene"], gene_ids)
    described = pd.DataFrame(
        {
            "symbol": symbol.map(unquote),
            "gene_id": _first_filled(genes["gene_id"], gene_ids).map(_bare_id),
            "transcript_id": _first_filled(
                transcripts["transcript_id"], transcripts.index.to_series()
            ).map(_bare_id),
            "aliases": genes["aliases"].map(unquote),
        }
    )
    return _from_parts(parts.join(described, on="Parent", how="inner"))


def _first_filled(first: pd.Series[str], *others: pd.Series[str]) -> pd.Series[str]:
    for other in others:
        first = first.where(first != "", other)
    return first


def _bare_id(text: str) -> str:
    """Takes off the kind that GFF3 ids begin with: ``transcript:ENST...``, ``rna-NM_...``."""
    return re.sub(r"^(gene|transcript|rna|mrna)[:-]", "", text, flags=re.IGNORECASE)


def _from_parts(parts: pd.DataFrame) -> TranscriptTable:
    """Builds the table from exon and CDS lines; coordinates are those of GFF (1-based)."""
    parts = parts.assign(start=parts["start"] - 1)
    keys = ["chromosome", "transcript_id"]
    parts = parts.sort_values([*keys, "start"], kind="stable")
    exons = parts[parts["feature"] == "exon"]
    coding = parts[parts["feature"] == "CDS"].groupby(keys).agg(
        cds_start=("start", "min"), cds_end=("end", "max")
    )  # fmt: skip
    groups = exons.groupby(keys, sort=False)
    rows = groups.agg(
        strand=("strand", "first"), symbol=("symbol", "first"), gene_id=("gene_id", "first"),
        aliases=("aliases", "first"), start=("start", "min"), end=("end", "max"),
    )  # fmt: skip
    rows = rows.join(coding).fillna({"cds_start": 0, "cds_end": 0}).reset_index()
    cuts = np.cumsum(groups.size().to_numpy())[:-1]
    return _from_rows(
        rows,
        np.split(exons["start"].to_numpy(np.int64), cuts),
        np.split(exons["end"].to_numpy(np.int64), cuts),
    )


def _gff_lines(path: Path, dialect: Literal["gtf", "gff3"]) -> pd.DataFrame:
    """Reads the lines of a GTF or GFF3 file that describe genes, with the attributes in need."""
    batches = [_described(batch, dialect) for batch in _gff_batches(path)]
    lines: pd.DataFrame = pa.concat_tables(batches).to_pandas()
    return lines


def _gff_batches(path: Path) -> Iterator[pa.Table]:
    def on_odd_line(row: pyarrow.csv.InvalidRow) -> Literal["skip", "error"]:
        return "skip" if row.text.startswith("#") else "error"

    with (
        pa.input_stream(str(path), compression="detect") as stream,
        pyarrow.csv.open_csv(
            stream,
            read_options=pyarrow.csv.ReadOptions(column_names=list(_GFF_COLUMNS), block_size=2**24),
            parse_options=pyarrow.csv.ParseOptions(
                delimiter="\t", quote_char=False, invalid_row_handler=on_odd_line
            ),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={
                    name: pa.int64() if name in ("start", "end") else pa.string()
                    for name in _GFF_COLUMNS
                },
                strings_can_be_null=False,
            ),
        ) as reader,
    ):
        for batch in reader:
            yield pa.Table.from_batches([batch])


def _described(lines: pa.Table, dialect: Literal["gtf", "gff3"]) -> pa.Table:
    """Keeps gene, transcript, exon and CDS lines, and takes the attributes in need apart."""
    if dialect == "gtf":
        wanted = pc.is_in(lines["feature"], pa.array(["gene", "exon", "CDS"]))
        keys, pattern = _GTF_KEYS, r'(?:^|[;\s]){key} "?(?P<value>[^";]*)'
    else:
        part = pc.is_in(lines["feature"], pa.array(["exon", "CDS"]))
        wanted = pc.or_(part, pc.match_substring_regex(lines["attributes"], r"(?:^|;)ID="))
        keys, pattern = _GFF3_KEYS, r"(?:^|;){key}=(?P<value>[^;]*)"
    lines = lines.filter(wanted)
    columns = {name: lines[name] for name in ("chromosome", "feature", "start", "end", "strand")}
    for key in keys:
        found = pc.extract_regex(lines["attributes"], pattern=pattern.replace("{key}", key))
        columns[key] = pc.fill_null(pc.struct_field(found, "value"), "")
    columns["aliases"] = pa.array(
        "|".join(_ALIAS[dialect].findall(text)).replace(",", "|")
        if _GENE_FEATURE.fullmatch(feature)
        else ""
        for feature, text in zip(
            lines["feature"].to_pylist(), lines["attributes"].to_pylist(), strict=True
        )
    )
    return pa.table(columns)
