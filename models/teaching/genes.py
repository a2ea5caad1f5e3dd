"""Genes found from sequence: where transcription starts, how strongly, and what becomes of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.card import Strand as StrandName
from models.teaching.cells import cells
from models.teaching.motifs import Doubles, Floats, Ints
from models.teaching.splicing import Transcripts, splice
from models.teaching.strand import Strand

#: A base starts transcripts if its core promoter and open chromatin together reach this much.
LEAST_START = 0.02
#: Start sites up to this many bp apart belong to one promoter.
PROMOTER_GAP = 60
#: Where a promoter's chromatin must be open, in bp upstream of its start.
UPSTREAM = 60
#: Transcripts a promoter fires at full strength, for a fully open one that is fully driven.
FULL_RATE = 100.0
#: Drive without any enhancer, and drive for each unit of enhancer input.
BASAL_DRIVE, ENHANCER_DRIVE = 0.06, 0.4


@dataclass(frozen=True)
class Gene:
    """A promoter and its transcripts; positions run along the strand that is read.

    Attributes:
        strand: ``+`` or ``-``.
        length: Length of the sequence, which turns positions of the minus strand around.
        places: Bases that start transcripts, in the strand's direction.
        shares: Part of the transcripts that starts at each; they add up to 1.
        openness: How far the promoter is open and fit to start, 0 to 1; shape (cells,).
        rate: Transcripts that are made; shape (cells,).
        transcripts: How they are spliced and end.
    """

    strand: StrandName
    length: int
    places: Ints
    shares: Doubles
    openness: Doubles
    rate: Doubles
    transcripts: Transcripts

    def position(self, along: int) -> int:
        """Turns a base along the strand into one of the genome, both 0-based."""
        return along if self.strand == "+" else self.length - 1 - along

    def interval(self, first: int, past: int) -> tuple[int, int]:
        """Turns a half-open interval along the strand into one of the genome."""
        return (first, past) if self.strand == "+" else (self.length - past, self.length - first)

    @property
    def start_site(self) -> int:
        """The base in genome order at which most transcripts start."""
        return self.position(self.transcripts.start)

    def exons(self) -> list[tuple[int, int]]:
        """Returns the exons that most transcripts have, sorted, in genome order."""
        t = self.transcripts
        first, last = np.nonzero(t.junctions.mean(0) > 0.5)
        end = int(t.ends[t.end_probability.mean(0).argmax()])
        pairs = zip(t.donors[first].tolist(), t.acceptors[last].tolist(), strict=True)
        introns = sorted(pair for pair in pairs if pair[1] < end)
        edges = [t.start, *(edge for intron in introns for edge in intron), end]
        return sorted(self.interval(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True))


def find_genes(
    strands: tuple[Strand, Strand],
    opened: Floats,
    enhancer_input: Callable[[Ints], Doubles],
) -> tuple[Gene, ...]:
    """Finds the promoters of both strands and their transcripts.

    ``rate = FULL_RATE * sum of (start * open) * drive / (1 + drive)`` over the promoter's bases,
    with ``drive = BASAL_DRIVE + ENHANCER_DRIVE * enhancer input``.

    Args:
        strands: The plus strand, and the minus strand in its own direction.
        opened: Open chromatin in genome order; shape (cells, length).
        enhancer_input: Sums the enhancers that reach each base; shape (cells, bases).

    Returns:
        The genes by start site in genome order.
    """
    length = opened.shape[1]
    genes = []
    rbfox = np.array([cell.rbfox for cell in cells()], np.float32)
    for name, strand in zip(("+", "-"), strands, strict=True):
        along = opened if name == "+" else opened[:, ::-1]
        for places, starting in _promoters(strand.start, along):
            main = int(places[strand.start[places].argmax()])
            position = main if name == "+" else length - 1 - main
            drive = BASAL_DRIVE + ENHANCER_DRIVE * enhancer_input(np.array([position]))[:, 0]
            openness = starting.sum(1)
            shares = strand.start[places].astype(np.float64)
            genes.append(
                Gene(
                    strand="+" if name == "+" else "-",
                    length=length,
                    places=places,
                    shares=shares / shares.sum(),
                    openness=np.minimum(openness, 1),
                    rate=FULL_RATE * openness * drive / (1 + drive),
                    transcripts=splice(strand, main, rbfox),
                )
            )
    return tuple(sorted(genes, key=lambda gene: (gene.start_site, gene.strand)))


def _promoters(start: Floats, opened: Floats) -> list[tuple[Ints, npt.NDArray[np.float64]]]:
    """Groups the bases that start transcripts; returns them and what starts, (cells, bases)."""
    places = np.flatnonzero(start > LEAST_START)
    places = places[places >= UPSTREAM]
    starting = (start[places] * opened[:, places - UPSTREAM]).astype(np.float64)
    kept = starting.max(0) > LEAST_START
    places, starting = places[kept], starting[:, kept]
    if not len(places):
        return []
    cuts = np.flatnonzero(np.diff(places) > PROMOTER_GAP) + 1
    return list(zip(np.split(places, cuts), np.split(starting, cuts, axis=1), strict=True))
