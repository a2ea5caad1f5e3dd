"""The whole view as one value, and its form as a link."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import zip_longest
from typing import Literal, TypeVar, get_args
from urllib.parse import parse_qsl, quote, urlencode

from alphagenome.data.genome import Interval

from app.errors import BadInputError, LocuscopeError, NotFoundError
from app.genome.catalogue import Bundle, Catalogue
from app.genome.edits import SequenceEdit, check_edits, parse_edit, variant_edit
from app.genome.locus import Locus, format_interval, parse_locus
from app.genome.own_tracks import MAX_TRACKS as MAX_OWN
from app.genome.own_tracks import OwnTracks
from app.web.figures.sequence import Strands
from app.web.ism import Ism, read_ism
from app.web.rows import (
    REMEMBERED,
    Marked,
    Part,
    RowStyle,
    Scale,
    Shape,
    Value,
    all_rows,
    biosamples,
    row_ids,
    track_groups,
)
from app.web.transcripts import GeneRows
from models.card import ModelCard, Summary

Mode = Literal["stacked", "overlay", "mirror"]
Theme = Literal["auto", "light", "dark"]
Autoscale = Literal["group", "each", "modality"]
Compare = Literal["overlay", "difference", "split", "reference", "alternate"]
Frames = Literal["shown", "hidden"]
Ensemble = Literal["off", "on"]
Panel = Literal["none", "effects"]
T = TypeVar("T")

#: Version of the link format. A link without a version has this one.
VERSION = 1
#: Longest query that is read, in characters.
MAX_QUERY = 8_000
#: Of things that are not here, how many a notice names.
NAMED = 3
#: Width in bp of the first view where no model says how much it reads.
DEFAULT_WIDTH = 131_072
#: Rows of the first view, where nobody chose any.
DEFAULT_ROWS = 6
ROW_HEIGHTS = range(20, 801)


@dataclass(frozen=True)
class Highlight:
    """A marked region, with what a person wrote about it."""

    interval: Interval
    note: str = ""


@dataclass(frozen=True)
class ViewState:
    """What is seen, all of it.

    Attributes:
        genome: Bundle id.
        locus: What is in view, 0-based half-open.
        model: Model id; empty where only measurements are shown.
        biosamples: Keys of the chosen biosamples (``Biosample.key``).
        tracks: Ids of the chosen rows in display order; empty for the rows of the biosamples.
        own: Ids of the tracks that the visitor has brought.
        hidden: Ids of rows left out.
        styles: Row id and style, for each row that does not have the default style.
        mode: How predicted and observed share a row.
        edits: Variants and other edits of the sequence, from left to right.
        compare: How reference and alternate share a row where there are edits.
        highlights: Marked regions.
        anchor: The base whose contacts are shown below each contact map.
        ism: Bases that are explained, and by which read-out; None for none.
        theme: Colours of the page.
        autoscale: ``group``: what is drawn in one row shares a y range, where it has the same unit;
            ``each``: predicted and observed have one each; ``modality``: all rows of a modality
            with the same unit share one.
        strand: Which strand the row of the reference sequence shows.
        frames: Whether its translated reading frames are shown.
        genes: Which transcripts the gene row shows, and in which lines.
        ensemble: Whether predictions have a band of their spread over an ensemble of readings.
        panel: What is open beside the tracks: ``effects`` is what the edits do.
    """

    genome: str
    locus: Interval
    model: str = ""
    biosamples: tuple[str, ...] = ()
    tracks: tuple[str, ...] = ()
    own: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    styles: tuple[tuple[str, RowStyle], ...] = ()
    mode: Mode = "stacked"
    edits: tuple[SequenceEdit, ...] = ()
    compare: Compare = "overlay"
    highlights: tuple[Highlight, ...] = ()
    anchor: Interval | None = None
    ism: Ism | None = None
    theme: Theme = "auto"
    autoscale: Autoscale = "group"
    strand: Strands = "forward"
    frames: Frames = "shown"
    genes: GeneRows = "longest"
    ensemble: Ensemble = "off"
    panel: Panel = "none"
    version: int = VERSION

    def to_query(self) -> str:
        """Returns the view as the query of a link: canonical, without what is default.

        Lists are repeated keys. Coordinates are those that people read, 1-based inclusive.
        """
        pairs = [
            ("genome", self.genome),
            ("locus", _locus_text(self.locus)),
            ("model", self.model),
            *[("biosample", key) for key in self.biosamples or ("",)],
            *[("track", row_id) for row_id in self.tracks],
            *[("own", id_) for id_ in self.own],
            *[("hide", row_id) for row_id in self.hidden],
            *[("style", _style_text(row_id, style)) for row_id, style in self.styles],
        ]
        for edit in self.edits:
            pairs.append(("variant" if edit.kind == "variant" else "edit", edit.text))
        for h in self.highlights:
            pairs.append(("highlight", _locus_text(h.interval) + (f";{h.note}" if h.note else "")))
        if self.anchor is not None:
            pairs.append(("anchor", _locus_text(self.anchor)))
        if self.ism is not None:
            pairs.append(("ism", self.ism.to_text()))
        for name, default in _DEFAULTS.items():
            if getattr(self, name) != default:
                pairs.append((name, getattr(self, name)))
        return urlencode(pairs, quote_via=quote, safe="/:;,@~")


def _locus_text(interval: Interval) -> str:
    return format_interval(interval).replace(",", "")


#: Words that are left out of a link where they are these.
_DEFAULTS = {
    "mode": "stacked",
    "compare": "overlay",
    "theme": "auto",
    "autoscale": "group",
    "strand": "forward",
    "frames": "shown",
    "genes": "longest",
    "ensemble": "off",
    "panel": "none",
}
#: Keys that choose what is seen; a link with none of them opens the genome's first view.
_CHOICES = {
    *("locus", "model", "biosample", "track", "own", "hide", "style"),
    *("variant", "edit", "highlight", "ism"),
}

_STYLE_PARTS: dict[str, Callable[[str], object]] = {
    "height": int,
    "color": lambda text: f"#{text}",
    "scale": str,
    "summary": str,
    "ymax": float,
    "shape": str,
    "part": str,
    "value": str,
    "marks": str,
    "over": str,
}
_STYLE = re.compile(rf"(.*?)((?:;(?:{'|'.join(_STYLE_PARTS)})=[^;]*)*)", re.DOTALL)


def _style_text(row_id: str, style: RowStyle) -> str:
    default = RowStyle()
    parts = [row_id]
    for field in fields(RowStyle):
        value = getattr(style, field.name)
        if value != getattr(default, field.name):
            parts.append(f"{field.name}={str(value).removeprefix('#')}")
    return ";".join(parts)


def _style(text: str) -> tuple[str, RowStyle]:
    """Reads ``row id;height=96;color=0072b2;scale=log;summary=max;ymax=40``."""
    match = _STYLE.fullmatch(text)
    if match is None:
        raise BadInputError(f"The row style “{_short(text)}” cannot be read.")
    values = {}
    for part in match[2].split(";")[1:]:
        name, _, value = part.partition("=")
        try:
            values[name] = _STYLE_PARTS[name](value)
        except ValueError:
            raise BadInputError(f"The row style “{_short(part)}” is not a number.") from None
    style = RowStyle(**values)  # type: ignore[arg-type]  # checked in the next lines
    if style.height is not None and style.height not in ROW_HEIGHTS:
        raise BadInputError(
            f"A row is {ROW_HEIGHTS.start} to {ROW_HEIGHTS.stop - 1} px high, not {style.height}."
        )
    if style.color is not None and not re.fullmatch("#[0-9a-fA-F]{6}", style.color):
        raise BadInputError("A row colour is six hexadecimal digits, for example 0072b2.")
    if style.ymax is not None and not 0 < style.ymax < float("inf"):
        raise BadInputError("The upper end of a value axis is a number above 0.")
    for words, value, about in (
        (Scale, style.scale, "A value axis is"),
        (Summary, style.summary, "Bins are merged by"),
        (Shape, style.shape, "A contact map is a"),
        (Part, style.part, "Of contact maps is drawn"),
        (Value, style.value, "The colours of a contact map mean"),
        (Marked, style.marks, "Boundaries, loops and domains are"),
    ):
        if value is not None and value not in get_args(words):
            raise BadInputError(f"{about} {_one_of(get_args(words))}.")
    return match[1], style


def _one_of(words: Sequence[str]) -> str:
    return f"{', '.join(words[:-1])} or {words[-1]}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:59]}…"


def _sentence(error: LocuscopeError) -> str:
    if error.suggestion and error.suggestion not in error.message:
        return f"{error.message} Try {error.suggestion}."
    return error.message


def _nearest(text: str, known: Iterable[str]) -> str | None:
    return next(iter(difflib.get_close_matches(text, list(known), 1, 0.5)), None)


class _UnknownError(NotFoundError):
    """A link names what is not here: a genome's track, a model."""

    def __init__(self, kind: str, text: str, known: Iterable[str]) -> None:
        super().__init__(f"There is no {kind} “{_short(text)}” here.", _nearest(text, known))
        self.kind = kind
        self.text = text


