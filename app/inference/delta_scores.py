"""SpliceAI's delta scores of the variant in a view, from windows that workers predict.

The rules are those of the authors' tool (``splicing.py``): for each transcript that the variant
lies in, the network reads nothing outside it. The tracks of a view are read with all that lies
around, so that a delta score need not equal the difference of two of their values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from app.inference.alleles import Allele, Member
from app.inference.splicing import (
    Probabilities,
    Skip,
    SpliceScore,
    Target,
    Unscored,
    align,
    deltas,
    scorable,
)

if TYPE_CHECKING:
    from app.genome.edits import SequenceEdit
    from app.inference.effects import EffectScoring
    from app.inference.predictions import Predictions
    from app.inference.progress import Progress
    from models.card import Track

#: Family of the models that have delta scores.
FAMILY = "spliceai"
#: How far from the variant a change may be, in bp: that of the authors' published test values and
#: of the Broad Institute's look-up.
DISTANCE = 500


@dataclass(frozen=True)
class DeltaScoring:
    """One variant of which the delta scores are wanted.

    Attributes:
        scoring: The variant, its genome, the model and the window that is predicted.
        made: The variant as an edit.
        found: The transcripts in which it is scored, or why it is not.
    """

    scoring: EffectScoring
    made: SequenceEdit
    found: list[Target] | Unscored

    @classmethod
    def of(cls, scoring: EffectScoring, made: Sequence[SequenceEdit]) -> DeltaScoring | None:
        """Prepares the scoring; None where it does not apply.

        It applies to one variant, and to models of the family of SpliceAI.
        """
        variant = made[0].variant if len(made) == 1 else None
        if variant is None or scoring.card.family != FAMILY:
            return None
        bundle = scoring.bundle
        found = scorable(variant, bundle.reference.fetch, bundle.genes.overlapping, DISTANCE)
        return cls(scoring, made[0], found)

    @cached_property
    def targets(self) -> list[Target]:
        """The transcripts in which it is scored."""
        return [] if isinstance(self.found, Unscored) else self.found

    def ensure(self, predictions: Predictions, *, retry: bool = False) -> Progress:
        """Sees to it that both alleles are predicted; see ``Predictions.ensure``."""
        its = self.scoring
        return predictions.ensure(
            its.card,
            its.bundle,
            its.place,
            its.card.tracks,
            retry=retry,
            haplotype=its.edits,
            members=[_member(target) for target in self.targets],
        )

    def score(self, predictions: Predictions) -> list[SpliceScore] | Unscored:
        """Returns the scores once all is predicted, or why there are none."""
        if isinstance(self.found, Unscored):
            return self.found
        lengths = len(self.made.reference), len(self.made.alternate)
        scores = []
        for target in self.targets:
            before, after = (self._read(predictions, target, extra) for extra in (None, lengths))
            if before is None or after is None:
                return Unscored(Skip.NO_FLANK)
            scores.append(
                SpliceScore(target, deltas(before, align(after, DISTANCE, *lengths), None))
            )
        return scores

    def _read(
        self, predictions: Predictions, target: Target, lengths: tuple[int, int] | None
    ) -> Probabilities | None:
        """Returns the probabilities around the variant, in columns none, acceptor and donor.

        Args:
            predictions: What is stored.
            target: The transcript.
            lengths: Of REF and ALT for the alternate; None for the reference.

        Returns:
            None where the window ends before all of them, or they are not stored.
        """
        its, window = self.scoring, self.scoring.window
        allele = Allele(its.edits, lengths is not None, _member(target))
        first = self.made.place.start - DISTANCE - window.output.start
        n = 2 * DISTANCE + 1 + (lengths[1] - lengths[0] if lengths else 0)
        columns = [np.zeros(n, np.float32)]
        for name in ("acceptor", "donor"):
            track = self._track(name, target.strand)
            stored = predictions.stored(its.card, its.bundle, track, [window], allele)
            # The pass that begins where the reference does: the variant lies behind its first base.
            values = next(one.values for one in stored if one.shift == 0)
            if values is None or first < 0 or first + n > len(values):
                return None
            columns.append(values[first : first + n])
        return np.stack(columns, axis=1)

    def _track(self, name: str, strand: str) -> Track:
        tracks = self.scoring.card.tracks
        return next(track for track in tracks if (track.name, track.strand) == (name, strand))


def _member(target: Target) -> Member:
    return Member(within=(target.start, target.end))
