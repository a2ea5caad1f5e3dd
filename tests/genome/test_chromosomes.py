from __future__ import annotations

from pathlib import Path

import cooler
import pyBigWig
import pytest

from app.genome.chromosomes import (
    ACCESSIONS,
    ASSEMBLY_LENGTHS,
    ChromosomeNames,
    assembly_length,
    canonical_assembly,
)


def test_hg19_lengths_equal_those_of_a_published_matrix(realdata: Path) -> None:
    matrix = cooler.Cooler(str(realdata / "contacts" / "GM12878_hg19_genome_2Mb.cool"))
    stated = {k: int(v) for k, v in matrix.chromsizes.items()}
    ours = ASSEMBLY_LENGTHS["hg19"]
    assert len(ours) == 24
    assert {name: stated[name] for name in ours} == ours


def test_hg38_lengths_equal_those_of_a_published_bigwig(realdata: Path) -> None:
    path = realdata / "tracks" / "K562_H3K4me3_hg38_chr9_4-6Mb.bigWig"
    with pyBigWig.open(str(path)) as file:
        stated = file.chroms()
    ours = ASSEMBLY_LENGTHS["hg38"]
    assert "chr9" in stated
    assert {n: length for n, length in stated.items() if n in ours} == {
        n: length for n, length in ours.items() if n in stated
    }


def test_hg38_accession_of_chr21_is_what_ensembl_says(realdata: Path) -> None:
    import gzip

    with gzip.open(realdata / "genes" / "ensembl_GRCh38_chr21.gff3.gz", "rt") as file:
        aliases = next(line for line in file if "ID=chromosome:21" in line)
    assert "NC_000021.9" in aliases
    assert ACCESSIONS["NC_000021.9"] == ("hg38", "chr21")
    assert len(ACCESSIONS) == 48


@pytest.mark.parametrize(
    ("theirs", "asked", "found"),
    [
        (["chr1", "chrM"], "1", "chr1"),
        (["1", "MT"], "chr1", "1"),
        (["1", "MT"], "chrM", "MT"),
        (["chrM"], "MT", "chrM"),
        (["chrX"], "x", "chrX"),
        (["chr1", "1"], "1", "1"),
        (["chr1"], "chr11", None),
        (["chr1"], "chr", None),
    ],
)
def test_spellings_of_a_chromosome(theirs: list[str], asked: str, found: str | None) -> None:
    assert ChromosomeNames(theirs).find(asked) == found


def test_assemblies_go_by_several_names() -> None:
    assert canonical_assembly("GRCh38") == "hg38"
    assert canonical_assembly("mm10") == "mm10"
    assert assembly_length("GRCh37", "9") == 141_213_431
    assert assembly_length("mm10", "chr9") is None
