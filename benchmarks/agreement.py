"""Compares the 74 predicted tracks of baskerville-human74 with the 74 measured ones.

For each track and each split (train, valid, test), Pearson r over all 32-bp bins of the split's
windows: in training scale, as baskerville's own evaluation does, and of log(1 + coverage), as the
page shows. Printed as Markdown; ``--out`` also writes every track as TSV::

    python -m benchmarks.agreement [--realdata DIR] [--out agreement.tsv] [--splits test]
"""

from __future__ import annotations

import csv
from pathlib import Path

import click
import numpy as np
import torch
from tqdm import tqdm

from models.registry import cards, open_model
from tests.realdata.hg38_windows import SPLITS, decode_records, read_windows

REALDATA = Path(__file__).resolve().parents[2] / "shared" / "realdata"
MODEL = "baskerville-human74"
MODALITIES = ("CAGE", "DNASE", "RNA_SEQ")
SCALES = ("training scale", "log1p coverage")


def pearson(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns r over the first axis for each column; NaN where a column does not vary."""
    a = a - a.mean(axis=0)
    b = b - b.mean(axis=0)
    spread = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.divide(
        (a * b).sum(axis=0), spread, out=np.full_like(spread, np.nan), where=spread > 0
    )


def agreement(realdata: Path, split: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """Returns the track ids, and by scale r of each track over the windows of a split."""
    folders = [realdata / "weights"]
    card = cards(folders)[MODEL]
    model = open_model(card, folders, torch.device("cpu"))
    sequences, targets = decode_records(realdata)
    chosen = [i for i, window in enumerate(read_windows(realdata)) if window[3] == split]
    one_hot = torch.from_numpy(np.eye(5, 4, dtype=np.float32))  # row 4, which is N, is zero
    predicted = []
    with torch.inference_mode():
        for i in tqdm(chosen, desc=split, unit="window", disable=None):
            window = one_hot[torch.from_numpy(sequences[i].astype(np.int64))][None]
            predicted.append(model.predict_training_scale(window)[0])
    ours = torch.cat(predicted, dim=1)  # tracks, bins of all windows
    observed = torch.from_numpy(targets[chosen].reshape(-1, len(card.tracks)).T.astype(np.float32))
    pairs = {
        SCALES[0]: (ours, observed),
        SCALES[1]: (model.coverage(ours).log1p(), model.coverage(observed).log1p()),
    }
    return [track.id for track in card.tracks], {
        name: pearson(a.double().numpy().T, b.double().numpy().T) for name, (a, b) in pairs.items()
    }


def summary(ids: list[str], found: dict[str, dict[str, np.ndarray]]) -> str:
    """Returns medians and ranges by split and modality as a Markdown table."""
    modality = np.array([track.split("/")[1] for track in ids])
    lines = [
        "| split | tracks | n | " + " | ".join(f"r of {name}: median (range)" for name in SCALES),
        "| --- | --- | --- | " + " | ".join("---" for _ in SCALES),
    ]
    for split, by_scale in found.items():
        for kind in ("all", *MODALITIES):
            here = (modality == kind) | (kind == "all")
            cells = []
            for name in SCALES:
                r = by_scale[name][here & np.isfinite(by_scale[name])]
                flat = f", {here.sum() - r.size} without variation" if r.size < here.sum() else ""
                cells.append(f"{np.median(r):.3f} ({r.min():.3f} to {r.max():.3f}){flat}")
            lines.append(" | ".join([f"| {split}", kind, str(here.sum()), *cells]))
    return "\n".join(line + " |" for line in lines)


def write(path: Path, ids: list[str], found: dict[str, dict[str, np.ndarray]]) -> None:
    """Writes r of every track, with an empty field where it does not exist."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t")
        writer.writerow(["track", *(f"{s} {name}" for s in found for name in SCALES)])
        for i, track in enumerate(ids):
            values = [found[s][name][i] for s in found for name in SCALES]
            writer.writerow([track, *("" if np.isnan(v) else f"{v:.4f}" for v in values)])


@click.command(help=__doc__)
@click.option("--realdata", type=click.Path(path_type=Path, exists=True), default=REALDATA)
@click.option("--out", type=click.Path(path_type=Path), help="TSV of all tracks")
@click.option("--splits", type=click.Choice(SPLITS), multiple=True, default=SPLITS)
def main(realdata: Path, out: Path | None, splits: tuple[str, ...]) -> None:
    """Runs from the command line."""
    torch.set_num_threads(2)
    found = {}
    for split in splits:
        ids, found[split] = agreement(realdata, split)
    click.echo(summary(ids, found))
    if out:
        write(out, ids, found)


if __name__ == "__main__":
    main()
