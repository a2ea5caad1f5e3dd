"""Networks trained with calico's baskerville, such as Borzoi, from their own files.

``params.json`` names the blocks of the network and ``model.h5`` is the Keras model that baskerville
saved; both are used as they are. What each block computes follows baskerville's ``blocks.py`` and
``layers.py`` (github.com/calico/baskerville, Apache-2.0). Options that matter only in training
(dropout, regularisation, initialisers, augmentation) are ignored; a block or an option that would
change the numbers and is not known here is an error that names it.

Row ``i`` of the card's ``tracks.tsv`` is channel ``i`` of the network's head. Beside the columns of
every card the table has those of baskerville's ``targets.txt`` that undo the training scale:
``clip_soft``, ``scale`` and ``sum_stat``, and ``transform``: ``new``, or ``old`` for models of the
Borzoi paper (see ``untransform``).
"""

from __future__ import annotations

import inspect
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, cast

import h5py
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor, nn

from models.base import SequenceModel, Substitution, Window
from models.card import Track, WeightsError
from models.registry import read_rows
from models.staged import Skips, StagedModel

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

#: Options of blocks without influence on a trained network's output.
TRAINING_ONLY = frozenset(
    {
        "attention_dropout",
        "bn_momentum",
        "dropout",
        "kernel_initializer",
        "l1_scale",
        "l2_scale",
        "mha_initializer",
        "mha_l2_scale",
        "norm_gamma",
        "position_dropout",
    }
)

#: By kind of Keras layer and name of its weight: our parameter and the order of its axes.
LAYOUT: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {
    "conv1d": {"kernel": ("weight", (2, 1, 0)), "bias": ("bias", (0,))},
    "dense": {"kernel": ("weight", (1, 0)), "bias": ("bias", (0,))},
    "separable_conv1d": {
        "depthwise_kernel": ("depthwise.weight", (1, 2, 0)),
        "pointwise_kernel": ("pointwise.weight", (2, 1, 0)),
        "bias": ("pointwise.bias", (0,)),
    },
    "batch_normalization": {
        "gamma": ("weight", (0,)),
        "beta": ("bias", (0,)),
        "moving_mean": ("running_mean", (0,)),
        "moving_variance": ("running_var", (0,)),
    },
    "layer_normalization": {"gamma": ("weight", (0,)), "beta": ("bias", (0,))},
    "multihead_attention": {
        "q_layer/kernel": ("query.weight", (1, 0)),
        "k_layer/kernel": ("key.weight", (1, 0)),
        "v_layer/kernel": ("value.weight", (1, 0)),
        "r_k_layer/kernel": ("position.weight", (1, 0)),
        "embedding_layer/kernel": ("embedding.weight", (1, 0)),
        "embedding_layer/bias": ("embedding.bias", (0,)),
        "r_w_bias": ("content_bias", (0, 1, 2, 3)),
        "r_r_bias": ("position_bias", (0, 1, 2, 3)),
    },
    "scale": {"scale": ("weight", (0,))},
}


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


def tower_filters(
    first: int, last: int | None, factor: float | None, divisible_by: int, repeat: int
) -> list[int]:
    """Returns the filters of each repeat of a tower: geometric, rounded to ``divisible_by``."""
    if factor is None:
        factor = (last / first) ** (1 / (repeat - 1)) if last and repeat > 1 else 1.0
    return [round(first * factor**i / divisible_by) * divisible_by for i in range(repeat)]


