"""What the network of the teaching genome is trained to make small where windows are mutated.

Trained on single windows alone, a network knows what a site looks like and still ranks small
changes badly: their effects are small beside the differences between sites.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from models.teaching.samples import FRACTIONS, base_tracks, bin_tracks
from models.teaching_losses import (
    OPEN_RANGE,
    WEIGHTS,
    Usual,
    columns_by_modality,
    junction_loss,
    said_values,
    track_losses,
    true_values,
)
from models.teaching_mutants import Pair
from models.teaching_net import Network, Outputs
from models.teaching_net_junctions import LARGEST_LOGIT

#: Added to square roots of amounts before the logarithm is taken of which changes are compared.
FLOOR = 0.25
#: Changes that are wrong by more than this count linearly.
BEND = 0.2
#: Least usual loss of a change, for pairs in which a modality hardly changes.
LEAST_CHANGE = 0.1
#: Bases on either side of a start of transcription whose CAGE is summed up, and CAGE that is one.
AROUND_START, STARTED = 50, 0.1
#: The same floor and bend for the logarithm of these sums.
EXPRESSION_FLOOR, EXPRESSION_BEND = 0.05, 0.05

#: Values of ``base_tracks()`` and ``bin_tracks()``; (places, tracks) both.
Values = tuple[Tensor, Tensor]


def pair_losses(
    network: Network,
    outputs: Outputs,
    pair: Pair,
    usual: Usual,
    usual_changes: Mapping[str, float],
) -> dict[str, Tensor]:
    """Returns the losses of a window and its mutant, and of the differences between them.

    These are relative to those of saying that mutants are no different. The two windows count as
    half a window each; their contacts were not read.

    Args:
        network: Whose junctions are asked for.
        outputs: Of both.
        pair: Both.
        usual: The best constants.
        usual_changes: What ``measure_changes`` said.
    """
    found: dict[str, Tensor] = {}
    halves = _halves(outputs)
    for half, one in zip(halves, pair, strict=True):
        parts = track_losses(half, one, usual)
        parts["SPLICE_JUNCTIONS"] = junction_loss(network, half, one) / usual.junction_loss
        for name, loss in parts.items():
            found[name] = found.get(name, 0) + loss / 4
    return found | change_losses(outputs, pair, usual_changes)


def change_losses(
    outputs: Outputs, pair: Pair, usual_changes: Mapping[str, float]
) -> dict[str, Tensor]:
    """Returns the part of ``pair_losses`` that compares the two."""
    said_was, said_is = (
        said_values(half, one) for half, one in zip(_halves(outputs), pair, strict=True)
    )
    was, is_ = (true_values(one, said_was[0].device) for one in pair)
    changes = _changes(was, is_, said_was, said_is)
    return {name: loss / usual_changes[name] for name, loss in changes.items()}


def _halves(outputs: Outputs) -> list[Outputs]:
    return [Outputs(*(x[i : i + 1] for x in vars(outputs).values())) for i in (0, 1)]


def measure_changes(pairs: Sequence[Pair]) -> dict[str, float]:
    """Returns the mean loss of saying that mutants are no different, by part of the loss."""
    found: dict[str, list[float]] = {}
    for pair in pairs:
        was, is_ = (true_values(one, torch.device("cpu")) for one in pair)
        alike = torch.zeros_like(was[0]), torch.zeros_like(was[1])
        for name, loss in _changes(was, is_, alike, alike).items():
            found.setdefault(name, []).append(float(loss))
    return {name: max(float(np.mean(x)), LEAST_CHANGE) for name, x in found.items()}


def _changes(was: Values, is_: Values, said_was: Values, said_is: Values) -> dict[str, Tensor]:
    """Returns the losses of differences between two windows, by part of the loss."""
    found = {"change of expression": _expression_loss(was[0], is_[0], said_was[0], said_is[0])}
    for tracks, *values in zip(
        (base_tracks(), bin_tracks()), was, is_, said_was, said_is, strict=True
    ):
        for modality, columns in columns_by_modality(tracks):
            name = f"change {modality}"
            if name in WEIGHTS:
                a, b, said_a, said_b = (x[:, columns] for x in values)
                wanted = _true_scale(b, modality) - _true_scale(a, modality)
                said = _said_scale(said_b, modality) - _said_scale(said_a, modality)
                found[name] = functional.smooth_l1_loss(said, wanted, beta=BEND, reduction="sum")
    return found


def _said_scale(said: Tensor, modality: str) -> Tensor:
    """Brings what the network says to the scale on which changes are compared."""
    if modality in ("ATAC", "DNASE"):
        return said
    if modality in FRACTIONS:
        return said.sigmoid()
    return (said.clamp(max=LARGEST_LOGIT).exp() + FLOOR).log()


def _true_scale(target: Tensor, modality: str) -> Tensor:
    """Brings targets to it: logits of openness, probabilities of sites, logarithms of amounts."""
    if modality in ("ATAC", "DNASE"):
        return torch.logit(target.clamp(*OPEN_RANGE))
    if modality in FRACTIONS:
        return target
    return (target + FLOOR).log()


def _expression_loss(was: Tensor, is_: Tensor, said_was: Tensor, said_is: Tensor) -> Tensor:
    """Returns the loss of log ratios of CAGE at starts of transcription, all of ``base_tracks()``.

    CAGE base by base hardly shows what an enhancer does, tens of kilobases away.
    """
    loss = said_is.new_zeros(())
    for strand in "+-":
        columns = [
            i for i, t in enumerate(base_tracks()) if t.modality == "CAGE" and t.strand == strand
        ]
        a, b = was[:, columns].square(), is_[:, columns].square()
        top = torch.maximum(a, b).amax(1)
        nearby = functional.max_pool1d(top[None], 2 * AROUND_START + 1, 1, AROUND_START)[0]
        starts = torch.nonzero((top >= STARTED) & (top == nearby))[:, 0]
        if len(starts):
            before, after = (
                (2 * x[:, columns].clamp(max=LARGEST_LOGIT)).exp() for x in (said_was, said_is)
            )
            loss = loss + functional.smooth_l1_loss(
                _rate(after, starts) - _rate(before, starts),
                _rate(b, starts) - _rate(a, starts),
                beta=EXPRESSION_BEND,
                reduction="sum",
            )
    return loss


def _rate(cage: Tensor, starts: Tensor) -> Tensor:
    """Returns the logarithm of CAGE around starts; (starts, cells)."""
    width = 2 * AROUND_START + 1
    sums = functional.avg_pool1d(cage.T[None], width, 1, AROUND_START)[0].T * width
    return (sums[starts] + EXPRESSION_FLOOR).log()
