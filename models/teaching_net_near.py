"""The trunk of the teaching model for changed sequences, computed where the change matters.

When one base changes, tokens far from it and from the read-out hardly do. So they are left as they
are in the unchanged sequence, layer by layer, and only those of some bins are computed: they attend
to all tokens, meet all bins, and what the scans carry passes through the tokens in between. What is
lost is what changes in tokens that are left, and comes back from there.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, cast

import torch
from torch import Tensor
from torch.nn import functional

from models.staged import Span
from models.teaching_net_layers import (
    HEADS,
    RATIO,
    WIDTH,
    Attention,
    PairBlock,
    Scan,
    rotations,
    run,
)

if TYPE_CHECKING:
    from models.teaching_net import Network

#: Bins (of 2,048 bp) on either side of changes and read-out whose tokens are computed. Effects are
#: then those of full passes up to 1 % of the largest one.
MARGIN = 12
#: What a token keeps of what a scan carries is never taken to be less, so that it has a logarithm.
LEAST_KEPT = 1e-30


class NearTrunk:
    """``Network.trunk`` for sequences that differ little from one that it has seen.

    Args:
        network: The network.
        tokens: Of the unchanged sequence, as encoded; (1, tokens, channels).
    """

    def __init__(self, network: Network, tokens: Tensor) -> None:
        self._network = network
        count = tokens.shape[1]
        self._unchanged = tokens
        self._first_scan = len(network.attention) - len(network.scans)
        self._turns = rotations(count, WIDTH // HEADS, tokens.device)
        self._kept: dict[str, Tensor] = {}
        bins = torch.arange(count // RATIO, device=tokens.device)
        self._kept["trunk"] = self._pass(tokens, bins, (0, count))

    def __call__(self, tokens: Tensor, near: Sequence[Span], span: Span) -> Tensor:
        """Mixes the tokens of changed sequences.

        Args:
            tokens: As encoded; (batch, tokens, channels).
            near: The changed tokens and those that matter: all within ``MARGIN`` bins of them are
                computed, others stay unchanged.
            span: The tokens that are returned.
        """
        bins = self._near(near)
        result = self._kept["trunk"][:, slice(*span)].repeat(len(tokens), 1, 1)
        at = _tokens_of(bins)
        inside = at[(at >= span[0]) & (at < span[1])]
        result[:, inside - span[0]] = self._pass(tokens, bins, span)
        return result

    def maps(self, tokens: Tensor, near: Sequence[Span]) -> Tensor:
        """Returns what ``Network.trunk`` says of contacts, (batch, cells, bins, bins).

        Args:
            tokens: As encoded; (batch, tokens, channels).
            near: The changed tokens and those whose contacts matter. Contacts between bins within
                ``MARGIN`` of them are computed.
        """
        if "maps" not in self._kept:
            self._halves(self._unchanged, self._near([(0, tokens.shape[1])]))
        halves = self._halves(tokens, self._near(near))
        return (halves + halves.transpose(2, 3)) / 2

    def _near(self, spans: Sequence[Span]) -> Tensor:
        """Returns the bins that are computed."""
        cosine, _ = self._turns
        places = torch.arange(len(cosine) // RATIO, device=cosine.device)
        chosen = torch.zeros_like(places, dtype=torch.bool)
        for start, end in spans:
            chosen |= (places >= start // RATIO - MARGIN) & (places <= (end - 1) // RATIO + MARGIN)
        return places[chosen]

    def _halves(self, tokens: Tensor, bins: Tensor) -> Tensor:
        """Returns contacts as the rows of pairs say them, which columns need not agree with."""
        pairs, _ = self._paired(self._before_pairs(tokens, _tokens_of(bins)), bins)
        said = self._network.pairs.maps(pairs.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return self._whole("maps", said, 2, bins)

    def _pass(self, tokens: Tensor, bins: Tensor, span: Span) -> Tensor:
        """Returns the tokens of some bins that lie in a span; the first call keeps what it sees."""
        at = _tokens_of(bins)
        network = self._network
        x = self._before_pairs(tokens, at)
        pairs, means = self._paired(x, bins)
        x = x + network.pairs.tell(pairs, network.pairs.values(means))
        for number, scan in enumerate(network.scans, self._first_scan):
            x = self._scanned(number, cast("Scan", scan), x, at)
            last = number == len(network.attention) - 1
            only = (at >= span[0]) & (at < span[1]) if last else slice(None)
            x = self._layer(number, x, at, only)
        normed: Tensor = network.token_norm(x)
        return normed

    def _before_pairs(self, tokens: Tensor, at: Tensor) -> Tensor:
        x = tokens[:, at]
        for number in range(self._first_scan):
            x = self._layer(number, x, at, slice(None))
        return x

    def _layer(self, number: int, x: Tensor, at: Tensor, only: Tensor | slice) -> Tensor:
        attend = cast("Attention", self._network.attention[number])
        fed: Tensor = self._network.feed_forward[number](
            self._attended(number, attend, x, at, only)
        )
        return fed

    def _whole(self, name: str, part: Tensor, axis: int, at: Tensor) -> Tensor:
        """Returns what was kept with a part put in; keeps the part the first time."""
        if name not in self._kept:
            self._kept[name] = part
            return part
        kept = self._kept[name]
        return kept.expand(len(part), *kept.shape[1:]).index_copy(axis, at, part)

    def _attended(
        self, number: int, layer: Attention, x: Tensor, at: Tensor, only: Tensor | slice
    ) -> Tensor:
        cosine, sine = self._turns
        q, k, v = layer.project(x, (cosine[at], sine[at]))
        keys, values = (
            self._whole(f"{name} {number}", y, 2, at) for name, y in (("keys", k), ("values", v))
        )
        return layer.attend(x[:, only], q[:, :, only], keys, values)

    def _paired(self, x: Tensor, bins: Tensor) -> tuple[Tensor, Tensor]:
        """Returns the rows of pairs of some bins, and the means of all bins."""
        pairs = self._network.pairs
        means = self._whole("bins", pairs.bins(x), 1, bins)
        rows = pairs.meet(means, bins)
        for number, block in enumerate(cast("Sequence[PairBlock]", pairs.blocks)):
            normed = self._whole(f"pairs {number}", block.normed(rows), 2, bins)
            rows = block.rows(rows, normed, bins)
        return rows, means

    def _scanned(self, number: int, scan: Scan, x: Tensor, at: Tensor) -> Tensor:
        onward, back = scan.gates(x)
        count = len(self._turns[0])
        return scan.tell(
            x,
            self._run(f"onward {number}", *onward, at),
            self._run(f"back {number}", *back, (count - 1 - at).flip(0)),
        )

    def _run(self, name: str, keep: Tensor, new: Tensor, at: Tensor) -> Tensor:
        """Does what ``run`` does over all tokens, where those not ``at`` are as they were.

        The difference from the unchanged run, ``d``, obeys ``d[t] = keep[t] d[t - 1] + e[t]``, with
        ``e[t] = keep[t] h[t - 1] + new[t] - h[t]`` of the unchanged ``h``, and through tokens that
        are left it is passed on by the product of what they keep.
        """
        if name not in self._kept:
            h = run(keep, new)
            kept = keep.double().clamp(min=LEAST_KEPT).log().cumsum(1)
            self._kept |= {name: functional.pad(h, (0, 0, 1, 0)), f"{name} kept": kept}
            return h
        before, h = (self._kept[name][:, places] for places in (at, at + 1))
        kept = self._kept[f"{name} kept"]
        passed = (kept[:, at[1:] - 1] - kept[:, at[:-1]]).exp().to(keep.dtype)
        passed = functional.pad(passed, (0, 0, 1, 0))
        return h + run(keep * passed, keep * before + new - h)


def _tokens_of(bins: Tensor) -> Tensor:
    return (bins[:, None] * RATIO + torch.arange(RATIO, device=bins.device)).flatten()
