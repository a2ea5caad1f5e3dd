"""Genes and transcripts: fast look-up by place and by name."""

from __future__ import annotations

import bisect
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from alphagenome.data.genome import Interval

from app.errors import BundleError
from app.genome.annotation import GeneFormat, TranscriptTable, read_annotation
from app.genome.chromosomes import ChromosomeNames
from app.genome.derived import derived

_VERSIONED_ID = re.compile(r"(ENS[A-Z]*\d{11}|[NX][MR]_\d+)(\.\d+)?(_PAR_Y)?", re.IGNORECASE)


@dataclass(frozen=True)
class Gene:
    """A gene: the span of its transcripts, 0-based half-open.

    Attributes:
        symbol: As people call it; the gene id where it has no symbol.
        gene_id: Stable id, e.g. ``ENSG00000187634``; empty where the file has none.
        chromosome: Its name in the reference.
        start: First base of any transcript.
        end: One past the last base.
        strand: ``+`` or ``-``, ``.`` where unknown.
        aliases: Other names.
    """

    symbol: str
    gene_id: str
    chromosome: str
    start: int
    end: int
    strand: Literal["+", "-", "."]
    aliases: tuple[str, ...] = ()

    @property
    def interval(self) -> Interval:
        """The span of the gene."""
        return Interval(self.chromosome, self.start, self.end, self.strand, name=self.symbol)


@dataclass(frozen=True)
class Transcript:
    """One transcript, 0-based half-open.

    Attributes:
        transcript_id: E.g. ``ENST00000342066``; empty where the file has none.
        gene: The gene that it belongs to.
        start: First base.
        end: One past the last base.
        exons: From left to right, whatever the strand.
        cds: Start and end of the coding sequence, introns included; None where it has none.
    """

    transcript_id: str
    gene: Gene
    start: int
    end: int
    exons: tuple[tuple[int, int], ...]
    cds: tuple[int, int] | None

    @property
    def symbol(self) -> str:
        """The symbol of the gene."""
        return self.gene.symbol

    @property
    def chromosome(self) -> str:
        """The chromosome, by the reference's name."""
        return self.gene.chromosome

    @property
    def strand(self) -> Literal["+", "-", "."]:
        """The strand of the gene."""
        return self.gene.strand


@dataclass(frozen=True)
class GeneHit:
    """A gene that was searched for, and the name of it that fits what was typed."""

    gene: Gene
    matched: str


@dataclass(frozen=True)
class _Chromosome:
    """The transcripts of one chromosome, sorted by start, and its genes, sorted by midpoint."""

    rows: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    ends: npt.NDArray[np.int64]
    genes: npt.NDArray[np.int64]
    midpoints: npt.NDArray[np.int64]


