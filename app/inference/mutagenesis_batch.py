"""In silico mutagenesis in this process, for programs: what the page asks workers for."""

from __future__ import annotations

from collections.abc import Sequence

from alphagenome.data.genome import Interval

from app.errors import ComputationError
from app.genome.catalogue import Bundle
from app.genome.edits import haplotype_of, parse_edits
from app.inference.alleles import Allele
from app.inference.batch import InProcessJobs, find_card
from app.inference.compute import Engine
from app.inference.mutagenesis import Effects, Located, Mutagenesis, located
from app.inference.requests import Score
from app.inference.store import ResultStore
from app.settings import Settings


def mutate(  # noqa: PLR0917 - all of it is needed
    settings: Settings,
    model: str,
    bundle: Bundle,
    interval: Interval,
    track: str,
    masks: Sequence[tuple[int, int]],
    score: Score,
    edits: str = "",
    *,
    alternate: bool = False,
) -> tuple[Located, Effects]:
    """Scores every single-base change of an interval.

    Args:
        settings: Weights, device and cache.
        model: Model id.
        bundle: The genome.
        interval: What is mutated, 0-based half-open, in places of the reference.
        track: Id of the predicted track that is read out.
        masks: Where, as positions on the chromosome of the reference, half-open.
        score: How its change is told.
        edits: Variants and other edits as people write them, one a line.
        alternate: Whether what they make of the sequence is mutated, not the reference.

    Returns:
        Which bases were changed and where they lie, and what the changes do.

    Raises:
        BadInputError: An edit cannot be read, or there is too little sequence.
        LimitError: The interval is too long.
        ModelUnavailableError: The model's weights are missing or wrong.
        ComputationError: The model failed.
    """
    engine = Engine(settings)
    card = find_card(engine, model)
    engine.open(card.id)
    made = parse_edits(edits, bundle) if edits else []
    allele = Allele(haplotype_of(made, interval.chromosome), alternate=alternate)
    read_out = next(one for one in card.tracks if one.id == track)
    found = located(card, bundle.reference, interval, read_out, masks, score, allele)
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    asked = Mutagenesis(InProcessJobs(engine), store)
    effects = asked.ensure(found.target)  # computes a few bases at a time
    while not effects.complete:
        if effects.error:
            raise ComputationError(effects.error)
        effects = asked.ensure(found.target)
    store.close()
    return found, effects
