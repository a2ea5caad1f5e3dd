"""The introns of the teaching model: which splice sites it pairs, and how many reads join two."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from models.base import Window
from models.teaching.cells import cells
from models.teaching.samples import base_tracks
from models.teaching.tracks import track_id
from models.teaching_net_layers import TOKEN

#: Channels in which a splice donor meets an acceptor, for each cell type.
JUNCTION = 16
#: Splice sites that are paired on each strand, the most likely ones, if at least this likely.
MOST_SITES, LEAST_SITE = 128, 0.02
#: Introns shorter than this, or with fewer reads in every cell, are left out.
SHORTEST_INTRON, LEAST_READS = 50, 0.02
#: Largest logarithm of the square root of an amount.
LARGEST_LOGIT = 4.0


class Junctions(nn.Module):
    """How many reads join a donor and an acceptor.

    Args:
        channels: Of what is ``around`` a base.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        size = len(cells()) * JUNCTION
        self.donor = nn.Sequential(nn.Linear(channels, 192), nn.GELU(), nn.Linear(192, size))
        self.acceptor = nn.Sequential(nn.Linear(channels, 192), nn.GELU(), nn.Linear(192, size))
        self.distance = nn.Linear(8, len(cells()))

    def forward(self, decoded: Tensor, tokens: Tensor, donors: Tensor, acceptors: Tensor) -> Tensor:
        """Returns logits, the logarithm of the square root of reads, of each pair.

        Args:
            decoded: ``Outputs.decoded`` of one window; (length, channels).
            tokens: ``Outputs.tokens`` of it; (tokens, channels).
            donors: Last bases of exons; (donors,).
            acceptors: First bases of exons; (acceptors,).

        Returns:
            Shape (cells, donors, acceptors).
        """
        length = (acceptors[None] - donors[:, None]).abs()
        return self.pairs(
            around(decoded, tokens, donors), around(decoded, tokens, acceptors), length
        )

    def pairs(self, donors: Tensor, acceptors: Tensor, length: Tensor) -> Tensor:
        """Returns the logits of ``forward``.

        Args:
            donors: What is ``around`` them; (..., donors, channels).
            acceptors: What is ``around`` them; (..., acceptors, channels).
            length: Bases from one to the other; (donors, acceptors).

        Returns:
            Shape (..., cells, donors, acceptors).
        """
        d = self.donor(donors).unflatten(-1, (len(cells()), JUNCTION))
        a = self.acceptor(acceptors).unflatten(-1, (len(cells()), JUNCTION))
        far = length.clamp(min=1).float()
        waves = torch.stack(
            [f(far.log() * s) for s in (0.25, 0.5, 1.0, 2.0) for f in (torch.sin, torch.cos)],
            dim=-1,
        )
        near = self.distance(waves.to(donors.dtype)).permute(2, 0, 1)
        pairs: Tensor = torch.einsum("...dck,...ack->...cda", d, a) / JUNCTION**0.5 + near
        return pairs


def around(decoded: Tensor, tokens: Tensor, places: Tensor) -> Tensor:
    """Returns what the network knows of some bases; (..., places, channels).

    Args:
        decoded: ``Outputs.decoded``; (..., length, channels).
        tokens: ``Outputs.tokens``; (..., tokens, channels).
        places: Which bases, counted from the first one of both.
    """
    return torch.cat([decoded[..., places, :], tokens[..., places // TOKEN, :]], dim=-1)


def amounts(logits: Tensor) -> Tensor:
    """Turns the logarithm of the square root of amounts, such as reads, into amounts."""
    return (2 * logits.float().clamp(max=LARGEST_LOGIT)).exp()


def exon_ends(intron: Window) -> tuple[Window, Window]:
    """Returns the base before an intron, and the base after it: the pair that is its junction."""
    start, end = intron
    return (start - 1, start), (end, end + 1)


def reads_of(head: Junctions, left: Tensor, right: Tensor, length: int, forward: bool) -> Tensor:
    """Returns the reads of one intron, whether or not its ends are among the likely sites.

    Args:
        head: Of the network.
        left: What is ``around`` the base before it, one row a sequence; (batch, 1, channels).
        right: The same of the base after it.
        length: Of the intron.
        forward: Whether the plus strand is meant.

    Returns:
        Shape (batch, cells).
    """
    donor, acceptor = (left, right) if forward else (right, left)
    apart = torch.tensor([[length + 1]], device=left.device)
    return amounts(head.pairs(donor, acceptor, apart))[..., 0, 0]


def likely_introns(
    head: Junctions, bases: Tensor, decoded: Tensor, tokens: Tensor, forward: bool
) -> tuple[Tensor, Tensor]:
    """Pairs the likely splice sites of one strand of one window.

    Args:
        head: Of the network.
        bases: ``Outputs.bases`` of the window; (length, tracks).
        decoded: ``Outputs.decoded`` of it.
        tokens: ``Outputs.tokens`` of it.
        forward: Whether the plus strand is meant.

    Returns:
        The introns, (introns, 2), half-open and counted from the start of the window, by their
        start; and their reads, (cells, introns).
    """
    donors, acceptors = splice_sites(bases, forward)
    reads = amounts(head(decoded, tokens, donors, acceptors))
    ends = torch.stack(
        [donors[:, None].expand(-1, len(acceptors)), acceptors.expand(len(donors), -1)], dim=-1
    )
    # A donor is the last base of an exon and an acceptor the first, so an intron begins one base
    # after the left one of the two.
    introns = (ends if forward else ends.flip(-1)) + torch.tensor([1, 0], device=ends.device)
    length = introns[..., 1] - introns[..., 0]
    kept = (length >= SHORTEST_INTRON) & (reads.amax(0) >= LEAST_READS)
    order = torch.argsort(introns[kept][:, 0], stable=True)
    return introns[kept][order], reads[:, kept][:, order]


def splice_sites(bases: Tensor, forward: bool) -> tuple[Tensor, Tensor]:
    """Returns the likeliest donors and acceptors of a strand, in genome order.

    Args:
        bases: Logits of ``base_tracks()`` of one window; (length, tracks).
        forward: Whether the plus strand is meant.
    """
    found = []
    for kind in ("donor", "acceptor"):
        wanted = track_id("SPLICE_SITES", kind, "+" if forward else "-")
        column = [track.id for track in base_tracks()].index(wanted)
        chance = bases[:, column].float().sigmoid()
        best = torch.topk(chance, min(MOST_SITES, len(chance)))
        found.append(best.indices[best.values >= LEAST_SITE].sort().values)
    return found[0], found[1]
