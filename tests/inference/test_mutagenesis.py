"""In silico mutagenesis against a network whose answer is known, and through broker and worker."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from alphagenome.data.genome import Interval
from tangermeme.ersatz import dinucleotide_shuffle

from app.errors import BadInputError, ComputationError, LimitError
from app.genome.haplotype import Haplotype, Replacement
from app.inference.alleles import Allele
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine, one_hot
from app.inference.explanations import SHUFFLES, Explanations
from app.inference.jobs import Jobs
from app.inference.mutagenesis import (
    Effects,
    Mutagenesis,
    Target,
    chunks,
    default_score,
    located,
    readout_of,
)
from app.inference.requests import AttributionRequest, Readout, sequence_sha256
from app.inference.store import ResultStore
from app.inference.windows import Window
from app.settings import Settings
from models.card import ModelCard, Track

from .helpers import WorkerProcess, fasta, random_sequence, until, write_files

WIDTH, CROP = 1024, 256
#: A matrix without symmetry; what fits best scores 2 + 3 + 1 + 2.5 + 4 + 1.5 = 14.
MATRIX = np.array(
    [
        [2, -1, -1, -2],
        [-3, 3, 0, -1],
        [-1, -2, 1, 0],
        [0.5, -2, -1, 2.5],
        [-4, -4, 4, -3],
        [1.5, -1, -0.5, 0],
    ],
    np.float32,
)
BEST = "ACGTGA"


@pytest.fixture(scope="module")
def pwm(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine that has the matrix as a model, in bins of 16 bp and of 1 bp."""
    folder = tmp_path_factory.mktemp("weights") / "pwm"
    tracks = [("CHIP_TF", name, size, "fit") for name, size in (("best", 16), ("fine", 1))]
    write_files(folder, "pwm", "pwm", (WIDTH, CROP), {"matrix": MATRIX}, tracks)
    cache = tmp_path_factory.mktemp("cache")
    return Engine(Settings(weights=str(folder.parent), cache_dir=cache, device="cpu"))


@pytest.fixture
def mutagenesis(pwm: Engine, tmp_path: Path) -> Mutagenesis:
    return Mutagenesis(InProcessJobs(pwm), ResultStore(tmp_path / "results", 10**8))


def planted(at: int, seed: int = 3) -> str:
    """A sequence without any other fit above 5 that has the best one at an offset."""
    bases = list(random_sequence(WIDTH, seed))
    bases[at : at + len(BEST)] = BEST
    return "".join(bases)


def number(sequence: str, windows: list[tuple[int, int]], resolution: int) -> np.ndarray:
    """The bins of windows of the output, from the matrix and the letters alone."""
    codes = ["ACGT".find(base) for base in sequence]
    fits = [
        max(0.0, sum(MATRIX[k, codes[i + k]] for k in range(len(BEST)) if codes[i + k] >= 0))
        for i in range(WIDTH - len(BEST) + 1)
    ]
    return np.array(
        [
            max(fits[CROP + left : CROP + left + resolution])
            for start, end in windows
            for left in range(start, end, resolution)
        ]
    )


def score(sequence: str, target: Target, resolution: int) -> float:
    bins = number(sequence, list(target.readout.windows), resolution)
    if target.readout.score == "lfc":
        return math.log(bins.mean() + 0.001)
    return float(bins.sum())


def compute(mutagenesis: Mutagenesis, target: Target) -> Effects:
    for _ in range(100):
        effects = mutagenesis.ensure(target)
        assert effects.error == ""
        if effects.complete:
            return effects
    raise AssertionError(effects)


def target_of(pwm: Engine, sequence: str, start: int, end: int, **change: object) -> Target:
    readout = {"track": "pwm/CHIP_TF/best/.", "windows": ((160, 352),), "score": "lfc"} | change
    return Target(pwm.cards["pwm"], sequence, start, end, Readout(**readout))


@pytest.mark.parametrize("score_", ["lfc", "difference"])
@pytest.mark.parametrize(("track", "resolution"), [("best", 16), ("fine", 1)])
def test_effects_are_those_of_a_plain_loop(pwm, mutagenesis, score_, track, resolution):
    sequence = planted(500)
    windows = ((160, 192), (240, 352))
    target = target_of(
        pwm, sequence, 490, 515, track=f"pwm/CHIP_TF/{track}/.", score=score_, windows=windows
    )
    effects = compute(mutagenesis, target)
    reference = score(sequence, target, resolution)
    for row, position in enumerate(range(490, 515)):
        for column, base in enumerate("ACGT"):
            changed = sequence[:position] + base + sequence[position + 1 :]
            wanted = score(changed, target, resolution) - reference
            assert effects.values[row, column] == pytest.approx(wanted, abs=2e-6)
    bins = number(sequence, list(windows), resolution)
    wanted = bins.mean() if score_ == "lfc" else bins.sum()
    assert effects.value == pytest.approx(wanted, rel=1e-6)


