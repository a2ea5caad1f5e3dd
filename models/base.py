"""The contract that every network fulfils."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from models.card import LOG_RATIOS, ModelCard, Track

#: Bases of the output of a full window, half-open, counted from where the output starts.
Window = tuple[int, int]


class Substitution(NamedTuple):
    """One base in the place of another.

    Attributes:
        position: 0-based offset into the sequence that the network reads.
        base: Column of the new base: 0 to 3 for A, C, G, T.
    """

    position: int
    base: int


PredictWindows = Callable[
    [torch.Tensor, Sequence[Track], Sequence[Window]], dict[str, torch.Tensor]
]


class Member(NamedTuple):
    """A network of a model.

    Attributes:
        network: All of it that is not linear, as modules that each are used once in a pass.
        predict: As ``SequenceModel.predict_windows``, from this network alone.
    """

    network: torch.nn.Module
    predict: PredictWindows


def changed(
    one_hot: torch.Tensor, substitutions: Sequence[Substitution], start: int = 0
) -> torch.Tensor:
    """Returns one copy of a sequence for each substitution, with that base replaced.

    Args:
        one_hot: Shape (1, length, 4).
        substitutions: What is replaced, one in each copy.
        start: Offset of the first base of ``one_hot``, for positions that count from elsewhere.

    Returns:
        Shape (substitutions, length, 4).
    """
    copies = one_hot.repeat(len(substitutions), 1, 1)
    for copy, (position, base) in zip(copies, substitutions, strict=True):
        copy[position - start] = 0
        copy[position - start, base] = 1
    return copies


class SequenceModel(ABC):
    """A network that reads one-hot DNA and predicts tracks.

    A family writes a subclass with ``load`` and ``predict``, ``predict_windows`` if it predicts
    junctions, and ``predict_substitutions`` where it knows a faster way. Windows, flanks, edits,
    reverse complement, batching, precision and progress are written once, elsewhere.

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

    def predict_windows(
        self, one_hot: torch.Tensor, tracks: Sequence[Track], windows: Sequence[Window]
    ) -> dict[str, torch.Tensor]:
        """Predicts parts of the output for a batch of full windows.

        Of a junction track each of ``windows`` is one intron, and its value is what the network
        says of this very pair of splice sites, likely or not. The list that ``predict`` gives does
        not say that of every pair, so a family that predicts junctions overrides this.

        Args:
            one_hot: As of ``predict``.
            tracks: Which of ``card.tracks`` to return.
            windows: Which bases of the output; the bins that overlap them are returned.

        Returns:
            By track id, float32 of shape (batch, bins), or (batch, introns); see ``in_windows``.
        """
        output = self.predict(one_hot, tracks)
        return {track.id: in_windows(output[track.id], track, windows) for track in tracks}

    def members(self) -> list[Member]:
        """Returns the networks whose mean the model predicts, where each layer has a DeepLIFT rule.

        What the rules cover is in ``tangermeme.deep_lift_shap``. A card with ``deep_lift`` needs
        them; all others have none.
        """
        return []

    def decisive(self, windows: Sequence[Window]) -> Window:
        """Returns the bases of the input, half-open, that decide the output in windows.

        ``predict`` reads those alone, too, and its output then starts at the first window.
        """
        return 0, self.card.input_width

    def predict_substitutions(
        self,
        one_hot: torch.Tensor,
        substitutions: Sequence[Substitution],
        tracks: Sequence[Track],
        windows: Sequence[Window],
    ) -> dict[str, torch.Tensor]:
        """Predicts parts of the output for a sequence and for single-base changes of it.

        This one makes a full pass for each; a family whose network allows it overrides this and
        gives the same numbers, up to rounding, with less work.

        Args:
            one_hot: The unchanged sequence, shape (1, ``card.input_width``, 4).
            substitutions: The changes, each by itself.
            tracks: Which of ``card.tracks`` to return.
            windows: Which bases of the output, as of ``predict_windows``.

        Returns:
            By track id, float32 of shape (1 + substitutions, bins or introns): row 0 is the
            unchanged sequence; see ``predict_windows``.
        """
        rows = [one_hot, *(changed(one_hot, [one]) for one in substitutions)]
        found: dict[str, list[torch.Tensor]] = {track.id: [] for track in tracks}
        for row in rows:
            for name, values in self.predict_windows(row, tracks, windows).items():
                found[name].append(values)
        return {name: torch.cat(parts) for name, parts in found.items()}


def in_windows(values: torch.Tensor, track: Track, windows: Sequence[Window]) -> torch.Tensor:
    """Returns the part of an output that lies in windows, one row a sequence.

    Of a contact map that is every contact across the middle of a window, between its left and its
    right half, as observed over expected where the track has logarithms. Their mean is what the
    insulation score of Crane et al. (Nature 2015, doi:10.1038/nature14450) is made of.

    Args:
        values: Of one track, shape (batch, bins), or (batch, bins, bins) for contacts.
        track: Which.
        windows: Which bases of the output; the bins that overlap them are meant.

    Returns:
        Shape (batch, bins or contacts); those of one window follow those of the one before it.

    Raises:
        ValueError: The track has introns; see ``SequenceModel.predict_windows``.
    """
    if track.kind == "junctions":
        raise ValueError(f"{track.id} has introns, not bins")
    spans = [(start // track.resolution, -(-end // track.resolution)) for start, end in windows]
    if track.modality != "CONTACT_MAPS":
        return torch.cat([values[:, start:end] for start, end in spans], dim=1)
    if track.unit in LOG_RATIOS:
        values = torch.exp2(values * LOG_RATIOS[track.unit])
    # With an odd number of bins the one in the middle belongs to neither half.
    halves = [(start, end, (end - start) // 2) for start, end in spans]
    across = torch.cat(
        [values[:, start : start + n, end - n : end].flatten(1) for start, end, n in halves], dim=1
    )
    return across[:, across[0].isfinite()]  # some networks leave out what is near the diagonal
