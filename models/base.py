"""The contract that every network fulfils."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

import torch

from models.card import ModelCard, Track


class SequenceModel(ABC):
    """A network that reads one-hot DNA and predicts tracks.

    A family writes a subclass with ``load`` and ``predict``. Windows, flanks, edits, reverse
    complement, batching, precision and progress are written once, elsewhere.

    Attributes:
        card: What is known about the model without loading it.
        files: The weights files by their name on the card, present and with the right hash.
    """

    def __init__(self, card: ModelCard, files: dict[str, Path]) -> None:
        self.card = card
        self.files = files

    @abstractmethod
    def load(self, device: torch.device) -> None:
        """Builds the network on ``device``, in evaluation mode, from ``self.files``."""

    @abstractmethod
    def predict(self, one_hot: torch.Tensor, tracks: Sequence[Track]) -> dict[str, torch.Tensor]:
        """Predicts tracks for a batch of full windows.

        Args:
            one_hot: Shape (batch, ``card.input_width``, 4), columns A, C, G, T; all zero for N.
            tracks: Which of ``card.tracks`` to return.

        Returns:
            By track id, float32 of shape (batch, ``card.output_width // track.resolution``), in
            the unit that the track names. Minus-strand tracks run in genome order, left to right.
        """
