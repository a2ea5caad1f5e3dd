"""Trains the network of the teaching genome: ``locuscope teaching train``.

Every loss is relative to that of the best constant, so that the modalities count alike. What step
``n`` learns from depends on the seed and ``n`` alone, so a training that was interrupted goes on as
if it had not been.
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

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional

from models.card import Track
from models.teaching.contacts import BIN
from models.teaching.samples import (
    FRACTIONS,
    WINDOW,
    Chromosome,
    Sample,
    base_tracks,
    bin_tracks,
    write_chromosome,
)
from models.teaching_net import (
    CLOSED,
    LARGEST_LOGIT,
    SHORTEST_INTRON,
    Network,
    Outputs,
)
from models.teaching_net_layers import TOKEN

log = logging.getLogger(__name__)

SEED = 20_261_202
#: Chromosomes that are there when training starts, and steps after which one more joins.
FIRST_CHROMOSOMES, STEPS_PER_CHROMOSOME = 40, 100
#: Number of the chromosome that is kept for validation.
HELD_OUT = 1_000_000
#: Chromosomes from which means and usual contacts are taken.
MEASURED = 4
#: Steps between two validations, and two checkpoints.
EVERY = 500
PEAK_RATE, WEIGHT_DECAY, LARGEST_GRADIENT = 1.5e-3, 0.01, 1.0
WARM_UP = 200
#: Part of the steps in which the learning rate falls to zero.
COOLING = 0.3
#: Steps and width of windows: local rules are learned from many small steps first.
STAGES = ((4_000, 8_192), (2_500, 32_768), (5_150, WINDOW))
#: Part of a window at either end that does not count.
MARGIN = 1 / 8
#: So many of the narrowest windows lie around bound factors, which are few.
AROUND_SITES = 0.7
#: ChIP signal that is certainly bound.
BOUND = 3.0
#: Weight of each part of the loss.
WEIGHTS = {
    "ATAC": 1.0, "DNASE": 1.0, "SPLICE_SITES": 2.0, "SPLICE_SITE_USAGE": 1.0, "CAGE": 1.0,
    "PROCAP": 1.0, "RNA_SEQ": 4.0, "CHIP_HISTONE": 1.0, "CHIP_TF": 1.0, "CONTACT_MAPS": 0.5,
    "SPLICE_JUNCTIONS": 1.0, "log ATAC": 0.25, "log DNASE": 0.25, "log CAGE": 0.1,
    "log PROCAP": 0.1, "log RNA_SEQ": 0.3,
}  # fmt: skip
#: Open chromatin between these counts in the logarithmic loss, so that weak sites count too.
OPEN_RANGE = (5e-4, 0.999)
#: Square root of an amount from which it counts in the logarithmic loss, so that silent genes do.
LEAST_LOGGED = 0.25
#: Places on which the logarithmic loss of an amount is spread at least.
FEWEST_LOGGED = 20
#: Splice sites this little used are no candidates for junctions.
LEAST_USE = 0.02


@dataclass(frozen=True)
class Plan:
    """What a training is.

    Attributes:
        folder: Holds the samples, the checkpoint and the curves.
        device: Where.
        stages: Steps and width of their windows.
    """

    folder: Path
    device: torch.device
    stages: tuple[tuple[int, int], ...] = STAGES

    @property
    def steps(self) -> int:
        """How many there are in all."""
        return sum(steps for steps, _ in self.stages)

    def width(self, step: int) -> int:
        """Returns how wide the window of a step is."""
        for steps, width in self.stages:
            if step < steps:
                return width
            step -= steps
        raise ValueError("there is no such step")

    def rate(self, step: int) -> float:
        """Returns the learning rate of a step: warm-up, constant, linear to zero."""
        left = (self.steps - step) / (COOLING * self.steps)
        return PEAK_RATE * min((step + 1) / WARM_UP, 1.0, left)

    def sample_path(self, index: int) -> Path:
        """Returns where a chromosome is kept."""
        return self.folder / "samples" / f"{index:05d}.npz"


def n_fractions(tracks: tuple[Track, ...]) -> int:
    """Returns how many tracks are between 0 and 1; they come first."""
    return sum(t.modality in FRACTIONS for t in tracks)


def targets(values: npt.NDArray[np.float32], tracks: tuple[Track, ...]) -> Tensor:
    """Returns what the network should say of tracks: fractions, and square roots of amounts."""
    n_open = sum(t.modality in ("ATAC", "DNASE") for t in tracks)
    result = values.copy()
    result[..., :n_open] -= CLOSED
    np.clip(result[..., :n_open], 0, 1, out=result[..., :n_open])
    amounts = result[..., n_fractions(tracks) :]
    np.sqrt(amounts, out=amounts)
    return torch.from_numpy(result)


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


@dataclass(frozen=True)
class Usual:
    """What the best constants say.

    Attributes:
        base_means: Mean target of each of ``base_tracks()``.
        base_losses: Loss of that mean.
        bin_means: The same of ``bin_tracks()``.
        bin_losses: The same.
        contacts: Mean logarithm of contacts at each distance in bins; (bins,).
        contact_loss: Variance around it.
        junction_loss: Loss of the mean over pairs of sites.
    """

    base_means: Tensor
    base_losses: Tensor
    bin_means: Tensor
    bin_losses: Tensor
    contacts: Tensor
    contact_loss: Tensor
    junction_loss: Tensor

    def to(self, device: torch.device) -> Usual:
        """Moves it."""
        return Usual(**{name: tensor.to(device) for name, tensor in vars(self).items()})


def deviance(target: Tensor, logarithm: Tensor) -> Tensor:
    """Poisson deviance, halved: 0 where the prediction is right."""
    predicted = logarithm.exp()
    own = torch.special.xlogy(target, target)
    result: Tensor = own - target * logarithm - target + predicted
    return result


def measure(samples: list[Sample]) -> Usual:
    """Finds the best constants of some samples."""
    bases = torch.cat([targets(s.bases, base_tracks()) for s in samples])
    bins = torch.cat([targets(s.bins, bin_tracks()) for s in samples])
    base_means, bin_means = bases.mean(0), bins.mean(0)
    n = n_fractions(base_tracks())
    entropy = functional.binary_cross_entropy(base_means[:n], base_means[:n], reduction="none")
    base_deviance = deviance(bases[:, n:], base_means[n:].log()).mean(0)
    logs = [torch.from_numpy(np.log(s.contacts)) for s in samples]
    n_bins = logs[0].shape[-1]
    usual = torch.stack(
        [torch.cat([x.diagonal(d, 1, 2).flatten() for x in logs]).mean() for d in range(n_bins)]
    )
    apart = (torch.arange(n_bins)[:, None] - torch.arange(n_bins)).abs()
    pairs = torch.cat([pair_reads(s, forward)[2].flatten() for s in samples for forward in (1, 0)])
    return Usual(
        base_means,
        torch.cat([entropy, base_deviance]),
        bin_means,
        deviance(bins, bin_means.log()).mean(0),
        usual,
        torch.cat([(x - usual[apart]).flatten() for x in logs]).var(),
        deviance(pairs, pairs.mean().log()).mean(),
    )


def pair_reads(sample: Sample, forward: bool | int) -> tuple[Tensor, Tensor, Tensor]:
    """Returns the splice sites of a strand and the square root of reads between them.

    Returns:
        Last bases of exons, first bases of exons; and (cells, donors, acceptors).
    """
    mine = sample.forward == bool(forward)
    introns, reads = sample.introns[mine], sample.reads[:, mine]
    used = reads.max(0, initial=0) > LEAST_USE
    introns, reads = introns[used], reads[:, used]
    ends = introns if forward else introns[:, ::-1]
    at = ends + (np.array([-1, 0]) if forward else np.array([0, -1]))
    donors, of_donor = np.unique(at[:, 0], return_inverse=True)
    acceptors, of_acceptor = np.unique(at[:, 1], return_inverse=True)
    table = np.zeros((len(reads), len(donors), len(acceptors)), np.float32)
    table[:, of_donor, of_acceptor] = np.sqrt(reads)
    return torch.from_numpy(donors), torch.from_numpy(acceptors), torch.from_numpy(table)


def losses(network: Network, outputs: Outputs, sample: Sample, usual: Usual) -> dict[str, Tensor]:
    """Returns the loss of each modality over that of the best constant.

    Args:
        network: Whose junctions are asked for.
        outputs: Of one window.
        sample: The same window.
        usual: The best constants.
    """
    device = usual.contacts.device
    found = {}
    margin = int(MARGIN * len(sample.codes))
    inner = slice(margin, len(sample.codes) - margin)
    bins = slice(margin // TOKEN, len(sample.bins) - margin // TOKEN)
    for tracks, values, logits, constant in (
        (base_tracks(), sample.bases[inner], outputs.bases[0, inner], usual.base_losses),
        (bin_tracks(), sample.bins[bins], outputs.bins[0, bins], usual.bin_losses),
    ):
        n = n_fractions(tracks)
        wanted, said = targets(values, tracks).to(device), logits.float()
        amounts = said[:, n:].clamp(max=LARGEST_LOGIT)
        by_track = torch.cat([
            functional.binary_cross_entropy_with_logits(
                said[:, :n], wanted[:, :n], reduction="none"
            ).mean(0),
            # The deviance, but for what does not depend on the network.
            (amounts.exp() - wanted[:, n:] * amounts).mean(0),
        ]) / constant  # fmt: skip
        for modality, columns in columns_by_modality(tracks):
            found[modality] = by_track[columns].mean()
            if f"log {modality}" in WEIGHTS:
                found[f"log {modality}"] = log_loss(modality, said[:, columns], wanted[:, columns])
    found["CONTACT_MAPS"] = contact_loss(outputs, sample, usual)
    found["SPLICE_JUNCTIONS"] = junction_loss(network, outputs, sample, margin) / (
        usual.junction_loss
    )
    return found


def log_loss(modality: str, said: Tensor, wanted: Tensor) -> Tensor:
    """Returns the mean squared error of logits of open chromatin, or of logarithms of amounts.

    The other losses hardly see what is nearly closed or nearly silent, where most variants act.

    Args:
        modality: Whose.
        said: What the network said, logits or logarithms; (places, tracks).
        wanted: The targets; (places, tracks).
    """
    if modality in ("ATAC", "DNASE"):
        return (said - torch.logit(wanted.clamp(*OPEN_RANGE))).square().mean()
    there = wanted >= LEAST_LOGGED
    off = said - wanted.clamp(min=LEAST_LOGGED).log()
    return (off.square() * there).sum() / there.sum().clamp(min=FEWEST_LOGGED)


def columns_by_modality(tracks: tuple[Track, ...]) -> Iterator[tuple[str, slice]]:
    """Yields each modality and where its tracks stand, which is side by side."""
    names = [t.modality for t in tracks]
    for name in dict.fromkeys(names):
        yield name, slice(names.index(name), len(names) - names[::-1].index(name))


def contact_loss(outputs: Outputs, sample: Sample, usual: Usual) -> Tensor:
    """Returns the squared error of log contacts over their variance."""
    n_bins = sample.contacts.shape[-1]
    places = torch.arange(n_bins, device=usual.contacts.device)
    expected = usual.contacts[(places[:, None] - places).abs()]
    wanted = torch.from_numpy(np.log(sample.contacts)).to(expected.device) - expected
    return (outputs.maps[0].float() - wanted).square().mean() / usual.contact_loss


def junction_loss(network: Network, outputs: Outputs, sample: Sample, margin: int) -> Tensor:
    """Returns the deviance of reads over all pairs of sites that could be spliced."""
    parts = []
    device = outputs.decoded.device
    for forward in (True, False):
        donors, acceptors, wanted = (x.to(device) for x in pair_reads(sample, forward))
        if not len(donors):
            continue
        said = network.junctions(outputs.decoded[0], outputs.tokens[0], donors, acceptors)
        length = (acceptors[None] - donors[:, None]) * (1 if forward else -1)
        end = len(sample.codes) - margin
        inside = (donors >= margin) & (donors < end)
        possible = (length >= SHORTEST_INTRON) & inside[:, None]
        loss = deviance(wanted, said.float().clamp(max=LARGEST_LOGIT))
        parts.append(loss[:, possible].flatten())
    if not parts or not sum(map(len, parts)):
        return outputs.decoded.new_zeros((), dtype=torch.float32)
    return torch.cat(parts).mean()


class Samples:
    """Windows to learn from, each decided by the number of its step."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._thread = ThreadPoolExecutor(1)
        self._next: tuple[int, Future[Sample]] | None = None

    def __call__(self, step: int) -> Sample:
        """Returns the window of a step, and begins to make that of the next one."""
        if self._next is None or self._next[0] != step:
            self._next = (step, self._thread.submit(self.make, step))
        sample = self._next[1].result()
        if step + 1 < self._plan.steps:
            self._next = (step + 1, self._thread.submit(self.make, step + 1))
        return sample

    def make(self, step: int) -> Sample:
        """Makes the window of a step."""
        rng = np.random.default_rng([SEED, step])
        chromosome = Chromosome(self.wait(int(rng.integers(available(step)))))
        width = self._plan.width(step)
        last = (chromosome.length - width) // BIN
        start = int(rng.integers(last + 1))
        if width == self._plan.stages[0][1] and rng.random() < AROUND_SITES:
            places = chromosome.bound(BOUND) // BIN
            start = int(rng.choice(places)) - int(rng.integers(1, width // BIN - 1))
        sample = chromosome.window(min(max(start, 0), last) * BIN, width)
        return mirrored(sample) if rng.random() < 0.5 else sample

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

    def learn(self, sample: Sample) -> None:
        """Makes one step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.plan.rate(self.step)
        self.fast.load_state_dict(self.network.state_dict())
        self.fast.zero_grad(set_to_none=True)
        outputs = self.fast(one_hot(sample.codes, self.plan.device, torch.bfloat16))
        parts = losses(self.fast, outputs, sample, self.usual)
        sum(WEIGHTS[name] * loss for name, loss in parts.items()).backward()  # type: ignore[union-attr]
        for slow, fast in zip(self.network.parameters(), self.fast.parameters(), strict=True):
            slow.grad = None if fast.grad is None else fast.grad.float()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), LARGEST_GRADIENT)
        self.optimizer.step()
        for name, loss in parts.items():
            self.curve.setdefault(name, []).append(loss.item())

    def log_curve(self, seconds: float) -> None:
        """Appends the mean losses since the last time to ``curves.tsv``."""
        path = self.plan.folder / "curves.tsv"
        new = not path.exists()
        with path.open("a", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t")
            if new:
                writer.writerow(["step", "seconds_per_step", *self.curve])
            means = [f"{np.mean(values):.4f}" for values in self.curve.values()]
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
            outputs = self.fast(one_hot(sample.codes, self.plan.device, torch.bfloat16))
            parts = losses(self.fast, outputs, sample, self.usual)
            for name, loss in parts.items():
                found.setdefault(name, []).append(loss.item())
        return ", ".join(f"{name} {np.mean(values):.3f}" for name, values in found.items())


def write_weights(network: Network, path: Path) -> None:
    """Writes weights in half precision."""
    save_file({name: x.half().contiguous() for name, x in network.state_dict().items()}, path)
