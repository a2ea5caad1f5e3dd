"""Alternate values in their places, checked by counting letters of a sequence edited by hand."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.genome.haplotype import Haplotype, Replacement
from app.inference.alleles import REFERENCE, Allele
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine
from app.inference.pairs import contacts, junctions
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.inference.stored import Span
from app.inference.windows import WindowGrid
from app.settings import Settings
from models import registry
from models.card import ModelCard, Track

from .helpers import write_model
from .test_predictions import bundle_of

LENGTH = 20_010
#: Input 4,096 bp, output 2,048 bp: a chromosome of 20,010 bp has about ten windows.
WIDTH, CROP = 4_096, 1_024


class Scene:
    """A chromosome of A with C at planted places, and the toy, which counts G and C in each bin."""

    def __init__(
        self,
        folder: Path,
        monkeypatch: pytest.MonkeyPatch,
        tracks: tuple[tuple[str, int], ...] = (("base", 1), ("gc", 32), ("coarse", 128)),
    ) -> None:
        write_model(folder / "weights" / "toy", WIDTH, CROP, tracks)
        (folder / "toy").mkdir()
        (folder / "toy" / "behaviour").write_text("fine")
        monkeypatch.setenv("LOCUSCOPE_TOY", str(folder / "toy"))
        settings = Settings(weights=str(folder / "weights"), cache_dir=folder / "cache")
        self.card: ModelCard = registry.cards(settings.weights_dirs)["toy"]
        self.jobs = InProcessJobs(Engine(settings))
        self.predictions = Predictions(settings, self.jobs, ResultStore(folder / "c", 2**26))
        self.folder = folder

    def genome(self, letters: str, name: str = "c") -> Bundle:
        return bundle_of(self.folder / f"genome-{random.random()}", {name: letters})

    @property
    def tracks(self) -> dict[str, Track]:
        return {t.name: t for t in self.card.tracks}

    def both(
        self, bundle: Bundle, edits: Haplotype, name: str, start: int = 0, end: int = LENGTH
    ) -> tuple[np.ndarray, np.ndarray, int]:
        where, track = Interval("c", start, end), self.tracks[name]
        for _ in range(2):  # computes, then stores
            progress = self.predictions.ensure(self.card, bundle, where, [track], haplotype=edits)
        assert progress.finished, progress
        got = [
            self.predictions.values(self.card, bundle, track, where, Allele(edits, alternate))
            for alternate in (False, True)
        ]
        assert got[0].start == got[1].start
        return got[0].values, got[1].values, got[0].start


@pytest.fixture
def scene(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(tmp_path, monkeypatch)


def aligned_by_hand(letters: str, edits: Haplotype) -> tuple[str, np.ndarray]:
    """Returns the edited chromosome, and for each reference base where it is in it, or -1."""
    made, place = [], np.full(len(letters), -1)
    at = 0
    for one in edits.replacements:
        for i in range(at, one.start):
            place[i] = len(made)
            made.append(letters[i])
        for i, letter in enumerate(one.alternate):
            if one.start + i < one.end:
                place[one.start + i] = len(made)
            made.append(letter)
        at = one.end
    for i in range(at, len(letters)):
        place[i] = len(made)
        made.append(letters[i])
    return "".join(made), place


def expected(letters: str, edits: Haplotype, start: int, n: int, res: int) -> np.ndarray:
    """The value of each reference bin in the alternate.

    A bin is read where most of its bases have gone, of equally many where the first of them have.
    """
    made, place = aligned_by_hand(letters, edits)
    values = np.full(n, np.nan)
    for i in range(n):
        low = start + i * res
        shifts = [place[x] - x for x in range(low, min(low + res, len(letters))) if place[x] >= 0]
        if not shifts:
            continue
        at = low + max(dict.fromkeys(shifts), key=shifts.count)
        inside = made[max(at, 0) : at + res]
        if set(inside) - {"N"}:
            values[i] = sum(letter in "GC" for letter in inside) / res
    return values


def planted(*places: int) -> str:
    letters = np.full(LENGTH, "A")
    letters[list(places)] = "C"
    return "".join(letters)


EDITS = {
    "substitution": [Replacement(9_000, 9_001, "G")],
    "one base more": [Replacement(9_001, 9_001, "G")],
    "one base less": [Replacement(9_001, 9_002, "")],
    "insertion of a whole bin": [Replacement(9_024, 9_024, "G" * 32)],
    "insertion at a bin's edge": [Replacement(9_024, 9_024, "GAGAG")],
    "deletion over bin edges": [Replacement(9_010, 9_175, "")],
    "deletion of whole bins": [Replacement(8_960, 9_088, "")],
    "longer than an output": [Replacement(7_000, 10_000, "")],
    "insertion longer than an input": [Replacement(9_000, 9_000, "GA" * 2_500)],
    "replacement by more": [Replacement(9_000, 9_010, "CCCCCCCCCCCCC")],
    "replacement by less": [Replacement(9_000, 9_010, "CCC")],
    "inversion": [Replacement(9_000, 9_040, "T" * 39 + "G")],
    "at the start": [Replacement(0, 3, "")],
    "before the first base": [Replacement(0, 0, "GGGG")],
    "at the end": [Replacement(LENGTH - 2, LENGTH, "")],
    "after the last base": [Replacement(LENGTH, LENGTH, "GGGG")],
    "in one bin": [Replacement(9_002, 9_003, ""), Replacement(9_006, 9_006, "GG")],
    "side by side": [Replacement(9_000, 9_050, ""), Replacement(9_050, 9_050, "GG")],
    "far apart": [Replacement(3_000, 3_005, ""), Replacement(15_000, 15_000, "CCCCCCC")],
}  # fmt: skip


@pytest.mark.parametrize("name", ["base", "gc", "coarse"])
@pytest.mark.parametrize("case", EDITS)
def test_every_base_is_found_where_the_reference_has_it(scene: Scene, case: str, name: str) -> None:
    """Planted at bin and window edges, beside the edits and at both ends of the chromosome."""
    edits = Haplotype("c", tuple(EDITS[case]))
    grid = WindowGrid(scene.card, scene.genome(planted()).reference, edits.middle)
    borders = [w.use.start for w in grid.windows(Interval("c", 0, LENGTH))]
    near = [p + d for r in edits.replacements for p in (r.start, r.end) for d in (-33, -2, -1, 1)]
    places = {0, 31, 32, LENGTH - 1, *borders, *(b - 1 for b in borders[1:]), *near}
    letters = planted(*(p for p in places if 0 <= p < LENGTH))
    reference, alternate, start = scene.both(scene.genome(letters), edits, name)
    res = scene.tracks[name].resolution
    same = Haplotype("c", (Replacement(0, 0, ""),))
    np.testing.assert_allclose(
        reference, expected(letters, same, start, len(reference), res), atol=1e-6
    )
    np.testing.assert_allclose(
        alternate, expected(letters, edits, start, len(alternate), res), atol=1e-6
    )


def random_replacement(start: int, limit: int, rng: random.Random) -> Replacement:
    end = rng.choice([start, min(limit, start + 40)])
    return Replacement(start, end, "".join(rng.choices("ACGT", k=rng.randint(1, 9))))


def test_random_haplotypes_in_random_sequence(scene: Scene) -> None:
    rng = random.Random(3)
    letters = "".join(rng.choices("ACGTN", [5, 5, 5, 5, 0.2], k=LENGTH))
    bundle = scene.genome(letters)
    for _ in range(4):
        points = sorted(rng.sample(range(7_000, 12_000), 6))
        pairs = zip(points[::2], points[1::2], strict=True)
        edits = Haplotype("c", tuple(random_replacement(*pair, rng) for pair in pairs))
        for name in ("base", "coarse"):
            _, alternate, start = scene.both(bundle, edits, name, 6_000, 13_000)
            res = scene.tracks[name].resolution
            np.testing.assert_allclose(
                alternate, expected(letters, edits, start, len(alternate), res), atol=1e-6
            )


def test_inserted_bases_are_kept_beside_their_place(scene: Scene) -> None:
    edits = Haplotype("c", (Replacement(8_000, 8_005, ""), Replacement(9_001, 9_001, "GGAAC")))
    bundle = scene.genome(planted())
    scene.both(bundle, edits, "base")
    where, allele = Interval("c", 8_500, 9_500), Allele(edits, alternate=True)
    ((one, bins),) = scene.predictions.inserted(
        scene.card, bundle, scene.tracks["base"], where, allele
    )
    assert (one.at, one.start, one.length, bins.start) == (9_001, 8_996, 5, 8_996)
    assert bins.values.tolist() == [1, 1, 0, 0, 1]


def test_both_alleles_are_read_with_the_edit_in_the_middle(scene: Scene) -> None:
    for at in (6_000, 9_000, 11_111):
        bundle = scene.genome(planted())
        grid = WindowGrid(scene.card, bundle.reference, at)
        (window,) = grid.windows(Interval("c", at, at + 1))
        middle = (window.interval.start + window.interval.end) / 2
        assert abs(middle - at) <= grid.phase / 2
        assert window.output.start % grid.phase == 0, "bins stay where they are"


def test_windows_around_an_edit_share_no_bin_and_leave_none_out(scene: Scene) -> None:
    bundle = scene.genome(planted())
    for at in range(0, LENGTH, 777):
        windows = WindowGrid(scene.card, bundle.reference, at).windows(Interval("c", 0, LENGTH))
        edges = [w.use.start for w in windows] + [windows[-1].use.end]
        assert edges == sorted(set(edges))
        assert edges[0] == 0
        assert edges[-1] >= LENGTH
        assert all(a.use.end == b.use.start for a, b in itertools.pairwise(windows))
        assert all(w.output.start <= w.use.start < w.use.end <= w.output.end for w in windows)


def test_flanks_are_real_wherever_there_is_sequence(scene: Scene) -> None:
    """No N is read but beyond the ends of the chromosome."""
    bundle = scene.genome(planted())
    edits = Haplotype("c", (Replacement(9_000, 9_500, ""),))
    allele = Allele(edits, alternate=True)
    for window in allele.grid(scene.card, bundle.reference).windows(Interval("c", 0, LENGTH)):
        for shift in edits.shifts(window.use.start, window.use.end):
            letters = allele.sequence(window, bundle.reference, shift)
            assert len(letters) == WIDTH
            beyond = max(0, -(window.interval.start + shift))
            beyond += max(0, window.interval.end + shift - (LENGTH - 500))
            assert letters.count("N") == beyond


def test_windows_without_an_edit_in_reach_are_computed_once(scene: Scene) -> None:
    bundle = scene.genome(planted(5, 500, 5_000))
    edits = Haplotype("c", (Replacement(9_000, 9_001, "G"),))
    scene.both(bundle, edits, "gc")
    calls = (scene.folder / "toy" / "calls").read_text().count("begin")
    windows = WindowGrid(scene.card, bundle.reference, edits.middle).windows(
        Interval("c", 0, LENGTH)
    )
    touched = sum(w.interval.start <= 9_000 < w.interval.end for w in windows)
    assert 0 < touched < len(windows)
    distinct = {REFERENCE.sequence(w, bundle.reference) for w in windows}
    assert calls == len(distinct) + touched


def test_deletion_near_the_end_of_a_piece_needs_flank_that_is_not_there(scene: Scene) -> None:
    piece = planted()[:WIDTH]
    bundle = scene.genome(piece, f"c:1001-{1000 + WIDTH}")
    where = Interval("c", 1_000, 1_000 + WIDTH)
    track = scene.tracks["gc"]
    for edits, states in (
        (Haplotype("c", (Replacement(3_000, 3_001, "G"),)), set()),
        (Haplotype("c", (Replacement(3_000, 3_000, "GGG"),)), set()),
        (Haplotype("c", (Replacement(3_000, 3_010, ""),)), {"unavailable"}),
    ):
        for _ in range(2):
            progress = scene.predictions.ensure(scene.card, bundle, where, [track], haplotype=edits)
        assert progress.finished
        inside = Interval("c", 1_000 + CROP, 1_000 + WIDTH - CROP)
        spans = scene.predictions.spans(
            scene.card, bundle, track, inside, Allele(edits, alternate=True)
        )
        assert {span.state for span in spans} == states


def test_deleted_bins_are_said_to_be_deleted(scene: Scene) -> None:
    bundle = scene.genome(planted())
    edits = Haplotype("c", (Replacement(9_000, 9_100, ""),))
    scene.both(bundle, edits, "gc")
    spans = scene.predictions.spans(
        scene.card, bundle, scene.tracks["gc"], Interval("c", 8_000, 10_000),
        Allele(edits, alternate=True),
    )  # fmt: skip
    assert spans == [Span(9_024, 9_088, "deleted")]


def test_summary_of_the_alternate_leaves_deleted_bases_out(scene: Scene) -> None:
    bundle = scene.genome(planted(9_110))
    edits = Haplotype("c", (Replacement(9_000, 9_100, ""),))
    scene.both(bundle, edits, "base")
    allele = Allele(edits, alternate=True)
    got = scene.predictions.summarise(
        scene.card, bundle, scene.tracks["base"], "c", 8_900, 9_200, 3, allele
    )
    assert got.mean.tolist() == [0, pytest.approx(np.nan, nan_ok=True), pytest.approx(0.01)]
    assert got.max[2] == 1


def test_introns_of_the_alternate_stand_where_the_reference_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The toy sees an intron from each GTA to the 100th base after it."""
    scene = Scene(tmp_path, monkeypatch, (("introns", 1), ("gc", 32)))
    letters = list(planted())
    for at in (8_000, 8_950, 9_030, 9_300, 12_000):
        letters[at : at + 3] = "GTA"
    edits = Haplotype("c", (
        Replacement(9_000, 9_010, ""),
        Replacement(9_400, 9_400, "AAGTA"),
        Replacement(9_700, 9_700, "CC"),
    ))  # fmt: skip
    bundle = scene.genome("".join(letters))
    where = Interval("c", 0, LENGTH)
    for _ in range(2):
        scene.predictions.ensure(scene.card, bundle, where, scene.card.tracks, haplotype=edits)
    found = junctions(
        scene.predictions, scene.card, bundle, scene.tracks["introns"], where,
        Allele(edits, alternate=True),
    )  # fmt: skip
    assert list(zip(found.start.tolist(), found.end.tolist(), strict=True)) == [
        (8_000, 8_100),
        (8_950, 9_060),  # over the deletion: 100 bases of the alternate are 110 of the reference
        (9_030, 9_130),
        (9_300, 9_400),
        (9_400, 9_497),  # begins two bases into what is inserted
        (12_000, 12_100),
    ]
    alone = junctions(
        scene.predictions, scene.card, bundle, scene.tracks["introns"], where, Allele(edits)
    )
    assert alone.start.tolist() == [8_000, 8_950, 9_030, 9_300, 12_000]


