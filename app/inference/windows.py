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
        bins: Whether tracks of one value a bin are taken from it.
        pairs: Whether pairs of bins are taken from it, see ``WindowGrid.pairs``.
    """

    interval: Interval
    output: Interval
    use: Interval
    bins: bool = True
    pairs: bool = False


@dataclass(frozen=True)
class _Grid:
    """Windows on one piece: one output at each start, of which two may overlap.

    Attributes:
        first: Start of the first output.
        last: Start of the last output.
        stop: End of the last bin that has a prediction.
        stride: Distance of two outputs, and their width.
        inner: The first start after ``first`` from which the others are one stride apart.
        phase: All starts are congruent to ``first`` modulo this many bp.
    """

    first: int
    last: int
    stop: int
    stride: int
    inner: int
    phase: int

    @property
    def count(self) -> int:
        if self.last <= self.first:
            return 1
        return 2 + max(0, math.ceil((self.last - self.inner) / self.stride))

    def start(self, index: int) -> int:
        if index == 0:
            return self.first
        return min(self.inner + (index - 1) * self.stride, self.last)

    def border(self, index: int) -> int:
        """Returns where a window takes over: each bin is then nearest to the centre of its own."""
        if index == 0:
            return self.first
        if index == self.count:
            return self.stop
        start = self.start(index)
        overlap = self.start(index - 1) + self.stride - start
        return start + overlap // 2 // self.phase * self.phase


class WindowGrid:
    """Places the windows of a model on a reference; nothing is enumerated but what is asked for.

    The first window of a piece starts where the piece starts, the following ones lie one output
    width apart, and the last one is moved back so that it ends with the piece. A window reaches
    beyond its piece only over a true end of the chromosome (there the flank is N), so that bins
    nearer than ``card.crop`` to any other edge have no prediction.

    Around an edit one window is centred on it as far as the piece allows, and the others lie one
    output width apart from there to either side. The bins are the same ones.

    Args:
        card: The model.
        reference: What sequence there is; its pieces must not overlap.
        centre: The base on which a window is centred, if on any.
    """

    def __init__(self, card: ModelCard, reference: Reference, centre: int | None = None) -> None:
        self.card = card
        self.reference = reference
        self.centre = centre
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
        # Starts lie at most one stride apart, so that the one that is looked for is near.
        near = (max(part.start, grid.first) - grid.first) // grid.stride
        low = max(min(near, grid.count - 1) - 1, 0)
        high = min((part.end - 1 - grid.first) // grid.stride + 3, grid.count)
        found = (self._window(piece, grid, index) for index in range(low, high))
        return [w for w in found if w.use.start < part.end and part.start < w.use.end]

    def pairs(self, interval: Interval) -> list[Window]:
        """Returns the windows that hold the pairs of bins of an interval, left to right.

        Where one window holds all of it, that is the only one: one of the grid if one does, else
        one a quarter, half or three quarters of the way to the next; so a part of three quarters of
        an output is always in one. A wider one has the windows of the grid and those midway between
        them, in which lie all pairs that are at most half an output apart.
        """
        found: list[Window] = []
        for piece, part in self.parts(interval):
            grid = self._grid(piece)
            if grid is None or part.end <= grid.first or grid.stop <= part.start:
                continue
            low, high = max(part.start, grid.first), min(part.end, grid.stop)
            steps = self._steps(piece, part)
            holding = [s for s in steps if s <= low and high <= s + grid.stride]
            # Of a window of the grid tracks are read too; one midway serves wider views as well.
            best = min(
                holding,
                key=lambda s: (steps[s], abs(2 * s + grid.stride - low - high)),
                default=None,
            )
            starts = [s for s in steps if steps[s] < 2] if best is None else [best]
            found += [self._for_pairs(piece, start) for start in starts]
        return found

    def pairs_offered(self, piece: Interval, part: Interval) -> list[Window]:
        """Returns all windows that ``pairs`` may return for intervals in a part of a piece."""
        return [self._for_pairs(piece, start) for start in self._steps(piece, part)]

    def _steps(self, piece: Interval, part: Interval) -> dict[int, int]:
        """Returns starts of outputs, left to right: 0 on the grid, 1 midway, 2 on a quarter."""
        starts = [window.output.start for window in self.windows_in(piece, part)]
        steps = dict.fromkeys(starts, 0)
        for left, right in pairwise(starts):
            for quarters, step in ((2, 1), (1, 2), (3, 2)):
                apart = (right - left) * quarters // 4 // self.phase * self.phase
                steps.setdefault(left + apart, step)
        return dict(sorted(steps.items()))

    def _for_pairs(self, piece: Interval, start: int) -> Window:
        return replace(self._at(piece, start), bins=False, pairs=True)

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
        inner = first + width
        if self.centre is not None and first < self.centre < stop:
            middle = first + round((self.centre - width / 2 - first) / phase) * phase
            inner = first + ((min(max(middle, first), last) - first - 1) % width) + 1
        return _Grid(first, last, stop, width, inner, phase)

    def _window(self, piece: Interval, grid: _Grid, index: int) -> Window:
        use = Interval(piece.chromosome, grid.border(index), grid.border(index + 1))
        return replace(self._at(piece, grid.start(index)), use=use)

    def _at(self, piece: Interval, start: int) -> Window:
        """Returns the window whose output starts at a position, all of it to be used."""
        name, crop, end = piece.chromosome, self.card.crop, start + self.card.output_width
        output = Interval(name, start, end)
        return Window(Interval(name, start - crop, end + crop), output, output)


def sequence(window: Window, reference: Reference) -> str:
    """Returns the bases that the network reads, with N beyond the ends of the chromosome only.

    Raises:
        SequenceUnavailableError: The reference does not cover the window.
    """
    return bases(reference, window.interval.chromosome, window.interval.start, window.interval.end)


def bases(reference: Reference, chromosome: str, start: int, end: int) -> str:
    """Returns the bases of ``[start, end)``, with N beyond the ends of the chromosome.

    Raises:
        SequenceUnavailableError: The reference does not cover them.
    """
    length = reference.length(chromosome)
    past = end if length is None else max(0, length)
    low, high = max(start, 0), min(end, past)
    known = reference.fetch(Interval(chromosome, low, high)) if low < high else ""
    left = min(max(0, -start), end - start)
    return f"{'N' * left}{known}{'N' * (end - start - left - len(known))}"


def only_within(sequence: str, start: int, within: tuple[int, int]) -> str:
    """Returns a sequence with N in the place of every base outside an interval.

    Args:
        sequence: The bases.
        start: Where its first base lies on the chromosome.
        within: First base that is kept, and one past the last.
    """
    width = len(sequence)
    first = min(max(within[0] - start, 0), width)
    past = max(min(within[1] - start, width), first)
    return "N" * first + sequence[first:past] + "N" * (width - past)


def unknown_runs(sequence: str, start: int) -> tuple[tuple[int, int], ...]:
    """Returns the runs of N in a sequence, as (start, end) on the chromosome.

    Args:
        sequence: The bases.
        start: Where its first base lies.
    """
    return tuple((start + run.start(), start + run.end()) for run in re.finditer("N+", sequence))


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
