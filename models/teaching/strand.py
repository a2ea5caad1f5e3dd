"""What one strand of DNA says, read in its own direction: start, splice and end signals."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.ndimage import maximum_filter1d
from scipy.special import expit

from models.teaching.binding import cpg_island
from models.teaching.motifs import (
    IMPOSSIBLE,
    Codes,
    Doubles,
    Floats,
    Ints,
    Scanner,
    encode,
    jaspar,
    motif_of_consensus,
    splice_sites,
)

INITIATOR = motif_of_consensus("Inr", "YYANWYY", 0.96)
#: Offset of the base that becomes +1 within the initiator.
INITIATOR_START = 2
DPE = motif_of_consensus("DPE", "RGWYV".replace("V", "N"), 0.96)
#: First base of the DPE, counted from +1 as 0.
DPE_OFFSET = 27
#: First bases of the TATA matrix, counted from +1 as 0.
TATA_OFFSETS = (-35, -29)
ISLAND_BITS = 6.0
#: Core promoter score in bits of which half the places start transcription.
START_SCORE = 17.0
BRANCH_POINT = motif_of_consensus("branch point", "YTNAY", 0.9)
#: First bases of the branch point motif, counted from the first base of the exon as 0.
BRANCH_OFFSETS = (-44, -20)
DONOR_SCORE, ACCEPTOR_SCORE = 9.0, 12.5
#: Splice sites this many bits weaker than the scores above are none.
SPLICE_MARGIN = 3.0
ENHANCER_WORDS = ("GAAGAA", "AGAAGA", "GGAGGA", "GAGGAG", "GAAGGA")
RBFOX_WORD = "TGCATG"
POLYA_WORDS = {"AATAAA": 12.0, "ATTAAA": 10.0}
GU_ELEMENT = motif_of_consensus("GU-rich element", "TGTGTTTT", 0.88)
UGUA = motif_of_consensus("UGUA", "TGTA", 0.96)
#: Offsets of the first bases from that of the hexamer, and of the cut.
GU_OFFSETS, UGUA_OFFSETS, CUT = (12, 40), (-50, -10), 21
POLYA_SCORE, POLYA_SLOPE = 23.5, 1.5
#: The same for a polymerase that U1 does not protect: a hexamer and little else.
UNPROTECTED_POLYA_SCORE = 17.0


@dataclass(frozen=True)
class Strand:
    """Signals of one strand; all positions run in its direction.

    Attributes:
        start: How well each base serves as the first of a transcript, 0 to 1; shape (length,).
        donors: First bases of possible introns, sorted.
        donor_scores: Their scores, natural log of the weight.
        acceptors: First bases of possible exons after an intron, sorted.
        acceptor_scores: Theirs.
        ends: Where transcripts may be cut: one past their last base, sorted.
        end_strength: How likely each cut is made when reached, 0 to 1.
        unprotected_end_strength: The same where U1 does not protect the transcript.
        enhancers: Running number of exonic splicing enhancer words; shape (length + 1,).
        rbfox: Running number of RBFOX words; shape (length + 1,).
    """

    start: Floats
    donors: Ints
    donor_scores: Doubles
    acceptors: Ints
    acceptor_scores: Doubles
    ends: Ints
    end_strength: Doubles
    unprotected_end_strength: Doubles
    enhancers: Ints
    rbfox: Ints


def read_strand(codes: Codes, scanner: Scanner) -> Strand:
    """Reads the signals of a strand."""
    donors, donor_scores = _donors(codes, scanner)
    acceptors, acceptor_scores = _acceptors(codes, scanner)
    ends, end_score = _ends(codes, scanner)
    return Strand(
        start=_start(codes, scanner),
        donors=donors,
        donor_scores=donor_scores,
        acceptors=acceptors,
        acceptor_scores=acceptor_scores,
        ends=ends,
        end_strength=expit(POLYA_SLOPE * (end_score - POLYA_SCORE)),
        unprotected_end_strength=expit(POLYA_SLOPE * (end_score - UNPROTECTED_POLYA_SCORE)),
        enhancers=_running([words(codes, word) for word in ENHANCER_WORDS], len(codes)),
        rbfox=_running([words(codes, RBFOX_WORD)], len(codes)),
    )


def words(codes: Codes, word: str) -> Ints:
    """Returns the first bases of all places that read exactly ``word``."""
    places = len(codes) - len(word) + 1
    if places < 1:
        return np.zeros(0, np.int64)
    found = np.ones(places, bool)
    for offset, code in enumerate(encode(word)):
        found &= codes[offset : offset + places] == code
    return np.flatnonzero(found)


def _running(found: list[Ints], length: int) -> Ints:
    counts = np.bincount(np.concatenate(found), minlength=length)
    return np.concatenate([[0], np.cumsum(counts)])


def best_between(scores: Floats, first: int, last: int) -> Floats:
    """Returns for each base the best of the scores at offsets ``first`` to ``last``."""
    width = last - first + 1
    margin = max(abs(first), abs(last)) + width
    best = maximum_filter1d(np.pad(scores, margin, constant_values=IMPOSSIBLE), width)
    # The filter's value at i is the best of i - width // 2 and the width - 1 after it.
    begin = margin + first + width // 2
    result: Floats = best[begin : begin + len(scores)]
    return result


def shifted(values: Floats, offset: int) -> Floats:
    """Returns ``values[i + offset]`` at ``i``, IMPOSSIBLE beyond the ends."""
    result = np.full_like(values, IMPOSSIBLE)
    if offset >= 0:
        result[: len(values) - offset] = values[offset:]
    else:
        result[-offset:] = values[:offset]
    return result


def _start(codes: Codes, scanner: Scanner) -> Floats:
    """Scores the core promoter: initiator, and TATA box, DPE or CpG island."""
    initiator = shifted(scanner.score(INITIATOR.bits), -INITIATOR_START)
    tata = best_between(scanner.score(jaspar()["TBP"].bits), *TATA_OFFSETS)
    downstream = shifted(scanner.score(DPE.bits), DPE_OFFSET)
    score = initiator + np.maximum(tata, 0) + np.maximum(downstream, 0)
    score += ISLAND_BITS * cpg_island(codes)
    start: Floats = expit(np.maximum(score - START_SCORE, -50)).astype(np.float32)
    return start


def _donors(codes: Codes, scanner: Scanner) -> tuple[Ints, Doubles]:
    score = shifted(scanner.score(splice_sites()["donor"].bits), -3)
    found = words(codes, "GT")
    found = found[score[found] > DONOR_SCORE - SPLICE_MARGIN]
    return found, score[found].astype(np.float64) - DONOR_SCORE


def _acceptors(codes: Codes, scanner: Scanner) -> tuple[Ints, Doubles]:
    score = shifted(scanner.score(splice_sites()["acceptor"].bits), -20)
    branch = best_between(scanner.score(BRANCH_POINT.bits), *BRANCH_OFFSETS)
    found = words(codes, "AG") + 2
    found = found[found < len(codes)]
    total = score[found].astype(np.float64) + np.maximum(branch[found], 0)
    good = total > ACCEPTOR_SCORE - SPLICE_MARGIN
    return found[good], total[good] - ACCEPTOR_SCORE


def _ends(codes: Codes, scanner: Scanner) -> tuple[Ints, Doubles]:
    downstream = best_between(scanner.score(GU_ELEMENT.bits), *GU_OFFSETS)
    upstream = best_between(scanner.score(UGUA.bits), *UGUA_OFFSETS)
    places, scores = [], []
    for word, bits in POLYA_WORDS.items():
        found = words(codes, word)
        found = found[found + CUT <= len(codes)]
        places.append(found)
        scores.append(bits + np.maximum(downstream[found], 0) + np.maximum(upstream[found], 0))
    place, score = np.concatenate(places), np.concatenate(scores).astype(np.float64)
    order = np.argsort(place)
    return place[order] + CUT, score[order]
