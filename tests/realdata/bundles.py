"""What the genome bundles built out of the real data folder share."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import quote, urlencode

import click

REPOSITORY = Path(__file__).resolve().parents[2]


def link(**params: object) -> str:
    """Returns the query of a view."""
    return urlencode(params, doseq=True, quote_via=quote, safe="/:,")


def toml(name: str, pairs: Mapping[str, object]) -> str:
    """Returns one table of ``genome.toml``; JSON's texts, numbers and lists are also TOML's."""
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in pairs.items()]
    return "\n".join([name, *lines, ""])


def gene_table(assembly: str) -> Path:
    """Finds SpliceAI's gene table (``grch37`` or ``grch38``); the package is not imported."""
    spec = importlib.util.find_spec("spliceai")
    assert spec is not None, "install it: pip install --no-deps spliceai==1.3.1"
    assert spec.origin is not None
    return Path(spec.origin).parent / "annotations" / f"{assembly}.txt"


def build_once(folder: Path, sources: Iterable[Path], write: Callable[[Path], None]) -> None:
    """Builds a bundle, unless a complete one made of the same things is there already.

    Args:
        folder: The bundle folder; replaced as a whole once the new one is complete.
        sources: Files whose change makes the bundle anew.
        write: Writes the bundle into an empty folder that does not exist yet.
    """
    digest = hashlib.sha256()
    for path in (Path(__file__), *sources):
        digest.update(path.read_bytes())
    stamp = digest.hexdigest()
    done = folder / "complete.txt"
    if done.is_file() and done.read_text() == stamp:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "bundle"
        write(made)
        (made / done.name).write_text(stamp)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        made.rename(folder)


def command(name: str, build: Callable[[Path, Path], None]) -> click.Command:
    """Returns the command line of a bundle: OUT_DIR, and where the real data are."""

    @click.command(help=f"Builds the genome bundle {name} in OUT_DIR.")
    @click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
    @click.option(
        "--realdata",
        type=click.Path(path_type=Path, exists=True, file_okay=False),
        default=REPOSITORY.parent / "shared" / "realdata",
        show_default=True,
        help="The folder of real data.",
    )
    def main(out_dir: Path, realdata: Path) -> None:
        build(out_dir, realdata)
        click.echo(f"The genome bundle {name} is in {out_dir}.")

    return main