def _together(unknown: Sequence[_UnknownError]) -> NotFoundError:
    """Returns one error about all of a kind, which may be many where the model is another one."""
    if len(unknown) == 1:
        return unknown[0]
    names = ", ".join(f"“{_short(one.text)}”" for one in unknown[:NAMED])
    more = f" and {len(unknown) - NAMED:,} more" if len(unknown) > NAMED else ""
    kinds = f"{len(unknown):,} {unknown[0].kind}s of this link"
    return NotFoundError(f"Neither this genome nor this model has {kinds}: {names}{more}.")


class _Reader:
    """Reads one query key by key; what cannot be read becomes a notice."""

    def __init__(self, query: str) -> None:
        self.notices: list[str] = []
        self.unknown: dict[str, dict[str, _UnknownError]] = {}
        self.values: dict[str, list[str]] = {}
        if len(query) > MAX_QUERY:
            self.notices.append(
                f"This link is {len(query):,} characters long, more than the {MAX_QUERY:,} that "
                "can be read. The default view is shown."
            )
            return
        for key, value in parse_qsl(query.lstrip("?"), keep_blank_values=True):
            self.values.setdefault(key, []).append(value)

    def take(self, key: str) -> str:
        return self.values.pop(key, [""])[-1]

    def take_all(self, key: str, read: Callable[[str], T]) -> tuple[T, ...]:
        """Reads each value of a key once, in order; blanks are left out."""
        result: list[T] = []
        for text in dict.fromkeys(self.values.pop(key, ())):
            value = self.attempt(read, text) if text else None
            if value is not None and value not in result:
                result.append(value)
        return tuple(result)

    def attempt(self, read: Callable[[str], T], text: str) -> T | None:
        try:
            return read(text)
        except _UnknownError as error:
            self.unknown.setdefault(error.kind, {})[error.text] = error
            return None
        except LocuscopeError as error:
            self.notices.append(_sentence(error))
            return None

    def take_choice(self, key: str, words: Sequence[str]) -> str:
        """Reads one of ``words``, of which the first is the default."""
        text = self.take(key)
        if text and text not in words:
            self.notices.append(f"“{_short(text)}” is no {key}; it is {_one_of(words)}.")
        return text if text in words else words[0]

    def finish(self) -> list[str]:
        self.notices += [_sentence(_together(list(one.values()))) for one in self.unknown.values()]
        version = self.take("v")
        if version.isdecimal() and int(version[:9]) > VERSION:
            self.notices.insert(
                0, "This link comes from a later version. What is unknown here is left out."
            )
        if self.values:
            names = ", ".join(f"“{_short(key)}”" for key in list(self.values)[:5])
            self.notices.append(f"Unknown in this link and left out: {names}.")
        return self.notices


