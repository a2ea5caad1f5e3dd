"""Contact matrices: what stands where, against cooler's own reader and one numpy line."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import cooler
import numpy as np
import pandas as pd
import pytest

from app.errors import BundleError, LimitError
from app.genome.contacts import MAX_BINS, ContactTrack
from app.genome.insulation import boundaries, insulation
from app.genome.marks import Mark, Marks
from app.genome.reference import Reference
from models.card import Track

from .made import write_fasta

BIN, BINS = 100, 40
#: The last bin of the chromosome hangs over its end.
LENGTH = BIN * BINS - 30
TRACK = Track("observed/contact_maps/c/.", "CONTACT_MAPS", "c", ".", 1, "contacts")
#: Bins that were not measured.
GONE = (17, 18)


def planted() -> np.ndarray:
    """Counts that are all different, so that any that is out of place is seen."""
    i, j = np.triu_indices(BINS)
    counts = np.zeros((BINS, BINS), np.int64)
    counts[i, j] = 1 + (7 * i + 31 * j) % 1_009
    counts[np.abs(np.subtract.outer(np.arange(BINS), np.arange(BINS))) > 25] = 0
    for gone in GONE:
        counts[gone] = counts[:, gone] = 0
    return np.triu(counts)


def pixels() -> pd.DataFrame:
    """Chromosome chr2 stands first with five bins, so that ids of bins are not their places."""
    counts = planted()
    one, other = np.nonzero(counts)
    return pd.DataFrame({"bin1_id": one + 5, "bin2_id": other + 5, "count": counts[one, other]})


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    write_fasta(tmp_path / "r.fa", {"chr1": "A" * LENGTH, "chr2": "C" * 500})
    return Reference(tmp_path / "r.fa")


@pytest.fixture
def cool(tmp_path: Path) -> Path:
    path = tmp_path / "c.cool"
    bins = cooler.binnify(pd.Series({"chr2": 500, "chr1": LENGTH}), BIN)
    cooler.create_cooler(str(path), bins, pixels())
    return path


@pytest.fixture
def mcool(cool: Path, tmp_path: Path) -> Path:
    path = tmp_path / "c.mcool"
    cooler.zoomify_cooler(str(cool), str(path), [BIN, 4 * BIN], chunksize=10_000)
    return path


@pytest.fixture
def hic(tmp_path: Path) -> Path:
    import hictkpy  # not at the top: it takes a core until the first matrix is read

    path = tmp_path / "c.hic"
    with hictkpy.hic.FileWriter(path, {"chr2": 500, "chr1": LENGTH}, [BIN, 4 * BIN]) as file:
        table = pixels()
        file.add_pixels(table.astype({"count": float}))
        file.finalize()
    return path


@pytest.fixture(params=["cool", "mcool", "hic"])
def track(request: pytest.FixtureRequest, reference: Reference) -> ContactTrack:
    return ContactTrack.open(TRACK, request.getfixturevalue(request.param), reference)


def expected_matrix() -> np.ndarray:
    values = (planted() + np.triu(planted(), 1).T).astype(float)
    for gone in GONE:
        values[gone] = values[:, gone] = np.nan
    apart = np.abs(np.subtract.outer(np.arange(BINS), np.arange(BINS)))
    values[apart > 25] = np.nan  # nobody stored pairs as far apart
    return values


def test_every_format_gives_every_pair_its_value(track: ContactTrack) -> None:
    assert track.track.resolution == BIN
    whole = track.matrix("chr1", 0, LENGTH, BIN)
    assert (whole.start, whole.resolution) == (0, BIN)
    np.testing.assert_array_equal(whole.values, expected_matrix())


def test_a_region_begins_with_the_bin_that_holds_its_start(track: ContactTrack) -> None:
    part = track.matrix("1", 350, 1_201, BIN)
    assert part.start == 300
    np.testing.assert_array_equal(part.values, expected_matrix()[3:13, 3:13])


def test_beyond_the_chromosome_is_no_value(track: ContactTrack) -> None:
    wide = track.matrix("chr1", -200, LENGTH + 300, BIN)
    assert wide.start == -200
    expected = np.pad(expected_matrix(), (2, 3), constant_values=np.nan)
    np.testing.assert_array_equal(wide.values, expected)
    assert np.isnan(track.matrix("chr9", 0, 500, BIN).values).all()


def test_expected_is_the_mean_of_each_diagonal(track: ContactTrack) -> None:
    values = expected_matrix()
    mean = np.array([np.nanmean(np.diagonal(values, d)) for d in range(26)])
    part = track.matrix("chr1", 200, 1_700, BIN)
    apart = np.abs(np.subtract.outer(np.arange(15), np.arange(15)))
    np.testing.assert_allclose(part.expected, mean[apart], rtol=1e-6)


@pytest.mark.parametrize("coarsen", [2, 3, 4])
def test_wider_bins_are_the_mean_of_the_measured_pairs(track: ContactTrack, coarsen: int) -> None:
    values = np.pad(expected_matrix(), (0, coarsen), constant_values=np.nan)
    n = 6
    got = track.matrix("chr1", 8 * coarsen * BIN, (8 + n) * coarsen * BIN, BIN, coarsen)
    values = np.pad(values, (0, 200), constant_values=np.nan)
    for i, j in itertools.product(range(n), range(n)):
        a, b = (slice((8 + k) * coarsen, (9 + k) * coarsen) for k in (i, j))
        block = values[a, b]
        expected = np.nanmean(block) if np.isfinite(block).any() else np.nan
        np.testing.assert_allclose(got.values[i, j], expected, rtol=1e-6)


def test_nearest_resolution_and_one_that_the_file_lacks(
    reference: Reference, mcool: Path, cool: Path
) -> None:
    several = ContactTrack.open(TRACK, mcool, reference)
    assert several.resolutions == (BIN, 4 * BIN)
    assert [several.nearest(w) for w in (1, 100, 101, 400, 9_999)] == [100, 100, 400, 400, 400]
    one = ContactTrack.open(TRACK, cool, reference)
    with pytest.raises(ValueError, match="no bins of 200 bp"):
        one.matrix("chr1", 0, 1_000, 200)
    with pytest.raises(LimitError, match=r"no bins wider than 100 bp\. Zoom in to 205 kb or less"):
        one.matrix("chr1", 0, (MAX_BINS + 1) * BIN, BIN)


def test_balanced_as_cooler_and_raw_on_request(realdata: Path, tmp_path: Path) -> None:
    write_fasta(tmp_path / "r.fa", {"chr22:1000001-1000010": "A" * 10})
    path = realdata / "contacts" / "GM12878_hg19_chr22_50kb.cool"
    reference = Reference(tmp_path / "r.fa", "hg19")
    theirs = cooler.Cooler(str(path))
    for balancing in ("", "raw"):
        track = ContactTrack.open(TRACK, path, reference, balancing=balancing)
        ours = track.matrix("chr22", 15_000_000, 20_000_000, 50_000).values
        whole = theirs.matrix(balance=not balancing).fetch("chr22").astype(float)
        if balancing:  # what has no contact at all, as the short arm here, was not measured
            empty = whole.sum(axis=0) == 0
            whole[empty] = whole[:, empty] = np.nan
        np.testing.assert_allclose(ours, whole[300:400, 300:400], rtol=1e-6)
        assert np.isnan(ours).any()
    with pytest.raises(BundleError, match="has no normalisation KR; it has raw, weight"):
        ContactTrack.open(TRACK, path, reference, balancing="KR")


def test_genuine_hic_as_hictk_reads_it(realdata: Path, tmp_path: Path) -> None:
    write_fasta(tmp_path / "r.fa", {"chr22:1000001-1000010": "A" * 10})
    path = realdata / "contacts" / "HMEC_hg19_chr21-22_50kb.hic"
    track = ContactTrack.open(TRACK, path, Reference(tmp_path / "r.fa", "hg19"))
    assert (track.balancing, track.resolutions) == ("KR", (50_000,))
    ours = track.matrix("chr22", 20_000_000, 25_000_000, 50_000)
    import hictkpy  # as above

    file = hictkpy.File(path, 50_000)
    pairs = file.fetch("22").to_df()
    farthest = (pairs["bin2_id"] - pairs["bin1_id"]).max()
    assert 20 < farthest < 99, "the file holds near pairs only"
    whole = file.fetch("22", normalization="KR", count_type=float).to_numpy()
    apart = np.abs(np.subtract.outer(np.arange(100), np.arange(100)))
    theirs = np.where(apart > farthest, np.nan, whole[400:500, 400:500])
    np.testing.assert_allclose(ours.values, theirs, rtol=1e-6)
    mean = np.array([np.nanmean(np.diagonal(whole, d)) for d in range(100)])
    expected = np.where(np.isnan(theirs), np.nan, mean[apart])
    np.testing.assert_allclose(ours.expected, expected, rtol=1e-3)


@pytest.mark.parametrize("damage", ["cut", "text", "gone"])
@pytest.mark.parametrize("name", ["cool", "hic"])
def test_damaged_files_are_named(
    request: pytest.FixtureRequest, reference: Reference, name: str, damage: str
) -> None:
    path = request.getfixturevalue(name)
    data = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(data[:200] if damage == "cut" else b"hello")
    with pytest.raises(BundleError, match=path.name):
        ContactTrack.open(TRACK, path, reference)


#: Opens a file of contacts, then waits for what that started to end, and forks.
QUIET = """
import os, sys, time
from pathlib import Path
from app.genome import contacts