def test_planted_matrix_gives_its_own_logo(pwm, mutagenesis):
    """In the bin of the best fit each change costs what the matrix says, the rest nothing."""
    at = CROP + 164  # well inside the bin from 160 on
    target = target_of(pwm, planted(at), at - 4, at + 10, windows=((160, 176),), score="difference")
    effects = compute(mutagenesis, target)
    best = ["ACGT".index(base) for base in BEST]
    wanted = MATRIX - MATRIX[np.arange(6), best][:, None]
    np.testing.assert_allclose(effects.values[4:10], wanted, atol=1e-5)
    assert effects.value == pytest.approx(14)
    contribution = effects.contributions(target.bases)
    np.testing.assert_allclose(contribution[4:10], -wanted.sum(1) / 3, atol=1e-5)
    np.testing.assert_allclose(contribution[[0, 1, 2, 3, 10, 11, 12, 13]], 0, atol=1e-5)


def test_gradient_is_that_of_the_matrix_without_its_mean(pwm):
    at = CROP + 164
    sequence = planted(at)
    readout = target_of(pwm, sequence, 0, 1, windows=((160, 176),), score="difference").readout
    request = AttributionRequest(
        "pwm", pwm.cards["pwm"].weights_hash, sequence_sha256(sequence), readout, at - 2, at + 8,
        "gradient",
    )  # fmt: skip
    found = pwm.compute(request, sequence)
    wanted = MATRIX - MATRIX.mean(1, keepdims=True)
    np.testing.assert_allclose(found["attribution"][2:8], wanted, atol=1e-6)
    assert not found["attribution"][[0, 1, 8, 9]].any()
    assert found["value"] == pytest.approx([14])


def deep_lift_of(engine, sequence, score, shuffle, track="pwm/CHIP_TF/fine/.") -> dict:
    readout = Readout(track, ((96, 144), (160, 208)), score)
    request = AttributionRequest(
        "pwm", engine.cards["pwm"].weights_hash, sequence_sha256(sequence), readout,
        CROP + 90, CROP + 190, "deeplift", shuffle,
    )  # fmt: skip
    return engine.compute(request, sequence)


def fits_of(letters: np.ndarray) -> np.ndarray:
    """How well each place fits the matrix, below 0 too; ``letters`` is one-hot."""
    windows = np.lib.stride_tricks.sliding_window_view(letters, (len(MATRIX), 4))[:, 0]
    return (windows * MATRIX).sum((1, 2))


@pytest.mark.parametrize("score_", ["lfc", "difference"])
def test_deeplift_is_the_rescale_rule(pwm, score_):
    """The chord of ReLU between a sequence and its shuffle, by numpy; unknown bases add nothing."""
    sequence = planted(CROP + 164)
    sequence = sequence[:310] + "NNN" + sequence[313:]
    here = one_hot(sequence)[0].numpy().astype(np.float64)
    known = here.any(1)
    for shuffle in (0, 7):
        found = deep_lift_of(pwm, sequence, score_, shuffle)
        there = here.copy()
        bases = torch.from_numpy(here[known].T[None])
        there[known] = dinucleotide_shuffle(bases, n=1, random_state=shuffle)[0, 0].T.numpy()
        assert (there[known] != here[known]).any()
        z, z0 = fits_of(here), fits_of(there)
        chord = np.where(
            np.isclose(z, z0), z > 0, (np.maximum(z, 0) - np.maximum(z0, 0)) / (z - z0 + (z == z0))
        )
        read = np.zeros(len(z))
        read[CROP + 96 : CROP + 144] = read[CROP + 160 : CROP + 208] = 1
        slope = np.zeros((WIDTH, 4))
        for k, row in enumerate(MATRIX):
            slope[k : k + len(z)] += (read * chord)[:, None] * row
        wanted = slope - (slope * there).sum(1, keepdims=True)
        value, before = ((np.maximum(x, 0) * read).sum() for x in (z, z0))
        if score_ == "lfc":
            value, before = value / 96, before / 96
            wanted *= (math.log(value + 0.001) - math.log(before + 0.001)) / (value - before) / 96
        at = slice(CROP + 90, CROP + 190)
        np.testing.assert_allclose(
            found["attribution"][known[at]], wanted[at][known[at]], atol=2e-5
        )
        assert found["value"] == pytest.approx([value], rel=1e-5)


