"""A small real network for tests of the queue; a file tells it how to misbehave.

It predicts the share of G and C in each bin, of pairs of bins its product, and introns where there
is GTA, so that every number can be checked by counting letters. Below the folder ``LOCUSCOPE_TOY``,
``behaviour`` is read before each prediction and ``calls`` gets a line when one begins (bases known,
process) and when it ends (seconds).
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file

from models.base import SequenceModel
from models.card import Track

LAYERS = 20


class Pause(torch.nn.Module):
    """A layer that takes time and changes nothing."""

    seconds = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        time.sleep(self.seconds)
        return x


class Toy(SequenceModel):
    """Weighs the four bases and averages over each bin."""

    def load(self, device: torch.device) -> None:
        self.weights = load_file(self.files["toy.safetensors"], device=str(device))["weights"]
        self.pauses = torch.nn.Sequential(*(Pause() for _ in range(LAYERS)))
        self.folder = Path(os.environ["LOCUSCOPE_TOY"])

    def predict(self, one_hot: torch.Tensor, tracks: Sequence[Track]) -> dict[str, torch.Tensor]:
        began = time.perf_counter()
        self.note(f"begin {int(one_hot.sum())} {os.getpid()}")
        name, _, seconds = (self.folder / "behaviour").read_text().partition(" ")
        if name == "raise":
            raise RuntimeError("the toy is broken")
        if name == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        if name == "hang":
            time.sleep(3600)
        Pause.seconds = float(seconds or 0) / LAYERS
        x = self.pauses(one_hot)[:, self.card.crop : self.card.input_width - self.card.crop]
        share = x @ self.weights
        if name == "nan":
            share[0, 0] = torch.nan
        output = {t.id: self.track(share, x, t) for t in tracks}
        self.note(f"end {time.perf_counter() - began}")
        return output

    def track(self, share: torch.Tensor, x: torch.Tensor, track: Track) -> torch.Tensor:
        bins = share.unflatten(1, (-1, track.resolution)).mean(2)
        if track.modality == "CONTACT_MAPS":  # what both bins have in common; none with itself
            pairs = bins[:, :, None] * bins[:, None]
            pairs.diagonal(dim1=1, dim2=2).fill_(torch.nan)
            return pairs
        if track.modality == "SPLICE_JUNCTIONS":  # from each GTA to the 100th base after it
            letters = x[0].argmax(1)
            found = (letters[:-2] == 2) & (letters[1:-1] == 3) & (letters[2:] == 0)
            starts = found.nonzero().flatten()
            starts = starts[starts + 100 <= len(letters)]
            rows = torch.stack([starts, starts + 100, letters[starts + 99]], 1).float()
            return torch.nn.functional.pad(rows, (0, 0, 0, 5), value=torch.nan)[None]
        return bins

    def note(self, text: str) -> None:
        with (self.folder / "calls").open("a") as file:
            file.write(text + "\n")
