"""Chromosomes made up from a seed: background, repeats, genes, enhancers and domains.

Nothing here decides what is true. It writes sequence; what the sequence does, only the oracle says.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from models.card import Strand as StrandName
from models.teaching.cells import Cell, cells, factors
from models.teaching.motifs import (
    Codes,
    Motif,
    Scanner,
    decode,
    encode,
    jaspar,
    reverse_complement,
    splice_sites,
)
from models.teaching.strand import (
    ACCEPTOR_SCORE,
    BRANCH_POINT,
    CUT,
    DONOR_SCORE,
    DPE,
    DPE_OFFSET,
    ENHANCER_WORDS,
    INITIATOR,
    INITIATOR_START,
    RBFOX_WORD,
    read_strand,
)

Random = np.random.Generator

#: Bits above its threshold that a planted site has at least.
PLANTED_HEADROOM = 1.0
#: The ancestors of the repeats are the same on every chromosome.
FAMILY_SEED = 20_260_101
#: Start sites that nobody planned are at most this good.
QUIET_START = 0.1
#: Bits below its threshold to which one base brings a fragile site.
FRAGILE_LOSS = 2.5
#: Factors that are no part of what makes a cell type.
GENERAL = ("CTCF", "REST", "ZNF135", "SP1", "NFYA")
#: Least concentration at which a factor counts as one of a cell type's own.
OWN_CONCENTRATION = 2.0


@dataclass(frozen=True)
class Feature:
    """Something that was written into a sequence; what for, not what it does.

    Attributes:
        kind: ``gene``, ``enhancer``, ``ctcf``, ``repeat`` or ``site``.
        name: Gene symbol, cell type, factor or repeat family.
        start: First base, 0-based.
        end: One past the last base.
        strand: Its direction.
    """

    kind: str
    name: str
    start: int
    end: int
    strand: StrandName = "+"


@dataclass(frozen=True)
class Piece:
    """A stretch of sequence and what is in it.

    Attributes:
        codes: Bases.
        features: What was written where.
        fixed: Bases that later steps must leave alone.
    """

    codes: Codes
    features: tuple[Feature, ...] = ()
    fixed: npt.NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, bool))

    def __post_init__(self) -> None:
        if len(self.fixed) != len(self.codes):
            object.__setattr__(self, "fixed", np.zeros(len(self.codes), bool))

    def __len__(self) -> int:
        return len(self.codes)

    def reversed(self) -> Piece:
        """Returns the reverse complement."""
        n = len(self)
        turned = tuple(
            replace(
                f, start=n - f.end, end=n - f.start, strand="-" if f.strand == "+" else "+"
            )
            for f in reversed(self.features)
        )  # fmt: skip
        return Piece(reverse_complement(self.codes), turned, self.fixed[::-1].copy())

    def named(self, kind: str, name: str) -> Piece:
        """Adds a feature over the whole piece."""
        return replace(self, features=(*self.features, Feature(kind, name, 0, len(self))))

    @property
    def sequence(self) -> str:
        """The bases as letters."""
        return decode(self.codes)


def join(pieces: list[Piece]) -> Piece:
    """Puts pieces one after the other."""
    offsets = np.cumsum([0, *(len(p) for p in pieces)])
    features = [
        replace(f, start=f.start + int(o), end=f.end + int(o))
        for piece, o in zip(pieces, offsets, strict=False)
        for f in piece.features
    ]
    return Piece(
        np.concatenate([p.codes for p in pieces]),
        tuple(features),
        np.concatenate([p.fixed for p in pieces]),
    )


def literal(text: str) -> Piece:
    """Returns a piece whose bases stay as they are."""
    return Piece(encode(text), (), np.ones(len(text), bool))


def background(length: int, gc: float, rng: Random, cpg_kept: float = 0.25) -> Piece:
    """Random bases of a GC content, most CpG decayed to TpG or CpA as methylation makes them."""
    p = [(1 - gc) / 2, gc / 2, gc / 2, (1 - gc) / 2]
    codes = rng.choice(4, length, p=p).astype(np.int8)
    found = np.flatnonzero((codes[:-1] == 1) & (codes[1:] == 2)) if length > 1 else np.zeros(0, int)
    decayed = found[rng.random(len(found)) > cpg_kept]
    to_tpg = rng.random(len(decayed)) < 0.5
    codes[decayed[to_tpg]] = 3
    codes[decayed[~to_tpg] + 1] = 0
    return Piece(codes)


def cpg_ratio(codes: Codes) -> float:
    """Returns observed over expected CpG."""
    cytosine, guanine = codes == 1, codes == 2
    pairs = (cytosine[:-1] & guanine[1:]).sum()
    return float(pairs * len(codes) / (cytosine.sum() * guanine.sum()))


def sample_motif(motif: Motif, least: float, rng: Random, tries: int = 400) -> Codes:
    """Draws a word from a matrix that scores at least ``least`` bits, or the best of many."""
    frequencies = motif.counts / motif.counts.sum(1, keepdims=True)
    draws = (rng.random((tries, motif.width, 1)) > frequencies.cumsum(1)[None]).sum(-1)
    draws = np.minimum(draws, 3)
    scores = motif.bits[np.arange(motif.width), draws].sum(1)
    good = np.flatnonzero(scores >= least)
    chosen: Codes = draws[good[0] if len(good) else scores.argmax()].astype(np.int8)
    return chosen


def site(name: str, rng: Random, headroom: float = PLANTED_HEADROOM) -> Piece:
    """Returns a site of a factor, on the plus strand."""
    factor = next(f for f in factors() if f.name == name)
    codes = sample_motif(factor.motif, factor.threshold + headroom, rng)
    return Piece(codes, (), np.ones(len(codes), bool)).named("site", name)


def fragile_site(name: str, rng: Random) -> tuple[Piece, int, int]:
    """Returns a good site that one base breaks, the offset of that base and what breaks it."""
    factor = next(f for f in factors() if f.name == name)
    while True:
        made = site(name, rng)
        scores = factor.motif.bits[np.arange(len(made)), made.codes]
        loss = scores[:, None] - factor.motif.bits
        headroom = scores.sum() - factor.threshold
        if loss.max() - headroom > FRAGILE_LOSS:
            offset, base = np.unravel_index(loss.argmax(), loss.shape)
            return made, int(offset), int(base)


def consensus_site(name: str) -> Piece:
    """Returns the best site of a factor."""
    return literal(jaspar()[name].consensus).named("site", name)


def either_way(piece: Piece, rng: Random) -> Piece:
    """Turns a piece around half of the time."""
    return piece.reversed() if rng.random() < 0.5 else piece


def own_factors(cell: Cell) -> list[str]:
    """Returns the factors that make a cell type."""
    return [
        name
        for name, amount in cell.concentrations.items()
        if name not in GENERAL and amount >= OWN_CONCENTRATION
    ]


def cluster(names: list[str], gc: float, rng: Random) -> Piece:
    """Puts sites next to each other, 8 to 14 bp apart."""
    pieces = []
    for name in names:
        pieces += [either_way(site(name, rng), rng), background(int(rng.integers(6, 13)), gc, rng)]
    return join(pieces[:-1])


def enhancer(cell: Cell, gc: float, rng: Random) -> Piece:
    """Writes four to six sites of a cell type's own factors."""
    own = own_factors(cell)
    count = int(rng.integers(4, 7))
    names = [own[i % len(own)] for i in range(count)]
    rng.shuffle(names)
    return cluster(names, gc, rng).named("enhancer", cell.key)


