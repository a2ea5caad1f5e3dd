"""Baskerville's networks, built from the blocks that ``params.json`` names; see ``baskerville``."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from torch import Tensor, nn

from models.baskerville_layers import (
    HEAD_ACTIVATIONS,
    Activate,
    Attention,
    Convolution,
    Crop,
    Dense,
    LayerNorm,
    Residual,
    Scale,
    UNetConcat,
    UNetConv,
    norm,
)
from models.card import WeightsError

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