def test_deeplift_of_a_layer_without_rule_is_refused(pwm):
    """The highest of 16 places is not linear: what does not sum up is not shown."""
    with pytest.raises(ComputationError, match="do not sum up"):
        deep_lift_of(pwm, planted(CROP + 184), "difference", 0, "pwm/CHIP_TF/best/.")


def test_deeplift_is_the_mean_of_its_comparisons(pwm, tmp_path: Path):
    sequence = planted(CROP + 164)
    target = target_of(
        pwm, sequence, CROP + 150, CROP + 190, windows=((96, 144), (160, 208)),
        score="difference", track="pwm/CHIP_TF/fine/.",
    )  # fmt: skip
    explanations = Explanations(InProcessJobs(pwm), ResultStore(tmp_path, 10**8))
    answers = [explanations.attributions(target, "deeplift") for _ in range(2 * SHUFFLES)]
    messages = [one.message for one in answers if one.arrays is not None]
    assert f"of {SHUFFLES} comparisons" in messages[0]
    assert messages[-1] == ""
    singles = [deep_lift_of(pwm, sequence, "difference", k) for k in range(SHUFFLES)]
    wanted = np.mean([one["attribution"][60:] for one in singles], axis=0)
    np.testing.assert_allclose(answers[-1].arrays["attribution"], wanted, atol=1e-6)


def test_unknown_bases_have_no_value_and_known_ones_beside_them_do(pwm, mutagenesis):
    sequence = planted(500)
    sequence = f"{sequence[:497]}NN{sequence[499:]}"
    effects = compute(mutagenesis, target_of(pwm, sequence, 495, 503))
    assert np.isnan(effects.values).all(axis=1).tolist() == [False, False, True, True] + [False] * 4
    assert (effects.done, effects.total) == (6, 6)
    assert np.isnan(effects.contributions(sequence[495:503])[2])


def test_first_and_last_base_of_the_sequence_can_be_changed(pwm, mutagenesis):
    sequence = planted(0)
    for start, end in ((0, 3), (WIDTH - 2, WIDTH)):
        effects = compute(mutagenesis, target_of(pwm, sequence, start, end))
        assert not effects.values.any()  # too far from the read-out to matter


@pytest.mark.parametrize(
    ("start", "end", "error", "says"),
    [
        (100, 601, LimitError, "takes 500 bp at most, not 501"),
        (-1, 5, BadInputError, "outside the 1,024 bp that Pwm reads"),
        (1020, 1025, BadInputError, "outside the 1,024 bp"),
        (5, 5, BadInputError, "outside"),
        (30, 40, BadInputError, "reads N"),
    ],
)
def test_what_cannot_be_mutated_is_refused_in_words(pwm, start, end, error, says):
    sequence = planted(500)
    sequence = f"{sequence[:30]}{'N' * 10}{sequence[40:]}"
    with pytest.raises(error, match=says):
        target_of(pwm, sequence, start, end)


def test_coarse_comes_before_fine():
    """Every eighth base of the whole stretch is asked for before any base between."""
    order = chunks(range(100, 300))
    assert sorted(p for chunk in order for p in chunk) == list(range(100, 300))
    first = [p for chunk in order for p in chunk][:25]
    assert first == list(range(104, 300, 8))
    assert [p for chunk in order for p in chunk][25:50] == list(range(100, 300, 8))
    assert max(len(chunk) for chunk in order) == 4


def test_overlapping_intervals_share_their_jobs():
    assert set(chunks(range(128, 256))) <= set(chunks(range(64, 320)))


