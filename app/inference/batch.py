"""What the command line computes: the same windows as the page, in this process, into a file."""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import numpy as np
import pybigtools
from alphagenome.data.genome import Interval
from numpy.typing import NDArray
from tqdm import tqdm

from app.errors import BadInputError, ComputationError, ModelUnavailableError, NotFoundError
from app.genome.catalogue import Bundle, Catalogue
from app.genome.locus import format_interval, parse_locus
from app.inference.compute import Engine
from app.inference.jobs import JobStatus, Priority, WorkerInfo
from app.inference.predictions import Predictions, Values
from app.inference.requests import Request
from app.inference.store import ResultStore
from app.inference.vcf import ScoreSummary, SpliceModel, score_vcf
from app.settings import Settings
from models.card import ModelCard, Track

FORMATS = (".npz", ".tsv", ".bw")


class InProcessJobs:
    """Computes at once what ``Predictions`` asks for, where the page would ask a worker.

    Args:
        engine: Computes.
        done: Told of each window.
    """

    def __init__(self, engine: Engine, done: Callable[[], object]) -> None:
        self._engine = engine
        self._done = done
        self._results: dict[str, dict[str, NDArray[np.float32]]] = {}

    def submit(
        self,
        request: Request,
        sequence: str,
        family: str,  # noqa: ARG002 - which queue does not matter here
        priority: Priority = Priority.BATCH,  # noqa: ARG002 - first come, first served
        *,
        retry: bool = False,  # noqa: ARG002 - what failed has ended the command
    ) -> None:
        """Computes a window."""
        self._results[request.id] = self._engine.predict(request, sequence)
        self._done()

    def status(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Tells which windows have been computed."""
        return {id_: JobStatus("done" if id_ in self._results else "lost") for id_ in ids}

    def result(self, id_: str) -> dict[str, NDArray[np.float32]]:
        """Hands a window over."""
        return self._results.pop(id_)

    def workers(self) -> list[WorkerInfo]:
        """Returns the one worker that there is: this process."""
        families = tuple({card.family for card in self._engine.cards.values()})
        device, loaded = str(self._engine.device), self._engine.loaded
        return [WorkerInfo("this process", families, device, loaded, "")]


def predict_to_file(
    settings: Settings, model: str, interval_text: str, tracks_text: str, out: Path
) -> list[Path]:
    """Predicts tracks over an interval and writes them.

    Args:
        settings: Genome, weights, device and cache.
        model: Model id.
        interval_text: A locus as people write it.
        tracks_text: Track ids or parts of them, separated by commas; empty for all.
        out: ``.npz`` (by track id one float32 array, and ``metadata`` as JSON), ``.tsv`` or
            ``.bw``; NaN, an empty field or nothing where there is no prediction.

    Returns:
        The files written: one, or for several tracks as bigWig one a track.

    Raises:
        BadInputError: The locus or the file's ending cannot be read.
        NotFoundError: There is no such model or track.
        ModelUnavailableError: The model's weights are missing or wrong.
    """
    if out.suffix not in FORMATS:
        raise BadInputError(f"The output ends in {', '.join(FORMATS)}, not in {out.name!r}.")
    bundle = _bundle(settings)
    engine = Engine(settings)
    card = _card(engine, model)
    interval = parse_locus(interval_text, bundle).interval
    tracks = _chosen(card, tracks_text)
    engine.open(card.id)
    values = _predict(settings, engine, card, bundle, interval, tracks)
    write = {".npz": _write_npz, ".tsv": _write_tsv, ".bw": _write_bigwig}[out.suffix]
    return write(out, card, bundle, interval, values)


def _bundle(settings: Settings) -> Bundle:
    bundles = Catalogue.load(settings.genome_dirs).bundles
    if len(bundles) != 1:
        raise BadInputError("Name one genome bundle with --genome FOLDER.")
    return next(iter(bundles.values()))


def _card(engine: Engine, model: str) -> ModelCard:
    if model not in engine.cards:
        near = next(iter(difflib.get_close_matches(model, engine.cards, n=1)), None)
        raise NotFoundError(f"There is no model {model}.", near)
    return engine.cards[model]


def _chosen(card: ModelCard, text: str) -> list[Track]:
    """Returns the tracks whose id contains one of the parts named in the text."""
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    for part in parts:
        if not any(part in track.id.lower() for track in card.tracks):
            near = difflib.get_close_matches(part, [t.id for t in card.tracks], n=1, cutoff=0)
            raise NotFoundError(f"{card.title} has no track {part}.", next(iter(near), None))
    return [t for t in card.tracks if not parts or any(part in t.id.lower() for part in parts)]


def _predict(  # noqa: PLR0917 - all of it is needed
    settings: Settings,
    engine: Engine,
    card: ModelCard,
    bundle: Bundle,
    interval: Interval,
    tracks: Sequence[Track],
) -> dict[str, Values]:
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    with tqdm(desc=card.title, unit=" windows", leave=False, disable=None) as bar:
        jobs = InProcessJobs(engine, bar.update)
        predictions = Predictions(settings, jobs, store)
        progress = predictions.ensure(card, bundle, interval, tracks, Priority.BATCH)
        while not progress.finished and not progress.error:
            progress = predictions.ensure(card, bundle, interval, tracks, Priority.BATCH)
    if progress.error:
        raise ComputationError(progress.error)
    if not progress.total:
        raise BadInputError(
            f"{card.title} reads {card.input_width:,} bp and predicts the central "
            f"{card.output_width:,} bp; this genome has too little sequence around "
            f"{format_interval(interval)}."
        )
    values = {t.id: predictions.values(card, bundle, t, interval) for t in tracks}
    store.close()
    return values


def _provenance(card: ModelCard, bundle: Bundle, interval: Interval) -> dict[str, Any]:
    return {
        "program": f"locuscope {version('locuscope')}",
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "model": card.id,
        "weights": card.weights_hash,
        "validation": card.validation,
        "licence": card.licence,
        "licence_note": card.licence_note,
        "genome": bundle.id,
        "assembly": bundle.assembly,
        "reference": bundle.reference.checksum,
        "simulated": bundle.simulated,
        "interval": format_interval(interval),
        "notice": "not for clinical use",
    }


def _write_npz(
    out: Path, card: ModelCard, bundle: Bundle, interval: Interval, values: dict[str, Values]
) -> list[Path]:
    units = {track.id: track.unit for track in card.tracks}
    about = {
        id_: {
            "chromosome": interval.chromosome,
            "start": v.start,
            "resolution": v.resolution,
            "unit": units[id_],
        }
        for id_, v in values.items()
    }
    metadata = json.dumps(_provenance(card, bundle, interval) | {"tracks": about})
    arrays: dict[str, Any] = {id_: v.values for id_, v in values.items()}
    np.savez_compressed(out, allow_pickle=False, metadata=np.array(metadata), **arrays)
    return [out]


def _write_tsv(
    out: Path, card: ModelCard, bundle: Bundle, interval: Interval, values: dict[str, Values]
) -> list[Path]:
    if len({(v.start, v.resolution) for v in values.values()}) > 1:
        raise BadInputError(
            "These tracks have different resolutions and cannot share one table. "
            "Choose tracks of one resolution with --tracks, or write .npz."
        )
    first = next(iter(values.values()))
    table = np.stack([v.values for v in values.values()], axis=1)
    with out.open("w", encoding="utf-8") as file:
        for name, value in _provenance(card, bundle, interval).items():
            file.write(f"# {name}: {value}\n")
        file.write("\t".join(("chromosome", "start", "end", *values)) + "\n")
        for i, row in enumerate(table):
            start = first.start + i * first.resolution
            numbers = ("" if np.isnan(x) else f"{x:.6g}" for x in row)
            place = (interval.chromosome, str(start), str(start + first.resolution))
            file.write("\t".join((*place, *numbers)) + "\n")
    return [out]


def _write_bigwig(
    out: Path,
    card: ModelCard,  # noqa: ARG001 - a bigWig has no place for provenance
    bundle: Bundle,
    interval: Interval,
    values: dict[str, Values],
) -> list[Path]:
    chromosome = interval.chromosome
    length = bundle.reference.length(chromosome) or max(
        piece.end for piece in bundle.reference.pieces_on(chromosome)
    )
    written = []
    for id_, v in values.items():
        name = id_.partition("/")[2].replace("/", "_").replace("_.", "")
        path = out if len(values) == 1 else out.with_name(f"{out.stem}.{name}{out.suffix}")

        def bins(v: Values = v) -> Iterator[tuple[str, int, int, float]]:
            for i in np.flatnonzero(np.isfinite(v.values)):
                start = max(0, v.start + int(i) * v.resolution)
                end = min(length, v.start + (int(i) + 1) * v.resolution)
                if start < end:
                    yield chromosome, start, end, float(v.values[i])

        pybigtools.open(str(path), "w").write({chromosome: length}, bins())
        written.append(path)
    return written


def score_to_file(  # noqa: PLR0917 - all of it is needed
    settings: Settings, model: str, vcf: Path, distance: int, mask: bool, out: Path
) -> ScoreSummary:
    """Scores the variants of a VCF file and writes them.

    Args:
        settings: Genome, weights and device.
        model: Id of a model that scores splicing.
        vcf: Variants.
        distance: bp on either side in which a change counts.
        mask: Whether to mask as SpliceAI's own tool does.
        out: ``.tsv``, ``.vcf`` or ``.vcf.gz``.

    Returns:
        How many were scored, and why others were not.

    Raises:
        BadInputError: Something in the input cannot be read.
        ModelUnavailableError: The model's weights are missing or wrong.
    """
    if not vcf.is_file():
        raise NotFoundError(f"There is no file {vcf}.")
    bundle = _bundle(settings)
    engine = Engine(settings)
    card = _card(engine, model)
    network = engine.open(card.id)
    if card.family != "spliceai":
        raise ModelUnavailableError(f"{card.title} does not score variants. Use --model spliceai.")
    with tqdm(desc=card.title, unit=" alleles", leave=False, disable=None) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        return score_vcf(
            bundle.reference,
            bundle.genes,
            vcf,
            out,
            cast(SpliceModel, network),
            distance=distance,
            mask=mask,
            progress=report,
        )
