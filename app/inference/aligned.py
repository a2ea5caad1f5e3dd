"""Contacts and junctions of an edited sequence, brought to the places of the reference."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np
from alphagenome.data.genome import Interval
from numpy.typing import NDArray

if TYPE_CHECKING:
    from app.genome.haplotype import Haplotype
    from app.inference.stored import StoredWindow
    from app.inference.summaries import Floats


def align_contacts(
    stored: Iterable[StoredWindow], edits: Haplotype, resolution: int
) -> Iterator[StoredWindow]:
    """Yields the contacts of an edited sequence window by window, as those of the reference lie.

    A pair of bins is read in the pass of its left bin; the right one is then as many bins away as
    inserted or deleted bases have moved it, rounded to whole bins. Bins of which every base is
    deleted have no contacts.

    Args:
        stored: All passes of each window one after another.
        edits: The edits.
        resolution: Width of a bin in bp.
    """

    def place(one: StoredWindow) -> tuple[int, int]:
        output: Interval = one.window.output
        return output.start, output.end

    for _, group in groupby(stored, place):
        passes = list(group)
        values = _assembled(passes, edits, resolution)
        yield passes[0]._replace(values=values, padded=(), shift=0)


def _assembled(passes: Sequence[StoredWindow], edits: Haplotype, resolution: int) -> Floats | None:
    """Returns the contacts of one window, or None where a pass is not computed yet."""
    output = passes[0].window.output
    n = output.width // resolution
    known = {
        one.shift: known_contacts(one, one.values, resolution)
        for one in passes
        if one.values is not None
    }
    runs = edits.runs(output.start, resolution, n)
    if any(run.shift not in known for run in runs):
        return None
    result = np.full((n, n), np.nan, np.float32)
    for k, left in enumerate(runs):
        source = known[left.shift]
        rows = np.arange(left.first, left.last)
        for right in runs[k:]:
            columns = np.arange(right.first, right.last)
            taken = columns + round((right.shift - left.shift) / resolution)
            inside = (taken >= 0) & (taken < n)
            block = source[np.ix_(rows, taken[inside])]
            result[np.ix_(rows, columns[inside])] = block
            result[np.ix_(columns[inside], rows)] = block.T
    return result


def known_contacts(stored: StoredWindow, values: Floats, resolution: int) -> Floats:
    """Returns the contacts of a window without those of bins that have no known base."""
    if stored.padded:
        values = values.copy()
    for low, high in stored.padded:
        at = stored.window.output.start
        gone = slice((low - at) // resolution, (high - at) // resolution)
        values[gone] = values[:, gone] = np.nan
    return values


def known_introns(stored: StoredWindow, values: Floats) -> NDArray[np.float64]:
    """Returns the introns of a window, shape (k, 3), their ends counted as the bases it reads."""
    introns = values[~np.isnan(values[:, 0])].astype(np.float64)
    introns[:, :2] += stored.window.output.start
    return introns


def align_junctions(
    introns: NDArray[np.float64], edits: Haplotype, shift: int
) -> NDArray[np.float64]:
    """Returns the introns that belong to one pass, with the ends that the reference has there.

    An intron belongs to the pass in which its first base is read. An end among inserted bases
    stands where these are inserted.

    Args:
        introns: Shape (k, 3): start and end (0-based half-open) and value, as the pass gives them.
        edits: The edits.
        shift: How far to the right of its place the pass was read in the alternate.
    """
    start, own = _places(introns[:, 0] + shift, edits)
    last, _ = _places(introns[:, 1] - 1 + shift, edits)
    end = np.where(np.isnan(last), _inserted_at(introns[:, 1] - 1 + shift, edits), last + 1)
    start = np.where(np.isnan(start), _inserted_at(introns[:, 0] + shift, edits), start)
    placed = np.stack([start, end, introns[:, 2]], axis=1)
    kept: NDArray[np.float64] = placed[(own == shift) & (start < end)]
    return kept


def _places(
    alternate: NDArray[np.float64], edits: Haplotype
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Returns the reference position of alternate ones (NaN: inserted), and where they are read."""
    place = np.full(alternate.shape, np.nan)
    own = np.full(alternate.shape, np.nan)
    for block in edits.blocks:
        here = (block.start + block.shift <= alternate) & (alternate < block.end + block.shift)
        place[here] = alternate[here] - block.shift
        own[here] = block.shift
    for one in edits.insertions:
        own[(one.start <= alternate) & (alternate < one.start + one.length)] = one.shift
    return place, own


def _inserted_at(alternate: NDArray[np.float64], edits: Haplotype) -> NDArray[np.float64]:
    """Returns where the insertion stands that each position lies in; NaN where it is in none."""
    place = np.full(alternate.shape, np.nan)
    for one in edits.insertions:
        place[(one.start <= alternate) & (alternate < one.start + one.length)] = one.at
    return place
