from __future__ import annotations

import gzip
import importlib.util
import itertools
import re
from pathlib import Path

import numpy as np
import pyranges
import pytest
from alphagenome.data.genome import Interval

from app.errors import BundleError
from app.genome.catalogue import Bundle
from app.genome.chromosomes import ChromosomeNames
from app.genome.genes import Genes
from app.genome.reference import Reference

HUMAN = ChromosomeNames([f"chr{c}" for c in [*range(1, 23), "X", "Y"]])
SPLICEAI_HEADER = "#NAME\tCHROM\tSTRAND\tTX_START\tTX_END\tEXON_START\tEXON_END\n"
COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


@pytest.fixture(scope="module")
def spliceai() -> Genes:
    spec = importlib.util.find_spec("spliceai")
    assert spec is not None
    assert spec.origin is not None
    table = Path(spec.origin).parent / "annotations" / "grch38.txt"
    return Genes(HUMAN, table, "spliceai")


@pytest.fixture(scope="module")
def gtf(realdata: Path) -> Genes:
    return Genes(HUMAN, realdata / "genes" / "GRCh37_chr9_4-6Mb.gtf.gz", "gtf")


@pytest.fixture(scope="module")
def gff3(realdata: Path) -> Genes:
    return Genes(HUMAN, realdata / "genes" / "ensembl_GRCh38_chr21.gff3.gz", "gff3")


def _introns_spliced_as_usual(genes: Genes, reference: Reference) -> tuple[int, int]:
    """Counts introns inside the reference, and those that begin GT or GC and end AG."""
    introns: set[tuple[str, int, int, str]] = set()
    for piece in reference.pieces:
        for transcript in genes.overlapping(piece):
            for left, right in itertools.pairwise(transcript.exons):
                if piece.start <= left[1] and right[0] <= piece.end:
                    introns.add((piece.chromosome, left[1], right[0], transcript.strand))
    usual = 0
    for chromosome, start, end, strand in introns:
        sequence = reference.fetch(Interval(chromosome, start, end))
        if strand == "-":
            sequence = sequence.translate(COMPLEMENT)[::-1]
        usual += sequence[:2] in ("GT", "GC") and sequence[-2:] == "AG"
    return len(introns), usual


def test_the_spliceai_table_is_0_based_half_open(spliceai: Genes, hg38_windows: Path) -> None:
    """Every intron in the windows is a splice site to the base; one base off, none would be."""
    introns, usual = _introns_spliced_as_usual(
        spliceai, Reference(hg38_windows / "reference.fa", "hg38")
    )
    assert introns == usual == 439


def test_the_spliceai_table_of_hg19_fits_hg19(hg19_chr20: Path) -> None:
    """Of the 80 introns of the table in this million bases two belong to two genes each."""
    bundle = Bundle.load(hg19_chr20)
    assert _introns_spliced_as_usual(bundle.genes, bundle.reference) == (78, 78)


def test_gff3_coordinates_are_those_of_splice_sites(
    gff3: Genes, realdata: Path, tmp_path: Path
) -> None:
    packed = realdata / "sequence" / "hg38_chr21_24985581-26000306.fa.gz"
    fasta = tmp_path / "c21.fa"
    fasta.write_bytes(gzip.decompress(packed.read_bytes()))
    introns, usual = _introns_spliced_as_usual(gff3, Reference(fasta, "hg38"))
    assert introns > 80
    assert usual / introns > 0.97  # U12 introns and some pseudogenes differ


