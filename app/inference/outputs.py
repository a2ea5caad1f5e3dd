"""What a model may give for a track: checks of the contract of ``SequenceModel.predict``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.card import Track

Floats = NDArray[np.float32]


def output_problem(values: Floats, track: Track, output_width: int) -> str:
    """Returns what is wrong with the output for one window, or nothing.

    Args:
        values: What ``SequenceModel.predict`` returned for the track, with its batch axis.
        track: The track.
        output_width: ``card.output_width``.

    Returns:
        Words that follow "gave", e.g. ``values that are not finite numbers``; empty if all is well.
    """
    n = output_width // track.resolution
    if track.kind == "junctions":
        fits = values.ndim == 3 and values.shape[::2] == (1, 3)
        expected = "(1, any number, 3)"
    else:
        shape = (1, n, n) if track.kind == "contacts" else (1, n)
        fits, expected = values.shape == shape, str(shape)
    if not fits:
        return f"an array of shape {values.shape} in place of {expected}"
    if track.kind == "contacts":
        return _contacts_problem(values[0])
    if track.kind == "junctions":
        return _junctions_problem(values[0], output_width)
    return "" if np.isfinite(values).all() else "values that are not finite numbers"


def _contacts_problem(values: Floats) -> str:
    if np.isinf(values).any() or np.isnan(values).all():
        return "contacts that are not finite numbers"
    if not np.allclose(values, values.T, rtol=1e-3, atol=1e-4, equal_nan=True):
        return "contacts that differ between (i, j) and (j, i)"
    return ""


def _junctions_problem(rows: Floats, output_width: int) -> str:
    spare = np.isnan(rows).all(axis=1)
    used = rows[~spare]
    if not np.isfinite(used).all():
        return "introns with numbers that are not finite"
    start, end = used[:, 0], used[:, 1]
    whole = (start == np.floor(start)).all() and (end == np.floor(end)).all()
    if not (whole and (start >= 0).all() and (start < end).all() and (end <= output_width).all()):
        return "introns that do not lie within its output"
    return ""
