"""The in silico mutagenesis of a view: its part of the link, and what that refers to."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, TypeVar, get_args

from alphagenome.data.genome import Interval

from app.errors import BadInputError, LimitError, NotFoundError
from app.genome.catalogue import Bundle
from app.genome.genes import Transcript
from app.genome.locus import format_interval, parse_locus
from app.inference.mutagenesis import CONTACT_BINS, MASK_HALF, MAX_WIDTH, default_score
from app.inference.requests import Attribution, Score
from app.web.transcripts import longest_per_gene
from models.card import ModelCard, Track

Method = Literal["ism", "gradient", "deeplift"]
Background = Literal["reference", "alternate"]
Show = Literal["logo", "heat", "lollipop"]
Word = TypeVar("Word", bound=str)

#: bp on either side of a transcription start that the read-out ``tss:GENE`` covers.
TSS_HALF = 250
SCORES: tuple[Score, ...] = get_args(Score)
METHODS: tuple[Method, ...] = ("ism", *get_args(Attribution))
BACKGROUNDS: tuple[Background, ...] = get_args(Background)
SHOWN: tuple[Show, ...] = get_args(Show)
#: Genes, and introns of a junction track, that are offered as read-outs.
MAX_GENES = 4
MAX_INTRONS = 12
#: Modalities that are read out at the nearest gene, and where.
AT_GENES = {"RNA_SEQ": "exons", "CAGE": "tss", "PROCAP": "tss"}
#: What the mask of a junction track begins with.
JUNCTION = "junction:"
_PART = re.compile(r";(track|mask|score|by|on|show)=")


@dataclass(frozen=True)
class Ism:
    """What is mutated or explained in a view, and by which read-out.

    Attributes:
        interval: 0-based half-open, at most ``MAX_WIDTH`` wide.
        track: Id of the predicted track that is read out.
        mask: Where: an interval as in a link, ``exons:GENE`` or ``tss:GENE``; of a junction track
            ``junction:START-END``, first and last base of the intron, counted as in a link.
        score: How the change of the read-out is told.
        method: ``ism``, or how else bases are explained; ``deeplift`` where the card has it.
        background: The sequence that is changed: the reference, or what the edits of the view
            make of it.
        show: How it is drawn.
    """

    interval: Interval
    track: str
    mask: str
    score: Score
    method: Method = "ism"
    background: Background = "reference"
    show: Show = "logo"

    def to_text(self) -> str:
        """Returns its part of a link: ``chr22:1-200;track=...;mask=...;score=lfc``."""
        parts = [_plain(self.interval), f"track={self.track}", f"mask={self.mask}"]
        parts.append(f"score={self.score}")
        for key, word, default in (
            ("by", self.method, METHODS[0]),
            ("on", self.background, BACKGROUNDS[0]),
            ("show", self.show, SHOWN[0]),
        ):
            if word != default:
                parts.append(f"{key}={word}")
        return ";".join(parts)


def read_ism(text: str, bundle: Bundle, card: ModelCard | None) -> Ism:
    """Reads what ``Ism.to_text`` wrote, or an interval alone.

    Args:
        text: Where, and any of the parts ``track``, ``mask``, ``score``, ``by``, ``on`` and
            ``show``. Without a mask the read-out lies at the nearest gene for what is
            transcribed, is the nearest annotated intron for junctions, and lies around the middle
            of the interval for all else.
        bundle: The genome.
        card: The model of the view.

    Raises:
        BadInputError: It cannot be read, there is no model to ask, or none that can be explained
            by this method.
        NotFoundError: There is no such track or gene.
        LimitError: The interval is too long.
    """
    if card is None:
        raise BadInputError("In silico mutagenesis needs a model. Choose one on the left.")
    place, *rest = _PART.split(text)
    parts = dict(zip(rest[::2], rest[1::2], strict=True))
    interval = parse_locus(place, bundle).interval
    if interval.width > MAX_WIDTH:
        raise LimitError(
            f"In silico mutagenesis takes {MAX_WIDTH} bp at most, not {interval.width:,}. "
            "Choose a shorter region."
        )
    track = _track(parts.get("track", ""), card)
    mask = parts.get("mask", "")
    _check_kind(mask, track)
    made = Ism(
        interval=interval,
        track=track.id,
        mask=mask or default_mask(interval, track, bundle, card),
        score=_word(parts.get("score", ""), SCORES, "score") or default_score(track),
        method=_word(parts.get("by", ""), METHODS, "method") or METHODS[0],
        background=_word(parts.get("on", ""), BACKGROUNDS, "background") or BACKGROUNDS[0],
        show=_word(parts.get("show", ""), SHOWN, "drawing") or SHOWN[0],
    )
    if made.method == "deeplift" and not card.deep_lift:
        raise BadInputError(f"{card.title} is not explained by DeepLIFT. Choose ism or gradient.")
    if mask and not mask.startswith(("exons:", "tss:", JUNCTION)):
        made = replace(made, mask=_plain(parse_locus(mask, bundle).interval))
    masks(made, bundle)
    return made


def masks(ism: Ism, bundle: Bundle) -> list[tuple[int, int]]:
    """Returns where a read-out lies, as positions on the chromosome of the interval.

    Raises:
        BadInputError: The mask lies on another chromosome.
        NotFoundError: There is no such gene.
    """
    kind, _, name = ism.mask.partition(":")
    if kind in ("exons", "tss"):
        gene = _transcript(name, bundle)
        _check_chromosome(ism, gene.chromosome)
        if kind == "exons":
            return list(gene.exons)
        start = transcription_start(gene)
        return [(max(start - TSS_HALF, 0), start + TSS_HALF + 1)]
    where = parse_locus(_place(ism), bundle).interval
    _check_chromosome(ism, where.chromosome)
    length = bundle.reference.length(where.chromosome)
    return [(where.start, where.end if length is None else min(where.end, length))]


def mask_text(ism: Ism) -> str:
    """Returns the mask as people read it."""
    kind, _, name = ism.mask.partition(":")
    words = {"exons": f"the exons of {name}", "tss": f"the start of {name}, ±{TSS_HALF} bp"}
    if kind in words:
        return words[kind]
    chromosome, start, end = re.split("[:-]", _place(ism))
    return format_interval(Interval(chromosome, int(start) - 1, int(end)))


def place_text(ism: Ism, track: Track) -> str:
    """Returns where a track is read out, as people read it."""
    words = {"contacts": "across the middle of", "junctions": "of the intron", "signal": "over"}
    return f"{words[track.kind]} {mask_text(ism)}"


def mask_choices(ism: Ism, bundle: Bundle, card: ModelCard) -> list[tuple[str, str]]:
    """Returns masks that one may choose, each with what people read; that of the link first."""
    track = _track(ism.track, card)
    found = [ism.mask]
    if track.kind == "junctions":
        introns = near_introns(ism.interval, track, bundle, card)
        found += [_junction(intron) for intron in introns[:MAX_INTRONS]]
    else:
        found.append(_plain(_around(ism.interval, track)))
    if track.kind == "signal":
        found.append(_plain(ism.interval))
        for gene in near_genes(ism.interval, bundle, card)[:MAX_GENES]:
            found += [f"tss:{gene.symbol}", f"exons:{gene.symbol}"]
    return [(mask, mask_text(replace(ism, mask=mask))) for mask in dict.fromkeys(found)]


def default_mask(interval: Interval, track: Track, bundle: Bundle, card: ModelCard) -> str:
    """Returns where a track is read out if nobody says where.

    Raises:
        BadInputError: It is a junction track, and no annotated intron is near.
    """
    if track.kind == "junctions":
        introns = near_introns(interval, track, bundle, card)
        if not introns:
            raise BadInputError(
                f"No annotated intron lies near {format_interval(interval)}. Click the arc of a "
                "junction to read it out."
            )
        return _junction(introns[0])
    for gene in near_genes(interval, bundle, card) if track.modality in AT_GENES else ():
        if track.strand in (".", gene.strand):
            return f"{AT_GENES[track.modality]}:{gene.symbol}"
    return _plain(_around(interval, track))


def near_genes(interval: Interval, bundle: Bundle, card: ModelCard) -> list[Transcript]:
    """Returns the genes that one window reads together with an interval, nearest start first."""
    reach = card.output_width // 2
    near = Interval(interval.chromosome, max(interval.start - reach, 0), interval.end + reach)
    found = [
        t
        for t in longest_per_gene(bundle.genes.overlapping(near))
        if near.start <= t.start and t.end <= near.end
    ]
    middle = (interval.start + interval.end) // 2
    return sorted(found, key=lambda t: abs(transcription_start(t) - middle))


def near_introns(
    interval: Interval, track: Track, bundle: Bundle, card: ModelCard
) -> list[Interval]:
    """Returns annotated introns on the strand of a track, the one with the nearest end first."""
    middle = (interval.start + interval.end) // 2
    found = [
        Interval(interval.chromosome, start, end)
        for gene in near_genes(interval, bundle, card)
        if track.strand in (".", gene.strand)
        for (_, start), (end, _) in pairwise(gene.exons)
    ]
    return sorted(found, key=lambda one: min(abs(one.start - middle), abs(one.end - middle)))


def transcription_start(gene: Transcript) -> int:
    """Returns the first base that is transcribed, 0-based."""
    return gene.end - 1 if gene.strand == "-" else gene.start


def _track(text: str, card: ModelCard) -> Track:
    """Returns a track by its id, or the first one of a row, or of the model for no text."""
    for track in card.tracks:
        if text in ("", track.id, track.id.rpartition("/")[0], track.id.replace("+", " ")):
            return track
    raise NotFoundError(f"{card.title} has no track “{text[:60]}”.")


def _word(text: str, known: Sequence[Word], what: str) -> Word | None:
    for word in known:
        if text == word:
            return word
    if text:
        words = " or ".join(filter(None, (", ".join(known[:-1]), known[-1])))
        raise BadInputError(f"“{text[:60]}” is no {what} of in silico mutagenesis; it is {words}.")
    return None


def _check_kind(mask: str, track: Track) -> None:
    """Raises BadInputError where a mask is not such as the track is read out over."""
    is_junction = mask.startswith(JUNCTION)
    if is_junction and not re.fullmatch(r"\d+-\d+", mask.removeprefix(JUNCTION)):
        raise BadInputError(
            f"“{mask[:60]}” names no junction. Write junction:START-END, the first and the last "
            "base of its intron."
        )
    if mask and is_junction != (track.kind == "junctions"):
        raise BadInputError(
            "A junction track is read out at one intron, junction:START-END, and any other track "
            "over an interval or a gene. Choose a read-out that fits."
        )


def _place(ism: Ism) -> str:
    """Returns the interval that a mask is, as in a link."""
    if ism.mask.startswith(JUNCTION):
        return f"{ism.interval.chromosome}:{ism.mask.removeprefix(JUNCTION)}"
    return ism.mask


def _junction(intron: Interval) -> str:
    return JUNCTION + _plain(intron).rpartition(":")[2]


def _around(interval: Interval, track: Track) -> Interval:
    half = CONTACT_BINS * track.resolution if track.modality == "CONTACT_MAPS" else MASK_HALF
    middle = (interval.start + interval.end) // 2
    return Interval(interval.chromosome, max(middle - half, 0), middle + half + 1)


def _plain(interval: Interval) -> str:
    return format_interval(interval).replace(",", "")


def _transcript(name: str, bundle: Bundle) -> Transcript:
    hit = bundle.genes.find(name)
    if hit is None:
        raise NotFoundError(f"There is no gene “{name[:60]}” in this genome.")
    found = [
        t
        for t in longest_per_gene(bundle.genes.overlapping(hit.gene.interval))
        if t.gene == hit.gene
    ]
    return found[0]


def _check_chromosome(ism: Ism, chromosome: str) -> None:
    if chromosome != ism.interval.chromosome:
        raise BadInputError(
            f"The read-out lies on {chromosome} and the region on {ism.interval.chromosome}. "
            "Both must be on one chromosome."
        )
