"""Loads models and runs them; imports torch, so only a worker or the command line may use it."""

from __future__ import annotations

import contextlib
import logging
import os
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from app.errors import ComputationError, LocuscopeError, ModelUnavailableError
from app.inference.attribution import attribute, mutate
from app.inference.outputs import output_problem
from app.inference.requests import (
    AttributionRequest,
    JobRequest,
    MotifRequest,
    MutagenesisRequest,
    Request,
    sequence_sha256,
)
from app.settings import Settings
from models import registry
from models.base import SequenceModel
from models.card import ModelCard, WeightsError

log = logging.getLogger(__name__)

#: Models held in memory at once.
MAX_LOADED = 4

#: Called with (layers done, layers in all or 0 while unknown); what it raises ends the computation.
Progress = Callable[[int, int], None]

Arrays = dict[str, NDArray[np.float32]]

_BASES = np.zeros((256, 4), np.float32)
_BASES[np.frombuffer(b"ACGT", np.uint8)] = np.eye(4, dtype=np.float32)


def one_hot(sequence: str) -> torch.Tensor:
    """Returns float32 of shape (1, length, 4), columns A, C, G, T; zero for any other letter."""
    letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    return torch.from_numpy(_BASES[letters])[None]


class Engine:
    """Models on one device, opened when first needed and kept; the least recently used one goes.

    Not safe across threads: a worker computes one job at a time.

    Args:
        settings: Device and where the weights are.

    Attributes:
        device: Where the models are.
        cards: Every model that is known here, by id.

    Raises:
        ModelUnavailableError: This machine has no such device.
    """

    def __init__(self, settings: Settings) -> None:
        self.device = _device(settings.device)
        self._weights_dirs = settings.weights_dirs
        self.cards = registry.cards(self._weights_dirs)
        self._models: OrderedDict[str, SequenceModel] = OrderedDict()
        self._layers: dict[str, int] = {}
        torch.set_num_threads(len(os.sched_getaffinity(0)))
        # fp32 means fp32: by default cuDNN's convolutions round their inputs to the 10-bit mantissa
        # of TF32, and a GPU would give other numbers than those that a model was checked with.
        torch.backends.cudnn.allow_tf32 = False
        torch.set_float32_matmul_precision("highest")

    @property
    def loaded(self) -> tuple[str, ...]:
        """Ids of the models in memory."""
        return tuple(self._models)

    def open(self, model: str) -> SequenceModel:
        """Returns a model, loading it if need be.

        Raises:
            ModelUnavailableError: There is no such model here, or its weights are missing or wrong.
        """
        if model in self._models:
            self._models.move_to_end(model)
            return self._models[model]
        if model not in self.cards:
            raise ModelUnavailableError(f"The worker does not know the model {model}.")
        while len(self._models) >= MAX_LOADED:
            self._models.popitem(last=False)
        log.info("loading %s on %s", model, self.device)
        try:
            self._models[model] = registry.open_model(
                self.cards[model], self._weights_dirs, self.device
            )
        except WeightsError as error:
            raise ModelUnavailableError(str(error)) from error
        return self._models[model]

    def compute(
        self, request: JobRequest, sequence: str, progress: Progress | None = None
    ) -> Arrays:
        """Computes what a request asks for.

        Args:
            request: What is asked, of which model with which weights.
            sequence: The bases that the request names: ``card.input_width`` of them, where a
                network is run.
            progress: Told of every layer that is done.

        Returns:
            For a ``Request`` by track id the output for one window, in the shapes of
            ``SequenceModel.predict``; for others what ``mutate``, ``attribute`` and
            ``name_motifs`` return.

        Raises:
            ModelUnavailableError: The model or its weights are not those of the request.
            ComputationError: The model failed, ran out of memory or gave no finite numbers.
        """
        if sequence_sha256(sequence) != request.sequence_sha256:
            raise ComputationError("The sequence is not the one that the request names.")
        if isinstance(request, MotifRequest):
            from app.inference.motifs import name_motifs  # takes seconds, and few ask for it

            return name_motifs(request, sequence)
        card = self._check(request, sequence)
        try:
            return self._run(card, request, sequence, progress)
        except torch.OutOfMemoryError:
            self._keep_only(card.id)
        try:
            return self._run(card, request, sequence, progress)
        except torch.OutOfMemoryError as error:
            raise ComputationError(
                f"{card.title} needs more memory than {self.device} has free. "
                "Choose a smaller model, or a larger device."
            ) from error

    def _check(self, request: JobRequest, sequence: str) -> ModelCard:
        """Checks that this worker has the very model that is asked for."""
        card = self.cards.get(request.model)
        if card is None:
            raise ModelUnavailableError(f"The worker does not know the model {request.model}.")
        if request.weights_hash != card.weights_hash:
            raise ModelUnavailableError(
                f"The worker has other weights of {card.title} than were asked for. "
                "Use the same model card on both sides and restart the worker."
            )
        if unknown := _tracks(request) - {track.id for track in card.tracks}:
            raise ComputationError(f"{card.title} has no track {min(unknown)}.")
        if len(sequence) != card.input_width:
            raise ComputationError(
                f"{card.title} reads {card.input_width:,} bp, not {len(sequence):,}."
            )
        return card

    def _run(
        self, card: ModelCard, request: JobRequest, sequence: str, progress: Progress | None
    ) -> Arrays:
        model = self.open(card.id)
        encoded = one_hot(sequence).to(self.device)
        with self._watched(request.pace, progress):
            match request:
                case Request():
                    return self._predict(model, request, encoded)
                case MutagenesisRequest():
                    arrays = mutate(model, request, encoded)
                case AttributionRequest():
                    arrays = attribute(model, request, encoded)
                case _:
                    raise ComputationError(f"This worker cannot compute {request.kind}.")
        if any(np.isinf(values).any() for values in arrays.values()) or not np.isfinite(
            arrays["value"]
        ):
            raise ComputationError(
                f"{card.title} gave values that are not finite numbers, so they were thrown away."
            )
        return arrays

    def _predict(self, model: SequenceModel, request: Request, encoded: torch.Tensor) -> Arrays:
        card = model.card
        tracks = [track for track in card.tracks if track.id in set(request.tracks)]
        with torch.inference_mode(), self._precision(request):
            output = model.predict(encoded, tracks)
        arrays = {}
        for track in tracks:
            values = np.ascontiguousarray(output[track.id].float().cpu().numpy())
            if problem := output_problem(values, track, card.output_width):
                raise ComputationError(
                    f"{card.title} gave {problem} for {track.id}, so they were thrown away."
                )
            arrays[track.id] = values[0]
        return arrays

    def _precision(self, request: Request) -> contextlib.AbstractContextManager[Any]:
        """Returns autocast to bf16 where it was asked for and pays on this device."""
        if request.precision == "bf16" and _fast_bf16(self.device):
            return torch.autocast(self.device.type, torch.bfloat16)
        return contextlib.nullcontext()

    @contextlib.contextmanager
    def _watched(self, pace: str, progress: Progress | None) -> Iterator[None]:
        """Tells ``progress`` of each innermost layer; how many there are the first run shows."""
        if progress is None:
            yield
            return
        total, done = self._layers.get(pace, 0), 0

        def count(module: torch.nn.Module, *_: object) -> None:
            nonlocal done
            if next(module.children(), None) is None:
                done += 1
                progress(min(done, total) if total else done, total)

        hook = torch.nn.modules.module.register_module_forward_hook(count)
        try:
            yield
        finally:
            hook.remove()
        self._layers[pace] = done

    def _keep_only(self, model: str) -> None:
        """Frees what other models hold in memory."""
        for other in [name for name in self._models if name != model]:
            del self._models[other]
        torch.cuda.empty_cache()


def _tracks(request: JobRequest) -> set[str]:
    """Returns the ids of the tracks that a request needs."""
    match request:
        case Request():
            return set(request.tracks)
        case MutagenesisRequest() | AttributionRequest():
            return {request.readout.track}
    return set()


def _device(name: str) -> torch.device:
    """Returns the device of that name, or by default the first GPU or else the CPU.

    Raises:
        ModelUnavailableError: This machine has no such device.
    """
    try:
        device = torch.device(name or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:  # AssertionError: built without that backend
        raise ModelUnavailableError(
            f"torch cannot use the device {name} on this machine. Choose another with --device."
        ) from error
    return device


def _fast_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return device.type == "cpu" and bool(torch.cpu.get_capabilities().get("amx_bf16"))


def describe_failure(card_title: str, error: Exception) -> str:
    """Returns the sentence for a person about an exception that a model raised."""
    if isinstance(error, LocuscopeError):
        return error.message
    return f"{card_title} failed on this sequence: {error or type(error).__name__}"
