"""Builds the genome bundles of variants whose SpliceAI scores have been published.

``hg19-chr10`` is the sequence of the authors' own tests, ``hg38-chr1`` one million bases with a
variant of the Broad Institute's look-up, each with the genes of the SpliceAI table::

    python -m tests.realdata.published_variants OUT_DIR [--realdata DIR]

makes OUT_DIR/hg19-chr10 and OUT_DIR/hg38-chr1.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.realdata.bundles import build_once, command, gene_table, link, toml

ROWS = ("spliceai/SPLICE_SITES/acceptor", "spliceai/SPLICE_SITES/donor")


@dataclass(frozen=True)
class Published:
    """A variant with its published scores.

    Attributes:
        variant: As it stands in a link.
        locus: A view of all places that the scores name.
        entry: The published scores as the authors' tool writes them; the look-up tells no
            positions, which are empty then.
        source: Who published them.
    """

    variant: str
    locus: str
    entry: str
    source: str

    @property
    def query(self) -> str:
        """The query of the view that shows it, with its scores beside it."""
        variant, locus = self.variant, self.locus
        panel = {"panel": "effects", "compare": "split"}
        return link(locus=locus, model="spliceai", track=ROWS, variant=variant, **panel)

    @property
    def view(self) -> dict[str, str]:
        """What the first page shows of it."""
        _, gene, *scores = self.entry.split("|")
        names = ("acceptor gain", "acceptor loss", "donor gain", "donor loss")
        largest = max(range(4), key=lambda i: float(scores[i]))
        return {
            "title": f"{self.variant.rpartition(':')[2]} in {gene}: {names[largest]}",
            "about": f"SpliceAI's delta scores, published by {self.source}.",
            "link": self.query,
        }


@dataclass(frozen=True)
class PublishedGenome:
    """The first bases of a chromosome, with such variants."""

    id: str
    name: str
    assembly: str
    chromosome: str
    sequence: str
    table: str
    variants: tuple[Published, ...]


_TESTS = "the authors as tests of their tool"
GENOMES = (
    PublishedGenome(
        "hg19-chr10",
        "Human hg19, start of chr10",
        "hg19",
        "chr10",
        "variants/spliceai_test_chr10_GRCh37.fa.gz",
        "grch37",
        (
            Published(
                "chr10:94077:A>C",
                "chr10:93751-94350",
                "C|TUBB8|0.15|0.27|0.00|0.05|89|-23|-267|193",
                _TESTS,
            ),
            Published(
                "chr10:94555:C>T",
                "chr10:94301-94750",
                "T|TUBB8|0.01|0.18|0.15|0.62|-2|110|-190|0",
                _TESTS,
            ),
        ),
    ),
    PublishedGenome(
        "hg38-chr1",
        "Human hg38, 1 Mb of chr1",
        "hg38",
        "chr1",
        "sequence/hg38_chr1_1-1000000.fa.gz",
        "grch38",
        (
            Published(
                "chr1:930130:C>G",
                "chr1:929901-930400",
                "G|SAMD11|0.68|0.02|0.00|0.01||||",
                "the SpliceAI look-up of the Broad Institute",
            ),
        ),
    ),
)


def build(genome: PublishedGenome, folder: Path, realdata: Path) -> None:
    """Builds the bundle, unless a complete one made of the same things is there already."""
    sources = (Path(__file__), realdata / genome.sequence, gene_table(genome.table))
    build_once(folder, sources, lambda made: _write(genome, made, sources[1:]))


def _write(genome: PublishedGenome, folder: Path, sources: Sequence[Path]) -> None:
    folder.mkdir(parents=True)
    fasta, genes = sources
    with gzip.open(fasta, "rt") as source:
        bases = source.read().partition("\n")[2]
    length = sum(not letter.isspace() for letter in bases)
    (folder / "reference.fa").write_text(f">{genome.chromosome}:1-{length}\n{bases}")
    shutil.copyfile(genes, folder / "genes.tsv")
    about = {
        **{"id": genome.id, "name": genome.name, "assembly": genome.assembly},
        "organism": "Homo sapiens",
    }
    parts = [
        toml("[genome]", about),
        toml("[reference]", {"path": "reference.fa"}),
        toml("[genes]", {"path": "genes.tsv", "format": "spliceai"}),
        *(toml("[[views]]", one.view) for one in genome.variants),
    ]
    (folder / "genome.toml").write_text("\n".join(parts), encoding="utf-8")


def build_all(folder: Path, realdata: Path) -> None:
    """Builds each bundle in a folder of its own."""
    for genome in GENOMES:
        build(genome, folder / genome.id, realdata)


if __name__ == "__main__":
    command("of published variants", build_all)()
