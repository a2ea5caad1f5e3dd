"""Places on the genome as people write them: the one module where 0-based meets 1-based."""

from __future__ import annotations

import difflib
import re
import unicodedata
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

from alphagenome.data.genome import Interval, Variant

from app.errors import (
    BadInputError,
    LimitError,
    NotFoundError,
    ReferenceMismatchError,
    SequenceUnavailableError,
)
from app.genome.chromosomes import ACCESSIONS, ASSEMBLY_LENGTHS

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.genome.genes import Gene

MAX_TEXT = 1_000
#: What is shown on either side of a single position or variant, in bp.
POSITION_FLANK = 500
#: What is shown on either side of a gene, as a part of its width.
GENE_MARGIN = 0.1

_EXAMPLES = "Try chr1:1,000-2,000, a gene such as MAPK1, or chr1-12345-A-G."
_REGION = re.compile(r"(?P<chromosome>.+):(?P<start>\d+)-(?P<end>\d+)")
_DASHES = dict.fromkeys(map(ord, "\u2010\u2011\u2012\u2013\u2014\u2015\u2212"), "-")
# Digits with comma, underscore, apostrophe or single blanks between thousands; or 1.2M and 12k.
_NUMBER = r"(?:\d{1,3}(?: \d{3})+|\d[\d,_']*(?:\.\d+)?\s?[kKmM]?)(?:\s?[bB][pP]?)?"
_BED = re.compile(r"([^\s:]+|\S+(?=\t))\s+(\d[\d,]*)\s+(\d[\d,]*)(\t.*)?")
_RANGE = re.compile(rf"(\S+?)\s*[:\s]\s*({_NUMBER})\s*(?:-|\.\.+)\s*({_NUMBER})")
_DASH_RANGE = re.compile(rf"(\S+?)-({_NUMBER})-({_NUMBER})")
_POSITION = re.compile(rf"(\S+?)\s*[:\s]\s*({_NUMBER})")
_VARIANT = re.compile(
    r"(\S+?)[:\-_\s]\s*(\d[\d,]*)\s*[:\-_\s]?\s*([A-Za-z]+)\s*[>\-:_/\s]\s*([A-Za-z]+)"
)
#: The first columns of a line of VCF: chromosome, position, id, REF, ALT.
VARIANT_LINE = re.compile(r"(\S+)\s+(\d{1,10})\s+\S+\s+([A-Za-z]+)\s+([A-Za-z,]+)(?:\s.*)?")
_HGVS = re.compile(r"(\S+?):\s*g\.\s*(.+)")
_HGVS_SUBSTITUTION = re.compile(r"(\d+)([ACGTacgt]+)>([ACGTacgt]+)")

LocusKind = Literal["interval", "position", "gene", "chromosome", "variant"]


@dataclass(frozen=True)
class Locus:
    """A place that was typed, and how it was understood.

    Attributes:
        interval: What to show, 0-based half-open, by the reference's chromosome names.
        kind: Which reading was used.
        label: That reading in words, 1-based.
        variant: The variant, its REF checked against the sequence; None for other kinds.
        gene: The gene; None for other kinds.
    """

    interval: Interval
    kind: LocusKind
    label: str
    variant: Variant | None = None
    gene: Gene | None = None


def format_position(chromosome: str, position0: int) -> str:
    """Returns a 0-based position as people read it: ``chr22:21,691,454``."""
    return f"{chromosome}:{position0 + 1:,}"


def format_interval(interval: Interval) -> str:
    """Returns a 0-based half-open interval as people read it: ``chr22:21,691,454-21,822,524``."""
    return f"{interval.chromosome}:{interval.start + 1:,}-{interval.end:,}"


def format_variant(variant: Variant) -> str:
    """Returns a variant as ``chr22:21,691,454 A>G``."""
    place = format_position(variant.chromosome, variant.position - 1)
    return f"{place} {variant.reference_bases}>{variant.alternate_bases}"


