"""``locuscope effects``: what edits do to every track of a model, as a table in a file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from tqdm import tqdm

from app.errors import BadInputError, ComputationError, LocuscopeError, NotFoundError
from app.genome.catalogue import Bundle
from app.genome.edits import SequenceEdit, haplotype_of, parse_edits, variant_edit
from app.genome.locus import variant_at
from app.inference.batch import InProcessJobs, check_folder, find_card, only_bundle
from app.inference.compute import Engine
from app.inference.effect_table import (
    check_format,
    effect_table,
    provenance,
    variant_id,
    write_effects,
)
from app.inference.effects import EffectScoring
from app.inference.jobs import Priority
from app.inference.predictions import Predictions
from app.inference.scorer_names import read_scorer
from app.inference.store import ResultStore
from app.inference.vcf import read_records
from app.settings import Settings
from models.card import ModelCard


@dataclass
class EffectSummary:
    """What became of the edits.

    Attributes:
        scored: How many were scored.
        notes: Why others were not, a sentence each.
    """

    scored: int = 0
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        """Says it in words."""
        total = self.scored + len(self.notes)
        return "\n".join([f"{self.scored:,} of {total:,} scored", *self.notes])


def effects_to_file(  # noqa: PLR0917 - all of it is needed
    settings: Settings,
    model: str,
    vcf: Path | None,
    edits: Sequence[str],
    scorers: Sequence[str],
    out: Path,
) -> EffectSummary:
    """Scores edits and writes one table.

    Args:
        settings: Genome, weights, device and cache.
        model: Model id.
        vcf: Variants, each ALT scored by itself; None for none.
        edits: Edits as people write them, scored together as one sequence.
        scorers: Names of scorers (``scorer_names.read_scorer``); the recommended ones if none.
        out: ``.tsv`` or ``.parquet``.

    Raises:
        BadInputError: An edit or the file's ending cannot be read, or nothing could be scored.
        NotFoundError: There is no such model, scorer or file.
        ModelUnavailableError: The model's weights are missing or wrong.
    """
    check_format(out)
    check_folder(out)
    if (vcf is None) == (not edits):
        raise BadInputError("Name either a VCF file with --vcf or edits with --edit.")
    if vcf is not None and not vcf.is_file():
        raise NotFoundError(f"There is no file {vcf}.")
    for name in scorers:
        read_scorer(name)
    bundle = only_bundle(settings)
    engine = Engine(settings)
    card = find_card(engine, model)
    engine.open(card.id)
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    predictions = Predictions(settings, InProcessJobs(engine), store)
    summary, tables, places = EffectSummary(), [], []
    sets = _alleles(vcf, bundle, summary) if vcf else [parse_edits("\n".join(edits), bundle)]
    for made in tqdm(sets, desc=card.title, unit=" edits", leave=False, disable=None):
        try:
            scoring = _prepared(card, bundle, made, scorers)
            tables.append(_scored(scoring, predictions, variant_id(made)))
        except BadInputError as error:
            summary.notes.append(f"{variant_id(made)}: {error.message}")
            continue
        places.append(scoring.window.output)
        summary.scored += 1
    store.close()
    if not places:
        raise BadInputError(next(iter(summary.notes), "There is no variant in this file."))
    about = provenance(card, bundle, places[0], vcf.name if vcf else "|".join(edits))
    if len(places) > 1:
        about["interval"] = f"{len(places):,} windows, see scored_interval"
    write_effects(out, pd.concat(tables, ignore_index=True), about, summary.notes)
    return summary


def _alleles(vcf: Path, bundle: Bundle, summary: EffectSummary) -> Iterator[list[SequenceEdit]]:
    """Yields each ALT of a VCF as an edit; what cannot be one is noted."""
    for record in read_records(vcf):
        for alt in record.alts or ("",):
            ref = (record.ref or "").upper()
            try:
                locus = variant_at(record.chrom, record.pos, ref, alt.upper(), bundle)
                assert locus.variant is not None
                edit = variant_edit(locus.variant)
            except LocuscopeError as error:
                name = f"{record.chrom}:{record.pos}:{ref}>{alt}"
                summary.notes.append(f"{name}: {error.message}")
                continue
            yield [edit]


def _prepared(
    card: ModelCard, bundle: Bundle, made: list[SequenceEdit], scorers: Sequence[str]
) -> EffectScoring:
    names = {one.place.chromosome for one in made}
    if len(names) > 1:
        raise BadInputError("These edits lie on several chromosomes. Score them one by one.")
    edits = haplotype_of(made, names.pop())
    assert edits is not None
    return EffectScoring.of(card, bundle, made, edits, scorers)


def _scored(scoring: EffectScoring, predictions: Predictions, name: str) -> pd.DataFrame:
    for _ in range(2):  # computes, then stores
        progress = scoring.ensure(predictions, Priority.BATCH)
        if progress.error:
            raise ComputationError(progress.error)
    return effect_table(name, scoring.window.output, scoring.score(predictions))
