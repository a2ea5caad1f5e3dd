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
