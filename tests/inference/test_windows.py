"""The grid, checked base by base on small references."""

from __future__ import annotations

import itertools
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
from alphagenome.data.genome import Interval
from hypothesis import given, settings
from hypothesis import strategies as st

from app.genome.reference import Reference
from app.inference.windows import WindowGrid, padded_spans, sequence, unknown_runs
from models.card import ModelCard, Track

from .helpers import fasta, random_sequence


def card(width: int, crop: int, resolutions: tuple[int, ...]) -> ModelCard:
    tracks = tuple(Track(f"m/CAGE/t{r}/.", "CAGE", f"t{r}", ".", r, "counts") for r in resolutions)
    return ModelCard("m", "M", "m", "", "", (), width, crop, "architecture only", (), tracks)


def covered(pieces: list[tuple[int, int]], length: int | None) -> Reference:
    """What a grid reads of a reference, for chromosomes too long to write to a file."""
    intervals = [Interval("c", start, end) for start, end in pieces]
    return SimpleNamespace(pieces_on=lambda _: intervals, length=lambda _: length)  # type: ignore[return-value]


def all_windows(grid: WindowGrid, piece: tuple[int, int]):
    return grid.windows(Interval("c", *piece))


@settings(max_examples=400, deadline=None)
@given(
    start=st.integers(0, 60),
    width=st.integers(1, 400),
    beyond=st.integers(0, 50),
    crop=st.sampled_from([0, 3, 16, 40]),
    bins=st.integers(1, 5),
    resolutions=st.sampled_from([(1,), (4,), (4, 8), (2, 16)]),
    known=st.booleans(),
)
def test_every_predictable_bin_is_used_once(
    start: int,
    width: int,
    beyond: int,
    crop: int,
    bins: int,
    resolutions: tuple[int, ...],
    known: bool,
) -> None:
    phase = max(resolutions)
    model = card(bins * phase + 2 * crop, crop, resolutions)
    piece = (start, start + width)
    length = piece[1] + beyond if known else None
    grid = WindowGrid(model, covered([piece], length))
    windows = all_windows(grid, piece)
    at_start, at_end = start == 0, length == piece[1]

    for window in windows:
        assert window.interval.width == model.input_width
        assert window.output.start - window.interval.start == crop
        assert (window.output.start - windows[0].output.start) % phase == 0
        assert window.output.start <= window.use.start < window.use.end <= window.output.end
        assert at_start or window.interval.start >= piece[0]
        assert at_end or window.interval.end <= piece[1]

    used = [b for w in windows for b in range(w.use.start, w.use.end)]
    assert len(used) == len(set(used))
    first = 0 if at_start else start + crop
    last = piece[1] if at_end else piece[1] - crop
    fits = last - first >= model.output_width or (at_start and at_end)
    if at_end and not at_start:  # the last bin may hang over the end
        fits = -(-(last - first) // phase) * phase >= model.output_width
    expected = set(range(first, last)) if fits else set()
    if not at_end:  # no bin hangs over any other edge
        expected = {b for b in expected if b < first + (last - first) // phase * phase}
    assert {b for b in used if b < piece[1]} == expected
    assert all(b - piece[1] < phase for b in used)


@settings(max_examples=200, deadline=None)
@given(width=st.integers(60, 600), crop=st.sampled_from([0, 8, 20]), bins=st.integers(1, 6))
def test_each_bin_comes_from_the_window_in_which_it_is_most_central(
    width: int, crop: int, bins: int
) -> None:
    model = card(bins * 8 + 2 * crop, crop, (4, 8))
    windows = all_windows(WindowGrid(model, covered([(0, width)], width)), (0, width))
    for window in windows:
        for start in range(window.use.start, window.use.end, 8):
            distances = {
                w.output.start: abs(start + 4 - (w.output.start + w.output.end) / 2)
                for w in windows
                if w.output.start <= start < w.output.end
            }
            assert distances[window.output.start] == min(distances.values())


def test_first_output_of_a_chromosome_starts_at_0() -> None:
    model = card(100, 20, (10,))
    [first, *_] = all_windows(WindowGrid(model, covered([(0, 1000)], 1000)), (0, 1000))
    assert (first.interval.start, first.output.start, first.use.start) == (-20, 0, 0)


def test_first_window_of_a_piece_starts_with_it() -> None:
    model = card(100, 20, (10,))
    [first, *_] = all_windows(WindowGrid(model, covered([(333, 1000)], None)), (333, 1000))
    assert (first.interval.start, first.output.start) == (333, 353)


def test_piece_shorter_than_the_input_has_no_window() -> None:
    grid = WindowGrid(card(100, 20, (10,)), covered([(333, 432)], 5000))
    assert all_windows(grid, (333, 432)) == []


def test_chromosome_shorter_than_the_input_is_padded_on_both_sides(tmp_path: Path) -> None:
    bases = random_sequence(35, seed=1)
    reference = fasta(tmp_path / "r.fa", {"c": bases})
    [window] = WindowGrid(card(100, 20, (10,)), reference).windows(Interval("c", 0, 35))
    assert (window.use.start, window.use.end) == (0, 40)
    assert sequence(window, reference) == "N" * 20 + bases + "N" * 45


def test_sequence_is_real_flank_and_n_beyond_the_chromosome_only(tmp_path: Path) -> None:
    bases = random_sequence(500, seed=2)
    reference = fasta(tmp_path / "r.fa", {"c": bases})
    windows = WindowGrid(card(100, 20, (10,)), reference).windows(Interval("c", 0, 500))
    padded = "N" * 100 + bases + "N" * 100
    for window in windows:
        start = window.interval.start + 100
        assert sequence(window, reference) == padded[start : start + 100]


def test_panning_meets_the_same_windows() -> None:
    grid = WindowGrid(card(100, 20, (10,)), covered([(0, 5000)], 5000))
    everything = {(w.interval.start, w.use.start, w.use.end) for w in all_windows(grid, (0, 5000))}
    for start, width in itertools.product(range(0, 4900, 37), (1, 60, 61, 200)):
        part = grid.windows(Interval("c", start, start + width))
        assert {(w.interval.start, w.use.start, w.use.end) for w in part} <= everything
        assert part[0].use.start <= start
        assert part[-1].use.end >= min(start + width, 5000)
        assert all(a.use.end == b.use.start for a, b in itertools.pairwise(part))


def test_view_over_two_pieces_has_windows_of_both() -> None:
    grid = WindowGrid(card(100, 20, (10,)), covered([(100, 400), (700, 1000)], None))
    starts = [w.interval.start for w in grid.windows(Interval("c", 0, 2000))]
    assert starts == [100, 160, 220, 280, 300, 700, 760, 820, 880, 900]


def test_place_on_a_huge_chromosome_is_found_without_counting_up_to_it() -> None:
    length = 2_000_000_000
    grid = WindowGrid(card(131_072, 32_768, (32,)), covered([(0, length)], length))
    began = time.process_time()
    for _ in range(100):
        windows = grid.windows(Interval("c", length - 1000, length))
    assert time.process_time() - began < 0.5
    assert windows[-1].use.end == length


@pytest.mark.parametrize("resolution", [1, 4, 7])
def test_bin_is_padded_if_all_of_its_bases_are_unknown(resolution: int) -> None:
    bases = "NNNNNACGTNNNNNNNNNNNNNAANNN" + "N" * 8
    start, origin = 100, 100 - 3 * resolution
    padded = {
        b
        for low, high in padded_spans(origin, resolution, unknown_runs(bases, start))
        for b in range(low, high, resolution)
    }
    expected = {
        b
        for b in range(start, start + len(bases) - resolution + 1)
        if (b - origin) % resolution == 0
        and set(bases[b - start : b - start + resolution]) == {"N"}
    }
    assert padded == expected


@settings(max_examples=300, deadline=None)
@given(
    start=st.integers(0, 60),
    width=st.integers(1, 900),
    beyond=st.integers(0, 50),
    crop=st.sampled_from([0, 3, 16]),
    bins=st.integers(4, 20),
    resolution=st.sampled_from([1, 4, 8]),
    low=st.integers(0, 900),
    part=st.integers(1, 200),
)
def test_three_quarters_of_an_output_lie_in_one_window_of_pairs(
    start: int,
    width: int,
    beyond: int,
    crop: int,
    bins: int,
    resolution: int,
    low: int,
    part: int,
) -> None:
    model = card(bins * resolution + 2 * crop, crop, (resolution,))
    end = start + width
    grid = WindowGrid(model, covered([(start, end)], end + beyond))
    asked = Interval("c", start + low, start + low + part)
    found = grid.pairs(asked)
    ones = grid.windows(asked)
    assert bool(found) == bool(ones)
    if not found:
        return
    assert all((w.output.start - ones[0].output.start) % resolution == 0 for w in found)
    piece = Interval("c", start, end)
    offered = {w.output.start for w in grid.pairs_offered(piece, asked)}
    assert {w.output.start for w in found} <= offered
    first, last = max(asked.start, ones[0].output.start), min(asked.end, ones[-1].output.end)
    if last - first <= model.output_width * 3 // 4 - resolution:
        (only,) = found
        assert only.output.start <= first
        assert last <= only.output.end
        if len(ones) == 1:
            assert only.output == ones[0].output
