"""Akita: contact maps from sequence (Fudenberg, Kelley and Pollard, Nature Methods 2020).

The architecture is the one that the authors' ``params.json`` names (github.com/calico/basenji,
manuscripts/akita). The weights file is an npz of plain arrays under the names of a torch port of
the network (github.com/PSmaruj/akita_pytorch). All convolutions keep the length, have no bias and
are followed by a normalisation, which is folded into them when weights are loaded.

Row ``i`` of the card's ``tracks.tsv`` is unit ``i`` of the network's head.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from models.base import SequenceModel
from models.card import Track, WeightsError

CHANNELS = 96
TOWER = 10
PAIR_CHANNELS = 48
#: Dilations grow by 1.75 from block to block and are rounded.
DILATIONS = (1, 2, 4, 7, 12, 21, 37, 65)
PAIR_DILATIONS = DILATIONS[:6]
#: Bins at either end of the input without output.
CROP = 32
#: Bins nearer to each other than this were never trained: contacts there are not measured well.
DIAGONAL = 2
#: Of every normalisation.
EPSILON = 1e-3


class Residual(nn.Module):
    """Adds its input to what ``body`` makes of it."""

    def __init__(self, *body: nn.Module) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)

    def forward(self, x: Tensor) -> Tensor:
        """Maps any shape to the same shape."""
        changed: Tensor = self.body(x)
        return x + changed


class Pairs(nn.Module):
    """Describes each pair of bins by the mean of the two and, last, by their distance in bins."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, channels, bins) to (batch, channels + 1, bins, bins)."""
        bins = torch.arange(x.shape[-1], device=x.device, dtype=x.dtype)
        distance = (bins[:, None] - bins).abs().expand(len(x), 1, -1, -1)
        return torch.cat([(x[..., :, None] + x[..., None, :]) / 2, distance], dim=1)


class Symmetrise(nn.Module):
    """Takes the mean of a map and its transpose."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, channels, bins, bins) to the same shape."""
        return (x + x.transpose(-1, -2)) / 2


class CropMap(nn.Module):
    """Cuts ``CROP`` bins off every side of a map."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps (batch, channels, bins, bins) to less wide and high."""
        return x[..., CROP:-CROP, CROP:-CROP]


def _conv1d(channels: int, filters: int, taps: int, dilation: int = 1) -> nn.Conv1d:
    return nn.Conv1d(channels, filters, taps, padding="same", dilation=dilation)


def _conv2d(channels: int, filters: int, taps: int, dilation: int = 1) -> nn.Conv2d:
    return nn.Conv2d(channels, filters, taps, padding="same", dilation=dilation)