def core_promoter(kind: str, gc: float, rng: Random) -> Piece:
    """Writes -35 to +33 around a start: TATA box and initiator, or initiator and DPE."""
    piece = background(70, gc, rng)
    codes, fixed = piece.codes.copy(), piece.fixed.copy()
    plus_one = 36
    initiator = sample_motif(INITIATOR, 6.5, rng)
    parts = [(plus_one - INITIATOR_START, initiator)]
    parts.append((plus_one + DPE_OFFSET, sample_motif(DPE, 4.5, rng)))
    if kind == "tata":
        parts.append((plus_one - 32, sample_motif(jaspar()["TBP"], 11.0, rng)))
    for first, word in parts:
        codes[first : first + len(word)] = word
        fixed[first : first + len(word)] = True
    return Piece(codes, (Feature("tss", kind, plus_one, plus_one + 1),), fixed)


def island_background(length: int, rng: Random) -> Piece:
    """Random bases of a CpG island: rich in C and G, no CpG lost."""
    return background(length, 0.66, rng, cpg_kept=1.0)


def promoter(kind: str, cell: Cell, gc: float, rng: Random) -> Piece:
    """Writes a promoter, upstream part first.

    Args:
        kind: ``housekeeping`` (CpG island, SP1 and NFYA), ``neuronal`` (the same with a REST site),
            ``poised`` (CpG island, one cell type's factors) or ``tata`` (no island, one cell
            type's factors).
        cell: The cell type where it matters.
        gc: GC content around it.
        rng: Random numbers.
    """
    if kind == "tata":
        own = own_factors(cell)
        names = [own[i % len(own)] for i in range(4)]
        return join([cluster(names, gc, rng), core_promoter("tata", gc, rng)])
    names = ["SP1", "NFYA", "SP1", "NFYA", "SP1"]
    if kind == "neuronal":
        names = ["SP1", "NFYA", "REST", "SP1", "NFYA"]
    if kind == "poised":
        own = own_factors(cell)
        names = [own[i % len(own)] for i in range(4)]
    return join(
        [
            island_background(450, rng),
            cluster(names, 0.6, rng),
            core_promoter("dpe", 0.6, rng),
            island_background(350, rng),
        ]
    )


