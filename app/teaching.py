"""The command ``locuscope teaching``."""

from __future__ import annotations

from pathlib import Path

import click


@click.group(epilog="\b\nExample:\n  locuscope teaching build --out bundles/teach1")
def teaching() -> None:
    """The teaching genome, whose regulatory code is known exactly."""


@teaching.command("build", epilog="\b\nExample:\n  locuscope teaching build --out bundles/teach1")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Bundle folder [below the cache folder].",
)
def build_command(out: Path | None) -> None:
    """Build the simulated genome teach1, and print its folder.

    The same code always builds the same genome; one that is there already is kept.
    """
    from app.settings import settings
    from app.teaching_bundle import ID, build

    folder = out or settings().cache_dir / "bundles" / ID
    build(folder)
    click.echo(folder)


@teaching.command("train", epilog="\b\nExample:\n  locuscope teaching train --device cuda")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Samples, checkpoint, curves and weights [below the cache folder].",
)
@click.option("--device", default="", help="torch device [the first GPU, or cpu]")
def train_command(folder: Path | None, device: str) -> None:
    """Train the teaching model on simulated chromosomes, and print the weights file.

    Goes on where an interrupted training stopped. Losses stand in curves.tsv.
    """
    import torch

    from app.settings import settings
    from models.teaching_training import Plan, train, write_weights

    chosen = device or ("cuda" if torch.cuda.is_available() else "cpu")
    plan = Plan(folder or settings().cache_dir / "teaching-training", torch.device(chosen))
    network = train(plan, lambda text: click.echo(text, err=True))
    path = plan.folder / "teaching.safetensors"
    write_weights(network, path)
    click.echo(path)
