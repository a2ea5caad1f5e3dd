"""What a request for tiles asks for: its tracks, what of them is predicted, and their values."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import Any
from urllib.parse import unquote

import numpy as np
from alphagenome.data.genome import Interval

from app.errors import BadInputError, LimitError, LocuscopeError, NotFoundError, StorageError
from app.genome.catalogue import Bundle
from app.genome.haplotype import Haplotype
from app.genome.signals import ObservedTrack
from app.inference.alleles import ENSEMBLE, Allele
from app.inference.stored import Span
from app.inference.summaries import Summary
from app.web.rows import REMEMBERED
from app.web.services import services
from app.web.tiles import (
    MAX_TILES,
    MAX_TRACKS,
    TILE,
    Float32,
    Summarise,
    TileRange,
    TrackTiles,
    planes,
    tiles,
)
from models.card import ModelCard, Track

log = logging.getLogger("locuscope.web")

#: Before the id of a predicted track: of the alternate allele.
ALTERNATE = "alt:"
#: Before the id of a predicted track, or of the alternate's: the edges of its band over an ensemble
#: of readings. Between them and the id: the band is that of alternate less reference.
LOWER, UPPER, CHANGE = "low:", "high:", "diff:"

#: Predictions are read over at most this many times the widest view (tiles reach beyond it), and
#: this many native bins.
TILES_TO_VIEW = 8
MAX_NATIVE_BINS = 2**24


@dataclass(frozen=True)
class AlternateTrack:
    """A predicted track of the alternate allele."""

    track: Track

    @property
    def id(self) -> str:
        """What names it in a request."""
        return ALTERNATE + self.track.id


@dataclass(frozen=True)
class SpreadEdge:
    """One edge of the band of a predicted track: its mean over an ensemble, less or plus its SD.

    Attributes:
        track: The predicted track.
        upper: Which edge.
        of: Nothing for the reference, ``ALTERNATE``, or ``CHANGE``.
    """

    track: Track
    upper: bool
    of: str = ""

    @property
    def id(self) -> str:
        """What names it in a request."""
        return (UPPER if self.upper else LOWER) + self.of + self.track.id

    def alleles(self, haplotype: Haplotype | None) -> tuple[Allele, ...]:
        """Returns the sequence that is read, and after it that whose values are subtracted."""
        if self.of == CHANGE:
            return Allele(haplotype, alternate=True), Allele(haplotype)
        return (Allele(haplotype, alternate=self.of == ALTERNATE),)


AnyTrack = Track | AlternateTrack | SpreadEdge | ObservedTrack


def read_tracks(text: str, bundle: Bundle, card: ModelCard | None) -> list[AnyTrack]:
    """Reads track ids with commas between them, each percent-encoded by itself.

    Raises:
        BadInputError: A track has more than one value a bin, and so no tiles.
        LimitError: There are more than ``MAX_TRACKS``.
        NotFoundError: The genome and the model have no such track.
    """
    ids = [unquote(part) for part in text.split(",")]
    if len(ids) > MAX_TRACKS:
        raise LimitError(f"{len(ids):,} tracks were asked for; at most {MAX_TRACKS} at once.")
    known, others = _offered(bundle, card)
    for id_ in ids:
        if id_.removeprefix(ALTERNATE) in others:
            raise BadInputError(f"“{id_}” is no signal, so that it has no tiles.")
        if id_ not in known:
            raise NotFoundError(f"There is no track “{id_[:100]}” in this genome and model.")
    return [known[id_] for id_ in ids]


@lru_cache(REMEMBERED)
def _offered(bundle: Bundle, card: ModelCard | None) -> tuple[dict[str, AnyTrack], set[str]]:
    """Returns what has tiles, by its id, and the ids of the tracks that have none."""
    signals = [track for track in card.tracks if track.kind == "signal"] if card else []
    known: dict[str, AnyTrack] = dict(bundle.tracks)
    known |= {track.id: track for track in signals}
    known |= {one.id: one for one in map(AlternateTrack, signals)}
    edges = [
        SpreadEdge(track, upper, of)
        for track in signals
        for upper in (False, True)
        for of in ("", ALTERNATE, CHANGE)
    ]
    known |= {one.id: one for one in edges}
    others = {track.id for track in card.tracks if track.kind != "signal"} if card else set()
    return known, others | set(bundle.contacts) | set(bundle.junctions)


@dataclass(frozen=True)
class TileRequest:
    """What one request for tiles is about.

    Attributes:
        bundle: The genome.
        card: The model; None where only measurements are asked for.
        tracks: Predicted tracks of the model and measured ones of the genome.
        where: Which tiles.
        haplotype: Edits of that chromosome, if there are any.
    """

    bundle: Bundle
    card: ModelCard | None
    tracks: list[AnyTrack]
    where: TileRange
    haplotype: Haplotype | None = None

    @property
    def interval(self) -> Interval:
        """What the tiles cover of the chromosome."""
        start, end = self.where.start, self.where.end
        length = self.bundle.reference.length(self.where.chromosome)
        return Interval(
            self.where.chromosome, start, end if length is None else max(start, min(end, length))
        )

    def alleles(self, track: AnyTrack) -> list[Allele]:
        """Returns which sequences a track is predicted of, and in which ways they are read."""
        if isinstance(track, SpreadEdge):
            read = track.alleles(self.haplotype)
            return [replace(one, member=member) for one in read for member in ENSEMBLE]
        return [Allele(self.haplotype, isinstance(track, AlternateTrack))]

    def spans(self, track: AnyTrack) -> list[Span]:
        """Returns where a track is not computed yet, or cannot be; nothing of what is measured."""
        if isinstance(track, ObservedTrack) or self.card is None or not self.interval.width:
            return []
        if self.too_wide(_about(track)):
            return []
        return [
            span
            for allele in self.alleles(track)
            for span in services().predictions.spans(
                self.card, self.bundle, _about(track), self.interval, allele
            )
        ]

    def is_missing(self, track: AnyTrack) -> bool:
        """Whether some of a track is not computed yet."""
        return any(span.state == "missing" for span in self.spans(track))

    def too_wide(self, track: Track) -> bool:
        """Whether the tiles reach further than predictions are read."""
        width: int = self.interval.width
        widest = TILES_TO_VIEW * services().settings.max_view
        return width > widest or width // track.resolution > MAX_NATIVE_BINS

    def summarise(self, track: AnyTrack) -> Summarise:
        """Returns what reads a track, or raises LimitError."""
        if isinstance(track, ObservedTrack):
            return track.summarise
        about = _about(track)
        if self.card is None or self.too_wide(about):
            raise LimitError("Zoom in to see predictions.")
        predictions = services().predictions
        which = (self.card, self.bundle, about)
        if isinstance(track, SpreadEdge):
            return partial(self._edge, track)
        return partial(predictions.summarise, *which, allele=self.alleles(track)[0])

    def _edge(self, track: SpreadEdge, *where: Any) -> Summary:  # noqa: ANN401 - as Summarise
        return self._spread(track.track, track.alleles(self.haplotype), *where)[track.upper]

    @cached_property
    def _spread(self) -> Callable[..., tuple[Summary, Summary]]:
        """Reads a band once, though each of its edges is a track."""
        assert self.card is not None  # as ``summarise`` has made sure
        read = partial(services().predictions.summarise_spread, self.card, self.bundle)
        return lru_cache(MAX_TRACKS * MAX_TILES)(read)

    def read(self, track: AnyTrack, version: str = "") -> TrackTiles:
        """Reads the tiles of a track; one that fails has no values, and says why.

        Args:
            track: One of ``tracks``.
            version: Names all files and programs that decide the values; what was read lately under
                it is taken from memory. Empty: nothing is.
        """
        id_ = track.id if isinstance(track, AlternateTrack | SpreadEdge) else _about(track).id
        try:
            values = np.stack([self._tile(track, id_, one, version) for one in self.where.each()])
        except LocuscopeError as error:
            log.warning("tiles of %s: %s", id_, error.message)
            values = np.full((self.where.count, self._planes(track), TILE), np.nan, np.float32)
            return TrackTiles(id_, values, error.message)
        return TrackTiles(id_, values)

    def _tile(self, track: AnyTrack, id_: str, where: TileRange, version: str) -> Float32:
        """Returns one tile, shape (planes, 1024)."""

        def read() -> bytes:
            found = tiles(self.summarise(track), where)[0, : self._planes(track)]
            # What was stored a moment ago may be gone: evicted, or damaged and deleted.
            if version and np.isnan(found).any() and self.is_missing(track):
                raise StorageError("What was stored of this prediction was lost. Ask again.")
            return found.tobytes()

        key = (version, self.haplotype, id_, where)
        kept = services().tile_cache.get(key, read) if version else read()
        return np.frombuffer(kept, np.float32).reshape(-1, TILE)

    def _planes(self, track: AnyTrack) -> int:
        return planes(self.where.bin, _about(track).resolution)


def _about(track: AnyTrack) -> Track:
    return track if isinstance(track, Track) else track.track