class Builder:
    """Adds block after block, as ``params.json`` lists them, and keeps track of shapes.

    Each method named for a block takes the options of that block, with baskerville's defaults.

    Attributes:
        steps: The modules so far, in the order in which Keras made its layers.
        skips: By step that takes an earlier representation: the step that made it.
        channels: Channels after the last step.
        length: Positions after the last step.
    """

    def __init__(self, model: dict[str, Any]) -> None:
        if model.get("padding", "same") != "same":
            raise WeightsError("params.json: only the padding same is supported here.")
        # Handed to every block that does not set them itself.
        self.globals = {key: model[key] for key in ("activation", "norm_type") if model.get(key)}
        self.steps: list[nn.Module] = []
        self.skips: dict[int, int] = {}
        self.channels = 4
        self.length = int(model["seq_length"])
        self._representations: list[tuple[int, int, int]] = []  # step, channels, length

    def block(self, name: str, options: dict[str, Any]) -> None:
        """Adds one block.

        Raises:
            WeightsError: The block or one of its options is unknown, or an option is missing.
        """
        if name not in BLOCKS:
            raise WeightsError(f"params.json: the block {name} is not supported here.")
        accepted = inspect.signature(BLOCKS[name]).parameters
        open_ended = any(p.kind is p.VAR_KEYWORD for p in accepted.values())
        given = {k: v for k, v in options.items() if k not in TRAINING_ONLY}
        if not open_ended and (unknown := set(given) - set(accepted)):
            raise WeightsError(
                f"params.json: the block {name} has the option {min(unknown)}, "
                "which is not supported here."
            )
        defaults = {k: v for k, v in self.globals.items() if k in accepted}
        try:
            BLOCKS[name](self, **(defaults | given))
        except TypeError as error:
            raise WeightsError(f"params.json: the block {name} is wrong: {error}.") from error

    def represent(self) -> None:
        """Remembers the current output for a later U-net block."""
        self._representations.append((len(self.steps) - 1, self.channels, self.length))

    def _add(self, *modules: nn.Module, channels: int | None = None) -> None:
        self.steps.append(nn.Sequential(*modules))
        self.channels = channels or self.channels

    def _pool(self, size: int) -> None:
        if size > 1:
            if self.length % size:
                raise WeightsError(f"params.json: pooling by {size} does not divide {self.length}.")
            self._add(nn.MaxPool1d(size))
            self.length //= size

    def conv_dna(
        self,
        *,
        filters: int,
        kernel_size: int = 15,
        activation: str = "relu",
        norm_type: str | None = None,
        pool_size: int = 1,
        residual: bool = False,
        use_bias: bool | None = None,
    ) -> None:
        """Convolution, then normalise and activate, or a residual block; pool."""
        bias = (norm_type is None and not residual) if use_bias is None else use_bias
        self._add(Convolution(self.channels, filters, kernel_size, bias=bias), channels=filters)
        if residual:
            change = [
                norm(norm_type, filters),
                Activate(activation),
                Convolution(filters, filters, 1),
            ]
            self._add(Residual(*change, Scale(filters)))
        else:
            self._add(norm(norm_type, filters), Activate(activation))
        self._pool(pool_size)

    def conv_block(
        self,
        *,
        filters: int | None = None,
        kernel_size: int = 1,
        activation: str = "relu",
        activation_end: str | None = None,
        dilation_rate: int = 1,
        norm_type: str | None = None,
        residual: bool = False,
        pool_size: int = 1,
    ) -> None:
        """Activate, convolution, normalise; activate once more; pool."""
        filters = filters or self.channels
        body = [
            Activate(activation),
            Convolution(self.channels, filters, kernel_size, dilation_rate, bias=norm_type is None),
            norm(norm_type, filters),
        ]
        self._add(*([Residual(*body)] if residual else body), channels=filters)
        self._add(Activate(activation_end))
        self._pool(pool_size)

    def conv_nac(
        self,
        *,
        filters: int | None = None,
        kernel_size: int = 1,
        activation: str = "relu",
        dilation_rate: int = 1,
        norm_type: str | None = None,
        residual: bool = False,
        pool_size: int = 1,
    ) -> None:
        """Normalise, activate, convolution; pool."""
        filters = filters or self.channels
        body = [
            norm(norm_type, self.channels),
            Activate(activation),
            Convolution(self.channels, filters, kernel_size, dilation_rate),
        ]
        self._add(*([Residual(*body)] if residual else body), channels=filters)
        self._pool(pool_size)

    def _conv_tower(
        self,
        inner: str,
        *,
        filters_init: int,
        filters_end: int | None = None,
        filters_mult: float | None = None,
        divisible_by: int = 1,
        repeat: int = 1,
        **options: Any,  # noqa: ANN401 - the inner block's, checked there
    ) -> None:
        for filters in tower_filters(filters_init, filters_end, filters_mult, divisible_by, repeat):
            self.block(inner, {**options, "filters": filters})
            self.represent()

    def conv_tower(self, **options: Any) -> None:  # noqa: ANN401 - checked by what it calls
        """Repeats ``conv_block`` with growing filters."""
        self._conv_tower("conv_block", **options)

    def conv_tower_nac(self, **options: Any) -> None:  # noqa: ANN401 - checked by what it calls
        """Repeats ``conv_nac`` with growing filters."""
        self._conv_tower("conv_nac", **options)

    def res_tower(
        self,
        *,
        filters_init: int,
        filters_end: int | None = None,
        filters_mult: float | None = None,
        divisible_by: int = 1,
        repeat: int = 1,
        kernel_size: int = 1,
        num_convs: int = 2,
        activation: str = "relu",
        norm_type: str | None = None,
        pool_size: int = 2,
    ) -> None:
        """Repeats ``conv_nac``, a residual branch of further ones, and pooling."""
        for filters in tower_filters(filters_init, filters_end, filters_mult, divisible_by, repeat):
            self.conv_nac(
                filters=filters,
                kernel_size=kernel_size,
                activation=activation,
                norm_type=norm_type,
            )
            branch: list[nn.Module] = []
            for _ in range(num_convs - 1):
                branch += [
                    norm(norm_type, filters),
                    Activate(activation),
                    Convolution(filters, filters, 1),
                ]
            if branch:
                self._add(Residual(*branch, Scale(filters)))
            self.represent()
            self._pool(pool_size)

    def transformer(
        self,
        *,
        key_size: int,
        heads: int = 1,
        dense_expansion: float = 2.0,
        num_position_features: int | None = None,
    ) -> None:
        """Attention, then two dense layers; each normalised first and added to its input."""
        width = self.channels
        if width % heads:
            raise WeightsError(f"params.json: {heads} heads do not divide {width} channels.")
        features = num_position_features or width // heads // 2 * 2
        attention = Attention(width, self.length, heads, key_size, features)
        self._add(Residual(LayerNorm(width), attention))
        if hidden := int(dense_expansion * width):
            self._add(
                Residual(LayerNorm(width), Dense(width, hidden), nn.ReLU(), Dense(hidden, width))
            )

    def transformer_tower(
        self,
        repeat: int = 2,
        **options: Any,  # noqa: ANN401 - checked by what it calls
    ) -> None:
        """Repeats ``transformer``."""
        for _ in range(repeat):
            self.block("transformer", options)

    def _skip(self) -> int:
        """Connects the next step with the last representation twice as long; returns channels."""
        for step, channels, length in reversed(self._representations):
            if length == 2 * self.length:
                self.skips[len(self.steps)] = step
                self.length = length
                return channels
        raise WeightsError(f"params.json: no earlier block has length {2 * self.length}.")

    def unet_conv(
        self,
        *,
        kernel_size: int = 1,
        activation: str = "relu",
        norm_type: str | None = None,
        upsample_conv: bool = False,
    ) -> None:
        """Doubles the length, adds an earlier representation, convolution."""
        self.steps.append(
            UNetConv(
                self.channels,
                self._skip(),
                kernel_size=kernel_size,
                activation=activation,
                norm_type=norm_type,
                upsample_conv=upsample_conv,
            )
        )

    def unet_concat(
        self, *, kernel_size: int = 1, activation: str = "relu", norm_type: str | None = None
    ) -> None:
        """Doubles the length and adds to an earlier representation."""
        skip_channels = self._skip()
        self.steps.append(
            UNetConcat(
                self.channels,
                skip_channels,
                kernel_size=kernel_size,
                activation=activation,
                norm_type=norm_type,
            )
        )
        self.channels = skip_channels

    def cropping_1d(self, cropping: int | Sequence[int]) -> None:
        """Cuts positions off both ends."""
        left, right = (cropping, cropping) if isinstance(cropping, int) else cropping
        self._add(Crop(left, right))
        self.length -= left + right

    def final(self, units: int, activation: str = "linear") -> None:
        """Dense layer whose units are the tracks."""
        self._add(Dense(self.channels, units), Activate(activation, HEAD_ACTIVATIONS))
        self.channels = units


