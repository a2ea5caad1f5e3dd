"""Properties that the truth must have whatever its numbers are."""

import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest

from models.teaching.cells import cells
from models.teaching.contacts import BIN, square
from models.teaching.motifs import decode, encode, reverse_complement
from models.teaching.oracle import REACH, oracle
from models.teaching.simulate import (
    Piece,
    background,
    chromosome,
    gene,
    island_background,
    join,
    site,
)
from models.teaching.tracks import track_id, tracks

WINDOW = 131_072
CHROMATIN_REACH = 1_000  # of ATAC, DNase and bound factors


@pytest.fixture(scope="module")
def sequence():
    return chromosome(4 * WINDOW, np.random.default_rng(5)).sequence


@pytest.fixture(scope="module")
def truth(sequence):
    return oracle(sequence[:WINDOW])


def test_every_track_has_its_values(truth):
    apart = ("SPLICE_JUNCTIONS", "CONTACT_MAPS")
    for track in tracks():
        if track.modality not in apart:
            values = truth.values[track.id]
            assert values.dtype == np.float32
            assert values.shape == (WINDOW // track.resolution,)
            assert np.isfinite(values).all()
            assert (values >= 0).all()
    assert len({t.modality for t in tracks()}) == 11
    assert truth.contacts.shape == (len(cells()), WINDOW // BIN, WINDOW // BIN)
    assert any(gene.rate.max() > 5 for gene in truth.genes)


def test_reverse_complement_gives_the_mirror_image(sequence, truth):
    turned = oracle(decode(reverse_complement(encode(sequence[:WINDOW]))))
    swapped = {"+": "-", "-": "+", ".": "."}
    for track in tracks():
        if track.id not in truth.values:
            continue
        other = track_id(track.modality, track.name, swapped[track.strand])
        expected = truth.values[other][::-1]
        np.testing.assert_allclose(turned.values[track.id], expected, rtol=2e-4, atol=2e-5)
    here, there = square(truth.contacts), square(turned.contacts)
    np.testing.assert_allclose(there, here[:, ::-1, ::-1], rtol=1e-4)
    first = sorted(zip(truth.junctions.starts, truth.junctions.ends, strict=True))
    mirrored = zip(WINDOW - turned.junctions.ends, WINDOW - turned.junctions.starts, strict=True)
    assert first == sorted(mirrored)


def test_gene_on_the_other_strand_gives_swapped_strands():
    rng = np.random.default_rng(6)
    made = gene("G", "tata", cells()[0], 0.42, rng, n_exons=4)
    around = [background((WINDOW - len(made)) // 2 + 1, 0.42, rng) for _ in range(2)]
    signal = {}
    for strand, piece in (("+", made), ("-", made.reversed())):
        read = oracle(join([around[0], piece, around[1]]).sequence[:WINDOW], 1)
        inside = slice(len(around[0]), len(around[0]) + len(made))
        signal[strand] = {
            (what, s): read.values[track_id(modality, f"hepatocyte-{what}", s)][inside]
            for modality, what in (("CAGE", "CAGE"), ("RNA_SEQ", "RNA"))
            for s in "+-"
        }
    for what in ("CAGE", "RNA"):
        assert signal["+"][what, "+"].sum() > 20 * signal["+"][what, "-"].sum()
        for here, there in ("+-", "-+"):
            turned = signal["-"][what, there][::-1]
            # Enhancers are summed on a grid of 128 bp, which does not turn with the gene.
            np.testing.assert_allclose(signal["+"][what, here], turned, rtol=0.1, atol=1e-3)


def _open_part(sequence):
    values = oracle(sequence, 1).values
    atac = [values[track_id("ATAC", f"{cell.key}-ATAC", ".")] for cell in cells()]
    return float((np.stack(atac) > 0.5).mean())


def test_shuffled_sequence_has_no_more_peaks_than_random_bases(sequence):
    rng = np.random.default_rng(7)
    codes = encode(sequence)
    shuffled = decode(rng.permutation(codes))
    random = decode(rng.choice(4, len(codes), p=np.bincount(codes) / len(codes)).astype(np.int8))
    chance = _open_part(random)
    assert _open_part(shuffled) < 2 * chance + 1e-4
    assert _open_part(sequence) > 5 * chance
    assert max(g.rate.max() for g in oracle(sequence, 1).genes) > 20
    assert max((g.rate.max() for g in oracle(shuffled, 1).genes), default=0) < 10


def _anchored(first: Piece, second: Piece):
    """Two sites 32 bins apart in closed chromatin; returns maps and the bins of the sites."""
    rng = np.random.default_rng(8)
    gap = 32 * BIN
    front = background(16 * BIN + 500, 0.4, rng)
    middle = background(gap - len(first), 0.4, rng)
    rest = background(WINDOW - len(front) - gap - len(second), 0.4, rng)
    maps = square(oracle(join([front, first, middle, second, rest]).sequence).contacts)
    return maps[0], 16, 48


def test_breaking_one_site_of_a_convergent_pair_removes_its_loop():
    right = site("CTCF", np.random.default_rng(9), 4.0)
    left = right.reversed()
    broken = background(len(right), 0.4, np.random.default_rng(10))
    looped, i, j = _anchored(right, left)
    one_broken, _, _ = _anchored(right, broken)
    none, _, _ = _anchored(broken, broken)
    divergent, _, _ = _anchored(left, right)
    assert looped[i, j] > 4 * none[i, j]
    assert one_broken[i, j] < 2 * none[i, j]
    assert divergent[i, j] < 2 * none[i, j]
    # The other anchor keeps its stripe.
    assert one_broken[i, j - 10] > 1.2 * none[i, j - 10]


def test_alike_stretches_meet_more_often_than_unlike_ones():
    """GC-rich and AT-rich stretches of 131 kb in turn are A and B, and keep to their own."""
    rng = np.random.default_rng(11)
    pieces = [background(WINDOW, gc, rng) for gc in (0.60, 0.36, 0.60, 0.36)]
    stretch, distance = WINDOW // BIN, 16
    contacts = np.log(square(oracle(join(pieces).sequence, 4 * stretch).contacts)[0])
    left = np.arange(4 * stretch - distance)
    met = np.diagonal(contacts, distance)
    rich = [place // stretch % 2 == 0 for place in (left, left + distance)]
    both, neither = met[rich[0] & rich[1]], met[~rich[0] & ~rich[1]]
    unlike = met[rich[0] != rich[1]]
    assert min(len(both), len(neither), len(unlike)) >= 48
    # The mean of the alike ones, so that it does not matter which is the denser.
    assert (both.mean() + neither.mean()) / 2 > unlike.mean() + 0.15


def test_islands_without_an_active_promoter_are_repressed():
    rng = np.random.default_rng(12)
    island = island_background(1_000, rng)
    active = gene("G", "island", cells()[0], 0.42, rng, n_exons=3)
    pieces = [background(WINDOW // 4, 0.42, rng), island, background(WINDOW // 4, 0.42, rng)]
    first = len(join(pieces))
    rest = background(WINDOW - first - len(active), 0.42, rng)
    read = oracle(join([*pieces, active, rest]).sequence)
    (start,) = [g.start_site for g in read.genes if g.rate[0] > 5]

    def mark(name, place):
        values = read.values[track_id("CHIP_HISTONE", f"hepatocyte-{name}", ".")]
        return values[place // 128 - 2 : place // 128 + 3].mean()

    bare = len(pieces[0]) + 500
    assert first <= start < first + len(active)
    assert mark("H3K27me3", bare) > 3 * mark("H3K27me3", start)
    assert mark("H3K27me3", bare) > 10 * mark("H3K27me3", bare // 2)
    assert mark("H3K4me3", start) > 3 * mark("H3K4me3", bare)


def _changed_far(before, after, place, reach, modalities):
    """Returns the largest relative change beyond ``reach`` of ``place``, and within."""
    far = near = 0.0
    for track in tracks():
        if track.modality not in modalities or track.id not in before.values:
            continue
        old, new = before.values[track.id], after.values[track.id]
        change = np.abs(new - old) / (np.abs(old).max() + 1e-9)
        middles = (np.arange(len(old)) + 0.5) * track.resolution
        outside = np.abs(middles - place) > reach + track.resolution
        far = max(far, change[outside].max())
        near = max(near, change[~outside].max())
    return far, near


ALL = {t.modality for t in tracks()}
CHROMATIN = {"ATAC", "DNASE", "CHIP_TF"}


def test_one_base_changes_nothing_beyond_the_stated_reach(sequence):
    before = oracle(sequence, 8)
    busiest = before.values[track_id("ATAC", "thymocyte-ATAC", ".")]
    middle = len(sequence) // 2
    place = middle + int(busiest[middle : middle + 100_000].argmax())
    changes = []
    for offset in range(-30, 31, 4):
        at = place + offset
        base = "ACGT"[("ACGT".index(sequence[at]) + 2) % 4]
        after = oracle(sequence[:at] + base + sequence[at + 1 :], 8)
        far, near = _changed_far(before, after, at, REACH, ALL)
        assert far < 1e-6
        assert _changed_far(before, after, at, CHROMATIN_REACH, CHROMATIN)[0] < 1e-6
        changes.append(near)
    assert max(changes) > 0.05


def test_n_changes_nothing_far_away(sequence):
    before = oracle(sequence, 8)
    middle = len(sequence) // 2
    after = oracle(sequence[:middle] + "N" * 2_000 + sequence[middle + 2_000 :], 8)
    far, _ = _changed_far(before, after, middle + 1_000, REACH + 1_000, ALL)
    assert far < 1e-6


def test_sequence_of_n_holds_nothing():
    truth = oracle("N" * (8 * BIN))
    assert not truth.genes
    atac = truth.values[track_id("ATAC", "neuron-ATAC", ".")]
    assert atac.max() < 0.025


def test_length_must_fit_the_contact_maps():
    with pytest.raises(ValueError, match="multiple of 2048"):
        oracle("ACGT" * 100)


_DIGEST = """
import hashlib, numpy as np
from models.teaching.oracle import oracle
from models.teaching.simulate import chromosome
truth = oracle(chromosome(2**18, np.random.default_rng(11)).sequence, 16)
digest = hashlib.sha256(truth.contacts.tobytes())
for key, values in truth.values.items():
    digest.update(key.encode() + values.tobytes())
print(digest.hexdigest())
"""


def test_other_processes_find_the_same_truth():
    found = set()
    for seed in ("1", "2"):
        run = subprocess.run(
            [sys.executable, "-c", _DIGEST], check=True, capture_output=True, text=True,
            env={**os.environ, "PYTHONHASHSEED": seed},
        )  # fmt: skip
        found.add(run.stdout.strip())
    assert len(found) == 1
    assert len(found.pop()) == hashlib.sha256().digest_size * 2
