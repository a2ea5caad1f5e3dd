"""Samples against the oracle, and a training that is interrupted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models import teaching_training
from models.teaching import samples
from models.teaching.cells import cells
from models.teaching.motifs import decode
from models.teaching.oracle import REACH, oracle
from models.teaching.tracks import track_id
from models.teaching_changes import change_losses, measure_changes
from models.teaching_losses import WEIGHTS, n_fractions, pair_reads, targets
from models.teaching_mutants import CHANGED_ONE_IN, mutant
from models.teaching_net import Outputs
from models.teaching_training import HELD_OUT, Plan, Stage, mirrored, train

LENGTH = 2**19


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setattr(samples, "LENGTH", LENGTH)
    folder = tmp_path_factory.mktemp("training")
    (folder / "samples").mkdir()
    plan = Plan(folder, torch.device("cpu"))
    for index in (0, 1, HELD_OUT):
        samples.write_chromosome(index, plan.sample_path(index))
    yield folder
    patch.undo()


def test_window_is_what_the_oracle_says(folder):
    start, width = 3 * 2048, 32_768
    sample = samples.Chromosome(folder / "samples" / "00001.npz").window(start, width)
    sequence = samples.training_sequence(1)
    truth = oracle(sequence, 64)
    at = slice(REACH + start, REACH + start + width)
    assert decode(sample.codes) == sequence[at]
    for column, track in enumerate(samples.base_tracks()):
        np.testing.assert_allclose(
            sample.bases[:, column], truth.values[track.id][at], rtol=1e-3, atol=2e-3
        )
    for column, track in enumerate(samples.bin_tracks()):
        bins = slice(at.start // 128, at.stop // 128)
        np.testing.assert_allclose(sample.bins[:, column], truth.values[track.id][bins], rtol=2e-3)
    first = at.start // 2048
    for i, j in ((0, 0), (2, 9), (9, 2), (15, 15)):
        expected = truth.contacts[:, first + min(i, j), abs(i - j)]
        np.testing.assert_allclose(sample.contacts[:, i, j], expected, rtol=2e-3)
    t = truth.junctions
    inside = (t.starts > at.start) & (t.ends < at.stop)
    assert inside.any()
    np.testing.assert_array_equal(sample.introns[:, 0], t.starts[inside] - at.start)
    np.testing.assert_allclose(sample.reads, t.reads[:, inside], rtol=1e-5)


def test_every_second_chromosome_is_a_mutant(folder):
    one, other = (samples.Chromosome(folder / "samples" / f"{i:05d}.npz") for i in (0, 1))
    a, b = (x.window(0, 131_072).codes for x in (one, other))
    assert 0.007 < (a != b).mean() < 0.013


def test_mirrored_sample_is_the_other_strand(folder):
    sample = samples.Chromosome(folder / "samples" / "00000.npz").window(0, 65_536)
    other = mirrored(sample)
    names = [track.id for track in samples.base_tracks()]
    for cell in cells():
        plus, minus = (names.index(track_id("RNA_SEQ", f"{cell.key}-RNA", s)) for s in "+-")
        np.testing.assert_array_equal(other.bases[::-1, minus], sample.bases[:, plus])
    # A donor of the plus strand, the base before GT, is one of the minus strand after mirroring.
    donors, acceptors, reads = pair_reads(sample, True)
    mirror_donors, mirror_acceptors, mirror_reads = pair_reads(other, False)
    assert len(donors) > 1
    assert sorted(65_535 - mirror_donors) == sorted(donors)
    assert sorted(65_535 - mirror_acceptors) == sorted(acceptors)
    np.testing.assert_allclose(mirror_reads.flip(1, 2), reads)
    for donor in donors.tolist():
        assert decode(sample.codes[donor + 1 : donor + 3]) == "GT"
    for acceptor in acceptors.tolist():
        assert decode(sample.codes[acceptor - 2 : acceptor]) == "AG"


def test_supposed_sites_that_are_none_have_no_reads(folder):
    sample = samples.Chromosome(folder / "samples" / "00000.npz").window(0, 65_536)
    donors, acceptors, reads = pair_reads(sample, True)
    supposed = np.array([7, int(donors[0])]), np.array([11, 13])
    more_donors, more_acceptors, more_reads = pair_reads(sample, True, supposed)
    assert more_donors.tolist() == sorted([7, *donors.tolist()])
    assert more_acceptors.tolist() == sorted([11, 13, *acceptors.tolist()])
    assert float(more_reads.sum()) == float(reads.sum())
    np.testing.assert_array_equal(more_reads[:, 1:, 2:], reads)


def test_interrupted_training_ends_as_if_it_had_not_been(folder, monkeypatch, tmp_path):
    monkeypatch.setattr(teaching_training, "FIRST_CHROMOSOMES", 2)
    monkeypatch.setattr(teaching_training, "MEASURED", 1)
    monkeypatch.setattr(teaching_training, "EVERY", 3)

    def plan(name: str) -> Plan:
        (tmp_path / name).mkdir(exist_ok=True)
        if not (tmp_path / name / "samples").exists():
            (tmp_path / name / "samples").symlink_to(folder / "samples")
        return Plan(
            tmp_path / name,
            torch.device("cpu"),
            stages=(Stage(3, 8_192), Stage(4, 16_384, paired=True)),
        )

    whole = train(plan("whole"), lambda _: None).state_dict()

    class Interrupted(Exception):
        pass

    def interrupt(_: str) -> None:
        raise Interrupted

    with pytest.raises(Interrupted):
        train(plan("parts"), interrupt)
    resumed = train(plan("parts"), lambda _: None).state_dict()
    for name, tensor in whole.items():
        torch.testing.assert_close(resumed[name], tensor, rtol=0.02, atol=1e-4)


def test_mutant_is_read_by_the_oracle_and_changes_matter(folder):
    sample = samples.Chromosome(folder / "samples" / "00000.npz").window(0, 32_768)
    before, after = mutant(sample, np.random.default_rng(1))
    np.testing.assert_array_equal(before.codes, sample.codes)
    changed = np.flatnonzero(before.codes != after.codes)
    assert 10 <= len(changed) <= 1.1 * 32_768 / CHANGED_ONE_IN
    names = [track.id for track in samples.base_tracks()]
    truth = oracle(decode(after.codes))
    for name in (names[0], names[-1]):
        np.testing.assert_allclose(after.bases[:, names.index(name)], truth.values[name], rtol=1e-6)
    np.testing.assert_array_equal(after.introns[:, 0], truth.junctions.starts)
    np.testing.assert_allclose(after.reads, truth.junctions.reads, rtol=1e-6)
    lost = set(map(tuple, before.introns)) - set(map(tuple, after.introns))
    assert lost  # somewhere an intron has no site any more
    opened = np.abs(np.log(after.bases[:, 0] / before.bases[:, 0]))
    near = (np.abs(np.arange(32_768)[:, None] - changed) < 500).any(1)
    assert opened[near].max() > 0.1  # somewhere chromatin opens or closes
    assert opened[~near].max() < 0.1 * opened[near].max()


def test_loss_of_changes_is_0_for_the_truth_and_1_for_no_change(folder):
    sample = samples.Chromosome(folder / "samples" / "00000.npz").window(65_536, 65_536)
    pair = mutant(sample, np.random.default_rng(2))
    usual_changes = measure_changes([pair])

    def outputs(*said: samples.Sample) -> Outputs:
        def logits(values: np.ndarray, tracks: tuple) -> torch.Tensor:
            n, wanted = n_fractions(tracks), targets(values, tracks)
            return torch.cat(
                [wanted[:, :n].clamp(5e-4, 0.999).logit(), (wanted[:, n:] + 1e-6).log()], dim=1
            )

        none = torch.zeros(2, 0)
        bases = torch.stack([logits(one.bases, samples.base_tracks()) for one in said])
        bins = torch.stack([logits(one.bins, samples.bin_tracks()) for one in said])
        return Outputs(bases, bins, none, none, none)

    right = change_losses(outputs(*pair), pair, usual_changes)
    same = change_losses(outputs(pair[0], pair[0]), pair, usual_changes)
    assert set(right) == {name for name in WEIGHTS if name.startswith("change")}
    for name in right:
        assert right[name] < 0.01
        assert same[name] == pytest.approx(1, abs=0.01)
