"""Transcripts: all ways to splice and end one, each as likely as its sites make it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.teaching.arrays import deposit
from models.teaching.motifs import Doubles, Floats, Ints
from models.teaching.strand import Strand

#: Transcripts rarer than this, and ends reached less often, are left out.
LEAST_SHARE = 1e-3
#: Farthest in bp that transcription goes on without an end signal.
LONGEST_TRANSCRIPT = 65_536
SHORTEST_INTRON = 70
#: Introns grow less likely with their length, ``exp(-length / INTRON_SCALE)``.
INTRON_SCALE = 30_000
SHORTEST_EXON, LONGEST_EXON = 25, 1_000
#: Internal exons are recognised best at this length, with this spread in natural log.
BEST_EXON, EXON_SPREAD = 140, 0.9
LONGEST_FIRST_EXON = 1_500
#: Last exons grow less likely with their length, ``exp(-length / LAST_EXON_SCALE)``.
LAST_EXON_SCALE = 3_000
#: Energy in kT of one exonic splicing enhancer word, and the largest number that counts.
ENHANCER_ENERGY, MOST_ENHANCERS = 0.5, 6
#: U1 protects half of the transcripts at this sum of donor weights, each less by ``exp(-distance /
#: PROTECTION_SCALE)``; the exponent says how steeply.
PROTECTING, PROTECTION_SCALE, PROTECTION_SLOPE = 0.8, 500, 6
#: Bases after a donor site in which RBFOX helps it.
RBFOX_FIRST, RBFOX_LAST = 10, 160


@dataclass(frozen=True)
class Transcripts:
    """All transcripts from one start site; positions run along the strand.

    Attributes:
        start: First base.
        donors: First bases of introns.
        acceptors: First bases after introns.
        junctions: How likely a transcript holds each intron; shape (cells, donors, acceptors).
        ends: One past the last base.
        end_probability: How likely a transcript ends there; shape (cells, ends).
    """

    start: int
    donors: Ints
    acceptors: Ints
    junctions: Doubles
    ends: Ints
    end_probability: Doubles

    def coverage(self) -> tuple[int, Doubles, Doubles]:
        """Returns how much of each base is in the transcripts.

        Returns:
            The end of the arrays; in the spliced RNA; and in it before splicing; shape (cells,
            end - start).
        """
        past = int(self.ends.max())
        width = past - self.start + 1
        steps = -deposit(self.ends - self.start, self.end_probability, width)
        steps[:, 0] += 1
        unspliced = np.cumsum(steps, 1)[:, :-1]
        steps -= deposit(self.donors - self.start, self.junctions.sum(2), width)
        steps += deposit(self.acceptors - self.start, self.junctions.sum(1), width)
        spliced = np.cumsum(steps, 1)[:, :-1]
        return past, np.maximum(spliced, 0), np.maximum(unspliced, 0)

    def usage(self) -> tuple[tuple[Doubles, Doubles], tuple[Doubles, Doubles]]:
        """Returns for donors, and for acceptors, what part of the transcripts over them uses them.

        Returns:
            For each kind this part, and the part of all transcripts that is over the site; both of
            shape (cells, sites).
        """
        used = self.junctions.sum(2), self.junctions.sum(1)
        donor, acceptor = (
            (u / np.maximum(over, 1e-9) * (over > LEAST_SHARE), over)
            for u, over in zip(used, map(self._over, (self.donors, self.acceptors)), strict=True)
        )
        return donor, acceptor

    def _over(self, sites: Ints) -> Doubles:
        ended: Doubles = (self.end_probability[:, None, :] * (self.ends <= sites[:, None])).sum(-1)
        return 1 - ended


def splice(strand: Strand, start: int, rbfox: Floats) -> Transcripts:
    """Finds all transcripts from a start site and how likely each of their introns is.

    The weight of a transcript is the product of those of its splice sites, introns, exons and end;
    its probability is its weight over the sum of all weights. Both come from one pass along the
    strand and one back (forward-backward algorithm). Transcripts that U1 protects and others end at
    different signals and are summed up apart.

    Args:
        strand: The signals.
        start: First base of the transcripts.
        rbfox: Strength of RBFOX in each cell.
    """
    protected = _protected(strand, start)
    shares = np.array([protected, 1 - protected])
    ends, end_weights = _ends(strand, start)
    donors, donor_score = _between(strand.donors, strand.donor_scores, start, ends[-1])
    acceptors, acceptor_score = _between(strand.acceptors, strand.acceptor_scores, start, ends[-1])
    levels, cell_level = np.unique(rbfox, return_inverse=True)
    weights = _Weights(
        donors=donors,
        acceptors=acceptors,
        first=_first_exons(donors - start),
        last=_last_exons(acceptors, ends),
        donor=np.exp(donor_score) * (1 + levels[:, None] * _near_rbfox(strand, donors)),
        intron=_introns(donors, acceptors) * np.exp(acceptor_score),
        exon=_exons(strand, acceptors, donors),
    )
    to_donor, to_acceptor = _forward(weights)
    whole = np.exp(-(ends - start) / LAST_EXON_SCALE)
    junctions = np.zeros((len(levels), len(donors), len(acceptors)))
    end_probability = np.zeros((len(levels), len(ends)))
    for share, end_weight in zip(shares, end_weights, strict=True):
        if share < LEAST_SHARE:
            continue
        from_acceptor = _backward(weights, end_weight)
        ended = (whole + to_acceptor @ weights.last) * end_weight
        part = share / ended.sum(1, keepdims=True)
        end_probability += part * ended
        junctions += (part * to_donor)[:, :, None] * weights.intron * from_acceptor[:, None, :]
    total = shares[shares >= LEAST_SHARE].sum()
    junctions, end_probability = junctions / total, end_probability / total
    return Transcripts(start, donors, acceptors, junctions[cell_level], ends,
                       end_probability[cell_level])  # fmt: skip


@dataclass(frozen=True)
class _Weights:
    """Weights of the parts of transcripts.

    Attributes:
        donors: First bases of introns.
        acceptors: First bases after introns.
        first: Of a first exon up to each donor; shape (donors,).
        last: Of a last exon from each acceptor to each end; shape (acceptors, ends).
        donor: Of each donor; shape (RBFOX levels, donors).
        intron: Of each intron and its acceptor; shape (donors, acceptors).
        exon: Of each internal exon; shape (acceptors, donors).
    """

    donors: Ints
    acceptors: Ints
    first: Doubles
    last: Doubles
    donor: Doubles
    intron: Doubles
    exon: Doubles

    def along(self) -> list[tuple[bool, int]]:
        """Returns (is a donor, its index) for all sites along the strand."""
        kinds = np.repeat([True, False], [len(self.donors), len(self.acceptors)])
        index = np.concatenate([np.arange(len(self.donors)), np.arange(len(self.acceptors))])
        order = np.argsort(np.concatenate([self.donors, self.acceptors]), kind="stable")
        return list(zip(kinds[order].tolist(), index[order].tolist(), strict=True))


def _between(places: Ints, scores: Doubles, start: int, past: int) -> tuple[Ints, Doubles]:
    first, last = np.searchsorted(places, [start + SHORTEST_EXON, past - SHORTEST_EXON])
    return places[first:last], scores[first:last]


def _protected(strand: Strand, start: int) -> float:
    """Returns the part of transcripts that U1 keeps from ending at weak signals (telescripting)."""
    past = start + LONGEST_FIRST_EXON
    donors, scores = _between(strand.donors, strand.donor_scores, start, past)
    bound = np.exp(scores - (donors - start) / PROTECTION_SCALE).sum()
    return float(bound**PROTECTION_SLOPE / (PROTECTING**PROTECTION_SLOPE + bound**PROTECTION_SLOPE))


def _ends(strand: Strand, start: int) -> tuple[Ints, Doubles]:
    """Returns where transcription may end, the limit last, and how likely it does.

    Returns:
        One past the last bases; and weights of protected and unprotected transcripts, (2, ends).
    """
    limit = min(start + LONGEST_TRANSCRIPT, len(strand.start))
    first, last = np.searchsorted(strand.ends, [start + SHORTEST_EXON, limit])
    ends = np.append(strand.ends[first:last], limit)
    strength = np.ones((2, len(ends)))
    strength[:, :-1] = strand.end_strength[first:last], strand.unprotected_end_strength[first:last]
    reached = np.cumprod(np.insert(1 - strength, 0, 1, axis=1), axis=1)[:, :-1]
    # Nothing is spliced to an end that hardly any polymerase reaches.
    weight = reached * strength * (reached * strength > LEAST_SHARE)
    kept = weight.any(axis=0)
    return ends[kept], weight[:, kept]


def _near_rbfox(strand: Strand, donors: Ints) -> Ints:
    length = len(strand.rbfox) - 1
    first, last = (np.minimum(donors + x, length) for x in (RBFOX_FIRST, RBFOX_LAST))
    found: Ints = np.minimum(strand.rbfox[last] - strand.rbfox[first], 2)
    return found


def _first_exons(length: Ints) -> Doubles:
    return ((length >= SHORTEST_EXON) & (length <= LONGEST_FIRST_EXON)).astype(np.float64)


def _introns(donors: Ints, acceptors: Ints) -> Doubles:
    length = acceptors[None, :] - donors[:, None]
    weights: Doubles = np.exp(-length / INTRON_SCALE) * (length >= SHORTEST_INTRON)
    return weights


def _exons(strand: Strand, acceptors: Ints, donors: Ints) -> Doubles:
    """Weighs internal exons by length and splicing enhancers; shape (acceptors, donors)."""
    length = donors[None, :] - acceptors[:, None]
    good = (length >= SHORTEST_EXON) & (length <= LONGEST_EXON)
    spread = (np.log(np.maximum(length, 1)) - np.log(BEST_EXON)) / EXON_SPREAD
    found = strand.enhancers[donors][None, :] - strand.enhancers[acceptors][:, None]
    energy = ENHANCER_ENERGY * np.clip(found, 0, MOST_ENHANCERS) - spread**2 / 2
    weights: Doubles = np.exp(energy) * good
    return weights


def _last_exons(acceptors: Ints, ends: Ints) -> Doubles:
    length = ends[None, :] - acceptors[:, None]
    weights: Doubles = np.exp(-np.maximum(length, 0) / LAST_EXON_SCALE) * (length >= SHORTEST_EXON)
    return weights


def _forward(w: _Weights) -> tuple[Doubles, Doubles]:
    """Sums the weights of all beginnings that leave an exon, and that enter one, at each site."""
    to_donor = np.zeros_like(w.donor)
    to_acceptor = np.zeros((len(w.donor), len(w.acceptors)))
    for is_donor, i in w.along():
        if is_donor:
            to_donor[:, i] = w.donor[:, i] * (w.first[i] + to_acceptor @ w.exon[:, i])
        else:
            to_acceptor[:, i] = to_donor @ w.intron[:, i]
    return to_donor, to_acceptor


def _backward(w: _Weights, end_weight: Doubles) -> Doubles:
    """Sums the weights of all that can follow once an exon is entered at each acceptor."""
    from_donor = np.zeros_like(w.donor)
    from_acceptor = np.zeros((len(w.donor), len(w.acceptors)))
    last = w.last @ end_weight
    for is_donor, i in reversed(w.along()):
        if is_donor:
            from_donor[:, i] = w.donor[:, i] * (from_acceptor @ w.intron[i])
        else:
            from_acceptor[:, i] = last[i] + from_donor @ w.exon[i]
    return from_acceptor
