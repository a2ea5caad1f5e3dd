"""Factors and biosamples of the teaching genome, read from their tables."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from models.card import Biosample
from models.teaching.motifs import DATA, Floats, Motif, jaspar, score_at_rate

#: The consensus is at least this many bits above the score that half fills a site.
LEAST_HEADROOM = 1.5


@dataclass(frozen=True)
class Factor:
    """A transcription factor.

    Attributes:
        motif: Its matrix.
        opening: Energy in kT by which a bound site favours open chromatin.
        activation: How strongly a bound site activates transcription.
        footprint: Part of the DNase cuts that a bound site keeps away.
        threshold: Score in bits that half fills a site at concentration 1.
    """

    motif: Motif
    opening: float
    activation: float
    footprint: float
    threshold: float

    @property
    def name(self) -> str:
        """The factor's name, that of its matrix."""
        return self.motif.name


@dataclass(frozen=True)
class Pair:
    """Two factors that help each other bind at the right distance between centres, in bp."""

    factors: tuple[str, str]
    nearest: int
    farthest: int
    gain: float


@dataclass(frozen=True)
class Cell:
    """A cell type: the words for people and what its cells hold.

    Attributes:
        key: Short name, used in track names.
        biosample: Ontology CURIE and name.
        concentrations: By factor name; 0 where not named.
        rbfox: Strength of the splicing factor RBFOX.
    """

    key: str
    biosample: Biosample
    concentrations: dict[str, float]
    rbfox: float


def _table(name: str) -> dict[str, Any]:
    return tomllib.loads((DATA / name).read_text(encoding="utf-8"))


@lru_cache(maxsize=1)
def factors() -> tuple[Factor, ...]:
    """Returns the factors in the order of ``factors.toml``."""
    found = []
    for row in _table("factors.toml")["factors"]:
        motif = jaspar()[row["name"]]
        threshold = min(score_at_rate(motif, 1 / row["one_in"]), motif.best_score - LEAST_HEADROOM)
        found.append(Factor(motif, row["opening"], row["activation"], row["footprint"], threshold))
    return tuple(found)


@lru_cache(maxsize=1)
def pairs() -> tuple[Pair, ...]:
    """Returns the pairs of cooperating factors."""
    rows = _table("factors.toml")["pairs"]
    return tuple(
        Pair((row["factors"][0], row["factors"][1]), row["min"], row["max"], row["gain"])
        for row in rows
    )


@lru_cache(maxsize=1)
def cells() -> tuple[Cell, ...]:
    """Returns the cell types in the order of ``biosamples.toml``."""
    return tuple(
        Cell(
            row["key"],
            Biosample(row["name"], row["curie"], (row["key"],)),
            {name: float(value) for name, value in row["factors"].items()},
            float(row["rbfox"]),
        )
        for row in _table("biosamples.toml")["biosamples"]
    )


def concentrations() -> Floats:
    """Returns the concentration of each factor in each cell; shape (cells, factors)."""
    return np.array(
        [[cell.concentrations.get(f.name, 0.0) for f in factors()] for cell in cells()], np.float32
    )
