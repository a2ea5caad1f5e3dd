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
            By track id, float32 in the unit that the track names. Everything runs in genome order,
            left to right, minus-strand tracks too. The shape depends on the modality; ``n`` is
            ``card.output_width // track.resolution``:

            - ``CONTACT_MAPS``: (batch, n, n), symmetric; entry ``[i, j]`` is the contact of bins
              ``i`` and ``j``, in one of the units ``card.LOG_RATIOS`` or not logarithmic. NaN for
              pairs that the network does not predict, such as those near the diagonal.
            - ``SPLICE_JUNCTIONS``: (batch, k, 3) with any ``k``, one intron a row: its start and
              its end in bp from the start of the output, 0-based half-open, and its value. Rows
              that a window has to spare are NaN. The track's resolution is 1.
            - All others: (batch, n), finite.
        """
