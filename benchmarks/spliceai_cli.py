"""Times ``locuscope score`` on 100 SNVs in SAMD11 and NOC2L, from process start to written VCF.

Compared with the SpliceAI 1.3.1 command, which took 148 s for 100 such variants on two cores, and
with its scores for the very same variants::

    python -m benchmarks.spliceai_cli [--realdata DIR] [--repeat 3]
"""

from __future__ import annotations

import csv
import gzip
import importlib.util
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import pysam

ROOT = Path(__file__).resolve().parents[1]
REALDATA = ROOT.parent / "shared" / "realdata"
OFFICIAL = ROOT / "tests" / "realdata" / "data" / "spliceai_1.3.1.tsv"
OFFICIAL_SECONDS = 148
BUNDLE = """[genome]
id = "hg38-chr1"
name = "Human hg38, the first Mb of chr1"
assembly = "hg38"
[reference]
path = "chr1.fa"
[genes]
path = "grch38.txt"
format = "spliceai"
"""


def official() -> list[dict[str, str]]:
    """Returns the variants, one every 325 bp, and what the authors' tool wrote for them."""
    with OFFICIAL.open() as file:
        rows = csv.DictReader((line for line in file if line[0] != "#"), delimiter="\t")
        return [row for row in rows if row["set"] == "snv100"]


def prepare(folder: Path, realdata: Path, rows: list[dict[str, str]]) -> Path:
    """Writes the genome bundle and the variants; returns the VCF."""
    spec = importlib.util.find_spec("spliceai")
    table = Path(spec.submodule_search_locations[0]) / "annotations" / "grch38.txt"
    shutil.copy(table, folder)
    fasta = gzip.decompress((realdata / "sequence" / "hg38_chr1_1-1000000.fa.gz").read_bytes())
    (folder / "chr1.fa").write_bytes(fasta)
    (folder / "genome.toml").write_text(BUNDLE)
    vcf = folder / "in.vcf"
    lines = ["##fileformat=VCFv4.2", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"]
    lines += [f"{r['chrom']}\t{r['pos']}\t.\t{r['ref']}\t{r['alt']}\t.\t.\t." for r in rows]
    vcf.write_text("\n".join(lines) + "\n")
    return vcf


@click.command(help=__doc__)
@click.option("--realdata", type=click.Path(path_type=Path), default=REALDATA)
@click.option("--repeat", default=3, show_default=True)
def main(realdata: Path, repeat: int) -> None:
    """Prints seconds, variants a second, speed-up, agreement and peak memory."""
    rows = official()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        vcf, out = prepare(folder, realdata, rows), folder / "out.vcf"
        command = [sys.executable, "-m", "app.cli", "score", "--genome", str(folder)]
        command += ["--model", "spliceai", "--vcf", str(vcf), "-o", str(out)]
        for _ in range(repeat):
            start = time.perf_counter()
            subprocess.run(command, check=True, cwd=ROOT)
            seconds = time.perf_counter() - start
            print(
                f"{seconds:.1f} s, {len(rows) / seconds:.1f} variants/s, "
                f"{OFFICIAL_SECONDS / seconds:.1f} times as fast as {OFFICIAL_SECONDS} s"
            )
        with pysam.VariantFile(str(out)) as file:
            got = [set(record.info["SpliceAI"]) for record in file]
    same = sum(g == set(row["expected"].split(",")) for g, row in zip(got, rows, strict=True))
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{same} of {len(rows)} variants have exactly the official scores and positions")
    print(f"peak memory {peak:.0f} MiB")


if __name__ == "__main__":
    main()
