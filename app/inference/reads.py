"""What the network reads for a region, and where in it which bins are taken from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from alphagenome.data.genome import Interval

from app.inference.alleles import PLAIN, REFERENCE, Allele, Member
from app.inference.summaries import Floats
from app.inference.windows import Window, padded_spans
from models.card import ModelCard, Track

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.genome.reference import Reference


class Read(NamedTuple):
    """One input of the network: a window, read at some distance from the reference.

    The base of the alternate that lies ``shift`` after a place stands in that place, so that bins
    lie where those of the reference lie.
    """

    window: Window
    allele: Allele
    shift: int = 0

    def sequence(self, reference: Reference) -> str:
        """Returns the bases; see ``Allele.sequence``."""
        return self.allele.sequence(self.window, reference, self.shift)


class Stretch(NamedTuple):
    """Bins of ``[low, high)`` that are all taken from one read."""

    low: int
    high: int
    read: Read


@dataclass(frozen=True)
class Bases:
    """What must be known of the sequence of a window once it has been read.

    Attributes:
        sha256: Its digest, as a job has it.
        unknown: Runs of N in it, as (start, end) in the coordinates of the window.
    """

    sha256: str
    unknown: tuple[tuple[int, int], ...]

    def blank(self, interval: Interval) -> bool:
        """Returns whether no base of an interval is known."""
        return any(low <= interval.start and interval.end <= high for low, high in self.unknown)

    def padded(
        self, window: Window, resolution: int, low: int, high: int
    ) -> Iterator[tuple[int, int]]:
        """Yields the parts of ``[low, high)`` whose bins have no known base, left to right."""
        for start, end in padded_spans(window.output.start, resolution, self.unknown):
            if start < high and low < end:
                yield max(start, low), min(end, high)


def windows_for(
    card: ModelCard,
    bundle: Bundle,
    interval: Interval,
    tracks: Sequence[Track],
    allele: Allele = REFERENCE,
) -> list[Window]:
    """Returns the windows that predict some tracks in an interval, from left to right."""
    grid = allele.grid(card, bundle.reference)
    kinds = {track.kind for track in tracks}
    bins = grid.windows(interval) if kinds - {"contacts"} else []
    found = {window.output.start: window for window in bins}
    for window in grid.pairs(interval) if "contacts" in kinds else []:
        start = window.output.start
        found[start] = replace(window, bins=start in found)
    return [found[start] for start in sorted(found)]


def reads_of(windows: Iterable[Window], allele: Allele) -> Iterator[Read]:
    """Yields what the network reads for some windows."""
    for window in windows:
        start, end = window.use.start, window.use.end
        for shift in allele.edited.shifts(start, end) if allele.edited else [0]:
            yield Read(window, allele, shift)


def stretches(windows: Iterable[Window], allele: Allele, resolution: int) -> Iterator[Stretch]:
    """Yields which bins are taken from which read, from left to right."""
    for window in windows:
        use = window.use
        if allele.edited is None:
            yield Stretch(use.start, use.end, Read(window, allele))
            continue
        for run in allele.edited.runs(use.start, resolution, use.width // resolution):
            first, last = (use.start + bin_ * resolution for bin_ in (run.first, run.last))
            yield Stretch(first, last, Read(window, allele, run.shift))


def as_read(card: ModelCard, track: Track, member: Member) -> Track | None:
    """Returns the track that holds a track's values where a member is read.

    In the reverse complement the plus strand is the minus strand; None where the model has no track
    of that one.
    """
    if not member.reverse or track.strand == ".":
        return track
    mate = f"{track.id[:-1]}{'-' if track.strand == '+' else '+'}"
    return next((one for one in card.tracks if one.id == mate), None)


def in_place(values: Floats, member: Member, resolution: int) -> Floats:
    """Returns what a member gives in the places where the plain reading has it.

    A bin of the reverse complement counts from the other end. An offset that is less than half a
    bin leaves each bin in its place, as is usual for such ensembles; a greater one moves the bins
    by whole ones, and those that then have no value are NaN.
    """
    if member == PLAIN:
        return values
    found = values[::-1] if member.reverse else values
    bins = round(member.offset / resolution)
    if not bins:
        return found
    moved = np.full_like(found, np.nan)
    if bins > 0:
        moved[bins:] = found[:-bins]
    else:
        moved[:bins] = found[-bins:]
    return moved