def build(tracks: int) -> nn.Sequential:
    """Builds the network without its weights.

    Args:
        tracks: Units of the head.

    Returns:
        Maps (batch, 4, length) to (batch, tracks, n, n), where ``n`` is the length in bins of
        2,048 bp less ``CROP`` at either end; symmetric.
    """
    layers: list[nn.Module] = [_conv1d(4, CHANNELS, 11), nn.MaxPool1d(2)]
    for _ in range(TOWER):
        layers += [nn.ReLU(), _conv1d(CHANNELS, CHANNELS, 5), nn.MaxPool1d(2)]
    layers += [
        Residual(
            nn.ReLU(),
            _conv1d(CHANNELS, CHANNELS // 2, 3, dilation),
            nn.ReLU(),
            _conv1d(CHANNELS // 2, CHANNELS, 1),
        )
        for dilation in DILATIONS
    ]
    # The network has one more ReLU after Pairs, which changes nothing: all is positive there.
    layers += [nn.ReLU(), _conv1d(CHANNELS, 64, 5), nn.ReLU(), Pairs()]
    layers += [_conv2d(65, PAIR_CHANNELS, 3), Symmetrise()]
    for dilation in PAIR_DILATIONS:
        layers += [
            Residual(
                nn.ReLU(),
                _conv2d(PAIR_CHANNELS, PAIR_CHANNELS // 2, 3, dilation),
                nn.ReLU(),
                _conv2d(PAIR_CHANNELS // 2, PAIR_CHANNELS, 1),
            ),
            Symmetrise(),
        ]
    # Last once more, because rounding may differ between (i, j) and (j, i).
    return nn.Sequential(*layers, CropMap(), nn.Conv2d(PAIR_CHANNELS, tracks, 1), Symmetrise())


def _names() -> Iterator[tuple[str, str]]:
    """Yields the names of each convolution and its normalisation, in the order of the layers."""
    yield "conv_block_1.conv", "conv_block_1.batch_norm"
    for index in range(TOWER):
        tower = "conv_tower.conv_tower"
        yield f"{tower}.{4 * index + 1}", f"{tower}.{4 * index + 2}"
    for number in range(1, len(DILATIONS) + 1):
        for part in (1, 2):
            block = f"residual1d_block{number}"
            yield f"{block}.conv{part}", f"{block}.bn{part}"
    yield "conv_reduce.layers.1", "conv_reduce.layers.2"
    yield "conv2d_block.block.1", "conv2d_block.block.2"
    for number in range(1, len(PAIR_DILATIONS) + 1):
        for part in (1, 2):
            block = f"residual2d_block{number}"
            yield f"{block}.conv{part}", f"{block}.bn{part}"


def _fill(network: nn.Sequential, arrays: Mapping[str, Tensor]) -> None:
    """Copies all weights, each normalisation folded into the convolution before it."""
    *convolutions, head = (m for m in network.modules() if isinstance(m, nn.Conv1d | nn.Conv2d))
    for convolution, (conv, norm) in zip(convolutions, _names(), strict=True):
        weight, bias = fuse_conv_bn_weights(
            arrays[f"{conv}.weight"],
            None,
            arrays[f"{norm}.running_mean"],
            arrays[f"{norm}.running_var"],
            EPSILON,
            arrays[f"{norm}.weight"],
            arrays[f"{norm}.bias"],
        )
        convolution.load_state_dict({"weight": weight, "bias": bias})
    dense = arrays["final.dense.weight"]
    head.load_state_dict({"weight": dense[:, :, None, None], "bias": arrays["final.dense.bias"]})


def load_network(path: Path, tracks: int) -> nn.Sequential:
    """Builds the network from its weights file.

    Args:
        path: The npz file.
        tracks: Units of the head.

    Raises:
        WeightsError: The file does not describe this network.
    """
    network = build(tracks)
    try:
        with np.load(path, allow_pickle=False) as file:
            _fill(network, {name: torch.from_numpy(file[name]) for name in file.files})
    except (OSError, EOFError, KeyError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            f"{path} does not hold an Akita network of {tracks} tracks: {error}"
        ) from error
    return network.eval().requires_grad_(False)


class Akita(SequenceModel):
    """Contact maps as natural log of observed over expected at that distance."""

    network: nn.Sequential

    def load(self, device: torch.device) -> None:
        """Builds the network on ``device``.

        Raises:
            WeightsError: There is not one file, or it does not describe this network.
        """
        if len(self.files) != 1:
            raise WeightsError(
                f"{self.card.title}: an Akita network is one npz file, but the card names "
                f"{len(self.files)} files."
            )
        (path,) = self.files.values()
        self.network = load_network(path, len(self.card.tracks)).to(device)

    def predict(self, one_hot: Tensor, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Predicts contact maps; see ``SequenceModel.predict``.

        Bins nearer than ``DIAGONAL`` to each other have no value.
        """
        maps = self.network(one_hot.transpose(1, 2)).float()
        bins = torch.arange(maps.shape[-1], device=maps.device)
        maps = maps.masked_fill((bins[:, None] - bins).abs() < DIAGONAL, torch.nan)
        channels = {track.id: index for index, track in enumerate(self.card.tracks)}
        return {track.id: maps[:, channels[track.id]] for track in tracks}
