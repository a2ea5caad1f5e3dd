"""Compares what the teaching model predicts of teach1 with the noise-free truth.

Nothing of teach1 was trained on. Printed as Markdown, with the target and the noise ceiling (the
same figure for one replicate of counts in the place of the prediction) beside each figure::

    python -m benchmarks.teaching_accuracy [--variants 2500] [--chromosome chrT1] [--out FILE]

What is compared:

- tracks: Pearson r over every native bin of the three chromosomes; the median over tracks.
- splice sites: area under the precision-recall curve over all bases and both strands; true sites
  are those with a truth of at least 0.5.
- junctions: r of log(1 + reads) over the union of true and predicted introns with 0.1 reads.
- contacts: r of the logarithm less its mean at each distance (prediction and truth each their own).
- genes: r of log(0.1 + CAGE within 50 bp of the start), and of its difference from the mean of the
  cells; peaks: the same difference of log(0.01 + ATAC) in 128-bp bins of at least 0.1 in some cell.
- variants: 4 of 5 at random, 1 of 5 the most damaging base of a bound site. Effects in every cell:
  log2 ratio of ATAC over 501 bp; of CAGE at the nearest start site; and the difference of the
  splice site probability that changes most within 2,048 bp by the oracle. Spearman over variants
  and cells; and how often the sign is right where the true effect is beyond the 90th percentile.
  Most random variants change nothing at all, or by a millionth, in an order that only the oracle
  knows; so Spearman is also given with effects below 0.01, true and predicted ones, taken as none,
  and beside it what the truth itself reaches with normal errors of a standard deviation of 0.01.
"""

from __future__ import annotations

import time
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import click
import numpy as np
import torch
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score
from tqdm import tqdm

from app.inference.compute import one_hot
from app.teaching_bundle import DEPTHS, replicate
from models.base import SequenceModel
from models.registry import cards, open_model
from models.teaching.cells import cells, factors
from models.teaching.motifs import Scanner, decode, encode
from models.teaching.oracle import Truth, oracle
from models.teaching.stories import CHROMOSOMES, teach1
from models.teaching.tracks import track_id, tracks

TARGETS = {
    "ATAC": 0.85, "DNASE": 0.85, "CHIP_TF": 0.85, "CHIP_HISTONE": 0.85, "CAGE": 0.80,
    "PROCAP": 0.80, "RNA_SEQ": 0.85, "SPLICE_SITE_USAGE": None,
}  # fmt: skip
BIN = 2048
#: Effects that count as none in the second Spearman.
LEAST_EFFECT = 0.01
CELLS = [cell.key for cell in cells()]


@dataclass
class Correlation:
    """Pearson r of pairs that come in parts."""

    sums: np.ndarray = field(default_factory=lambda: np.zeros(6))

    def add(self, a: np.ndarray, b: np.ndarray) -> None:
        """Adds pairs."""
        a, b = a.astype(np.float64).ravel(), b.astype(np.float64).ravel()
        self.sums += [len(a), a.sum(), b.sum(), a @ a, b @ b, a @ b]

    @property
    def r(self) -> float:
        """Pearson r."""
        n, a, b, aa, bb, ab = self.sums
        spread = np.sqrt(max(n * aa - a * a, 0) * max(n * bb - b * b, 0))
        return float((n * ab - a * b) / spread) if spread else float("nan")


@dataclass
class Predicted:
    """What the model says of one window, in numpy, with where its output begins."""

    start: int
    values: dict[str, np.ndarray]


class Model:
    """The teaching model on the CPU."""

    def __init__(self) -> None:
        self.card = cards([])["teaching"]
        self.model: SequenceModel = open_model(self.card, [], torch.device("cpu"))
        self.seconds: list[float] = []

    def __call__(self, sequence: str, start: int, modalities: set[str] | None = None) -> Predicted:
        """Predicts the window whose output begins at ``start``; N beyond the sequence."""
        first = start - self.card.crop
        past = first + self.card.input_width
        text = "N" * max(-first, 0) + sequence[max(first, 0) : past]
        text += "N" * (self.card.input_width - len(text))
        wanted = [t for t in self.card.tracks if modalities is None or t.modality in modalities]
        began = time.perf_counter()
        with torch.inference_mode():
            output = self.model.predict(one_hot(text), wanted)
        self.seconds.append(time.perf_counter() - began)
        return Predicted(start, {key: x[0].numpy() for key, x in output.items()})