def format_width(width: int) -> str:
    """Returns a width in bp with three significant digits at most: ``131 kb``, ``1.2 Mb``."""
    for unit, name in ((1_000_000, "Mb"), (1_000, "kb")):
        # 999,500 bp is 1 Mb in three digits, not 1,000 kb.
        if width >= unit * 0.9995:
            digits = f"{width / unit:.3g}" if width < 999.5 * unit else f"{width / unit:,.0f}"
            return f"{digits} {name}"
    return f"{width} bp"


def parse_region(name: str) -> Interval | None:
    """Reads a name such as ``chr1:1001-2000`` (1-based inclusive, as samtools writes it).

    Returns:
        The interval, 0-based half-open, or None where the name is not of that form.
    """
    match = _REGION.fullmatch(name)
    if not match or not 0 < int(match["start"]) <= int(match["end"]):
        return None
    return Interval(match["chromosome"], int(match["start"]) - 1, int(match["end"]))


def parse_locus(text: str, bundle: Bundle) -> Locus:
    """Reads a place in any usual spelling.

    ``chr1:1,000-2,000``, ``1:1000..2000`` and ``chr1:1.2M-1.3M`` are 1-based inclusive. Three
    fields with blanks or tabs between them (``chr1 1000 2000``) are BED: 0-based half-open. One
    position is shown with some sequence around it, a gene (symbol, alias or id) with a margin,
    and a chromosome as a whole, or its first piece where the reference has only pieces. Variants
    are ``chr-pos-ref-alt``, ``chr:pos:ref>alt`` or HGVS ``chr1:g.12345A>G``.

    Args:
        text: What was typed.
        bundle: The genome on which it is looked up.

    Raises:
        LimitError: The text is longer than ``MAX_TEXT``.
        BadInputError: It cannot be understood, or lies outside the chromosome.
        NotFoundError: There is no such chromosome or gene.
        ReferenceMismatchError: The REF of a variant is not what the sequence has there.
        SequenceUnavailableError: The reference has only pieces, and it lies outside them. An
            interval that reaches beyond a piece is none: panning must not change its width.
    """
    if len(text) > MAX_TEXT:
        raise LimitError(f"A locus can have {MAX_TEXT:,} characters at most.")
    # NFKC turns no-break, thin and other blanks into plain ones, but must keep tabs apart.
    clean = unicodedata.normalize("NFKC", text).translate(_DASHES).strip()
    if not clean:
        raise BadInputError(f"Type a place. {_EXAMPLES}")
    if match := _BED.fullmatch(clean):
        start, end = (int(number.replace(",", "")) for number in match.group(2, 3))
        return _interval(match[1], start, end, bundle, how=" (read as BED, which counts from 0)")
    clean = re.sub(r"\s+", " ", clean)
    if match := _HGVS.fullmatch(clean):
        return _hgvs(match[1], match[2].strip(), bundle)
    if match := _RANGE.fullmatch(clean) or _DASH_RANGE.fullmatch(clean):
        start, end = _number(match[2]), _number(match[3])
        return _interval(match[1], start - 1, end, bundle)
    if match := _POSITION.fullmatch(clean):
        return _position(match[1], _number(match[2]), bundle)
    if match := _VARIANT.fullmatch(clean):
        position = int(match[2].replace(",", ""))
        return variant_at(match[1], position, match[3].upper(), match[4].upper(), bundle)
    return _name(clean, bundle)


def _number(text: str) -> int:
    """Reads ``1,234``, ``1 234``, ``1.2M`` or ``12kb`` as a whole number of bp."""
    digits = re.sub(r"[,_'\s]", "", text).lower().removesuffix("bp").removesuffix("b")
    factor = {"k": 1_000, "m": 1_000_000}.get(digits[-1:], 1)
    value = Decimal(digits.rstrip("km")) * factor
    if value != int(value):
        raise BadInputError(f"{text.strip()} is not a whole number of bases.")
    return int(value)


def _outside(chromosome: str, length: int, reading: str) -> BadInputError:
    return BadInputError(f"{chromosome} has {length:,} bp. Did you mean {reading}?", reading)