def exon(length: int, gc: float, rng: Random, enhancers: int = 3) -> Piece:
    """Random bases with exonic splicing enhancer words in them."""
    piece = background(length, gc, rng)
    codes, fixed = piece.codes.copy(), piece.fixed.copy()
    for place in np.linspace(8, length - 16, enhancers).astype(int):
        word = encode(ENHANCER_WORDS[int(rng.integers(len(ENHANCER_WORDS)))])
        codes[place : place + len(word)] = word
        fixed[place : place + len(word)] = True
    return Piece(codes, (), fixed)


def donor(score: float, rng: Random) -> tuple[Piece, Piece]:
    """Returns the last three bases of an exon and the first six of its intron."""
    word = sample_motif(splice_sites()["donor"], score, rng)
    fixed = np.ones(len(word), bool)
    return Piece(word[:3], (), fixed[:3]), Piece(word[3:], (), fixed[3:])


def acceptor(score: float, rng: Random) -> tuple[Piece, Piece]:
    """Returns the last bases of an intron from the branch point on, and the first of the exon."""
    branch = sample_motif(BRANCH_POINT, 5.5, rng)
    word = sample_motif(splice_sites()["acceptor"], score - 5.5, rng)
    codes = np.concatenate([branch, background(int(rng.integers(2, 6)), 0.4, rng).codes, word])
    fixed = np.ones(len(codes), bool)
    return Piece(codes[:-1], (), fixed[:-1]), Piece(codes[-1:], (), fixed[-1:])


def intron_length(rng: Random) -> int:
    """Draws an intron length: median 1,100 bp, as broad as human ones within what fits."""
    return int(np.clip(rng.lognormal(np.log(1_100), 0.9), 120, 8_000))


def transcribed(
    n_exons: int, gc: float, rng: Random, *, weak: int | None = None, rbfox: bool = False
) -> Piece:
    """Writes exons and introns from the first donor on to beyond the cut of the last exon.

    Args:
        n_exons: Number of exons, at least 1.
        gc: GC content.
        rng: Random numbers.
        weak: Number of an internal exon (1 is the second) whose acceptor and donor are weak.
        rbfox: Whether an RBFOX word stands after that exon.
    """
    before, inside = donor(DONOR_SCORE + 1.0, rng)
    parts: list[Piece] = [exon(int(rng.integers(60, 200)), gc, rng), before]
    for number in range(1, n_exons):
        is_weak, is_last = number == weak, number == n_exons - 1
        gap = background(intron_length(rng), gc, rng)
        if rbfox and number - 1 == weak:
            gap = join([background(25, gc, rng), literal(f"AC{RBFOX_WORD}TT{RBFOX_WORD}A"), gap])
        end, first = acceptor(ACCEPTOR_SCORE + (-2.0 if is_weak else 2.0), rng)
        parts += [inside, gap, end]
        length = int(rng.integers(300, 900)) if is_last else int(rng.lognormal(np.log(135), 0.25))
        body = [first, exon(length, gc, rng, 1 if is_weak else 4)]
        if not is_last:
            before, inside = donor(DONOR_SCORE + 1.0, rng)
            body.append(before)
        parts.append(join(body).named("exon", str(number)))
    return join([*parts, polya(gc, rng)])


