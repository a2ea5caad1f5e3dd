"""Rules of splice scoring, with a model whose answers can be worked out by hand."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from alphagenome.data.genome import Interval, Variant

from app.errors import BadInputError, NotFoundError, SequenceUnavailableError
from app.genome.genes import Gene, Transcript
from app.inference.splicing import (
    CONTEXT,
    MAX_REGION,
    Skip,
    SpliceScorer,
    Unscored,
    align,
    deltas,
    reverse_complement,
    targets,
)
from models.edit import Edit


class MotifModel:
    """Donor probability 0.9 at the base before GT, acceptor 0.8 at the base after AG."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, list[Edit]]] = []

    def predict_edits(self, sequence, edits):
        self.calls.append((sequence, list(edits)))
        results = []
        for edit in edits:
            start, end = edit.window
            assert start >= CONTEXT
            assert end + CONTEXT <= len(sequence)
            changed = sequence[: edit.start] + edit.alternate + sequence[edit.start + edit.length :]
            before, after = self.probabilities(sequence), self.probabilities(changed)
            results.append((before[start:end], after[start : end + edit.shift]))
        return results

    @staticmethod
    def probabilities(sequence: str) -> np.ndarray:
        values = np.zeros((len(sequence), 3), np.float32)
        for i in range(len(sequence)):
            values[i, 1] = 0.8 * (sequence[max(i - 2, 0) : i] == "AG")
            values[i, 2] = 0.9 * (sequence[i + 1 : i + 3] == "GT")
        return values


LENGTH = 12_000
MIDDLE = 6_000  # 0-based


def chromosome(**bases: str) -> str:
    """Only C, which has no motif on either strand but for what is put in: ``p6000="AG"``."""
    sequence = "C" * LENGTH
    for name, text in bases.items():
        at = int(name[1:])
        sequence = sequence[:at] + text + sequence[at + len(text) :]
    return sequence


def fetcher(sequence: str, name: str = "chr1"):
    def fetch(interval: Interval) -> str:
        if interval.chromosome != name:
            raise NotFoundError("no such chromosome")
        if interval.start < 0 or interval.end > len(sequence):
            raise SequenceUnavailableError("outside")
        return sequence[interval.start : interval.end]

    return fetch


def transcript(start=100, end=LENGTH - 100, strand="+", exons=None, symbol="GENE", name="T1"):
    gene = Gene(symbol, "", "chr1", start, end, strand)
    return Transcript(name, gene, start, end, tuple(exons or ((start, end),)), None)


def score(sequence, variant, *transcripts, **settings):
    def overlapping(interval: Interval) -> list[Transcript]:
        return [t for t in transcripts if t.start < interval.end and interval.start < t.end]

    scorer = SpliceScorer(MotifModel(), fetcher(sequence), overlapping, **settings)
    (result,) = scorer.score([variant])
    return result


def rounded(score) -> tuple:
    return tuple(round(x, 3) for x in score.deltas)


def test_new_donor_is_a_gain_at_its_position():
    (got,) = score(chromosome(p6001="G"), Variant("chr1", 6003, "C", "T"), transcript())
    # CCG[T]: the base before GT is 0-based 6000, the variant 0-based 6002.
    assert rounded(got)[:4] == (0, 0, 0.9, 0)
    assert got.deltas.dp_dg == -2


def test_lost_acceptor_is_a_loss_at_its_position():
    (got,) = score(chromosome(p6000="AG"), Variant("chr1", 6001, "A", "C"), transcript())
    assert rounded(got)[:4] == (0, 0.8, 0, 0)
    assert got.deltas.dp_al == 2


def test_minus_strand_reads_the_complement_and_reports_genome_positions():
    # On the minus strand AC reads GT; the base before it is the one to its right.
    sequence = chromosome(p6000="AC")
    (got,) = score(sequence, Variant("chr1", 6001, "A", "C"), transcript(strand="-"))
    assert rounded(got)[:4] == (0, 0, 0, 0.9)
    assert got.deltas.dp_dl == 2
    (plus,) = score(sequence, Variant("chr1", 6001, "A", "C"), transcript())
    assert rounded(plus)[:4] == (0, 0, 0, 0)


