"""The spread over an ensemble of readings, of a network that counts letters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.genome.haplotype import Haplotype, Replacement
from app.inference.alleles import ENSEMBLE, Allele, Member
from app.inference.jobs import JobStatus
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.settings import Settings
from models.card import ModelCard, Track

from .helpers import random_sequence
from .test_predictions import bundle_of

WIDTH, CROP = 1024, 128
LENGTH = 5_000
SEQUENCE = random_sequence(LENGTH, seed=11)
#: Track name, strand, resolution, and the letter that it counts.
TRACKS = (("p", "+", 32, "G"), ("p", "-", 32, "C"), ("a", ".", 32, "A"), ("fine", ".", 1, "A"))


def track_id(name: str, strand: str) -> str:
    return f"counts/CAGE/{name}/{strand}"


LETTERS = {track_id(name, strand): letter for name, strand, _, letter in TRACKS}
CARD = ModelCard(
    id="counts",
    title="Counts",
    family="counts",
    paper="none",
    licence="Apache-2.0",
    genomes=("toy",),
    input_width=WIDTH,
    crop=CROP,
    validation="architecture only",
    weights=(),
    tracks=tuple(Track(track_id(n, s), "CAGE", n, s, res, "bases") for n, s, res, _ in TRACKS),
)


def counted(bases: str, letter: str, resolution: int) -> np.ndarray:
    """How often a letter stands in each bin."""
    is_it = np.frombuffer(bases.encode(), np.uint8) == ord(letter)
    return is_it.reshape(-1, resolution).sum(1).astype(np.float32)


class Counter:
    """Computes at once, in this process, whatever is asked for; may be told to wait."""

    def __init__(self) -> None:
        self.done: dict[str, dict[str, np.ndarray]] = {}
        self.closed = False

    def submit(self, request, sequence, family, priority=None, *, retry=False):
        if self.closed:
            return
        inner = sequence[CROP:-CROP]
        known = {track.id: track for track in CARD.tracks}
        self.done[request.id] = {
            name: counted(inner, LETTERS[name], known[name].resolution) for name in request.tracks
        }

    def status(self, ids):
        return {id_: JobStatus("done" if id_ in self.done else "lost") for id_ in ids}

    def result(self, id_):
        return self.done[id_]

    def workers(self):
        return []


@pytest.fixture
def counter() -> Counter:
    return Counter()


@pytest.fixture
def predictions(tmp_path: Path, counter: Counter) -> Predictions:
    settings = Settings(cache_dir=tmp_path / "cache")
    return Predictions(settings, counter, ResultStore(settings.cache_dir, 2**26))


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return bundle_of(tmp_path / "whole", {"c": SEQUENCE})


def spread(predictions: Predictions, bundle: Bundle, name: str, strand: str, where: Interval):
    (track,) = (one for one in CARD.tracks if (one.name, one.strand) == (name, strand))
    for _ in range(2):  # asked for, then collected
        predictions.ensure(CARD, bundle, where, [track], members=ENSEMBLE)
    low, high = predictions.spread(CARD, bundle, track, where)
    assert low.start == high.start
    return low.start, low.values, high.values


def expected(start: int, n: int, resolution: int, members) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation over (letter on the plus strand, offset), one pair a member."""
    padded = "N" * WIDTH + SEQUENCE + "N" * WIDTH
    rows = []
    for letter, offset in members:
        at = start + offset + WIDTH
        rows.append(counted(padded[at : at + n * resolution], letter, resolution))
    return np.mean(rows, 0), np.std(rows, 0, ddof=1)


@pytest.mark.parametrize("where", [(1_000, 3_000), (0, 500), (4_500, 4_992)])
def test_strands_are_swapped_and_flipped_so_that_only_the_offsets_differ(
    predictions, bundle, where
):
    for strand, letter in (("+", "G"), ("-", "C")):
        start, low, high = spread(predictions, bundle, "p", strand, Interval("c", *where))
        # Of the reverse complement the offset is counted on the plus strand, too.
        mean, sd = expected(start, len(low), 32, [(letter, o) for o in (0, -1, 1)] * 2)
        np.testing.assert_allclose((low + high) / 2, mean, atol=1e-5)
        np.testing.assert_allclose((high - low) / 2, sd, atol=1e-5)


def test_what_a_network_tells_differently_of_the_other_strand_is_its_spread(predictions, bundle):
    start, low, high = spread(predictions, bundle, "a", ".", Interval("c", 1_000, 3_000))
    members = [(letter, offset) for letter in "AT" for offset in (0, -1, 1)]
    mean, sd = expected(start, len(low), 32, members)
    np.testing.assert_allclose((low + high) / 2, mean, atol=1e-5)
    np.testing.assert_allclose((high - low) / 2, sd, atol=1e-5)


