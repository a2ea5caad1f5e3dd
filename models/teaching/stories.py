"""The genome teach1: three chromosomes, and six planted stories whose outcome is known."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np

from models.teaching.cells import Cell, cells
from models.teaching.contacts import BIN
from models.teaching.motifs import (
    BASES,
    DATA,
    Codes,
    Scanner,
    decode,
    encode,
    jaspar,
    reverse_complement,
)
from models.teaching.oracle import Truth, oracle
from models.teaching.simulate import (
    Feature,
    Piece,
    Random,
    background,
    chromosome,
    consensus_site,
    either_way,
    enhancer,
    fragile_site,
    gene,
    join,
    repeat_families,
    site,
    spacer,
)
from models.teaching.splicing import Transcripts, splice
from models.teaching.strand import read_strand
from models.teaching.tracks import track_id

SEED = 20_261_121
CHROMOSOME_LENGTH = 2**21
CHROMOSOMES = ("chrT1", "chrT2", "chrT3")
GC = 0.42

Measure = Literal["expression", "inclusion", "accessibility"]


@dataclass(frozen=True)
class StoryVariant:
    """A variant of a story.

    Attributes:
        position: 1-based position of the first base of REF, as in VCF.
        ref: Reference bases.
        alt: Alternate bases.
        causal: Whether it is the one that acts.
    """

    position: int
    ref: str
    alt: str
    causal: bool


@dataclass(frozen=True)
class Story:
    """A planted story and what the oracle says of it.

    Attributes:
        id: Short name.
        title: A few words for people.
        about: What to look at and what to learn.
        chromosome: Where.
        start: First base of the story's domain, 0-based.
        end: One past its last base.
        gene: Symbol of the gene that is concerned.
        cell: Key of the cell type in which it happens; empty if in all.
        measure: What changes: ``expression`` of the gene, ``inclusion`` of its exon, or
            ``accessibility`` (mean ATAC) within 100 bp of the causal variant.
        place: 0-based base where it is measured: start site, last base of the exon, or variant.
        variants: In order of position.
        reference: The measure by cell type on the reference.
        alternate: The measure by cell type with the causal variant.
    """

    id: str
    title: str
    about: str
    chromosome: str
    start: int
    end: int
    gene: str
    cell: str
    measure: Measure
    place: int
    variants: tuple[StoryVariant, ...]
    reference: dict[str, float]
    alternate: dict[str, float]

    @property
    def causal(self) -> StoryVariant:
        """The variant that acts."""
        return next(v for v in self.variants if v.causal)


@dataclass(frozen=True)
class _Plot:
    """A story before it has a place: ``write`` returns a domain with ``variant`` features."""

    id: str
    title: str
    about: str
    gene: str
    cell: str
    measure: Measure
    write: Callable[[Random], Piece]


def cell(key: str) -> Cell:
    """Returns a cell type by its key."""
    return next(c for c in cells() if c.key == key)


def _change(piece: Piece, offset: int, alt: str, ref: str, causal: bool) -> Piece:
    """Notes a variant: its name holds REF, ALT and whether it is causal."""
    name = f"{ref}>{alt}>{'causal' if causal else 'linked'}"
    mark = Feature("variant", name, offset, offset + len(ref))
    fixed = piece.fixed.copy()
    fixed[offset : offset + len(ref)] = True
    return replace(piece, features=(*piece.features, mark), fixed=fixed)


def worst_change(factor: str, word: Codes) -> tuple[int, int]:
    """Returns the offset and base of the single change that costs a site most."""
    bits = jaspar()[factor].bits
    loss = bits[np.arange(len(word)), word][:, None] - bits
    offset, base = np.unravel_index(loss.argmax(), loss.shape)
    return int(offset), int(base)


def _breakable(factor: str, rng: Random) -> Piece:
    """A site with the variant that breaks it."""
    made, offset, base = fragile_site(factor, rng)
    return _change(made, offset, BASES[base], BASES[made.codes[offset]], causal=True)


def _makeable(factor: str) -> Piece:
    """A broken consensus site with the variant that mends it."""
    made = consensus_site(factor)
    offset, base = worst_change(factor, made.codes)
    codes = made.codes.copy()
    codes[offset] = base
    broken = replace(made, codes=codes, features=())
    return _change(broken, offset, BASES[made.codes[offset]], BASES[base], causal=True)


def _row(pieces: list[Piece | str], rng: Random) -> Piece:
    """Sites nine bases apart; names stand for strong sites."""
    parts = []
    for piece in pieces:
        parts += [site(piece, rng, 1.5) if isinstance(piece, str) else piece]
        parts += [background(9, GC, rng)]
    return join(parts[:-1])


def _gap(length: int, rng: Random) -> Piece:
    return spacer(length, GC, rng)


def _quiet_gap(length: int, rng: Random) -> Piece:
    return background(length, GC, rng)


def _new_enhancer(rng: Random) -> Piece:
    nest = _row(["RUNX1", _makeable("MYB"), "RUNX1"], rng)
    return join([
        _gap(14_000, rng), nest, _quiet_gap(7_500, rng),
        gene("TALOS", "housekeeping", cell("thymocyte"), GC, rng, n_exons=5), _gap(8_000, rng),
    ])  # fmt: skip


def _skipped_exon(rng: Random) -> Piece:
    """Writes genes until the loss of an acceptor skips its exon and makes no other acceptor."""
    while True:
        made = gene("DELGA", "housekeeping", cell("neuron"), GC, rng, n_exons=7)
        exon = [f for f in made.features if f.kind == "exon"][2]
        first = exon.start - 5  # the base before the last four of the intron, AG among them
        lost = np.delete(made.codes, np.s_[first + 1 : exon.start])
        start = next(f.start for f in made.features if f.kind == "tss")
        whole, shorter = (
            splice(read_strand(codes, Scanner(codes)), start, np.zeros(1, np.float32))
            for codes in (made.codes, lost)
        )
        shift = exon.start - first - 1
        if _leaves(whole, exon.end) > 0.9 and _leaves(shorter, exon.end - shift) < 0.1:
            break
    ref = decode(made.codes[first : exon.start])
    changed = _change(made, first, ref[0], ref, causal=True)
    return join([_gap(8_000, rng), changed, _gap(8_000, rng)])


def _leaves(transcripts: Transcripts, end: int) -> float:
    """Returns the part of transcripts that have an exon which ends there."""
    return float(transcripts.junctions[0, transcripts.donors == end].sum())


def _lost_activator(rng: Random) -> Piece:
    strong = _row(["HNF4A", _breakable("HNF4A", rng), "CEBPA"], rng)
    return join([
        _gap(9_000, rng), gene("APOLO", "housekeeping", cell("hepatocyte"), GC, rng, n_exons=4),
        _quiet_gap(4_000, rng), strong, _gap(8_000, rng),
    ])  # fmt: skip


def _fused_domains(rng: Random) -> Piece:
    wall = _breakable("CTCF", rng).reversed()
    loud = [either_way(enhancer(cell("myoblast"), GC, rng), rng) for _ in range(2)]
    return join([
        _gap(12_000, rng), loud[0], _quiet_gap(3_000, rng), loud[1], _quiet_gap(16_000, rng),
        wall, _quiet_gap(4_000, rng),
        gene("FENCE", "housekeeping", cell("myoblast"), GC, rng, n_exons=5), _gap(14_000, rng),
    ])  # fmt: skip


def _silenced_repeat(rng: Random) -> Piece:
    copy = repeat_families()["decoy"]
    silencer = next(f for f in copy.features if f.name == "ZNF135")
    word = copy.codes[silencer.start : silencer.end]
    offset, base = worst_change("ZNF135", word)
    copy = _change(copy.named("repeat", "decoy"), silencer.start + offset, BASES[base],
                   BASES[word[offset]], causal=True)  # fmt: skip
    copy = replace(copy, fixed=np.ones(len(copy), bool))
    return join([
        _gap(8_000, rng), gene("WARDEN", "housekeeping", cell("hepatocyte"), GC, rng, n_exons=4),
        _quiet_gap(6_000, rng), copy, _gap(9_000, rng),
    ])  # fmt: skip


def _linked(rng: Random) -> Piece:
    def neutral() -> Piece:
        made = background(40, GC, rng)
        ref = BASES[made.codes[20]]
        return _change(made, 20, {"A": "G", "G": "A", "C": "T", "T": "C"}[ref], ref, causal=False)

    strong = _row(["FOS::JUN", _breakable("GATA1::TAL1", rng), "MYB"], rng)
    return join([
        _gap(7_000, rng), gene("TRIO", "housekeeping", cell("erythroblast"), GC, rng, n_exons=4),
        _quiet_gap(3_000, rng), neutral(), _quiet_gap(900, rng), strong, _quiet_gap(1_100, rng),
        neutral(), _gap(9_000, rng),
    ])  # fmt: skip


PLOTS = (
    _Plot("new-enhancer", "One base makes an enhancer",
          "Far upstream of TALOS one base change completes a MYB site between RUNX1 sites: in "
          "thymocytes the place opens and TALOS rises, as at TAL1 in leukaemia.",
          "TALOS", "thymocyte", "expression", _new_enhancer),
    _Plot("skipped-exon", "Four lost bases skip an exon",
          "A deletion takes the acceptor of the fourth exon of DELGA; its transcripts skip that "
          "exon, as at DLG1.",
          "DELGA", "", "inclusion", _skipped_exon),
    _Plot("lost-activator", "A variant that lowers expression",
          "One base change in the liver enhancer of APOLO breaks an HNF4A site: expression falls "
          "in hepatocytes alone, as an eQTL of APOL4 does.",
          "APOLO", "hepatocyte", "expression", _lost_activator),
    _Plot("fused-domains", "A boundary falls",
          "FENCE and two muscle enhancers lie on either side of one CTCF site. Without it the "
          "domains fuse, and the enhancers reach FENCE in myoblasts.",
          "FENCE", "myoblast", "expression", _fused_domains),
    _Plot("silenced-repeat", "A repeat that looks like an enhancer",
          "The repeat near WARDEN carries the sites of a liver enhancer but stays closed, because "
          "ZNF135 silences it. One base in the ZNF135 site wakes it in hepatocytes.",
          "WARDEN", "hepatocyte", "accessibility", _silenced_repeat),
    _Plot("linked-variants", "Which of three linked variants?",
          "Three variants near TRIO are always inherited together. Only the middle one lies in a "
          "site that is bound, of GATA1-TAL1 in erythroblasts.",
          "TRIO", "erythroblast", "expression", _linked),
)  # fmt: skip


@lru_cache(maxsize=3)
def teach1(name: str) -> Piece:
    """Writes one of the three chromosomes of teach1; two stories on each."""
    i = CHROMOSOMES.index(name)
    rng = np.random.default_rng([SEED, i])
    told = [plot.write(rng).named("story", plot.id) for plot in PLOTS[2 * i : 2 * i + 2]]
    return chromosome(CHROMOSOME_LENGTH, rng, f"TG{'ABC'[i]}", told)


#: Bases on either side of a causal variant that the oracle reads to tell its effect.
CONTEXT = 2**17


def context(chromosome_codes: Codes, variant: StoryVariant) -> tuple[int, int]:
    """Returns the window in which a story is told, on the grid of the contact maps."""
    first = max(variant.position // BIN * BIN - CONTEXT, 0)
    first = min(first, len(chromosome_codes) - 2 * CONTEXT)
    return first, first + 2 * CONTEXT


def alternate_sequence(codes: Codes, window: tuple[int, int], variant: StoryVariant) -> str:
    """Returns a window of the chromosome with a variant, as long as without it.

    What follows a deletion moves up, and the chromosome goes on at the right end.
    """
    first, past = window
    at, after = variant.position - 1, variant.position - 1 + len(variant.ref)
    letters = decode(codes[first:at]) + variant.alt + decode(codes[after : past + 64])
    return letters[: past - first]


def measure(story: Story, truth: Truth, first: int, shift: int = 0) -> dict[str, float]:
    """Returns the measure of a story by cell type.

    Args:
        story: The story.
        truth: What the oracle says of a window.
        first: Where the window begins.
        shift: By how many bases the place has moved.
    """
    place = story.place - first + shift
    if story.measure == "accessibility":
        around = slice(place - 100, place + 100)
        values = [truth.values[track_id("ATAC", f"{c.key}-ATAC", ".")][around] for c in cells()]
        return {c.key: float(v.mean()) for c, v in zip(cells(), values, strict=True)}
    if story.measure == "inclusion":
        over = [g for g in truth.genes if g.strand == "+" and place + 1 in g.transcripts.donors]
        # The gene itself: accidental starts before it are hardly made.
        t = max(over, key=lambda gene: gene.rate.sum()).transcripts
        (used, _), _ = t.usage()
        at = np.searchsorted(t.donors, place + 1)
        return {c.key: float(part) for c, part in zip(cells(), used[:, at], strict=True)}
    found = next(g for g in truth.genes if g.start_site == place and g.strand == "+")
    return {c.key: float(rate) for c, rate in zip(cells(), found.rate, strict=True)}


def tell(name: str, piece: Piece) -> list[Story]:
    """Finds the stories of a chromosome and asks the oracle for their outcome."""
    told = []
    for mark in (f for f in piece.features if f.kind == "story"):
        plot = next(plot for plot in PLOTS if plot.id == mark.name)
        inside = [f for f in piece.features if mark.start <= f.start < mark.end]
        variants = tuple(_variant(f) for f in inside if f.kind == "variant")
        story = Story(plot.id, plot.title, plot.about, name, mark.start, mark.end, plot.gene,
                      plot.cell, plot.measure, 0, variants, {}, {})  # fmt: skip
        story = replace(story, place=_place(story, inside))
        window = context(piece.codes, story.causal)
        reference = oracle(decode(piece.codes[slice(*window)]), 1)
        alternate = oracle(alternate_sequence(piece.codes, window, story.causal), 1)
        moved = len(story.causal.alt) - len(story.causal.ref)
        shift = moved if story.place > story.causal.position else 0
        told.append(
            replace(
                story,
                reference=measure(story, reference, window[0]),
                alternate=measure(story, alternate, window[0], shift),
            )
        )
    return told


def _place(story: Story, inside: list[Feature]) -> int:
    if story.measure == "accessibility":
        return story.causal.position - 1
    if story.measure == "inclusion":
        after = [f for f in inside if f.kind == "exon" and f.start >= story.causal.position]
        return after[0].end - 1
    return next(f.start for f in inside if f.kind == "gene" and f.name == story.gene)


def _variant(mark: Feature) -> StoryVariant:
    ref, alt, role = mark.name.split(">")
    if mark.strand == "-":
        ref, alt = (decode(reverse_complement(encode(text))) for text in (ref, alt))
    return StoryVariant(mark.start + 1, ref, alt, role == "causal")


def to_toml(told: Iterable[Story]) -> str:
    """Writes stories as ``read_stories`` reads them; measures are rounded to four digits."""
    lines = [
        "# Written by `locuscope teaching build`: what the oracle says of the planted stories."
    ]
    for story in told:
        row = asdict(story)
        variants = row.pop("variants")
        lines += ["", "[[stories]]"]
        lines += [f"{key} = {_value(value)}" for key, value in row.items()]
        for variant in variants:
            lines.append("[[stories.variants]]")
            lines += [f"{key} = {_value(value)}" for key, value in variant.items()]
    return "\n".join([*lines, ""])


def _value(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f'"{k}" = {v:.4g}' for k, v in value.items()) + " }"
    return json.dumps(value)


def read_stories(path: Path = DATA / "stories.toml") -> tuple[Story, ...]:
    """Reads stories as ``to_toml`` writes them; those of teach1 if no file is named."""
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["stories"]
    return tuple(
        Story(**{**row, "variants": tuple(StoryVariant(**v) for v in row["variants"])})
        for row in rows
    )
