"""The layers of the teaching model: convolutions, attention, scans and pairs of bins."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from models.teaching.cells import cells
from models.teaching.contacts import BIN

TOKEN = 128
#: Channels of tokens and of pairs.
WIDTH, PAIR = 192, 48
HEADS = 6
#: Tokens in a bin of the table of pairs.
RATIO = BIN // TOKEN


def channels_last(x: Tensor) -> Tensor:
    """Turns (batch, length, channels) into (batch, channels, 1, length) without moving data."""
    return x.permute(0, 2, 1)[:, :, None]


def lengthwise(x: Tensor) -> Tensor:
    """Turns (batch, channels, 1, length) into (batch, length, channels) without moving data."""
    return x[:, :, 0].permute(0, 2, 1)


class Conv(nn.Conv2d):
    """Convolution along the sequence; an odd width keeps the length."""

    def __init__(self, inputs: int, outputs: int, width: int, stride: int = 1) -> None:
        super().__init__(
            inputs,
            outputs,
            (1, width),
            stride=(1, stride),
            padding=(0, (width - 1) // 2 if stride == 1 else (width - stride) // 2),
        )


class ConvBlock(nn.Module):
    """Residual: normalise, GELU, convolve."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.convolve = Conv(channels, channels, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (batch, channels, 1, length)."""
        y = channels_last(self.norm(lengthwise(x)))
        changed: Tensor = x + self.convolve(functional.gelu(y))
        return changed