@dataclass
class Tally:
    """Everything that is counted along the chromosomes."""

    tracks: dict[str, Correlation] = field(default_factory=lambda: defaultdict(Correlation))
    ceiling: dict[str, Correlation] = field(default_factory=lambda: defaultdict(Correlation))
    sites: dict[str, list] = field(default_factory=lambda: defaultdict(list))
    junctions: dict[str, list] = field(default_factory=lambda: defaultdict(list))
    contacts: dict[str, list] = field(default_factory=lambda: defaultdict(list))
    genes: list = field(default_factory=list)
    peaks: list = field(default_factory=list)


def along(model: Model, name: str, tally: Tally) -> None:
    """Compares one chromosome, window by window."""
    sequence = decode(teach1(name).codes)
    truth = oracle(sequence, 128)
    width = model.card.output_width
    starts = [*range(0, len(sequence) - width, width), len(sequence) - width]
    for number, start in enumerate(tqdm(starts, desc=name, unit="window", disable=None)):
        said = model(sequence, start)
        fresh = 0 if number == 0 else max(starts[number - 1] + width - start, 0)
        compare_tracks(said, truth, fresh, tally, (CHROMOSOMES.index(name), number))
        compare_junctions(said, truth, width, tally)
        compare_contacts(said, truth, width, tally)
        compare_cells(said, truth, fresh, width, tally)


