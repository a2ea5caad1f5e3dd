"""Reading frames against a code table that is written the other way round, by amino acid."""

import numpy as np
import pytest

from app.genome.translation import STANDARD_CODE, frames

#: Codons by amino acid, as textbooks list them.
CODONS = {
    "A": "GCT GCC GCA GCG", "R": "CGT CGC CGA CGG AGA AGG", "N": "AAT AAC", "D": "GAT GAC",
    "C": "TGT TGC", "Q": "CAA CAG", "E": "GAA GAG", "G": "GGT GGC GGA GGG", "H": "CAT CAC",
    "I": "ATT ATC ATA", "L": "TTA TTG CTT CTC CTA CTG", "K": "AAA AAG", "M": "ATG",
    "F": "TTT TTC", "P": "CCT CCC CCA CCG", "S": "TCT TCC TCA TCG AGT AGC",
    "T": "ACT ACC ACA ACG", "W": "TGG", "Y": "TAT TAC", "V": "GTT GTC GTA GTG",
    "*": "TAA TAG TGA",
}  # fmt: skip
AMINO_ACID = {codon: amino for amino, codons in CODONS.items() for codon in codons.split()}


def translate(codon: str) -> str:
    return AMINO_ACID.get(codon, "X")


def reverse_complement(bases: str) -> str:
    return "".join({"A": "T", "C": "G", "G": "C", "T": "A", "N": "N"}[b] for b in bases[::-1])


def test_every_codon_has_its_amino_acid():
    assert len(AMINO_ACID) == 64
    assert len(STANDARD_CODE) == 64
    for codon, amino in AMINO_ACID.items():
        assert frames(codon, 0, "+")[0].amino_acids == amino


@pytest.mark.parametrize("start", [0, 1, 2, 1_000_003])
@pytest.mark.parametrize("length", [3, 4, 5, 6, 100])
def test_frames_are_read_at_their_own_places(start, length):
    bases = "".join(
        np.random.default_rng(length).choice(list("ACGTN"), length, p=[0.24] * 4 + [0.04])
    )
    for strand in ("+", "-"):
        found = frames(bases, start, strand)
        assert [one.frame for one in found] == sorted(one.frame for one in found)
        assert len(found) == min(3, length - 2)
        for one in found:
            assert start <= one.start < start + 3
            for i, amino in enumerate(one.amino_acids):
                at = one.start + 3 * i - start
                codon = bases[at : at + 3]
                assert len(codon) == 3
                assert amino == translate(codon if strand == "+" else reverse_complement(codon))
            # No whole codon is left over.
            assert start + length - (one.start + 3 * len(one.amino_acids)) < 3


def test_less_than_a_codon_has_no_frame():
    assert frames("AC", 7, "+") == []
    assert frames("", 7, "-") == []
