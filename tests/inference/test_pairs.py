"""Contacts and junctions put together from windows, checked by counting letters in the genome."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine
from app.inference.pairs import contacts, junctions
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.settings import Settings
from models import registry
from models.card import ModelCard

from .helpers import random_sequence, write_model
from .test_predictions import bundle_of

LENGTH = 12_000
BIN, WIDTH = 128, 2_048
WHOLE = random_sequence(LENGTH, seed=11)
GAP = (5_000, 6_200)
WHOLE = WHOLE[: GAP[0]] + "N" * (GAP[1] - GAP[0]) + WHOLE[GAP[1] :]


@pytest.fixture
def card(settings: Settings) -> ModelCard:
    tracks = (("pairs", BIN), ("introns", 1), ("gc", 32))
    write_model(Path(settings.weights) / "paired", 4096, 1024, tracks, "paired")
    return registry.cards(settings.weights_dirs)["paired"]


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_of(tmp_path / "whole", {"c": WHOLE})


@pytest.fixture
def predictions(
    settings: Settings, card: ModelCard, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Predictions:
    monkeypatch.setenv("LOCUSCOPE_TOY", str(toy_folder))
    store = ResultStore(settings.cache_dir, settings.cache_bytes)
    return Predictions(settings, InProcessJobs(Engine(settings)), store)


def compute(predictions: Predictions, card: ModelCard, bundle: Bundle, start: int, end: int):
    where = Interval("c", start, end)
    for _ in range(2):
        progress = predictions.ensure(card, bundle, where, card.tracks)
    assert progress.finished
    return progress


def gc_share(start: int, n: int) -> np.ndarray:
    """Share of G and C in each bin by counting; NaN for bins that are all N or beyond the end."""
    pieces = [WHOLE[max(start + i * BIN, 0) : start + (i + 1) * BIN] for i in range(n)]
    return np.array([
        sum(piece.count(base) for base in "GC") / BIN if set(piece) - {"N"} else np.nan
        for piece in pieces
    ])  # fmt: skip


def expected_contacts(start: int, n: int, outputs: list[tuple[int, int]]) -> np.ndarray:
    share = gc_share(start, n)
    values = np.outer(share, share)
    np.fill_diagonal(values, np.nan)
    left = start + BIN * np.arange(n)
    together = np.zeros((n, n), bool)
    for low, high in outputs:
        inside = (low <= left) & (left + BIN <= high)
        together |= np.outer(inside, inside)
    values[~together] = np.nan
    return values


def test_contacts_of_a_whole_chromosome(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    compute(predictions, card, bundle, 0, LENGTH)
    found = contacts(predictions, card, bundle, card.tracks[0], Interval("c", 0, LENGTH))
    assert (found.start, found.resolution, len(found.values)) == (0, BIN, 94)
    # Grid of stride 2,048; the last window is moved back to end with the last bin, at 12,032.
    grid = [*range(0, 10_240, WIDTH), 12_032 - WIDTH]
    between = [(a + b) // 2 for a, b in pairwise(grid)]
    assert [low for low, _ in found.seen] == sorted([*grid, *(m // BIN * BIN for m in between)])
    expected = expected_contacts(0, 94, list(found.seen))
    np.testing.assert_allclose(found.values, expected, rtol=1e-5)
    near = np.abs(np.subtract.outer(np.arange(94), np.arange(94)))
    share = gc_share(0, 94)
    known = ~np.isnan(np.outer(share, share)) & (near > 0) & (near * BIN <= WIDTH // 2)
    assert np.isfinite(found.values[known]).all(), "pairs up to half a window apart are predicted"
    assert np.isnan(found.values[near * BIN >= WIDTH]).all()


def test_region_starts_with_the_bin_that_holds_its_start(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    compute(predictions, card, bundle, 300, 1_500)
    found = contacts(predictions, card, bundle, card.tracks[0], Interval("c", 300, 1_500))
    assert (found.start, len(found.values)) == (256, 10)
    np.testing.assert_allclose(found.values, expected_contacts(256, 10, [(0, WIDTH)]), rtol=1e-5)


def test_only_a_view_across_a_border_needs_a_window_between(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    starts = [w.interval.start for w in compute(predictions, card, bundle, 100, 2_048).windows]
    assert starts == [0]
    starts = [w.interval.start for w in compute(predictions, card, bundle, 1_900, 2_300).windows]
    assert starts == [0, 1_024, 2_048]
    where = Interval("c", 1_900, 2_300)
    gc = card.tracks[2]
    assert len(predictions.ensure(card, bundle, where, [gc]).windows) == 2


def test_view_of_three_quarters_of_an_output_is_one_window(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    where, pairs = Interval("c", 700, 2_100), card.tracks[:1]
    asked = predictions.ensure(card, bundle, where, pairs)
    assert [(w.interval.start, w.interval.end) for w in asked.windows] == [(512, 512 + WIDTH)]
    assert predictions.ensure(card, bundle, where, pairs).finished
    found = contacts(predictions, card, bundle, pairs[0], where)
    assert (found.start, found.missing) == (640, ())
    assert found.seen == ((512, 512 + WIDTH),)
    np.testing.assert_allclose(found.values, expected_contacts(640, 12, [*found.seen]), rtol=1e-5)


def test_what_is_shown_does_not_depend_on_what_was_looked_at_before(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    view, beside, pairs = Interval("c", 700, 2_100), Interval("c", 6_400, 7_500), card.tracks[0]
    wide = Interval("c", 0, 4_000)
    compute(predictions, card, bundle, 700, 2_100)
    before = contacts(predictions, card, bundle, pairs, wide, asked=[view])
    compute(predictions, card, bundle, 0, 4_000)
    after = contacts(predictions, card, bundle, pairs, wide, asked=[view])
    assert before.seen == after.seen == ((512, 512 + WIDTH),)
    np.testing.assert_array_equal(before.values, after.values)
    # While something that was asked for is missing, what there is fills in.
    far = Interval("c", 0, 7_500)
    waiting = contacts(predictions, card, bundle, pairs, far, asked=[view, beside])
    assert waiting.missing
    assert len(waiting.seen) > 1


def test_window_of_a_track_row_serves_its_contacts(
    predictions: Predictions, card: ModelCard, bundle: Bundle, toy_folder: Path
) -> None:
    where = Interval("c", 2_200, 3_900)
    for _ in range(2):
        predictions.ensure(card, bundle, where, [card.tracks[2]])
    calls = (toy_folder / "calls").read_text()
    progress = predictions.ensure(card, bundle, where, card.tracks)
    assert progress.finished
    assert (toy_folder / "calls").read_text() == calls
    found = contacts(predictions, card, bundle, card.tracks[0], where)
    assert found.seen == ((WIDTH, 2 * WIDTH),)


def test_wider_bins_are_the_mean_of_what_is_known_in_them(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    compute(predictions, card, bundle, 0, 2_000)
    track, where = card.tracks[0], Interval("c", 0, 2_000)
    fine = contacts(predictions, card, bundle, track, where).values
    coarse = contacts(predictions, card, bundle, track, where, coarsen=4)
    assert (coarse.start, coarse.resolution, coarse.values.shape) == (0, 512, (4, 4))
    for i in range(4):
        for j in range(4):
            block = fine[4 * i : 4 * i + 4, 4 * j : 4 * j + 4]
            np.testing.assert_allclose(coarse.values[i, j], np.nanmean(block), rtol=1e-5)


def test_nothing_computed_yet(predictions: Predictions, card: ModelCard, bundle: Bundle) -> None:
    found = contacts(predictions, card, bundle, card.tracks[0], Interval("c", 0, 1_000))
    assert np.isnan(found.values).all()
    assert (found.seen, found.missing) == ((), ((0, WIDTH),))
    none = junctions(predictions, card, bundle, card.tracks[1], Interval("c", 0, 1_000))
    assert [len(column) for column in none] == [0, 0, 0]


def test_each_intron_once_from_the_window_of_its_first_base(
    predictions: Predictions, card: ModelCard, bundle: Bundle
) -> None:
    compute(predictions, card, bundle, 0, LENGTH)
    low, high = 1_500, 11_900
    found = junctions(predictions, card, bundle, card.tracks[1], Interval("c", low, high))
    borders = [*range(2_048, 10_241, WIDTH), 12_032]
    expected = []
    for match in re.finditer("(?=GTA)", WHOLE):
        start, end = match.start(), match.start() + 100
        # An intron over the border of two windows is seen by neither; the last two overlap.
        whole = any(b - WIDTH <= start and end <= b for b in borders)
        used = start >= 12_032 - WIDTH or start < 10_240
        if whole and used and start < high and end > low:
            expected.append((start, end, "ACGTN".index(WHOLE[end - 1])))
    got = list(zip(*(column.tolist() for column in found), strict=True))
    assert len(got) > 100
    assert {(s, e) for s, e, _ in got} == {(s, e) for s, e, _ in expected}
    assert len(got) == len(expected)
    letters = {(s, e): v for s, e, v in expected if v < 4}
    assert all(letters.get((s, e), v) == v for s, e, v in got)