@pytest.mark.parametrize(
    ("name", "kind"),
    [("GRCh37_chr9_4-6Mb.gtf.gz", "gtf"), ("ensembl_GRCh38_chr21.gff3.gz", "gff3")],
)
def test_transcripts_equal_those_that_pyranges_reads(
    realdata: Path, request: pytest.FixtureRequest, name: str, kind: str
) -> None:
    genes: Genes = request.getfixturevalue(kind)
    reader = pyranges.read_gtf if kind == "gtf" else pyranges.read_gff3
    lines = reader(str(realdata / "genes" / name), as_df=True)
    owner = "transcript_id" if kind == "gtf" else "Parent"

    def spans(feature: str) -> dict[str, list[tuple[int, int]]]:
        found: dict[str, list[tuple[int, int]]] = {}
        part = lines[lines["Feature"] == feature]
        for ids, start, end in zip(part[owner], part["Start"], part["End"], strict=True):
            for one in str(ids).split(","):
                found.setdefault(one.removeprefix("transcript:"), []).append((start, end))
        return {key: sorted(value) for key, value in found.items()}

    exons, cds = spans("exon"), spans("CDS")
    chromosome = genes.all[0].chromosome
    ours = genes.overlapping(Interval(chromosome, 0, 300_000_000))
    assert {t.transcript_id: list(t.exons) for t in ours} == exons
    assert {t.transcript_id: t.cds for t in ours if t.cds} == {
        key: (value[0][0], value[-1][1]) for key, value in cds.items()
    }
    assert len(ours) > 100


def test_overlapping_equals_a_plain_scan(gtf: Genes) -> None:
    everything = gtf.overlapping(Interval("chr9", 0, 200_000_000))
    rng = np.random.default_rng(5)
    for start in rng.integers(3_500_000, 6_500_000, 200).tolist():
        where = Interval("9", start, start + int(rng.integers(1, 100_000)))
        expected = {t.transcript_id for t in everything if t.start < where.end and t.end > where.start}  # noqa: E501  # fmt: skip
        assert {t.transcript_id for t in gtf.overlapping(where)} == expected


def test_overlap_is_half_open(spliceai: Genes) -> None:
    """SAMD11 is chr1:925,738-944,575, NOC2L begins at 944,204."""
    assert [t.symbol for t in spliceai.overlapping(Interval("chr1", 925_736, 925_737))] == []
    (first,) = spliceai.overlapping(Interval("chr1", 925_737, 925_738))
    assert first.symbol == "SAMD11"
    assert (first.start, first.end, first.strand) == (925_737, 944_575, "+")
    assert first.exons[0] == (925_737, 925_800)
    assert len(first.exons) == 14
    assert first.cds is None
    both = spliceai.overlapping(Interval("chr1", 944_203, 944_204))
    assert [t.symbol for t in both] == ["SAMD11", "NOC2L"]
    assert [t.symbol for t in spliceai.overlapping(Interval("1", 944_575, 944_576))] == ["NOC2L"]
    assert spliceai.overlapping(Interval("chr99", 0, 10)) == []


def test_search_order(spliceai: Genes) -> None:
    assert spliceai.search("MAPK1", 3)[0].gene.symbol == "MAPK1"
    found = [hit.matched for hit in spliceai.search("mapk1", 5)]
    assert found[0] == "MAPK1"
    assert all(re.match("MAPK1", name) for name in found)
    assert [len(name) for name in found] == sorted(len(name) for name in found)
    assert len(spliceai.search("A", 7)) == 7
    assert spliceai.search("  ", 5) == spliceai.search("NOSUCHGENE", 5) == []
    assert spliceai.find("mapk") is None


def test_search_by_ids_with_any_version(gff3: Genes) -> None:
    app = gff3.find("APP")
    assert app is not None
    assert app.gene.gene_id == "ENSG00000142192"
    for name in ("ENSG00000142192", "ensg00000142192", "ENSG00000142192.7", "ENST00000346798.3"):
        hit = gff3.find(name)
        assert hit is not None
        assert hit.gene == app.gene
    assert gff3.find("ENSG0000014219") is None


