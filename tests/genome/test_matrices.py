"""Arithmetic on contact matrices, each against a plain loop or numpy line."""

from __future__ import annotations

import numpy as np
import pytest

from app.genome.matrices import correlation, distances, expected_by_distance, log2_ratio, regrid


def symmetric(n: int, seed: int) -> np.ndarray:
    values = np.random.default_rng(seed).gamma(3, size=(n, n)).astype(np.float32)
    values = values + values.T
    values[n // 3] = values[:, n // 3] = np.nan
    return values


@pytest.mark.parametrize(("start", "width"), [(0, 100), (0, 250), (70, 130), (-500, 1_000)])
def test_regrid_is_the_mean_of_the_pairs_whose_centres_lie_there(start: int, width: int) -> None:
    values = symmetric(12, 1)
    got = regrid(values, 200, 100, start, width, 9)
    centres = [200 + 100 * k + 50 for k in range(12)]
    for i in range(9):
        for j in range(9):
            here = [
                [
                    k
                    for k, c in enumerate(centres)
                    if start + b * width <= c < start + (b + 1) * width
                ]
                for b in (i, j)
            ]
            block = values[np.ix_(*here)]
            if np.isfinite(block).any():
                assert got[i, j] == pytest.approx(np.nanmean(block), rel=1e-6)
            else:
                assert np.isnan(got[i, j])


def test_expected_pools_distances_within_a_tenth() -> None:
    values = symmetric(40, 2)
    expected = expected_by_distance(values)
    for d in (0, 1, 9, 10, 25, 39):
        near = [e for e in range(40) if d / 1.1 <= e <= d * 1.1]
        cells = np.concatenate([np.diagonal(values, e) for e in near])
        assert expected[d] == pytest.approx(np.nanmean(cells), rel=1e-6), d
    assert np.isnan(expected_by_distance(values * np.nan)).all()


def test_log_ratio_of_nothing_observed_is_lower_than_any() -> None:
    ratio = log2_ratio(np.array([[0, 4, np.nan]], np.float32), np.array([[2, 1, 1]], np.float32))
    np.testing.assert_array_equal(ratio, np.array([[-np.inf, 2, np.nan]], np.float32))


def test_correlation_over_pairs_of_different_bins() -> None:
    one, other = symmetric(20, 3), symmetric(20, 4)
    other[2, 5] = other[5, 2] = -np.inf
    upper = np.triu_indices(20, 1)
    x, y = one[upper], other[upper]
    both = np.isfinite(x) & np.isfinite(y)
    r, n = correlation(one, other)
    assert n == both.sum() == 19 * 18 // 2 - 1
    assert r == pytest.approx(np.corrcoef(x[both], y[both])[0, 1])
    assert correlation(one * np.nan, other) == (None, 0)
    assert correlation(np.ones((5, 5), np.float32), symmetric(5, 1)[:5, :5])[0] is None


def test_distances() -> None:
    assert distances(3).tolist() == [[0, 1, 2], [1, 0, 1], [2, 1, 0]]
