"""Delta scores from windows that a queue predicts, against the way of the authors' tool."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.genome.edits import haplotype_of, parse_edits
from app.inference.attribution import attribute
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine, one_hot
from app.inference.delta_scores import DISTANCE, DeltaScoring
from app.inference.effects import EffectScoring
from app.inference.predictions import Predictions
from app.inference.requests import AttributionRequest, Readout
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


@pytest.mark.parametrize(
    ("near", "name", "strand", "bases"),
    [
        (941_306, "donor", "+", (1, 2)),  # GT after the last base of an exon
        (952_600, "acceptor", "-", (1, 2)),  # AG before the first one, on the other strand
    ],
)
def test_deeplift_of_a_splice_site_finds_its_two_bases(
    realdata: Path, tmp_path: Path, network: SpliceAI, near, name, strand, bases
) -> None:
    genome = GENOMES[1]
    folder = REPOSITORY / ".cache" / "bundles" / genome.id
    build(genome, folder, realdata)
    reference = Bundle.load(folder).reference
    track = next(t for t in CARD.tracks if (t.name, t.strand) == (name, strand))
    width, start = CARD.input_width, near - 1 - CARD.input_width // 2
    sequence = reference.fetch(Interval("chr1", start, start + width))
    encoded = one_hot(sequence)
    middle = CARD.output_width // 2
    windows = ((middle - 40, middle + 40),)
    with torch.inference_mode():
        [predicted] = network.predict(encoded, [track])[track.id]
    site = middle - 40 + int(predicted[middle - 40 : middle + 40].argmax())
    assert predicted[site] > 0.5
    readout = Readout(track.id, windows, "difference")
    first = CARD.crop + site - 60
    asked = AttributionRequest(
        CARD.id, CARD.weights_hash, "", readout, first, first + 120, "deeplift"
    )
    found = [attribute(network, replace(asked, shuffle=k), encoded) for k in range(4)]
    window = predicted[middle - 40 : middle + 40]
    assert found[-1]["value"] == pytest.approx([float(window.sum())], abs=1e-5)
    assert not any(layer.training for one in network.networks for layer in one.modules())
    mean = np.mean([one["attribution"] for one in found], axis=0)
    added = mean[encoded[0, first : first + 120].bool().numpy()]
    there = [60 + by for by in bases]
    assert np.argmax(added) in there
    assert added[there].min() > added[there].max() / 10  # a base that the shuffle has adds nothing
    # Only the bases that decide are read; the gradient of the whole window is the same.
    gradient = attribute(network, replace(asked, method="gradient"), encoded)["attribution"]
    bases_in = encoded.clone().requires_grad_()
    network.predict(bases_in, [track])[track.id][0, slice(*windows[0])].sum().backward()
    slopes = bases_in.grad[0, first : first + 120]
    whole = (slopes - slopes.mean(1, keepdim=True)).numpy()
    np.testing.assert_allclose(gradient, whole, atol=1e-5 * np.abs(whole).max())
