"""The matrices are JASPAR's, and scanning adds them up."""

import numpy as np
import pytest

from models.teaching.motifs import (
    IMPOSSIBLE,
    Scanner,
    encode,
    jaspar,
    reverse_complement,
    score_at_rate,
    splice_sites,
)

# Most frequent bases in the JASPAR 2024 database that the package pyjaspar 4.0.0 carries. The
# committed counts were taken from there too: this guards them, it does not confirm them.
PUBLISHED = {
    "MA0139.2": ("CTCF", "GCCACCAGGGGGCGC"),
    "MA0138.3": ("REST", "TCAGCACCATGGACAGCGCC"),
    "MA1587.1": ("ZNF135", "CCTCGACCTCCTGA"),
    "MA0079.5": ("SP1", "GGGGCGGGG"),
    "MA0060.3": ("NFYA", "AACCAATCAGA"),
    "MA0148.4": ("FOXA1", "ATGTAAACATGT"),
    "MA0114.4": ("HNF4A", "TCCAAAGTCCAAA"),
    "MA0102.4": ("CEBPA", "TTATTGCACAATAT"),
    "MA0140.3": ("GATA1::TAL1", "TTATCTGTGAGGAGCAG"),
    "MA0100.3": ("MYB", "ACCAACTGTC"),
    "MA0002.1": ("RUNX1", "TATTGTGGTTA"),
    "MA0080.5": ("SPI1", "AAAAAAGAGGAAGTGAAAAA"),
    "MA0154.4": ("EBF1", "AGTCCCCAGGGGACT"),
    "MA1109.1": ("NEUROD1", "GGACAGATGGCAG"),
    "MA0499.2": ("MYOD1", "CAGCACCTGTCCC"),
    "MA0052.4": ("MEF2A", "TTCTAAAAATAGAAA"),
    "MA0099.3": ("FOS::JUN", "ATGAGTCATC"),
    "MA0108.2": ("TBP", "GTATAAAAGGCGGGG"),
}


def test_matrices_have_the_published_consensus():
    assert {m.accession: (m.name, m.consensus) for m in jaspar().values()} == PUBLISHED


def test_ctcf_counts_are_those_that_others_got_from_jaspar():
    # MA0139.2 as the JASPAR web service gave it to another public project.
    fetched = [
        [281, 56, 8, 744, 40, 107, 851, 5, 333, 54, 12, 56, 104, 372, 82],
        [49, 800, 903, 13, 528, 433, 11, 0, 3, 12, 0, 8, 733, 13, 482],
        [449, 21, 0, 65, 334, 48, 32, 903, 566, 504, 890, 775, 5, 507, 307],
        [134, 36, 2, 91, 11, 324, 18, 3, 9, 341, 8, 71, 67, 17, 37],
    ]
    assert jaspar()["CTCF"].counts.T.tolist() == fetched


def test_splice_sites_keep_the_gt_ag_rule():
    donor, acceptor = splice_sites()["donor"], splice_sites()["acceptor"]
    assert donor.consensus[3:5] == "GT"
    assert (donor.counts[3:5].max(1) == donor.counts[3:5].sum(1)).all()
    assert acceptor.consensus[-3:-1] == "AG"
    # The tract before the acceptor is rich in pyrimidines.
    assert (acceptor.counts[4:16, [1, 3]].sum(1) / acceptor.counts[4:16].sum(1) > 0.7).all()


@pytest.mark.parametrize("name", ["SP1", "CTCF", "REST"])
def test_scan_equals_sum_of_columns(name):
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, 300).astype(np.int8)
    codes[100] = 4
    bits = jaspar()[name].bits
    scores = Scanner(codes).score(bits)
    for i in range(len(codes)):
        word = codes[i : i + len(bits)]
        if len(word) < len(bits) or (word > 3).any():
            assert scores[i] == IMPOSSIBLE
        else:
            expected = sum(bits[k, base] for k, base in enumerate(word))
            assert scores[i] == pytest.approx(expected, abs=1e-4)


def test_turned_matrix_scores_the_other_strand():
    codes = np.random.default_rng(2).integers(0, 4, 500).astype(np.int8)
    bits = jaspar()["CTCF"].bits
    here = Scanner(codes).score(np.ascontiguousarray(bits[::-1, ::-1]))
    there = Scanner(reverse_complement(codes)).score(bits)
    n = len(codes) - len(bits) + 1
    np.testing.assert_allclose(here[:n], there[:n][::-1], atol=1e-4)


def test_score_at_rate_is_reached_that_often():
    motif = jaspar()["FOXA1"]
    score = score_at_rate(motif, 1 / 1000)
    draws = np.random.default_rng(3).integers(0, 4, (1_000_000, motif.width))
    reached = (motif.bits[np.arange(motif.width), draws].sum(1) >= score).sum()
    assert 850 < reached < 1150


def test_encode_knows_lower_case_and_everything_else_is_n():
    assert encode("acgtNR-").tolist() == [0, 1, 2, 3, 4, 4, 4]
