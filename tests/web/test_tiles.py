"""Tiles cover what they say, and travel unchanged."""

from __future__ import annotations

import json
import struct
import warnings

import numpy as np
import pytest

from app.errors import BadInputError, LimitError
from app.genome.catalogue import Bundle
from app.web.tiles import (
    MAX_BIN,
    MAX_TILES,
    TILE,
    TileRange,
    TrackTiles,
    bin_width,
    pack,
    planes,
    tile_indices,
    tiles,
)
from tests.web.conftest import LENGTHS, RESOLUTION, signal

OBSERVED = "observed/dnase/d1/."


def unpack(data: bytes) -> tuple[dict[str, object], dict[str, np.ndarray]]:
    """Reads an answer as the page does: header, then (tiles, planes, 1024) a track."""
    (length,) = struct.unpack_from("<I", data)
    header = json.loads(data[4 : 4 + length])
    values = np.frombuffer(data, "<f4", offset=4 + length)
    count = header["to"] - header["from"] + 1
    arrays, at = {}, 0
    for track in header["tracks"]:
        size = count * track["planes"] * header["size"]
        part = values[at : at + size]
        arrays[track["id"]] = part.reshape(count, track["planes"], header["size"])
        at += size
    assert at == len(values)
    return header, arrays


def bases_of(seed: int) -> np.ndarray:
    """The measured signal, one value a base."""
    values = np.repeat(signal(LENGTHS["chr1"] // RESOLUTION, seed), RESOLUTION)
    return np.concatenate([values, np.full(LENGTHS["chr1"] - len(values), np.nan)])


@pytest.mark.parametrize(("width", "first", "last"), [(1, 3, 4), (8, 2, 5), (32, 1, 2), (64, 0, 1)])
def test_bin_j_of_tile_i_covers_what_it_says(
    width: int, first: int, last: int, bundle: Bundle
) -> None:
    where = TileRange("chr1", width, first, last)
    found = tiles(bundle.tracks[OBSERVED].summarise, where)
    padded = np.concatenate([bases_of(0), np.full(where.end, np.nan)])
    bins = padded[first * TILE * width : (last + 1) * TILE * width].reshape(-1, TILE, width)
    with warnings.catch_warnings(action="ignore", category=RuntimeWarning):  # bins without a base
        expected = np.stack([np.nanmean(bins, 2), np.nanmin(bins, 2), np.nanmax(bins, 2)], axis=1)
    assert found.shape == (last - first + 1, 3, TILE)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_tiles_do_not_depend_on_their_neighbours(bundle: Bundle) -> None:
    summarise = bundle.tracks[OBSERVED].summarise
    together = tiles(summarise, TileRange("chr1", 16, 0, 5))
    for i in range(6):
        alone = tiles(summarise, TileRange("chr1", 16, i, i))
        np.testing.assert_array_equal(alone[0], together[i])


def test_beyond_the_chromosome_there_is_no_value(bundle: Bundle) -> None:
    found = tiles(bundle.tracks[OBSERVED].summarise, TileRange("chr1", 1024, 0, 1))
    past = LENGTHS["chr1"] // 1024 + 1
    assert np.isfinite(found[0, :, :past]).all()
    assert np.isnan(found[0, :, past:]).all()
    assert np.isnan(found[1]).all()


@pytest.mark.parametrize(
    ("fields", "error", "words"),
    [
        ((3, 0, 0), BadInputError, "power of two"),
        ((0, 0, 0), BadInputError, "power of two"),
        ((2 * MAX_BIN, 0, 0), BadInputError, "power of two"),
        ((1, 5, 4), BadInputError, "first tile"),
        ((1, -1, 0), BadInputError, "first tile"),
        ((MAX_BIN, 10**6, 10**6), BadInputError, "first tile"),
        ((1, 0, MAX_TILES), LimitError, f"at most {MAX_TILES}"),
    ],
)
def test_impossible_tiles_are_refused(
    fields: tuple[int, int, int], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        TileRange("chr1", *fields)


def test_as_many_tiles_as_allowed_are_allowed() -> None:
    assert TileRange("chr1", 1, 0, MAX_TILES - 1).count == MAX_TILES


@pytest.mark.parametrize(
    ("bp_per_pixel", "width"),
    [(0.01, 1), (1, 1), (1.01, 2), (109.2, 128), (128, 128), (1e9, MAX_BIN)],
)
def test_no_two_bins_share_a_pixel(bp_per_pixel: float, width: int) -> None:
    assert bin_width(bp_per_pixel) == width


def test_tile_indices_hold_first_and_last_base() -> None:
    assert tile_indices(0, 1024, 1) == (0, 0)
    assert tile_indices(0, 1025, 1) == (0, 1)
    assert tile_indices(1023, 1024, 1) == (0, 0)
    assert tile_indices(21_691_453, 21_822_524, 128) == (165, 166)


def test_one_plane_is_enough_where_bins_are_not_wider_than_the_track() -> None:
    assert [planes(width, 32) for width in (1, 32, 64)] == [1, 1, 3]


def test_bytes_hold_header_and_values(bundle: Bundle) -> None:
    where = TileRange("chr1", 64, 1, 2)
    one = tiles(bundle.tracks[OBSERVED].summarise, where)
    nothing = np.full((2, 1, TILE), np.nan, np.float32)
    data = pack(
        where,
        [TrackTiles("a/+", one), TrackTiles("ü", nothing, "It cannot be read.")],
        partial=True,
    )
    header, arrays = unpack(data)
    assert header == {
        "bin": 64,
        "from": 1,
        "to": 2,
        "size": 1024,
        "partial": True,
        "tracks": [
            {"id": "a/+", "planes": 3},
            {"id": "ü", "planes": 1, "error": "It cannot be read."},
        ],
    }
    assert struct.unpack_from("<I", data)[0] % 4 == 0
    np.testing.assert_array_equal(arrays["a/+"], one)
    np.testing.assert_array_equal(arrays["ü"], nothing)
