"""The real command on real data: agreement with measurement, and scores of the authors' tool."""

from __future__ import annotations

import csv
import gzip
import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyBigWig
import pytest

from tests.genome.made import write_toml

LOCUSCOPE = Path(sys.executable).with_name("locuscope")
LOCUS, CHROMOSOME, START, END = "chr22:21,691,454-21,822,524", "chr22", 21_691_453, 21_822_524
TRACK = "baskerville-human74/DNASE/ENCFF136DBS/."
OFFICIAL = Path(__file__).parent / "data" / "spliceai_1.3.1.tsv"


def locuscope(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LOCUSCOPE, *words], capture_output=True, text=True, check=False)


def test_predicted_dnase_of_hepg2_agrees_with_the_measured_one(
    realdata: Path, hg38_windows: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    words = ["predict", "--genome", hg38_windows, "--weights", realdata / "weights"]
    words += ["--model", "baskerville-human74", "--interval", LOCUS, "--tracks", TRACK]
    done = locuscope(*words, "-o", tmp_path / "out.bw")
    assert (done.returncode, done.stderr) == (0, "")
    with pyBigWig.open(str(tmp_path / "out.bw")) as file:
        predicted = np.array(file.values(CHROMOSOME, START, END))
    with pyBigWig.open(str(hg38_windows / "tracks" / "DNASE_ENCFF136DBS.bw")) as file:
        observed = np.array(file.values(CHROMOSOME, START, END))
    both = np.isfinite(predicted) & np.isfinite(observed)
    first = int(both.argmax())
    bins = slice(first, first + int(both.sum()), 32)
    x, y = predicted[bins], observed[bins]
    assert len(x) == 2_048
    assert np.corrcoef(np.log1p(x), np.log1p(y))[0, 1] == pytest.approx(0.915, abs=0.002)


@pytest.fixture(scope="module")
def samd11(realdata: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first million bases of chr1 with the genes that SpliceAI carries."""
    folder = tmp_path_factory.mktemp("samd11")
    packed = realdata / "sequence" / "hg38_chr1_1-1000000.fa.gz"
    (folder / "reference.fa").write_bytes(gzip.decompress(packed.read_bytes()))
    spec = importlib.util.find_spec("spliceai")
    assert spec is not None
    assert spec.submodule_search_locations
    table = Path(spec.submodule_search_locations[0]) / "annotations" / "grch38.txt"
    (folder / "grch38.txt").write_bytes(table.read_bytes())
    return write_toml(folder, genes={"path": "grch38.txt", "format": "spliceai"})


def write_vcf(path: Path, variants: list[tuple[str, str, str, str]]) -> Path:
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"{c}\t{pos}\t.\t{ref}\t{alt}\t.\t.\t." for c, pos, ref, alt in variants]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_scores_are_those_of_the_official_command(samd11: Path, tmp_path: Path) -> None:
    with OFFICIAL.open() as file:
        table = csv.DictReader((line for line in file if line[0] != "#"), delimiter="\t")
        rows = [row for row in table if row["set"] == "snv100"][:2]
    vcf = write_vcf(tmp_path / "in.vcf", [(r["chrom"], r["pos"], r["ref"], r["alt"]) for r in rows])
    out = tmp_path / "out.vcf"
    done = locuscope("score", "--genome", samd11, "--vcf", vcf, "--distance", "50", "-o", out)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "2 of 2 alleles in 2 records scored\n"
    written = [line.split("\t") for line in out.read_text().splitlines() if line[0] != "#"]
    assert [fields[7] for fields in written] == [f"SpliceAI={row['expected']}" for row in rows]
    assert "|".join(rows[0]["expected"].split("|")[2:6]) == "0.00|0.00|0.07|0.63"

    table_out = tmp_path / "out.tsv"
    done = locuscope("score", "--genome", samd11, "--vcf", vcf, "-o", table_out)
    assert done.returncode == 0
    lines = [line for line in table_out.read_text().splitlines() if line[0] != "#"]
    first = next(csv.DictReader(lines, delimiter="\t"))
    assert float(first["DS_DL"]) == pytest.approx(0.63, abs=0.005)
    assert (first["SYMBOL"], first["DP_DL"]) == ("SAMD11", "0")


def test_vcf_of_another_genome_is_refused(samd11: Path, tmp_path: Path) -> None:
    vcf = write_vcf(tmp_path / "in.vcf", [("chr1", "925800", "A", "T")])  # it is G
    done = locuscope("score", "--genome", samd11, "--vcf", vcf, "-o", tmp_path / "out.vcf")
    assert (done.returncode, done.stdout) == (2, "")
    [line] = done.stderr.splitlines()
    assert "REF" in line
    assert "chr1:925,800" in line
    assert not (tmp_path / "out.vcf").exists()
