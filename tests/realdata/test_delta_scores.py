"""Delta scores from windows that a queue predicts, against the way of the authors' tool."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from app.genome.catalogue import Bundle
from app.genome.edits import haplotype_of, parse_edits
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine
from app.inference.delta_scores import DISTANCE, DeltaScoring
from app.inference.effects import EffectScoring
from app.inference.predictions import Predictions
from app.inference.splicing import SpliceScorer
from app.inference.store import ResultStore
from app.settings import Settings
from models.registry import CARDS, open_model, read_card
from models.spliceai import SpliceAI
from tests.conftest import REPOSITORY
from tests.realdata.published_variants import GENOMES, build

CARD = read_card(CARDS / "spliceai")


@pytest.fixture(scope="module")
def network() -> SpliceAI:
    """One of the five networks: a fifth of the work, the same code."""
    opened = open_model(CARD, [], torch.device("cpu"))
    assert isinstance(opened, SpliceAI)
    one = SpliceAI(CARD, opened.files)
    one.device, one.networks = opened.device, opened.networks[:1]
    return one


@pytest.mark.parametrize(
    "text",
    [
        "chr1:952409:C>CACAATTA",  # a donor is made, on the minus strand
        "chr1:952599:TGCTG>T",  # an acceptor is lost, on the minus strand
        "chr1:941305:AGGTA>A",  # a donor is lost, on the plus strand
    ],
)
def test_indels_on_both_strands_are_scored_as_the_authors_do(
    realdata: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: SpliceAI, text: str
) -> None:
    genome = GENOMES[1]
    folder = REPOSITORY / ".cache" / "bundles" / genome.id
    build(genome, folder, realdata)
    bundle = Bundle.load(folder)
    made = parse_edits(text, bundle)
    edits = haplotype_of(made, "chr1")
    assert edits is not None
    settings = Settings(genomes=str(folder), cache_dir=tmp_path, device="cpu")
    engine = Engine(settings)
    monkeypatch.setattr(engine, "open", lambda model: network)
    store = ResultStore(tmp_path / "results", 2**28)
    predictions = Predictions(settings, InProcessJobs(engine), store)
    spliced = DeltaScoring.of(EffectScoring.of(CARD, bundle, made, edits), made)
    assert spliced is not None
    for _ in range(2):  # computes, then stores
        assert not spliced.ensure(predictions).error
    got = spliced.score(predictions)
    scorer = SpliceScorer(
        network, bundle.reference.fetch, bundle.genes.overlapping, distance=DISTANCE
    )
    variant = made[0].variant
    assert variant is not None
    [expected] = scorer.score([variant])
    assert isinstance(expected, list)
    assert isinstance(got, list)
    assert [one.target for one in got] == [one.target for one in expected]
    for mine, theirs in zip(got, expected, strict=True):
        assert max(theirs.deltas[:4]) > 0.05, "there is something to get wrong"
        assert mine.deltas[:4] == pytest.approx(theirs.deltas[:4], abs=1e-4)
        large = [i for i in range(4) if theirs.deltas[i] > 0.01]  # others may lie anywhere
        assert [mine.deltas[4 + i] for i in large] == [theirs.deltas[4 + i] for i in large]
