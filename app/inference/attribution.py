"""What bases add to a read-out: mutants, gradients and DeepLIFT (imports torch)."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from app.errors import ComputationError
from app.inference.deep_lift import Number, deep_lift
from app.inference.requests import AttributionRequest, MutagenesisRequest, Readout
from models.base import PredictWindows, SequenceModel, Substitution, Window
from models.card import Track

log = logging.getLogger(__name__)

Arrays = dict[str, NDArray[np.float32]]

#: Added to means before the logarithm is taken, as AlphaGenome's gene scorer does.
PSEUDOCOUNT = 1e-3


def mutate(model: SequenceModel, request: MutagenesisRequest, one_hot: Tensor) -> Arrays:
    """Scores every single-base change at some positions.

    Args:
        model: Opened on the device of ``one_hot``.
        request: Positions and read-out.
        one_hot: Shape (1, ``card.input_width``, 4).

    Returns:
        ``effects``, shape (positions, 4): what each base in that place does to the read-out, 0 for
        the base that is there, all NaN where none is known. ``value``, shape (1,): the read-out of
        the unchanged sequence.
    """
    track = _track(model, request.readout)
    present = one_hot[0, list(request.positions)].cpu()
    substitutions = [
        Substitution(position, base)
        for position, row in zip(request.positions, present, strict=True)
        for base in range(4)
        if row.any() and not row[base]
    ]
    with torch.inference_mode():
        found = _changed_tracks(model, one_hot, substitutions, track, request.readout.windows)
        numbers = read_out(found.float(), request.readout).cpu().numpy()
    scored = _scored(numbers.astype(np.float64), request.readout)
    effects = np.where(present.numpy().any(axis=1, keepdims=True), 0.0, np.nan)
    effects = np.repeat(effects, 4, axis=1).astype(np.float32)
    rows = {position: row for row, position in enumerate(request.positions)}
    for (position, base), effect in zip(substitutions, scored[1:] - scored[0], strict=True):
        effects[rows[position], base] = effect
    return {"effects": effects, "value": numbers[:1].astype(np.float32)}


def _changed_tracks(
    model: SequenceModel,
    one_hot: Tensor,
    substitutions: Sequence[Substitution],
    track: Track,
    windows: Sequence[Window],
) -> Tensor:
    """Predicts changed sequences, in halves where the device has too little memory for them."""
    try:
        return model.predict_substitutions(one_hot, substitutions, [track], windows)[track.id]
    except torch.OutOfMemoryError:
        if len(substitutions) < 2:
            raise
    torch.cuda.empty_cache()
    log.warning("%d changes at once need too much memory, so half as many", len(substitutions))
    middle = len(substitutions) // 2
    parts = [
        _changed_tracks(model, one_hot, part, track, windows)
        for part in (substitutions[:middle], substitutions[middle:])
    ]
    return torch.cat([parts[0], parts[1][1:]])  # each begins with the unchanged sequence


def attribute(model: SequenceModel, request: AttributionRequest, one_hot: Tensor) -> Arrays:
    """Explains a read-out base by base.

    Args:
        model: Opened on the device of ``one_hot``.
        request: Interval, read-out and method.
        one_hot: Shape (1, ``card.input_width``, 4).

    Returns:
        ``attribution``, shape (interval, 4): by the gradient the slope for each base, by DeepLIFT
        what each base would add in that place. ``value``, shape (1,), as of ``mutate``.
    """
    track = _track(model, request.readout)
    first, last = model.decisive(request.readout.windows)
    windows = [(start - first, end - first) for start, end in request.readout.windows]
    decisive = one_hot[:, first:last].detach()

    def number(predict: PredictWindows, sequences: Tensor) -> Tensor:
        return read_out(predict(sequences, [track], windows)[track.id].float(), request.readout)

    if request.method == "deeplift":
        explained = _log if request.readout.score == "lfc" else float
        found, value = deep_lift(model, decisive, number, explained, request.shuffle)
    else:
        found, value = _gradient(model, decisive, number, request.readout)
    everywhere = torch.zeros_like(one_hot[0])
    everywhere[first:last] = found
    return {
        "attribution": everywhere[request.start : request.end].cpu().numpy(),
        "value": value.cpu().numpy().reshape(1),
    }


def _gradient(
    model: SequenceModel, one_hot: Tensor, number: Number, readout: Readout
) -> tuple[Tensor, Tensor]:
    """Returns the gradient in every base, (length, 4), and the read-out.

    The mean over the four bases is subtracted at each position: a one-hot sequence cannot move off
    the simplex, so that part of a gradient is arbitrary (Majdandzic, Rajesh and Koo, Genome
    Biology 2023).
    """
    asked = one_hot.clone().requires_grad_()
    with torch.enable_grad():
        value = number(model.predict_windows, asked)[0]
        explained = torch.log(value + PSEUDOCOUNT) if readout.score == "lfc" else value
        (gradient,) = torch.autograd.grad(explained, asked)
    gradient = gradient[0]
    return gradient - gradient.mean(dim=1, keepdim=True), value.detach()


def _log(number: float) -> float:
    return math.log(number + PSEUDOCOUNT)


def read_out(values: Tensor, readout: Readout) -> Tensor:
    """Returns the number of each row of bins, or of one intron: the mean (``lfc``) or the sum."""
    return values.mean(dim=1) if readout.score == "lfc" else values.sum(dim=1)


def _scored(numbers: NDArray[np.float64], readout: Readout) -> NDArray[np.float64]:
    """Returns read-outs on the scale on which their difference is the effect."""
    scored: NDArray[np.float64] = (
        np.log(numbers + PSEUDOCOUNT) if readout.score == "lfc" else numbers
    )
    return scored


def _track(model: SequenceModel, readout: Readout) -> Track:
    """Returns the track that is read out.

    Raises:
        ComputationError: The windows are not whole bins of the model's output.
    """
    track = next(track for track in model.card.tracks if track.id == readout.track)
    inside = readout.windows[-1][1] <= model.card.output_width
    if not inside or any(edge % track.resolution for one in readout.windows for edge in one):
        raise ComputationError(f"The read-out is not made of bins that {model.card.title} gives.")
    return track
