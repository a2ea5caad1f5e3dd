"""Where factors bind and which chromatin they open."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.ndimage import uniform_filter1d
from scipy.special import expit

from models.teaching.arrays import deposit, triangle
from models.teaching.cells import concentrations, factors, pairs
from models.teaching.motifs import Codes, Doubles, Floats, Ints, Scanner

#: Places this many bits below a factor's threshold are no sites.
SITE_MARGIN = 4.0
#: Largest weight of a site; beyond it a better match binds no better.
LARGEST_WEIGHT = 50.0
#: Half-width in bp of the triangle over which bound sites open chromatin together.
OPENING_REACH = 100
#: Energy in kT that closed chromatin, a nucleosome, sets against opening.
CLOSED_ENERGY = 6.5
#: Energy in kT by which a full CpG island favours open chromatin.
ISLAND_OPENING = 3.0
ISLAND_WIDTH = 501


@dataclass(frozen=True)
class Sites:
    """All places where a factor can bind, sorted by factor, strand and start.

    Attributes:
        starts: First base, 0-based.
        ends: One past the last base.
        factor: Index into ``factors()``.
        forward: Whether the matrix matches the strand as given.
        weights: Boltzmann weight at concentration 1, ``exp(score - threshold)``.
        bound: How likely each is bound while chromatin is open; shape (cells, sites).
    """

    starts: Ints
    ends: Ints
    factor: Ints
    forward: npt.NDArray[np.bool_]
    weights: Doubles
    bound: Doubles

    def only(self, which: Ints) -> Sites:
        """Returns some of the sites."""
        return Sites(
            self.starts[which],
            self.ends[which],
            self.factor[which],
            self.forward[which],
            self.weights[which],
            self.bound[:, which],
        )


@dataclass(frozen=True)
class Chromatin:
    """What is bound and open; arrays have shape (cells, length).

    Attributes:
        sites: The binding sites.
        island: How much each base lies in a CpG island, 0 to 1; shape (length,).
        open: How likely each base lies in open chromatin.
        site_open: How far a site can be reached, shape (cells, sites): ``open`` at its centre, but
            1 for factors that close chromatin, which find their sites there.
        activation: Coactivators recruited, ``a**2 / (1 + a)`` with ``a`` the activation of the
            bound factors summed over the opening triangle, times ``open``: one weak place
            recruits next to nothing, several factors together do.
    """

    sites: Sites
    island: Floats
    open: Floats
    site_open: Doubles
    activation: Floats


def find_chromatin(codes: Codes, scanner: Scanner) -> Chromatin:
    """Reads binding sites and open chromatin out of the sequence."""
    length = len(codes)
    sites = _find_sites(scanner)
    island = cpg_island(codes)
    opening = np.array([f.opening for f in factors()])[sites.factor]
    energy = triangle(spread_centres(sites, sites.bound * opening, length), OPENING_REACH)
    energy += ISLAND_OPENING * island - CLOSED_ENERGY
    opened = expit(energy)
    gain = np.array([f.activation for f in factors()])[sites.factor]
    activation = triangle(spread_centres(sites, sites.bound * gain, length), OPENING_REACH)
    middle = (sites.starts + sites.ends - 1) // 2, (sites.starts + sites.ends) // 2
    site_open = (opened[:, middle[0]] + opened[:, middle[1]]).astype(np.float64) / 2
    site_open[:, opening < 0] = 1
    recruiting = activation * opened
    return Chromatin(sites, island, opened, site_open, recruiting**2 / (1 + recruiting))


def cpg_island(codes: Codes) -> Floats:
    """Returns how much each base lies in a CpG island, 0 to 1.

    After Gardiner-Garden and Frommer (1987), with soft edges: over 501 bp the observed number of
    CpG is at least 0.6 of that expected from C and G, and C and G make up at least 55 %.
    """
    cytosine, guanine = codes == 1, codes == 2
    pair = np.zeros(len(codes), np.float32)
    found = np.flatnonzero(cytosine[:-1] & guanine[1:])
    pair[found] += 0.5
    pair[found + 1] += 0.5
    c, g, cpg = (
        uniform_filter1d(x.astype(np.float64), ISLAND_WIDTH, mode="constant")
        for x in (cytosine, guanine, pair)
    )
    ratio = cpg / np.maximum(c * g, 0.01)
    island: Floats = (expit(20 * (ratio - 0.6)) * expit(50 * (c + g - 0.55))).astype(np.float32)
    return island


def spread_centres(sites: Sites, values: Doubles, length: int) -> Doubles:
    """Puts one value a site, shape (cells, sites), at its centre; half each if between bases."""
    left, right = (sites.starts + sites.ends - 1) // 2, (sites.starts + sites.ends) // 2
    return deposit(left, values / 2, length) + deposit(right, values / 2, length)


def footprints(sites: Sites, site_open: Doubles, length: int) -> Floats:
    """Returns the part of DNase cuts that bound factors keep away; shape (cells, length)."""
    depth = np.array([f.footprint for f in factors()])[sites.factor]
    values = sites.bound * depth
    steps = deposit(sites.starts, values, length + 1) - deposit(sites.ends, values, length + 1)
    covered: Floats = np.minimum(np.cumsum(steps, axis=1)[:, :-1], 0.9).astype(np.float32)
    return covered


def _find_sites(scanner: Scanner) -> Sites:
    starts, ends, which, forward, weights = [], [], [], [], []
    for index, factor in enumerate(factors()):
        for strand in (True, False):
            bits = factor.motif.bits if strand else factor.motif.bits[::-1, ::-1]
            scores = scanner.score(np.ascontiguousarray(bits))
            found = np.flatnonzero(scores > factor.threshold - SITE_MARGIN)
            starts.append(found)
            ends.append(found + factor.motif.width)
            which.append(np.full(len(found), index))
            forward.append(np.full(len(found), strand))
            weights.append(np.exp(scores[found].astype(np.float64) - factor.threshold))
    columns = [np.concatenate(c) for c in (starts, ends, which, forward)]
    weight = np.minimum(np.concatenate(weights), LARGEST_WEIGHT)
    first, last, factor_index, is_forward = columns
    bound = _bound(first, last, factor_index, weight)
    return Sites(first, last, factor_index, is_forward, weight, bound)


def _bound(starts: Ints, ends: Ints, factor: Ints, weights: Doubles) -> Doubles:
    """Fills the sites: a site against all that overlap it, helped by partners.

    ``bound = q / (1 + Q)`` with ``q`` the site's concentration times weight, and ``Q`` the sum of
    ``q`` over all sites that overlap it, itself among them: they exclude one another.
    """
    q = concentrations().astype(np.float64)[:, factor] * weights
    q = q * _help(starts, ends, factor, q)
    by_start, by_end = np.argsort(starts, kind="stable"), np.argsort(ends, kind="stable")
    begun = np.searchsorted(starts[by_start], ends, "left")  # sites that start before my end
    ended = np.searchsorted(ends[by_end], starts, "right")  # sites that end at or before my start
    zero = np.zeros((len(q), 1))
    sums = [np.concatenate([zero, np.cumsum(q[:, order], 1)], 1) for order in (by_start, by_end)]
    overlapping = sums[0][:, begun] - sums[1][:, ended]
    bound: Doubles = q / (1 + np.maximum(overlapping, q))
    return bound


def _help(starts: Ints, ends: Ints, factor: Ints, q: Doubles) -> Doubles:
    """Returns by how much cooperation multiplies the weight of each site."""
    names = [f.name for f in factors()]
    twice_centre = starts + ends - 1
    alone = q / (1 + q)
    factor_of = np.ones_like(q)
    for pair in pairs():
        for mine, partner in (pair.factors, pair.factors[::-1]):
            me = np.flatnonzero(factor == names.index(mine))
            other = np.flatnonzero(factor == names.index(partner))
            other = other[np.argsort(twice_centre[other], kind="stable")]
            sums = np.concatenate([np.zeros((len(q), 1)), np.cumsum(alone[:, other], 1)], 1)
            centres = twice_centre[other]
            near = np.zeros((len(q), len(me)))
            for low, high in ((pair.nearest, pair.farthest), (-pair.farthest, -pair.nearest)):
                first = np.searchsorted(centres, twice_centre[me] + 2 * low, "left")
                past = np.searchsorted(centres, twice_centre[me] + 2 * high, "right")
                near += sums[:, past] - sums[:, first]
            factor_of[:, me] *= 1 + pair.gain * np.minimum(near, 1)
    return factor_of
