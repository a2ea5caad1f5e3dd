"""Which rows a view has: predicted tracks, each with what was measured for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeVar

from app.genome.catalogue import Bundle, Measured
from app.genome.signals import ObservedTrack
from models.card import LOG_RATIOS, MODALITIES, Biosample, Kind, ModelCard, Summary, Track

if TYPE_CHECKING:
    from app.web.state import ViewState

#: ``log`` is sign(x) ln(1 + abs(x)), which has a value everywhere; ``symlog`` is
#: sign(x) log10(1 + abs(x) / c) with c one hundredth of the top of the scale, whatever the unit.
Scale = Literal["linear", "log", "symlog"]
#: How a contact map is drawn, which of its maps, and what their colours mean.
Shape = Literal["triangle", "square"]
Part = Literal["both", "predicted", "observed", "difference"]
Value = Literal["signal", "ratio"]
Marked = Literal["on", "off"]
T = TypeVar("T")

#: Most rows that one view draws.
MAX_ROWS = 60
#: Genomes with models of which it is remembered what they offer; own tracks make more of them.
REMEMBERED = 32
#: Height in px of a row unless the view says otherwise: of a signal, of the arcs of junctions, of
#: one contact map, of two of them back to back, and of a square one.
ROW_HEIGHT = 56
JUNCTIONS_HEIGHT = 104
MAP_HEIGHT = 220
MAPS_HEIGHT = 320
SQUARE_HEIGHT = 480
#: Height in px of the contacts of one anchor, below a contact map.
ANCHOR_HEIGHT = 64

#: Rows that are drawn over another one: px that the labels of each take, below that of the other.
OVERLAID_TOP = 36
OVERLAID_LABEL = 16

#: Colour family of a modality.
FAMILIES = {
    "ATAC": "accessibility",
    "DNASE": "accessibility",
    "RNA_SEQ": "transcription",
    "CAGE": "transcription",
    "PROCAP": "transcription",
    "CHIP_HISTONE": "histone",
    "CHIP_TF": "factor binding",
    "SPLICE_SITES": "splicing",
    "SPLICE_SITE_USAGE": "splicing",
    "SPLICE_JUNCTIONS": "splicing",
    "CONTACT_MAPS": "contacts",
    "ELEMENTS": "elements",
    "BASE_PROBABILITY": "base probability",
    "OWN": "own",
}

#: How people write a modality.
LABELS = {
    "ATAC": "ATAC",
    "DNASE": "DNase",
    "RNA_SEQ": "RNA-seq",
    "CAGE": "CAGE",
    "PROCAP": "PRO-cap",
    "CHIP_HISTONE": "Histone ChIP",
    "CHIP_TF": "TF ChIP",
    "SPLICE_SITES": "Splice sites",
    "SPLICE_SITE_USAGE": "Splice site usage",
    "SPLICE_JUNCTIONS": "Splice junctions",
    "CONTACT_MAPS": "Contact map",
    "ELEMENTS": "Elements",
    "BASE_PROBABILITY": "Base probability",
    "OWN": "Own track",
}


@dataclass(frozen=True)
class RowStyle:
    """How one row is drawn where it differs from the default.

    Attributes:
        height: Height in px, or None for that of its kind.
        color: ``#rrggbb``, or None for the colour of the modality.
        scale: Scale of the value axis.
        summary: How bins are merged when zoomed out, or None for what the track says.
        ymax: Upper end of the value axis, or None to fit the data. Of a contact map the upper end
            of the colours.
        shape: How a contact map lies on the genome axis.
        part: Which contact maps are drawn, where there are several.
        value: ``signal`` or ``ratio`` (log2 of observed over expected); None for what tells most.
        marks: Whether boundaries, loops and domains are drawn over a contact map.
        over: Id of the row in which it is drawn, over what is there; None for a row of its own.
    """

    height: int | None = None
    color: str | None = None
    scale: Scale = "linear"
    summary: Summary | None = None
    ymax: float | None = None
    shape: Shape = "triangle"
    part: Part = "both"
    value: Value | None = None
    marks: Marked = "on"
    over: str | None = None


@dataclass(frozen=True)
class Row:
    """One row of the view: a track or a strand pair, predicted, measured or both.

    Attributes:
        id: The track id where the row has one track; where a plus and a minus track share the
            row, their id without the strand.
        predicted: Predicted tracks, plus strand first; empty where only measured.
        observed: Measured tracks, plus strand first. Which predicted track each belongs to
            stands in their ``predicted``.
        style: How the row is drawn.
        strip: px below a contact map for the contacts of an anchor.
        host: The row in whose place it is drawn, if it is drawn over another one.
        guests: How many rows are drawn over it.
        features: px that its regions or variants take; 0 where they are not drawn one by one.
    """

    id: str
    predicted: tuple[Track, ...]
    observed: tuple[Measured, ...]
    style: RowStyle = RowStyle()
    strip: int = 0
    host: Row | None = None
    guests: int = 0
    features: int = 0

    @cached_property
    def tracks(self) -> tuple[Track, ...]:
        """The tracks that name the row: the predicted ones, else the measured ones."""
        return self.predicted or tuple(o.track for o in self.observed)

    @cached_property
    def kind(self) -> Kind:
        """What is drawn."""
        return self.tracks[0].kind

    @cached_property
    def modality(self) -> str:
        """One of ``MODALITIES``."""
        return self.tracks[0].modality

    @cached_property
    def family(self) -> str:
        """Colour family of the modality."""
        return FAMILIES[self.modality]

    @cached_property
    def biosample(self) -> Biosample | None:
        """The cell type, or None where the track has none."""
        return self.tracks[0].biosample

    @cached_property
    def title(self) -> str:
        """What the row shows, beside modality and biosample: target, else assay, else name."""
        track = self.tracks[0]
        if track.biosample is None:
            return track.target or track.name
        return track.target or track.assay or track.name

    @cached_property
    def strand(self) -> str:
        """``+``, ``-``, ``.``, or ``+-`` for a pair."""
        return "".join(t.strand for t in self.tracks)

    @cached_property
    def unit(self) -> str:
        """What one number means."""
        return self.tracks[0].unit

    @cached_property
    def height(self) -> int:
        """Height in px."""
        if self.host is not None:
            return self.host.height
        return (self.style.height or self._default_height) + self.strip

    @cached_property
    def _default_height(self) -> int:
        if self.kind == "junctions":
            return JUNCTIONS_HEIGHT
        if self.kind != "contacts":
            labels = OVERLAID_TOP + OVERLAID_LABEL * self.guests if self.guests else 0
            return max(ROW_HEIGHT, labels, self.features)
        if self.style.shape == "square":
            return SQUARE_HEIGHT
        return MAPS_HEIGHT if self.part == "both" else MAP_HEIGHT

    @cached_property
    def part(self) -> Part:
        """Which of its contact maps are drawn."""
        if self.predicted and self.observed:
            return self.style.part
        return "predicted" if self.predicted else "observed"

    @cached_property
    def value(self) -> Value:
        """What the colours of its contact map mean.

        Two maps have different units, and some networks predict nothing but ratios.
        """
        if self.part == "difference":
            return "ratio"
        if self.part != "observed" and self.predicted[0].unit in LOG_RATIOS:
            return "ratio"
        return self.style.value or ("ratio" if self.part == "both" else "signal")

    @cached_property
    def summary(self) -> Summary:
        """How bins are merged when zoomed out."""
        return self.style.summary or self.tracks[0].summary

    @cached_property
    def pairs(self) -> list[tuple[Track, ObservedTrack]]:
        """Each predicted track that was measured, with its measurement."""
        measured = {o.predicted: o for o in self.observed if isinstance(o, ObservedTrack)}
        return [(t, measured[t.id]) for t in self.predicted if t.id in measured]


def _stem(track: Track) -> str:
    return track.id.rpartition("/")[0]


def _by_strand(items: Sequence[T], track: Callable[[T], Track]) -> list[tuple[T, ...]]:
    """Joins a plus and a minus track of one name into a pair; every other track stays alone."""
    groups: dict[tuple[str, str, int], list[T]] = {}
    for item in items:
        t = track(item)
        groups.setdefault((_stem(t), t.modality, t.resolution), []).append(item)
    joined: list[tuple[T, ...]] = []
    for group in groups.values():
        if sorted(track(item).strand for item in group) == ["+", "-"]:
            joined.append(tuple(sorted(group, key=lambda item: track(item).strand)))
        else:
            joined.extend((item,) for item in group)
    return joined


def _row(predicted: tuple[Track, ...], observed: tuple[Measured, ...]) -> Row:
    tracks = predicted or tuple(o.track for o in observed)
    return Row(tracks[0].id if len(tracks) == 1 else _stem(tracks[0]), predicted, observed)


@lru_cache(REMEMBERED)
def all_rows(bundle: Bundle, card: ModelCard | None) -> tuple[Row, ...]:
    """Returns every row that a genome and a model offer, in the order of ``MODALITIES``.

    A measurement that belongs to none of the model's tracks, or to one that another measurement
    already stands for, has a row of its own.
    """
    tracks = card.tracks if card else ()
    ids = {t.id for t in tracks}
    measured: dict[str, Measured] = {}
    alone: list[Measured] = []
    for observed in bundle.measured:
        if observed.predicted in ids and observed.predicted not in measured:
            measured[observed.predicted] = observed
        else:
            alone.append(observed)
    rows = [
        _row(group, tuple(measured[t.id] for t in group if t.id in measured))
        for group in _by_strand(tracks, lambda t: t)
    ]
    rows += [_row((), group) for group in _by_strand(alone, lambda o: o.track)]
    return tuple(sorted(rows, key=lambda row: MODALITIES.index(row.modality)))


@lru_cache(REMEMBERED)
def row_ids(bundle: Bundle, card: ModelCard | None) -> dict[str, str]:
    """Returns the id of each row by that of the row and of each of its tracks."""
    found = {}
    for row in all_rows(bundle, card):
        found[row.id] = row.id
        found.update({t.id: row.id for t in row.predicted})
        found.update({o.track.id: row.id for o in row.observed})
    return found


def rows(state: ViewState, bundle: Bundle, card: ModelCard | None) -> tuple[list[Row], str | None]:
    """Returns the rows that a view draws, and a sentence where that is not all it asks for.

    Without a choice of tracks these are the rows of the chosen biosamples and those that belong
    to no biosample.
    """
    anchored = state.anchor is not None and state.anchor.chromosome == state.locus.chromosome
    choice = _Choice(state.tracks, state.biosamples, state.hidden, state.styles, anchored)
    drawn, n_chosen = _drawn(bundle, card, choice)
    if n_chosen > MAX_ROWS:
        return list(drawn), f"Shown are the first {MAX_ROWS} of {n_chosen:,} tracks."
    return list(drawn), None


class _Choice(NamedTuple):
    """What of a view decides its rows: while someone pans it stays as it is."""

    tracks: tuple[str, ...]
    biosamples: tuple[str, ...]
    hidden: tuple[str, ...]
    styles: tuple[tuple[str, RowStyle], ...]
    anchored: bool


@lru_cache(maxsize=256)
def _drawn(bundle: Bundle, card: ModelCard | None, choice: _Choice) -> tuple[tuple[Row, ...], int]:
    """Returns the rows that are drawn, and how many were chosen."""
    known = {row.id: row for row in all_rows(bundle, card)}
    if choice.tracks:
        chosen = [known[row_id] for row_id in choice.tracks if row_id in known]
    else:
        chosen = [
            row
            for row in known.values()
            if row.biosample is None or row.biosample.key in choice.biosamples
        ]
    chosen = [row for row in chosen if row.id not in choice.hidden]
    styles = dict(choice.styles)
    drawn = [
        replace(
            row,
            style=styles.get(row.id, row.style),
            strip=ANCHOR_HEIGHT if choice.anchored and row.kind == "contacts" else 0,
        )
        for row in chosen[:MAX_ROWS]
    ]
    return tuple(_overlaid(drawn)), len(chosen)


def _overlaid(shown: Sequence[Row]) -> list[Row]:
    """Puts each row that is drawn over another one after it.

    Only signals are drawn over signals; a row whose other one is not shown has a place of its own.
    """
    others = {row.id for row in shown if row.kind == "signal" and row.style.over is None}
    guests: dict[str, list[Row]] = {}
    for row in shown:
        if row.kind == "signal" and row.style.over in others:
            guests.setdefault(row.style.over or "", []).append(row)
    placed: list[Row] = []
    for row in shown:
        if row in guests.get(row.style.over or "", ()):
            continue
        mine = guests.get(row.id, [])
        host = replace(row, guests=len(mine))
        placed += [host, *(replace(guest, host=host) for guest in mine)]
    return placed


@lru_cache(REMEMBERED)
def track_groups(bundle: Bundle, card: ModelCard | None) -> dict[str, list[Row]]:
    """Returns every row by modality, in the order of ``MODALITIES``."""
    groups: dict[str, list[Row]] = {}
    for row in all_rows(bundle, card):
        groups.setdefault(row.modality, []).append(row)
    return groups


@dataclass(frozen=True)
class BiosampleCount:
    """A biosample that can be chosen, and how many rows it has.

    Attributes:
        biosample: The biosample.
        rows: Number of rows.
        predicted: Rows that the model predicts.
        observed: Rows with a measurement.
        both: Rows that are predicted and measured.
    """

    biosample: Biosample
    rows: int
    predicted: int
    observed: int
    both: int


@lru_cache(REMEMBERED)
def biosamples(bundle: Bundle, card: ModelCard | None) -> list[BiosampleCount]:
    """Returns the biosamples of a genome and a model, the predicted and measured ones first."""
    by_key: dict[str, list[Row]] = {}
    for row in all_rows(bundle, card):
        if row.biosample is not None:
            by_key.setdefault(row.biosample.key, []).append(row)
    counts = [
        BiosampleCount(
            next(row.biosample for row in group if row.biosample is not None),
            len(group),
            sum(bool(row.predicted) for row in group),
            sum(bool(row.observed) for row in group),
            sum(bool(row.predicted and row.observed) for row in group),
        )
        for group in by_key.values()
    ]
    return sorted(counts, key=lambda c: c.both == 0)
