"""Names for stretches of high contribution: tangermeme's seqlets, TOMTOM against JASPAR."""

from __future__ import annotations

import numpy as np
import pandas as pd
import torch
from memelite import tomtom
from numpy.typing import NDArray
from scipy.stats import false_discovery_control
from tangermeme.seqlet import recursive_seqlets

from app.errors import ComputationError
from app.genome.jaspar import RELEASE, matrices
from app.inference.requests import MotifRequest

#: Of tangermeme's caller: a stretch is a seqlet if it and every part of it of four bases or more
#: has a sum that is this rare among stretches of as many bases drawn from all.
SEQLET_P = 0.01
#: Bases on either side that are compared too.
FLANK = 2
#: Matches that are told of each seqlet.
BEST = 5


def name_motifs(request: MotifRequest, sequence: str) -> dict[str, NDArray[np.float32]]:
    """Finds seqlets among contributions and the motifs that they look like.

    The bases of a seqlet are compared with every matrix on both strands by TOMTOM. Its p-value
    counts all offsets; the q-value is that of Benjamini and Hochberg over all pairs of seqlet and
    matrix.

    Args:
        request: The contributions, and the release of JASPAR.
        sequence: The bases that they belong to.

    Returns:
        ``seqlets``, shape (seqlets, 4): first base, end (exclusive), sum of contributions and
        p-value, from left to right. ``matches``, shape (seqlets, ``BEST``, 7), best first: number
        and version of the matrix (139 and 2 for ``MA0139.2``), p, q, offset of the first column of
        the matrix (as aligned) from the first base, how many columns overlap, and strand (1 or -1).

    Raises:
        ComputationError: This worker has another release of JASPAR.
    """
    if request.release != RELEASE:
        raise ComputationError(f"The worker has {RELEASE}, not {request.release}. Restart it.")
    seqlets = _seqlets(np.array(request.contributions))
    if not len(seqlets):
        empty = np.zeros((0, BEST, 7), np.float32)
        return {"seqlets": np.zeros((0, 4), np.float32), "matches": empty}
    letters = np.frombuffer(sequence.encode("ascii"), np.uint8)
    one_hot = (np.frombuffer(b"ACGT", np.uint8)[:, None] == letters).astype(np.float64)
    spans = [(max(start - FLANK, 0), end + FLANK) for start, end in seqlets[:, :2].astype(int)]
    queries = [one_hot[:, start:end] for start, end in spans]
    targets = [matrix.frequencies.T for matrix in matrices()]
    p, _, offsets, overlaps, strands = tomtom(queries, targets, n_jobs=1)
    q = false_discovery_control(np.clip(p, 0, 1).ravel()).reshape(p.shape)
    matches = np.zeros((len(seqlets), BEST, 7), np.float32)
    for row, (start, _) in enumerate(spans):
        for rank, column in enumerate(np.argsort(p[row], kind="stable")[:BEST]):
            number, version = matrices()[column].id.removeprefix("MA").split(".")
            at = start - offsets[row, column]  # memelite counts from the matrix to the query
            place = (at, overlaps[row, column], 1 - 2 * strands[row, column])
            matches[row, rank] = (number, version, p[row, column], q[row, column], *place)
    return {"seqlets": seqlets, "matches": matches}


def _seqlets(contributions: NDArray[np.float64]) -> NDArray[np.float32]:
    """Calls seqlets of high contribution, then of low where none is; shape (seqlets, 4)."""
    found: list[pd.DataFrame] = []
    for sign in (1, -1):
        if not (sign * contributions > 0).any():
            continue
        called = recursive_seqlets(
            torch.from_numpy(sign * contributions)[None], threshold=SEQLET_P
        ).assign(attribution=lambda table, sign=sign: sign * table["attribution"])
        for other in found:
            free = [
                not ((other["start"] < end) & (start < other["end"])).any()
                for start, end in zip(called["start"], called["end"], strict=True)
            ]
            called = called[free]
        found.append(called)
    table = pd.concat(found).sort_values("start") if found else pd.DataFrame()
    columns = ["start", "end", "attribution", "p-value"]
    return table.reindex(columns=columns).to_numpy(np.float32)
