"""The layers of baskerville's networks; see ``baskerville``."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from models.card import WeightsError

Activation = Callable[[Tensor], Tensor]

ACTIVATIONS: dict[str | None, Activation] = {
    "gelu": lambda x: F.gelu(x, approximate="tanh"),
    "relu": F.relu,
    "sigmoid": torch.sigmoid,
    "softplus": F.softplus,
    "tanh": torch.tanh,
    "linear": lambda x: x,
    None: lambda x: x,
}

#: A head's activation is looked up by Keras, whose gelu is the exact one.
HEAD_ACTIVATIONS: dict[str | None, Activation] = {**ACTIVATIONS, "gelu": F.gelu}

#: Keras' default, which baskerville never changes.
EPSILON = 1e-3


class Convolution(nn.Conv1d):
    """``Conv1D`` that keeps the length."""

    kind = "conv1d"

    def __init__(
        self, channels: int, filters: int, kernel_size: int, dilation: int = 1, *, bias: bool = True
    ) -> None:
        super().__init__(
            channels, filters, kernel_size, padding="same", dilation=dilation, bias=bias
        )


class Dense(nn.Conv1d):
    """``Dense`` over the channels of every position."""

    kind = "dense"

    def __init__(self, channels: int, units: int) -> None:
        super().__init__(channels, units, 1)


class SeparableConvolution(nn.Module):
    """``SeparableConv1D``: one filter a channel, then a mix of the channels."""

    kind = "separable_conv1d"

    def __init__(self, channels: int, filters: int, kernel_size: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv1d(
            channels, channels, kernel_size, padding="same", groups=channels, bias=False
        )
        self.pointwise = nn.Conv1d(channels, filters, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, channels, length) to (batch, filters, length)."""
        mixed: Tensor = self.pointwise(self.depthwise(x))
        return mixed


class BatchNorm(nn.BatchNorm1d):
    """``BatchNormalization``."""

    kind = "batch_normalization"

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON)