def test_widening_computes_only_new_bases(pwm, mutagenesis, monkeypatch):
    asked: list[int] = []
    compute_ = pwm.compute

    def note(request, *rest):
        asked.extend(request.positions)
        return compute_(request, *rest)

    monkeypatch.setattr(pwm, "compute", note)
    sequence = planted(500)
    narrow = compute(mutagenesis, target_of(pwm, sequence, 480, 520))
    assert sorted(asked) == list(range(480, 520))
    asked.clear()
    wide = compute(mutagenesis, target_of(pwm, sequence, 470, 530))
    assert sorted(asked) == [*range(470, 480), *range(520, 530)]
    np.testing.assert_array_equal(wide.values[10:50], narrow.values)
    asked.clear()
    compute(mutagenesis, target_of(pwm, sequence, 470, 530, score="difference"))
    assert sorted(asked) == list(range(470, 530))  # another read-out is another question


def test_window_stays_around_the_read_out_and_on_the_chromosome(pwm, tmp_path):
    card = pwm.cards["pwm"]
    track = card.tracks[0]
    bases = random_sequence(3_000, seed=9)
    reference = fasta(tmp_path / "r.fa", {"c": bases})
    for start, masks in ((1500, [(1400, 1600)]), (3, [(0, 20)]), (2_990, [(2_980, 3_000)])):
        interval = Interval("c", start, start + 5)
        found = located(card, reference, interval, track, masks, "lfc")
        target, window = found.target, found.window
        assert target.bases == bases[start : start + 5]
        assert found.places == tuple(range(start, start + 5))
        low = window.output.start + target.readout.windows[0][0]
        high = window.output.start + target.readout.windows[-1][1]
        assert low <= masks[0][0] < low + 16
        assert high - 16 < masks[0][1] <= high
        assert low % 16 == high % 16 == 0  # the bins are those of the page
    wider = located(card, reference, Interval("c", 2_900, 3_000), track, masks, "lfc")
    assert wider.target.sequence == target.sequence
    assert wider.target.bases == bases[2_900:]  # to the last base of the chromosome
    with pytest.raises(BadInputError, match="not all of the read-out c:1-600"):
        located(card, reference, Interval("c", 5, 10), track, [(0, 600)], "lfc")
    short = fasta(tmp_path / "s.fa", {"c:2-300": bases[1:300]})
    with pytest.raises(BadInputError, match=r"reads 1,024 bp at once, and this genome has less"):
        located(card, short, Interval("c", 50, 60), track, [(50, 60)], "lfc")


@pytest.mark.parametrize(
    ("replacement", "changed"),
    [
        (Replacement(1502, 1503, "T"), "substitution"),
        (Replacement(1502, 1504, ""), "deletion"),
        (Replacement(1502, 1502, "ACGTG"), "insertion"),
        (Replacement(1400, 1430, "A"), "deletion far to the left"),
        (Replacement(1498, 1501, ""), "deletion over the first base"),
    ],
)
def test_alternate_is_what_edits_make_of_the_bases(pwm, tmp_path, replacement, changed):
    """Bases, places and read-out against the two chromosomes written out in full."""
    card, track = pwm.cards["pwm"], pwm.cards["pwm"].tracks[1]
    bases = random_sequence(3_000, seed=9)
    reference = fasta(tmp_path / "r.fa", {"c": bases})
    edits = Haplotype("c", (replacement,))
    whole = bases[: replacement.start] + replacement.alternate + bases[replacement.end :]
    alternate = Allele(edits, alternate=True)
    where, masks = Interval("c", 1500, 1508), [(1520, 1530)]
    found = located(card, reference, where, track, masks, "lfc", alternate)
    lost = sum(1 for at in range(1500, 1508) if replacement.start <= at < replacement.end)
    lost = 0 if changed == "substitution" else lost
    gained = len(replacement.alternate) if changed == "insertion" else 0
    assert len(found.target.bases) == 8 - lost + gained
    start = 1500 + (replacement.shift if replacement.end <= 1500 else 0)
    start -= max(0, 1500 - replacement.start) if changed == "deletion over the first base" else 0
    assert found.target.bases == whole[start : start + 8 - lost + gained]
    assert found.places.count(None) == gained
    known = [at for at in found.places if at is not None]
    assert known == sorted(known)
    for base, at in zip(found.target.bases, found.places, strict=True):
        if at is not None and at != replacement.start:
            assert base == bases[at]
    ((low, high),) = found.target.readout.windows
    read = found.target.sequence[CROP + low : CROP + high]
    assert read == bases[1520:1530]  # the mask follows its bases


