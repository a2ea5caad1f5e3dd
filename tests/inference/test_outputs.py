"""What the worker lets through of what a model gives."""

from __future__ import annotations

import numpy as np
import pytest
import safetensors.numpy

from app.inference.outputs import output_problem
from models.card import Track

WIDTH = 64
CONTACTS = Track("m/CONTACT_MAPS/a/.", "CONTACT_MAPS", "a", ".", 16, "ratio")
JUNCTIONS = Track("m/SPLICE_JUNCTIONS/a/-", "SPLICE_JUNCTIONS", "a", "-", 1, "reads")
SIGNAL = Track("m/DNASE/a/.", "DNASE", "a", ".", 16, "coverage")


def contacts() -> np.ndarray:
    values = np.add.outer(np.arange(4), np.arange(4)).astype(np.float32)
    values[np.abs(np.subtract.outer(np.arange(4), np.arange(4))) < 2] = np.nan
    return values[None]


def test_symmetric_contacts_without_a_diagonal_pass() -> None:
    assert output_problem(contacts(), CONTACTS, WIDTH) == ""


def test_contacts_of_one_side_of_the_diagonal_are_refused() -> None:
    assert "differ" in output_problem(np.triu(contacts()[0])[None], CONTACTS, WIDTH)
    values = contacts()
    values[0, 0, 3] = np.nan
    assert "differ" in output_problem(values, CONTACTS, WIDTH)


@pytest.mark.parametrize("value", [np.inf, -np.inf])
def test_infinite_contacts_are_refused(value: float) -> None:
    values = contacts()
    values[0, 0, 3] = values[0, 3, 0] = value
    assert "not finite" in output_problem(values, CONTACTS, WIDTH)


def test_contacts_without_any_number_are_refused() -> None:
    assert "not finite" in output_problem(np.full((1, 4, 4), np.nan, "f4"), CONTACTS, WIDTH)


@pytest.mark.parametrize("track", [CONTACTS, JUNCTIONS, SIGNAL])
@pytest.mark.parametrize("shape", [(2, 4), (1, 3), (1, 4, 5), (1, 4, 4, 1), (4,)])
def test_other_shapes_are_refused(track: Track, shape: tuple[int, ...]) -> None:
    assert f"shape {shape}" in output_problem(np.zeros(shape, "f4"), track, WIDTH)


def test_signal_must_be_finite() -> None:
    assert output_problem(np.zeros((1, 4), "f4"), SIGNAL, WIDTH) == ""
    assert "not finite" in output_problem(np.array([[0, 1, np.nan, 2]], "f4"), SIGNAL, WIDTH)


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ((0, 64, 0.5), ""),
        ((np.nan, np.nan, np.nan), ""),
        ((5, 9, np.nan), "not finite"),
        ((5, 9, np.inf), "not finite"),
        ((9, 5, 1), "within its output"),
        ((-1, 5, 1), "within its output"),
        ((5, 65, 1), "within its output"),
        ((5.5, 9, 1), "within its output"),
    ],
)
def test_introns_lie_within_the_output(row: tuple[float, float, float], words: str) -> None:
    problem = output_problem(np.array([[(1, 2, 3), row]], "f4"), JUNCTIONS, WIDTH)
    assert words in problem
    assert bool(words) == bool(problem)


def test_no_intron_at_all_passes_and_travels() -> None:
    none = np.zeros((1, 0, 3), np.float32)
    assert output_problem(none, JUNCTIONS, WIDTH) == ""
    travelled = safetensors.numpy.load(safetensors.numpy.save({"a": none[0]}))
    assert travelled["a"].shape == (0, 3)