def _interval(name: str, start: int, end: int, bundle: Bundle, how: str = "") -> Locus:
    """Reads an interval, 0-based half-open but not yet checked."""
    chromosome = bundle.reference.resolve(name)
    if start >= end:
        if how and start == end:
            raise BadInputError("Start and end are the same: a BED interval would be empty.")
        swapped = format_interval(Interval(chromosome, max(end - 1, 0), start + 1))
        raise BadInputError(f"The start is after the end. Did you mean {swapped}?", swapped)
    if start < 0:
        reading = format_interval(Interval(chromosome, 0, end))
        raise BadInputError(f"Positions start at 1. Did you mean {reading}?", reading)
    length = bundle.reference.length(chromosome)
    if length is not None and end > length:
        left = start if start < length else max(0, length - (end - start))
        reading = format_interval(Interval(chromosome, left, length))
        raise _outside(chromosome, length, reading)
    interval = Interval(chromosome, start, end)
    piece = _best_piece(interval, bundle)
    if piece is None:
        bundle.reference.piece_containing(interval)  # raises, and names the nearest piece
    elif _clip(interval, piece) != interval:
        how += ", in part beyond the sequence of this genome"
    return Locus(interval, "interval", format_interval(interval) + how)


def _best_piece(interval: Interval, bundle: Bundle) -> Interval | None:
    """Returns the piece that shares most with an interval, or None where none shares any."""
    pieces = [p for p in bundle.reference.pieces_on(interval.chromosome) if p.overlaps(interval)]
    return max(pieces, key=lambda p: _clip(interval, p).width, default=None)


def _clip(interval: Interval, piece: Interval) -> Interval:
    return Interval(
        piece.chromosome, max(interval.start, piece.start), min(interval.end, piece.end)
    )


def _around(chromosome: str, start: int, end: int, bundle: Bundle) -> Interval:
    """Returns what is shown around a position or variant, within the piece that it lies in."""
    piece = bundle.reference.piece_containing(Interval(chromosome, start, end))
    return _clip(Interval(chromosome, start - POSITION_FLANK, end + POSITION_FLANK), piece)


def _check_position(chromosome: str, position: int, bundle: Bundle) -> None:
    if position < 1:
        reading = format_position(chromosome, 0)
        raise BadInputError(f"Positions start at 1. Did you mean {reading}?", reading)
    length = bundle.reference.length(chromosome)
    if length is not None and position > length:
        raise _outside(chromosome, length, format_position(chromosome, length - 1))


def _position(name: str, position: int, bundle: Bundle) -> Locus:
    """Reads one position, 1-based."""
    chromosome = bundle.reference.resolve(name)
    _check_position(chromosome, position, bundle)
    interval = _around(chromosome, position - 1, position, bundle)
    label = f"{format_position(chromosome, position - 1)}, {format_width(interval.width)} around it"
    return Locus(interval, "position", label)


def _hgvs(name: str, change: str, bundle: Bundle) -> Locus:
    accession = ACCESSIONS.get(name.upper())
    if accession:
        assembly, chromosome = accession
        ours = bundle.assembly
        if ours in ASSEMBLY_LENGTHS and ours != assembly:
            raise BadInputError(f"{name} is {chromosome} of {assembly}, but this genome is {ours}.")
        name = chromosome
    elif name.upper().startswith("NC_"):
        raise NotFoundError(
            f"The accession {name} is not known here. Write the chromosome instead: chr1:g.{change}"
        )
    match = _HGVS_SUBSTITUTION.fullmatch(change)
    if not match:
        raise BadInputError(
            f"Of HGVS, only substitutions such as {name}:g.12345A>G can be read. "
            "Write other variants as chr-pos-ref-alt."
        )
    return variant_at(name, int(match[1]), match[2].upper(), match[3].upper(), bundle)


