"""The ``locuscope`` command."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import click
from pydantic import ValidationError

from app.errors import LocuscopeError
from app.logs import set_up_logs
from app.teaching import teaching

P = ParamSpec("P")
R = TypeVar("R")

FOLDER = click.Path(path_type=Path, file_okay=False)
FILE = click.Path(path_type=Path, dir_okay=False)


class _Group(click.Group):
    """Turns every error a person can act on into one clear line and exit code 2."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        try:
            return super().invoke(ctx)
        except LocuscopeError as error:
            message = error.message
            if error.suggestion and error.suggestion not in message:
                message += f" Try {error.suggestion}."
        except ValidationError as error:  # of a variable in the environment
            first = error.errors()[0]
            message = f"LOCUSCOPE_{str(first['loc'][0]).upper()}: {first['msg']}."
        except OSError as error:
            if error.errno is None or isinstance(error, BrokenPipeError):
                raise
            message = f"{error.filename or 'This failed'}: {error.strerror}."
        click.echo(f"locuscope: {' '.join(message.split())}", err=True)
        ctx.exit(2)


def _set(name: str, value: object) -> None:
    """Puts an option where ``Settings`` and every child process read it."""
    if value not in (None, "", ()):
        os.environ[f"LOCUSCOPE_{name}"] = str(value)


def settings_options(*names: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Adds the named settings as options; they override the environment."""
    known = {
        "genomes": click.option(
            "--genome",
            "genomes",
            multiple=True,
            type=FOLDER,
            help="Genome bundle; may be repeated.",
        ),
        "weights": click.option(
            "--weights",
            multiple=True,
            type=FOLDER,
            help="Folder with model weights; may be repeated.",
        ),
        "cache_dir": click.option("--cache-dir", type=FOLDER, help="Where results are stored."),
        "broker_url": click.option("--broker-url", help="redis:// URL of a shared broker."),
        "host": click.option("--host", help="Address to listen on [127.0.0.1]."),
        "port": click.option(
            "--port", type=click.IntRange(1, 65535), help="Port to listen on [8050]."
        ),
        "device": click.option("--device", help="torch device of the worker, e.g. cuda:0 or cpu."),
    }

    def decorate(command: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(command)
        def wrapped(*args: P.args, **kwargs: P.kwargs) -> R:
            for name in names:
                value = kwargs.pop(name)
                if isinstance(value, tuple):
                    value = os.pathsep.join(str(path.absolute()) for path in value)
                _set(name.upper(), value)
            return command(*args, **kwargs)

        decorated: Callable[P, R] = wrapped
        for name in reversed(names):
            decorated = known[name](decorated)
        return decorated

    return decorate


def _example(command: str) -> str:
    """Returns the last lines of a command's help; the backspace keeps click from joining them."""
    return "\b\nExample:\n  " + command


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="locuscope")
def main() -> None:
    """Locuscope, the genome browser for sequence models.

    Not for clinical use.
    """


@main.command(epilog=_example("locuscope serve --genome bundles/hg38 --weights ~/weights"))
@settings_options("genomes", "weights", "cache_dir", "broker_url", "host", "port", "device")
def serve() -> None:
    """Start broker, worker and web, and print the address.

    Ctrl-C ends all of it.
    """
    from app.serve import serve as run
    from app.settings import settings

    set_up_logs("serve", settings().logs)
    run(settings())


@main.command(epilog=_example("locuscope web --genome bundles/hg38 --port 8050"))
@settings_options("genomes", "weights", "cache_dir", "broker_url", "host", "port")
def web() -> None:
    """Serve the page."""
    from app.serve import check_address
    from app.settings import settings
    from app.web.server import run_web

    set_up_logs("web", settings().logs)
    check_address(settings().host, settings().port, patience=2)  # of one that was killed
    run_web(settings())


@main.command(epilog=_example("locuscope worker --device cuda:0 --family baskerville"))
@settings_options("weights", "cache_dir", "broker_url", "device")
@click.option(
    "--family", "families", multiple=True, help="Serve only this family; may be repeated."
)
def worker(families: tuple[str, ...]) -> None:
    """Run models for whoever asks through the broker."""
    from app.inference.worker import run_worker
    from app.settings import settings

    set_up_logs("worker", settings().logs)
    sys.exit(run_worker(settings(), families or None))


@main.command(epilog=_example("locuscope broker"))
@settings_options("cache_dir")
def broker() -> None:
    """Run the embedded broker on a private socket."""
    from app.inference.broker import run_broker
    from app.settings import settings

    set_up_logs("broker", settings().logs)
    run_broker(settings())


@main.command(epilog=_example("locuscope models --weights ~/weights"))
@settings_options("weights")
def models() -> None:
    """List the models, and what is missing of each."""
    from app.settings import settings
    from models import registry

    folders = settings().weights_dirs
    for card in registry.cards(folders).values():
        problem = registry.availability(card, folders)
        click.echo(f"{card.id}\t{problem or 'ready'}")
        click.echo(
            f"  {card.title}: {len(card.tracks):,} tracks, reads {card.input_width:,} bp, "
            f"{card.validation}, {card.licence}"
        )
        if card.licence_note:
            click.echo(f"  {card.licence_note}")
    for problem in registry.card_problems(folders):
        click.echo(problem, err=True)


