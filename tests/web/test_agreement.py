"""Agreement is the textbook correlation over exactly the bins that it names."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from alphagenome.data.genome import Interval

from app.errors import BadInputError, LimitError
from app.genome.catalogue import Bundle
from app.web import agreement as module
from app.web.agreement import agreement, paired_bins, whole_bins
from tests.web.conftest import RESOLUTION, signal


def pearson(x: np.ndarray, y: np.ndarray) -> float:
    x, y = x - x.mean(), y - y.mean()
    return float((x @ y) / np.sqrt((x @ x) * (y @ y)))


def ranks(x: np.ndarray) -> np.ndarray:
    """Mean rank of ties, by counting."""
    return np.array([(x < v).sum() + ((x == v).sum() + 1) / 2 for v in x])


def test_both_correlations_are_those_of_the_textbook() -> None:
    rng = np.random.default_rng(5)
    x = rng.gamma(1, 4, 400).round(1).astype(np.float32)
    y = (x * rng.uniform(0.2, 3, 400)).round(1).astype(np.float32)
    found = agreement(x, y)
    assert found.n == 400
    assert found.reason == ""
    xd, yd = x.astype(float), y.astype(float)
    assert found.pearson_log1p == pytest.approx(pearson(np.log(1 + xd), np.log(1 + yd)), abs=1e-12)
    assert found.spearman == pytest.approx(pearson(ranks(x), ranks(y)), abs=1e-12)


def test_order_alone_decides_spearman() -> None:
    x = np.arange(10, dtype=np.float32)
    assert agreement(x, x**3).spearman == pytest.approx(1)
    assert agreement(x, -x / 100).spearman == pytest.approx(-1)


def test_bins_without_either_value_are_left_out() -> None:
    x = np.array([1, 2, np.nan, 4, 5, 9], np.float32)
    y = np.array([2, np.nan, 9, 5, 4, 7], np.float32)
    found = agreement(x, y)
    kept = agreement(x[[0, 3, 4, 5]], y[[0, 3, 4, 5]])
    assert found.n == 4
    assert found == kept


@pytest.mark.parametrize(
    ("x", "y", "n", "words"),
    [
        ([1, 2], [3, 4], 2, "Fewer than 3"),
        ([np.nan] * 5, [1, 2, 3, 4, 5], 0, "Fewer than 3"),
        ([2, 2, 2, 2], [1, 2, 3, 4], 4, "predicted signal is the same"),
        ([1, 2, 3, 4], [0, 0, 0, 0], 4, "observed signal is the same"),
    ],
)
def test_no_value_is_given_where_none_is_defined(
    x: list[float], y: list[float], n: int, words: str
) -> None:
    found = agreement(np.array(x, np.float32), np.array(y, np.float32))
    assert (found.pearson_log1p, found.spearman, found.n) == (None, None, n)
    assert words in found.reason


def test_log1p_of_minus_one_is_no_value_but_ranks_are() -> None:
    found = agreement(np.array([-2, 0, 1, 3], np.float32), np.array([0, 1, 2, 3], np.float32))
    assert found.pearson_log1p is None
    assert found.spearman == pytest.approx(1)
    assert "log1p" in found.reason


@pytest.mark.parametrize(
    ("start", "interval", "bins"),
    [
        (0, (0, 320), (0, 10)),
        (0, (1, 320), (1, 10)),
        (0, (32, 319), (1, 9)),
        (0, (33, 63), (2, 2)),
        (100, (90, 300), (0, 6)),
        (100, (0, 50), (0, 0)),
    ],
)
def test_only_bins_wholly_inside_count(
    start: int, interval: tuple[int, int], bins: tuple[int, int]
) -> None:
    found = whole_bins(start, 32, 10, Interval("chr1", *interval))
    assert (found.start, found.stop) == bins


def test_measurement_is_read_in_the_bins_of_the_prediction(bundle: Bundle) -> None:
    observed = bundle.tracks["observed/dnase/d1/."]
    predicted = np.arange(13, dtype=np.float32)  # up to 1,408

    def values(interval: Interval) -> tuple[int, int, np.ndarray]:
        assert (interval.start, interval.end) == (1_000, 1_390)
        return 992, RESOLUTION, predicted

    x, y = paired_bins(values, observed, Interval("chr1", 1_000, 1_390))
    np.testing.assert_array_equal(x, predicted[1:12])
    np.testing.assert_array_equal(y, signal(3125, 0)[32:43].astype(np.float32))


def test_narrower_measured_bins_are_averaged(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed = bundle.tracks["observed/dnase/d1/."]

    def values(interval: Interval) -> tuple[int, int, np.ndarray]:
        return interval.start, 128, np.zeros(interval.width // 128, np.float32)

    for chunk in (1_000_000, 256):
        monkeypatch.setattr(module, "CHUNK", chunk)
        _, y = paired_bins(values, observed, Interval("chr1", 1_280, 2_560))
        np.testing.assert_allclose(y, signal(3125, 0)[40:80].reshape(10, 4).mean(1), rtol=1e-6)


def test_wider_measured_bins_and_too_many_bins_are_refused(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    observed = bundle.tracks["observed/dnase/d1/."]
    wide = replace(observed, track=replace(observed.track, resolution=128))
    region = Interval("chr1", 0, 3_200)

    def values(interval: Interval) -> tuple[int, int, np.ndarray]:
        return 0, 32, np.zeros(100, np.float32)

    with pytest.raises(BadInputError, match="bins of 128 bp"):
        paired_bins(values, wide, region)
    monkeypatch.setattr(module, "MAX_BINS", 99)
    with pytest.raises(LimitError, match="Zoom in"):
        paired_bins(values, observed, region)
