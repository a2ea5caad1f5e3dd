"""Loop extrusion: who meets whom, and what a boundary keeps apart."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import uniform_filter1d

from models.teaching.binding import Chromatin
from models.teaching.cells import factors
from models.teaching.motifs import Codes, Doubles, Floats, Ints

BIN = 2048
#: Grid on which enhancers and the CTCF sites between them and a promoter are summed.
FINE = 128
#: Energy by which one bound CTCF site stops cohesin: it passes with ``exp(-STALL)``.
STALL = 4.0
#: Distance in bp over which an enhancer's weight halves from that at the promoter itself.
HALF_DISTANCE = 10_000
#: Farthest in bp that an enhancer acts.
ENHANCER_REACH = 65_536
#: Mean length in bp that cohesin extrudes.
PROCESSIVITY = 240_000
DECAY = 0.9
#: Contacts per unit of what the formula of ``contact_maps`` gives, for plain polymer, inside of
#: one loop, on the stripe of one anchor, and at both anchors of one loop.
POLYMER, INSIDE, STRIPE, LOOP = 0.3, 0.7, 0.6, 6.0
COMPARTMENT = 0.3


def stalls(chromatin: Chromatin) -> tuple[Doubles, Doubles]:
    """Returns how likely each 128-bp bin stops cohesin's left and its right leg.

    By the convergent rule a leg is stopped when it meets a site from the side to which the motif
    points: the leg that moves left by sites on the plus strand, the other by those on the minus
    strand (Rao et al. 2014; Sanborn et al. 2015; Fudenberg et al. 2016).

    Returns:
        Two arrays of shape (cells, length / 128).
    """
    sites = chromatin.sites
    ctcf = [f.name for f in factors()].index("CTCF")
    n_bins = chromatin.open.shape[1] // FINE
    result = []
    for forward in (True, False):
        mine = (sites.factor == ctcf) & (sites.forward == forward)
        bins = (sites.starts[mine] + sites.ends[mine] - 1) // 2 // FINE
        energy = STALL * sites.bound[:, mine] * chromatin.site_open[:, mine]
        summed = np.stack([np.bincount(bins, row, n_bins)[:n_bins] for row in energy])
        result.append(1 - np.exp(-summed))
    return result[0], result[1]


def passage(left: Doubles, right: Doubles) -> Doubles:
    """Returns how freely cohesin that is loaded between two places reaches both.

    For anchors at bins 0 and ``k``: ``M(k) = mean over loading bins u of (product over bins below
    u of (1 - left)) * (product over bins above u of (1 - right))``, bins strictly between the
    anchors only. 1 where nothing is in the way.

    Args:
        left: How likely each bin stops the leg that moves left; shape (..., bins).
        right: The same for the leg that moves right.

    Returns:
        Shape (..., bins); the last axis is ``k``.
    """
    result = np.ones_like(left)
    total = np.zeros(left.shape[:-1])
    free = np.ones(left.shape[:-1])
    for k in range(2, left.shape[-1]):
        total = total * (1 - right[..., k - 1]) + free
        free = free * (1 - left[..., k - 1])
        result[..., k] = total / (k - 1)
    return result


def enhancer_input(activation: Doubles, left: Doubles, right: Doubles, starts: Ints) -> Doubles:
    """Sums the enhancers that reach each start site.

    ``sum over bins of activation * M / (1 + distance / HALF_DISTANCE)``, within ENHANCER_REACH.

    Args:
        activation: Mean activation of each 128-bp bin; shape (cells, bins).
        left: As ``stalls`` returns it.
        right: As ``stalls`` returns it.
        starts: 128-bp bins of the start sites.

    Returns:
        Shape (cells, starts).
    """
    if not len(starts):
        return np.zeros((len(activation), 0))
    reach = ENHANCER_REACH // FINE
    weight = 1 / (1 + np.arange(reach + 1) * FINE / HALF_DISTANCE)
    around = starts[:, None] + reach + np.arange(reach + 1)
    before = starts[:, None] + reach - np.arange(reach + 1)
    a, l, r = (np.pad(x, ((0, 0), (reach, reach))) for x in (activation, left, right))
    downstream = passage(l[:, around], r[:, around]) * weight * a[:, around]
    upstream = passage(r[:, before], l[:, before]) * weight * a[:, before]
    total: Doubles = downstream.sum(-1) + upstream[..., 1:].sum(-1)
    return total


def compartments(codes: Codes, activation: Doubles) -> Doubles:
    """Returns the compartment of each 2,048-bp bin, -1 (B) to 1 (A); shape (cells, bins).

    Gene-rich, GC-rich and active chromatin is in A (Lieberman-Aiden et al. 2009); smoothed over
    some 30 kb.
    """
    gc = ((codes == 1) | (codes == 2)).reshape(-1, BIN).mean(1)
    active = activation.reshape(len(activation), -1, BIN // FINE).sum(-1)
    raw = 12 * (gc - 0.43) + 0.3 * active - 0.3
    for _ in range(2):
        raw = uniform_filter1d(raw, 9, axis=-1, mode="nearest")
    result: Doubles = np.tanh(raw)
    return result


def contact_maps(left: Doubles, right: Doubles, compartment: Doubles, diagonals: int) -> Floats:
    """Returns contact frequencies of 2,048-bp bins, relative to a bin with itself.

    ``(1 + d)^-DECAY * exp(COMPARTMENT * s_i * s_j) * (POLYMER + e * (INSIDE + STRIPE * (l_i + r_j)
    + LOOP * l_i * r_j))`` with ``e = M(i, j) * exp(-d / PROCESSIVITY)``.

    Args:
        left: As ``stalls`` returns it.
        right: As ``stalls`` returns it.
        compartment: As ``compartments`` returns it.
        diagonals: How many diagonals, the main one among them.

    Returns:
        Shape (cells, bins, diagonals); entry ``[c, i, d]`` belongs to bins ``i`` and ``i + d``,
        NaN where the latter lies beyond the sequence.
    """
    ratio = BIN // FINE
    l, r = (1 - np.prod(1 - x.reshape(len(x), -1, ratio), -1) for x in (left, right))
    n_bins = l.shape[1]
    partners = np.arange(n_bins)[:, None] + np.arange(diagonals)
    beyond = partners >= n_bins
    partners = np.minimum(partners, n_bins - 1)
    distance = np.arange(diagonals)
    extruded = passage(l[:, partners], r[:, partners]) * np.exp(-distance * BIN / PROCESSIVITY)
    l_i, r_j = l[:, :, None], r[:, partners]
    loops = INSIDE + STRIPE * (l_i + r_j) + LOOP * l_i * r_j * (distance > 1)
    maps = POLYMER + extruded * loops
    maps *= np.exp(COMPARTMENT * compartment[:, :, None] * compartment[:, partners])
    maps *= (1.0 + distance) ** -DECAY
    maps[:, beyond] = np.nan
    result: Floats = maps.astype(np.float32)
    return result


def square(maps: Floats) -> Floats:
    """Turns diagonals, shape (cells, bins, bins), into symmetric matrices of that shape."""
    n = maps.shape[1]
    i, j = np.triu_indices(n)
    result = np.empty((len(maps), n, n), np.float32)
    result[:, i, j] = result[:, j, i] = maps[:, i, j - i]
    return result