class LayerNorm(nn.LayerNorm):
    """``LayerNormalization`` over the channels of (batch, channels, length)."""

    kind = "layer_normalization"

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=EPSILON)

    def forward(self, x: Tensor) -> Tensor:
        """Normalises each position."""
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class Scale(nn.Module):
    """baskerville's ``Scale``: one learned factor a channel."""

    kind = "scale"

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Scales (batch, channels, length)."""
        return x * self.weight[:, None]


def position_features(length: int, n_features: int) -> Tensor:
    """Returns the central-mask features of all relative positions.

    Feature ``k`` of ``n_features / 2`` is 1 where ``|d| < (length + 1) ** (k / n) - 1`` (``k`` from
    1, ``n`` their number) and 0 elsewhere; the second half is the first times the sign of ``d``.

    Returns:
        Float32 of shape (2 * length - 1, n_features), for ``d`` from ``1 - length`` on.
    """
    n = n_features // 2
    distance = np.arange(1 - length, length, dtype=np.float32)
    rate = np.exp(np.log(length + 1) / n).astype(np.float32)
    widths = rate ** np.arange(1, n + 1, dtype=np.float32) - 1
    central = (widths > np.abs(distance)[:, None]).astype(np.float32)
    return torch.from_numpy(np.concatenate([central, np.sign(distance)[:, None] * central], axis=1))


def relative_to_absolute(x: Tensor, length: int) -> Tensor:
    """Turns logits by distance into logits by key, without copying them.

    Args:
        x: Contiguous, shape (..., queries, length - 1 + queries), for queries in a row; the last
            axis is key minus query, from that of the first key and the last query on.
        length: Number of keys.

    Returns:
        Shape (..., queries, length), with
        ``out[..., i, j] = x[..., i, j - i + queries - 1]``.
    """
    queries = x.shape[-2]
    return x.as_strided(
        (*x.shape[:-1], length),
        (*x.stride()[:-2], x.stride(-2) - 1, 1),
        x.storage_offset() + queries - 1,
    )


class Attention(nn.Module):
    """Self-attention with relative positions (Enformer, Avsec et al. 2021, and Transformer-XL).

    The logit of query ``i`` and key ``j`` is ``(q_i + u) . k_j + (q_i + v) . r_(j - i)``, where
    ``q`` is already divided by the square root of the key size and ``r`` is a linear map of
    ``position_features``.
    """

    kind = "multihead_attention"

    def __init__(
        self, channels: int, length: int, heads: int, key_size: int, n_features: int
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(channels, heads * key_size, bias=False)
        self.key = nn.Linear(channels, heads * key_size, bias=False)
        self.value = nn.Linear(channels, channels, bias=False)
        self.embedding = nn.Linear(channels, channels)
        self.position = nn.Linear(n_features, heads * key_size, bias=False)
        self.content_bias = nn.Parameter(torch.zeros(1, heads, 1, key_size))
        self.position_bias = nn.Parameter(torch.zeros(1, heads, 1, key_size))
        self.features: Tensor
        self.register_buffer("features", position_features(length, n_features), persistent=False)

    def _split(self, x: Tensor) -> Tensor:
        """Maps (..., length, heads * size) to (..., heads, length, size)."""
        return x.reshape(*x.shape[:-1], self.heads, -1).transpose(-3, -2)

    def forward(self, x: Tensor, span: tuple[int, int] | None = None) -> Tensor:
        """Maps (batch, channels, length) to the same shape, or to some positions of it.

        Args:
            x: What is attended to.
            span: The positions to return, half-open; all where it is not given.
        """
        x = x.transpose(1, 2)
        length = x.shape[1]
        start, end = span or (0, length)
        query = self._split(self.query(x[:, start:end]))
        query = query * query.shape[-1] ** -0.5
        distances = self.features[length - end : 2 * length - 1 - start]
        by_distance = self._split(self.position(distances)).transpose(-1, -2)
        attended = F.scaled_dot_product_attention(
            query + self.content_bias,
            self._split(self.key(x)),
            self._split(self.value(x)),
            attn_mask=relative_to_absolute((query + self.position_bias) @ by_distance, length),
            scale=1.0,
        )
        embedded: Tensor = self.embedding(attended.transpose(1, 2).flatten(2))
        return embedded.transpose(1, 2)


class Activate(nn.Module):
    """One of ``ACTIVATIONS``."""

    def __init__(self, name: str | None, known: dict[str | None, Activation] = ACTIVATIONS) -> None:
        super().__init__()
        if name not in known:
            raise WeightsError(f"params.json: the activation {name} is not supported here.")
        self.function = known[name]

    def forward(self, x: Tensor) -> Tensor:
        """Applies it to every number."""
        return self.function(x)


class Residual(nn.Module):
    """Adds its input to what ``body`` makes of it."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        """Maps any shape to the same shape."""
        changed: Tensor = self.body(x)
        return x + changed


class Crop(nn.Module):
    """``Cropping1D``."""

    def __init__(self, left: int, right: int) -> None:
        super().__init__()
        self.left, self.right = left, right

    def forward(self, x: Tensor) -> Tensor:
        """Cuts positions off both ends of the last axis."""
        return x[..., self.left : x.shape[-1] - self.right]


class UNetConv(nn.Module):
    """``unet_conv``: upsampled input plus an earlier representation, then a convolution."""

    def __init__(
        self,
        channels: int,
        skip_channels: int,
        *,
        kernel_size: int,
        activation: str,
        norm_type: str | None,
        upsample_conv: bool,
    ) -> None:
        super().__init__()
        self.norm = norm(norm_type, channels)
        self.skip_norm = norm(norm_type, skip_channels)
        self.activate = Activate(activation)
        self.dense = Dense(channels, channels) if upsample_conv else nn.Identity()
        self.skip_dense = Dense(skip_channels, channels)
        self.convolution = SeparableConvolution(channels, channels, kernel_size)

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Maps (batch, channels, length) and (batch, skip channels, 2 * length) to the longer."""
        x = self.dense(self.activate(self.norm(x))).repeat_interleave(2, dim=-1)
        mixed: Tensor = self.convolution(x + self.skip_dense(self.activate(self.skip_norm(skip))))
        return mixed


class UNetConcat(nn.Module):
    """``unet_concat``: an earlier representation, changed by what it and the input say together."""

    def __init__(
        self,
        channels: int,
        skip_channels: int,
        *,
        kernel_size: int,
        activation: str,
        norm_type: str | None,
    ) -> None:
        super().__init__()
        middle = int(1.5 * skip_channels)
        self.norm = norm(norm_type, channels)
        self.skip_norm = norm(norm_type, skip_channels)
        self.body = nn.Sequential(
            Activate(activation),
            Dense(skip_channels + channels, middle),
            Activate(activation),
            Convolution(middle, skip_channels, kernel_size),
        )

    def forward(self, x: Tensor, skip: Tensor) -> Tensor:
        """Maps (batch, channels, length) and (batch, skip channels, 2 * length) to the latter."""
        x = self.norm(x).repeat_interleave(2, dim=-1)
        changed: Tensor = self.body(torch.cat([self.skip_norm(skip), x], dim=1))
        return skip + changed


def norm(kind: str | None, channels: int) -> nn.Module:
    """Returns the layer that ``norm_type`` names; across devices it is the same once trained."""
    match kind:
        case "batch" | "batch-sync":
            return BatchNorm(channels)
        case "layer":
            return LayerNorm(channels)
        case None:
            return nn.Identity()
    raise WeightsError(f"params.json: the norm_type {kind} is not supported here.")
