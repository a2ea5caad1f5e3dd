"""Edits of the sequence as people write them: variants, and changes of a whole interval."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from alphagenome.data.genome import Interval, Variant

from app.errors import BadInputError, LimitError, NotFoundError
from app.genome.haplotype import Haplotype, Replacement, haplotype
from app.genome.locus import (
    VARIANT_LINE,
    format_interval,
    format_position,
    format_variant,
    format_width,
    parse_locus,
    variant_at,
)
from app.genome.shuffle import dinucleotide_shuffle
from models.teaching.motifs import jaspar

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle

Kind = Literal["variant", "deletion", "inversion", "duplication", "shuffle", "insertion"]

#: Longest text of one edit: it becomes part of the link.
MAX_TEXT = 4_000
#: Most edits at once.
MAX_EDITS = 20
#: Most bases that one edit inserts, inverts or shuffles, and deletes.
MAX_INSERTED = 10_000
MAX_CHANGED = 100_000
MAX_DELETED = 1_000_000
MAX_SEED = 999_999

_WORDS: dict[str, Kind] = {
    "del": "deletion", "delete": "deletion", "deletion": "deletion",
    "inv": "inversion", "invert": "inversion", "inversion": "inversion",
    "dup": "duplication", "duplicate": "duplication", "duplication": "duplication",
    "shuffle": "shuffle",
    "ins": "insertion", "insert": "insertion", "insertion": "insertion",
}  # fmt: skip
_CODES: dict[Kind, str] = {
    "deletion": "del",
    "inversion": "inv",
    "duplication": "dup",
    "shuffle": "shuffle",
    "insertion": "ins",
}
_EDIT = re.compile(
    rf"(?P<name>\S+?)\s*:\s*(?:g\.)?(?P<start>\d[\d,]*)(?:\s*(?:-|_|\.\.)\s*(?P<end>\d[\d,]*))?"
    rf"[\s:]*(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))})"
    r"[\s:]*(?P<rest>[^;]*?)\s*(?:;(?P<note>.*))?",
    re.IGNORECASE | re.DOTALL,
)
_EXAMPLES = (
    "Try chr1:12345:A>G, chr1-12345-A-G, chr1:12001-12100:del (or inv, dup, shuffle), "
    "chr1:12345:ins:ACGT or chr1:12345:ins:CTCF."
)
_COMPLEMENT = str.maketrans("ACGTN", "TGCAN")


@dataclass(frozen=True)
class SequenceEdit:
    """One edit.

    Attributes:
        kind: What is done.
        place: What it is done to, 0-based half-open: the bases of REF, the interval that is
            deleted, inverted, shuffled or duplicated; for an insertion the base that it follows.
        reference: REF of a variant; empty for all others.
        alternate: ALT of a variant or the inserted bases; empty for all others.
        seed: Of the shuffle.
        note: Name of the motif that is inserted; may be empty.
        replacement: What it does to the sequence.
    """

    kind: Kind
    place: Interval
    replacement: Replacement
    reference: str = ""
    alternate: str = ""
    seed: int = 1
    note: str = ""

    @property
    def variant(self) -> Variant | None:
        """The edit as a variant of the SDK, or None where it is none."""
        if self.kind != "variant":
            return None
        where = self.place
        return Variant(where.chromosome, where.start + 1, self.reference, self.alternate)

    @property
    def text(self) -> str:
        """The edit as it stands in a link; ``parse_edit`` reads it."""
        if self.variant is not None:
            return format_variant(self.variant).replace(",", "").replace(" ", ":")
        one_base = self.kind == "insertion"
        where = format_interval(self.place) if not one_base else self._position
        text = f"{where.replace(',', '')}:{_CODES[self.kind]}"
        if self.kind == "shuffle":
            text += f":{self.seed}"
        if self.kind == "insertion":
            text += f":{self.alternate}" + (f";{self.note}" if self.note else "")
        return text

    @property
    def _position(self) -> str:
        return format_position(self.place.chromosome, self.place.start)

    @property
    def label(self) -> str:
        """The edit in words, with 1-based positions."""
        if self.variant is not None:
            ref, alt = (_shortened(text) for text in (self.reference, self.alternate))
            return f"{self._position} {ref}>{alt}"
        if self.kind == "insertion":
            what = self.note or _shortened(self.alternate)
            return f"{what} inserted after {self._position}"
        done = {"deletion": "deleted", "inversion": "inverted", "duplication": "duplicated"}
        return f"{format_interval(self.place)} {done.get(self.kind, 'shuffled')}"

    @property
    def detail(self) -> str:
        """How much of the sequence it concerns, in words."""
        if self.kind == "shuffle":
            return f"{format_width(self.place.width)}, dinucleotides kept, seed {self.seed}"
        shift = self.replacement.shift
        if shift:
            return f"{'+' if shift > 0 else '−'}{format_width(abs(shift))}"
        return "" if self.kind == "variant" else format_width(self.place.width)


def _shortened(bases: str) -> str:
    return bases if len(bases) <= 12 else f"{bases[:8]}… ({len(bases):,} bp)"


def parse_edit(text: str, bundle: Bundle) -> SequenceEdit:
    """Reads one edit in any usual spelling.

    Variants as the locus box takes them (``chr-pos-ref-alt``, ``chr:pos:ref>alt``, HGVS
    substitutions), the first columns of a line of VCF, and changes of an interval:
    ``chr1:1001-1100:del`` (or ``inv``, ``dup``, ``shuffle``, ``shuffle:7`` with a seed; also with
    blanks, the whole words, or as HGVS ``chr1:g.1001_1100del``). ``chr1:1001:ins:ACGT`` inserts
    after base 1001; a name of JASPAR (``CTCF``, ``MA1929.1``) in place of the bases inserts the
    consensus of that motif, ``CTCF-`` its other strand. Positions are 1-based inclusive.

    Raises:
        LimitError: It is longer than can be read or computed.
        BadInputError: It cannot be understood, lies outside the chromosome, or changes nothing.
        NotFoundError: There is no such chromosome or motif.
        ReferenceMismatchError: REF is not what the sequence has there.
        SequenceUnavailableError: The genome has no sequence there.
    """
    clean = text.strip()
    if len(clean) > MAX_TEXT:
        raise LimitError(
            f"This edit has {len(clean):,} characters. It becomes part of the link, which takes "
            f"{MAX_TEXT:,}; to insert up to {MAX_INSERTED:,} bp, duplicate an interval."
        )
    if not clean:
        raise BadInputError(f"Type a variant or an edit. {_EXAMPLES}")
    if match := VARIANT_LINE.fullmatch(clean):
        return _variant(match[1], int(match[2]), match[3].upper(), match[4].upper(), bundle)
    if match := _EDIT.fullmatch(clean):
        return _interval_edit(match, bundle)
    variant = parse_locus(clean, bundle).variant
    if variant is None:
        raise BadInputError(f"“{clean[:60]}” is not a variant or an edit. {_EXAMPLES}")
    return variant_edit(variant)


def _variant(name: str, position: int, ref: str, alt: str, bundle: Bundle) -> SequenceEdit:
    if "," in alt:
        raise BadInputError("This line of VCF has several ALT alleles. Choose one of them.")
    variant = variant_at(name, position, ref, alt, bundle).variant
    assert variant is not None
    return variant_edit(variant)


def variant_edit(variant: Variant) -> SequenceEdit:
    """Returns a variant whose REF has been checked as an edit.

    Bases that REF and ALT begin and end with alike are not replaced.
    """
    ref, alt, start = variant.reference_bases, variant.alternate_bases, variant.start
    _check(len(alt) - len(ref), MAX_INSERTED, "insertion")
    place = Interval(variant.chromosome, start, start + len(ref))
    same = 0
    while same < min(len(ref), len(alt)) and ref[same] == alt[same]:
        same += 1
    end = 0
    while end < min(len(ref), len(alt)) - same and ref[-1 - end] == alt[-1 - end]:
        end += 1
    replacement = Replacement(start + same, start + len(ref) - end, alt[same : len(alt) - end])
    return SequenceEdit("variant", place, replacement, ref, alt)


def _check(width: int, limit: int, what: str) -> None:
    if width > limit:
        raise LimitError(f"This {what} has {width:,} bp; {limit:,} bp are the most.")


def _interval_edit(match: re.Match[str], bundle: Bundle) -> SequenceEdit:
    kind = _WORDS[match["word"].lower()]
    rest = (match["rest"] or "").strip()
    end = match["end"] or match["start"]
    if kind == "insertion":
        if match["end"] and _number(end) == _number(match["start"]) + 1:
            end = match["start"]  # HGVS names both neighbours of what is inserted
        if _number(end) != _number(match["start"]):
            raise BadInputError(f"An insertion follows one base. {_EXAMPLES}")
    elif rest and kind != "shuffle":
        raise BadInputError(f"“{rest[:40]}” cannot be read. {_EXAMPLES}")
    place = parse_locus(f"{match['name']}:{match['start']}-{end}", bundle).interval
    width = place.width
    _check(width, {"deletion": MAX_DELETED, "duplication": MAX_INSERTED}.get(kind, MAX_CHANGED),
           kind)  # fmt: skip
    if kind == "insertion":
        bundle.reference.fetch(place)
        bases, note = _inserted(rest, (match["note"] or "").strip())
        replacement = Replacement(place.end, place.end, bases)
        return SequenceEdit(kind, place, replacement, alternate=bases, note=note)
    seed = _seed(rest) if kind == "shuffle" else 1
    reference = bundle.reference.fetch(place)
    replacement = _replacement(kind, place, reference, seed)
    if kind != "duplication" and replacement.alternate == reference:
        raise BadInputError(f"{format_interval(place)} stays as it is: this edit changes nothing.")
    return SequenceEdit(kind, place, replacement, seed=seed)


def _number(text: str) -> int:
    return int(text.replace(",", ""))


def _replacement(kind: Kind, place: Interval, bases: str, seed: int) -> Replacement:
    if kind == "duplication":
        return Replacement(place.end, place.end, bases)
    if kind == "inversion":
        alternate = bases.translate(_COMPLEMENT)[::-1]
    else:
        alternate = "" if kind == "deletion" else _shuffled(bases, seed)
    return Replacement(place.start, place.end, alternate)


#: A link is read many times while its view is looked at.
_shuffled = lru_cache(maxsize=32)(dinucleotide_shuffle)


def _seed(text: str) -> int:
    if text and not (text.isascii() and text.isdecimal() and int(text[:9]) <= MAX_SEED):
        raise BadInputError(f"The seed of a shuffle is a whole number up to {MAX_SEED:,}.")
    return int(text[:9]) if text else 1


def _inserted(text: str, note: str) -> tuple[str, str]:
    """Returns the bases that are named, and the name of the motif if it is one."""
    bases = re.sub(r"\s", "", text).upper()
    if not bases:
        raise BadInputError(f"Say what to insert: bases or a JASPAR motif. {_EXAMPLES}")
    if not set(bases) - set("ACGT"):
        return bases, note[:40]
    minus = bases.endswith("-")
    wanted = bases.removesuffix("-").removesuffix("+")
    motifs = jaspar()
    for motif in motifs.values():
        accession = motif.accession.upper()
        if wanted in (motif.name.upper(), accession, accession.partition(".")[0]):
            found = motif.consensus
            return (
                found.translate(_COMPLEMENT)[::-1] if minus else found,
                f"{motif.name} {motif.accession}{' on -' if minus else ''}",
            )
    known = ", ".join(sorted(motifs))
    raise NotFoundError(
        f"“{text[:40]}” is neither bases (A, C, G, T) nor a motif that is known here: {known}."
    )


def parse_edits(text: str, bundle: Bundle) -> list[SequenceEdit]:
    """Reads edits, one a line; lines of VCF that begin with ``#`` are passed over.

    Raises:
        LocuscopeError: As ``parse_edit`` and ``check_edits``.
    """
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    if len(lines) > MAX_EDITS:
        raise LimitError(f"{len(lines):,} edits are too many; {MAX_EDITS} can be made at once.")
    edits = [parse_edit(line, bundle) for line in lines or [""]]
    check_edits(edits)
    return edits


def check_edits(edits: Sequence[SequenceEdit]) -> None:
    """Checks that edits can be made together.

    Raises:
        LimitError: There are more than ``MAX_EDITS``.
        BadInputError: Two of them concern the same bases.
    """
    if len(edits) > MAX_EDITS:
        raise LimitError(f"{len(edits):,} edits are too many; {MAX_EDITS} can be made at once.")
    ordered = sorted(edits, key=lambda e: (e.place.chromosome, *_concerned(e)))
    for left, right in itertools.pairwise(ordered):
        if left.place.chromosome != right.place.chromosome:
            continue
        (start, end), (other, other_end) = _concerned(left), _concerned(right)
        if end > other or (start, end) == (other, other_end):
            raise BadInputError(f"{left.label} and {right.label} overlap. Remove one of them.")


def _concerned(edit: SequenceEdit) -> tuple[int, int]:
    """Returns the bases that no other edit may touch; none of them for an insertion."""
    if edit.kind == "duplication":
        return edit.place.start, edit.place.end
    return edit.replacement.start, edit.replacement.end


def haplotype_of(edits: Iterable[SequenceEdit], chromosome: str) -> Haplotype | None:
    """Returns what the edits make of one chromosome, or None where they leave it as it is."""
    return haplotype(chromosome, (e.replacement for e in edits if e.place.chromosome == chromosome))