def _known(kind: str, text: str, known: Mapping[str, T] | Sequence[str]) -> str:
    """Returns ``text`` if it is known; a ``+`` that a mail programme made a blank is put back."""
    for candidate in (text, text.replace(" ", "+")):
        if candidate in known:
            return candidate
    raise _UnknownError(kind, text, known)


def default_card(bundle: Bundle, cards: Mapping[str, ModelCard]) -> ModelCard | None:
    """Returns the model meant for this assembly that predicts the most modalities.

    If there is none, one of all may do, since many a bundle names no assembly; but a model of a
    simulated genome reads a real one only if it is asked for, and the other way round.
    """
    suited = [card for card in cards.values() if bundle.assembly in card.genomes]
    others = [] if bundle.simulated else [card for card in cards.values() if not card.simulated]
    return max(
        suited or others, key=lambda card: len({t.modality for t in card.tracks}), default=None
    )


def default_locus(bundle: Bundle, card: ModelCard | None) -> Interval:
    """Returns the middle of the first piece, as wide as the model reads."""
    piece = bundle.reference.pieces[0]
    width = min(card.input_width if card else DEFAULT_WIDTH, piece.width)
    start = piece.start + (piece.width - width) // 2
    return Interval(piece.chromosome, start, start + width)


@lru_cache(REMEMBERED)
def default_biosamples(bundle: Bundle, card: ModelCard | None) -> tuple[str, ...]:
    """Returns biosamples that show something of every modality, about ``DEFAULT_ROWS`` rows.

    Of each modality in turn the biosample of its next row is taken.
    """
    groups = [
        [row.biosample.key for row in group if row.biosample]
        for group in track_groups(bundle, card).values()
    ]
    counts = {c.biosample.key: c.rows for c in biosamples(bundle, card)}
    chosen: dict[str, None] = {}
    for level in zip_longest(*groups):
        for key in level:
            if key is not None and sum(counts[k] for k in chosen) < DEFAULT_ROWS:
                chosen[key] = None
    return tuple(chosen)