class Genes:
    """The gene annotation of a bundle; the file is read when it is first asked.

    A GTF or GFF3 file is parsed once and its parsed form kept in the cache folder.
    """

    def __init__(
        self, names: ChromosomeNames, path: Path | None = None, file_format: GeneFormat = "gtf"
    ) -> None:
        """Keeps what is needed to read the annotation later.

        Args:
            names: The chromosome names of the reference; genes elsewhere are left out.
            path: The annotation file; None for a bundle without genes.
            file_format: How to read it.
        """
        self._names = names
        self._path = path
        self._format = file_format
        self._lock = threading.RLock()

    @cached_property
    def _table(self) -> TranscriptTable:
        with self._lock:
            if self._path is None:
                return TranscriptTable.empty()
            path, file_format = self._path, self._format
            try:
                cached = derived(
                    path,
                    f".{file_format}.transcripts-1.npz",
                    lambda target: read_annotation(path, file_format).save(target),
                )
                return TranscriptTable.load(cached)
            except OSError as error:
                raise BundleError(f"The gene file {path.name} cannot be read: {error}") from error

    @cached_property
    def all(self) -> tuple[Gene, ...]:
        """Every gene, in the order of the file's transcripts."""
        return self._genes_of_rows[0]

    @cached_property
    def _genes_of_rows(self) -> tuple[tuple[Gene, ...], npt.NDArray[np.int64]]:
        """The genes, and for every transcript of the table the index of its gene (-1: none)."""
        table = self._table
        spans: dict[tuple[str, str], list[int]] = {}
        gene_of_row = np.full(len(table.starts), -1, np.int64)
        found = {name: self._names.find(name) for name in np.unique(table.chromosomes).tolist()}
        columns = zip(
            table.chromosomes.tolist(), table.gene_ids.tolist(), table.symbols.tolist(), strict=True
        )
        for row, (name, gene_id, symbol) in enumerate(columns):
            chromosome = found[name]
            if chromosome is None:
                continue
            start, end = int(table.starts[row]), int(table.ends[row])
            span = spans.setdefault((chromosome, gene_id or symbol), [len(spans), row, start, end])
            span[2], span[3] = min(span[2], start), max(span[3], end)
            gene_of_row[row] = span[0]
        genes = tuple(
            Gene(
                symbol=str(table.symbols[row]) or str(table.gene_ids[row]),
                gene_id=str(table.gene_ids[row]),
                chromosome=chromosome,
                start=start,
                end=end,
                strand=_strand(str(table.strands[row])),
                aliases=tuple(a for a in str(table.aliases[row]).split("|") if a),
            )
            for (chromosome, _), (_, row, start, end) in spans.items()
        )
        return genes, gene_of_row

    @cached_property
    def _by_chromosome(self) -> dict[str, _Chromosome]:
        table = self._table
        genes, gene_of_row = self._genes_of_rows
        gene_chromosomes = np.array([gene.chromosome for gene in genes], dtype=str)
        middles = np.array([(gene.start + gene.end) // 2 for gene in genes], np.int64)
        result = {}
        for chromosome in dict.fromkeys(gene_chromosomes.tolist()):
            members = np.flatnonzero(gene_chromosomes == chromosome)
            members = members[np.argsort(middles[members], kind="stable")]
            rows = np.flatnonzero(np.isin(gene_of_row, members))
            rows = rows[np.lexsort((table.ends[rows], table.starts[rows]))]
            result[chromosome] = _Chromosome(
                rows, table.starts[rows], table.ends[rows], members, middles[members]
            )
        return result

    def overlapping(self, interval: Interval) -> list[Transcript]:
        """Returns the transcripts that share a base with an interval, sorted by start.

        Raises:
            BundleError: The gene file cannot be read.
        """
        chromosome = self._names.find(interval.chromosome)
        index = self._by_chromosome.get(chromosome or "")
        if index is None:
            return []
        until = int(np.searchsorted(index.starts, interval.end, side="left"))
        hits = np.flatnonzero(index.ends[:until] > interval.start)
        return [self._transcript(int(index.rows[hit])) for hit in hits]

    def _transcript(self, row: int) -> Transcript:
        table = self._table
        genes, gene_of_row = self._genes_of_rows
        exons = slice(int(table.exon_offsets[row]), int(table.exon_offsets[row + 1]))
        cds = int(table.cds_starts[row]), int(table.cds_ends[row])
        return Transcript(
            transcript_id=str(table.transcript_ids[row]),
            gene=genes[int(gene_of_row[row])],
            start=int(table.starts[row]),
            end=int(table.ends[row]),
            exons=tuple(
                zip(table.exon_starts[exons].tolist(), table.exon_ends[exons].tolist(), strict=True)
            ),
            cds=cds if cds[0] < cds[1] else None,
        )

    @cached_property
    def _search_index(self) -> list[tuple[str, int, str, int]]:
        """Sorted (key, rank, name, gene); rank 0 symbol, 1 alias, 2 and 3 ids."""

        def entries() -> Iterator[tuple[str, int, str, int]]:
            genes, gene_of_row = self._genes_of_rows
            for index, gene in enumerate(genes):
                yield _key(gene.symbol), 0, gene.symbol, index
                yield from ((_key(alias), 1, alias, index) for alias in gene.aliases)
                if gene.gene_id:
                    yield _key(gene.gene_id), 2, gene.gene_id, index
            for row, name in enumerate(self._table.transcript_ids.tolist()):
                if name and gene_of_row[row] >= 0:
                    yield _key(name), 3, name, int(gene_of_row[row])

        return sorted(set(entries()))

    def search(self, text: str, limit: int = 10) -> list[GeneHit]:
        """Finds genes by symbol, alias, gene id or transcript id.

        Exact spelling comes first, then the same letters in another case, then names that begin
        so (symbols before aliases before ids, short before long). A version behind an id
        (``ENST00000342066.8``) may be missing or another one.

        Args:
            text: What was typed.
            limit: Largest number of genes to return, each once.

        Raises:
            BundleError: The gene file cannot be read.
        """
        wanted = text.strip()
        if not wanted:
            return []
        index, key = self._search_index, _key(wanted)
        first = bisect.bisect_left(index, (key,))
        past = bisect.bisect_left(index, (key + "\U0010ffff",))

        def order(entry: tuple[str, int, str, int]) -> tuple[bool, bool, int, int, str]:
            entry_key, rank, name, _ = entry
            return name != wanted, entry_key != key, rank, len(name), name

        found: dict[int, str] = {}
        for _, _, name, gene in sorted(index[first:past], key=order):
            found.setdefault(gene, name)
            if len(found) == limit:
                break
        return [GeneHit(self.all[gene], name) for gene, name in found.items()]

    @cached_property
    def symbols(self) -> tuple[str, ...]:
        """Every symbol and alias once, for suggestions."""
        return tuple({name for _, rank, name, _ in self._search_index if rank < 2})

    def find(self, text: str) -> GeneHit | None:
        """Returns the gene of exactly that name, in any case and any version, or None."""
        hits = self.search(text, limit=1)
        return hits[0] if hits and _key(hits[0].matched) == _key(text.strip()) else None

    def next_gene(self, chromosome: str, position: int) -> Gene | None:
        """Returns the gene whose midpoint comes first after a position (0-based), or None.

        Midpoints, because a view that shows a gene with even margins is centred on its midpoint:
        stepping on from there neither stays nor skips nested genes.
        """
        return self._step(chromosome, lambda middles: np.searchsorted(middles, position, "right"))

    def previous_gene(self, chromosome: str, position: int) -> Gene | None:
        """Returns the gene whose midpoint comes last before a position (0-based), or None."""
        return self._step(chromosome, lambda middles: np.searchsorted(middles, position) - 1)

    def _step(
        self, chromosome: str, place: Callable[[npt.NDArray[np.int64]], np.intp]
    ) -> Gene | None:
        index = self._by_chromosome.get(self._names.find(chromosome) or "")
        if index is None:
            return None
        at = int(place(index.midpoints))
        return self.all[int(index.genes[at])] if 0 <= at < len(index.genes) else None


def _key(name: str) -> str:
    """Returns what a name is searched by: without case, and a stable id without its version."""
    match = _VERSIONED_ID.fullmatch(name)
    return (match[1] + (match[3] or "") if match else name).lower()


def _strand(text: str) -> Literal["+", "-", "."]:
    return "+" if text == "+" else "-" if text == "-" else "."