@main.command(epilog=_example("locuscope genomes --genome bundles/hg38"))
@settings_options("genomes")
def genomes() -> None:
    """List the genomes, and what was left out of each."""
    from app.genome.catalogue import Catalogue
    from app.settings import settings

    catalogue = Catalogue.load(settings().genome_dirs)
    for bundle in catalogue.bundles.values():
        lengths = bundle.reference.chromosomes
        click.echo(
            f"{bundle.id}\t{bundle.name}\t{bundle.assembly}\t{len(lengths)} chromosomes in "
            f"{len(bundle.reference.pieces)} pieces\t{len(bundle.measured)} measured tracks"
        )
        for path, message in bundle.problems:
            click.echo(f"  left out: {path}: {message}")
    if not catalogue.bundles:
        raise click.UsageError("Name a genome bundle with --genome FOLDER.")


@main.command(
    epilog=_example(
        "locuscope predict --genome bundles/hg38 --model baskerville-human74 \\\n"
        "  --interval chr22:21,691,454-21,822,524 --tracks DNASE -o dnase.npz"
    )
)
@settings_options("genomes", "weights", "cache_dir", "device")
@click.option("--model", required=True, help="Model id, as `locuscope models` lists them.")
@click.option(
    "--interval", required=True, help="Locus as in the page, e.g. chr22:21,691,454-21,822,524."
)
@click.option("--tracks", default="", help="Track ids or parts of them, separated by commas [all].")
@click.option(
    "-o", "--out", required=True, type=FILE, help="out.npz, .tsv, .bw, .cool, .bedpe or .bed."
)
def predict(model: str, interval: str, tracks: str, out: Path) -> None:
    """Predict tracks over an interval and write them to a file.

    The format follows the ending: .npz holds one array a track, .tsv one line a bin, .bw bigWig
    (beside it .bw.json says where the numbers come from), .cool and .bedpe contacts, .bed and
    .bedpe splice junctions. Of several tracks all but .npz and .tsv write one file each.
    """
    from app.inference.batch import predict_to_file
    from app.settings import settings

    written = predict_to_file(settings(), model, interval, tracks, out)
    for path in written:
        click.echo(path)


@main.command(
    epilog=_example("locuscope score --genome bundles/hg38 --vcf in.vcf --distance 50 -o out.vcf")
)
@settings_options("genomes", "weights", "device")
@click.option("--model", default="spliceai", show_default=True, help="Model id.")
@click.option("--vcf", required=True, type=FILE, help="Variants, plain or bgzipped.")
@click.option(
    "--distance", default=50, show_default=True, help="bp on either side (at most 4,999)."
)
@click.option(
    "--mask",
    is_flag=True,
    help="Leave out changes that strengthen annotated or weaken other sites.",
)
@click.option("-o", "--out", required=True, type=FILE, help="out.tsv or out.vcf.")
def score(model: str, vcf: Path, distance: int, mask: bool, out: Path) -> None:
    """Score the effect of variants on splicing.

    VCF output carries the INFO field SpliceAI in the format of SpliceAI's own tool.
    """
    from app.inference.batch import score_to_file
    from app.settings import settings

    summary = score_to_file(settings(), model, vcf, distance, mask, out)
    click.echo(summary)


@main.command(
    epilog=_example(
        "locuscope effects --genome bundles/hg38 --model baskerville-human74 \\\n"
        "  --edit chr22:21742118:T\\>G -o effects.tsv"
    )
)
@settings_options("genomes", "weights", "cache_dir", "device")
@click.option("--model", required=True, help="Model id, as `locuscope models` lists them.")
@click.option("--vcf", type=FILE, help="Variants, plain or bgzipped; each ALT by itself.")
@click.option(
    "--edit", "edits", multiple=True, help="Variant or edit as in the page; several together."
)
@click.option(
    "--scorer",
    "scorers",
    multiple=True,
    help="ATAC, RNA_SEQ, DNASE:DIFF_SUM:2001 ...; may be repeated [the recommended ones].",
)
@click.option("-o", "--out", required=True, type=FILE, help="out.tsv or out.parquet.")
def effects(
    model: str, vcf: Path | None, edits: tuple[str, ...], scorers: tuple[str, ...], out: Path
) -> None:
    """Score what variants or other edits do to every track of a model.

    Scorers, their formulas and the columns are those of the AlphaGenome SDK.
    """
    from app.inference.effects_batch import effects_to_file
    from app.settings import settings

    click.echo(effects_to_file(settings(), model, vcf, edits, scorers, out))


@main.command(
    epilog=_example(
        "locuscope export --genome bundles/hg38 \\\n"
        '  "http://127.0.0.1:8050/browse?genome=hg38&locus=..." -o view.zip'
    )
)
@settings_options("genomes", "weights", "cache_dir", "device")
@click.argument("link")
@click.option("-o", "--out", required=True, type=FILE, help="out.tsv, .zip, .bw, .bedpe or .bed.")
def export(link: str, out: Path) -> None:
    """Compute what a link shows and write its values.

    The files are those of the page: .tsv is one table, .zip has a file a track. .bw takes the
    signals alone, .bedpe contacts and splice junctions, .bed splice junctions. Pictures are drawn
    by the page.
    """
    from app.export import export_view
    from app.settings import settings

    written, notices = export_view(settings(), link, out)
    for notice in notices:
        click.echo(notice, err=True)
    for path in written:
        click.echo(path)


main.add_command(teaching)

if __name__ == "__main__":
    main()
