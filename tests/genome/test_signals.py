from __future__ import annotations

import itertools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pyBigWig
import pytest
from alphagenome.data.genome import Interval
from hypothesis import given, settings
from hypothesis import strategies as st

from app.errors import BundleError
from app.genome.reference import Reference
from app.genome.signals import EXACT_WIDTH, ObservedTrack
from models.card import Track
from tests.genome.made import threads_and_forks, write_bigwig, write_fasta

LENGTH = 1_000
STEPS = [
    ("chr1", 0, 3, 5.0), ("chr1", 3, 10, -1.5), ("chr1", 40, 41, 0.25), ("chr1", 100, 132, 2.0),
    ("chr1", 132, 164, 4.0), ("chr1", 500, 700, 1e-3), ("chr1", 700, 701, 3e4),
    ("chr1", 998, 1_000, 7.0),
]  # fmt: skip
BASES = np.full(LENGTH, np.nan)
for _, _start, _end, _value in STEPS:
    BASES[_start:_end] = np.float32(_value)


def _track(resolution: int) -> Track:
    return Track("observed/measured/t/.", "DNASE", "t", ".", resolution, "signal")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("signals")


@pytest.fixture(scope="module")
def reference(folder: Path) -> Reference:
    return Reference(write_fasta(folder / "r.fa", {"chr1": "A" * LENGTH, "chr2": "C" * 50}))


@pytest.fixture(scope="module")
def track(folder: Path, reference: Reference) -> ObservedTrack:
    path = write_bigwig(folder / "t.bw", {"chr1": LENGTH}, STEPS)
    return ObservedTrack.open(_track(1), path, reference)


def _bases(start: int, end: int) -> np.ndarray:
    """The signal base by base, NaN outside the chromosome."""
    return np.array([BASES[i] if 0 <= i < LENGTH else np.nan for i in range(start, end)])


def test_values_are_those_written_and_nan_between(track: ObservedTrack) -> None:
    found = track.values(Interval("chr1", 0, LENGTH))
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, BASES.astype(np.float32))
    np.testing.assert_array_equal(
        track.values(Interval("1", -5, 12)), _bases(-5, 12).astype(np.float32)
    )


def test_bin_i_covers_start_plus_i_times_resolution(folder: Path, reference: Reference) -> None:
    track = ObservedTrack.open(_track(32), folder / "t.bw", reference)
    found = track.values(Interval("chr1", 68, 196))
    np.testing.assert_array_equal(found, np.float32([np.nan, 2.0, 4.0, np.nan]))
    # One base further, every bin takes one base from its right neighbour.
    shifted = track.values(Interval("chr1", 69, 197))
    np.testing.assert_allclose(shifted, [2.0, (31 * 2 + 4) / 32, 4.0, np.nan], rtol=1e-6)
    with pytest.raises(ValueError, match="no multiple of 32"):
        track.values(Interval("chr1", 0, 33))