def polya(gc: float, rng: Random) -> Piece:
    """Writes the end of a gene: UGUA, hexamer, cut, GU-rich element."""
    pieces = [
        literal("TGTA"), background(20, gc, rng), literal("AATAAA"),
        background(CUT - 6, gc, rng), literal("TGTGTTTTGTGT"), background(30, gc, rng),
    ]  # fmt: skip
    return join(pieces)


def gene(name: str, kind: str, cell: Cell, gc: float, rng: Random, **how: object) -> Piece:
    """Writes a gene on the plus strand, promoter first."""
    n_exons = int(how.pop("n_exons", 0)) or int(rng.integers(3, 10))  # type: ignore[call-overload]
    front, start = _one_start(kind, cell, gc, rng)
    whole = join([front, transcribed(n_exons, gc, rng, **how)])  # type: ignore[arg-type]
    whole = _selected(whole, start)
    span = Feature("gene", name, start, len(whole) - 30)
    return replace(whole, features=(*whole.features, span))


def _one_start(kind: str, cell: Cell, gc: float, rng: Random) -> tuple[Piece, int]:
    """Writes promoters until one has its best start where it should be; returns that too."""
    while True:
        front = promoter(kind, cell, gc, rng)
        start = next(f.start for f in front.features if f.kind == "tss")
        scores = read_strand(front.codes, Scanner(front.codes)).start
        rivals = np.flatnonzero(scores > QUIET_START)
        if scores[start] > 3 * QUIET_START and not front.fixed[rivals[rivals != start]].any():
            return front, start


def _selected(piece: Piece, start: int) -> Piece:
    """Mutates cryptic splice and end signals of a gene away, as selection does.

    What is as strong as a planted signal and was not planted loses one essential base.
    """
    codes = piece.codes.copy()
    for _ in range(3):
        signals = read_strand(codes, Scanner(codes))
        inside = len(codes) - 60
        cryptic_donors = signals.donors[signals.donor_scores > -0.5]
        cryptic_acceptors = signals.acceptors[signals.acceptor_scores > -0.5] - 1
        ends = signals.ends[signals.end_strength > 0.005] - CUT
        changed = False
        for places, base in ((cryptic_donors, 0), (cryptic_acceptors, 1), (ends + 3, 1)):
            free = places[(places > start) & (places < inside)]
            free = free[~piece.fixed[free]]
            codes[free] = base
            changed |= bool(len(free))
        if not changed:
            break
    return replace(piece, codes=codes)


@lru_cache(maxsize=1)
def repeat_families() -> dict[str, Piece]:
    """Returns the ancestors of the repeats, the same on every chromosome.

    ``decoy`` carries sites of an enhancer and that of the zinc finger that silences it.
    """
    rng = np.random.default_rng(FAMILY_SEED)
    families = {
        f"family{i}": background(length, gc, rng)
        for i, (length, gc) in enumerate(((280, 0.52), (310, 0.42), (900, 0.4), (2_400, 0.37)))
    }
    names = ["FOXA1", "HNF4A", "ZNF135", "CEBPA", "HNF4A"]
    sites = []
    for name in names:
        made = fragile_site(name, rng)[0] if name == "ZNF135" else site(name, rng, 2.0)
        sites += [made, background(10, 0.45, rng)]
    families["decoy"] = join([background(80, 0.5, rng), *sites, background(90, 0.5, rng)])
    return families


def repeat(name: str, rng: Random, divergence: float | None = None) -> Piece:
    """Returns a copy of a repeat that has diverged from its ancestor by 3 to 20 %."""
    ancestor = repeat_families()[name]
    rate = rng.uniform(0.03, 0.2) if divergence is None else divergence
    changed = rng.random(len(ancestor)) < rate
    codes = np.where(changed, rng.integers(0, 4, len(ancestor)), ancestor.codes).astype(np.int8)
    return either_way(Piece(codes).named("repeat", name), rng)


