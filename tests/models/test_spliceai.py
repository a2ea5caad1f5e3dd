"""SpliceAI against its own Keras description, and edits against full passes."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
import torch.nn.functional as F

from models.base import Substitution, changed
from models.card import WeightsError
from models.edit import Edit
from models.registry import CARDS, open_model, read_card
from models.spliceai import CONTEXT, SpliceAI, load_network, one_hot

CARD = read_card(CARDS / "spliceai")


@pytest.fixture(scope="module")
def model() -> SpliceAI:
    opened = open_model(CARD, [], torch.device("cpu"))
    assert isinstance(opened, SpliceAI)
    return opened


@pytest.fixture(scope="module")
def first_network(model) -> SpliceAI:
    """A predictor of one network only: a fifth of the work, the same code."""
    one = SpliceAI(CARD, model.files)
    one.device, one.networks = model.device, model.networks[:1]
    return one


#: A strong acceptor, an exon and a strong donor.
EXON = (
    "TGTCTTTTTTTCCTTTCTTTTTCAG" + "GAAGAAGATGAAGCTGGAGAAGAAGCTGAAGATGAAGAAC" * 3 + "CAGGTAAGTATGT"
)


def random_sequence(length: int, seed: int, unknown: int = 0) -> str:
    """Returns random bases with an exon every 400, after some N."""
    letters = np.random.default_rng(seed).choice(list("ACGT"), length)
    for start in range(unknown, length - len(EXON), 400):
        letters[start : start + len(EXON)] = list(EXON)
    letters[:unknown] = "N"
    return "".join(letters)


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    """Compares probabilities by their logarithms, so that the small ones count, too."""
    assert got.shape == expected.shape
    assert np.abs(np.log(got) - np.log(expected)).max() < 1e-3
    assert np.abs(got - expected).max() < 1e-5


def keras_graph(path: Path, encoded: torch.Tensor) -> torch.Tensor:
    """Runs the layer graph that the file itself describes: padded to one length, then cropped.

    Takes nothing from models/spliceai.py: names, order, dilations and padding are the file's.
    """
    with h5py.File(path) as file:
        config = json.loads(file.attrs["model_config"])["config"]
        weights = {
            name: [torch.from_numpy(group[w][()]) for w in group.attrs["weight_names"]]
            for name, group in file["model_weights"].items()
        }
    values: dict[str, torch.Tensor] = {}
    for layer in config["layers"]:
        name, kind, options = layer["name"], layer["class_name"], layer["config"]
        inputs = [values[n[0]] for n in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
        if kind == "InputLayer":
            y = encoded.transpose(1, 2)
        elif kind == "Conv1D":
            kernel, bias = weights[name]
            y = F.conv1d(
                inputs[0],
                kernel.permute(2, 1, 0),
                bias,
                padding=options["padding"],
                dilation=options["dilation_rate"][0],
            )
            y = y.softmax(1) if options["activation"] == "softmax" else y
        elif kind == "BatchNormalization":
            gamma, beta, mean, variance = (w[:, None] for w in weights[name])
            y = (inputs[0] - mean) / (variance + options["epsilon"]).sqrt() * gamma + beta
        elif kind == "Activation":
            y = getattr(torch, options["activation"])(inputs[0])
        elif kind == "Add":
            y = inputs[0] + inputs[1]
        else:
            assert kind == "Cropping1D"
            left, right = options["cropping"]
            y = inputs[0][..., left:-right]
        values[name] = y
    return values[config["output_layers"][0][0]].transpose(1, 2)


@pytest.mark.parametrize("number", range(1, 6))
def test_networks_give_what_their_keras_description_says(model, number):
    sequence = random_sequence(2 * CONTEXT + 301, seed=number, unknown=CONTEXT // 2)
    path = model.files[f"models/spliceai{number}.h5"]
    with torch.inference_mode():
        expected = keras_graph(path, one_hot([sequence]))[0]
        encoded = one_hot([sequence]).transpose(1, 2).unsqueeze(2)
        ours = model.networks[number - 1](encoded).softmax(1)[0, :, 0].T
    assert ours.shape == (301, 3)
    assert expected[:, 1:].max() > 0.1  # there is something to get wrong
    assert_same(ours.numpy(), expected.numpy())


def test_predict_is_the_mean_of_five_networks(model):
    sequence = random_sequence(CARD.input_width, seed=7)
    plus = [track for track in CARD.tracks if track.strand == "+"]
    got = model.predict(one_hot([sequence]), plus)
    with torch.inference_mode():
        part = one_hot([sequence[: 2 * CONTEXT + 501]])
        expected = torch.stack([keras_graph(model.files[w.name], part) for w in CARD.weights])
    mean = expected.mean(0)[0]
    for channel, name in ((1, "acceptor"), (2, "donor")):
        values = got[f"spliceai/SPLICE_SITES/{name}/+"]
        assert values.shape == (1, CARD.output_width)
        assert values.dtype == torch.float32
        assert_same(values[0, :501].numpy(), mean[:, channel].numpy())


def test_minus_strand_is_the_reverse_complement_in_genome_order(first_network):
    sequence = random_sequence(CARD.input_width, seed=8)
    other = sequence.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    forward = first_network.predict(one_hot([sequence]), CARD.tracks)
    turned = first_network.predict(one_hot([other]), CARD.tracks)
    assert set(forward) == {track.id for track in CARD.tracks}
    for name in ("acceptor", "donor"):
        minus = forward[f"spliceai/SPLICE_SITES/{name}/-"]
        plus_of_other = turned[f"spliceai/SPLICE_SITES/{name}/+"]
        assert torch.equal(minus, plus_of_other.flip(1))
        assert not torch.allclose(minus, forward[f"spliceai/SPLICE_SITES/{name}/+"], atol=1e-4)


def full_pass(model: SpliceAI, sequence: str, window: tuple[int, int]) -> np.ndarray:
    part = one_hot([sequence[window[0] - CONTEXT : window[1] + CONTEXT]])
    with torch.inference_mode():
        logits = [n(part.transpose(1, 2).unsqueeze(2)) for n in model.networks]
    return torch.stack([x.softmax(1)[0, :, 0].T for x in logits]).mean(0).numpy()


EDITS = {
    "substitution": (300, 1, "A", (250, 351)),
    "several substitutions": (300, 4, "TTTT", (250, 351)),
    "unknown base": (300, 1, "N", (250, 351)),
    "insertion": (300, 1, "AGGTAAGTCAG", (250, 351)),
    "long insertion": (300, 1, "GT" * 60, (250, 351)),
    "deletion": (300, 6, "C", (250, 351)),
    "deletion past the window's end": (300, 90, "C", (250, 351)),
    "deletion from before the window's start": (205, 90, "C", (244, 345)),
    "change left of the window": (10, 1, "G", (250, 351)),
    "change right of the window": (590, 2, "GTA", (250, 351)),
    "window of one base": (300, 1, "G", (300, 301)),
    "widest window": (300, 1, "G", (300 - 4999, 300 + 5000)),
}


@pytest.mark.parametrize("name", EDITS)
def test_edits_equal_full_passes(first_network, name):
    start, length, alternate, window = EDITS[name]
    margin = 2 * CONTEXT
    sequence = random_sequence(2 * margin + 600, seed=len(name))
    edit = Edit(start + margin, length, alternate, (window[0] + margin, window[1] + margin))
    changed = sequence[: edit.start] + alternate + sequence[edit.start + length :]
    (before, after), *rest = first_network.predict_edits(sequence, [edit])
    assert not rest
    assert_same(before, full_pass(first_network, sequence, edit.window))
    end = edit.window[1] + len(alternate) - length
    assert_same(after, full_pass(first_network, changed, (edit.window[0], end)))
    assert np.abs(np.log(after[: len(before)]) - np.log(before[: len(after)])).max() > 1e-3


def test_edits_of_many_shapes_come_back_in_their_order(first_network):
    sequence = random_sequence(2 * CONTEXT + 700, seed=3)
    edits = [
        Edit(p, length, alternate, (p - 50, p + 51))
        for p in range(CONTEXT + 60, CONTEXT + 640, 29)
        for length, alternate in ((1, "A"), (1, "CAG"), (3, "T"))
    ]
    together = first_network.predict_edits(sequence, edits)
    for edit, (before, after) in list(zip(edits, together, strict=True))[::7]:
        ((alone_before, alone_after),) = first_network.predict_edits(sequence, [edit])
        assert before.shape == (101, 3)
        assert after.shape == (101 + edit.shift, 3)
        assert_same(before, alone_before)
        assert_same(after, alone_after)


def test_no_edits_give_no_results(first_network):
    assert first_network.predict_edits(random_sequence(2 * CONTEXT + 1, seed=1), []) == []


@pytest.mark.parametrize("damage", ["text", "layer missing", "other shape"])
def test_a_file_that_is_not_the_network_is_refused(model, tmp_path, damage):
    path = tmp_path / "model.h5"
    if damage == "text":
        path.write_text("not HDF5")
    else:
        path.write_bytes(model.files["models/spliceai1.h5"].read_bytes())
        with h5py.File(path, "r+") as file:
            layer = file["model_weights/conv1d_37"]
            if damage == "layer missing":
                del file["model_weights/conv1d_37"]
            else:
                name = layer.attrs["weight_names"][0]
                del layer[name]
                layer[name] = np.zeros((11, 32, 32), np.float32)
    with pytest.raises(WeightsError, match=r"model\.h5 does not hold a SpliceAI 10k network"):
        load_network(path)


def test_card_says_what_the_weights_may_be_used_for():
    assert CARD.licence == "CC BY-NC 4.0"
    assert "non-commercial" in CARD.licence_note
    assert {track.summary for track in CARD.tracks} == {"max"}
    assert CARD.crop == CONTEXT


def test_changed_bases_give_without_the_rest_what_full_passes_give(first_network):
    """Both strands; changes just inside and outside of the reach of the read-out."""
    encoded = one_hot([random_sequence(CARD.input_width, seed=9)])
    start = 700
    window = (start, start + 3)
    places = [start - 1, start, start + CONTEXT, start + CONTEXT + 40, start + 2 * CONTEXT + 2]
    changes = [Substitution(place, base) for place in places for base in (0, 2)]
    tracks = [CARD.tracks[0], CARD.tracks[-1]]
    assert {track.strand for track in tracks} == {"+", "-"}
    with torch.inference_mode():
        fast = first_network.predict_substitutions(encoded, changes, tracks, [window])
        # Full passes over all that the read-out can depend on, and some more on either side.
        part = slice(start - 10, start + 2 * CONTEXT + 13)
        rows = torch.cat([encoded, changed(encoded, changes)])[:, part]
        assert rows.shape[1] == 2 * CONTEXT + 23
        plus = torch.cat([first_network._probabilities(row[None]) for row in rows])
        minus = torch.cat([first_network._probabilities(row[None].flip(1, 2)) for row in rows])
    for track, wanted in zip(tracks, (plus, minus.flip(1)), strict=True):
        channel = {"acceptor": 1, "donor": 2}[track.name]
        assert fast[track.id].shape == (11, 3)
        assert_same(fast[track.id].numpy(), wanted[:, 10:13, channel].numpy())
