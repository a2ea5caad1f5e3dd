"""The formulas of the variant scorers, each against a loop written down from its description."""

from __future__ import annotations

import math

import numpy as np
import pytest
from alphagenome.models import variant_scorers as sdk
from alphagenome.models.dna_output import OutputType

from app.errors import NotFoundError
from app.genome.haplotype import Haplotype, Replacement
from app.inference import scorers
from app.inference.scorer_names import UNITS, label, measure, read_scorer

RNG = np.random.default_rng(3)
REF, ALT = RNG.gamma(2.0, 3.0, (2, 501)).astype(np.float32)

BY_HAND = {
    "DIFF_MEAN": lambda r, a: sum(a) / len(a) - sum(r) / len(r),
    "DIFF_SUM": lambda r, a: sum(a) - sum(r),
    "DIFF_SUM_LOG2": lambda r, a: sum(
        math.log2(y + 1) - math.log2(x + 1) for x, y in zip(r, a, strict=True)
    ),
    "DIFF_LOG2_SUM": lambda r, a: math.log2(1 + sum(a)) - math.log2(1 + sum(r)),
    "L2_DIFF": lambda r, a: math.sqrt(sum((y - x) ** 2 for x, y in zip(r, a, strict=True))),
    "L2_DIFF_LOG1P": lambda r, a: math.sqrt(
        sum((math.log(1 + y) - math.log(1 + x)) ** 2 for x, y in zip(r, a, strict=True))
    ),
    "ACTIVE_MEAN": lambda r, a: max(sum(a) / len(a), sum(r) / len(r)),
    "ACTIVE_SUM": lambda r, a: max(sum(a), sum(r)),
}


@pytest.mark.parametrize("kind", sdk.AggregationType, ids=lambda kind: kind.name)
def test_every_aggregation_of_the_sdk_is_what_its_description_says(kind):
    got = scorers.aggregate(REF, ALT, kind.name)
    expected = BY_HAND[kind.name](REF.astype(float).tolist(), ALT.astype(float).tolist())
    assert got == pytest.approx(expected, rel=1e-9)


def test_a_bin_unknown_in_one_allele_counts_in_neither():
    ref, alt = np.array([1.0, np.nan, 5]), np.array([2.0, 3, np.nan])
    assert scorers.aggregate(ref, alt, "DIFF_SUM") == 1
    assert math.isnan(scorers.aggregate(ref[1:2], alt[1:2], "DIFF_SUM"))


@pytest.mark.parametrize(
    ("centre", "n", "resolution", "width", "expected"),
    [
        (1_000, 2_000, 1, 501, (750, 1_251)),  # 250 bases on either side
        (1_000, 2_000, 32, 501, (31 - 8, 31 - 8 + 16)),  # 16 bins are the first 501 bp and more
        (1_000, 100, 128, 2_001, (7 - 8, 7 + 8)),
        (0, 2_000, 1, 501, (0, 251)),  # cut at the left edge
        (1_999, 2_000, 1, 501, (1_749, 2_000)),  # and at the right one
        (700, 2_000, 1, None, (0, 2_000)),
        (-1, 2_000, 1, None, (0, 0)),
        (2_000, 2_000, 1, 501, (0, 0)),
    ],
)
def test_mask_around_an_edit(centre, n, resolution, width, expected):
    mask = scorers.centre_bins(centre, n, resolution, width)
    covered = [i for i in range(n) if mask.start <= i < mask.stop]
    low, high = max(expected[0], 0), expected[1]
    assert covered == list(range(low, high))


def padded_and_pooled(values: list[float], anchor: int, change: int) -> list[float]:
    """The alignment as the SDK's documentation tells it, for one indel after base ``anchor``."""
    if change > 0:  # the largest of the base before and of what is inserted; nothing at the end
        pooled = max(values[anchor : anchor + change + 1])
        return values[:anchor] + [pooled] + values[anchor + change + 1 :] + [math.nan] * change
    kept = values[: anchor + 1] + [0.0] * -change + values[anchor + 1 :]
    return kept[: len(values)]


