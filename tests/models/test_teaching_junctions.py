"""Junctions of the teaching model as a read-out: the reads of one intron, listed or not.

Of the story of the skipped exon, the intron before that exon: its acceptor is what the story's
deletion takes (``models/teaching/stories.py``).
"""

from __future__ import annotations

import numpy as np
import pytest
import torch

from app.inference.attribution import attribute, mutate
from app.inference.compute import one_hot
from app.inference.requests import AttributionRequest, MutagenesisRequest, Readout
from models.base import SequenceModel, Substitution, in_windows
from models.card import Track
from models.registry import cards, open_model
from models.teaching.cells import cells
from models.teaching.motifs import decode
from models.teaching.oracle import oracle
from models.teaching.stories import read_stories, teach1
from models.teaching.tracks import track_id
from models.teaching_net import TeachingNet

CARD = cards([])["teaching"]
STORY = next(story for story in read_stories() if story.id == "skipped-exon")
#: First base of the exon, in the middle of the sequence that is read.
EXON = STORY.causal.position - 1 + len(STORY.causal.ref)
START = EXON - CARD.input_width // 2
TEXT = decode(teach1(STORY.chromosome).codes[START : START + CARD.input_width])
ACCEPTOR = EXON - START
CELL = [cell.key for cell in cells()].index("neuron")
TRACK = track_id("SPLICE_JUNCTIONS", "neuron-junctions", "+")


@pytest.fixture(scope="module")
def model() -> TeachingNet:
    opened = open_model(CARD, [], torch.device("cpu"))
    assert isinstance(opened, TeachingNet)
    return opened


@pytest.fixture(scope="module")
def donor() -> int:
    """First base of the intron that most transcripts have before the exon."""
    truth = oracle(TEXT, 1).junctions
    ending = np.flatnonzero(truth.ends == ACCEPTOR)
    return int(truth.starts[ending[truth.reads[CELL, ending].argmax()]])


def output(*introns: tuple[int, int]) -> list[tuple[int, int]]:
    """Counts from the start of the output."""
    return [(start - CARD.crop, end - CARD.crop) for start, end in introns]


def true_reads(text: str, intron: tuple[int, int]) -> float:
    truth = oracle(text, 1).junctions
    here = (truth.starts == intron[0]) & (truth.ends == intron[1])
    return float(truth.reads[CELL, here].sum())


def test_listed_introns_have_the_reads_of_the_list(model):
    """On both strands and in two cells; pairs that are not listed have a number, too."""
    names = ("neuron-junctions", "hepatocyte-junctions")
    some = [t for t in CARD.tracks if t.name in names]
    assert {t.strand for t in some} == {"+", "-"}
    with torch.inference_mode():
        listed = model.predict(one_hot(TEXT), some)
        rows = {track.id: listed[track.id][0, ::7] for track in some}
        windows = [(int(start), int(end)) for one in rows.values() for start, end, _ in one]
        found = model.predict_windows(one_hot(TEXT), some, windows)
    at = 0
    for key, wanted in rows.items():
        assert len(wanted) > 3
        assert found[key].shape == (1, len(windows))
        mine = found[key][0, at : (at := at + len(wanted))]
        torch.testing.assert_close(mine, wanted[:, 2], rtol=1e-4, atol=1e-5)
        assert (found[key] > 0).all()


def test_stages_give_the_reads_of_full_passes(model, donor):
    """The donor lost (the pair is then not listed), changes within and afar, either strand."""
    last = int(next(t for t in oracle(TEXT, 1).junctions.ends[::-1] if t < 110_000))
    places = (donor, donor + 400, donor - 20_000)
    changes = [Substitution(at, ("ACGT".index(TEXT[at]) + 1) % 4) for at in places]
    some = [t for t in CARD.tracks if t.name == "neuron-junctions"]
    windows = output((donor, ACCEPTOR), (last - 30_000, last))
    with torch.inference_mode():
        fast = model.predict_substitutions(one_hot(TEXT), changes, some, windows)
        slow = SequenceModel.predict_substitutions(model, one_hot(TEXT), changes, some, windows)
        lost = model.predict(one_hot(_with(changes[0])), some)[TRACK][0, :, :2].int().tolist()
    assert list(windows[0]) not in lost
    for track in some:
        assert fast[track.id].shape == (4, 2)
        wanted, found = (torch.log(x[track.id] + 0.001) for x in (slow, fast))
        wanted, found = wanted - wanted[0], found - found[0]
        assert (found - wanted).abs().max() < 1e-5 + 0.01 * wanted.abs().max()
    assert (slow[TRACK][1, 0] / slow[TRACK][0, 0]) < 0.1  # so that it can fail


def _with(change: Substitution) -> str:
    return f"{TEXT[: change.position]}{'ACGT'[change.base]}{TEXT[change.position + 1 :]}"


def test_mutagenesis_of_an_intron_finds_its_splice_sites_as_the_oracle_does(model, donor):
    """GT and AG matter most at either end; the strongest changes lose the junction in both."""
    assert (TEXT[donor : donor + 2], TEXT[ACCEPTOR - 2 : ACCEPTOR]) == ("GT", "AG")
    intron = (donor, ACCEPTOR)
    places = (*range(donor - 2, donor + 4), *range(ACCEPTOR - 5, ACCEPTOR + 1))
    readout = Readout(TRACK, tuple(output(intron)), "lfc")
    found = mutate(model, MutagenesisRequest("teaching", "", "", readout, places), one_hot(TEXT))
    reads = true_reads(TEXT, intron)
    assert reads > 1
    assert found["value"][0] > 0.5
    contributions = -found["effects"].sum(axis=1) / 3
    for first, site in ((0, (donor, donor + 1)), (6, (ACCEPTOR - 2, ACCEPTOR - 1))):
        strongest = first + np.argsort(contributions[first : first + 6])[-2:]
        assert sorted(places[i] for i in strongest) == list(site)
    order = np.argsort(-np.abs(found["effects"]), axis=None)[:10]
    for row, base in zip(*np.unravel_index(order, found["effects"].shape), strict=True):
        changed = true_reads(_with(Substitution(places[row], int(base))), intron)
        truth = np.log((changed + 0.001) / (reads + 0.001))
        assert found["effects"][row, base] < -1
        assert truth < -0.2, (places[row], base)


def test_gradient_of_an_intron_is_the_slope_of_its_reads(model, donor):
    """Between two bases, against small steps from one to the other."""
    readout = Readout(TRACK, tuple(output((donor, ACCEPTOR))), "lfc")
    place = ACCEPTOR - 1
    request = AttributionRequest("teaching", "", "", readout, place, place + 1, "gradient")
    (found,) = attribute(model, request, one_hot(TEXT))["attribution"]
    step = torch.zeros(1, CARD.input_width, 4)
    step[0, place] = torch.tensor([0, -0.02, 0.02, 0])
    track = [t for t in CARD.tracks if t.id == TRACK]
    with torch.inference_mode():
        low, high = (
            model.predict_windows(one_hot(TEXT) + sign * step, track, readout.windows)[TRACK]
            for sign in (-1, 1)
        )
    slope = float(torch.log((high + 0.001) / (low + 0.001))) / 0.04
    assert abs(slope) > 0.1
    assert found[2] - found[1] == pytest.approx(slope, rel=0.05)


def test_introns_have_no_bins():
    track = Track("m/SPLICE_JUNCTIONS/x/+", "SPLICE_JUNCTIONS", "x", "+", 1, "reads")
    with pytest.raises(ValueError, match="introns, not bins"):
        in_windows(torch.zeros(1, 5, 3), track, [(0, 3)])