def variant_at(name: str, position: int, ref: str, alt: str, bundle: Bundle) -> Locus:
    """Reads a variant.

    Args:
        name: Chromosome in any spelling.
        position: 1-based position of the first base of REF.
        ref: REF in upper case.
        alt: ALT in upper case.
        bundle: The genome.

    Raises:
        LocuscopeError: As ``parse_locus``.
    """
    if set(ref + alt) - set("ACGT"):
        raise BadInputError(f"{ref}>{alt} has letters other than A, C, G and T.")
    chromosome = bundle.reference.resolve(name)
    _check_position(chromosome, position, bundle)
    place = Interval(chromosome, position - 1, position - 1 + len(ref))
    there = bundle.reference.fetch(place)
    if there != ref:
        where = format_position(chromosome, position - 1)
        raise ReferenceMismatchError(
            f"The reference has {_short(there)} at {where}, not {_short(ref)}.",
            f"{where} {there}>{alt}" if there != alt and "N" not in there else None,
        )
    if ref == alt:
        raise BadInputError(f"{ref}>{alt} changes nothing.")
    variant = Variant(chromosome, position, ref, alt)
    interval = _around(chromosome, place.start, place.end, bundle)
    return Locus(interval, "variant", f"variant {format_variant(variant)}", variant=variant)


def _name(text: str, bundle: Bundle) -> Locus:
    """Reads a chromosome or gene name."""
    chromosome = bundle.reference.names.find(text)
    if chromosome is not None:
        pieces = bundle.reference.pieces_on(chromosome)
        label = f"all of {chromosome}"
        if bundle.reference.chromosomes[chromosome] is None:
            which = "only piece" if len(pieces) == 1 else f"first of {len(pieces)} pieces"
            label = f"the {which} of {chromosome} that this genome has"
        piece = Interval(chromosome, pieces[0].start, pieces[0].end)
        return Locus(piece, "chromosome", label)
    hit = bundle.genes.find(text)
    if hit is None:
        raise _unknown_name(text, bundle)
    gene = hit.gene
    piece_or_none = _best_piece(gene.interval, bundle)
    if piece_or_none is None:
        nearest = format_interval(bundle.reference.nearest_piece(gene.interval))
        raise SequenceUnavailableError(
            f"{gene.symbol} lies at {format_interval(gene.interval)}, which the sequence of this "
            f"genome does not cover. The nearest part that it has is {nearest}.",
            nearest,
        )
    margin = round((gene.end - gene.start) * GENE_MARGIN)
    interval = _clip(
        Interval(gene.chromosome, gene.start - margin, gene.end + margin), piece_or_none
    )
    label = f"gene {gene.symbol}"
    if hit.matched != gene.symbol:
        label += f" ({hit.matched})"
    if interval.start > gene.start or interval.end < gene.end:
        label += ", the part that this genome covers"
    return Locus(interval, "gene", label, gene=gene)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def _unknown_name(text: str, bundle: Bundle) -> NotFoundError | BadInputError:
    shown = _short(text)
    if re.fullmatch(r"rs\d+", text, re.IGNORECASE):
        return BadInputError(f"{shown}: rs numbers are not known here. Write chr-pos-ref-alt.")
    if not re.fullmatch(r"[\w.\-()/@*+']+", text):
        return BadInputError(f"{shown!r} is not a place on this genome. {_EXAMPLES}")
    begins = [hit.matched for hit in bundle.genes.search(text, limit=3)]
    near = begins or _similar(text, bundle.genes.symbols)
    if not near:
        return NotFoundError(f"{shown} is no gene or chromosome of this genome. {_EXAMPLES}")
    names = " or ".join([", ".join(near[:-1]), near[-1]] if len(near) > 1 else near)
    return NotFoundError(
        f"{shown} is no gene or chromosome of this genome. Did you mean {names}?", near[0]
    )


def _similar(text: str, symbols: tuple[str, ...]) -> list[str]:
    wanted = text.upper()
    by_upper = {symbol.upper(): symbol for symbol in symbols}

    def nearness(name: str) -> tuple[float, int]:
        matcher = difflib.SequenceMatcher(None, wanted, name)
        first = matcher.get_matching_blocks()[0]
        return matcher.ratio(), first.size if first.a == first.b == 0 else 0

    # Of names that are equally near, those that begin alike: TP53 before TPM4 for TP54.
    near = difflib.get_close_matches(wanted, by_upper, n=10, cutoff=0.7)
    return [by_upper[name] for name in sorted(near, key=nearness, reverse=True)[:3]]
