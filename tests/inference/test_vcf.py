"""VCF in, VCF or table out, with a model that always finds the same."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pysam
import pytest

from app.errors import BadInputError, ReferenceMismatchError
from app.genome.genes import Genes
from app.genome.reference import Reference
from app.inference.vcf import score_vcf
from models.registry import CARDS, read_card

HEADER = "##fileformat=VCFv4.2\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
LENGTH = 20_000


class DonorAtT:
    """Donor probability 0.75 wherever there is a T, so a T in place of a C is a gain there."""

    card = read_card(CARDS / "spliceai")

    def predict_edits(self, sequence, edits):
        results = []
        for edit in edits:
            start, end = edit.window
            tail = sequence[edit.start + edit.length :]
            changed = sequence[: edit.start] + edit.alternate + tail
            before, after = sequence[start:end], changed[start : end + edit.shift]
            results.append(tuple(self.probabilities(text) for text in (before, after)))
        return results

    @staticmethod
    def probabilities(text: str) -> np.ndarray:
        values = np.zeros((len(text), 3), np.float32)
        values[:, 2] = [0.75 * (base == "T") for base in text]
        return values


@pytest.fixture
def genome(tmp_path) -> tuple[Reference, Genes]:
    """chr1 of C only, in it gene ONE, and ONE and TWO from 0-based 10,000 on."""
    fasta, table = tmp_path / "genome.fa", tmp_path / "genes.txt"
    fasta.write_text(f">chr1\n{'C' * LENGTH}\n")
    table.write_text(
        "#NAME\tCHROM\tSTRAND\tTX_START\tTX_END\tEXON_START\tEXON_END\n"
        "ONE\t1\t+\t6000\t14000\t6000,\t14000,\n"
        "TWO\t1\t-\t10000\t14000\t10000,\t14000,\n"
    )
    reference = Reference(fasta)
    return reference, Genes(reference.names, table, "spliceai")


@pytest.fixture
def run(genome, tmp_path):
    """Scores the text of a VCF and returns the summary and the path of the output."""

    def run(text: str, name: str = "out.vcf", **settings):
        vcf_in, out = tmp_path / "in.vcf", tmp_path / name
        vcf_in.write_text(text)
        return score_vcf(*genome, vcf_in, out, DonorAtT(), **settings), out

    return run


def records(path: Path) -> list[pysam.VariantRecord]:
    with pysam.VariantFile(str(path)) as file:
        return list(file)


def line(position, ref, alt, chromosome="chr1", info="."):
    return f"{chromosome}\t{position}\t.\t{ref}\t{alt}\t.\t.\t{info}\n"


def test_entries_have_the_official_format(run):
    summary, out = run(HEADER + COLUMNS + line(8000, "C", "T"))
    (record,) = records(out)
    assert record.info["SpliceAI"] == ("T|ONE|0.00|0.00|0.75|0.00|-50|-50|0|-50",)
    assert (summary.records, summary.alleles, summary.scored) == (1, 1, 1)
    with pysam.VariantFile(str(out)) as file:
        field = file.header.info["SpliceAI"]
    assert (field.number, field.type) == (".", "String")
    # What bcftools +split-vep and VEP's readers look for.
    names = field.description.rpartition("Format: ")[2].split("|")
    assert names == [
        "ALLELE",
        "SYMBOL",
        "DS_AG",
        "DS_AL",
        "DS_DG",
        "DS_DL",
        "DP_AG",
        "DP_AL",
        "DP_DG",
        "DP_DL",
    ]


def test_every_allele_and_gene_has_an_entry(run):
    summary, out = run(HEADER + COLUMNS + line(11000, "C", "T,CT,<DEL>,A"))
    (record,) = records(out)
    entries = [e.split("|")[:2] for e in record.info["SpliceAI"]]
    assert entries == [[a, g] for a in ("T", "CT", "A") for g in ("ONE", "TWO")]
    assert record.info["SpliceAI_unscored"] == ("<DEL>|ALT_is_not_a_sequence_of_A_C_G_T_and_N",)
    assert (summary.alleles, summary.scored) == (4, 3)


def test_records_keep_their_order_names_and_columns(run):
    text = (
        HEADER
        + '##INFO=<ID=DP,Number=1,Type=Integer,Description="Depth">\n'
        + '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n'
        + COLUMNS.strip()
        + "\tFORMAT\tS1\n"
        + "1\t9000\trs1\tC\tT\t31.5\tPASS\tDP=7\tGT\t0/1\n"
        + "chr1\t8000\t.\tC\tT\t.\t.\t.\tGT\t1|1\n"
    )
    summary, out = run(text)
    first, second = [t for t in out.read_text().splitlines() if not t.startswith("#")]
    entry = "SpliceAI=T|ONE|0.00|0.00|0.75|0.00|-50|-50|0|-50"
    assert first == f"1\t9000\trs1\tC\tT\t31.5\tPASS\tDP=7;{entry}\tGT\t0/1"
    assert second == f"chr1\t8000\t.\tC\tT\t.\t.\t{entry}\tGT\t1|1"
    assert summary.scored == 2


def test_undeclared_chromosomes_and_fields_are_no_problem(run):
    summary, out = run(
        HEADER + COLUMNS + line(8000, "C", "T", info="XY=3;FLAG") + line(5, "A", "T", "chrUn_1")
    )
    known, unknown = records(out)
    assert known.info["XY"] == "3"
    assert unknown.info["SpliceAI_unscored"] == ("T|chromosome_is_not_in_the_genome:_chrUn_1",)
    assert summary.scored == 1


def test_scores_that_a_file_already_has_are_replaced(run):
    old = '##INFO=<ID=SpliceAI,Number=1,Type=Float,Description="other">\n'
    _, out = run(
        HEADER
        + old
        + COLUMNS
        + line(8000, "C", "T", info="SpliceAI=0.5")
        + line(300, "C", "T", info="SpliceAI=0.5")
    )
    inside, outside = records(out)
    assert inside.info["SpliceAI"] == ("T|ONE|0.00|0.00|0.75|0.00|-50|-50|0|-50",)
    assert "SpliceAI" not in outside.info
    assert out.read_text().count("##INFO=<ID=SpliceAI,") == 1


def test_complex_variants_have_empty_scores_as_in_the_official_tool(run):
    _, out = run(HEADER + COLUMNS + line(11000, "CC", "TT"))
    (record,) = records(out)
    assert record.info["SpliceAI"] == tuple(f"TT|{g}|.|.|.|.|.|.|.|." for g in ("ONE", "TWO"))
    assert record.info["SpliceAI_unscored"] == ("TT|REF_and_ALT_are_both_longer_than_one_base",)


def test_wrong_ref_names_the_right_base(run):
    summary, out = run(HEADER + COLUMNS + line(8000, "A", "T") + line(8001, "C", "T"))
    wrong, right = records(out)
    assert wrong.info["SpliceAI_unscored"] == (
        "T|REF_differs_from_the_reference:_REF_is_A_but_the_genome_has_C",
    )
    assert "SpliceAI" not in wrong.info
    assert "SpliceAI" in right.info
    assert dict(summary.unscored) == {"REF differs from the reference": 1}
    assert str(summary) == (
        "1 of 2 alleles in 2 records scored\n1 not scored: REF differs from the reference"
    )


def test_a_file_of_another_assembly_is_refused_and_nothing_is_written(run, tmp_path):
    text = HEADER + COLUMNS + line(8000, "A", "T") + line(9000, "G", "T") + line(1, "A", "T", "7")
    with pytest.raises(ReferenceMismatchError, match="another assembly") as caught:
        run(text)
    assert "chr1:8,000 REF is A but the genome has C" in caught.value.message
    assert {p.name for p in tmp_path.iterdir() if "out" in p.name} == set()


def test_table_has_one_row_for_each_allele_and_gene(run):
    _, out = run(
        HEADER + COLUMNS + line(11000, "C", "T") + line(8000, "A", "T") + line(7, "C", "."),
        "out.tsv",
    )
    text = out.read_text().splitlines()
    notes = [t for t in text if t.startswith("#")]
    assert any("non-commercial" in note and "Not for clinical use" in note for note in notes)
    rows = list(csv.DictReader(text[len(notes) :], delimiter="\t"))
    assert [(r["SYMBOL"], r["STRAND"], r["DS_DG"], r["DP_DG"], r["REASON"]) for r in rows] == [
        ("ONE", "+", "0.75", "0", "."),
        ("TWO", "-", "0.00", "-50", "."),
        (".", ".", ".", ".", "REF differs from the reference: REF is A but the genome has C"),
        (".", ".", ".", ".", "no ALT allele"),
    ]
    assert [r["POS"] for r in rows] == ["11000", "11000", "8000", "7"]


@pytest.mark.parametrize("name", ["out.vcf", "out.tsv", "out.vcf.gz"])
def test_a_file_without_records_gives_a_header(run, name):
    summary, out = run(HEADER + COLUMNS, name)
    assert (summary.records, summary.alleles) == (0, 0)
    if name != "out.tsv":
        assert records(out) == []
    else:
        assert out.read_text().splitlines()[-1].startswith("CHROM\tPOS")


def test_bgzipped_input_and_output(run, genome, tmp_path):
    _, plain = run(HEADER + COLUMNS + line(8000, "C", "T"))
    pysam.tabix_compress(str(tmp_path / "in.vcf"), str(tmp_path / "in.vcf.gz"))
    out = tmp_path / "other.vcf.gz"
    score_vcf(*genome, tmp_path / "in.vcf.gz", out, DonorAtT())
    pysam.tabix_index(str(out), preset="vcf")  # works on bgzip only
    assert [str(r) for r in records(out)] == [str(r) for r in records(plain)]


def test_lower_case_alleles_and_ambiguity_codes(run):
    summary, _ = run(HEADER + COLUMNS + line(8000, "c", "t") + line(8001, "C", "r"))
    assert summary.scored == 1
    assert dict(summary.unscored) == {"ALT is not a sequence of A, C, G, T and N": 1}


def test_progress_counts_every_allele(run):
    seen = []
    run(
        HEADER + COLUMNS + line(11000, "C", "T,A") + line(8000, "A", "T") + line(1, "C", "."),
        progress=lambda done, total: seen.append((done, total)),
    )
    assert seen[-1] == (4, 4)
    assert seen == sorted(seen)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a VCF"),
        ("hello world\n", "not a VCF"),
        (line(8000, "C", "T"), "not a VCF"),
        (HEADER + COLUMNS + line(8000, "C", "T") + line("x", "C", "T"), "record 2 cannot be read"),
        (HEADER + COLUMNS + "chr1\t8000\t.\tC\n", "record 1 cannot be read"),
        (HEADER + COLUMNS + line(8000, "C", "T") + "chr1\t80", "record 2 cannot be read"),
    ],
)
def test_a_damaged_file_is_refused_and_nothing_is_written(run, tmp_path, text, message):
    with pytest.raises(BadInputError, match=message):
        run(text)
    assert {p.name for p in tmp_path.iterdir() if "out" in p.name} == set()


def test_paths_that_cannot_be_used(run, genome, tmp_path):
    with pytest.raises(BadInputError, match=r"must end in \.tsv, \.vcf or \.vcf\.gz"):
        run(HEADER + COLUMNS, "out.txt")
    with pytest.raises(BadInputError, match="There is no file"):
        score_vcf(*genome, tmp_path / "no.vcf", tmp_path / "out.vcf", DonorAtT())
    with pytest.raises(BadInputError, match="cannot be written"):
        run(HEADER + COLUMNS + line(8000, "C", "T"), "no_folder/out.vcf")
    with pytest.raises(BadInputError, match="cannot be written"):
        run(HEADER + COLUMNS + line(8000, "C", "T"), "no_folder/out.tsv")