def test_bases_outside_the_transcript_are_not_read():
    sequence, variant = chromosome(p6001="G"), Variant("chr1", 6003, "C", "T")
    (inside,) = score(sequence, variant, transcript(start=6001))
    (outside,) = score(sequence, variant, transcript(start=6002))
    assert inside.deltas.ds_dg == pytest.approx(0.9)
    assert outside.deltas.ds_dg == 0
    variant = Variant("chr1", 6002, "C", "G")
    (inside,) = score(chromosome(p6002="T"), variant, transcript(end=6003))
    (outside,) = score(chromosome(p6002="T"), variant, transcript(end=6002))
    assert inside.deltas.ds_dg == pytest.approx(0.9)
    assert outside.deltas.ds_dg == 0


def test_insertion_counts_the_best_inserted_base_at_the_variant():
    (got,) = score(chromosome(), Variant("chr1", 6001, "C", "CCCGTC"), transcript())
    assert rounded(got)[:4] == (0, 0, 0.9, 0)
    assert got.deltas.dp_dg == 0


def test_deletion_keeps_flanks_aligned():
    # An unchanged donor to the right of the deletion and one to the left are no change.
    sequence = chromosome(p5990="GT", p6020="GT")
    (got,) = score(sequence, Variant("chr1", 6001, "CCCC", "C"), transcript())
    assert rounded(got)[:4] == (0, 0, 0, 0)


def test_deleted_site_is_lost():
    sequence = chromosome(p6003="GT")
    (got,) = score(sequence, Variant("chr1", 6001, "CCCGTC", "C"), transcript())
    assert rounded(got)[:4] == (0, 0, 0, 0.9)
    assert got.deltas.dp_dl == 2


def test_mask_hides_losses_away_from_borders_and_gains_at_them():
    lost = chromosome(p6003="GT"), Variant("chr1", 6004, "G", "C")
    at_border = transcript(exons=((100, 6003), (7000, LENGTH - 100)))  # its last base is 6002
    elsewhere = transcript(exons=((100, 5990), (7000, LENGTH - 100)))
    assert score(*lost, at_border, mask=True)[0].deltas.ds_dl == pytest.approx(0.9)
    assert score(*lost, elsewhere, mask=True)[0].deltas.ds_dl == 0
    gained = chromosome(p6003="G"), Variant("chr1", 6005, "C", "T")
    assert score(*gained, at_border, mask=True)[0].deltas.ds_dg == 0
    got = score(*gained, elsewhere, mask=True)[0].deltas
    assert (got.ds_dg, got.dp_dg) == (pytest.approx(0.9), -2)


def test_changes_beyond_the_distance_are_not_seen():
    sequence = chromosome(p6000="G" * 1)
    variant = Variant("chr1", 6002, "C", "T")
    assert score(sequence, variant, transcript(), distance=2)[0].deltas.ds_dg > 0.8
    assert score(sequence, variant, transcript(), distance=1)[0].deltas.ds_dg == 0


def test_every_overlapping_gene_has_its_scores():
    got = score(
        chromosome(p6001="G"),
        Variant("chr1", 6003, "C", "T"),
        transcript(symbol="ONE"),
        transcript(symbol="TWO", strand="-"),
        transcript(symbol="FAR", end=6000),
    )
    assert [(s.target.symbol, rounded(s)[2]) for s in got] == [("ONE", 0.9), ("TWO", 0)]


def test_transcripts_that_share_both_ends_are_scored_once():
    found = targets(
        [
            transcript(exons=((100, 200), (300, LENGTH - 100))),
            transcript(exons=((100, 250), (300, LENGTH - 100)), name="T2"),
            transcript(start=150, name="T3"),
            transcript(strand=".", name="T4"),
        ]
    )
    assert [t.transcripts for t in found] == [("T1", "T2"), ("T3",)]
    assert found[0].borders == (100, 199, 249, 300, LENGTH - 101)


def test_of_two_equally_near_borders_the_left_one_counts():
    (target,) = targets([transcript(exons=((100, 5991), (6010, LENGTH - 100)))])
    assert target.border_offset(6000) == -10