def from_query(
    query: str,
    catalogue: Catalogue,
    cards: Mapping[str, ModelCard],
    own_tracks: OwnTracks | None = None,
) -> tuple[ViewState, list[str]]:
    """Reads a link; whatever it holds, the result is a view that can be shown.

    Args:
        query: Percent-encoded query of the link, with or without ``?``.
        catalogue: The genomes that are served; at least one.
        cards: The models by id, in order of preference.
        own_tracks: Where tracks are that visitors have brought.

    Returns:
        The view, and one sentence for each thing that could not be read.

    Raises:
        NotFoundError: No genome is served at all.
    """
    if not catalogue.bundles:
        raise NotFoundError("No genome is loaded. Start with: locuscope serve --genome FOLDER")
    reader = _Reader(query)
    bundle = _read_genome(reader, catalogue)
    if bundle.views and not _CHOICES & set(reader.values):
        for key, value in parse_qsl(bundle.views[0].link, keep_blank_values=True):
            reader.values.setdefault(key, []).append(value)
    own, bundle = _read_own(reader, bundle, own_tracks)
    card = _read_model(reader, bundle, cards)
    locus = _read_locus(reader, bundle, card)
    chosen = _read_rows(reader, bundle, card)
    state = ViewState(
        genome=bundle.id,
        locus=locus.interval,
        model=card.id if card else "",
        own=own,
        biosamples=_read_biosamples(reader, bundle, card, chosen["tracks"]),
        edits=_read_edits(reader, bundle, locus),
        compare=reader.take_choice("compare", get_args(Compare)),  # type: ignore[arg-type]
        highlights=reader.take_all("highlight", lambda text: _highlight(text, bundle)),
        anchor=_read_anchor(reader, bundle),
        ism=_read_ism(reader, bundle, card),
        mode=reader.take_choice("mode", get_args(Mode)),  # type: ignore[arg-type]
        theme=reader.take_choice("theme", get_args(Theme)),  # type: ignore[arg-type]
        autoscale=reader.take_choice("autoscale", get_args(Autoscale)),  # type: ignore[arg-type]
        strand=reader.take_choice("strand", get_args(Strands)),  # type: ignore[arg-type]
        frames=reader.take_choice("frames", get_args(Frames)),  # type: ignore[arg-type]
        genes=reader.take_choice("genes", get_args(GeneRows)),  # type: ignore[arg-type]
        ensemble=reader.take_choice("ensemble", get_args(Ensemble)),  # type: ignore[arg-type]
        panel=reader.take_choice("panel", get_args(Panel)),  # type: ignore[arg-type]
        **chosen,  # type: ignore[arg-type]
    )
    return state, reader.finish()


def _read_genome(reader: _Reader, catalogue: Catalogue) -> Bundle:
    text = reader.take("genome")
    bundle = reader.attempt(catalogue.get, text) if text else None
    return bundle or next(iter(catalogue.bundles.values()))


def _read_own(
    reader: _Reader, bundle: Bundle, own_tracks: OwnTracks | None
) -> tuple[tuple[str, ...], Bundle]:
    """Reads which tracks a visitor has brought, and adds them to the genome."""
    if own_tracks is None:
        return (), bundle

    def known(id_: str) -> str:
        own_tracks.open(id_, bundle)
        return id_

    own = reader.take_all("own", known)
    if len(own) > MAX_OWN:
        reader.notices.append(f"Shown are the first {MAX_OWN} of {len(own)} own tracks.")
    return own[:MAX_OWN], own_tracks.with_own(bundle, own[:MAX_OWN])


