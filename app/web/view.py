"""A link, and what it refers to."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.genome.chromosomes import ASSEMBLY_LENGTHS
from app.genome.edits import haplotype_of
from app.genome.haplotype import Haplotype
from app.web.figures.features import FeatureLanes, feature_lanes
from app.web.rows import Row, rows
from app.web.services import services
from app.web.state import ViewState, from_query
from models.card import ModelCard, Track


@dataclass(frozen=True)
class View:
    """A view and what it refers to."""

    state: ViewState
    bundle: Bundle
    card: ModelCard | None
    rows: list[Row]
    notices: list[str]

    @property
    def simulated(self) -> bool:
        """Whether the genome is made up, or what is predicted of it."""
        return self.bundle.simulated or (self.card is not None and self.card.simulated)

    @property
    def predicted(self) -> list[Track]:
        """Every predicted track in the rows."""
        return [track for row in self.rows for track in row.predicted]

    @cached_property
    def haplotype(self) -> Haplotype | None:
        """What the edits make of the chromosome in view; None where they leave it as it is."""
        return haplotype_of(self.state.edits, self.state.locus.chromosome)

    @property
    def explained(self) -> bool:
        """Whether bases of the chromosome in view are explained."""
        ism = self.state.ism
        return ism is not None and ism.interval.chromosome == self.state.locus.chromosome

    @property
    def drawn(self) -> Interval:
        """What is drawn: the locus and one screen on either side, beyond the chromosome too."""
        locus = self.state.locus
        return Interval(locus.chromosome, locus.start - locus.width, locus.end + locus.width)


def with_features(seen: View, width: int) -> tuple[View, dict[str, FeatureLanes]]:
    """Returns a view ``width`` px wide whose rows have room for their regions and variants.

    Returns:
        The view, and what is drawn of each row that has features and not too many, by row id.
    """
    found = {row.id: feature_lanes(row, seen.drawn, seen.state.locus, width) for row in seen.rows}
    lanes = {id_: one for id_, one in found.items() if one}
    grown = [
        replace(row, features=lanes[row.id].height) if row.id in lanes else row for row in seen.rows
    ]
    return replace(seen, rows=grown), lanes


def margins(locus: Interval) -> list[Interval]:
    """Returns one screen on either side of a view, which is predicted when the view is."""
    right = Interval(locus.chromosome, locus.end, locus.end + locus.width)
    left = Interval(locus.chromosome, max(locus.start - locus.width, 0), locus.start)
    return [side for side in (right, left) if side.width]


def read_view(query: str) -> View:
    """Reads a link; see ``from_query``."""
    its = services()
    state, notices = from_query(query, its.catalogue, its.preferred_cards(), its.own)
    bundle = its.own.with_own(its.catalogue.get(state.genome), state.own)
    card = its.card(state.model)
    shown, cut = rows(state, bundle, card)
    if cut:
        notices.append(cut)
    # Where a bundle does not say which assembly it is, there is nothing to warn of.
    known = bundle.simulated or bundle.assembly in ASSEMBLY_LENGTHS
    if card and known and bundle.assembly not in card.genomes:
        notices.append(
            f"{card.title} is meant for {' and '.join(card.genomes)}; the assembly of this genome "
            f"is {bundle.assembly}."
        )
    return View(state, bundle, card, shown, notices)