@pytest.mark.parametrize(
    ("variant", "skip"),
    [
        (Variant("chr1", 6001, "A", "C"), Skip.WRONG_REF),
        (Variant("chr2", 6001, "C", "A"), Skip.UNKNOWN_CHROMOSOME),
        (Variant("chr1", 50, "C", "A"), Skip.NO_TRANSCRIPT),
        (Variant("chr1", 6001, "CC", "AA"), Skip.COMPLEX),
        (Variant("chr1", 5050, "C", "A"), Skip.NO_FLANK),
        (Variant("chr1", LENGTH - 5049, "C", "A"), Skip.NO_FLANK),
        (Variant("chr1", LENGTH, "CC", "C"), Skip.NO_FLANK),
        (Variant("chr1", 6001, "C" * 101, "C"), Skip.REF_TOO_LONG),
    ],
)
def test_what_the_authors_tool_leaves_out_has_a_reason(variant, skip):
    result = score(chromosome(), variant, transcript())
    assert isinstance(result, Unscored)
    assert result.skip is skip


@pytest.mark.parametrize(
    "variant",
    [
        Variant("chr1", 5051, "C", "A"),
        Variant("chr1", LENGTH - 5050, "C", "A"),
        Variant("chr1", 6001, "C" * 100, "C"),
        Variant("chr1", 6001, "C", "N"),
    ],
)
def test_the_last_variants_that_can_be_scored(variant):
    assert isinstance(score(chromosome(), variant, transcript()), list)


def test_wrong_ref_names_the_right_base():
    result = score(chromosome(p6000="G"), Variant("chr1", 6001, "A", "C"), transcript())
    assert str(result) == "REF differs from the reference: REF is A but the genome has G"


@pytest.mark.parametrize("distance", [0, 5000, -1])
def test_distance_out_of_range_is_refused(distance):
    with pytest.raises(BadInputError, match="from 1 to 4,999"):
        SpliceScorer(MotifModel(), fetcher(""), lambda _: [], distance=distance)


def test_neighbours_share_a_sequence_and_far_ones_do_not():
    sequence = "C" * 200_000
    model = MotifModel()
    model.probabilities = lambda s: np.zeros((len(s), 3), np.float32)
    scorer = SpliceScorer(model, fetcher(sequence), lambda _: [transcript(end=199_000)])
    positions = [150_000, 20_000, 20_100, 30_000, 30_000, *range(60_000, 100_000, 5_000)]
    progress: list[int] = []
    variants = [Variant("chr1", p, "C", "A") for p in positions]
    results = scorer.score([*variants, Variant("chr1", 1, "C", "A")], progress.append)
    assert sum(progress) == len(results)
    assert [isinstance(r, list) for r in results] == [True] * len(variants) + [False]
    assert all(len(s) <= MAX_REGION for s, _ in model.calls)
    sizes = sorted(len(edits) for _, edits in model.calls)
    assert sizes == [1, 4, 8]


def test_results_keep_the_order_of_the_variants():
    sequence = chromosome(p6001="G", p6101="G")
    variants = [Variant("chr1", 6103, "C", "A"), Variant("chr1", 6003, "C", "T")]
    scorer = SpliceScorer(MotifModel(), fetcher(sequence), lambda _: [transcript()])
    assert [rounded(r[0])[2] for r in scorer.score(variants)] == [0, 0.9]


def test_alignment_of_an_insertion_takes_the_maximum_of_its_bases():
    alternate = np.arange(7 * 3, dtype=np.float32).reshape(7, 3)[[0, 1, 5, 2, 3, 4, 6]]
    aligned = align(alternate, distance=2, ref_length=1, alt_length=3)
    assert np.array_equal(aligned, np.arange(21, dtype=np.float32).reshape(7, 3)[[0, 1, 5, 4, 6]])


def test_alignment_of_a_deletion_puts_zeros_after_the_first_base():
    alternate = np.ones((3, 3), np.float32)
    aligned = align(alternate, distance=2, ref_length=3, alt_length=1)
    assert aligned[:, 0].tolist() == [1, 1, 1, 0, 0]


def test_extremes_take_the_leftmost_position():
    reference = np.zeros((5, 3), np.float32)
    alternate = reference.copy()
    alternate[[1, 3], 1] = 0.5
    assert deltas(reference, alternate, None).dp_ag == -1
    assert deltas(reference, alternate, None).dp_dg == -2


def test_reverse_complement_keeps_unknown_bases():
    assert reverse_complement("ACGTNN") == "NNACGT"


def test_scoring_and_vcf_do_not_import_torch():
    code = (
        "import sys, app.inference.splicing, app.inference.vcf, models.edit; "
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