@settings(max_examples=200, deadline=None)
@given(start=st.integers(-50, 1_040), bins=st.integers(1, 60), per_bin=st.integers(1, 40))
def test_summary_of_whole_bins_equals_numpy(
    track: ObservedTrack, start: int, bins: int, per_bin: int
) -> None:
    found = track.summarise("chr1", start, start + bins * per_bin, bins)
    rows = np.ma.masked_invalid(_bases(start, start + bins * per_bin).reshape(bins, per_bin))
    for values, expected in zip(found, (rows.mean(1), rows.min(1), rows.max(1)), strict=True):
        assert values.dtype == np.float32
        np.testing.assert_allclose(values, expected.filled(np.nan), rtol=1e-5, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(start=st.integers(-50, 1_040), width=st.integers(1, 200), bins=st.integers(1, 90))
def test_summary_of_broken_bins_equals_that_of_finer_bases(
    track: ObservedTrack, start: int, width: int, bins: int
) -> None:
    """Cutting each base in as many parts as there are bins makes all bins whole."""
    found = track.summarise("chr1", start, start + width, bins)
    fine = np.repeat(_bases(start, start + width), bins).reshape(bins, width)
    rows = np.ma.masked_invalid(fine)
    for values, expected in zip(found, (rows.mean(1), rows.min(1), rows.max(1)), strict=True):
        np.testing.assert_allclose(values, expected.filled(np.nan), rtol=1e-4, atol=1e-7)


def test_a_chromosome_without_data_is_nan(track: ObservedTrack) -> None:
    assert np.isnan(track.values(Interval("chr2", 0, 50))).all()
    assert np.isnan(track.summarise("chr2", 0, 50, 5).max).all()
    with pytest.raises(ValueError, match="nothing to summarise"):
        track.summarise("chr1", 10, 10, 5)


@pytest.fixture(scope="module")
def brain(realdata: Path, folder: Path) -> ObservedTrack:
    reference = Reference(write_fasta(folder / "c21.fa", {"chr21:26000001-26000010": "A" * 10}), "hg19")  # noqa: E501  # fmt: skip
    path = realdata / "tracks" / "brain_A1C_HSB178_RNAseq_hg19_chr21.bw"
    return ObservedTrack.open(_track(1), path, reference)


def test_real_signal_equals_what_pybigwig_reads(brain: ObservedTrack) -> None:
    start, end = 27_200_000, 27_600_000
    with pyBigWig.open(str(brain.path)) as file:
        expected = np.array(file.values("chr21", start, end))
    assert np.isfinite(expected).sum() > 1_000
    np.testing.assert_array_equal(brain.values(Interval("chr21", start, end)), np.float32(expected))


def test_zoomed_out_summary_agrees_with_every_base(brain: ObservedTrack) -> None:
    length, bins = 48_129_895, 500
    start, end = 40_000_000, length + 500_000
    assert end - start > EXACT_WIDTH
    found = brain.summarise("chr21", start, end, bins)
    with pyBigWig.open(str(brain.path)) as file:
        bases = np.array(file.values("chr21", start, length))
    edges = np.linspace(0, end - start, bins + 1).round().astype(int)
    parts = [np.ma.masked_invalid(bases[a:b]) for a, b in itertools.pairwise(edges)]
    mean = np.array([p.mean() if p.count() else np.nan for p in parts])
    high = np.array([p.max() if p.count() else np.nan for p in parts])
    measured = np.isfinite(mean)
    assert measured.sum() > 300
    # Zoom records lie across the edges of bins, so that a little leaks.
    assert (np.isnan(found.mean) == ~measured).mean() > 0.99
    error = np.abs(found.mean - mean)[measured] / (mean[measured] + 0.1)
    assert np.nanmedian(error) < 0.01
    assert np.nanpercentile(error, 95) < 0.1
    assert np.nanmean(np.abs(found.max - high)[measured] < 1e-3) > 0.9
    shown = np.isfinite(found.mean)
    assert (found.min <= found.mean)[shown].all()
    assert (found.mean <= found.max)[shown].all()
    beyond = edges[:-1] >= length - start
    assert beyond.sum() > 20
    assert np.isnan(found.mean[beyond]).all()


def test_zoomed_out_summary_may_begin_before_the_chromosome(brain: ObservedTrack) -> None:
    found = brain.summarise("chr21", -30_000_000, 30_000_000, 60)
    assert np.isnan(found.mean[:30]).all()
    exact = brain.summarise("chr21", 27_000_000, 28_000_000, 1)
    np.testing.assert_allclose(found.mean[57], exact.mean[0], rtol=0.2)


def _message(path: Path, reference: Reference) -> str:
    with pytest.raises(BundleError) as caught:
        ObservedTrack.open(_track(1), path, reference)
    return caught.value.message


def test_another_assembly_is_refused(realdata: Path, folder: Path) -> None:
    """Of the four K562 tracks, one was made on hg38."""
    pieces = write_fasta(folder / "c9.fa", {"chr9:5000001-5000010": "A" * 10})
    hg19, hg38 = Reference(pieces, "hg19"), Reference(pieces, "hg38")
    odd = realdata / "tracks" / "K562_H3K4me3_hg38_chr9_4-6Mb.bigWig"
    sibling = realdata / "tracks" / "K562_H3K27ac_hg19_chr9_4-6Mb.bigWig"
    assert ObservedTrack.open(_track(1), sibling, hg19).lengths["chr9"] == 141_213_431
    message = _message(odd, hg19)
    assert "another assembly: its chr9 has 138,394,717 bp, that of hg19 141,213,431 bp" in message
    assert ObservedTrack.open(_track(1), odd, hg38).lengths["chr9"] == 138_394_717
    assert "another assembly" in _message(sibling, hg38)


def test_lengths_are_compared_with_whole_chromosomes_and_pieces(
    folder: Path, reference: Reference
) -> None:
    longer = write_bigwig(folder / "longer.bw", {"chr1": LENGTH + 1}, STEPS)
    assert "its chr1 has 1,001 bp, that of the reference 1,000 bp" in _message(longer, reference)
    elsewhere = write_bigwig(folder / "else.bw", {"chr7": 9}, [("chr7", 0, 5, 1.0)])
    assert "no chromosome in common" in _message(elsewhere, reference)
    piece = Reference(write_fasta(folder / "p.fa", {"chr1:995-1002": "A" * 8}))
    short = write_bigwig(folder / "short.bw", {"chr1": LENGTH}, STEPS)
    assert "1,000 bp, but the reference reaches 1,002" in _message(short, piece)


@pytest.mark.parametrize("kept", [0, 3, 10, 100, 1_000, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused(
    realdata: Path, folder: Path, brain: ObservedTrack, kept: float
) -> None:
    content = brain.path.read_bytes()
    size = int(len(content) * kept) if isinstance(kept, float) else kept
    cut = folder / "cut.bw"
    cut.write_bytes(content[:size])
    reference = Reference(folder / "c21.fa", "hg19")
    assert "cut.bw" in _message(cut, reference)


def test_what_is_no_bigwig_is_refused(folder: Path, reference: Reference) -> None:
    assert "r.fa is not a bigWig file" in _message(folder / "r.fa", reference)
    assert "nothing.bw does not exist" in _message(folder / "nothing.bw", reference)
    assert "cannot be read" in _message(folder, reference)


def test_damage_inside_is_an_error_with_a_message(
    track: ObservedTrack, folder: Path, reference: Reference
) -> None:
    path = folder / "damaged.bw"
    content = bytearray(track.path.read_bytes())
    offset = int.from_bytes(content[16:24], "little")  # the header says where the data begin
    content[offset + 4 : offset + 40] = b"\xff" * 36
    path.write_bytes(content)
    damaged = ObservedTrack.open(_track(1), path, reference)
    with pytest.raises(BundleError, match=r"damaged\.bw is damaged"):
        damaged.values(Interval("chr1", 0, LENGTH))


def _values_read(path: Path, reference: Path) -> list[int]:
    track = ObservedTrack.open(_track(1), path, Reference(reference))

    def read(start: int) -> bool:
        found = track.values(Interval("chr1", start, start + 100))
        return np.array_equal(found, np.float32(_bases(start, start + 100)), equal_nan=True)

    return threads_and_forks(read, np.random.default_rng(3).integers(0, 900, 300).tolist())


def test_threads_and_forks_read_the_right_values(tmp_path: Path) -> None:
    path = write_bigwig(tmp_path / "t.bw", {"chr1": LENGTH}, STEPS)
    reference = write_fasta(tmp_path / "r.fa", {"chr1": "A" * LENGTH})
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_values_read, path, reference).result(timeout=120) == [300] * 5
