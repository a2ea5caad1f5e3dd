"""What ``locuscope effects`` writes, and what it refuses."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest

from tests.test_cli import BIN, CHR1, Cli, cli  # noqa: F401 - the fixture

AT = 3_000


def other(base: str) -> str:
    return "A" if base in "GC" else "C"


def expected(at: int, start: int) -> float:
    """The log2 ratio that the toy must have in the sixteen bins around a base."""
    low = start + ((at - start) // BIN - 8) * BIN
    edited = CHR1[:at] + other(CHR1[at]) + CHR1[at + 1 :]
    ref, alt = (
        sum(base in "GC" for base in text[low : low + 16 * BIN]) / BIN for text in (CHR1, edited)
    )
    return math.log2((1 + alt) / (1 + ref))


def words(cli: Cli, out: str, *more: str | Path) -> list[str | Path]:  # noqa: F811
    where = ["--genome", cli.folder / "genome", "--model", "toy", "--scorer", "CAGE"]
    return ["effects", *where, "-o", cli.folder / out, *more]


def test_one_edit_as_table_with_provenance(cli: Cli) -> None:  # noqa: F811
    edit = f"chr1:{AT + 1}:{CHR1[AT]}>{other(CHR1[AT])}"
    result = cli.run(*words(cli, "out.tsv", "--edit", edit))
    assert result.exit_code == 0, result.output
    text = (cli.folder / "out.tsv").read_text()
    assert "# model: toy\n" in text
    table = pd.read_csv(cli.folder / "out.tsv", sep="\t", comment="#")
    row = table[table.track_name == "gc"].iloc[0]
    start = int(row.scored_interval.partition(":")[2].partition("-")[0])
    assert row.raw_score == pytest.approx(expected(AT, start), rel=1e-4)
    assert row.variant_id == edit


def test_variants_of_a_file_are_scored_one_by_one(cli: Cli) -> None:  # noqa: F811
    vcf = cli.folder / "in.vcf"
    lines = [
        "##fileformat=VCFv4.2",
        "##contig=<ID=chr1>",
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO",
    ]
    for at in (AT, AT + 500):
        lines.append(f"chr1\t{at + 1}\t.\t{CHR1[at]}\t{other(CHR1[at])}\t.\t.\t.")
    lines.append(f"chr1\t{AT + 1}\t.\t{other(CHR1[AT])}\t{CHR1[AT]}\t.\t.\t.")
    vcf.write_text("\n".join(lines) + "\n")
    result = cli.run(*words(cli, "out.parquet", "--vcf", vcf))
    assert result.exit_code == 0, result.output
    assert "2 of 3 scored" in result.stdout
    assert f"The reference has {CHR1[AT]}" in result.stdout
    table = pd.read_parquet(cli.folder / "out.parquet")
    assert table.attrs["notice"] == "not for clinical use"
    [note] = table.attrs["not scored"]
    assert f"The reference has {CHR1[AT]}" in note
    for at in (AT, AT + 500):
        row = table[(table.track_name == "gc") & table.variant_id.str.contains(f":{at + 1}:")].iloc[
            0
        ]
        start = int(row.scored_interval.partition(":")[2].partition("-")[0])
        assert row.raw_score == pytest.approx(expected(at, start), rel=1e-4)


@pytest.mark.parametrize(
    ("out", "more", "said"),
    [
        ("out.xls", ("--edit", "chr1:3001:A>C"), "ends in .tsv or .parquet"),
        ("out.tsv", (), "--vcf or edits with --edit"),
        ("out.tsv", ("--vcf", "nowhere.vcf"), "There is no file nowhere.vcf"),
        ("out.tsv", ("--scorer", "LIVER", "--edit", "chr1:3001:A>C"), "no scorer"),
        ("out.tsv", ("--edit", "chr9:3001:A>C"), "chr9"),
        ("no/out.tsv", ("--edit", "chr1:3001:A>C"), "There is no folder"),
    ],
)
def test_what_cannot_be_scored_is_one_line(
    cli: Cli,  # noqa: F811
    out: str,
    more: tuple[str, ...],
    said: str,
) -> None:
    assert said in cli.fails(*words(cli, out, *more))
    assert not (cli.folder / out).exists()
