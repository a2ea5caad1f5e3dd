"""In silico mutagenesis by the teaching model names the motifs that the stories have planted."""

from __future__ import annotations

import numpy as np
import pytest

from app.genome.jaspar import RELEASE
from app.inference.compute import Engine
from app.inference.explanations import seqlets
from app.inference.mutagenesis import Effects
from app.inference.requests import MotifRequest, MutagenesisRequest, Readout, sequence_sha256
from app.settings import Settings
from models.teaching.stories import read_stories, teach1
from models.teaching.tracks import track_id

STORIES = {story.id: story for story in read_stories()}
#: Of each story the factor whose site holds the causal variant, and the sequence that has the site.
PLANTED = {
    "new-enhancer": ("MYB", "alternate"),
    "lost-activator": ("HNF4A", "reference"),
    "fused-domains": ("CTCF", "reference"),
    "silenced-repeat": ("ZNF135", "reference"),
    "linked-variants": ("GATA1::TAL1", "reference"),
}
#: bp on either side of the variant that are changed.
HALF = 20


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(Settings(cache_dir=tmp_path_factory.mktemp("cache"), device="cpu"))


@pytest.mark.parametrize("story_id", PLANTED)
def test_strongest_seqlet_is_the_planted_site_and_its_best_match_the_planted_factor(
    engine: Engine, story_id: str
) -> None:
    story = STORIES[story_id]
    factor, allele = PLANTED[story_id]
    card = engine.cards["teaching"]
    at = story.causal.position - 1
    start = at - card.input_width // 2
    text = teach1(story.chromosome).sequence[start : start + card.input_width]
    middle = at - start
    assert text[middle] == story.causal.ref
    if allele == "alternate":
        text = text[:middle] + story.causal.alt + text[middle + 1 :]
    track = track_id("ATAC", f"{story.cell}-ATAC", ".")
    window = (middle - card.crop - 1_000, middle - card.crop + 1_000)
    low, high = middle - HALF, middle + HALF
    request = MutagenesisRequest(
        card.id,
        card.weights_hash,
        sequence_sha256(text),
        Readout(track, (window,), "lfc"),
        tuple(range(low, high)),
    )
    found = engine.compute(request, text)
    effects = Effects(found["effects"], float(found["value"][0]), high - low, high - low)
    bases = text[low:high]
    contributions = effects.contributions(bases)
    asked = MotifRequest(
        card.id,
        card.weights_hash,
        sequence_sha256(bases),
        tuple(contributions.tolist()),
        RELEASE,
    )
    called = seqlets(engine.compute(asked, bases))
    top = max(called, key=lambda seqlet: abs(seqlet.attribution))
    assert top.start <= HALF < top.end
    assert top.end - top.start <= 20, "no wider than the widest of these matrices"
    # ZNF135 holds the repeat closed, all others open the place.
    assert np.sign(top.attribution) == (-1 if factor == "ZNF135" else 1)
    first = {match.matrix.name for match in top.matches if match.q == top.matches[0].q}
    # The matrix of HNF4A's paralog gives the same q.
    assert first == {factor} or (factor == "HNF4A" and first == {"HNF4A", "HNF4G"})
    assert top.matches[0].q < 0.05
    # GATA factors share the half of GATA1::TAL1.
    assert top.alike == 0 or factor in ("HNF4A", "GATA1::TAL1")
