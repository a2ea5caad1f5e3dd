"""The trained network against the outputs of the authors' code, and against what was measured."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.agreement import agreement
from models.base import SequenceModel, Substitution
from models.baskerville import Baskerville
from models.registry import cards, open_model
from tests.realdata.hg38_windows import read_targets, to_coverage

MODEL = "baskerville-human74"


@pytest.fixture(scope="module")
def model(realdata: Path) -> Baskerville:
    folders = [realdata / "weights"]
    opened = open_model(cards(folders)[MODEL], folders, torch.device("cpu"))
    assert isinstance(opened, Baskerville)
    return opened


@pytest.fixture(scope="module")
def reference(realdata: Path) -> dict[str, np.ndarray]:
    """What TensorFlow gave for four windows: region, pred (4, 2048, 74), observed."""
    with np.load(realdata / "reference_outputs" / "baskerville_human74_pred.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def one_hot(realdata: Path, reference: dict[str, np.ndarray]) -> torch.Tensor:
    """The four windows of the reference, which names them as the FASTA does."""
    with gzip.open(realdata / "sequence" / "hg38_65windows_131072bp.fa.gz", "rt") as file:
        records = [record.split("\n", 1) for record in file.read().split(">")[1:]]
    sequences = {name: body.replace("\n", "") for name, body in records}
    windows = []
    for region in reference["region"]:
        bases = np.frombuffer(sequences[str(region)].encode(), np.uint8)
        windows.append(bases[:, None] == np.frombuffer(b"ACGT", np.uint8))
    return torch.from_numpy(np.stack(windows).astype(np.float32))


def test_numbers_are_those_of_the_authors_code(model, reference, one_hot):
    with torch.inference_mode():
        ours = model.predict_training_scale(one_hot).numpy().transpose(0, 2, 1)
    error = np.abs(ours - reference["pred"]) / np.abs(reference["pred"])
    print(f"largest relative error {error.max():.2e}")
    assert error.max() < 1e-4


def test_tracks_come_back_in_coverage_by_id(model, realdata, reference, one_hot):
    wanted = to_coverage(reference["pred"][1], read_targets(realdata))
    tracks = [model.card.tracks[i] for i in (25, 3, 39, 62)]
    assert [t.biosample.name for t in tracks[:2]] == ["HepG2", "CD4+ T cells"]
    with torch.inference_mode():
        found = model.predict(one_hot[1:2], tracks)
    for track, channel in zip(tracks, (25, 3, 39, 62), strict=True):
        assert found[track.id].dtype == torch.float32
        # Near zero coverage is a difference of nearly equal numbers: allow a ten-thousandth.
        np.testing.assert_allclose(found[track.id][0], wanted[:, channel], rtol=1e-4, atol=1e-4)


def test_card_says_what_the_targets_table_says(model, realdata):
    with (model.card.directory / "tracks.tsv").open() as file:
        ours = list(csv.DictReader(file, delimiter="\t"))
    theirs = read_targets(realdata)
    names = [t["name"] + t["strand"].replace(".", "") for t in ours]
    assert names == [t["identifier"] for t in theirs]
    for column in ("clip", "clip_soft", "scale", "sum_stat"):
        assert [t[column] for t in ours] == [t[column] for t in theirs]
    for i, track in enumerate(model.card.tracks):
        partner = model.card.tracks[int(theirs[i]["strand_pair"])]
        assert partner.strand == {"+": "-", "-": "+", ".": "."}[track.strand]
        assert partner.biosample == track.biosample


def test_agreement_with_measurement_is_what_is_known(realdata):
    """Per-track Pearson r over the ten test windows, as computed with the original code."""
    ids, found = agreement(realdata, "test")
    r = found["training scale"]
    assert np.median(r) == pytest.approx(0.36, abs=0.01)
    dnase = r[[track.split("/")[1] == "DNASE" for track in ids]]
    assert dnase.min() == pytest.approx(0.73, abs=0.01)
    assert dnase.max() == pytest.approx(0.93, abs=0.01)


def test_changed_bases_give_in_stages_what_full_passes_give(model, one_hot):
    """At the middle of a window, at an end of its output, and at the last base that is read."""
    tracks = [model.card.tracks[25]]
    changes = [Substitution(p, b) for p, b in ((65_536, 1), (32_768, 0), (131_071, 2))]
    windows = [(31_744, 33_792), (0, 64)]
    with torch.inference_mode():
        fast = model.predict_substitutions(one_hot[2:3], changes, tracks, windows)
        slow = SequenceModel.predict_substitutions(model, one_hot[2:3], changes, tracks, windows)
    (ours,), (wanted,) = fast.values(), slow.values()
    assert wanted.shape == (4, 66)
    torch.testing.assert_close(ours, wanted, rtol=1e-5, atol=1e-6)
    effect = (wanted[1:] - wanted[0]).abs().amax(1)
    error = ((ours - ours[0]) - (wanted - wanted[0]))[1:].abs().amax(1)
    print(f"largest effects {effect.tolist()}, errors {error.tolist()}")
    assert effect[0] > 1000 * error[0]
