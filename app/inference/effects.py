"""What edits do to every track of a model, as the variant scorers of AlphaGenome measure it.

One window is centred on the edits, and both alleles of it are predicted (through the queue, like
all else). Then each scorer compares the two for each track of its modality, and for each gene where
it is one of genes. ``scorers.py`` has the formulas.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from alphagenome.data.genome import Interval
from alphagenome.models import variant_scorers as sdk
from numpy.typing import NDArray

from app.errors import BadInputError, LimitError
from app.genome.locus import format_interval, format_width
from app.inference import scorers
from app.inference.aligned import align_contacts, align_junctions, known_contacts, known_introns
from app.inference.alleles import Allele
from app.inference.jobs import Priority
from app.inference.scorer_names import UNITS, Scorer, measure, read_scorer, recommended
from app.inference.scorers import Mask, Values

if TYPE_CHECKING:
    from app.genome.catalogue import Bundle
    from app.genome.edits import SequenceEdit
    from app.genome.genes import Gene
    from app.genome.haplotype import Haplotype
    from app.inference.predictions import Predictions
    from app.inference.progress import Progress
    from app.inference.stored import StoredWindow
    from app.inference.windows import Window
    from models.card import ModelCard, Track


@dataclass(frozen=True)
class Effect:
    """One score.

    Attributes:
        scorer: What was measured.
        track: In which track.
        score: How much; ``UNITS`` says of what. Never NaN.
        gene: In which gene, for scorers of genes.
        junction: The intron that changes most, 0-based half-open, for the scorer of junctions.
    """

    scorer: Scorer
    track: Track
    score: float
    gene: Gene | None = None
    junction: tuple[int, int] | None = None

    @property
    def unit(self) -> str:
        """What the number is."""
        return UNITS[measure(self.scorer)]


@dataclass(frozen=True)
class _Pair:
    """Both alleles of one track over the output of the window; ``scorers`` has the shapes."""

    track: Track
    reference: Values
    alternate: Values


@dataclass(frozen=True)
class EffectScoring:
    """Edits of one chromosome to be scored together.

    Attributes:
        card: The model.
        bundle: The genome.
        edits: The edits.
        centre: The base around which masks lie, 0-based: the first base of REF of a single
            variant, as in the SDK, else the middle of the edits.
        scorers: What is measured.
    """

    card: ModelCard
    bundle: Bundle
    edits: Haplotype
    centre: int
    scorers: Sequence[Scorer]

    @classmethod
    def of(
        cls,
        card: ModelCard,
        bundle: Bundle,
        made: Sequence[SequenceEdit],
        edits: Haplotype,
        names: Sequence[str] = (),
    ) -> EffectScoring:
        """Prepares the scoring of edits, in fp32 whatever the model browses with.

        Args:
            card: The model.
            bundle: The genome.
            made: The edits of the chromosome, whose REF has been checked.
            edits: What they make of it.
            names: Scorers, see ``read_scorer``; the recommended ones if none are named.

        Raises:
            NotFoundError: There is no such scorer.
            BadInputError: The model predicts nothing that the scorers measure, or this genome has
                too little sequence there.
            LimitError: The edits do not fit into what the model predicts at once.
        """
        chosen = [read_scorer(name) for name in names] or recommended(card)
        variant = made[0].variant if len(made) == 1 else None
        centre = variant.start if variant else edits.middle
        scoring = cls(replace(card, precision="fp32"), bundle, edits, centre, chosen)
        if not scoring.tracks:
            raise BadInputError(f"{card.title} predicts nothing that these scorers measure.")
        output, use = scoring.window.output, scoring.window.use
        if not (use.start < edits.start and edits.end <= output.end):
            width = format_width(card.output_width)
            raise LimitError(
                f"These edits reach beyond the {width} that {card.title} predicts around them, "
                f"{format_interval(output)}. Score them one by one."
            )
        return scoring

    @cached_property
    def tracks(self) -> list[Track]:
        """The tracks that are scored, in the order of the card."""
        wanted = {scorer.requested_output.name for scorer in self.scorers}
        return [track for track in self.card.tracks if track.modality in wanted]

    @cached_property
    def place(self) -> Interval:
        """The base on which the window is centred."""
        middle = self.edits.middle
        return Interval(self.edits.chromosome, middle, middle + 1)

    @cached_property
    def window(self) -> Window:
        """What is predicted.

        Raises:
            BadInputError: This genome has too little sequence there.
        """
        grid = Allele(self.edits).grid(self.card, self.bundle.reference)
        windows = grid.windows(self.place)
        if not windows:
            raise BadInputError(
                f"{self.card.title} reads {self.card.input_width:,} bp at once, and this genome "
                f"has less than that around {format_interval(self.place)}."
            )
        return windows[0]

    def ensure(
        self, predictions: Predictions, priority: Priority = Priority.VIEW, *, retry: bool = False
    ) -> Progress:
        """Sees to it that both alleles are predicted; see ``Predictions.ensure``."""
        return predictions.ensure(
            self.card,
            self.bundle,
            self.place,
            self.tracks,
            priority,
            retry=retry,
            haplotype=self.edits,
        )

    def score(self, predictions: Predictions) -> list[Effect]:
        """Scores what is predicted, track by track; those without a value are left out."""
        found: list[Effect] = []
        for track in self.tracks:
            mine = [s for s in self.scorers if s.requested_output.name == track.modality]
            ref, alt = (
                list(
                    predictions.stored(
                        self.card, self.bundle, track, [self.window], Allele(self.edits, alternate)
                    )
                )
                for alternate in (False, True)
            )
            if any(one.values is None for one in (*ref, *alt)) or not (ref and alt):
                continue
            found += [e for s in mine for e in self._scored(s, track, ref, alt)]
        return [effect for effect in found if math.isfinite(effect.score)]

    def _scored(
        self, scorer: Scorer, track: Track, ref: list[StoredWindow], alt: list[StoredWindow]
    ) -> Iterator[Effect]:
        if isinstance(scorer, sdk.ContactMapScorer):
            yield self._contacts(scorer, track, ref, alt)
        elif isinstance(scorer, sdk.SpliceJunctionScorer):
            yield from self._junctions(scorer, track, ref, alt)
        else:
            # The pass that begins where the reference does: an edit lies behind its first base.
            level = next(one for one in alt if one.shift == 0)
            pair = _Pair(track, _signal(ref[0], track), _signal(level, track))
            if isinstance(scorer, sdk.CenterMaskScorer):
                yield self._centre(scorer, pair)
            elif isinstance(scorer, sdk.PolyadenylationScorer):
                yield from self._polyadenylation(scorer, pair)
            else:
                yield from self._genes(scorer, pair)

    def _centre(self, scorer: sdk.CenterMaskScorer, pair: _Pair) -> Effect:
        at = self.centre - self.window.output.start
        resolution = pair.track.resolution
        mask = scorers.centre_bins(at, len(pair.reference), resolution, scorer.width)
        ref, alt = pair.reference[mask], pair.alternate[mask]
        score = scorers.aggregate(ref, alt, scorer.aggregation_type.name)
        return Effect(scorer, pair.track, score)

    def _by_base(self, pair: _Pair) -> tuple[Values, Values]:
        """Returns both alleles base by base of the reference."""
        resolution, start = pair.track.resolution, self.window.output.start
        aligned = scorers.align(pair.alternate, resolution, start, self.edits)
        return np.repeat(pair.reference, resolution), aligned

    def _genes(self, scorer: Scorer, pair: _Pair) -> Iterator[Effect]:
        ref, alt = self._by_base(pair)
        near = np.ones(len(ref), bool)
        if isinstance(scorer, sdk.GeneMaskSplicingScorer):
            at = self.centre - self.window.output.start
            near[:] = False
            near[scorers.centre_bins(at, len(ref), 1, scorer.width)] = True
        formula = {
            "GENE_MASK_LFC": scorers.gene_lfc,
            "GENE_MASK_ACTIVE": scorers.gene_active,
            "GENE_MASK_SPLICING": scorers.gene_splicing,
        }[scorer.base_variant_scorer.name]
        for gene, exons in self.exons:
            if _same_strand(gene, pair.track):
                yield Effect(scorer, pair.track, formula(ref, alt, exons & near), gene)

    @cached_property
    def exons(self) -> list[tuple[Gene, Mask]]:
        """The genes that start in the output of the window, and the bases of their exons there.

        As in the SDK these are the exons of the transcripts whose first base lies in it; of a gene
        that is cut by the window the part inside counts.
        """
        output = self.window.output
        masks: dict[Gene, Mask] = {}
        for transcript in self.bundle.genes.overlapping(output):
            first = transcript.end - 1 if transcript.strand == "-" else transcript.start
            if not output.start <= first < output.end:
                continue
            mask = masks.setdefault(transcript.gene, np.zeros(output.width, bool))
            for start, end in transcript.exons:
                mask[max(start - output.start, 0) : max(end - output.start, 0)] = True
        return list(masks.items())

    @cached_property
    def edited_genes(self) -> list[Gene]:
        """The genes that an edit lies in."""
        found: dict[Gene, None] = {}
        for one in self.edits.replacements:
            end = max(one.end, one.start + max(len(one.alternate), 1))
            where = Interval(self.edits.chromosome, one.start, end)
            found |= dict.fromkeys(t.gene for t in self.bundle.genes.overlapping(where))
        return list(found)

    @property
    def genes(self) -> list[Gene]:
        """Every gene that may have a score."""
        return list(dict.fromkeys([*(gene for gene, _ in self.exons), *self.edited_genes]))

    def _polyadenylation(self, scorer: sdk.PolyadenylationScorer, pair: _Pair) -> Iterator[Effect]:
        genes = [(g, s) for g, s in self.sites if _same_strand(g, pair.track)]
        ref, alt = self._by_base(pair) if genes else (pair.reference, pair.alternate)
        for gene, sites in genes:
            score = scorers.polyadenylation(ref, alt, sites, gene.strand)
            yield Effect(scorer, pair.track, score, gene)

    @cached_property
    def sites(self) -> list[tuple[Gene, list[int]]]:
        """The edited genes with several polyadenylation sites, in bp from the start of the output.

        Sites are where annotated transcripts end. The SDK reads them from a list of its own, and
        likewise leaves out genes of which less than 80 % of the sites are in the output.
        """
        output, found = self.window.output, []
        for gene in self.edited_genes:
            mine = [t for t in self.bundle.genes.overlapping(gene.interval) if t.gene == gene]
            sites = {(t.start if gene.strand == "-" else t.end - 1) - output.start for t in mine}
            inside = [site for site in sites if 0 <= site < output.width]
            if len(inside) > 1 and len(inside) >= scorers.LEAST_SITES * len(sites):
                found.append((gene, sorted(inside)))
        return found

    def _junctions(
        self,
        scorer: sdk.SpliceJunctionScorer,
        track: Track,
        ref: list[StoredWindow],
        alt: list[StoredWindow],
    ) -> Iterator[Effect]:
        before = _introns(ref[0])
        after = np.concatenate(
            [align_junctions(_introns(one), self.edits, one.shift) for one in alt]
        )
        for gene in self.edited_genes:
            if not _same_strand(gene, track):
                continue
            found = scorers.splice_junctions(before, after, (gene.start, gene.end))
            if found:
                place = (found.start, found.end)
                yield Effect(scorer, track, found.score, gene, place)

    def _contacts(
        self,
        scorer: sdk.ContactMapScorer,
        track: Track,
        ref: list[StoredWindow],
        alt: list[StoredWindow],
    ) -> Effect:
        resolution, start = track.resolution, self.window.output.start
        values = ref[0].values
        placed = next(align_contacts(alt, self.edits, resolution)).values
        assert values is not None
        assert placed is not None
        moved = any(one.shift for one in self.edits.replacements)
        low, high = self.edits.start - moved, max(self.edits.end + moved, self.edits.start + 1)
        bins = slice(max(low - start, 0) // resolution, -((start - high) // resolution))
        before = known_contacts(ref[0], values, resolution)
        return Effect(scorer, track, scorers.contact_map(before, placed, bins))


def _same_strand(gene: Gene, track: Track) -> bool:
    return track.strand in (".", gene.strand)


def _signal(stored: StoredWindow, track: Track) -> Values:
    """Returns the values of a pass, NaN where no base is known."""
    assert stored.values is not None
    values = stored.values.copy()
    start, resolution = stored.window.output.start, track.resolution
    for low, high in stored.padded:
        values[(low - start) // resolution : (high - start) // resolution] = np.nan
    return values


def _introns(stored: StoredWindow) -> NDArray[np.float64]:
    """Returns the introns of a pass, in its own coordinates."""
    assert stored.values is not None
    return known_introns(stored, stored.values)