def test_bins_as_fine_as_the_offset_are_put_back_on_their_bases(predictions, bundle):
    start, low, high = spread(predictions, bundle, "fine", ".", Interval("c", 1_200, 1_300))
    mean, sd = expected(start, len(low), 1, [("A", 0)] * 3 + [("T", 0)] * 3)
    np.testing.assert_allclose((low + high) / 2, mean, atol=1e-6)
    np.testing.assert_allclose((high - low) / 2, sd, atol=1e-6)


def test_members_for_which_the_genome_lacks_the_flanks_are_left_out(predictions, tmp_path):
    piece = bundle_of(tmp_path / "piece", {"c:1001-2024": SEQUENCE[1_000:2_024]})
    start, low, high = spread(predictions, piece, "a", ".", Interval("c", 1_000, 2_024))
    inside = slice((1_128 - start) // 32, (1_896 - start) // 32)
    mean, sd = expected(1_128, 24, 32, [("A", 0), ("T", 0)])
    np.testing.assert_allclose(((low + high) / 2)[inside], mean, atol=1e-5)
    np.testing.assert_allclose(((high - low) / 2)[inside], sd, atol=1e-5)
    assert np.isnan(low[: inside.start]).all()


@pytest.mark.parametrize(
    ("ref", "alt"), [("", "GGGGGGGG"), (SEQUENCE[2_000:2_003], ""), (SEQUENCE[2_000:2_002], "AG")]
)
def test_edits_have_a_band_for_either_allele_and_one_for_their_difference(
    predictions, bundle, ref, alt
):
    """One base a bin, so that each reading of the alternate can be counted in the edited string."""
    edits = Haplotype("c", (Replacement(2_000, 2_000 + len(ref), alt),))
    (track,) = (one for one in CARD.tracks if one.name == "fine")
    where = Interval("c", 1_950, 2_050)
    for _ in range(2):
        predictions.ensure(CARD, bundle, where, [track], haplotype=edits, members=ENSEMBLE)
    # Where the bases of the reference are in the alternate; None for those that are gone.
    edited = SEQUENCE[:2_000] + alt + SEQUENCE[2_000 + len(ref) :]
    kept = min(len(ref), len(alt))
    moved = len(alt) - len(ref)
    places = [
        at if at < 2_000 + kept else None if at < 2_000 + len(ref) else at + moved
        for at in range(1_950, 2_050)
    ]

    def letters(text: str, letter: str, at: list[int | None]) -> np.ndarray:
        return np.array([np.nan if p is None else float(text[p] == letter) for p in at])

    plain = list(range(1_950, 2_050))
    # What is read of the reverse complement as A is a T here; an offset changes no single base.
    reference = np.stack([letters(SEQUENCE, one, plain) for one in "AAATTT"])
    alternate = np.stack([letters(edited, one, places) for one in "AAATTT"])
    for sequences, members in (
        ([Allele(edits)], reference),
        ([Allele(edits, alternate=True)], alternate),
        ([Allele(edits, alternate=True), Allele(edits)], alternate - reference),
    ):
        low, high = predictions.spread(CARD, bundle, track, where, *sequences)
        assert low.start == 1_950
        mean, sd = members.mean(0), members.std(0, ddof=1)
        np.testing.assert_allclose((low.values + high.values) / 2, mean, atol=1e-6)
        np.testing.assert_allclose((high.values - low.values) / 2, sd, atol=1e-6)


def test_there_is_no_band_while_a_member_is_missing(predictions, bundle, counter):
    where = Interval("c", 1_000, 1_500)
    track = CARD.tracks[0]
    for _ in range(2):
        predictions.ensure(CARD, bundle, where, [track])
    counter.closed = True
    progress = predictions.ensure(CARD, bundle, where, [track], members=ENSEMBLE)
    assert not progress.finished
    assert np.isfinite(predictions.values(CARD, bundle, track, where).values).all()
    low, high = predictions.spread(CARD, bundle, track, where)
    assert np.isnan(low.values).all()
    assert np.isnan(high.values).all()


def test_the_reverse_complement_of_an_offset_window_is_read(bundle):
    (window,) = Allele().grid(CARD, bundle.reference).windows(Interval("c", 1_100, 1_101))
    plain = Allele().sequence(window, bundle.reference)
    start = window.interval.start
    assert Allele(member=Member(1)).sequence(window, bundle.reference) == (
        SEQUENCE[start + 1 : start + 1 + WIDTH]
        if start >= 0
        else plain[1:] + SEQUENCE[start + WIDTH]
    )
    pairs = str.maketrans("ACGTN", "TGCAN")
    other = Allele(member=Member(0, reverse=True)).sequence(window, bundle.reference)
    assert other == plain.translate(pairs)[::-1]
