"""The engine, run in this process."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from app.errors import ComputationError, ModelUnavailableError
from app.inference.compute import MAX_LOADED, Engine, one_hot
from app.inference.requests import MutagenesisRequest, Readout, Request, sequence_sha256
from app.settings import Settings
from models import registry
from models.card import ModelCard

from .helpers import random_sequence, write_model


@pytest.fixture
def engine(settings: Settings, toy_folder: Path, monkeypatch: pytest.MonkeyPatch) -> Engine:
    monkeypatch.setenv("LOCUSCOPE_TOY", str(toy_folder))
    return Engine(settings)


@pytest.fixture
def sequence() -> str:
    return random_sequence(4096, seed=3)


@pytest.fixture
def request_(card: ModelCard, sequence: str) -> Request:
    tracks = tuple(sorted(t.id for t in card.tracks))
    return Request(card.id, card.weights_hash, sequence_sha256(sequence), tracks, "fp32")


def test_one_hot_columns_are_acgt_and_zero_for_anything_else() -> None:
    letters = "ACGTNacgtRYMK-X"
    expected = np.array([[letter == base for base in "ACGT"] for letter in letters], np.float32)
    result = one_hot(letters)
    assert result.dtype == torch.float32
    np.testing.assert_array_equal(result, expected[None])


def test_tracks_that_are_asked_for(engine: Engine, request_: Request, sequence: str) -> None:
    result = engine.compute(replace(request_, tracks=("toy/CAGE/coarse/.",)), sequence)
    inner = sequence[1024:-1024]
    expected = [
        sum(inner[i : i + 128].count(base) for base in "GC") / 128 for i in range(0, 2048, 128)
    ]
    assert list(result) == ["toy/CAGE/coarse/."]
    np.testing.assert_allclose(result["toy/CAGE/coarse/."], expected, atol=1e-6)


def test_steps_are_layers_and_their_number_is_known_from_the_second_run_on(
    engine: Engine, request_: Request, sequence: str
) -> None:
    def run() -> list[tuple[int, int]]:
        steps: list[tuple[int, int]] = []
        engine.compute(request_, sequence, lambda *step: steps.append(step))
        return steps

    assert run() == [(i, 0) for i in range(1, 21)]
    assert run() == [(i, 20) for i in range(1, 21)]


def test_computation_ends_when_told_and_the_next_one_is_whole(
    engine: Engine, request_: Request, sequence: str
) -> None:
    def stop_at_7(done: int, total: int) -> None:
        if done == 7:
            raise KeyError("stop")

    with pytest.raises(KeyError, match="stop"):
        engine.compute(request_, sequence, stop_at_7)
    steps: list[int] = []
    engine.compute(request_, sequence, lambda done, _: steps.append(done))
    assert steps == list(range(1, 21))


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"weights_hash": "0"}, ModelUnavailableError, "other weights of Toy"),
        ({"model": "elsewhere"}, ModelUnavailableError, "does not know the model elsewhere"),
        ({"tracks": ("toy/CAGE/x/.",)}, ComputationError, "no track toy/CAGE/x"),
        ({"sequence_sha256": "0"}, ComputationError, "not the one"),
    ],
)
def test_anything_but_the_very_thing_asked_for_is_refused(
    engine: Engine,
    request_: Request,
    sequence: str,
    change: dict[str, str],
    error: type[Exception],
    words: str,
) -> None:
    with pytest.raises(error, match=words):
        engine.compute(replace(request_, **change), sequence)


def test_wrong_length_is_refused(engine: Engine, request_: Request) -> None:
    short = "ACGT"
    with pytest.raises(ComputationError, match="4,096 bp, not 4"):
        engine.compute(replace(request_, sequence_sha256=sequence_sha256(short)), short)


def test_tampered_weights_are_not_loaded(
    engine: Engine, settings: Settings, request_: Request, sequence: str
) -> None:
    file = Path(settings.weights) / "toy" / "toy.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(ModelUnavailableError, match="SHA-256"):
        engine.compute(request_, sequence)
    assert engine.loaded == ()


def test_least_recently_used_model_goes(
    settings: Settings, toy_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCUSCOPE_TOY", str(toy_folder))
    names = [f"toy{i}" for i in range(MAX_LOADED + 1)]
    for name in names:
        write_model(Path(settings.weights) / name, 4096, 1024, (("gc", 32),), name)
    engine = Engine(settings)
    for name in names[:-1]:
        engine.open(name)
    first = engine.open(names[0])
    engine.open(names[-1])
    assert set(engine.loaded) == set(names) - {names[1]}
    assert engine.open(names[0]) is first


def test_fp32_is_not_tf32(settings: Settings) -> None:
    torch.backends.cudnn.allow_tf32 = True
    torch.set_float32_matmul_precision("high")
    Engine(settings)
    assert not torch.backends.cudnn.allow_tf32
    assert not torch.backends.cuda.matmul.allow_tf32
    assert torch.get_float32_matmul_precision() == "highest"


def test_device_that_is_not_there_is_named(settings: Settings) -> None:
    with pytest.raises(ModelUnavailableError, match="device warp9"):
        Engine(settings.model_copy(update={"device": "warp9"}))


def test_waiting_threads_do_not_spin() -> None:
    """OpenMP reads its policy when torch is imported, so it must be set by then."""
    code = "import app.inference.compute; import os; print(os.environ['OMP_WAIT_POLICY'])"
    environment = {k: v for k, v in os.environ.items() if k != "OMP_WAIT_POLICY"}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "PASSIVE\n"


class Short:
    """A device that runs out of memory beyond a number of sequences, or the first few times."""

    def __init__(self, function, most: int = 0, times: int = 0) -> None:
        self.function, self.most, self.times, self.sizes = function, most, times, []

    def __call__(self, one_hot: torch.Tensor, *rest: object) -> dict[str, torch.Tensor]:
        if self.times > 0 or (self.most and len(rest[0]) > self.most):  # type: ignore[arg-type]
            self.times -= 1
            raise torch.OutOfMemoryError("CUDA out of memory (simulated)")
        self.sizes.append(len(rest[0]))  # type: ignore[arg-type]
        return self.function(one_hot, *rest)


def test_too_little_memory_once_frees_other_models_and_goes_on(
    engine: Engine, settings: Settings, request_: Request, sequence: str, monkeypatch
) -> None:
    write_model(Path(settings.weights) / "toy2", 4096, 1024, (("gc", 32),), "toy2")
    engine.cards.update(registry.cards(settings.weights_dirs))
    engine.open("toy2")
    expected = engine.compute(request_, sequence)
    model = engine.open("toy")
    monkeypatch.setattr(model, "predict", Short(model.predict, times=1))
    found = engine.compute(request_, sequence)
    assert engine.loaded == ("toy",)
    for track, values in expected.items():
        np.testing.assert_array_equal(found[track], values)


def test_too_little_memory_twice_is_said(
    engine: Engine, request_: Request, sequence: str, monkeypatch
) -> None:
    model = engine.open("toy")
    monkeypatch.setattr(model, "predict", Short(model.predict, times=2))
    with pytest.raises(ComputationError, match="Toy needs more memory than cpu has free"):
        engine.compute(request_, sequence)
    assert engine.compute(request_, sequence)


def test_changes_that_need_too_much_memory_are_made_in_smaller_batches(
    engine: Engine, card: ModelCard, sequence: str, monkeypatch
) -> None:
    readout = Readout("toy/CAGE/gc/.", ((0, 64),), "difference")
    request = MutagenesisRequest(
        card.id,
        card.weights_hash,
        sequence_sha256(sequence),
        readout=readout,
        positions=tuple(range(1024, 1036)),
    )
    expected = engine.compute(request, sequence)["effects"]
    model = engine.open("toy")
    short = Short(model.predict_substitutions, most=5)
    monkeypatch.setattr(model, "predict_substitutions", short)
    np.testing.assert_array_equal(engine.compute(request, sequence)["effects"], expected)
    assert sum(short.sizes) == 36
    assert max(short.sizes) <= 5
    # Each base that makes a G or C of an A or T adds one to the sum of shares of 32.
    gain = [[(b in "GC") - (a in "GC") for b in "ACGT"] for a in sequence[1024:1036]]
    np.testing.assert_allclose(expected, np.array(gain) / 32, atol=1e-6)
