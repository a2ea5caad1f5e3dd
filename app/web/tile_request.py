"""What a request for tiles asks for: its tracks, what of them is predicted, and their values."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from urllib.parse import unquote

import numpy as np
from alphagenome.data.genome import Interval

from app.errors import LimitError, LocuscopeError, NotFoundError
from app.genome.catalogue import Bundle
from app.genome.signals import ObservedTrack
from app.inference.predictions import Span
from app.web.services import services
from app.web.tiles import MAX_TRACKS, TILE, Summarise, TileRange, TrackTiles, planes, tiles
from models.card import ModelCard, Track

log = logging.getLogger("locuscope.web")

#: Predictions are read over at most this many times the widest view (tiles reach beyond it), and
#: this many native bins.
TILES_TO_VIEW = 8
MAX_NATIVE_BINS = 2**24


def read_tracks(text: str, bundle: Bundle, card: ModelCard | None) -> list[Track | ObservedTrack]:
    """Reads track ids with commas between them, each percent-encoded by itself.

    Raises:
        LimitError: There are more than ``MAX_TRACKS``.
        NotFoundError: The genome and the model have no such track.
    """
    ids = [unquote(part) for part in text.split(",")]
    if len(ids) > MAX_TRACKS:
        raise LimitError(f"{len(ids):,} tracks were asked for; at most {MAX_TRACKS} at once.")
    known: dict[str, Track | ObservedTrack] = dict(bundle.tracks)
    known |= {track.id: track for track in card.tracks} if card else {}
    for id_ in ids:
        if id_ not in known:
            raise NotFoundError(f"There is no track “{id_[:100]}” in this genome and model.")
    return [known[id_] for id_ in ids]


@dataclass(frozen=True)
class TileRequest:
    """What one request for tiles is about.

    Attributes:
        bundle: The genome.
        card: The model; None where only measurements are asked for.
        tracks: Predicted tracks of the model and measured ones of the genome.
        where: Which tiles.
    """

    bundle: Bundle
    card: ModelCard | None
    tracks: list[Track | ObservedTrack]
    where: TileRange

    @property
    def interval(self) -> Interval:
        """What the tiles cover of the chromosome."""
        start, end = self.where.start, self.where.end
        length = self.bundle.reference.length(self.where.chromosome)
        return Interval(
            self.where.chromosome, start, end if length is None else max(start, min(end, length))
        )

    def spans(self, track: Track) -> list[Span]:
        """Returns where a track is not computed yet, or cannot be."""
        if self.card is None or not self.interval.width or self.too_wide(track):
            return []
        return services().predictions.spans(self.card, self.bundle, track, self.interval)

    def too_wide(self, track: Track) -> bool:
        """Whether the tiles reach further than predictions are read."""
        width: int = self.interval.width
        widest = TILES_TO_VIEW * services().settings.max_view
        return width > widest or width // track.resolution > MAX_NATIVE_BINS

    def summarise(self, track: Track | ObservedTrack) -> Summarise:
        """Returns what reads a track, or raises LimitError."""
        if isinstance(track, ObservedTrack):
            return track.summarise
        if self.card is None or self.too_wide(track):
            raise LimitError("Zoom in to see predictions.")
        return partial(services().predictions.summarise, self.card, self.bundle, track)

    def read(self, track: Track | ObservedTrack) -> TrackTiles:
        """Reads the tiles of a track; one that fails has no values, and says why."""
        about = track if isinstance(track, Track) else track.track
        n_planes = planes(self.where.bin, about.resolution)
        try:
            values = tiles(self.summarise(track), self.where)[:, :n_planes]
        except LocuscopeError as error:
            log.warning("tiles of %s: %s", about.id, error.message)
            values = np.full((self.where.count, n_planes, TILE), np.nan, np.float32)
            return TrackTiles(about.id, values, error.message)
        return TrackTiles(about.id, values)