BLOCKS: dict[str, Callable[..., None]] = {
    "conv_dna": Builder.conv_dna,
    "conv_block": Builder.conv_block,
    "conv_nac": Builder.conv_nac,
    "conv_tower": Builder.conv_tower,
    "conv_tower_nac": Builder.conv_tower_nac,
    "res_tower": Builder.res_tower,
    "transformer": Builder.transformer,
    "transformer_tower": Builder.transformer_tower,
    "unet_conv": Builder.unet_conv,
    "unet_concat": Builder.unet_concat,
    "Cropping1D": Builder.cropping_1d,
    "final": Builder.final,
}


class Network(nn.Module):
    """Trunk and one head.

    Attributes:
        length: Positions that it reads.
        n_bins: Positions that it predicts.
    """

    def __init__(self, model: dict[str, Any], n_tracks: int) -> None:
        """Builds the network with random weights.

        Args:
            model: The ``model`` section of ``params.json``.
            n_tracks: Chooses the head, by its units.

        Raises:
            WeightsError: The section describes something that is not supported.
        """
        super().__init__()
        builder = Builder(model)
        self.length = builder.length
        for options in model["trunk"]:
            builder.block(options["name"], {k: v for k, v in options.items() if k != "name"})
            builder.represent()
        builder.steps.append(Activate(model["activation"]))
        for options in find_head(model, n_tracks):
            builder.block(options["name"], {k: v for k, v in options.items() if k != "name"})
        self.steps = nn.ModuleList(builder.steps)
        self.skips = builder.skips
        self.n_bins = builder.length

    def forward(self, one_hot: Tensor) -> Tensor:
        """Predicts all tracks.

        Args:
            one_hot: Shape (batch, length, 4), columns A, C, G, T; all zero for N.

        Returns:
            Shape (batch, tracks, bins), in the training scale.
        """
        return self.run(one_hot.transpose(1, 2), range(len(self.steps)), {})

    def run(self, x: Tensor, steps: Iterable[int], kept: dict[int, Tensor]) -> Tensor:
        """Runs some steps, and keeps in ``kept``, by step, what later ones need of them."""
        needed = set(self.skips.values())
        for i in steps:
            step = self.steps[i]
            x = step(x, kept.pop(self.skips[i])) if i in self.skips else step(x)
            if i in needed:
                kept[i] = x
        return x


