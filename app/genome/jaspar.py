"""JASPAR CORE, vertebrates: the matrices of known motifs, from the package pyjaspar (CC BY 4.0)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from pyjaspar import jaspardb

from app.errors import NotFoundError

RELEASE = "JASPAR2026"
#: What must be said where the matrices are shown.
SOURCE = "JASPAR CORE 2026, vertebrates (jaspar.elixir.no), CC BY 4.0"


@dataclass(frozen=True)
class Matrix:
    """A position count matrix.

    Attributes:
        id: JASPAR's id with version, e.g. ``MA0139.2``.
        name: The factor, e.g. ``CTCF``.
        counts: Shape (width, 4), columns A, C, G, T.
        tf_class: Structural class of the factor; may be empty.
    """

    id: str
    name: str
    counts: NDArray[np.float64]
    tf_class: str = ""

    @property
    def frequencies(self) -> NDArray[np.float64]:
        """Share of each base at each position, shape (width, 4)."""
        frequencies: NDArray[np.float64] = self.counts / self.counts.sum(1, keepdims=True)
        return frequencies


@lru_cache(maxsize=1)
def matrices() -> tuple[Matrix, ...]:
    """Returns the newest version of every matrix, in the order of their ids."""
    found = _database().fetch_motifs(collection="CORE", tax_group=["vertebrates"])
    return tuple(sorted(map(_matrix, found), key=lambda matrix: matrix.id))


@lru_cache(maxsize=256)
def matrix(id_: str) -> Matrix:
    """Returns one matrix; quick, where ``matrices`` takes a second or two the first time.

    Raises:
        NotFoundError: There is none with that id.
    """
    found = _database().fetch_motif_by_id(id_) if re.fullmatch(r"MA\d{4}\.\d{1,2}", id_) else None
    if found is None:
        raise NotFoundError(f"{RELEASE} has no matrix “{id_[:20]}”.", "MA0139.2")
    return _matrix(found)


def _database() -> jaspardb:
    return jaspardb(release=RELEASE)


def _matrix(motif) -> Matrix:  # type: ignore[no-untyped-def]  # noqa: ANN001 - of Biopython
    counts = np.array([motif.counts[base] for base in "ACGT"], np.float64).T
    return Matrix(motif.matrix_id, motif.name, counts, ", ".join(motif.tf_class or ()))
