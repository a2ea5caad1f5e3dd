"""Predictions of pairs of places, put together from windows: contacts and junctions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from alphagenome.data.genome import Interval

from app.genome.junctions import Junctions
from app.genome.matrices import regrid
from app.inference.aligned import align_contacts, align_junctions, known_contacts, known_introns
from app.inference.alleles import REFERENCE, Allele
from app.inference.predictions import Predictions
from app.inference.stored import StoredWindow
from app.inference.summaries import Floats
from app.inference.windows import Window
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle


class Contacts(NamedTuple):
    """A square of contacts along the diagonal.

    Attributes:
        start: Where the first bin starts, 0-based.
        resolution: Width of a bin in bp, as in ``Values``.
        values: Symmetric, shape (bins, bins); NaN where there is no value.
        seen: Outputs of the windows that were read, (start, end): only pairs of which one window
            holds both bins can have a value.
        missing: Outputs of the windows that were asked for and are not computed yet.
    """

    start: int
    resolution: int
    values: Floats
    seen: tuple[tuple[int, int], ...] = ()
    missing: tuple[tuple[int, int], ...] = ()


def contacts(  # noqa: PLR0917 - the order of Predictions.values
    predictions: Predictions,
    card: ModelCard,
    bundle: Bundle,
    track: Track,
    interval: Interval,
    coarsen: int = 1,
    allele: Allele = REFERENCE,
    asked: Sequence[Interval] = (),
) -> Contacts:
    """Returns the predicted contacts between the bins that overlap an interval; computes nothing.

    A pair is taken from the windows of the first region that was asked for, where they hold it,
    else from those of the next one, and of several from that in which it lies most centrally. So
    what is shown does not depend on what was looked at before; only while something is missing,
    other windows that happen to be stored fill in. A window is predicted from its own bases alone,
    so a pair that no window holds has no prediction.
    As in ``Predictions.values``, an interval that reaches into several pieces of the reference is
    read in that with its largest part.

    Args:
        predictions: Where results are stored.
        card: The model.
        bundle: The genome.
        track: A ``CONTACT_MAPS`` track of the model.
        interval: The region, 0-based half-open.
        coarsen: How many bins of the track on either side become one: the mean of their values.
        allele: Which sequence; contacts of the alternate stand where the reference has the bins.
        asked: The regions that were asked to be computed (``Predictions.ensure``), which decides
            what is missing and which window a pair is taken from; the interval if none is given.
    """
    grid = allele.grid(card, bundle.reference)
    ranks: dict[int, int] = {}
    for rank, each in enumerate(asked or (interval,)):
        for window in grid.pairs(each):
            ranks.setdefault(window.output.start, rank)
    parts = sorted(grid.parts(interval), key=lambda pair: -pair[1].width)
    width = track.resolution * coarsen
    origin = grid.origin(parts[0][0]) if parts else 0
    start = origin + (interval.start - origin) // width * width
    n = max(0, -((start - interval.end) // width))
    result = np.full((n, n), np.nan, np.float32)
    nearest = np.full((n, n), np.inf)
    seen: list[tuple[int, int]] = []
    missing: list[tuple[int, int]] = []
    windows = grid.pairs_offered(*parts[0]) if parts else []
    wanted = [w for w in windows if w.output.start in ranks]
    found = _read(predictions, card, bundle, track, wanted, allele)
    if any(one.values is None for one in found):
        others = [w for w in windows if w.output.start not in ranks]
        known = _read(predictions, card, bundle, track, others, allele)
        found += [one for one in known if one.values is not None]
    for stored in found:
        output = stored.window.output
        (missing if stored.values is None else seen).append((output.start, output.end))
        low = max((output.start - start) // width, 0)
        high = min(-((start - output.end) // width), n)
        if stored.values is None or low >= high:
            continue
        values = known_contacts(stored, stored.values, track.resolution)
        taken = regrid(
            values, output.start, track.resolution, start + low * width, width, high - low
        )
        into = slice(low, high)
        middle = (np.arange(low, high) + 0.5) * width + start
        centre = (output.start + output.end) / 2
        # A rank counts more than any distance.
        rank = ranks.get(output.start, len(ranks))
        apart = np.abs((middle[:, None] + middle) / 2 - centre) + rank * 1e12
        better = (apart < nearest[into, into]) & ~np.isnan(taken)
        result[into, into][better] = taken[better]
        nearest[into, into][better] = apart[better]
    return Contacts(start, width, result, tuple(sorted(seen)), tuple(sorted(missing)))


def _read(  # noqa: PLR0917 - the order of Predictions.values
    predictions: Predictions,
    card: ModelCard,
    bundle: Bundle,
    track: Track,
    windows: list[Window],
    allele: Allele,
) -> list[StoredWindow]:
    """Reads contacts of windows, those of an edited sequence as those of the reference lie."""
    read = predictions.stored(card, bundle, track, windows, allele)
    return list(align_contacts(read, allele.edited, track.resolution) if allele.edited else read)


def junctions(  # noqa: PLR0917 - the order of Predictions.values
    predictions: Predictions,
    card: ModelCard,
    bundle: Bundle,
    track: Track,
    interval: Interval,
    allele: Allele = REFERENCE,
) -> Junctions:
    """Returns the predicted introns that overlap an interval; computes nothing.

    An intron is taken from the window that its first base belongs to. One that reaches beyond the
    output of that window is in no window, so that it has no prediction.

    Args:
        predictions: Where results are stored.
        card: The model.
        bundle: The genome.
        track: A ``SPLICE_JUNCTIONS`` track of the model.
        interval: The region, 0-based half-open.
        allele: Which sequence; introns of the alternate stand where the reference has their ends.
    """
    grid = allele.grid(card, bundle.reference)
    name = interval.chromosome
    reach = Interval(name, interval.start - card.output_width, interval.end)
    rows = [np.empty((0, 3))]
    for stored in predictions.stored(card, bundle, track, grid.windows(reach), allele):
        if stored.values is None:
            continue
        use = stored.window.use
        introns = known_introns(stored, stored.values)
        if allele.edited:
            introns = align_junctions(introns, allele.edited, stored.shift)
        start, end = introns[:, 0], introns[:, 1]
        mine = (use.start <= start) & (start < use.end)
        rows.append(introns[mine & (start < interval.end) & (interval.start < end)])
    found = np.concatenate(rows)
    found = found[np.lexsort((found[:, 1], found[:, 0]))]
    start, end = found[:, :2].astype(np.int64).T
    return Junctions(start, end, found[:, 2].astype(np.float32))
