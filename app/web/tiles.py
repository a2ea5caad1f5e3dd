"""Signal in tiles of 1,024 bins, and the bytes in which they travel to the page.

A tile has bins of ``bin`` bp, a power of two. Tile ``i`` covers
``[i * 1024 * bin, (i + 1) * 1024 * bin)`` of the chromosome and its bin ``j`` covers
``[(i * 1024 + j) * bin, (i * 1024 + j + 1) * bin)``, 0-based half-open.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.errors import BadInputError, LimitError

Float32 = NDArray[np.float32]
#: ``(chromosome, start, end, n_bins) -> (mean, min, max)``, each of n_bins, NaN for no value.
Summarise = Callable[[str, int, int, int], tuple[Float32, Float32, Float32]]

#: Bins in one tile.
TILE = 1024
#: Widest bin in bp.
MAX_BIN = 2**20
#: Most tiles, and most tracks, in one answer.
MAX_TILES = 8
MAX_TRACKS = 130
#: No chromosome is longer than this many bp.
MAX_POSITION = 2**32


@dataclass(frozen=True)
class TileRange:
    """Adjacent tiles of one chromosome.

    Attributes:
        chromosome: Its name in the bundle.
        bin: Width of a bin in bp.
        first: Index of the first tile.
        last: Index of the last tile, inclusive.
    """

    chromosome: str
    bin: int
    first: int
    last: int

    def __post_init__(self) -> None:
        if not 1 <= self.bin <= MAX_BIN or self.bin & (self.bin - 1):
            raise BadInputError(f"A bin is a power of two from 1 to {MAX_BIN:,} bp wide.")
        if not 0 <= self.first <= self.last or self.start > MAX_POSITION:
            raise BadInputError("The first tile must not lie after the last, nor below 0.")
        if self.count > MAX_TILES:
            raise LimitError(f"{self.count:,} tiles were asked for; at most {MAX_TILES} at once.")

    @property
    def count(self) -> int:
        """How many tiles these are."""
        return self.last - self.first + 1

    def each(self) -> Iterator[TileRange]:
        """Yields the tiles one by one."""
        for index in range(self.first, self.last + 1):
            yield TileRange(self.chromosome, self.bin, index, index)

    @property
    def start(self) -> int:
        """First position, 0-based."""
        return self.first * TILE * self.bin

    @property
    def end(self) -> int:
        """Position after the last."""
        return (self.last + 1) * TILE * self.bin


def bin_width(bp_per_pixel: float) -> int:
    """Returns the narrowest bin, a power of two, of which no two fall on one pixel."""
    return min(MAX_BIN, 1 << max(0, math.ceil(math.log2(bp_per_pixel))))


def tile_indices(start: int, end: int, width: int) -> tuple[int, int]:
    """Returns the first and last tile, with bins of ``width`` bp, that cover ``[start, end)``."""
    span = TILE * width
    return start // span, (end - 1) // span


def planes(width: int, resolution: int) -> int:
    """Returns 1 where a bin is no wider than the track's own, so that there is but one value."""
    return 1 if width <= resolution else 3


def tiles(summarise: Summarise, where: TileRange) -> Float32:
    """Returns the tiles of one track.

    Returns:
        Shape (tiles, 3, 1024): mean, min and max of each bin; NaN where there is no value.
    """
    span = TILE * where.bin
    found = np.empty((where.count, 3, TILE), np.float32)
    # One by one: what a tile takes stays in the cache of the processor.
    for i, start in enumerate(range(where.start, where.end, span)):
        found[i] = summarise(where.chromosome, start, start + span, TILE)
    return found


@dataclass(frozen=True)
class TrackTiles:
    """One track's part of an answer.

    Attributes:
        id: Track id.
        values: Shape (tiles, planes, 1024).
        error: Why there is no value at all; empty where nothing went wrong.
    """

    id: str
    values: Float32
    error: str = ""


def pack(where: TileRange, tracks: Sequence[TrackTiles], *, partial: bool) -> bytes:
    """Returns tiles as bytes.

    A little-endian uint32 says how long the JSON header is, which is padded with blanks so that
    the values start at a multiple of 4. Then, for each track in the header's order and each tile,
    its planes (mean; or mean, min, max) of 1,024 little-endian float32.
    """
    header = {
        "bin": where.bin,
        "from": where.first,
        "to": where.last,
        "size": TILE,
        "partial": partial,
        "tracks": [
            {"id": t.id, "planes": t.values.shape[1]} | ({"error": t.error} if t.error else {})
            for t in tracks
        ],
    }
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 4)
    values = [np.ascontiguousarray(t.values, "<f4").tobytes() for t in tracks]
    return b"".join([len(text).to_bytes(4, "little"), text, *values])