def threads():
    return set(os.listdir("/proc/self/task"))

import numpy, h5py
before = threads()
assert contacts._resolutions(Path(sys.argv[1])) == (1000,)
until = time.monotonic() + 10
while threads() - before and time.monotonic() < until:
    time.sleep(0.05)
assert not threads() - before, threads() - before
for _ in range(20):
    child = os.fork()
    if not child:
        os._exit(7)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 7
"""


def test_reading_contacts_leaves_no_busy_thread_and_nothing_that_holds_up_a_fork(
    tmp_path: Path,
) -> None:
    bins = cooler.binnify(pd.Series({"chr1": 10_000}), 1_000)
    pixels = pd.DataFrame({"bin1_id": [0], "bin2_id": [1], "count": [1]})
    path = tmp_path / "one.cool"
    cooler.create_cooler(str(path), bins, pixels)
    command = [sys.executable, "-c", QUIET, str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr


def test_insulation_of_two_domains() -> None:
    """By hand: the diamond of a bin deep in a domain holds 1 only, at the border 0.25 as well."""
    n, window = 60, 5
    side = np.arange(n) < 30
    values = np.where(np.equal.outer(side, side), 1.0, 0.25).astype(np.float32)
    values[:, 50] = values[50] = np.nan
    score = insulation(values, window)
    assert score[15] == 0
    pairs = [(i, j) for i in range(5) for j in range(5) if i + j >= 2]
    # Over bin 29, the last one of the left domain, all pairs with j > 0 cross the border.
    crossing = sum(0.25 if j else 1 for _, j in pairs)
    assert score[29] == pytest.approx(np.log2(crossing / len(pairs)))
    assert score[50] == 0, "a missing bin itself takes away 6 of 22 pairs"
    assert np.isnan(score[[0, n - 1]]).all()
    ((where, strength),) = boundaries(score)
    assert where in (29, 30)
    assert strength == pytest.approx(-score[where])


def test_insulation_as_a_plain_loop_over_the_definition() -> None:
    values = np.random.default_rng(1).gamma(2, size=(30, 30))
    values = ((values + values.T) / 2).astype(np.float32)
    values[4] = values[:, 4] = np.nan
    for c, score in enumerate(insulation(values, 4)):
        cells = [
            values[c - i, c + j]
            for i in range(4)
            for j in range(4)
            if i + j >= 2 and c - i >= 0 and c + j < 30
        ]
        known = [cell for cell in cells if np.isfinite(cell)]
        if len(known) < 0.66 * 13:
            assert np.isnan(score)
        else:
            assert score == pytest.approx(np.log2(np.mean(known)), rel=1e-5)


def test_loops_and_domains(reference: Reference, tmp_path: Path) -> None:
    (tmp_path / "l.bedpe").write_text(
        "#a comment\nchr1\tx1\tx2\tchr1\ty1\ty2\n"
        "chr1\t900\t1000\t1\t100\t200\tname\nchr1\t0\t10\tchr2\t50\t60\n"
        "1\t900\t1000\t1\t100\t200\nchr7\t900\t1000\tchr7\t100\t200\n"
    )
    loops = Marks.open("loops", "L", tmp_path / "l.bedpe", reference)
    assert loops.by_chromosome == {"chr1": [Mark(100, 200, 900, 1000)]}
    assert loops.within("chr1", 100, 1_000) == [(100, 200, 900, 1000)]
    assert loops.within("chr1", 101, 1_000) == []
    (tmp_path / "d.bed").write_text("chr1\t300\t900\n1\t10\t400\textra\n")
    domains = Marks.open("domains", "D", tmp_path / "d.bed", reference)
    assert domains.by_chromosome["chr1"] == [(10, 10, 400, 400), (300, 300, 900, 900)]
    (tmp_path / "n.bed").write_text("not\ta\tdomain\n")
    with pytest.raises(BundleError, match="no domains on the chromosomes of this genome"):
        Marks.open("domains", "D", tmp_path / "n.bed", reference)
    with pytest.raises(BundleError, match="does not exist"):
        Marks.open("loops", "L", tmp_path / "gone.bedpe", reference)


def test_published_loops_and_domains(realdata: Path, tmp_path: Path) -> None:
    write_fasta(tmp_path / "r.fa", {f"chr{c}:1000001-1000010": "A" * 10 for c in (20, 21, 22)})
    reference = Reference(tmp_path / "r.fa", "hg19")
    folder = realdata / "contacts"
    hiccups = folder / "GM12878_hg19_chr22_1-30Mb_HiCCUPS_loops.txt"
    loops = Marks.open("loops", "HiCCUPS", hiccups, reference)
    assert len(loops.by_chromosome["chr22"]) == 59
    assert len(loops.within("chr22", 20_000_000, 21_000_000)) == 2
    tads = folder / "GM12878_hg19_chr20-22_arrowhead_TADs.bed"
    domains = Marks.open("domains", "Arrowhead", tads, reference)
    assert sum(map(len, domains.by_chromosome.values())) == 483
