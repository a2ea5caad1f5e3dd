"""The fixed grid of full-width model windows on a reference, and which bins each one gives."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from alphagenome.data.genome import Interval

if TYPE_CHECKING:
    from app.genome.reference import Reference
    from models.card import ModelCard


@dataclass(frozen=True)
class Window:
    """One input of a model and the bins that are taken from its output.

    All intervals are 0-based half-open. At a true chromosome end ``interval`` and ``output`` may
    reach beyond it (``interval`` may start below 0).

    Attributes:
        interval: What the network reads, ``card.input_width`` wide.
        output: The central part for which the network gives values.
        use: The part of ``output`` that is shown; those of two windows of the grid never overlap.
        pairs_only: Whether it was added for pairs of bins alone, see ``WindowGrid.between``.
    """

    interval: Interval
    output: Interval
    use: Interval
    pairs_only: bool = False


@dataclass(frozen=True)
class _Grid:
    """Windows on one piece: output ``k`` starts at ``first + k * stride``, the last at ``last``.

    Attributes:
        first: Start of the first output.
        last: Start of the last output; congruent to ``first`` modulo the phase.
        stop: End of the last bin that has a prediction.
        stride: Distance of two outputs, and their width.
    """

    first: int
    last: int
    stop: int
    stride: int

    @property
    def count(self) -> int:
        return 1 + math.ceil((self.last - self.first) / self.stride)

    def start(self, index: int) -> int:
        return min(self.first + index * self.stride, self.last)


class WindowGrid:
    """Places the windows of a model on a reference; nothing is enumerated but what is asked for.

    The first window of a piece starts where the piece starts, the following ones lie one output
    width apart, and the last one is moved back so that it ends with the piece. A window reaches
    beyond its piece only over a true end of the chromosome (there the flank is N), so that bins
    nearer than ``card.crop`` to any other edge have no prediction.

    Args:
        card: The model.
        reference: What sequence there is; its pieces must not overlap.
    """

    def __init__(self, card: ModelCard, reference: Reference) -> None:
        self.card = card
        self.reference = reference
        #: Outputs start this many bp apart or a multiple of it, so that bins never shift.
        self.phase = math.lcm(*(track.resolution for track in card.tracks))

    def parts(self, interval: Interval) -> list[tuple[Interval, Interval]]:
        """Splits an interval by the pieces of the reference that cover it.

        Returns:
            Pairs (piece, the part of the interval that lies in it), from left to right.
        """
        return [
            (
                piece,
                Interval(
                    piece.chromosome,
                    max(piece.start, interval.start),
                    min(piece.end, interval.end),
                ),
            )
            for piece in self.reference.pieces_on(interval.chromosome)
            if piece.start < interval.end and interval.start < piece.end
        ]

    def windows(self, interval: Interval) -> list[Window]:
        """Returns the windows that together give all predicted bins that overlap an interval."""
        return [w for piece, part in self.parts(interval) for w in self.windows_in(piece, part)]

    def windows_in(self, piece: Interval, part: Interval) -> list[Window]:
        """Returns the windows of one piece whose ``use`` overlaps a part of it, left to right."""
        grid = self._grid(piece)
        if grid is None or part.end <= grid.first or grid.stop <= part.start:
            return []
        near = (max(part.start, grid.first) - grid.first) // grid.stride
        # The last window takes bins from the one before it, so its neighbours are looked at too.
        low = max(min(near, grid.count - 1) - 1, 0)
        high = min((part.end - 1 - grid.first) // grid.stride + 2, grid.count)
        found = (self._window(piece, grid, index) for index in range(low, high))
        return [w for w in found if w.use.start < part.end and part.start < w.use.end]

    def between(self, interval: Interval) -> list[Window]:
        """Returns windows midway between two neighbours of the grid that meet inside an interval.

        Models of contacts need them: pairs of bins to either side of a border lie in neither of the
        two windows, and in this one as long as they are at most half an output width apart. Nothing
        else is taken from them, so ``use`` is all of ``output``.
        """
        found = []
        for piece, part in self.parts(interval):
            grid = self._grid(piece)
            for left, right in pairwise(self.windows_in(piece, part)):
                start, end = left.output.start, right.output.start
                apart = (end - start) // 2 // self.phase * self.phase
                if grid and part.start < end < part.end and 4 * apart > grid.stride:
                    found.append(replace(self._at(piece, start + apart), pairs_only=True))
        return found

    def around(self, interval: Interval) -> Window | None:
        """Returns the window whose output has an interval in its middle, as far as it can.

        Its bins are those of the grid. None where the middle of the interval lies in no piece in
        which a window fits.
        """
        middle = (interval.start + interval.end) // 2
        for piece, _ in self.parts(Interval(interval.chromosome, middle, middle + 1)):
            grid = self._grid(piece)
            if grid is not None:
                steps = round((middle - grid.stride / 2 - grid.first) / self.phase)
                start = min(max(grid.first + steps * self.phase, grid.first), grid.last)
                return self._at(piece, start)
        return None

    def origin(self, piece: Interval) -> int:
        """Returns where the bins of a piece are counted from."""
        return 0 if piece.start == 0 else piece.start + self.card.crop

    def _grid(self, piece: Interval) -> _Grid | None:
        """Returns the grid of a piece, or None if no window fits."""
        width, crop, phase = self.card.output_width, self.card.crop, self.phase
        starts = piece.start == 0
        ends = piece.end == self.reference.length(piece.chromosome)
        first = self.origin(piece)
        if ends:  # the last bin may hang over the end of the chromosome
            stop = first + math.ceil((piece.end - first) / phase) * phase
        else:
            stop = first + (piece.end - crop - first) // phase * phase
        last = stop - width
        if last < first:
            if not (starts and ends):
                return None
            last = first
        return _Grid(first, last, stop, width)

    def _window(self, piece: Interval, grid: _Grid, index: int) -> Window:
        width = grid.stride
        start = grid.start(index)
        use_start = self._border(grid) if 0 < index == grid.count - 1 else start
        use_end = start + width
        if index == grid.count - 2:
            use_end = self._border(grid)
        elif index == grid.count - 1:
            use_end = grid.stop
        window = self._at(piece, start)
        return replace(window, use=Interval(piece.chromosome, use_start, use_end))

    def _at(self, piece: Interval, start: int) -> Window:
        """Returns the window whose output starts at a position, all of it to be used."""
        name, crop, end = piece.chromosome, self.card.crop, start + self.card.output_width
        output = Interval(name, start, end)
        return Window(Interval(name, start - crop, end + crop), output, output)

    def _border(self, grid: _Grid) -> int:
        """Returns where the last window takes over: each bin is then nearest to its centre."""
        overlap = grid.start(grid.count - 2) + grid.stride - grid.last
        return grid.last + overlap // 2 // self.phase * self.phase


def sequence(window: Window, reference: Reference) -> str:
    """Returns the bases that the network reads, with N beyond the ends of the chromosome only.

    Raises:
        SequenceUnavailableError: The reference does not cover the window.
    """
    wanted = window.interval
    length = reference.length(wanted.chromosome)
    start = max(wanted.start, 0)
    end = wanted.end if length is None else min(wanted.end, length)
    bases = reference.fetch(Interval(wanted.chromosome, start, end))
    return f"{'N' * (start - wanted.start)}{bases}{'N' * (wanted.end - end)}"


def unknown_runs(bases: str, start: int) -> tuple[tuple[int, int], ...]:
    """Returns the runs of N in a sequence, as (start, end) on the chromosome.

    Args:
        bases: The sequence.
        start: Where its first base lies.
    """
    return tuple((start + run.start(), start + run.end()) for run in re.finditer("N+", bases))


def padded_spans(
    origin: int, resolution: int, runs: Iterable[tuple[int, int]]
) -> list[tuple[int, int]]:
    """Returns where whole bins have no known base: assembly gaps and what lies beyond the end.

    Args:
        origin: Where some bin starts.
        resolution: Bin width in bp.
        runs: The runs of N, as ``unknown_runs`` returns them.

    Returns:
        Pairs (start, end) that begin and end with a bin; a bin with any known base is in none.
    """
    spans = []
    for low, high in runs:
        start = origin - (origin - low) // resolution * resolution
        end = origin + (high - origin) // resolution * resolution
        if start < end:
            spans.append((start, end))
    return spans
