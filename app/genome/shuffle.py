"""Shuffling that keeps every dinucleotide count."""

from __future__ import annotations

import itertools
import random
from collections import defaultdict


def dinucleotide_shuffle(bases: str, seed: int) -> str:
    """Shuffles a sequence so that each dinucleotide occurs as often as before.

    The sequence is a walk along edges from base to base; another walk over the same edges is drawn,
    each with the same probability (Altschul and Erickson, Mol Biol Evol 2:526, 1985; the tree of
    last edges by Wilson's loop-erased walks). First and last base stay.

    Args:
        bases: The sequence, any letters.
        seed: Names the random numbers.
    """
    if len(bases) < 3:
        return bases
    rng = random.Random(seed)  # noqa: S311 - reproducible, not secret
    edges: dict[str, list[str]] = defaultdict(list)
    for left, right in itertools.pairwise(bases):
        edges[left].append(right)
    last = _last_edges(edges, bases[-1], rng)
    order = {}
    for base in sorted(edges):
        rest = list(edges[base])
        if base in last:
            rest.remove(last[base])
        rng.shuffle(rest)
        # Taken from the end: the edge of the tree comes last.
        order[base] = [last[base], *rest] if base in last else rest
    walk = [bases[0]]
    while order.get(walk[-1]):
        walk.append(order[walk[-1]].pop())
    return "".join(walk)


def _last_edges(edges: dict[str, list[str]], root: str, rng: random.Random) -> dict[str, str]:
    """Draws a tree that leads from every base to the root; its edges are walked last."""
    tree: dict[str, str] = {}
    reached = {root}
    for base in sorted(edges):
        at = base
        while at not in reached:  # what a loop wrote is written over
            tree[at] = rng.choice(edges[at])
            at = tree[at]
        at = base
        while at not in reached:
            reached.add(at)
            at = tree[at]
    return {base: to for base, to in tree.items() if base != root}
