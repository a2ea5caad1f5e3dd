"""A broker, a worker and a small model: all real, all private to a test."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.inference.jobs import Jobs
from app.settings import Settings
from models import registry
from models.card import ModelCard

from .helpers import Broker, WorkerProcess, write_model


@pytest.fixture
def toy_folder(tmp_path: Path) -> Path:
    """The folder through which the toy is told what to do and says what it did."""
    folder = tmp_path / "toy"
    folder.mkdir()
    (folder / "behaviour").write_text("fine")
    (folder / "calls").write_text("")
    return folder


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a fresh installation that has the toy among its models."""
    write_model(tmp_path / "weights" / "toy", 4096, 1024, (("gc", 32), ("coarse", 128)))
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return Settings(weights=str(tmp_path / "weights"), cache_dir=tmp_path / "cache", device="cpu")


@pytest.fixture
def card(settings: Settings) -> ModelCard:
    return registry.cards(settings.weights_dirs)["toy"]


@pytest.fixture
def broker(settings: Settings) -> Iterator[None]:
    server = Broker(settings)
    yield
    server.stop()


@pytest.fixture
def jobs(settings: Settings, broker: None) -> Jobs:
    return Jobs(settings)


@pytest.fixture
def worker(settings: Settings, toy_folder: Path, broker: None) -> Iterator[WorkerProcess]:
    process = WorkerProcess(settings, toy_folder)
    process.start()
    yield process
    if process.process is not None and process.process.poll() is None:
        process.process.kill()
        process.process.wait()
    sys.stdout.write(process.log.read_text())
