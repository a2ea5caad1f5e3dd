"""Names for stretches of high contribution: tangermeme's seqlets, TOMTOM against JASPAR."""

from __future__ import annotations

import numpy as np
import torch
from memelite import tomtom
from numpy.typing import NDArray
from scipy.stats import false_discovery_control, norm
from tangermeme.seqlet import recursive_seqlets

from app.errors import ComputationError
from app.genome.jaspar import RELEASE, matrices
from app.inference.requests import MotifRequest

#: Of tangermeme's caller: a stretch is a seqlet if it and every part of it of four bases or more
#: has a sum that is this rare among stretches of as many bases drawn from interval and background.
SEQLET_P = 0.01
#: The background: contributions of the interval below so many robust standard deviations, of which
#: so many times the interval is made. A short interval full of motifs would hide them otherwise.
QUIET, BACKGROUND = 3.0, 20
#: The core of a seqlet begins and ends with bases that have this share of its highest contribution,
#: and has at least so many bases.
CORE, CORE_BP = 0.2, 3
#: Bases on either side that are compared too.
FLANK = 2
#: Matches that are told of each seqlet.
BEST = 5
#: A match whose p-value is at most so many times the least one is as good.
AS_GOOD = 10.0


def name_motifs(request: MotifRequest, sequence: str) -> dict[str, NDArray[np.float32]]:
    """Finds seqlets among contributions and the motifs that they look like.

    The bases of a seqlet, as certain as they contribute, are compared with every matrix on both
    strands by TOMTOM. Its p-value counts all offsets; the q-value is that of Benjamini and Hochberg
    over all pairs of seqlet and matrix.

    Args:
        request: The contributions, and the release of JASPAR.
        sequence: The bases that they belong to.

    Returns:
        ``seqlets``, shape (seqlets, 5), from left to right: first base, end (exclusive), sum of
        contributions, p-value, and how many other factors fit as well as the best. ``matches``,
        shape (seqlets, ``BEST``, 7), best first: number and version of the matrix (139 and 2 for
        ``MA0139.2``), p, q, offset of the first column of the matrix (as aligned) from the first
        base, how many columns overlap, and strand (1 or -1).

    Raises:
        ComputationError: This worker has another release of JASPAR.
    """
    if request.release != RELEASE:
        raise ComputationError(f"The worker has {RELEASE}, not {request.release}. Restart it.")
    contributions = np.array(request.contributions)
    seqlets = _seqlets(contributions)
    if not len(seqlets):
        empty = np.zeros((0, BEST, 7), np.float32)
        return {"seqlets": np.zeros((0, 5), np.float32), "matches": empty}
    spans = [(max(start - FLANK, 0), end + FLANK) for start, end in seqlets[:, :2].astype(int)]
    queries = [
        _weighted(sequence[start:end], np.sign(total) * contributions[start:end])
        for (start, end), total in zip(spans, seqlets[:, 2], strict=True)
    ]
    targets = [matrix.frequencies.T for matrix in matrices()]
    p, _, offsets, overlaps, strands = tomtom(queries, targets, n_jobs=1)
    q = false_discovery_control(np.clip(p, 0, 1).ravel()).reshape(p.shape)
    alike = [_as_good(row) for row in p]
    matches = np.zeros((len(seqlets), BEST, 7), np.float32)
    for row, (start, _) in enumerate(spans):
        for rank, column in enumerate(np.argsort(p[row], kind="stable")[:BEST]):
            number, version = matrices()[column].id.removeprefix("MA").split(".")
            at = start - offsets[row, column]  # memelite counts from the matrix to the query
            place = (at, overlaps[row, column], 1 - 2 * strands[row, column])
            matches[row, rank] = (number, version, p[row, column], q[row, column], *place)
    return {"seqlets": np.column_stack([seqlets, alike]).astype(np.float32), "matches": matches}


def _weighted(bases: str, contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Returns bases as a matrix, (4, bases), with as much information as they contribute.

    A column is the base there with weight ``w`` and all bases alike with the rest. Its information
    grows about as ``w ** 2``, so ``w`` is the square root of the share of the highest contribution.
    """
    letters = np.frombuffer(bases.encode("ascii"), np.uint8)
    one_hot = np.frombuffer(b"ACGT", np.uint8)[:, None] == letters
    weight = np.sqrt(np.clip(contributions / contributions.max(), 0, 1)) * one_hot.any(axis=0)
    matrix: NDArray[np.float64] = weight * one_hot + (1 - weight) / 4
    return matrix


def _as_good(p: NDArray[np.float64]) -> int:
    """Returns how many factors beside the best have a matrix that fits as well."""
    names = {matrices()[column].name for column in np.flatnonzero(p <= AS_GOOD * p.min())}
    return len(names) - 1


def _seqlets(contributions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Calls seqlets of high contribution, then of low where none is; shape (seqlets, 4)."""
    scale = np.median(np.abs(contributions)) / norm.ppf(0.75)
    quiet = contributions[np.abs(contributions) <= QUIET * scale]
    background = np.resize(quiet, (BACKGROUND, len(contributions)))
    pooled = np.vstack([contributions, background])
    taken = np.zeros(len(contributions), bool)
    found: list[tuple[int, int, float, float]] = []
    for sign in (1, -1):
        signed = sign * contributions
        if not (signed > 0).any():
            continue
        called = recursive_seqlets(torch.from_numpy(sign * pooled), threshold=SEQLET_P)
        called = called[called["example_idx"] == 0]
        for start, end, p in called[["start", "end", "p-value"]].itertuples(index=False):
            low, high = _core(np.where(taken, 0, signed), start, end)
            if high - low < CORE_BP or taken[low:high].any():
                continue
            taken[low:high] = True
            found.append((low, high, contributions[low:high].sum(), p))
    return np.array(sorted(found), np.float64).reshape(-1, 4)


def _core(values: NDArray[np.float64], start: int, end: int) -> tuple[int, int]:
    """Returns a stretch cut or extended so that it ends where values fall below its core's."""
    strong = values >= CORE * values[start:end].max()
    while start < end and not strong[start]:
        start += 1
    while start < end and not strong[end - 1]:
        end -= 1
    while 0 < start < end and strong[start - 1]:
        start -= 1
    while start < end < len(values) and strong[end]:
        end += 1
    return start, end
