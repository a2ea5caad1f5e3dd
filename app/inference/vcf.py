"""Splice scores for a VCF file: reads it, scores it, writes a VCF or a table."""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BufferedWriter
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TextIO

import pysam
from alphagenome.data.genome import Variant

from app.errors import BadInputError, NotFoundError, ReferenceMismatchError
from app.genome.genes import Genes
from app.genome.locus import format_position
from app.genome.reference import Reference
from app.inference.splicing import Deltas, Predictor, Skip, SpliceScore, SpliceScorer, Unscored
from models.card import ModelCard

#: The INFO field of the authors' tool, and ours for what it leaves out.
FIELD, REASON_FIELD = "SpliceAI", "SpliceAI_unscored"
_FIELD_LINE = (
    f"##INFO=<ID={FIELD},Number=.,Type=String,Description="
    '"Predicted effect on splicing: delta scores (DS) and delta positions (DP) of acceptor gain '
    "(AG), acceptor loss (AL), donor gain (DG) and donor loss (DL), one entry per ALT and gene. "
    'Format: ALLELE|SYMBOL|DS_AG|DS_AL|DS_DG|DS_DL|DP_AG|DP_AL|DP_DG|DP_DL">'
)
_REASON_LINE = (
    f'##INFO=<ID={REASON_FIELD},Number=.,Type=String,Description="Why an ALT has no scores. '
    'Format: ALLELE|REASON">'
)
_COLUMNS = (
    *("CHROM", "POS", "ID", "REF", "ALT", "SYMBOL", "STRAND", "TRANSCRIPTS"),
    *(name.upper() for name in Deltas._fields),
    "REASON",
)
#: Records scored together; neighbours among them share one pass over the reference.
_BATCH = 1000

Result = list[SpliceScore] | Unscored


class SpliceModel(Predictor, Protocol):
    """A loaded ``models.spliceai.SpliceAI``."""

    card: ModelCard


@dataclass
class ScoreSummary:
    """What became of a VCF file.

    Attributes:
        records: Number of records.
        alleles: Number of alternate alleles; a record without any counts as one.
        scored: How many of them have scores.
        unscored: How many have none, by the kind of reason.
    """

    records: int = 0
    alleles: int = 0
    scored: int = 0
    unscored: Counter[str] = field(default_factory=Counter)

    def add(self, results: Sequence[Result]) -> None:
        """Counts one record."""
        self.records += 1
        self.alleles += len(results)
        for result in results:
            if isinstance(result, Unscored):
                self.unscored[str(result.skip)] += 1
            else:
                self.scored += 1

    def __str__(self) -> str:
        lines = [f"{self.scored:,} of {self.alleles:,} alleles in {self.records:,} records scored"]
        lines += [f"{count:,} not scored: {skip}" for skip, count in self.unscored.most_common()]
        return "\n".join(lines)


def score_vcf(
    reference: Reference,
    genes: Genes,
    vcf_in: Path,
    out_path: Path,
    model: SpliceModel,
    *,
    distance: int = 50,
    mask: bool = False,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
) -> ScoreSummary:
    """Scores every variant of a VCF file.

    Args:
        reference: The genome.
        genes: Its annotation.
        vcf_in: VCF, plain or compressed with bgzip, or BCF; records in any order.
        out_path: Ends in ``.vcf``, ``.vcf.gz`` or ``.tsv``. It is written under another name and
            renamed at the end, so it is either whole or not there.
        model: The loaded network.
        distance: How far from a variant a change may be, 1 to 4,999 bp.
        mask: Whether gains at annotated and losses at other splice sites count as 0.
        progress: Told the number of alleles done and in all.

    Returns:
        Counts. Every allele without scores has its reason in the output.

    Raises:
        BadInputError: The input is not a readable VCF, or a setting or the output is unusable.
        ReferenceMismatchError: No REF that could be compared is what the genome has there.
    """
    scorer = SpliceScorer(model, reference.fetch, genes.overlapping, distance, mask)
    writer_type = _writer_type(out_path)
    part = out_path.with_name(f".{out_path.name}.part")
    summary, first_mismatch = ScoreSummary(), ""
    with _quiet():
        header, total = _survey(vcf_in)
        provenance = _provenance(model.card, reference, distance, mask)
        try:
            with writer_type(part, header, provenance) as writer:
                records = read_records(vcf_in)
                while batch := list(islice(records, _BATCH)):
                    done = summary.alleles

                    def report(more: int) -> None:
                        nonlocal done
                        done += more
                        progress(done, total)

                    for record, results in zip(
                        batch, _score(batch, reference, scorer, report), strict=True
                    ):
                        writer.write(record, results)
                        summary.add(results)
                        first_mismatch = first_mismatch or _mismatch(record, results)
            _check_genome(summary, first_mismatch)
            part.replace(out_path)
        except OSError as error:
            raise BadInputError(f"{out_path} cannot be written: {error.strerror}.") from error
        finally:
            part.unlink(missing_ok=True)
    return summary