def find_head(model: dict[str, Any], n_tracks: int) -> list[dict[str, Any]]:
    """Returns the blocks of the head with ``n_tracks`` units.

    Raises:
        WeightsError: There is none.
    """
    heads = [model[key] for key in sorted(model) if key.startswith("head")]
    lists = [head if isinstance(head, list) else [head] for head in heads]
    for blocks in lists:
        if blocks[-1].get("units") == n_tracks:
            return blocks
    sizes = ", ".join(str(blocks[-1].get("units")) for blocks in lists)
    raise WeightsError(f"The card lists {n_tracks} tracks, the heads of params.json {sizes}.")


def keras_layers(file: h5py.File) -> dict[str, list[dict[str, h5py.Dataset]]]:
    """Returns the layers of a Keras model that have weights.

    Keras numbers the layers of one kind in the order in which they were made: ``dense``,
    ``dense_1``, and so on.

    Returns:
        By kind, in that order: each layer's weights by their name within the layer.
    """
    root = file.get("model_weights", file)
    numbered: dict[str, dict[int, dict[str, h5py.Dataset]]] = defaultdict(dict)
    for name in (_text(n) for n in root.attrs["layer_names"]):
        weights = [_text(n) for n in root[name].attrs["weight_names"]]
        kind, _, number = name.rpartition("_")
        if not number.isdecimal():
            kind, number = name, "0"
        if weights:
            numbered[kind.removeprefix("sync_")][int(number)] = {
                w.split("/", 1)[-1].split(":")[0]: root[name][w] for w in weights
            }
    return {kind: [by[n] for n in sorted(by)] for kind, by in numbered.items()}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def load_keras(network: Network, path: Path) -> None:
    """Copies the weights of a Keras file into the network.

    Raises:
        WeightsError: The file is damaged or holds other layers or shapes than the network.
    """
    ours: dict[str, list[nn.Module]] = defaultdict(list)
    for module in network.modules():
        if kind := getattr(module, "kind", None):
            ours[kind].append(module)
    try:
        with h5py.File(path, "r") as file:
            theirs = keras_layers(file)
            for kind in sorted({*ours, *theirs}):
                n, wanted = len(theirs.get(kind, [])), len(ours[kind])
                if n != wanted:
                    raise WeightsError(
                        f"{path.name} holds {n} {kind} layers; params.json describes {wanted}."
                    )
                for module, weights in zip(ours[kind], theirs.get(kind, []), strict=True):
                    _copy(module, kind, weights)
    except (OSError, KeyError) as error:
        raise WeightsError(f"{path} is not a Keras model that can be read: {error}.") from error