def spacer(length: int, gc: float, rng: Random) -> Piece:
    """Fills a gap: background, and about a quarter of it repeats."""
    pieces, left = [], length
    names = list(repeat_families())
    while left > 0:
        size = min(left, int(rng.exponential(1_500)) + 1)
        pieces.append(background(size, gc, rng))
        left -= size
        copy = repeat(names[int(rng.integers(len(names)))], rng)
        if len(copy) <= left:
            pieces.append(copy)
            left -= len(copy)
    return join(pieces)


def boundary(rng: Random) -> Piece:
    """Ends one domain and begins the next: CTCF on the minus strand, then on the plus strand."""
    return join([ctcf(rng).reversed(), background(1_800, 0.45, rng), ctcf(rng)])


def ctcf(rng: Random) -> Piece:
    """Returns a strong CTCF site that points to the right."""
    return site("CTCF", rng, headroom=2.0).named("ctcf", "CTCF")


def domain(symbols: list[str], gc: float, rng: Random) -> Piece:
    """Writes genes and enhancers with room between them."""
    kinds = ["housekeeping", "neuronal", "poised", "tata"]
    parts: list[Piece] = []
    cell = cells()[int(rng.integers(len(cells())))]
    for symbol in symbols:
        kind = str(rng.choice(kinds, p=[0.35, 0.1, 0.15, 0.4]))
        n_exons = int(rng.integers(3, 10))
        weak = int(rng.integers(1, n_exons - 1)) if rng.random() < 0.5 else None
        made = gene(symbol, kind, cell, gc, rng, n_exons=n_exons, weak=weak,
                    rbfox=weak is not None and rng.random() < 0.5)  # fmt: skip
        parts.append(either_way(made, rng))
        if rng.random() < 0.4:
            cell = cells()[int(rng.integers(len(cells())))]
    for _ in range(int(rng.integers(1, 5))):
        other = cells()[int(rng.integers(len(cells())))] if rng.random() < 0.4 else cell
        parts.append(either_way(enhancer(other, gc, rng), rng))
    order = rng.permutation(len(parts))
    filled = [spacer(int(rng.uniform(2_000, 9_000)), gc, rng)]
    for i in order:
        filled += [parts[i], spacer(int(rng.uniform(2_000, 9_000)), gc, rng)]
    return join(filled)


def chromosome(
    length: int, rng: Random, prefix: str = "SIM", stories: list[Piece] | None = None
) -> Piece:
    """Writes a chromosome.

    Args:
        length: In bp.
        rng: Random numbers; the same state writes the same chromosome.
        prefix: Begins the symbols of its genes.
        stories: Domains to put in, evenly spread.

    Returns:
        The chromosome; domains follow one another, each between two boundaries.
    """
    planned = list(stories or [])
    every = length // (len(planned) + 1) if planned else length
    parts = [spacer(3_000, 0.42, rng), boundary(rng)]
    done, number, placed = sum(map(len, parts)), 0, 0
    while True:
        if placed < len(planned) and done >= every * (placed + 1) - 60_000:
            piece = planned[placed]
            placed += 1
        else:
            gc = float(np.clip(rng.normal(0.42, 0.035), 0.36, 0.52))
            count = int(rng.integers(1, 4))
            symbols = [f"{prefix}{number + i + 1:03d}" for i in range(count)]
            number += count
            piece = domain(symbols, gc, rng)
        edge = boundary(rng)
        if done + len(piece) + len(edge) > length:
            break
        parts += [piece, edge]
        done += len(piece) + len(edge)
    return _quiet(join([*parts, spacer(length - done, 0.42, rng)]))


def _quiet(piece: Piece) -> Piece:
    """Mutates the base +1 of strong start sites that nobody planned, on either strand."""
    codes = piece.codes.copy()
    for forward in (True, False):
        along = codes if forward else reverse_complement(codes)
        places = np.flatnonzero(read_strand(along, Scanner(along)).start > QUIET_START)
        places = places if forward else len(codes) - 1 - places
        codes[places[~piece.fixed[places]]] = 2 if forward else 1
    return replace(piece, codes=codes)
