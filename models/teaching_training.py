"""Trains the network of the teaching genome: ``locuscope teaching train``.

What step ``n`` learns from depends on the seed and ``n`` alone, so a training that was interrupted
goes on as if it had not been.
"""

from __future__ import annotations

import csv
import logging
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor

from models.card import Track
from models.teaching.contacts import BIN
from models.teaching.samples import (
    WINDOW,
    Chromosome,
    Sample,
    base_tracks,
    write_chromosome,
)
from models.teaching_changes import measure_changes, pair_losses
from models.teaching_losses import WEIGHTS, losses, measure
from models.teaching_mutants import BOUND, Pair, mutant
from models.teaching_net import Network, Outputs

log = logging.getLogger(__name__)

SEED = 20_261_202
#: Chromosomes that are there when training starts, and steps after which one more joins.
FIRST_CHROMOSOMES, STEPS_PER_CHROMOSOME = 40, 100
#: Number of the chromosome that is kept for validation.
HELD_OUT = 1_000_000
#: Chromosomes from which means and usual contacts are taken.
MEASURED = 4
#: Pairs from which the usual sizes of changes are taken.
MEASURED_PAIRS = 4
#: Steps between two validations, and two checkpoints.
EVERY = 500
PEAK_RATE, WEIGHT_DECAY, LARGEST_GRADIENT = 1.5e-3, 0.01, 1.0
WARM_UP = 200
#: Part of the steps in which the learning rate falls to zero.
COOLING = 0.3
#: So many of the narrowest windows lie around bound factors, which are few.
AROUND_SITES = 0.7


class Stage(NamedTuple):
    """A part of a training.

    Attributes:
        steps: How many.
        width: Of their windows, in bp.
        paired: Whether every second step learns from a window of half that width and its mutant.
    """

    steps: int
    width: int
    paired: bool = False


#: Steps and width of windows: local rules are learned from many small steps first, and what changes
#: do last.
STAGES = (
    Stage(4_000, 8_192),
    Stage(2_500, 32_768),
    Stage(5_150, WINDOW),
    Stage(9_500, WINDOW, paired=True),
)


@dataclass(frozen=True)
class Plan:
    """What a training is.

    Attributes:
        folder: Holds the samples, the checkpoint and the curves.
        device: Where.
        stages: Its parts, one after the other.
    """

    folder: Path
    device: torch.device
    stages: tuple[Stage, ...] = STAGES

    @property
    def steps(self) -> int:
        """How many there are in all."""
        return sum(stage.steps for stage in self.stages)

    def stage(self, step: int) -> Stage:
        """Returns the part to which a step belongs."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        raise ValueError("there is no such step")

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step: warm-up, constant, linear to zero."""
        left = (self.steps - step) / (COOLING * self.steps)
        return PEAK_RATE * min((step + 1) / WARM_UP, 1.0, left)

    def sample_path(self, index: int) -> Path:
        """Returns where a chromosome is kept."""
        return self.folder / "samples" / f"{index:05d}.npz"


def mirrored(sample: Sample) -> Sample:
    """Returns the other strand of a sample, read in its own direction."""
    length = len(sample.codes)
    return Sample(
        codes=np.array([3, 2, 1, 0, 4], np.int8)[sample.codes[::-1]],
        bases=sample.bases[::-1, other_strand(base_tracks())],
        bins=sample.bins[::-1].copy(),
        contacts=sample.contacts[:, ::-1, ::-1].copy(),
        introns=length - sample.introns[:, ::-1],
        forward=~sample.forward,
        reads=sample.reads,
    )


def other_strand(tracks: tuple[Track, ...]) -> list[int]:
    """Returns, for each track, the place of the same track of the other strand."""
    swap = str.maketrans("+-", "-+")
    places = {(t.modality, t.name, t.strand): i for i, t in enumerate(tracks)}
    return [places[t.modality, t.name, t.strand.translate(swap)] for t in tracks]  # type: ignore[index]