@torch.no_grad()
def _copy(module: nn.Module, kind: str, weights: dict[str, h5py.Dataset]) -> None:
    """Copies the weights of one layer."""
    state = module.state_dict(keep_vars=True)
    for name, (target, axes) in LAYOUT[kind].items():
        if (name in weights) != (target in state):
            raise WeightsError(f"A {kind} layer of model.h5 differs from params.json in {name}.")
        if target not in state:
            continue
        shape = tuple(weights[name].shape[axis] for axis in axes)
        wanted = tuple(state[target].shape)
        if wanted not in (shape, (*shape, 1)):
            raise WeightsError(
                f"A {kind} layer of model.h5 has a {name} of shape {shape}; "
                f"params.json describes {wanted}."
            )
        values = np.ascontiguousarray(weights[name][()].transpose(axes))
        state[target].copy_(torch.from_numpy(values).reshape(wanted))


#: By ``sum_stat``: the power that squashed the coverage, in the new and in the old transform.
POWERS = {
    "sum": (1.0, 1.0),
    "mean": (1.0, 1.0),
    "avg": (1.0, 1.0),
    "max": (1.0, 1.0),
    "sum_sqrt": (0.5, 0.75),
    "mean_sqrt": (0.5, 0.75),
    "avg_sqrt": (0.5, 0.75),
    "sum_exp75": (0.75, 0.75),
}


def untransform(
    values: Tensor, *, clip_soft: Tensor, scale: Tensor, power: Tensor, old: bool = False
) -> Tensor:
    """Turns the training scale back into coverage.

    baskerville's ``hound_data_read.py`` makes its targets from the coverage ``c`` of a bin so:

    - new: ``y = (1 + scale * c) ** power - 1``, and above ``clip_soft`` in its place
      ``clip_soft - 1 + sqrt(y - clip_soft + 1)``;
    - old (``--transform_old``, the Borzoi paper): ``y = c ** power``, above ``clip_soft``
      ``clip_soft + sqrt(y - clip_soft)``, and the result times ``scale``.

    This inverts them. The hard clip at ``clip`` cannot be inverted and is not.

    Args:
        values: Training scale, at least 0; any shape.
        clip_soft: Where the soft clip begins; broadcast against ``values``, as all that follow.
        scale: Factor of the coverage.
        power: 1 where the coverage was not squashed.
        old: Which of the two transforms to invert.

    Returns:
        Coverage, of the shape of ``values``.
    """
    if old:
        values = values / scale
        excess = (values - clip_soft).clamp(min=0)
        return torch.where(values > clip_soft, clip_soft + excess**2, values) ** (1 / power)
    excess = (values - clip_soft + 1).clamp(min=0)
    values = torch.where(values > clip_soft, clip_soft - 1 + excess**2, values)
    return ((1 + values) ** (1 / power) - 1) / scale


