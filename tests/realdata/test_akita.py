"""Akita against the outputs of its torch port, and against Hi-C of GM12878."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import parse_qs

import cooler
import numpy as np
import pytest

from app.genome.catalogue import Bundle
from app.inference.batch import predict_to_file
from app.inference.windows import Window, WindowGrid
from app.settings import Settings
from models.card import ModelCard
from models.registry import cards
from tests.realdata.hg19_chr20 import KNOWN, PIECE, PREDICTED, VIEW, known_bases

LOCUS = "chr20:1,041,249-1,958,752"
#: Bin width of the Hi-C.
COARSE = 25_000
#: r by head over chr20:1-2 Mb, as computed with the port (see the README of the real data).
KNOWN_R = {"HFF": 0.63, "H1hESC": 0.65, "GM12878": 0.60, "IMR90": 0.59, "HCT116": 0.60}


@pytest.fixture(scope="module")
def card() -> ModelCard:
    return cards([])["akita-v1"]


@pytest.fixture(scope="module")
def bundle(hg19_chr20: Path) -> Bundle:
    return Bundle.load(hg19_chr20)


@pytest.fixture(scope="module")
def window(bundle: Bundle, card: ModelCard) -> Window:
    (only,) = WindowGrid(card, bundle.reference).windows(bundle.reference.pieces[0])
    return only


@pytest.fixture(scope="module")
def reference(realdata: Path) -> dict[str, np.ndarray]:
    """pred (5, 99681): pairs of 448 bins from distance 2 on; targets; where the bins lie."""
    with np.load(realdata / "reference_outputs" / "akita_v1_hg19_chr20_pred.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def written(
    hg19_chr20: Path, realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> dict[str, np.ndarray]:
    """All five maps as `locuscope predict` writes them, of the view that the bundle offers."""
    folder = tmp_path_factory.mktemp("akita")
    settings = Settings(
        genomes=str(hg19_chr20), weights=str(realdata / "weights"), cache_dir=folder, device="cpu"
    )
    (out,) = predict_to_file(settings, "akita-v1", LOCUS, "", folder / "out.npz")
    with np.load(out) as file:
        return dict(file)


@pytest.fixture(scope="module")
def predicted(written: dict[str, np.ndarray], card: ModelCard) -> dict[str, np.ndarray]:
    """Maps (448, 448) by name of the head."""
    return {track.name: written[track.id] for track in card.tracks}


def test_bundle_holds_the_million_bases_between_n(bundle: Bundle, realdata: Path) -> None:
    assert bundle.problems == ()
    (piece,) = bundle.reference.pieces
    bases = bundle.reference.fetch(piece)
    first, last = KNOWN[0] - piece.start, KNOWN[1] - piece.start
    assert (piece.start, piece.end) == PIECE
    assert bases[first:last] == known_bases(realdata)
    assert set(bases[:first] + bases[last:]) == {"N"}


def test_view_and_contacts_name_a_track_of_the_card(bundle: Bundle, card: ModelCard) -> None:
    track = next(t for t in card.tracks if t.id == PREDICTED)
    (measured,) = bundle.contacts.values()
    assert measured.predicted == PREDICTED
    assert measured.track.biosample == track.biosample
    assert measured.resolutions == (COARSE,)
    (domains,) = bundle.marks
    assert domains.biosample == "EFO:0002784"
    # The four of the BED file that lie in the known bases.
    assert [(d.start1, d.end2) for d in domains.within("chr20", *KNOWN)] == [
        (1_285_000, 1_385_000),
        (1_285_000, 1_445_000),
        (1_490_000, 1_740_000),
        (1_765_000, 1_935_000),
    ]
    (view,) = bundle.views
    asked = parse_qs(view.link)
    assert view.title == VIEW["title"]
    assert asked["model"] == [card.id]
    assert asked["track"] == [PREDICTED]
    assert asked["locus"] == [LOCUS.replace(",", "")]


def test_window_lies_where_the_reference_lies(
    window: Window, card: ModelCard, reference: dict[str, np.ndarray]
) -> None:
    assert window.interval.start == KNOWN[0] - reference["n_pad_left"]
    assert window.use == window.output
    assert window.output.start == reference["first_output_bin_start0"]
    assert window.output.width == reference["matrix_size"] * reference["bin_bp"]
    assert [t.name for t in card.tracks] == list(reference["targets"])
    assert {t.resolution for t in card.tracks} == {int(reference["bin_bp"])}


def test_numbers_are_those_of_the_port(
    predicted: dict[str, np.ndarray], reference: dict[str, np.ndarray]
) -> None:
    pairs = np.triu_indices(448, 2)
    ours = np.stack([values[pairs] for values in predicted.values()])
    error = np.abs(ours - reference["pred"]).max()
    print(f"largest difference {error:.1e}")
    assert error < 1e-4


def test_file_says_where_its_bins_lie_and_what_they_mean(
    written: dict[str, np.ndarray], reference: dict[str, np.ndarray]
) -> None:
    about = json.loads(str(written["metadata"]))["tracks"][PREDICTED]
    assert about["start"] == reference["first_output_bin_start0"]
    assert about["resolution"] == reference["bin_bp"]
    assert about["unit"] == "ln observed/expected"


def test_maps_are_symmetric_with_no_value_near_the_diagonal(
    predicted: dict[str, np.ndarray],
) -> None:
    bins = np.arange(448)
    for values in predicted.values():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(values, values.T)
        np.testing.assert_array_equal(np.isnan(values), np.abs(bins[:, None] - bins) < 2)


def log_observed_over_expected(path: Path) -> np.ndarray:
    """Balanced contacts of chr20 by their mean at that distance over the chromosome, as ln."""
    matrix = cooler.Cooler(str(path)).matrix(balance=True).fetch("chr20")
    n = len(matrix)
    with np.errstate(invalid="ignore", divide="ignore"):
        expected = np.array([np.nanmean(np.diagonal(matrix, d)) for d in range(n // 10)])
        near = matrix[: n // 10, : n // 10]
        return np.log(near / expected[np.abs(np.subtract.outer(*[np.arange(len(near))] * 2))])


def coarse_map(values: np.ndarray, start: int) -> tuple[np.ndarray, slice]:
    """Means over the pairs of bins whose centres lie in each pair of bins of the Hi-C.

    Returns:
        The map, and the bins of the chromosome that it covers.
    """
    home = (start + 2_048 * np.arange(len(values)) + 1_024) // COARSE
    member = (home == np.arange(home[0], home[-1] + 1)[:, None]).astype(float)
    sums = member @ np.nan_to_num(values.astype(float)) @ member.T
    counts = member @ np.isfinite(values) @ member.T
    return sums / counts, slice(int(home[0]), int(home[-1]) + 1)


def test_predicted_contacts_agree_with_measured_ones_as_known(
    predicted: dict[str, np.ndarray], window: Window, bundle: Bundle
) -> None:
    """r over pairs of different 25-kb bins, and that of a map turned around as a control."""
    (track,) = bundle.contacts.values()
    measured = log_observed_over_expected(track.path)
    read = track.matrix("chr20", 0, len(measured) * COARSE, COARSE)
    with np.errstate(divide="ignore"):
        ours = np.log(read.values / read.expected)
    np.testing.assert_allclose(ours, measured, atol=1e-3)
    for name, values in predicted.items():
        ours, bins = coarse_map(values, window.output.start)
        theirs = measured[bins, bins]
        pairs = np.triu_indices(len(ours), 1)
        assert len(pairs[0]) == 703
        r = np.corrcoef(ours[pairs], theirs[pairs])[0, 1]
        turned = np.corrcoef(ours[::-1, ::-1][pairs], theirs[pairs])[0, 1]
        print(f"{name}: r = {r:.3f}; turned around {turned:.3f}")
        assert r == pytest.approx(KNOWN_R[name], abs=0.01)
        assert turned < 0.3