class Samples:
    """Windows to learn from, each decided by the number of its step."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Sample | Pair]] | None = None

    def __call__(self, step: int) -> Sample | Pair:
        """Returns the window or the pair of a step, and begins to make that of the next one."""
        if self._next is None or self._next[0] != step:
            self._next = (step, self._thread.submit(self.make, step))
        sample = self._next[1].result()
        if step + 1 < self._plan.steps:
            self._next = (step + 1, self._thread.submit(self.make, step + 1))
        return sample

    def make(self, step: int) -> Sample | Pair:
        """Makes the window or the pair of a step."""
        rng = np.random.default_rng([SEED, step])
        chromosome = Chromosome(self.wait(int(rng.integers(available(step)))))
        stage = self._plan.stage(step)
        paired = stage.paired and step % 2 == 1
        width = stage.width // 2 if paired else stage.width
        last = (chromosome.length - width) // BIN
        start = int(rng.integers(last + 1))
        if width == self._plan.stages[0].width and rng.random() < AROUND_SITES:
            places = chromosome.bound(BOUND) // BIN
            start = int(rng.choice(places)) - int(rng.integers(1, width // BIN - 1))
        sample = chromosome.window(min(max(start, 0), last) * BIN, width)
        if rng.random() < 0.5:
            sample = mirrored(sample)
        return mutant(sample, rng) if paired else sample

    def wait(self, index: int) -> Path:
        """Waits until a chromosome has been written."""
        path = self._plan.sample_path(index)
        while not path.exists():
            time.sleep(0.5)
        return path


def available(step: int) -> int:
    """Returns how many chromosomes there are at a step."""
    return FIRST_CHROMOSOMES + step // STEPS_PER_CHROMOSOME


def one_hot(codes: npt.NDArray[np.int8], device: torch.device, dtype: torch.dtype) -> Tensor:
    """Returns (1, length, 4); zero for N."""
    table = torch.eye(5, 4, dtype=dtype, device=device)
    return table[torch.from_numpy(codes.astype(np.int64)).to(device)][None]


@contextmanager
def simulating(plan: Plan) -> Iterator[None]:
    """Writes chromosomes in another process, in order, while the body runs."""
    wanted = [HELD_OUT, *range(available(plan.steps))]
    missing = [i for i in wanted if not plan.sample_path(i).exists()]
    with ProcessPoolExecutor(1, get_context("spawn"), os.nice, (10,)) as pool:
        jobs = [pool.submit(write_chromosome, i, plan.sample_path(i)) for i in missing]
        try:
            yield
        finally:
            for job in jobs:
                job.cancel()


def train(plan: Plan, say: Callable[[str], None]) -> Network:
    """Trains, or goes on with a training.

    Args:
        plan: What, and where.
        say: Told of every validation.

    Returns:
        The network, in float32.
    """
    (plan.folder / "samples").mkdir(parents=True, exist_ok=True)
    with simulating(plan):
        samples = Samples(plan)
        return _Trainer(plan, samples, say).run()


class _Trainer:
    """A network in training: its weights in float32, and a copy in bfloat16 that computes."""

    def __init__(self, plan: Plan, samples: Samples, say: Callable[[str], None]) -> None:
        self.plan, self.samples, self.say = plan, samples, say
        torch.manual_seed(SEED)
        self.held_out = Chromosome(samples.wait(HELD_OUT))
        measured = [Chromosome(samples.wait(i)) for i in range(MEASURED)]
        usual = measure([window for chromosome in measured for window in chromosome.windows()])
        self.usual = usual.to(plan.device)
        width = plan.stages[-1].width // 2
        self.usual_changes = measure_changes(
            [
                mutant(measured[0].window(start, width), np.random.default_rng([SEED, start]))
                for start in range(0, MEASURED_PAIRS * width, width)
            ]
        )
        self.network = Network()
        self.network.start_at(usual.base_means, usual.bin_means, usual.contacts)
        self.network.to(plan.device)
        self.fast = Network().to(plan.device, torch.bfloat16)
        self.optimizer = torch.optim.AdamW(
            self.network.parameters(), lr=PEAK_RATE, betas=(0.9, 0.98), weight_decay=WEIGHT_DECAY
        )
        self.step = 0
        self.curve: dict[str, list[float]] = {}
        self.checkpoint = plan.folder / "checkpoint.pt"
        if self.checkpoint.exists():
            stored = torch.load(self.checkpoint, weights_only=True, map_location=plan.device)
            self.network.load_state_dict(stored["network"])
            self.optimizer.load_state_dict(stored["optimizer"])
            self.step = stored["step"]

    def run(self) -> Network:
        """Goes on until the last step."""
        began, first = time.perf_counter(), self.step
        while self.step < self.plan.steps:
            self.learn(self.samples(self.step))
            self.step += 1
            if self.step % 50 == 0:
                self.log_curve((time.perf_counter() - began) / (self.step - first))
            if self.step % EVERY == 0 or self.step == self.plan.steps:
                self.save()
                self.say(f"step {self.step}: " + self.validate())
        return self.network

    def learn(self, learned: Sample | Pair) -> None:
        """Makes one step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step)
        self.fast.load_state_dict(self.network.state_dict())
        self.fast.zero_grad(set_to_none=True)
        if isinstance(learned, Sample):
            parts = losses(self.fast, self.say_of(learned), learned, self.usual)
        else:
            said = self.say_of(*learned)
            parts = pair_losses(self.fast, said, learned, self.usual, self.usual_changes)
        sum(WEIGHTS[name] * loss for name, loss in parts.items()).backward()  # type: ignore[union-attr]
        for slow, fast in zip(self.network.parameters(), self.fast.parameters(), strict=True):
            slow.grad = None if fast.grad is None else fast.grad.float()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        for name, loss in parts.items():
            self.curve.setdefault(name, []).append(loss.item())

    def say_of(self, *samples: Sample) -> Outputs:
        """Asks the network that computes."""
        rows = [one_hot(one.codes, self.plan.device, torch.bfloat16) for one in samples]
        outputs: Outputs = self.fast(torch.cat(rows))
        return outputs

    def log_curve(self, seconds: float) -> None:
        """Appends the mean losses since the last time to ``curves.tsv``."""
        path = self.plan.folder / "curves.tsv"
        new = not path.exists()
        with path.open("a", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t")
            if new:
                writer.writerow(["step", "seconds_per_step", *WEIGHTS])
            means = [f"{np.mean(self.curve[n]):.4f}" if n in self.curve else "" for n in WEIGHTS]
            writer.writerow([self.step, f"{seconds:.3f}", *means])
        self.curve.clear()

    def save(self) -> None:
        """Writes a checkpoint, all of it or nothing."""
        half_written = self.checkpoint.with_suffix(".part")
        torch.save(
            {
                "network": self.network.state_dict(),
                "optimizer": self.optimizer.state_dict(),
                "step": self.step,
            },
            half_written,
        )
        half_written.replace(self.checkpoint)

    @torch.inference_mode()
    def validate(self) -> str:
        """Returns the mean losses over windows of the held-out chromosome."""
        self.fast.load_state_dict(self.network.state_dict())
        found: dict[str, list[float]] = {}
        for sample in self.held_out.windows():
            parts = losses(self.fast, self.say_of(sample), sample, self.usual)
            for name, loss in parts.items():
                found.setdefault(name, []).append(loss.item())
        return ", ".join(f"{name} {np.mean(values):.3f}" for name, values in found.items())


def write_weights(network: Network, path: Path) -> None:
    """Writes weights in half precision."""
    save_file({name: x.half().contiguous() for name, x in network.state_dict().items()}, path)
