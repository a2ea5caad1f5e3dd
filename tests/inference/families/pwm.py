"""A network whose logo is known: how well each place fits one matrix, and the best of each bin."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from safetensors.torch import load_file

from models.base import Member, SequenceModel
from models.card import Track


class Pwm(SequenceModel):
    """Slides a matrix over the sequence, keeps what is above 0, and takes the highest of a bin."""

    def load(self, device: torch.device) -> None:
        matrix = load_file(self.files["pwm.safetensors"], device=str(device))["matrix"]
        self.conv = torch.nn.Conv1d(4, 1, len(matrix), bias=False, device=device)
        self.conv.weight.data = matrix.T[None]
        self.conv.requires_grad_(False)
        self.relu = torch.nn.ReLU()

    def predict(self, one_hot: torch.Tensor, tracks: Sequence[Track]) -> dict[str, torch.Tensor]:
        fits = self.relu(self.conv(one_hot.transpose(1, 2)))[:, 0]
        crop, width = self.card.crop, self.card.output_width
        return {
            t.id: fits[:, crop : crop + width].unflatten(1, (-1, t.resolution)).amax(2)
            for t in tracks
        }

    def members(self) -> list[Member]:
        """The highest of a bin has no DeepLIFT rule, unless the bin is one base."""
        return [Member(self.relu, self.predict_windows)]