def encoder_steps(network: Network) -> int:
    """Returns how many steps come before the first attention, or, without one, the decoder."""
    for i, step in enumerate(network.steps):
        decodes = i in network.skips or any(isinstance(m, Crop) for m in step.modules())
        if decodes or any(isinstance(m, Attention) for m in step.modules()):
            return i
    return len(network.steps)


def decoder_step(network: Network, first: int) -> int:
    """Returns the step after the last attention, or ``first`` without one."""
    mixing = [
        i
        for i, step in enumerate(network.steps)
        if any(isinstance(m, Attention) for m in step.modules())
    ]
    return max(mixing, default=first - 1) + 1


def reach(steps: Iterable[nn.Module], scale: int) -> int:
    """Returns how many bases beyond its own an output of convolutional steps depends on.

    Args:
        steps: In order; each may pool, or double the length as the U-net blocks do.
        scale: Bases in a position of what the first step reads.
    """
    bases = 0
    for step in steps:
        if isinstance(step, UNetConv | UNetConcat):
            scale //= 2
        for module in step.modules():
            if isinstance(module, nn.Conv1d):
                bases += int(module.kernel_size[0] // 2 * module.dilation[0]) * scale
            elif isinstance(module, nn.MaxPool1d):
                scale *= _pool_size(module)
    return bases


def _pool_size(pool: nn.MaxPool1d) -> int:
    size = pool.kernel_size
    return size if isinstance(size, int) else size[0]


class Baskerville(StagedModel):
    """A network of the baskerville family."""

    def load(self, device: torch.device) -> None:
        """Builds the network from ``params.json`` and ``model.h5``."""
        params = self._file(".json")
        try:
            model = json.loads(params.read_text(encoding="utf-8"))["model"]
            network = Network(model, len(self.card.tracks))
        except (ValueError, KeyError) as error:
            raise WeightsError(f"{params} cannot be read: {error!r}.") from error
        self._check_shape(network)
        load_keras(network, self._file(".h5"))
        self.network = network.eval().requires_grad_(False).to(device)
        self._read_scales(device)
        self._divide()

    def _file(self, suffix: str) -> Path:
        """Returns the one weights file with that ending."""
        found = [path for path in self.files.values() if path.suffix == suffix]
        if len(found) != 1:
            raise WeightsError(f"{self.card.title} must have one {suffix} file on its card.")
        return found[0]

    def _check_shape(self, network: Network) -> None:
        """Refuses a network that reads or predicts another width than the card says."""
        widths = {network.n_bins * track.resolution for track in self.card.tracks}
        if network.length != self.card.input_width or widths != {self.card.output_width}:
            raise WeightsError(
                f"{self.card.title}: params.json describes {network.length} bp and "
                f"{network.n_bins} bins, the card {self.card.input_width} bp and an output of "
                f"{self.card.output_width} bp."
            )

    def _read_scales(self, device: torch.device) -> None:
        """Reads the columns of ``tracks.tsv`` that only this family has."""
        table = self.card.directory / "tracks.tsv"
        try:
            rows = read_rows(table, ("clip_soft", "scale", "sum_stat", "transform"))
            old = [("new", "old").index(row["transform"]) for row in rows]
            columns = {
                "clip_soft": [float(row["clip_soft"] or "inf") for row in rows],
                "scale": [float(row["scale"]) for row in rows],
                "power": [
                    POWERS[row["sum_stat"]][which] for row, which in zip(rows, old, strict=True)
                ],
            }
        except (OSError, ValueError, KeyError) as error:
            raise WeightsError(f"{table} cannot be used: {error}.") from error
        if len(set(old)) > 1:
            raise WeightsError(f"{table} mixes the old and the new transform.")
        self._old = bool(old[0])
        self._scales = {
            name: torch.tensor(values, device=device)[:, None] for name, values in columns.items()
        }
        self._channel = {track.id: i for i, track in enumerate(self.card.tracks)}

    def _divide(self) -> None:
        """Finds encoder, trunk and decoder among the steps of the network."""
        steps = self.network.steps
        self._encoder = range(encoder_steps(self.network))
        self._decoder = range(decoder_step(self.network, len(self._encoder)), len(steps))
        self._trunk = range(len(self._encoder), self._decoder.start)
        pools = [
            m for i in self._encoder for m in steps[i].modules() if isinstance(m, nn.MaxPool1d)
        ]
        self.stride = math.prod(map(_pool_size, pools))
        self.encoder_reach = reach((steps[i] for i in self._encoder), 1)
        decoded = reach((steps[i] for i in self._decoder), self.stride)
        self.decoder_reach = math.ceil(decoded / self.stride)
        skips = self.network.skips
        #: Where a skip starts or ends in the trunk a change is nowhere local.
        self._staged = all(i in self._decoder and j in self._encoder for i, j in skips.items())
        self._kept = sorted(set(skips.values()))

    def encode(self, one_hot: Tensor) -> tuple[Tensor, Skips]:
        """Runs the convolutions before the first attention; see ``StagedModel.encode``."""
        kept: dict[int, Tensor] = {}
        tokens = self.network.run(one_hot.transpose(1, 2), self._encoder, kept)
        return tokens, tuple(kept[i] for i in self._kept)

    def trunk(self, tokens: Tensor, span: tuple[int, int]) -> Tensor:
        """Runs all that comes up to the last attention; see ``StagedModel.trunk``."""
        for i in self._trunk[:-1]:
            tokens = self.network.steps[i](tokens)
        start, end = span
        if not self._trunk:
            return tokens[..., start:end]
        residual = cast(nn.Sequential, self.network.steps[self._trunk[-1]])[0]
        normalise, attention = cast(nn.Sequential, residual.body)
        attended: Tensor = attention(normalise(tokens), span)
        return tokens[..., start:end] + attended

    def decode(self, tokens: Tensor, skips: Skips, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Runs the rest, without cropping; see ``StagedModel.decode``."""
        kept = dict(zip(self._kept, skips, strict=True))
        uncropped = [
            i
            for i in self._decoder
            if not any(isinstance(m, Crop) for m in self.network.steps[i].modules())
        ]
        return self._coverage(self.network.run(tokens, uncropped, kept).float(), tracks)

    def predict_substitutions(
        self,
        one_hot: Tensor,
        substitutions: Sequence[Substitution],
        tracks: Sequence[Track],
        windows: Sequence[Window],
    ) -> dict[str, Tensor]:
        """Predicts changed sequences in stages, where the network has them."""
        if self._staged:
            return super().predict_substitutions(one_hot, substitutions, tracks, windows)
        return SequenceModel.predict_substitutions(self, one_hot, substitutions, tracks, windows)

    def predict_training_scale(self, one_hot: Tensor) -> Tensor:
        """Predicts all tracks as the network was trained to, before ``untransform``.

        Args:
            one_hot: As for ``predict``.

        Returns:
            Float32 of shape (batch, tracks, bins), tracks in the order of the card.
        """
        predicted: Tensor = self.network(one_hot)
        return predicted.float()

    def coverage(self, values: Tensor, channels: Sequence[int] | None = None) -> Tensor:
        """Undoes the training scale of predictions, or of targets made for this model.

        Args:
            values: Shape (..., tracks, bins).
            channels: Which tracks these are, by their place on the card; all in order if None.

        Returns:
            Coverage, of the same shape.
        """
        rows = slice(None) if channels is None else list(channels)
        scales = {name: numbers[rows] for name, numbers in self._scales.items()}
        return untransform(values, **scales, old=self._old)

    def predict(self, one_hot: Tensor, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Predicts coverage; see ``SequenceModel.predict``."""
        return self._coverage(self.predict_training_scale(one_hot), tracks)

    def _coverage(self, values: Tensor, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Takes tracks out of the training scale of all, shape (batch, tracks, bins)."""
        channels = [self._channel[track.id] for track in tracks]
        coverage = self.coverage(values[:, channels], channels)
        return {track.id: coverage[:, i] for i, track in enumerate(tracks)}