def _read_model(
    reader: _Reader, bundle: Bundle, cards: Mapping[str, ModelCard]
) -> ModelCard | None:
    if reader.values.get("model") == [""]:
        reader.take("model")
        return None
    text = reader.take("model")
    known = reader.attempt(lambda t: _known("model", t, cards), text) if text else None
    return cards[known] if known else default_card(bundle, cards)


def _read_locus(reader: _Reader, bundle: Bundle, card: ModelCard | None) -> Locus:
    text = reader.take("locus")
    try:
        if text:
            return parse_locus(text, bundle)
    except LocuscopeError as error:
        reader.notices.append(_sentence(error))
        with suppress(LocuscopeError):  # the nearest reading may lie where there is no sequence
            nearest = parse_locus(error.suggestion or "", bundle)
            if nearest.kind == "interval":  # never a gene or variant that nobody asked for
                reader.notices[-1] += f" Shown is {format_interval(nearest.interval)}."
                return nearest
    return parse_locus(format_interval(default_locus(bundle, card)), bundle)


def _read_biosamples(
    reader: _Reader, bundle: Bundle, card: ModelCard | None, tracks: tuple[object, ...]
) -> tuple[str, ...]:
    known = [c.biosample for c in biosamples(bundle, card)]
    # A link that names tracks and no biosamples means those of its tracks.
    shown = [row for row in all_rows(bundle, card) if row.id in tracks and row.biosample]
    default = tuple(dict.fromkeys(row.biosample.key for row in shown if row.biosample))
    default = default or default_biosamples(bundle, card)
    if "biosample" not in reader.values:
        return default
    keys = {b.name: b.key for b in known} | {b.key: b.key for b in known}
    none_asked = not any(reader.values["biosample"])
    chosen = reader.take_all("biosample", lambda text: keys[_known("biosample", text, keys)])
    return chosen if chosen or none_asked else default


def _read_rows(
    reader: _Reader, bundle: Bundle, card: ModelCard | None
) -> dict[str, tuple[object, ...]]:
    by_id = row_ids(bundle, card)

    def row_id(text: str) -> str:
        return by_id[_known("track", text, by_id)]

    def style(text: str) -> tuple[str, RowStyle]:
        name, value = _style(text)
        return row_id(name), replace(value, over=row_id(value.over)) if value.over else value

    styles = dict(reader.take_all("style", style))
    return {
        "tracks": reader.take_all("track", row_id),
        "hidden": reader.take_all("hide", row_id),
        "styles": tuple((name, value) for name, value in styles.items() if value != RowStyle()),
    }


def _read_edits(reader: _Reader, bundle: Bundle, locus: Locus) -> tuple[SequenceEdit, ...]:
    """Reads what can be made together; what overlaps an edit before it is left out."""
    asked = [
        edit
        for key in ("variant", "edit")
        for edit in reader.take_all(key, lambda text: parse_edit(text, bundle))
    ]
    if locus.variant and not asked:
        asked.append(variant_edit(locus.variant))
    kept: list[SequenceEdit] = []
    for edit in asked:
        try:
            check_edits([*kept, edit])
        except LocuscopeError as error:
            reader.notices.append(error.message)
        else:
            kept.append(edit)
    return tuple(sorted(kept, key=lambda e: (e.place.chromosome, e.place.start, e.text)))


def _read_anchor(reader: _Reader, bundle: Bundle) -> Interval | None:
    """Reads one base; of an interval it is the one in its middle."""
    text = reader.take("anchor")
    where = reader.attempt(lambda t: parse_locus(t, bundle).interval, text) if text else None
    if where is None:
        return None
    middle = (where.start + where.end) // 2
    return Interval(where.chromosome, middle, middle + 1)


def _read_ism(reader: _Reader, bundle: Bundle, card: ModelCard | None) -> Ism | None:
    text = reader.take("ism")
    return reader.attempt(lambda t: read_ism(t, bundle, card), text) if text else None


def _highlight(text: str, bundle: Bundle) -> Highlight:
    where, _, note = text.partition(";")
    return Highlight(parse_locus(where, bundle).interval, note)
