"""The rules against enumeration by hand."""

import itertools

import numpy as np
import pytest

from models.teaching import splicing
from models.teaching.contacts import passage
from models.teaching.splicing import splice
from models.teaching.strand import IMPOSSIBLE, Strand, best_between


def test_best_between_is_the_best_of_the_offsets():
    scores = np.random.default_rng(0).permutation(60).astype(np.float32)
    for first, last in ((-35, -29), (-44, -20), (12, 40), (2, 5), (-3, 0)):
        best = best_between(scores, first, last)
        for i in range(60):
            inside = [scores[j] for j in range(i + first, i + last + 1) if 0 <= j < 60]
            assert best[i] == max(inside, default=IMPOSSIBLE)


def test_passage_is_the_mean_over_loading_places():
    rng = np.random.default_rng(1)
    left, right = rng.random((2, 9))
    for k in range(2, 9):
        inside = range(1, k)
        free = [
            np.prod([1 - left[m] for m in inside if m < u])
            * np.prod([1 - right[m] for m in inside if m > u])
            for u in inside
        ]
        assert passage(left, right)[k] == pytest.approx(np.mean(free))


def _strand(rbfox_at=None, first_donor=1.0):
    """A strand with three donors, three acceptors and two ends."""
    length = 8_000
    rbfox = np.zeros(length + 1, int)
    if rbfox_at:
        rbfox[rbfox_at + 1 :] = 1
    return Strand(
        start=np.zeros(length, np.float32),
        donors=np.array([300, 1_200, 2_500]),
        donor_scores=np.array([first_donor, -0.5, 2.0]),
        acceptors=np.array([1_050, 2_350, 4_000]),
        acceptor_scores=np.array([0.5, 1.0, -1.0]),
        ends=np.array([3_000, 4_500]),
        end_strength=np.array([0.4, 1.0]),
        unprotected_end_strength=np.array([0.9, 1.0]),
        enhancers=np.zeros(length + 1, int),
        rbfox=rbfox,
    )


def _enumerate(strand, start):
    """Weighs every transcript, its introns and its end: those that U1 protects, and the others."""
    bound = sum(
        np.exp(score - (donor - start) / 500)
        for donor, score in zip(strand.donors, strand.donor_scores, strict=True)
        if donor - start <= 1_500
    )
    protected = 1 / (1 + (0.8 / bound) ** 6)
    shares = {}
    for share, first_end in ((protected, 0.4), (1 - protected, 0.9)):
        weights = _weigh(strand, start, {3_000: first_end, 4_500: 1 - first_end})
        total = sum(weights.values())
        for key, w in weights.items():
            shares[key] = shares.get(key, 0) + share * w / total
    return shares


def _weigh(strand, start, reached):
    introns = [(d, a) for d in strand.donors for a in strand.acceptors if a - d >= 70]
    donor = dict(zip(strand.donors, strand.donor_scores, strict=True))
    acceptor = dict(zip(strand.acceptors, strand.acceptor_scores, strict=True))
    weights = {}
    for n in range(4):
        for chosen in itertools.combinations(introns, n):
            if any(b[0] <= a[1] for a, b in itertools.pairwise(chosen)):
                continue
            for end, weight in reached.items():
                if chosen and end < chosen[-1][1] + splicing.SHORTEST_EXON:
                    continue
                w = weight * np.exp(
                    -(end - (chosen[-1][1] if chosen else start)) / splicing.LAST_EXON_SCALE
                )
                previous = None
                for d, a in chosen:
                    w *= np.exp(donor[d] + acceptor[a] - (a - d) / splicing.INTRON_SCALE)
                    size = d - (start if previous is None else previous)
                    if previous is None:
                        w *= splicing.SHORTEST_EXON <= size <= splicing.LONGEST_FIRST_EXON
                    else:
                        spread = np.log(size / splicing.BEST_EXON) / splicing.EXON_SPREAD
                        w *= np.exp(-(spread**2) / 2) * (
                            splicing.SHORTEST_EXON <= size <= splicing.LONGEST_EXON
                        )
                    previous = a
                weights[chosen, end] = w
    return weights


@pytest.mark.parametrize("first_donor", [1.0, 0.1, -0.5])
def test_splicing_equals_the_sum_over_all_transcripts(first_donor):
    strand, start = _strand(first_donor=first_donor), 100
    found = splice(strand, start, np.zeros(1, np.float32))
    expected = _enumerate(strand, start)
    for i, d in enumerate(strand.donors):
        for j, a in enumerate(strand.acceptors):
            share = sum(p for (chosen, _), p in expected.items() if (d, a) in chosen)
            assert found.junctions[0, i, j] == pytest.approx(share, abs=1e-9)
    early = sum(p for (_, end), p in expected.items() if end == 3_000)
    assert found.end_probability[0, 0] == pytest.approx(early)


def test_without_a_donor_near_the_start_transcripts_end_at_weak_signals():
    ends = [
        splice(_strand(first_donor=score), 100, np.zeros(1, np.float32)).end_probability[0, 0]
        for score in (3.0, 1.0, 0.1, -3.0)
    ]
    assert ends == sorted(ends)
    assert ends[0] < 0.3
    assert ends[-1] > 0.7


def test_usage_is_among_the_transcripts_that_are_over_a_site():
    found = splice(_strand(first_donor=-3.0), 100, np.zeros(1, np.float32))
    (_, over_donors), (used, over) = found.usage()
    assert over_donors[0] == pytest.approx([1, 1, 1])
    assert over[0] == pytest.approx([1, 1, found.end_probability[0, 1]])
    assert used[0, 2] * over[0, 2] == pytest.approx(found.junctions[0, :, 2].sum())


def test_coverage_is_the_share_of_transcripts_with_the_base():
    strand, start = _strand(), 100
    past, spliced, unspliced = splice(strand, start, np.zeros(1, np.float32)).coverage()
    assert past == 4_500
    expected = _enumerate(strand, start)
    for base in (150, 310, 1_100, 1_210, 2_400, 2_600, 2_990, 3_010, 4_100):
        ends_later = {k: p for k, p in expected.items() if k[1] > base}
        inside = sum(
            p for (chosen, _), p in ends_later.items() if not any(d <= base < a for d, a in chosen)
        )
        assert spliced[0, base - start] == pytest.approx(inside, abs=1e-9)
        assert unspliced[0, base - start] == pytest.approx(sum(ends_later.values()))


def test_rbfox_downstream_helps_an_exon_where_it_is_present():
    found = splice(_strand(rbfox_at=1_250, first_donor=4.0), 100, np.array([0, 12], np.float32))
    used = found.junctions[:, 1].sum(1)  # of the donor at 1,200
    odds = used / (1 - used)
    assert odds[1] == pytest.approx(13 * odds[0])