def test_aliases_are_found(tmp_path: Path) -> None:
    path = tmp_path / "a.gff3"
    path.write_text(
        "##gff-version 3\n"
        "1\tx\tgene\t11\t60\t.\t-\t.\tID=gene-G;Name=G1;gene_synonym=OLD%2D1,OTHER\n"
        "1\tx\tmRNA\t11\t60\t.\t-\t.\tID=rna-T1;Parent=gene-G;transcript_id=NM_0001.2\n"
        "1\tx\tmRNA\t31\t60\t.\t-\t.\tID=rna-T2;Parent=gene-G\n"
        "1\tx\texon\t31\t60\t.\t-\t.\tID=e1;Parent=rna-T1,rna-T2\n"
        "1\tx\texon\t11\t20\t.\t-\t.\tID=e2;Parent=rna-T1\n"
        "1\tx\tCDS\t35\t50\t.\t-\t0\tID=c;Parent=rna-T2\n"
    )
    genes = Genes(HUMAN, path, "gff3")
    (gene,) = genes.all
    assert (gene.chromosome, gene.start, gene.end, gene.strand) == ("chr1", 10, 60, "-")
    for name in ("G1", "OLD-1", "other", "NM_0001", "T2"):
        hit = genes.find(name)
        assert hit is not None, name
        assert hit.gene == gene
    first, second = genes.overlapping(Interval("chr1", 0, 100))
    assert first.exons == ((10, 20), (30, 60))
    assert first.cds is None
    assert second.exons == ((30, 60),)
    assert second.cds == (34, 50)


def test_bed12(tmp_path: Path) -> None:
    path = tmp_path / "g.bed"
    path.write_text("chr2\t100\t200\tG\t0\t+\t120\t180\t0\t2\t30,40,\t0,60,\n")
    genes = Genes(HUMAN, path, "bed12")
    (transcript,) = genes.overlapping(Interval("chr2", 130, 131))
    assert transcript.exons == ((100, 130), (160, 200))
    assert transcript.cds == (120, 180)
    assert genes.find("g") is not None


def test_stepping_from_gene_to_gene_visits_each_and_returns(spliceai: Genes) -> None:
    steps = []
    position = 0
    while (gene := spliceai.next_gene("chr21", position)) is not None:
        steps.append(gene)
        position = (gene.start + gene.end) // 2
    on_chromosome = [gene for gene in spliceai.all if gene.chromosome == "chr21"]
    middles = {(gene.start + gene.end) // 2 for gene in on_chromosome}
    assert len(steps) == len(middles)
    back = []
    position = 10**9
    while (gene := spliceai.previous_gene("21", position)) is not None:
        back.append((gene.start + gene.end) // 2)
        position = back[-1]
    assert back == sorted(middles, reverse=True)
    assert spliceai.next_gene("chrMissing", 0) is None


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("gtf", "chr1\tx\texon\tten\t20\t.\t+\t.\tgene_id \"G\"; transcript_id \"T\";\n"),
        ("gtf", "chr1\tx\texon\t10\n"),
        ("gtf", "# nothing\n"),
        ("gff3", "chr1\tx\tgene\t1\t9\t.\t+\t.\tID=g\n"),
        ("spliceai", "#NAME\tCHROM\nA\t1\n"),
        ("spliceai", SPLICEAI_HEADER + "A\t1\t+\t1\t9\t1,\t5,9,\n"),
        ("bed12", "chr1\t1\t2\n"),
        ("bed12", "chr1\t100\t200\tG\t0\t+\t120\t180\t0\t2\t-30,40,\t0,60,\n"),
    ],
)  # fmt: skip
def test_damaged_files_are_errors_that_name_the_file(
    tmp_path: Path, kind: str, content: str
) -> None:
    path = tmp_path / f"genes.{kind}"
    path.write_text(content)
    genes = Genes(HUMAN, path, kind)  # type: ignore[arg-type]
    with pytest.raises(BundleError, match=f"genes.{kind}"):
        genes.overlapping(Interval("chr1", 0, 10))


def test_a_bundle_without_genes_has_none() -> None:
    genes = Genes(HUMAN)
    assert genes.all == ()
    assert genes.search("A") == []
    assert genes.overlapping(Interval("chr1", 0, 10)) == []
    assert genes.next_gene("chr1", 0) is None
