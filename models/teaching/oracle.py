"""The oracle: from a DNA sequence to the truth about it, without noise and without chance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.teaching import readouts
from models.teaching.arrays import binned
from models.teaching.binding import find_chromatin
from models.teaching.contacts import (
    BIN,
    FINE,
    compartments,
    contact_maps,
    enhancer_input,
    stalls,
)
from models.teaching.genes import Gene, find_genes
from models.teaching.motifs import Doubles, Floats, Ints, Scanner, encode, reverse_complement
from models.teaching.strand import read_strand
from models.teaching.tracks import tracks

#: Farthest in bp that one base can matter: an enhancer may act from 65,536 bp, the transcript that
#: it drives may be 65,536 bp long, and chromatin marks spread some kb from there.
REACH = 2 * 65_536 + 8_192


@dataclass(frozen=True)
class Truth:
    """All that the oracle tells about one sequence.

    Attributes:
        values: By track id, float32 of shape (length / resolution,), in genome order; junctions
            and contacts stand apart.
        junctions: Introns of all cells.
        contacts: Shape (cells, length / 2048, diagonals); entry ``[c, i, d]`` belongs to bins
            ``i`` and ``i + d``, NaN beyond the sequence.
        genes: The promoters that were found and their transcripts, in genome order.
    """

    values: dict[str, Floats]
    junctions: readouts.Junctions
    contacts: Floats
    genes: tuple[Gene, ...]


def oracle(sequence: str, diagonals: int | None = None) -> Truth:
    """Reads everything out of a sequence, for all cell types at once.

    Args:
        sequence: Its length is a multiple of 2,048; N and what lies beyond either end hold no
            signal.
        diagonals: How many diagonals of the contact maps; all of them if not given.

    Raises:
        ValueError: The length is no multiple of 2,048, or 0.
    """
    if not sequence or len(sequence) % BIN:
        raise ValueError(f"the sequence must be a multiple of {BIN} bp long, not {len(sequence)}")
    codes = encode(sequence)
    scanner = Scanner(codes)
    chromatin = find_chromatin(codes, scanner)
    activation = binned(chromatin.activation, FINE).astype(np.float64)
    left, right = stalls(chromatin)

    def reaching(starts: Ints) -> Doubles:
        return enhancer_input(activation, left, right, starts // FINE)

    other = reverse_complement(codes)
    strands = read_strand(codes, scanner), read_strand(other, Scanner(other))
    genes = find_genes(strands, chromatin.open, reaching)
    values = readouts.accessibility(chromatin) | readouts.transcription(genes, len(codes))
    for key, starts in readouts.enhancer_rna(chromatin, codes, scanner).items():
        values[key] = values[key] + starts
    values |= readouts.factor_chip(chromatin) | readouts.histones(chromatin, genes)
    maps = contact_maps(
        left, right, compartments(codes, activation), diagonals or len(codes) // BIN
    )
    ordered = {track.id: values[track.id] for track in tracks() if track.id in values}
    return Truth(ordered, readouts.junctions(genes), maps, genes)
