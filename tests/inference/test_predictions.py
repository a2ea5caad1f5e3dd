"""Regions predicted through broker and worker, checked by counting letters in the genome."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from alphagenome.data.genome import Interval

from app.errors import LimitError
from app.genome.catalogue import Bundle
from app.inference.jobs import Jobs, Priority
from app.inference.predictions import Predictions
from app.inference.progress import Progress
from app.inference.store import ResultStore
from app.inference.stored import Span
from app.settings import Settings
from models.card import ModelCard, Track

from .helpers import WorkerProcess, random_sequence, until

LENGTH = 20_010
GAP = (7_000, 12_345)  # an assembly gap, longer than one window gives values for
WHOLE = random_sequence(LENGTH, seed=5)
WHOLE = WHOLE[: GAP[0]] + "N" * (GAP[1] - GAP[0]) + WHOLE[GAP[1] :]


def bundle_of(folder: Path, records: dict[str, str]) -> Bundle:
    folder.mkdir()
    (folder / "r.fa").write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    (folder / "genome.toml").write_text(
        '[genome]\nid = "toy"\nname = "Toy"\n[reference]\npath = "r.fa"\n'
    )
    return Bundle.load(folder)


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_of(tmp_path / "whole", {"c": WHOLE})


@pytest.fixture
def pieces(tmp_path: Path) -> Bundle:
    """Two pieces of one chromosome whose bins do not share a grid."""
    records = {"c:1001-8000": (1000, 8000), "c:13011-20000": (13_010, 20_000)}
    return bundle_of(tmp_path / "pieces", {n: WHOLE[a:b] for n, (a, b) in records.items()})


@pytest.fixture
def predictions(settings: Settings, jobs: Jobs) -> Predictions:
    return Predictions(settings, jobs, ResultStore(settings.cache_dir, settings.cache_bytes))


class Browser:
    """Asks as a page does."""

    def __init__(self, predictions: Predictions, card: ModelCard) -> None:
        self.predictions = predictions
        self.card = card
        self.gc, self.coarse = card.tracks

    def ensure(
        self,
        bundle: Bundle,
        start: int,
        end: int,
        priority: Priority = Priority.VIEW,
        *,
        retry: bool = False,
    ) -> Progress:
        where = Interval("c", start, end)
        return self.predictions.ensure(self.card, bundle, where, [self.gc], priority, retry=retry)

    def wait(self, bundle: Bundle, start: int, end: int) -> Progress:
        return until(
            lambda: (p := self.ensure(bundle, start, end)).finished and p,
            what=lambda: self.ensure(bundle, start, end),
        )

    def values(self, bundle: Bundle, start: int, end: int, track: Track | None = None):
        where = Interval("c", start, end)
        return self.predictions.values(self.card, bundle, track or self.gc, where)

    def spans(self, bundle: Bundle, start: int, end: int) -> list[Span]:
        where = Interval("c", start, end)
        return self.predictions.spans(self.card, bundle, self.gc, where)

    def summarise(self, bundle: Bundle, start: int, end: int, n_bins: int):
        return self.predictions.summarise(self.card, bundle, self.gc, "c", start, end, n_bins)


@pytest.fixture
def browser(predictions: Predictions, card: ModelCard) -> Browser:
    return Browser(predictions, card)


def gc_share(start: int, n_bins: int, resolution: int = 32) -> np.ndarray:
    """Counts letters; NaN for bins that are all N or beyond the end."""
    expected = np.full(n_bins, np.nan)
    for i in range(n_bins):
        letters = WHOLE[start + i * resolution : start + (i + 1) * resolution]
        if set(letters) - {"N"}:
            expected[i] = (letters.count("G") + letters.count("C")) / resolution
    return expected


def test_whole_chromosome_end_to_end_and_gap(
    browser: Browser, bundle: Bundle, worker: WorkerProcess
) -> None:
    progress = browser.wait(bundle, 0, LENGTH)
    assert (progress.failed, progress.message, progress.error) == (0, "", "")
    for track in (browser.gc, browser.coarse):
        start, resolution, values = browser.values(bundle, 0, LENGTH, track)
        assert (start, resolution) == (0, track.resolution)
        assert values.dtype == np.float32
        assert len(values) == -(-LENGTH // track.resolution)
        expected = gc_share(0, len(values), track.resolution)
        np.testing.assert_allclose(values, expected, atol=1e-6)
    padded = [Span(-(-GAP[0] // 32) * 32, GAP[1] // 32 * 32, "padded")]
    assert browser.spans(bundle, 0, LENGTH) == padded
    assert worker.begun == progress.total - 2 == 8, "two windows are all gap"


def test_part_of_a_window_starts_with_the_bin_that_holds_its_start(
    browser: Browser, bundle: Bundle, worker: WorkerProcess
) -> None:
    browser.wait(bundle, 1_003, 3_001)
    start, _, values = browser.values(bundle, 1_003, 3_001)
    assert (start, len(values)) == (992, 63)
    np.testing.assert_allclose(values, gc_share(992, 63), atol=1e-6)


def test_pieces_have_no_values_near_their_edges(
    browser: Browser, pieces: Bundle, worker: WorkerProcess
) -> None:
    browser.wait(pieces, 0, LENGTH)
    first, last = 1000 + 1024, 2024 + (8000 - 1024 - 2024) // 128 * 128
    second, end = 13_010 + 1024, 14_034 + (20_000 - 1024 - 14_034) // 128 * 128
    assert browser.spans(pieces, 0, LENGTH) == [
        Span(0, first, "unavailable"),
        Span(last, second, "unavailable"),
        Span(end, LENGTH, "unavailable"),
    ]
    start, _, values = browser.values(pieces, 1000, 8000)
    assert (start - first) % 32 == 0
    expected = gc_share(start, len(values))
    places = start + 32 * np.arange(len(values))
    expected[(places < first) | (places >= last)] = np.nan
    expected[np.array([WHOLE[p : p + 32] == "N" * 32 for p in places])] = np.nan
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_summary_agrees_with_one_value_a_base(
    browser: Browser, pieces: Bundle, worker: WorkerProcess
) -> None:
    browser.wait(pieces, 0, LENGTH)
    bases = np.full(LENGTH + 2000, np.nan)
    for low, high in ((1000, 8000), (13_010, 20_000)):
        start, res, values = browser.values(pieces, low, high)
        bases[1000 + start : 1000 + start + res * len(values)] = np.repeat(values, res)
    for start, end, n_bins in ((-1000, LENGTH + 1000, 1), (0, 20_000, 40), (2000, 2160, 80)):
        rows = bases[1000 + start : 1000 + end].reshape(n_bins, -1)
        some = ~np.isnan(rows).all(axis=1)
        got = browser.summarise(pieces, start, end, n_bins)
        for name, function in (("mean", np.nanmean), ("min", np.nanmin), ("max", np.nanmax)):
            expected = np.full(n_bins, np.nan)
            expected[some] = function(rows[some], axis=1)
            np.testing.assert_allclose(getattr(got, name), expected, rtol=1e-6, err_msg=name)


def test_bins_narrower_than_the_resolution_repeat_its_values(
    browser: Browser, bundle: Bundle, worker: WorkerProcess
) -> None:
    browser.wait(bundle, 3_200, 3_360)
    _, _, values = browser.values(bundle, 3_200, 3_360)
    for row in browser.summarise(bundle, 3_200, 3_360, 40):
        np.testing.assert_array_equal(row, np.repeat(values, 8))


def test_progress_in_words_and_digest(
    browser: Browser, bundle: Bundle, worker: WorkerProcess
) -> None:
    worker.behave("slow 0.5")
    messages, digests = [], []

    def poll() -> bool:
        progress = browser.ensure(bundle, 0, 6_000)
        messages.append(progress.message)
        digests.append(progress.ready)
        assert progress.total == 3
        return progress.finished

    until(poll)
    assert any(m.startswith("Computing, window 2 of 3, about ") for m in messages)
    assert messages[-1] == ""
    assert len(set(digests)) == 4, "none ready, one, two, three"


def test_second_visit_computes_nothing(
    browser: Browser, bundle: Bundle, worker: WorkerProcess, settings: Settings, jobs: Jobs
) -> None:
    browser.wait(bundle, 0, 6_000)
    begun = worker.begun
    fresh = Predictions(settings, jobs, ResultStore(settings.cache_dir, settings.cache_bytes))
    again = Browser(fresh, browser.card)
    assert again.ensure(bundle, 1_000, 5_000).finished
    assert worker.begun == begun


def test_same_sequence_elsewhere_is_not_computed_again(
    browser: Browser, tmp_path: Path, worker: WorkerProcess
) -> None:
    half = random_sequence(5_000, seed=8)
    one = bundle_of(tmp_path / "one", {"c:101-5100": half})
    two = bundle_of(tmp_path / "two", {"c:9001-14000": half})
    browser.wait(one, 0, 6_000)
    begun = worker.begun
    assert browser.ensure(two, 9_000, 14_000).finished
    assert worker.begun == begun > 0


def test_failure_is_told_and_retried_only_when_asked(
    browser: Browser, bundle: Bundle, worker: WorkerProcess
) -> None:
    worker.behave("raise")
    progress = browser.wait(bundle, 0, 1_000)
    assert (progress.failed, progress.message) == (1, "1 of 1 windows failed.")
    assert progress.windows[0].error == "Toy failed on this sequence: the toy is broken"
    assert np.isnan(browser.values(bundle, 0, 1_000).values).all()
    worker.behave("fine")
    assert browser.ensure(bundle, 0, 1_000).failed == 1
    assert not browser.ensure(bundle, 0, 1_000, retry=True).failed
    assert browser.wait(bundle, 0, 1_000).done == 1


def test_without_a_worker_the_page_is_told_and_recovers(
    browser: Browser, bundle: Bundle, settings: Settings, toy_folder: Path
) -> None:
    progress = browser.ensure(bundle, 0, 1_000)
    assert progress.error == "No worker is running for Toy. Start one with: locuscope worker"
    assert browser.spans(bundle, 0, 1_000) == [Span(0, 1_000, "missing")]
    process = WorkerProcess(settings, toy_folder)
    process.start()
    try:
        assert browser.wait(bundle, 0, 1_000).error == ""
    finally:
        process.kill()


def test_without_a_broker_stored_values_are_shown(
    browser: Browser, bundle: Bundle, worker: WorkerProcess, predictions: Predictions
) -> None:
    browser.wait(bundle, 0, 1_000)
    predictions._jobs._redis.shutdown(nosave=True)
    progress = browser.ensure(bundle, 0, 6_000)
    assert "locuscope broker" in progress.error
    assert (progress.done, progress.total) == (1, 3)
    assert np.isfinite(browser.values(bundle, 0, 1_000).values).all()


def test_what_is_looked_at_overtakes_what_was_prefetched(
    browser: Browser, bundle: Bundle, jobs: Jobs
) -> None:
    browser.ensure(bundle, 0, 6_000, Priority.PREFETCH)
    browser.ensure(bundle, 4_500, 4_600)
    family = browser.card.family
    assert jobs.waiting(family) == 4, "the urgent one is there a second time"
    states = browser.ensure(bundle, 4_500, 4_600)
    assert states.message == "Waiting"


def test_too_wide_a_region_is_refused(
    browser: Browser, bundle: Bundle, predictions: Predictions
) -> None:
    with pytest.raises(LimitError, match="zoom in"):
        browser.ensure(bundle, 0, 10_000_001)


def test_place_without_enough_sequence_says_so(browser: Browser, tmp_path: Path) -> None:
    short = bundle_of(tmp_path / "short", {"c:101-4000": WHOLE[100:4000]})
    progress = browser.ensure(short, 100, 4_000)
    assert (progress.total, progress.finished) == (0, True)
    assert "reads 4,096 bp at once" in progress.message
    assert browser.spans(short, 100, 4_000) == [Span(100, 4_000, "unavailable")]
    assert np.isnan(browser.values(short, 100, 4_000).values).all()
    assert np.isnan(browser.summarise(short, 100, 4_000, 10).mean).all()


def test_asking_again_is_cheap(browser: Browser, bundle: Bundle, worker: WorkerProcess) -> None:
    browser.wait(bundle, 0, LENGTH)
    began = time.process_time()
    for _ in range(20):
        browser.ensure(bundle, 0, LENGTH)
    assert (time.process_time() - began) / 20 < 0.05, "measured about 1 ms"