@contextmanager
def _quiet() -> Iterator[None]:
    """Keeps htslib from printing what is reported here in words."""
    before = pysam.set_verbosity(0)
    try:
        yield
    finally:
        pysam.set_verbosity(before)


def read_records(path: Path) -> Iterator[pysam.VariantRecord]:
    """Yields the records of a VCF.

    Raises:
        BadInputError: The file or a record cannot be read.
    """
    number = 0
    try:
        with pysam.VariantFile(str(path)) as file:
            for number, record in enumerate(file, start=1):  # noqa: B007 - told in the error
                yield record
    except FileNotFoundError as error:
        raise BadInputError(f"There is no file {path}.") from error
    except (OSError, ValueError) as error:
        if not number and "parse" not in str(error):
            raise BadInputError(f"{path} is not a VCF file: its header cannot be read.") from error
        raise BadInputError(
            f"{path}: record {number + 1} cannot be read. A record has at least 8 columns "
            "separated by tabs, and its POS is a number."
        ) from error


def _survey(path: Path) -> tuple[pysam.VariantHeader, int]:
    """Reads a VCF once.

    Only after that does its header hold the chromosomes and fields that records use without
    declaring them, which htslib must know before it writes the first record.

    Returns:
        The header for the output, and the number of alleles.
    """
    total, seen = 0, None
    for record in read_records(path):
        total += len(record.alts or (None,))
        seen = record.header
    if seen is None:
        with pysam.VariantFile(str(path)) as file:
            seen = file.header
    header = pysam.VariantHeader()
    for line in seen.records:
        if not (line.key == "INFO" and line.get("ID") in (FIELD, REASON_FIELD)):
            header.add_record(line)
    for sample in seen.samples:
        header.add_sample(sample)
    return header, total


def _provenance(card: ModelCard, reference: Reference, distance: int, mask: bool) -> dict[str, str]:
    """Returns what the output says about its making."""
    return {
        "model": f"{card.title}, weights {card.weights_hash}",
        "genome": f"{reference.assembly or reference.path.name}, SHA-256 {reference.checksum}",
        "settings": f"distance {distance}, {'masked' if mask else 'raw'} scores",
        "terms": f"{card.licence_note} Not for clinical use.",
    }


def _score(
    records: Sequence[pysam.VariantRecord],
    reference: Reference,
    scorer: SpliceScorer,
    progress: Callable[[int], object],
) -> list[list[Result]]:
    """Scores the alleles of some records; one list a record, in the order of its ALTs."""
    alleles = [_variants(record, reference) for record in records]
    variants = [one for row in alleles for one in row if isinstance(one, Variant)]
    progress(sum(map(len, alleles)) - len(variants))
    scored = iter(scorer.score(variants, progress))
    return [[next(scored) if isinstance(a, Variant) else a for a in row] for row in alleles]


def _variants(record: pysam.VariantRecord, reference: Reference) -> list[Variant | Unscored]:
    """Returns one variant for each ALT, or why it cannot be one."""
    if not record.alts:
        return [Unscored(Skip.NO_ALT)]
    try:
        chromosome = reference.resolve(record.chrom)
    except NotFoundError:
        return [Unscored(Skip.UNKNOWN_CHROMOSOME, record.chrom) for _ in record.alts]
    # The reference has N for every other letter, too.
    ref = re.sub("[^ACGT]", "N", (record.ref or "").upper())
    return [_variant(chromosome, record.pos, ref, alt.upper()) for alt in record.alts]


def _variant(chromosome: str, position: int, ref: str, alt: str) -> Variant | Unscored:
    if not re.fullmatch("[ACGTN]+", alt):
        return Unscored(Skip.SYMBOLIC)
    if position < 1:  # a VCF may have records before the first base
        return Unscored(Skip.NO_FLANK)
    return Variant(chromosome, position, ref, alt)


def _mismatch(record: pysam.VariantRecord, results: Sequence[Result]) -> str:
    """Returns a sentence on the wrong REF of a record; empty if there is none."""
    for result in results:
        if isinstance(result, Unscored) and result.skip is Skip.WRONG_REF:
            return f"At {format_position(record.chrom, record.pos - 1)} {result.detail}"
    return ""