@pytest.mark.parametrize(
    ("replacement", "anchor"),
    [
        (Replacement(140, 140, "ACGTACG"), 139),
        (Replacement(140, 143, "ACGTACG"), 142),  # two bases replaced, then four inserted
        (Replacement(140, 147, ""), 139),
        (Replacement(140, 147, "AC"), 141),
        (Replacement(140, 141, "A"), 150),
    ],
)
@pytest.mark.parametrize("resolution", [1, 8])
def test_indels_are_aligned_as_the_sdk_does(replacement, anchor, resolution):
    start, values = 100, RNG.random(120 // resolution).astype(np.float32)
    got = scorers.align(values, resolution, start, Haplotype("c", (replacement,)))
    by_base = np.repeat(values, resolution).tolist()
    change = replacement.shift
    expected = padded_and_pooled(by_base, anchor - start, change) if change else by_base
    np.testing.assert_array_equal(got, np.array(expected, np.float32))


def test_several_indels_are_aligned_one_after_another():
    edits = Haplotype("c", (Replacement(110, 113, ""), Replacement(130, 130, "GGG")))
    values = np.arange(60, dtype=np.float32)
    got = scorers.align(values, 1, 100, edits)
    expected = [*range(10), 0, 0, 0, *range(10, 26), 29, *range(30, 60)]
    assert got.tolist() == expected, "what is lost and what is won make up for each other"


def test_indel_beyond_the_window_leaves_what_is_inside():
    values = np.arange(20, dtype=np.float32)
    left = scorers.align(values, 1, 100, Haplotype("c", (Replacement(120, 120, "AAAA"),)))
    assert left[:19].tolist() == values[:19].tolist()
    right = scorers.align(values, 1, 100, Haplotype("c", (Replacement(95, 99, ""),)))
    assert np.isnan(right[:4]).all()
    assert right[4:].tolist() == values[:16].tolist()


def test_gene_scores_are_means_over_exons():
    exons = np.zeros(501, bool)
    exons[[3, 4, 5, 90]] = True
    ref, alt = REF[exons].astype(float), ALT[exons].astype(float)
    expected = math.log(sum(alt) / 4 + 0.001) - math.log(sum(ref) / 4 + 0.001)
    assert scorers.gene_lfc(REF, ALT, exons) == pytest.approx(expected)
    assert scorers.gene_active(REF, ALT, exons) == pytest.approx(max(sum(ref), sum(alt)) / 4)
    change = max(abs(a - r) for r, a in zip(ref, alt, strict=True))
    assert scorers.gene_splicing(REF, ALT, exons) == pytest.approx(change, rel=1e-6)
    assert math.isnan(scorers.gene_lfc(REF, ALT, np.zeros(501, bool)))


def test_lfc_is_a_natural_logarithm():
    exons = np.ones(4, bool)
    ref = np.full(4, 10.0)
    assert scorers.gene_lfc(ref, ref * math.e, exons) == pytest.approx(1, abs=1e-4)


def test_the_intron_that_changes_most_is_told():
    ref = np.array([[110.0, 150, 8], [160, 180, 4], [90, 150, 1], [120, 200, 1]])
    alt = np.array([[110.0, 150, 2], [160, 180, 4], [90, 150, 99], [120, 200, 99]])
    got = scorers.splice_junctions(ref, alt, (100, 200))
    assert got == (110, 150, pytest.approx(math.log(8) - math.log(2), rel=1e-6))
    assert scorers.splice_junctions(ref, alt, (300, 400)) is None


def test_an_intron_that_one_allele_does_not_list_counts_as_the_least_that_is_listed():
    ref = np.array([[110.0, 150, 8], [160, 180, 0.5]])
    alt = np.array([[160.0, 180, 0.5]])
    got = scorers.splice_junctions(ref, alt, (100, 200))
    assert got == (110, 150, pytest.approx(math.log(8 / 0.5), rel=1e-6))


@pytest.mark.parametrize("strand", ["+", "-"])
def test_polyadenylation_compares_proximal_with_distal_sites(strand):
    ref, alt = RNG.gamma(2.0, 3.0, (2, 4_000))
    sites = [700, 1_500, 3_100]
    ratios = []
    for site in sites:
        part = range(site - 399, site + 1) if strand == "+" else range(site, site + 400)
        ratios.append(sum(alt[i] for i in part) / sum(ref[i] for i in part))
    a, b, c = ratios
    expected = max(abs(math.log2(2 * a / (b + c))), abs(math.log2((a + b) / 2 / c)))
    got = scorers.polyadenylation(ref, alt, sites, strand)
    assert got == pytest.approx(expected)
    assert scorers.polyadenylation(ref, ref, sites, strand) == pytest.approx(0)
    assert math.isnan(scorers.polyadenylation(ref, alt, sites[:1], strand))


def test_contact_score_is_the_mean_over_the_pairs_of_the_edited_bin():
    ref, alt = RNG.random((2, 9, 9))
    ref[4, 4] = np.nan
    pairs = [abs(alt[4, j] - ref[4, j]) for j in range(9) if j != 4]
    assert scorers.contact_map(ref, alt, slice(4, 5)) == pytest.approx(sum(pairs) / 8)
    assert math.isnan(scorers.contact_map(ref * np.nan, alt, slice(4, 5)))


@pytest.mark.parametrize("name", sdk.RECOMMENDED_VARIANT_SCORERS)
def test_recommended_scorers_have_names_and_units(name):
    scorer = read_scorer(name)
    assert scorer == sdk.RECOMMENDED_VARIANT_SCORERS[name]
    assert measure(scorer) in UNITS
    assert label(scorer)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "DNASE:DIFF_SUM:2001",
            sdk.CenterMaskScorer(OutputType.DNASE, 2_001, sdk.AggregationType.DIFF_SUM),
        ),
        (
            "CAGE:L2_DIFF:none",
            sdk.CenterMaskScorer(OutputType.CAGE, None, sdk.AggregationType.L2_DIFF),
        ),
        ("CAGE:GENE_MASK_LFC", sdk.GeneMaskLFCScorer(OutputType.CAGE)),
        (
            "SPLICE_SITES:GENE_MASK_SPLICING:101",
            sdk.GeneMaskSplicingScorer(OutputType.SPLICE_SITES, 101),
        ),
    ],
)
def test_other_scorers_are_named_by_modality_measure_and_width(text, expected):
    assert read_scorer(text) == expected


@pytest.mark.parametrize(
    "text", ["", "LIVER", "DNASE:DIFF_SUM:500", "DNASE:NICE:501", "CHIP_TF:GENE_MASK_LFC", "a:b:c"]
)
def test_scorers_that_the_sdk_does_not_have_are_refused(text):
    with pytest.raises(NotFoundError, match="Known are ATAC"):
        read_scorer(text)