def test_region_that_is_deleted_is_refused(pwm, tmp_path):
    card, track = pwm.cards["pwm"], pwm.cards["pwm"].tracks[1]
    reference = fasta(tmp_path / "r.fa", {"c": random_sequence(3_000, seed=9)})
    alternate = Allele(Haplotype("c", (Replacement(1490, 1510, ""),)), alternate=True)
    with pytest.raises(BadInputError, match="The edits delete all of it"):
        located(card, reference, Interval("c", 1500, 1508), track, [(1600, 1700)], "lfc", alternate)


def test_contacts_are_read_across_the_middle_of_one_interval():
    track = Track("m/CONTACT_MAPS/x/.", "CONTACT_MAPS", "x", ".", 100, "contacts")
    window = Window(Interval("c", 0, 3_000), Interval("c", 1_000, 2_000), Interval("c", 0, 3_000))
    found = readout_of(track, window, [(1_250, 1_651)], "lfc")
    assert found == Readout(track.id, ((200, 700),), "lfc")
    for masks in ([(1_210, 1_290)], [(1_000, 1_300), (1_500, 1_900)]):
        with pytest.raises(BadInputError, match="at least two bins"):
            readout_of(track, window, masks, "lfc")


def test_junction_is_read_out_at_the_very_intron():
    track = Track("m/SPLICE_JUNCTIONS/x/+", "SPLICE_JUNCTIONS", "x", "+", 1, "reads")
    window = Window(Interval("c", 0, 3_000), Interval("c", 1_000, 2_000), Interval("c", 0, 3_000))
    found = readout_of(track, window, [(1_250, 1_651)], "lfc")
    assert found == Readout(track.id, ((250, 651),), "lfc")
    with pytest.raises(BadInputError, match="one at a time"):
        readout_of(track, window, [(1_000, 1_300), (1_500, 1_900)], "lfc")
    with pytest.raises(BadInputError, match="not all of the read-out c:1,901-2,001"):
        readout_of(track, window, [(1_900, 2_001)], "lfc")


def test_probabilities_are_told_by_their_difference():
    def track(modality: str) -> Track:
        return Track(f"m/{modality}/a/.", modality, "a", ".", 1, "u")

    assert default_score(track("SPLICE_SITES")) == "difference"
    assert default_score(track("DNASE")) == "lfc"


@pytest.fixture
def asking(settings: Settings, jobs: Jobs, card: ModelCard) -> tuple[Mutagenesis, Target]:
    """200 bp of the toy, which is slow if told to, read out over all its output."""
    sequence = random_sequence(card.input_width, seed=2)
    readout = Readout("toy/CAGE/gc/.", ((0, 2048),), "difference")
    store = ResultStore(settings.cache_dir / "results", settings.cache_bytes)
    return Mutagenesis(jobs, store), Target(card, sequence, 2000, 2200, readout)


def test_effects_stream_in_and_stop_when_nobody_asks(worker: WorkerProcess, asking, jobs) -> None:
    mutagenesis, target = asking
    worker.behave("slow 0.02")
    effects = until(lambda: (e := mutagenesis.ensure(target)).done and e, seconds=120)
    assert 0 < effects.done < 200
    assert "of 200 bases" in effects.message
    until(lambda: (e := mutagenesis.ensure(target)).eta_seconds is not None and e)
    time.sleep(5)  # nobody asks
    calls = worker.begun
    time.sleep(1)
    assert worker.begun == calls
    assert jobs.waiting("toy") == 0
    worker.behave("fine")
    done = until(lambda: (e := mutagenesis.ensure(target)).complete and e)
    assert (done.message, done.error) == ("", "")
    gc = np.isin(list("ACGT"), list("GC")).astype(float)
    present = np.isin(list(target.bases), list("GC")).astype(float)
    # One base of a bin of 32 bp counts for 1/32; within the output each counts once.
    inside = (np.arange(2000, 2200) >= 1024) & (np.arange(2000, 2200) < 3072)
    wanted = (gc[None] - present[:, None]) / 32 * inside[:, None]
    np.testing.assert_allclose(done.values, wanted, atol=1e-5)


def test_failure_is_told_and_can_be_retried(worker: WorkerProcess, asking) -> None:
    mutagenesis, target = asking
    worker.behave("raise")
    until(lambda: "the toy is broken" in mutagenesis.ensure(target).error, seconds=120)
    worker.behave("fine")
    until(lambda: (e := mutagenesis.ensure(target, retry=True)).complete and e)


def test_no_worker_is_said(asking, broker) -> None:
    mutagenesis, target = asking
    mutagenesis.ensure(target)
    assert "No worker is running for Toy" in mutagenesis.ensure(target).error
