"""The shipped teaching model against the oracle, on sequence that it never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from app.inference.attribution import attribute
from app.inference.compute import one_hot
from app.inference.requests import AttributionRequest, Readout
from models.base import SequenceModel, Substitution, in_windows
from models.card import Track
from models.registry import cards, open_model
from models.staged import StagedModel
from models.teaching.cells import cells
from models.teaching.contacts import BIN
from models.teaching.motifs import decode
from models.teaching.oracle import oracle
from models.teaching.stories import read_stories, teach1
from models.teaching.tracks import track_id, tracks
from models.teaching_net import TeachingNet
from models.teaching_net_layers import run
from models.teaching_net_near import NearTrunk

CARD = cards([])["teaching"]
START = 655_360
STORY = next(story for story in read_stories() if story.id == "fused-domains")
#: Least median Pearson r over the tracks of a modality, in one window.
FLOORS = {
    "ATAC": 0.93, "DNASE": 0.9, "CHIP_TF": 0.85, "CHIP_HISTONE": 0.75, "SPLICE_SITES": 0.8,
    "CAGE": 0.9, "PROCAP": 0.9, "RNA_SEQ": 0.7,
}  # fmt: skip


@pytest.fixture(scope="module")
def compared():
    """Prediction of one window, and the truth in its output."""
    margin = 131_072
    codes = teach1("chrT1").codes[START - margin : START + CARD.input_width + margin]
    truth = oracle(decode(codes), 64)
    text = decode(codes[margin : margin + CARD.input_width])
    model = open_model(CARD, [], torch.device("cpu"))
    with torch.inference_mode():
        said = model.predict(one_hot(text), CARD.tracks)
    first = margin + CARD.crop
    true = {
        t.id: truth.values[t.id][first // t.resolution :][: CARD.output_width // t.resolution]
        for t in tracks()
        if t.id in truth.values
    }
    return {key: x[0].numpy() for key, x in said.items()}, true, truth, first


def test_card_has_the_tracks_of_the_oracle():
    assert CARD.tracks == tracks()


@pytest.mark.parametrize("modality", FLOORS)
def test_tracks_follow_the_truth(compared, modality):
    said, true, _, _ = compared
    r = [
        np.corrcoef(said[t.id], true[t.id])[0, 1]
        for t in tracks()
        if t.modality == modality and true[t.id].std() > 0
    ]
    assert np.median(r) >= FLOORS[modality]


def test_contacts_follow_the_truth(compared):
    said, _, truth, first = compared
    i, j = np.triu_indices(CARD.output_width // 2048, 1)
    for row, cell in enumerate(cells()):
        matrix = said[track_id("CONTACT_MAPS", f"{cell.key}-Hi-C", ".")]
        np.testing.assert_allclose(matrix, matrix.T, rtol=1e-5)
        true = np.log(truth.contacts[row, first // 2048 + i, j - i])
        assert np.corrcoef(np.log(matrix[i, j]), true)[0, 1] > 0.95


def test_frequent_introns_of_the_truth_are_predicted_in_place(compared):
    said, _, truth, first = compared
    t = truth.junctions
    found = right = 0
    for strand in ("+", "-"):
        for row, cell in enumerate(cells()):
            rows = said[track_id("SPLICE_JUNCTIONS", f"{cell.key}-junctions", strand)]
            predicted = {(int(a), int(b)) for a, b, reads in rows if reads > 0.5}
            strong = (t.reads[row] > 5) & (np.array(t.strands) == strand)
            strong &= (t.starts >= first) & (t.ends <= first + CARD.output_width)
            introns = zip(t.starts[strong] - first, t.ends[strong] - first, strict=True)
            wanted = {(int(a), int(b)) for a, b in introns}
            found += len(wanted)
            right += len(wanted & predicted)
    assert found > 10
    assert right >= 0.6 * found


@pytest.mark.parametrize(
    ("start", "place"),
    # The last is a CTCF site whose loss fuses two domains, which is felt from afar.
    [(START, 66_000), (START, 130_950), (STORY.causal.position - 1 - 66_000, 66_000)],
)
def test_stages_give_the_numbers_of_full_passes(start, place):
    """Changes at a token's edges, and of the last base, read out on either side.

    Up to rounding, and 1 % of the largest effect, as ``models/teaching_net_near.py`` says.
    """
    text = decode(teach1("chrT2").codes[start : start + CARD.input_width])
    model = open_model(CARD, [], torch.device("cpu"))
    assert isinstance(model, StagedModel)
    names = ("thymocyte-ATAC", "hepatocyte-H3K27ac", "donor", "myoblast-RNA")
    some = [t for t in CARD.tracks if t.name in names and t.strand != "-"]
    encoded = one_hot(text)
    last = CARD.input_width - 1
    changes = [
        Substitution(at, ("ACGT".index(text[at]) + 1) % 4)
        for first in [place // 128 * 128]
        for at in (first - 1, first, place, min(first + 127, last))
    ]
    windows = [(49_408, 49_664), (50_048, 50_304), (98_176, 98_304)]
    with torch.inference_mode():
        fast = model.predict_substitutions(encoded, changes, some, windows)
        slow = SequenceModel.predict_substitutions(model, encoded, changes, some, windows)
    assert len(slow) == len(some) == 4
    for key, values in slow.items():
        largest = (values[1:] - values[0]).abs().max()
        off = (fast[key] - values).abs() - 2e-4 * values.abs()
        assert off.max() < 1e-5 + 0.01 * largest, key
    if place < CARD.input_width - CARD.crop:  # near enough to matter, so that it can fail
        assert any((values[1:] - values[0]).abs().max() > 1e-4 for values in slow.values())


def test_contacts_across_a_boundary_rise_where_it_is_lost_as_the_oracle_says():
    """Insulation of a CTCF site, base by base: staged against full passes, and the oracle."""
    at = STORY.causal.position - 1
    start = at - CARD.input_width // 2
    codes = teach1("chrT2").codes[start : start + CARD.input_width]
    text, place = decode(codes), CARD.input_width // 2
    some = [t for t in CARD.tracks if t.name in ("myoblast-Hi-C", "hepatocyte-Hi-C")]
    changes = [Substitution(place, "ACGT".index(STORY.causal.alt)), Substitution(place - 30, 0)]
    middle = (place - CARD.crop) // BIN
    windows = [((middle - 5) * BIN, (middle + 6) * BIN)]
    model = open_model(CARD, [], torch.device("cpu"))
    with torch.inference_mode():
        fast = model.predict_substitutions(one_hot(text), changes, some, windows)
        slow = SequenceModel.predict_substitutions(model, one_hot(text), changes, some, windows)
    mutant = text[:place] + STORY.causal.alt + text[place + 1 :]
    true = [oracle(one, CARD.input_width // BIN).contacts for one in (text, mutant)]
    first = CARD.crop // BIN + middle
    for track in some:
        assert fast[track.id].shape == (3, 25)
        largest = (slow[track.id][1:] - slow[track.id][0]).abs().max()
        assert (fast[track.id] - slow[track.id]).abs().max() < 1e-5 + 0.01 * largest
        said = np.log(fast[track.id].mean(dim=1).numpy())
        cell = [c.key for c in cells()].index(track.name.removesuffix("-Hi-C"))
        lost, kept = (
            np.log(np.mean([one[cell, i, j - i] for i in range(first - 5, first)
                            for j in range(first + 1, first + 6)]))
            for one in (true[1], true[0])
        )  # fmt: skip
        assert lost - kept > 0.2
        assert said[1] - said[0] > 0.5 * (lost - kept)
        assert abs(said[2] - said[0]) < 0.1 * (said[1] - said[0])


@pytest.mark.parametrize(("start", "end"), [(3, 9), (3, 10), (0, 2)])
def test_contacts_of_a_window_are_those_between_its_halves(start, end):
    """Whatever the unit; pairs that are not predicted do not count."""
    matrix = np.random.default_rng(1).random((2, 12, 12)).astype(np.float32)
    matrix += matrix.transpose(0, 2, 1)
    near = np.abs(np.subtract.outer(np.arange(12), np.arange(12))) < 2
    half = (end - start) // 2
    wanted = [
        [one[i, j] for i in range(start, start + half) for j in range(end - half, end)]
        for one in matrix
    ]
    track = Track("m/CONTACT_MAPS/x/.", "CONTACT_MAPS", "x", ".", 10, "contacts")
    windows = [(start * 10, end * 10)]
    found = in_windows(torch.from_numpy(matrix), track, windows)
    np.testing.assert_array_equal(found, wanted)
    logs = np.where(near, np.nan, np.log(matrix))
    found = in_windows(torch.from_numpy(logs), replace(track, unit="ln observed/expected"), windows)
    known = [
        [one[i, j] for i in range(start, start + half) for j in range(end - half, end)
         if j - i > 1]
        for one in matrix
    ]  # fmt: skip
    np.testing.assert_allclose(found, known, rtol=1e-5)


def test_trunk_near_everything_is_the_trunk():
    """With all bins near nothing is left out, whichever they are put in for."""
    model = open_model(CARD, [], torch.device("cpu"))
    assert isinstance(model, TeachingNet)
    codes = teach1("chrT1").codes[START : START + CARD.input_width]
    with torch.inference_mode():
        tokens = model.network.encode(one_hot(decode(codes))).tokens
        changed = tokens.clone()
        changed[:, 300:310] = tokens[:, 700:710]
        near = NearTrunk(model.network, tokens)
        wanted = model.network.trunk(changed)[0]
        whole = near(changed, [(0, 1024)], (290, 320))
        torch.testing.assert_close(whole, wanted[:, 290:320], rtol=1e-4, atol=1e-5)
        some = near(changed, [(300, 310)], (290, 320))  # leaves some out, so that it can fail
    assert (some - wanted[:, 290:320]).abs().max() > 1e-5


def test_gradient_is_the_slope_of_the_read_out():
    """Against what small steps of the input do to it."""
    text = decode(teach1("chrT1").codes[630_822 : 630_822 + CARD.input_width])
    model = open_model(CARD, [], torch.device("cpu"))
    track = next(t for t in CARD.tracks if t.name == "thymocyte-ATAC")
    encoded, at, step = one_hot(text), 65_536, 0.004
    readout = Readout(track.id, ((48_896, 49_408),), "difference")
    request = AttributionRequest("teaching", "", "", readout, at, at + 1, "gradient")
    found = attribute(model, request, encoded)["attribution"][0]

    def number(base: int, by: float) -> float:
        moved = encoded.clone()
        moved[0, at, base] += by
        with torch.inference_mode():
            return float(model.predict(moved, [track])[track.id][0, 48_896:49_408].double().sum())

    slopes = [(number(base, step) - number(base, -step)) / (2 * step) for base in range(4)]
    wanted = np.array(slopes) - np.mean(slopes)
    assert np.abs(wanted).max() > 0.01
    np.testing.assert_allclose(found, wanted, rtol=0.05, atol=0.05 * np.abs(wanted).max())


def test_run_is_the_recurrence_step_by_step():
    generator = torch.Generator().manual_seed(1)
    keep, new = torch.rand(2, 2, 37, 3, generator=generator)
    state, steps = torch.zeros(2, 3), []
    for place in range(37):
        state = keep[:, place] * state + new[:, place]
        steps.append(state)
    torch.testing.assert_close(run(keep, new), torch.stack(steps, dim=1))