class Attention(nn.Module):
    """Attention of every token to every other, with rotary positions."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.query_key_value = nn.Linear(WIDTH, 3 * WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor, turns: tuple[Tensor, Tensor], only: slice = slice(None)) -> Tensor:
        """Returns (batch, tokens, channels) for all tokens, or ``only`` for some in a row."""
        q, k, v = self.project(x, turns)
        return self.attend(x[:, only], q[:, :, only], k, v)

    def project(self, x: Tensor, turns: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Returns queries, keys and values; each (batch, heads, tokens, channels of a head)."""
        batch, length, _ = x.shape
        parts = self.query_key_value(self.norm(x)).reshape(batch, length, 3, HEADS, -1)
        q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
        return rotate(q, turns).to(v.dtype), rotate(k, turns).to(v.dtype), v

    def attend(self, x: Tensor, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Adds to tokens what their queries find among keys."""
        y = functional.scaled_dot_product_attention(q, k, v)
        changed: Tensor = x + self.out(y.transpose(1, 2).flatten(2))
        return changed


class FeedForward(nn.Module):
    """Two layers on each token."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.inner = nn.Linear(WIDTH, 4 * WIDTH)
        self.out = nn.Linear(4 * WIDTH, WIDTH)
        nn.init.zeros_(self.out.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (batch, tokens, channels)."""
        changed: Tensor = x + self.out(functional.gelu(self.inner(self.norm(x))))
        return changed


class Scan(nn.Module):
    """Carries what tokens say along the sequence, both ways, as far as each token lets it pass.

    A gene's rate is decided at its start and read in its last exon; attention learns such runs
    slowly. The recurrence is that of minGRU (Feng et al. 2024, arXiv:2410.01201).
    """

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.keep = nn.Linear(WIDTH, 2 * WIDTH)
        self.value = nn.Linear(WIDTH, 2 * WIDTH)
        self.out = nn.Linear(2 * WIDTH, WIDTH)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        # Some forget within two tokens, some after some hundred.
        nn.init.uniform_(self.keep.bias, 0, 5)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (batch, tokens, channels)."""
        onward, back = self.gates(x)
        return self.tell(x, run(*onward), run(*back))

    def gates(self, x: Tensor) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
        """Returns how much each token keeps and what it adds, first onward, then turned around."""
        y = self.norm(x)
        keep = self.keep(y).float().sigmoid()
        new = (1 - keep) * self.value(y).float()
        onward = keep[..., :WIDTH], new[..., :WIDTH]
        return onward, (keep[..., WIDTH:].flip(1), new[..., WIDTH:].flip(1))

    def tell(self, x: Tensor, onward: Tensor, back: Tensor) -> Tensor:
        """Adds to tokens what the two runs have brought, the second of them turned around."""
        changed: Tensor = x + self.out(torch.cat([onward, back.flip(1)], dim=2).to(x.dtype))
        return changed


def run(keep: Tensor, new: Tensor) -> Tensor:
    """Returns ``h`` with ``h[t] = keep[t] * h[t - 1] + new[t]`` along the second axis.

    By doubling: after ``n`` rounds each place has summed over the last ``2 ** n``.
    """
    reach = 1
    while reach < new.shape[1]:
        new = new + keep * functional.pad(new[:, :-reach], (0, 0, reach, 0))
        keep = keep * functional.pad(keep[:, :-reach], (0, 0, reach, 0))
        reach *= 2
    return new


def rotations(length: int, size: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns cosines and sines by which ``rotate`` turns pairs of channels.

    Half of the angles a token are spread evenly on a logarithmic scale from 1 to 1 / length.
    """
    speeds = torch.logspace(0, -np.log10(length), size // 2, device=device)
    angles = torch.arange(length, device=device)[:, None] * speeds
    return angles.cos(), angles.sin()


def rotate(x: Tensor, turns: tuple[Tensor, Tensor]) -> Tensor:
    """Turns channel ``i`` and ``i + size / 2`` of each token by an angle that grows with place."""
    cosine, sine = turns
    a, b = x.float().chunk(2, dim=-1)
    return torch.cat([a * cosine - b * sine, a * sine + b * cosine], dim=-1)


class PairBlock(nn.Module):
    """Residual dilated convolution over pairs of bins (as in Akita, Fudenberg et al. 2020)."""

    def __init__(self, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(PAIR)
        self.first = nn.Conv2d(PAIR, PAIR, 3, padding=dilation, dilation=dilation)
        self.second = nn.Conv2d(PAIR, PAIR, 1)
        nn.init.zeros_(self.second.weight)

    def forward(self, x: Tensor) -> Tensor:
        """Keeps the shape (batch, channels, bins, bins)."""
        changed: Tensor = x + self.second(functional.gelu(self.first(self.normed(x))))
        return changed

    def normed(self, x: Tensor) -> Tensor:
        """Keeps the shape (batch, channels, bins, bins)."""
        y: Tensor = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return y

    def rows(self, x: Tensor, y: Tensor, rows: Tensor) -> Tensor:
        """Does for some rows what ``forward`` does for all.

        Args:
            x: These rows; (batch, channels, rows, bins).
            y: What ``normed`` gives for all; (batch, channels, bins, bins).
            rows: Which they are.
        """
        (apart, _), weight = self.first.dilation, self.first.weight
        padded = functional.pad(y, (0, 0, apart, apart))
        above_to_below = torch.cat([padded[:, :, rows + i * apart] for i in range(3)], dim=1)
        flat = weight.transpose(1, 2).flatten(1, 2)[:, :, None]
        z = functional.conv2d(
            above_to_below, flat, self.first.bias, padding=(0, apart), dilation=(1, apart)
        )
        changed: Tensor = x + self.second(functional.gelu(z))
        return changed


class Pairs(nn.Module):
    """What each bin of 2,048 bp has to do with each other one."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(WIDTH)
        self.row = nn.Linear(WIDTH, PAIR)
        self.column = nn.Linear(WIDTH, PAIR)
        self.product = nn.Linear(WIDTH, 2 * PAIR)
        self.apart = nn.Embedding(129, PAIR)
        self.blocks = nn.ModuleList(PairBlock(d) for d in (1, 2, 4, 8, 1, 2, 4, 8))
        self.bias = nn.Linear(PAIR, HEADS)
        self.value = nn.Linear(WIDTH, WIDTH)
        self.out = nn.Linear(WIDTH, WIDTH)
        nn.init.zeros_(self.out.weight)
        self.maps = nn.Linear(PAIR, len(cells()))

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Reads pairs out of tokens, shape (batch, tokens, channels).

        Returns:
            The tokens, each told what its bin is in touch with; and the logarithm of contacts over
            what is usual at that distance, (batch, cells, bins, bins).
        """
        x = self.bins(tokens)
        pairs = self.meet(x)
        for block in self.blocks:
            pairs = block(pairs)
        maps = self.maps(pairs.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        told: Tensor = self.tell(pairs, self.values(x))
        return tokens + told, (maps + maps.transpose(2, 3)) / 2

    def bins(self, tokens: Tensor) -> Tensor:
        """Returns the mean of the normalised tokens of each bin; (batch, bins, channels)."""
        x: Tensor = self.norm(tokens).unflatten(1, (-1, RATIO)).mean(2)
        return x

    def meet(self, x: Tensor, rows: slice | Tensor = slice(None)) -> Tensor:
        """Returns pairs of some bins, or of all, with all; (batch, channels, rows, bins)."""
        a, b = self.product(x).chunk(2, dim=-1)
        places = torch.arange(x.shape[1], device=x.device)
        apart = self.apart((places[None] - places[rows, None]).clamp(-64, 64) + 64)
        pairs = self.row(x)[:, rows, None] + self.column(x)[:, None] + apart
        met: Tensor = (pairs + a[:, rows, None] * b[:, None]).permute(0, 3, 1, 2)
        return met

    def values(self, x: Tensor) -> Tensor:
        """Returns what bins say to those in touch with them; (batch, heads, bins, channels)."""
        value: Tensor = self.value(x).unflatten(2, (HEADS, -1)).transpose(1, 2)
        return value

    def tell(self, pairs: Tensor, value: Tensor) -> Tensor:
        """Returns what tokens of the rows of pairs are told; (batch, tokens, channels)."""
        weights = self.bias(pairs.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).sigmoid()
        told: Tensor = self.out((weights @ value).transpose(1, 2).flatten(2))
        return told.repeat_interleave(RATIO, 1)
