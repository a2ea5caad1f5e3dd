"""Scores of edits as a table, in the column names of the AlphaGenome SDK, and as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from app.errors import BadInputError
from app.genome.locus import format_interval
from app.inference.prediction_files import Prediction, whole
from app.inference.scorer_names import UNITS, measure

if TYPE_CHECKING:
    from alphagenome.data.genome import Interval

    from app.genome.catalogue import Bundle
    from app.genome.edits import SequenceEdit
    from app.inference.effects import Effect
    from models.card import ModelCard

#: The columns of ``tidy_scores`` in the SDK, then what it has no column for.
COLUMNS = (
    *("variant_id", "scored_interval", "gene_id", "gene_name", "gene_strand"),
    *("junction_Start", "junction_End", "output_type", "variant_scorer"),
    *("track_name", "track_strand", "Assay title", "ontology_curie", "biosample_name"),
    *("transcription_factor", "histone_mark", "raw_score", "score_unit", "track_id"),
)
FORMATS = (".tsv", ".parquet")


def variant_id(made: Sequence[SequenceEdit]) -> str:
    """Returns what names edits that are scored together, as they stand in a link."""
    return "|".join(one.text for one in made)


def effect_table(name: str, where: Interval, effects: Sequence[Effect]) -> pd.DataFrame:
    """Returns one row a score, with ``COLUMNS``; introns are 0-based half-open.

    Args:
        name: See ``variant_id``.
        where: The output of the window that was scored.
        effects: The scores.
    """
    place = f"{where.chromosome}:{where.start}-{where.end}"
    rows = []
    for one in effects:
        track, gene, sample = one.track, one.gene, one.track.biosample
        rows.append((
            *(name, place),
            *((gene.gene_id, gene.symbol, gene.strand) if gene else (None, None, None)),
            *(one.junction or (None, None)),
            *(track.modality, str(one.scorer), track.name, track.strand, track.assay),
            *((sample.curie, sample.name) if sample else (None, None)),
            track.target if track.modality == "CHIP_TF" else None,
            track.target if track.modality == "CHIP_HISTONE" else None,
            *(one.score, UNITS[measure(one.scorer)], track.id),
        ))  # fmt: skip
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    whole_numbers = {"junction_Start": "Int64", "junction_End": "Int64", "raw_score": "float64"}
    return table.astype(whole_numbers)


def provenance(card: ModelCard, bundle: Bundle, where: Interval, made: str) -> dict[str, Any]:
    """Returns where the numbers come from."""
    found = Prediction(card, bundle, where, {}).provenance()
    return found | {"edits": made, "interval": format_interval(where)}


def tsv(table: pd.DataFrame, about: dict[str, Any], notes: Sequence[str] = ()) -> str:
    """Returns a table as text: comment lines on where it comes from, then one line a score."""
    lines = [f"# {key}: {value}" for key, value in about.items()]
    lines += [f"# not scored: {note}" for note in notes]
    return "\n".join([*lines, table.to_csv(sep="\t", index=False, lineterminator="\n")])


def check_format(out: Path) -> None:
    """Raises BadInputError where the ending of a file names no format."""
    if out.suffix not in FORMATS:
        raise BadInputError(f"The output ends in {' or '.join(FORMATS)}, not in {out.name!r}.")


def write_effects(
    out: Path, table: pd.DataFrame, about: dict[str, Any], notes: Sequence[str]
) -> None:
    """Writes a table in the format that the ending names.

    Args:
        out: ``.tsv``, or ``.parquet``, which ``pandas.read_parquet`` reads with all else in
            ``attrs``.
        table: The scores.
        about: Where they come from.
        notes: What was not scored, and why.
    """
    with whole(out) as part:
        if out.suffix == ".tsv":
            part.write_text(tsv(table, about, notes), encoding="utf-8")
        else:
            table = table.copy()
            table.attrs |= about | {"not scored": list(notes)}
            table.to_parquet(part, index=False)
