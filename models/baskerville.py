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

import json
import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from models.base import SequenceModel, Substitution, Window
from models.baskerville_keras import load_keras
from models.baskerville_layers import Attention, Crop, UNetConcat, UNetConv
from models.baskerville_network import Network
from models.card import Track, WeightsError
from models.registry import read_rows
from models.staged import Skips, StagedModel

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
