"""What the command line computes: the same windows as the page, in this process, into a file."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Sequence
from functools import partial
from itertools import product
from pathlib import Path
from typing import cast

import numpy as np
from alphagenome.data.genome import Interval
from numpy.typing import NDArray
from tqdm import tqdm

from app.errors import (
    BadInputError,
    ComputationError,
    LimitError,
    ModelUnavailableError,
    NotFoundError,
)
from app.genome.catalogue import Bundle, Catalogue
from app.genome.edits import haplotype_of, parse_edits
from app.genome.haplotype import Haplotype
from app.genome.locus import format_interval, parse_locus
from app.inference.alleles import Allele, alleles
from app.inference.compute import Engine, describe_failure
from app.inference.jobs import JobStatus, Priority, WorkerInfo
from app.inference.pairs import contacts, junctions
from app.inference.prediction_files import (
    Predicted,
    Prediction,
    check_ending,
    check_format,
    write,
)
from app.inference.predictions import Predictions
from app.inference.reads import windows_for
from app.inference.requests import JobRequest
from app.inference.store import ResultStore
from app.inference.vcf import ScoreSummary, SpliceModel, score_vcf
from app.inference.windows import Window
from app.settings import Settings
from models.card import Kind, ModelCard, Track


class InProcessJobs:
    """Computes at once what ``Predictions`` asks for, where the page would ask a worker.

    Args:
        engine: Computes.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._results: dict[str, dict[str, NDArray[np.float32]]] = {}

    def submit(
        self,
        request: JobRequest,
        sequence: str,
        family: str,
        priority: Priority = Priority.BATCH,
        *,
        retry: bool = False,
    ) -> None:
        """Computes it; there is no queue to choose, and what failed has ended the command.

        Raises:
            ComputationError: The model failed.
        """
        try:
            self._results[request.id] = self._engine.compute(request, sequence)
        except Exception as error:
            title = self._engine.cards[request.model].title
            raise ComputationError(describe_failure(title, error)) from error

    def status(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Tells which windows have been computed and not been handed over yet."""
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
        out: Its ending is one of ``prediction_files.FORMATS``.

    Returns:
        The files written.

    Raises:
        BadInputError: The locus or the file's ending cannot be read, the format cannot hold such
            tracks, or this genome has too little sequence there.
        LimitError: The interval is wider than ``settings.max_view``.
        NotFoundError: There is no such model or track.
        ModelUnavailableError: The model's weights are missing or wrong.
    """
    check_ending(out)
    check_folder(out)
    bundle = only_bundle(settings)
    engine = Engine(settings)
    card = find_card(engine, model)
    interval = parse_locus(interval_text, bundle).interval
    tracks = _chosen(card, tracks_text)
    check_format(out, tracks)
    engine.open(card.id)
    values, *_ = _predict(settings, engine, card, bundle, interval, tracks)
    units = {track.id: track.unit for track in tracks}
    return write(out, Prediction(card, bundle, interval, values, units))


def predict(  # noqa: PLR0917 - all of it is needed
    settings: Settings,
    model: str,
    bundle: Bundle,
    interval: Interval,
    tracks: Sequence[str],
    edits: str = "",
) -> list[dict[str, Predicted]]:
    """Predicts tracks over an interval in this process.

    Args:
        settings: Weights, device and cache.
        model: Model id.
        bundle: The genome.
        interval: Where, 0-based half-open.
        tracks: Track ids.
        edits: Variants and other edits as people write them, one a line.

    Returns:
        Values by track id, of the reference; where an edit changes the chromosome of the interval
        also of the alternate.

    Raises:
        BadInputError: An edit cannot be read, or this genome has too little sequence there.
        LimitError: The interval is wider than ``settings.max_view``.
        NotFoundError: There is no such model or track.
        ModelUnavailableError: The model's weights are missing or wrong.
    """
    engine = Engine(settings)
    card = find_card(engine, model)
    known = {track.id: track for track in card.tracks}
    unknown = next((id_ for id_ in tracks if id_ not in known), None)
    if unknown is not None:
        raise NotFoundError(f"{card.title} has no track {unknown}.")
    engine.open(card.id)
    made = parse_edits(edits, bundle) if edits else []
    haplotype = haplotype_of(made, interval.chromosome)
    chosen = [known[id_] for id_ in tracks]
    return _predict(settings, engine, card, bundle, interval, chosen, haplotype)


def check_folder(out: Path) -> None:
    """Refuses an output that cannot be written before anything is computed for it."""
    if not out.parent.is_dir():
        raise NotFoundError(f"There is no folder {out.parent}.")


def only_bundle(settings: Settings) -> Bundle:
    """Returns the one genome that is named; raises BadInputError where it is not one."""
    bundles = Catalogue.load(settings.genome_dirs).bundles
    if len(bundles) != 1:
        raise BadInputError("Name one genome bundle with --genome FOLDER.")
    return next(iter(bundles.values()))


def find_card(engine: Engine, model: str) -> ModelCard:
    """Returns a model's card; raises NotFoundError, with the nearest name, where it has none."""
    if model not in engine.cards:
        near = next(iter(difflib.get_close_matches(model, engine.cards, n=1)), None)
        raise NotFoundError(f"There is no model {model}.", near)
    return engine.cards[model]


def _chosen(card: ModelCard, text: str) -> list[Track]:
    """Returns the tracks whose id contains one of the parts named in the text."""
    parts = [part.strip().lower() for part in text.split(",") if part.strip()]
    for part in parts:
        if not any(part in track.id.lower() for track in card.tracks):
            words = {word.lower(): word for track in card.tracks for word in track.id.split("/")}
            near = [words[word] for word in difflib.get_close_matches(part, words, n=1)]
            raise NotFoundError(f"{card.title} has no track {part}.", *near)
    return [t for t in card.tracks if not parts or any(part in t.id.lower() for part in parts)]


def _predict(  # noqa: PLR0917 - all of it is needed
    settings: Settings,
    engine: Engine,
    card: ModelCard,
    bundle: Bundle,
    interval: Interval,
    tracks: Sequence[Track],
    haplotype: Haplotype | None = None,
) -> list[dict[str, Predicted]]:
    """Computes what is not stored, window by window, and reads all of it from the store.

    Returns:
        Values by track id, of the reference and, where there are edits, of the alternate.
    """
    if interval.width > settings.max_view:
        raise LimitError(
            f"{interval.width:,} bp are too many at once; "
            f"ask for {settings.max_view:,} bp or less, or raise LOCUSCOPE_MAX_VIEW."
        )
    read_alleles = alleles(haplotype)
    windows = _windows(card, bundle, interval, tracks, read_alleles[0])
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    predictions = Predictions(settings, InProcessJobs(engine), store)
    for window in tqdm(windows, desc=card.title, unit=" windows", leave=False, disable=None):
        ensure = partial(predictions.ensure, card, bundle, window.use, tracks, haplotype=haplotype)
        progress = ensure()  # computes
        if not progress.finished and not progress.error:
            progress = ensure()  # stores
        if progress.error:
            raise ComputationError(progress.error)
    read: dict[Kind, Callable[..., Predicted]] = {
        "contacts": contacts,
        "junctions": junctions,
        "signal": Predictions.values,
    }
    values = [
        {t.id: read[t.kind](predictions, card, bundle, t, interval, allele=a) for t in tracks}
        for a in read_alleles
    ]
    for track, allele in product(tracks, read_alleles):
        spans = predictions.spans(card, bundle, track, interval, allele)
        if any(span.state == "missing" for span in spans):
            raise LimitError(
                f"All of it does not fit into {settings.cache_bytes:,} bytes of stored results. "
                "Choose fewer --tracks, or raise LOCUSCOPE_CACHE_BYTES."
            )
    store.close()
    return values


def _windows(
    card: ModelCard, bundle: Bundle, interval: Interval, tracks: Sequence[Track], allele: Allele
) -> list[Window]:
    """Returns the windows that predict tracks in an interval, from left to right.

    Raises:
        BadInputError: There is none, or the interval reaches into several pieces of the reference,
            whose bins do not share a grid.
    """
    grid = allele.grid(card, bundle.reference)
    parts = [part for piece, part in grid.parts(interval) if grid.windows_in(piece, part)]
    if not parts:
        raise BadInputError(
            f"{card.title} reads {card.input_width:,} bp and predicts the central "
            f"{card.output_width:,} bp; this genome has too little sequence around "
            f"{format_interval(interval)}."
        )
    if len(parts) > 1:
        raise BadInputError(
            f"{format_interval(interval)} reaches into {len(parts)} separate pieces of this "
            "genome; ask for one of them.",
            format_interval(max(parts, key=lambda part: part.width)),
        )
    return windows_for(card, bundle, interval, tracks, allele)


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
    check_folder(out)
    bundle = only_bundle(settings)
    engine = Engine(settings)
    card = find_card(engine, model)
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