def compare_tracks(
    said: Predicted, truth: Truth, fresh: int, tally: Tally, seed: tuple[int, int]
) -> None:
    """Counts every track with one value a bin, and its noise."""
    for number, track in enumerate(tracks()):
        if track.id not in truth.values:
            continue
        values = said.values[track.id][fresh // track.resolution :]
        first = (said.start + fresh) // track.resolution
        true = truth.values[track.id][first : first + len(values)]
        tally.tracks[track.id].add(values, true)
        if track.modality in DEPTHS:
            counts = replicate(true, track.modality, *seed, number)
            tally.ceiling[track.id].add(counts, true)
        if track.modality == "SPLICE_SITES":
            near = (true >= 0.5) | (values > 1e-3)
            tally.sites[track.id].append((true[near] >= 0.5, values[near]))


def compare_junctions(said: Predicted, truth: Truth, width: int, tally: Tally) -> None:
    """Pairs true and predicted introns of every cell and strand."""
    j = truth.junctions
    inside = (j.starts > said.start) & (j.ends < said.start + width)
    for strand in ("+", "-"):
        mine = np.flatnonzero(inside & (np.array(j.strands) == strand))
        for row, cell in enumerate(CELLS):
            rows = said.values[track_id("SPLICE_JUNCTIONS", f"{cell}-junctions", strand)]
            predicted = {
                (int(a) + said.start, int(b) + said.start): float(v)
                for a, b, v in rows[np.isfinite(rows[:, 0])]
                if v >= 0.1
            }
            true = {
                (int(j.starts[i]), int(j.ends[i])): float(j.reads[row, i])
                for i in mine
                if j.reads[row, i] >= 0.1
            }
            for intron in predicted.keys() | true.keys():
                tally.junctions[cell].append((predicted.get(intron, 0), true.get(intron, 0)))


def compare_contacts(said: Predicted, truth: Truth, width: int, tally: Tally) -> None:
    """Keeps pairs of bins: distance, prediction, truth."""
    n, first = width // BIN, said.start // BIN
    i, j = np.triu_indices(n)
    for row, cell in enumerate(CELLS):
        matrix = said.values[track_id("CONTACT_MAPS", f"{cell}-Hi-C", ".")]
        true = truth.contacts[row, first + i, j - i]
        tally.contacts[cell].append(np.stack([j - i, np.log(matrix[i, j]), np.log(true)]))


def at_start(values: dict[str, np.ndarray], strand: str, place: int) -> np.ndarray:
    """Returns CAGE within 50 bp of a start site, by cell."""
    around = slice(max(place - 50, 0), place + 51)
    return np.array([values[track_id("CAGE", f"{c}-CAGE", strand)][around].sum() for c in CELLS])


def compare_cells(said: Predicted, truth: Truth, fresh: int, width: int, tally: Tally) -> None:
    """Keeps log expression of genes and log accessibility of peaks, by cell."""
    for gene in truth.genes:
        place = gene.start_site
        if said.start + fresh <= place < said.start + width:
            tally.genes.append(
                (
                    np.log(0.1 + at_start(said.values, gene.strand, place - said.start)),
                    np.log(0.1 + at_start(truth.values, gene.strand, place)),
                )
            )
    keys = [track_id("ATAC", f"{c}-ATAC", ".") for c in CELLS]
    predicted = np.stack([said.values[key][fresh:] for key in keys])
    true = np.stack([truth.values[key][said.start + fresh : said.start + width] for key in keys])
    predicted, true = (x.reshape(len(CELLS), -1, 128).mean(-1) for x in (predicted, true))
    peaks = true.max(0) >= 0.1
    tally.peaks.append((np.log(0.01 + predicted[:, peaks]), np.log(0.01 + true[:, peaks])))


def r_of(a: np.ndarray, b: np.ndarray) -> float:
    """Pearson r."""
    return float(np.corrcoef(np.ravel(a), np.ravel(b))[0, 1])


def centred(x: np.ndarray) -> np.ndarray:
    """Takes the mean of the cells, the first axis, away."""
    return x - x.mean(axis=0)


def without_decay(parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Takes the mean at each distance away from log contacts, truth and prediction each."""
    distance, predicted, true = np.concatenate(parts, axis=1)
    at = distance.astype(int)
    n = np.bincount(at)
    return tuple(x - (np.bincount(at, x) / n)[at] for x in (predicted, true))


Row = tuple[str, float, float | None, float | None]


def rows_of(tally: Tally) -> list[Row]:
    """Returns what was measured: name, figure, target, noise ceiling."""
    rows: list[Row] = []
    for modality, target in TARGETS.items():
        of = [t.id for t in tracks() if t.modality == modality]
        r = [tally.tracks[key].r for key in of]
        noisy = [tally.ceiling[key].r for key in of if key in tally.ceiling]
        ceiling = float(np.nanmedian(noisy)) if noisy else None
        rows.append((f"{modality}, r", float(np.nanmedian(r)), target, ceiling))
    for kind in ("donor", "acceptor"):
        parts = [p for s in "+-" for p in tally.sites[track_id("SPLICE_SITES", kind, s)]]
        labels, scores = (np.concatenate([p[i] for p in parts]) for i in (0, 1))
        rows.append((f"splice {kind}s, auPRC", average_precision_score(labels, scores), 0.95, None))
    by_cell = [np.log1p(np.array(tally.junctions[c]).T) for c in CELLS]
    rows.append(("junctions, r of log reads", np.median([r_of(*x) for x in by_cell]), 0.80, None))
    maps = [without_decay(tally.contacts[c]) for c in CELLS]
    rows.append(("contacts, r without decay", np.median([r_of(*x) for x in maps]), 0.80, None))
    predicted, true = (np.stack(x, axis=1) for x in zip(*tally.genes, strict=True))
    r = np.median([r_of(predicted[i], true[i]) for i in range(len(CELLS))])
    rows.append((f"log expression, r over {predicted.shape[1]} genes", r, 0.90, None))
    rows.append(
        ("genes between cells, r of LFC", r_of(centred(predicted), centred(true)), 0.7, None)
    )
    predicted, true = (np.concatenate(x, axis=1) for x in zip(*tally.peaks, strict=True))
    rows.append((
        f"{predicted.shape[1]} peak bins between cells, r of LFC",
        r_of(centred(predicted), centred(true)), 0.7, None,
    ))  # fmt: skip
    return rows


def choose_variants(
    sequence: str, window: int, width: int, count: int, rng: np.random.Generator
) -> list[tuple[int, str]]:
    """Chooses variants in the middle half of an output: 4 of 5 at random, the others in sites.

    Returns:
        0-based positions in the sequence and alternate bases.
    """
    low, high = window + width // 4, window + 3 * width // 4
    chosen = []
    for place in rng.integers(low, high, count - count // 5):
        others = [b for b in "ACGT" if b != sequence[place]]
        chosen.append((int(place), str(rng.choice(others))))
    codes = encode(sequence[low:high])
    scanner = Scanner(codes)
    sites = []
    for factor in factors():
        for bits in (factor.motif.bits, factor.motif.bits[::-1, ::-1]):
            matrix = np.ascontiguousarray(bits)
            found = np.flatnonzero(scanner.score(matrix) > factor.threshold)
            sites += [(int(at), matrix) for at in found]
    for at, matrix in [sites[i] for i in rng.permutation(len(sites))[: count // 5]]:
        word = codes[at : at + len(matrix)]
        loss = matrix[np.arange(len(word)), word][:, None] - matrix
        where, base = np.unravel_index(loss.argmax(), loss.shape)
        chosen.append((low + at + int(where), "ACGT"[base]))
    return chosen


def effects(
    reference: dict[str, np.ndarray],
    alternate: dict[str, np.ndarray],
    place: int,
    truth: Truth,
    other: Truth,
    shift: int,
) -> dict[str, np.ndarray]:
    """Returns effects by cell; positions of the arrays count from ``shift`` in the truths."""
    found = {}
    around = slice(max(place - 250, 0), place + 251)
    keys = [track_id("ATAC", f"{c}-ATAC", ".") for c in CELLS]
    a, b = (np.array([x[k][around].sum() for k in keys]) for x in (reference, alternate))
    found["accessibility"] = np.log2((b + 0.01) / (a + 0.01))
    width = len(reference[keys[0]])
    starts = [g for g in truth.genes if 0 <= g.start_site - shift < width]
    if starts:
        nearest = min(starts, key=lambda g: abs(g.start_site - shift - place))
        a, b = (
            at_start(x, nearest.strand, nearest.start_site - shift) for x in (reference, alternate)
        )
        found["expression"] = np.log2((b + 0.01) / (a + 0.01))
    key, at = changed_site(truth, other, place + shift)
    if key:
        found["splicing"] = np.array([alternate[key][at - shift] - reference[key][at - shift]])
    return found


def changed_site(truth: Truth, other: Truth, place: int) -> tuple[str, int]:
    """Returns the splice site near a place that changes most by the oracle; empty if none is."""
    around = slice(max(place - BIN, 0), place + BIN)
    best, where = 0.0, ("", 0)
    for kind in ("donor", "acceptor"):
        for strand in "+-":
            key = track_id("SPLICE_SITES", kind, strand)
            change = np.abs(other.values[key][around] - truth.values[key][around])
            if change.max(initial=0) > max(best, 1e-6):
                best, where = change.max(), (key, around.start + int(change.argmax()))
    return where


def variants(model: Model, names: list[str], count: int) -> list[Row]:
    """Compares effects of variants with the oracle's."""
    rng = np.random.default_rng([20_261_203])
    width, crop = model.card.output_width, model.card.crop
    pairs: dict[str, list] = defaultdict(list)
    per_window = 50
    for number in tqdm(range(max(count // per_window, 1)), unit="window", disable=None):
        sequence = decode(teach1(str(rng.choice(names))).codes)
        start = int(rng.integers(crop // BIN, (len(sequence) - width - crop) // BIN)) * BIN
        text = sequence[start - crop : start + width + crop]
        truth = oracle(text)
        wanted = {"ATAC", "CAGE", "SPLICE_SITES"}
        reference = model(text, crop, wanted).values
        true_values = {k: v[crop : crop + width] for k, v in truth.values.items() if len(v) > width}
        noisy = counted(true_values, (number, 0))
        chosen = choose_variants(text, crop, width, per_window, rng)
        for row, (place, base) in enumerate(chosen, start=1):
            changed = text[:place] + base + text[place + 1 :]
            other = oracle(changed)
            alternate = model(changed, crop, wanted).values
            others = {k: v[crop : crop + width] for k, v in other.values.items() if len(v) > width}
            said = effects(reference, alternate, place - crop, truth, other, crop)
            true = effects(true_values, others, place - crop, truth, other, crop)
            other_counts = counted(others, (number, row))
            measured = effects(noisy, other_counts, place - crop, truth, other, crop)
            for name, values in said.items():
                pairs[name].append((values, true[name], measured[name]))
    return [row for name, found in pairs.items() for row in variant_rows(name, found)]


def counted(values: dict[str, np.ndarray], seed: tuple[int, int]) -> dict[str, np.ndarray]:
    """Returns one replicate of what is counted, and all else as it is."""
    modality_of = {t.id: t.modality for t in tracks()}
    return values | {
        key: replicate(x, modality_of[key], *seed, i) / DEPTHS[modality_of[key]]
        for i, (key, x) in enumerate(values.items())
        if modality_of[key] in ("ATAC", "CAGE")
    }


def variant_rows(name: str, found: list) -> list[Row]:
    """Returns Spearman, and the part of signs that are right, of one kind of effect."""
    said, true, measured = (np.concatenate(x) for x in zip(*found, strict=True))
    large = np.abs(true) > np.quantile(np.abs(true), 0.9)
    figures = (
        (f"{name}, {len(found)} variants, Spearman", 0.80, lambda x: spearmanr(x, true)[0]),
        (
            f"{name}, the same from {LEAST_EFFECT} on",
            None,
            lambda x: spearmanr(seen(x), seen(true))[0],
        ),
        (
            f"{name}, sign of the largest tenth",
            0.95,
            lambda x: (np.sign(x[large]) == np.sign(true[large])).mean(),
        ),
    )
    noisy = (measured != true).any()
    rows: list[Row] = [
        (what, float(figure(said)), target, float(figure(measured)) if noisy else None)
        for what, target, figure in figures
    ]
    blurred = true + np.random.default_rng(0).normal(0, LEAST_EFFECT, len(true))
    right = f"{name}, Spearman of the truth give or take {LEAST_EFFECT}"
    return [*rows, (right, float(spearmanr(blurred, true)[0]), None, None)]


def seen(effects: np.ndarray) -> np.ndarray:
    """Takes effects below ``LEAST_EFFECT`` as none."""
    return np.where(np.abs(effects) < LEAST_EFFECT, 0, effects)


def as_markdown(rows: list[Row]) -> str:
    """Returns the table."""
    lines = ["| what | measured | target | noise ceiling |", "| --- | --- | --- | --- |"]
    for name, value, target, ceiling in rows:
        wanted = "" if target is None else f"{target:.2f}"
        lines.append(
            f"| {name} | {value:.3f} | {wanted} | {'' if ceiling is None else f'{ceiling:.3f}'} |"
        )
    return "\n".join(lines)


@click.command()
@click.option("--chromosome", "names", multiple=True, default=CHROMOSOMES)
@click.option("--variants", "count", default=2_500, help="0: tracks only")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False))
def main(names: tuple[str, ...], count: int, out: Path | None) -> None:
    """Prints every figure that the teaching model must reach."""
    model = Model()
    tally = Tally()
    for name in names:
        along(model, name, tally)
    rows = rows_of(tally)
    if count:
        rows += variants(model, list(names), count)
    text = as_markdown(rows)
    text += f"\n\nOne forward, all tracks: median {np.median(model.seconds):.2f} s, "
    text += f"{torch.get_num_threads()} threads."
    click.echo(text)
    if out:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
