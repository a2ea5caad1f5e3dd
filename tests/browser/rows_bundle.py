"""A small genome in which every single base is known, for tests of what is drawn where."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tests.genome.made import write_bigwig, write_fasta, write_toml

LENGTH = 300_000
#: First and last base of the chromosome, of a tile of 1,024 bins, of a bin of 32 bp, and of the
#: views that the tests open; each has its own height.
SPIKES = {0: 3.0, 31: 4.0, 32: 5.0, 1023: 6.0, 1024: 7.0, 2000: 8.0, 2099: 9.0, 299_999: 10.0}
#: Reading frames that were planted: ATG GCT ... TAA on either strand.
PROTEIN = "MAWKLQ*"
CODONS = "ATGGCTTGGAAACTGCAGTAA"
FORWARD_AT, REVERSE_AT = 2_010, 2_051

GTF = """\
chr1 toy transcript 2001 6000 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.1";
chr1 toy exon 2001 2600 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.1";
chr1 toy exon 4001 4500 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.1";
chr1 toy exon 5501 6000 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.1";
chr1 toy CDS 2101 2600 . + 0 gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.1";
chr1 toy CDS 4001 4500 . + 0 gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.1";
chr1 toy transcript 2001 6000 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.2";
chr1 toy exon 2001 2600 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.2";
chr1 toy exon 5001 5100 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.2";
chr1 toy exon 5501 6000 . + . gene_id "G1"; gene_name "ALPHA"; transcript_id "ALPHA.2";
chr1 toy transcript 3001 7000 . - . gene_id "G2"; gene_name "BETA"; transcript_id "BETA.1";
chr1 toy exon 3001 3500 . - . gene_id "G2"; gene_name "BETA"; transcript_id "BETA.1";
chr1 toy exon 6501 7000 . - . gene_id "G2"; gene_name "BETA"; transcript_id "BETA.1";
"""

BANDS = """\
chr1\t0\t100000\tp11.2\tgneg
chr1\t100000\t140000\tp11.1\tacen
chr1\t140000\t180000\tq11.1\tacen
chr1\t180000\t240000\tq11.2\tgpos75
chr1\t240000\t300000\tq12\tgvar
"""


def reverse_complement(bases: str) -> str:
    """Returns the other strand, read in its own direction."""
    return bases.translate(str.maketrans("ACGTN", "TGCAN"))[::-1]


def sequence() -> str:
    """Random bases with a reading frame on either strand, and N at the very end of a stretch."""
    letters = np.random.default_rng(5).choice(list("ACGT"), LENGTH)
    text = "".join(letters)
    for at, planted in ((FORWARD_AT, CODONS), (REVERSE_AT, reverse_complement(CODONS))):
        text = text[:at] + planted + text[at + len(planted) :]
    return text[:2_095] + "N" + text[2_096:]


def build(folder: Path) -> Path:
    """Writes the bundle."""
    write_fasta(folder / "reference.fa", {"chr1": sequence()})
    lines = ["\t".join(line.split(" ", 8)) for line in GTF.splitlines()]
    (folder / "genes.gtf").write_text("\n".join(lines) + "\n")
    (folder / "bands.txt").write_text(BANDS)
    tracks = []
    for name, strand, sign in (("spikes", ".", 1), ("rna", "+", 1), ("rna", "-", 2)):
        path = f"{name}{ {'.': '', '+': 'plus', '-': 'minus'}[strand] }.bw"
        steps = [("chr1", at, at + 1, sign * value) for at, value in SPIKES.items()]
        write_bigwig(folder / path, {"chr1": LENGTH}, steps)
        about = {"path": path, "name": name, "strand": strand, "biosample": "HepG2"}
        tracks.append(about | {"modality": "RNA_SEQ" if strand != "." else "ATAC"})
    steps = [("chr1", 32 * i, 32 * i + 32, float(i % 7)) for i in range(LENGTH // 32)]
    write_bigwig(folder / "bins.bw", {"chr1": LENGTH}, steps)
    tracks.append({"path": "bins.bw", "name": "bins", "biosample": "K562", "resolution": 32})
    write_toml(
        folder,
        genome={"id": "rows1", "name": "Rows", "simulated": True},
        genes={"path": "genes.gtf"},
        tracks=tracks,
    )
    with (folder / "genome.toml").open("a") as file:
        file.write('[cytobands]\npath = "bands.txt"\n')
        file.write('[[views]]\ntitle = "The spikes"\nabout = "All of them."\n')
        file.write('link = "locus=chr1:1,951-2,150"\n')
    return folder


if __name__ == "__main__":
    import sys

    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    build(target)