def _check_genome(summary: ScoreSummary, first_mismatch: str) -> None:
    """Refuses a VCF of which not one REF fits."""
    not_compared = (Skip.NO_ALT, Skip.SYMBOLIC, Skip.UNKNOWN_CHROMOSOME)
    compared = summary.alleles - sum(summary.unscored[str(skip)] for skip in not_compared)
    wrong = summary.unscored[str(Skip.WRONG_REF)]
    if wrong and wrong == compared:
        raise ReferenceMismatchError(
            f"{first_mismatch}. None of the {wrong:,} variants fits this genome: "
            "they probably belong to another assembly."
        )


class _Writer(Protocol):
    """Writes scored records to a file."""

    def __init__(
        self, path: Path, header: pysam.VariantHeader, provenance: dict[str, str]
    ) -> None: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def write(self, record: pysam.VariantRecord, results: Sequence[Result]) -> None:
        """Writes one record, with one result for each ALT."""


def _writer_type(path: Path) -> type[_Writer]:
    """Returns the writer for a name."""
    if path.name.endswith(".tsv"):
        return _TableWriter
    if path.name.endswith((".vcf", ".vcf.gz")):
        return _VcfWriter
    raise BadInputError(f"{path.name} must end in .tsv, .vcf or .vcf.gz.")


def format_entry(allele: str, score: SpliceScore) -> str:
    """Returns an entry of the INFO field as the authors' tool writes it."""
    return "|".join([allele, score.target.symbol, *_numbers(score.deltas)])


def _numbers(deltas: Deltas) -> list[str]:
    return [f"{score:.2f}" for score in deltas[:4]] + [str(position) for position in deltas[4:]]


class _VcfWriter:
    """Writes VCF as text.

    htslib ends the whole process when it is asked to move a record whose chromosome or fields its
    file did not declare to another header, so only its text is taken.
    """

    def __init__(self, path: Path, header: pysam.VariantHeader, provenance: dict[str, str]) -> None:
        for key, value in provenance.items():
            header.add_meta(f"locuscope_{key}", value)
        header.add_line(_FIELD_LINE)
        header.add_line(_REASON_LINE)
        compressed = path.name.removesuffix(".part").endswith(".gz")
        self._file: pysam.BGZFile | BufferedWriter
        self._file = pysam.BGZFile(str(path), "wb", None) if compressed else path.open("wb")
        self._file.write(str(header).encode())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, record: pysam.VariantRecord, results: Sequence[Result]) -> None:
        columns = str(record).rstrip("\n").split("\t")
        kept = [
            one
            for one in columns[7].split(";")
            if one.partition("=")[0] not in (".", FIELD, REASON_FIELD)
        ]
        columns[7] = ";".join([*kept, *_info(record, results)]) or "."
        self._file.write(("\t".join(columns) + "\n").encode())


def _info(record: pysam.VariantRecord, results: Sequence[Result]) -> list[str]:
    """Returns our INFO fields for a record."""
    entries, reasons = [], []
    for allele, result in zip(record.alts or (".",), results, strict=True):
        if isinstance(result, Unscored):
            entries += [f"{allele}|{symbol}" + "|." * 8 for symbol in result.symbols]
            reasons.append(f"{allele}|{_info_text(str(result))}")
        else:
            entries += [format_entry(allele, score) for score in result]
    fields = {FIELD: entries, REASON_FIELD: reasons}
    return [f"{name}={','.join(values)}" for name, values in fields.items() if values]


def _info_text(text: str) -> str:
    """Writes a sentence with the characters that an INFO value may have."""
    return re.sub(r"[\s;=|]+", "_", text.replace(",", ""))


class _TableWriter:
    def __init__(self, path: Path, header: pysam.VariantHeader, provenance: dict[str, str]) -> None:
        self._file: TextIO = path.open("w", encoding="utf-8", newline="")
        self._file.writelines(f"# {key}: {value}\n" for key, value in provenance.items())
        self._rows = csv.writer(self._file, delimiter="\t", lineterminator="\n")
        self._rows.writerow(_COLUMNS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, record: pysam.VariantRecord, results: Sequence[Result]) -> None:
        for allele, result in zip(record.alts or (".",), results, strict=True):
            site = (record.chrom, record.pos, record.id or ".", record.ref, allele)
            if isinstance(result, Unscored):
                symbols = ",".join(result.symbols) or "."
                self._rows.writerow((*site, symbols, *"." * 10, str(result)))
            else:
                for score in result:
                    target = score.target
                    names = ",".join(target.transcripts) or "."
                    where = (target.symbol, target.strand, names)
                    self._rows.writerow((*site, *where, *_numbers(score.deltas), "."))
