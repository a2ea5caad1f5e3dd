"""SpliceAI's variant scores against the authors' tool and published values."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import json
import re
from pathlib import Path

import pysam
import pytest
import torch
from alphagenome.data.genome import Interval, Variant

from app.errors import NotFoundError, SequenceUnavailableError
from app.genome.genes import Genes
from app.genome.reference import Reference
from app.inference.splicing import CONTEXT, SpliceScorer
from app.inference.vcf import format_entry, score_vcf
from models.registry import CARDS, open_model, read_card
from models.spliceai import SpliceAI

OFFICIAL = Path(__file__).parent / "data" / "spliceai_1.3.1.tsv"
FILES = {
    "hg38": (
        "sequence/hg38_chr1_1-1000000.fa.gz",
        "sequence/hg38_chr21_24985581-26000306.fa.gz",
        "sequence/hg38_65windows_131072bp.fa.gz",
    ),
    "hg19": (
        "sequence/hg19_chr20_1000001-2000000.fa.gz",
        "sequence/hg19_chr22_20000001-21000000.fa.gz",
        "variants/spliceai_test_chr10_GRCh37.fa.gz",
    ),
}
TABLES = {"hg38": "grch38.txt", "hg19": "grch37.txt"}


@pytest.fixture(scope="module")
def model() -> SpliceAI:
    opened = open_model(read_card(CARDS / "spliceai"), [], torch.device("cpu"))
    assert isinstance(opened, SpliceAI)
    return opened


@pytest.fixture(scope="module")
def genomes(realdata, tmp_path_factory) -> dict[str, tuple[Reference, Genes]]:
    """All real sequence of both assemblies, with the annotation that SpliceAI carries."""
    spec = importlib.util.find_spec("spliceai")
    assert spec is not None
    assert spec.submodule_search_locations
    annotations = Path(spec.submodule_search_locations[0]) / "annotations"
    found = {}
    for genome, files in FILES.items():
        path = tmp_path_factory.mktemp(genome) / "pieces.fa"
        with path.open("wb") as fasta:
            for name in files:
                fasta.write(gzip.decompress((realdata / name).read_bytes()))
        reference = Reference(path)
        found[genome] = reference, Genes(reference.names, annotations / TABLES[genome], "spliceai")
    return found


def official(name: str, mask: int) -> list[dict[str, str]]:
    with OFFICIAL.open() as file:
        rows = csv.DictReader((line for line in file if line[0] != "#"), delimiter="\t")
        return [row for row in rows if row["set"] == name and row["mask"] == str(mask)]


def write_vcf(path: Path, rows: list[dict[str, str]]) -> None:
    lines = ["##fileformat=VCFv4.2", '##ALT=<ID=DEL,Description="Deletion">']
    lines += ["#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"{r['chrom']}\t{r['pos']}\t.\t{r['ref']}\t{r['alt']}\t.\t.\t." for r in rows]
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize(
    ("name", "mask"),
    [("snv100", 0), ("mixed38", 0), ("mixed38", 1), ("mixed37", 0), ("mixed37", 1)],
)
def test_scores_equal_those_of_the_authors_tool(model, genomes, tmp_path, name, mask):
    """SNVs, insertions, deletions, both strands, two genes, and what the tool leaves out."""
    rows = official(name, mask)
    vcf_in, out = tmp_path / "in.vcf", tmp_path / "out.vcf"
    write_vcf(vcf_in, rows)
    reference, genes = genomes[rows[0]["genome"]]
    score_vcf(
        reference, genes, vcf_in, out, model, distance=int(rows[0]["distance"]), mask=bool(mask)
    )
    with pysam.VariantFile(str(out)) as file:
        got = [",".join(r.info.get("SpliceAI", (".",))) for r in file]
    expected = [row["expected"] for row in rows]
    assert len([e for e in expected if e != "."]) > 50
    assert [_entries(g) for g in got] == [_entries(e) for e in expected]


def _entries(text: str) -> list[str]:
    """Entries in one order, and 0.00 for -0.00: a difference too small to have a sign."""
    return sorted(text.replace("|-0.00", "|0.00").split(","))


@pytest.mark.parametrize(
    ("position", "ref", "alt", "entry"),
    [
        (94077, "A", "C", "C|TUBB8|0.15|0.27|0.00|0.05|89|-23|-267|193"),
        (94555, "C", "T", "T|TUBB8|0.01|0.18|0.15|0.62|-2|110|-190|0"),
    ],
)
def test_scores_equal_the_authors_published_ones(model, genomes, position, ref, alt, entry):
    reference, genes = genomes["hg19"]
    scorer = SpliceScorer(model, reference.fetch, genes.overlapping, distance=500)
    ((score,),) = scorer.score([Variant("chr10", position, ref, alt)])
    assert format_entry(alt, score) == entry


def lookup_entries(realdata: Path) -> list[tuple[str, Variant, dict[str, object]]]:
    """The published SpliceAI scores of the Broad's look-up service."""
    path = realdata / "variants" / "spliceai_lookup_expected_scores.json"
    found = []
    for key, scores in json.loads(path.read_text()).items():
        name, build, tool = key.split("|")
        text = scores.get("resolved_variant", name)
        match = re.fullmatch(r"(\w+)-(\d+)-([ACGT]+)-([ACGT]+)", text)
        if tool == "spliceai" and match:
            variant = Variant(f"chr{match[1]}", int(match[2]), match[3], match[4])
            found.append(({"38": "hg38", "37": "hg19"}[build], variant, scores))
    return found


def test_scores_equal_those_of_spliceai_lookup(model, genomes, realdata):
    """Every published entry whose sequence is there.

    They were made with distance 500: the donor loss of 0.01 is found at -153.
    """
    entries = lookup_entries(realdata)
    assert len(entries) == 38
    tested = 0
    for genome, variant, expected in entries:
        reference, genes = genomes[genome]
        flank = CONTEXT + 500
        try:
            reference.fetch(
                Interval(variant.chromosome, variant.start - flank, variant.end + flank)
            )
        except (NotFoundError, SequenceUnavailableError):
            continue
        scorer = SpliceScorer(model, reference.fetch, genes.overlapping, distance=500)
        (scores,) = scorer.score([variant])
        by_symbol = {score.target.symbol: score.deltas for score in scores}
        deltas = by_symbol[expected["g_name"]]
        names = ("DS_AG", "DS_AL", "DS_DG", "DS_DL")
        assert [round(x, 2) for x in deltas[:4]] == [expected[name] for name in names], variant
        tested += 1
    assert tested == 1
