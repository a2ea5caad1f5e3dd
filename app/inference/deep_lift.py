"""What bases add to a read-out by DeepLIFT (imports torch)."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch
from tangermeme.deep_lift_shap import deep_lift_shap
from tangermeme.ersatz import dinucleotide_shuffle
from torch import Tensor

from app.errors import ComputationError
from models.base import Member, PredictWindows, SequenceModel

#: Predicts windows of sequences, (batch, length, 4), and reads out one number of each, (batch,).
Number = Callable[[PredictWindows, Tensor], Tensor]
#: Of a difference and of all attributions, how much of it they may fail to sum up to.
MOST_MISSING = (1e-2, 1e-3)


def deep_lift(
    model: SequenceModel,
    one_hot: Tensor,
    number: Number,
    explained: Callable[[float], float],
    shuffle: int,
) -> tuple[Tensor, Tensor]:
    """Tells what each base adds to a read-out, by comparison with one shuffle of the sequence.

    By DeepLIFT's rescale rule (Shrikumar, Greenside and Kundaje, ICML 2017), as tangermeme computes
    it: the attributions of the bases that are there sum up to the difference between the sequence
    and its shuffle, which keeps the dinucleotides. The mean over shuffles is DeepLIFT/SHAP
    (Lundberg and Lee, NeurIPS 2017). Rules are applied to one network after the other, because the
    read-out of a model is the mean of theirs.

    Args:
        model: One whose layers all have a rule.
        one_hot: The sequence; (1, length, 4).
        number: The read-out; linear in what is predicted.
        explained: Turns that number into what is explained.
        shuffle: Seed of the shuffle.

    Returns:
        What each base would add in each place; (length, 4). The read-out of the sequence, (1,).

    Raises:
        ComputationError: A layer of the model has no rule, or the attributions do not sum up.
    """
    members = model.members()
    if not members:
        raise ComputationError(
            f"{model.card.title} is not explained by DeepLIFT. Choose another method."
        )
    shuffled = _shuffled(one_hot, shuffle)
    total, numbers = torch.zeros_like(one_hot[0]), one_hot.new_zeros(2)
    for member in members:
        watched = _ReadOut(member, number).eval()  # tangermeme puts back the mode that it finds
        with warnings.catch_warnings():
            # It warns of unknown bases, and of what is checked below.
            warnings.simplefilter("ignore", RuntimeWarning)
            warnings.simplefilter("ignore", UserWarning)
            found = deep_lift_shap(
                watched,
                one_hot.transpose(1, 2),
                references=shuffled.transpose(1, 2)[None],
                hypothetical=True,
                only_warn=True,
                device=one_hot.device,
            )
        total += found[0].T.to(total.device) / len(members)
        numbers += watched.numbers / len(members)
    here, there = numbers.tolist()
    added = total[one_hot[0].bool()]
    relative, absolute = MOST_MISSING
    missing = abs(float(added.sum()) - (here - there))
    if missing > relative * abs(here - there) + absolute * float(added.abs().sum()):
        raise ComputationError(
            f"The attributions of {model.card.title} do not sum up to the read-out, so they were "
            "thrown away. Choose another method."
        )
    # The last step is a function of one number, so its rule is one factor.
    slope = 1.0 if here == there else (explained(here) - explained(there)) / (here - there)
    return total * slope, numbers[:1]


class _ReadOut(torch.nn.Module):
    """A read-out of one network, as tangermeme wants it.

    Attributes:
        numbers: What it was for the last sequences.
    """

    numbers: Tensor

    def __init__(self, member: Member, number: Number) -> None:
        super().__init__()
        self.network = member.network  # so that its layers are found
        self._predict, self._number = member.predict, number

    def forward(self, sequences: Tensor) -> Tensor:
        """Maps (batch, 4, length) to (batch, 1)."""
        numbers = self._number(self._predict, sequences.transpose(1, 2))
        self.numbers = numbers.detach()
        return numbers[:, None]


def _shuffled(one_hot: Tensor, seed: int) -> Tensor:
    """Shuffles the known bases of (1, length, 4); unknown ones stay where they are."""
    known = one_hot[0].any(1)
    shuffled = one_hot.clone()
    bases = one_hot[:, known].transpose(1, 2).cpu()
    shuffled[0, known] = dinucleotide_shuffle(bases, n=1, random_state=seed)[0, 0].T.to(
        one_hot.device
    )
    return shuffled
