"""The variant scorers of the AlphaGenome SDK by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alphagenome.models import variant_scorers as sdk
from alphagenome.models.dna_output import OutputType
from alphagenome.models.variant_scorers import VariantScorerTypes as Scorer

from app.errors import NotFoundError

if TYPE_CHECKING:
    from models.card import ModelCard

__all__ = ["UNITS", "Scorer", "label", "measure", "read_scorer", "recommended"]

#: What a number of each scorer is.
UNITS = {
    "DIFF_MEAN": "difference of means",
    "DIFF_SUM": "difference of sums",
    "DIFF_SUM_LOG2": "difference of sums of log2(1 + x)",
    "DIFF_LOG2_SUM": "log2 ratio of 1 + sum",
    "L2_DIFF": "L2 norm of the difference",
    "L2_DIFF_LOG1P": "L2 norm of the difference of ln(1 + x)",
    "ACTIVE_MEAN": "larger mean",
    "ACTIVE_SUM": "larger sum",
    "GENE_MASK_LFC": "natural log ratio of means",
    "GENE_MASK_ACTIVE": "larger mean",
    "GENE_MASK_SPLICING": "largest absolute difference",
    "SPLICE_JUNCTION": "largest absolute natural log ratio",
    "PA_QTL": "largest absolute log2 ratio",
    "CONTACT_MAP": "mean absolute difference",
}


def measure(scorer: Scorer) -> str:
    """Returns what a scorer measures: its aggregation or kind."""
    if isinstance(scorer, sdk.CenterMaskScorer):
        return str(scorer.aggregation_type.name)
    return str(scorer.base_variant_scorer.name)


def label(scorer: Scorer) -> str:
    """Returns a short name: what is measured, and within how many bp."""
    width = getattr(scorer, "width", None)
    return measure(scorer) + (f" {width:,} bp" if width else "")


def read_scorer(text: str) -> Scorer:
    """Reads the name of a scorer.

    That is a key of the SDK's ``RECOMMENDED_VARIANT_SCORERS`` (``ATAC``, ``RNA_SEQ_ACTIVE``), or
    modality, measure and, for masks around the edit, their width: ``DNASE:DIFF_SUM:2001``,
    ``ATAC:L2_DIFF:none``, ``CAGE:GENE_MASK_LFC``, ``SPLICE_SITES:GENE_MASK_SPLICING:101``.

    Raises:
        NotFoundError: There is no such scorer; the message names the valid ones.
    """
    if known := sdk.RECOMMENDED_VARIANT_SCORERS.get(text):
        return known
    output, _, rest = text.partition(":")
    what, _, width = rest.partition(":")
    genes = {"GENE_MASK_LFC": sdk.GeneMaskLFCScorer, "GENE_MASK_ACTIVE": sdk.GeneMaskActiveScorer}
    try:
        requested = OutputType[output]
        if what in genes and not width:
            return genes[what](requested)
        bp = None if width in ("", "none") else int(width)
        if what == "GENE_MASK_SPLICING":
            return sdk.GeneMaskSplicingScorer(requested, bp)
        return sdk.CenterMaskScorer(requested, bp, sdk.AggregationType[what])
    except (KeyError, ValueError):
        known_names = ", ".join(sdk.RECOMMENDED_VARIANT_SCORERS)
        raise NotFoundError(
            f"There is no scorer “{text[:60]}”. Known are {known_names}, and modality, measure and "
            "width as in DNASE:DIFF_SUM:2001."
        ) from None


def recommended(card: ModelCard) -> list[Scorer]:
    """Returns the scorers that the SDK recommends for what a model predicts."""
    offered = {track.modality for track in card.tracks}
    return [
        scorer
        for scorer in sdk.RECOMMENDED_VARIANT_SCORERS.values()
        if scorer.requested_output.name in offered
    ]