@pytest.mark.parametrize(
    "edit",
    [
        Replacement(9_000, 9_001, "G"),
        Replacement(9_000, 9_000, "GC" * 192),
        Replacement(9_000, 9_300, ""),
        Replacement(8_960, 9_216, ""),
    ],
)
def test_contacts_of_the_alternate_stand_where_the_reference_has_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, edit: Replacement
) -> None:
    """The toy's contact is the product of two bins' shares of G and C."""
    scene = Scene(tmp_path, monkeypatch, (("pairs", 128), ("gc", 32)))
    letters = "".join(random.Random(8).choices("ACGT", k=LENGTH))
    bundle, edits = scene.genome(letters), Haplotype("c", (edit,))
    where = Interval("c", 8_500, 9_500)
    for _ in range(2):
        scene.predictions.ensure(scene.card, bundle, where, scene.card.tracks, haplotype=edits)
    found = contacts(
        scene.predictions, scene.card, bundle, scene.tracks["pairs"], where,
        allele=Allele(edits, alternate=True),
    )  # fmt: skip
    made, place = aligned_by_hand(letters, edits)

    def share(at: int) -> float:
        return sum(made[at : at + 128].count(base) for base in "GC") / 128

    def shift(low: int) -> int | None:
        moved = [int(place[x]) - x for x in range(low, low + 128) if place[x] >= 0]
        return max(dict.fromkeys(moved), key=moved.count) if moved else None

    starts = [found.start + i * 128 for i in range(len(found.values))]
    wanted = np.full(found.values.shape, np.nan)
    for i, left in enumerate(starts):
        for j, right in enumerate(starts[i + 1 :], i + 1):
            a, b = shift(left), shift(right)
            if a is None or b is None:
                continue
            there = right + a + round((b - a) / 128) * 128
            if there != left + a:  # of a bin with itself the toy says nothing
                wanted[i, j] = wanted[j, i] = share(left + a) * share(there)
    assert np.isfinite(wanted).sum() > 10
    np.testing.assert_allclose(found.values, wanted, atol=1e-6)
