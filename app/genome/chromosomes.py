"""Chromosome names, and what is known of the chromosomes of well-known assemblies."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

# Name; length in hg19 and hg38 (chrom.sizes of UCSC); RefSeq accession in hg19 and hg38.
_HUMAN = """
chr1   249250621 248956422 NC_000001.10 NC_000001.11
chr2   243199373 242193529 NC_000002.11 NC_000002.12
chr3   198022430 198295559 NC_000003.11 NC_000003.12
chr4   191154276 190214555 NC_000004.11 NC_000004.12
chr5   180915260 181538259 NC_000005.9  NC_000005.10
chr6   171115067 170805979 NC_000006.11 NC_000006.12
chr7   159138663 159345973 NC_000007.13 NC_000007.14
chr8   146364022 145138636 NC_000008.10 NC_000008.11
chr9   141213431 138394717 NC_000009.11 NC_000009.12
chr10  135534747 133797422 NC_000010.10 NC_000010.11
chr11  135006516 135086622 NC_000011.9  NC_000011.10
chr12  133851895 133275309 NC_000012.11 NC_000012.12
chr13  115169878 114364328 NC_000013.10 NC_000013.11
chr14  107349540 107043718 NC_000014.8  NC_000014.9
chr15  102531392 101991189 NC_000015.9  NC_000015.10
chr16  90354753  90338345  NC_000016.9  NC_000016.10
chr17  81195210  83257441  NC_000017.10 NC_000017.11
chr18  78077248  80373285  NC_000018.9  NC_000018.10
chr19  59128983  58617616  NC_000019.9  NC_000019.10
chr20  63025520  64444167  NC_000020.10 NC_000020.11
chr21  48129895  46709983  NC_000021.8  NC_000021.9
chr22  51304566  50818468  NC_000022.10 NC_000022.11
chrX   155270560 156040895 NC_000023.10 NC_000023.11
chrY   59373566  57227415  NC_000024.9  NC_000024.10
"""
_ROWS = [line.split() for line in _HUMAN.split("\n") if line]

#: Chromosome lengths in bp by assembly, for the assemblies that are known here.
ASSEMBLY_LENGTHS: dict[str, dict[str, int]] = {
    "hg19": {row[0]: int(row[1]) for row in _ROWS},
    "hg38": {row[0]: int(row[2]) for row in _ROWS},
}

#: (assembly, chromosome) by RefSeq accession.
ACCESSIONS: dict[str, tuple[str, str]] = {
    **{row[3]: ("hg19", row[0]) for row in _ROWS},
    **{row[4]: ("hg38", row[0]) for row in _ROWS},
}

_SAME_ASSEMBLY = {"grch37": "hg19", "grch38": "hg38", "hg19": "hg19", "hg38": "hg38"}


def canonical_assembly(name: str) -> str:
    """Returns the name under which an assembly is known here: ``GRCh38`` is ``hg38``."""
    return _SAME_ASSEMBLY.get(name.lower(), name)


def alias_key(name: str) -> str:
    """Returns what all spellings of a chromosome share: ``chr1`` and ``1``, ``chrM`` and ``MT``."""
    key = name.upper().removeprefix("CHR") or name.upper()
    return "MT" if key == "M" else key


class ChromosomeNames:
    """The chromosome names of one file, found by any of their spellings."""

    def __init__(self, names: Iterable[str]) -> None:
        self._names = dict.fromkeys(names)
        self._by_key: dict[str, str] = {}
        for name in self._names:
            self._by_key.setdefault(alias_key(name), name)

    def find(self, name: str) -> str | None:
        """Returns the name that this file uses for a chromosome, or None where it has none."""
        return name if name in self._names else self._by_key.get(alias_key(name))

    def nearest(self, name: str) -> str | None:
        """Returns the name that resembles an unknown one most, if any does."""
        keys = difflib.get_close_matches(alias_key(name), self._by_key, n=1, cutoff=0.4)
        return self._by_key[keys[0]] if keys else None


def assembly_length(assembly: str, chromosome: str) -> int | None:
    """Returns the length of a chromosome in a known assembly, or None where it is not known."""
    lengths = ASSEMBLY_LENGTHS.get(canonical_assembly(assembly), {})
    return lengths.get(f"chr{alias_key(chromosome)}")
