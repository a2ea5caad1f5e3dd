"""The toy model and what runs and asks it, for tests and benchmarks of the queue."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file

import models
from app.errors import WorkerUnavailableError
from app.genome.reference import Reference
from app.inference.broker import run_broker
from app.inference.jobs import Jobs, JobStatus, Priority
from app.inference.requests import Request, sequence_sha256
from app.settings import Settings
from models.card import ModelCard

HERE = Path(__file__).parent
models.__path__.append(str(HERE / "families"))  # as toy_worker.py does

CARD = """
id = "{name}"
title = "{title}"
family = "{family}"
paper = "none"
licence = "Apache-2.0"
genomes = ["toy"]
input_width = {width}
crop = {crop}
validation = "architecture only"

[[weights]]
name = "{family}.safetensors"
sha256 = "{sha256}"
"""
COLUMNS = "id modality name strand resolution unit biosample curie synonyms assay target summary"


def write_model(
    folder: Path, width: int, crop: int, tracks: Sequence[tuple[str, int]], name: str = "toy"
) -> None:
    """Writes card, tracks and weights of a toy whose tracks have these names and resolutions."""
    modality = {"pairs": "CONTACT_MAPS", "introns": "SPLICE_JUNCTIONS"}
    rows = [
        (modality.get(track, "CAGE"), track, resolution, "share of G and C")
        for track, resolution in tracks
    ]
    weights = {"weights": np.array([0, 1, 1, 0], np.float32)}
    write_files(folder, name, "toy", (width, crop), weights, rows)


def write_files(
    folder: Path,
    name: str,
    family: str,
    size: tuple[int, int],
    weights: dict[str, np.ndarray],
    tracks: Sequence[tuple[str, str, int, str]],
) -> None:
    """Writes card, tracks and weights of a model.

    Args:
        folder: Where.
        name: Id of the model.
        family: Module with its network, which also names its weights file.
        size: Input width and crop in bp.
        weights: Arrays of the weights file.
        tracks: Modality, name, resolution and unit of each.
    """
    folder.mkdir(parents=True)
    file = folder / f"{family}.safetensors"
    save_file(weights, file)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    width, crop = size
    about = {"name": name, "title": family.capitalize(), "family": family, "sha256": digest}
    (folder / "card.toml").write_text(CARD.format(width=width, crop=crop, **about))
    rows = [COLUMNS.split()]
    for modality, track, resolution, unit in tracks:
        identity = [f"{name}/{modality}/{track}/.", modality, track, "."]
        rows.append([*identity, str(resolution), unit])
        rows[-1] += [""] * (len(rows[0]) - len(rows[-1]))
    (folder / "tracks.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")


class Broker:
    """The embedded Valkey as a child of this process, ready when this is made."""

    def __init__(self, settings: Settings) -> None:
        spawn = multiprocessing.get_context("spawn")
        self.process = spawn.Process(target=run_broker, args=[settings])
        self.process.start()
        until(lambda: broker_answers(settings), seconds=15)

    def stop(self) -> None:
        """Ends it; does nothing if it has ended already."""
        self.process.terminate()
        self.process.join()


def broker_answers(settings: Settings) -> bool:
    """Returns whether the embedded broker can be talked to."""
    try:
        Jobs(settings).workers()
    except WorkerUnavailableError:
        return False
    return True


class WorkerProcess:
    """A worker in a process of its own, as ``locuscope worker`` starts it."""

    def __init__(self, settings: Settings, toy_folder: Path) -> None:
        self.toy = toy_folder
        self.log = toy_folder / "worker.log"
        self.environment = os.environ | {
            "LOCUSCOPE_WEIGHTS": settings.weights,
            "LOCUSCOPE_CACHE_DIR": str(settings.cache_dir),
            "LOCUSCOPE_DEVICE": "cpu",
            "LOCUSCOPE_TOY": str(toy_folder),
            "PYTHONPATH": str(HERE.parents[1]),
        }
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, str(HERE / "toy_worker.py")],
                env=self.environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        """Ends parent and child without warning."""
        assert self.process is not None
        self.process.kill()  # the child follows, it asked the kernel for that
        self.process.wait()

    def stop(self) -> int:
        """Ends it as ``make demo`` does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=60)

    def behave(self, text: str) -> None:
        (self.toy / "behaviour").write_text(text)

    @property
    def calls(self) -> list[str]:
        return (self.toy / "calls").read_text().splitlines()

    @property
    def begun(self) -> int:
        return sum(line.startswith("begin") for line in self.calls)

    @property
    def ended(self) -> int:
        return sum(line.startswith("end") for line in self.calls)

    @property
    def child(self) -> int:
        """Process id of the child that computed last."""
        return int([line for line in self.calls if line.startswith("begin")][-1].split()[2])


class Asked:
    """One question to the toy."""

    def __init__(self, jobs: Jobs, card: ModelCard, seed: int = 0) -> None:
        self.jobs = jobs
        self.card = card
        self.sequence = random_sequence(card.input_width, seed)
        tracks = tuple(sorted(t.id for t in card.tracks))
        self.request = Request(
            card.id, card.weights_hash, sequence_sha256(self.sequence), tracks, card.precision
        )

    @property
    def id(self) -> str:
        return self.request.id

    def submit(self, priority: Priority = Priority.VIEW, *, retry: bool = False) -> None:
        self.jobs.submit(self.request, self.sequence, self.card.family, priority, retry=retry)

    def status(self) -> JobStatus:
        return self.jobs.status([self.id])[self.id]

    def wait(self, *states: str, seconds: float = 120) -> JobStatus:
        """Polls as a page does until the job is in one of the states."""
        return until(lambda: (s := self.status()).state in states and s, seconds, self.status)


def random_sequence(length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices("ACGT", k=length))


def until(
    done: Callable[[], object], seconds: float = 120, what: Callable[[], object] = lambda: ""
) -> Any:
    """Waits until something is true and returns it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if result := done():
            return result
        time.sleep(0.05)
    raise AssertionError(f"not within {seconds} s: {what()}")


def fasta(path: Path, records: dict[str, str]) -> Reference:
    """Writes a FASTA and opens it."""
    path.write_text("".join(f">{name}\n{bases}\n" for name, bases in records.items()))
    return Reference(path)
