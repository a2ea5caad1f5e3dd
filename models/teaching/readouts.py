"""What assays see of the truth: arrays along the genome, one for each track, without noise."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.card import Strand
from models.teaching.arrays import binned, triangle
from models.teaching.binding import Chromatin, footprints, spread_centres
from models.teaching.cells import cells, factors
from models.teaching.genes import Gene
from models.teaching.motifs import Codes, Doubles, Floats, Ints, Scanner, reverse_complement
from models.teaching.strand import INITIATOR, INITIATOR_START, shifted
from models.teaching.tracks import CHIP_RESOLUTION, LEAST_CONCENTRATION, MARKS, track_id

Values = dict[str, Floats]
_STRANDS: tuple[Strand, ...] = ("+", "-")

#: Cuts per bp in closed chromatin, and what open chromatin adds.
CLOSED_CUTS, OPEN_CUTS = 0.02, 1.0
#: Half-width in bp over which the transposase of ATAC-seq blurs.
ATAC_BLUR = 20
#: Starts per bp and unit of activation at an initiator within an enhancer (PRO-cap alone).
ENHANCER_RNA = 0.3
#: Score in bits from which an initiator within an enhancer serves.
ENHANCER_INITIATOR = 6.0
#: Bases from the middle of an enhancer to where its transcripts start, either way.
ENHANCER_START = 60
#: RNA starts seen by PRO-cap for each of CAGE.
NASCENT = 0.5
#: Part of RNA that is not yet spliced.
UNSPLICED = 0.03
#: Half-width in bp of a ChIP fragment around a bound factor.
CHIP_FRAGMENT = 200
CHIP_BACKGROUND = 0.1
#: Rate at which a promoter counts as active when marks are set.
ACTIVE_RATE = 2.0
#: Rate of the transcripts over a splice site at which half of its usage shows.
SEEN_RATE = 1.0


@dataclass(frozen=True)
class Junctions:
    """Introns and how many reads span each.

    Attributes:
        starts: First base of the intron in genome order, 0-based.
        ends: One past its last base.
        strands: ``+`` or ``-``.
        reads: Expected reads; shape (cells, junctions).
    """

    starts: Ints
    ends: Ints
    strands: tuple[Strand, ...]
    reads: Doubles


def accessibility(chromatin: Chromatin) -> Values:
    """ATAC: open chromatin, blurred. DNase: sharp, less what bound factors cover."""
    opened = chromatin.open
    covered = footprints(chromatin.sites, chromatin.site_open, opened.shape[1])
    atac = triangle(opened, ATAC_BLUR) / ATAC_BLUR
    found = {}
    for i, cell in enumerate(cells()):
        found[track_id("ATAC", f"{cell.key}-ATAC", ".")] = CLOSED_CUTS + OPEN_CUTS * atac[i]
        dnase = CLOSED_CUTS + OPEN_CUTS * opened[i] * (1 - covered[i])
        found[track_id("DNASE", f"{cell.key}-DNase", ".")] = dnase
    return found


def factor_chip(chromatin: Chromatin) -> Values:
    """Fragments around the sites that are bound in open chromatin."""
    sites = chromatin.sites
    length = chromatin.open.shape[1]
    bound = sites.bound * chromatin.site_open
    found = {}
    for index, factor in enumerate(factors()):
        mine = np.flatnonzero(sites.factor == index)
        picked = sites.only(mine)
        for i, cell in enumerate(cells()):
            if cell.concentrations.get(factor.name, 0) < LEAST_CONCENTRATION:
                continue
            centres = spread_centres(picked, bound[i : i + 1, mine], length)
            signal = binned(triangle(centres, CHIP_FRAGMENT), CHIP_RESOLUTION)[0]
            name = f"{cell.key}-{factor.name.replace('::', '-')}"
            found[track_id("CHIP_TF", name, ".")] = CHIP_BACKGROUND + 10 * signal
    return found


def histones(chromatin: Chromatin, genes: Sequence[Gene]) -> Values:
    """Marks of promoters, enhancers, gene bodies and Polycomb, on the nucleosomes around them."""
    length = chromatin.open.shape[1]
    opened, active = (binned(x, CHIP_RESOLUTION) for x in (chromatin.open, chromatin.activation))
    nucleosomes = 1 - 0.7 * opened
    promoter = np.zeros_like(opened)
    body = np.zeros((len(opened), length))
    for gene in genes:
        fired = gene.rate / (gene.rate + ACTIVE_RATE)
        promoter[:, gene.start_site // CHIP_RESOLUTION] += fired
        _, _, unspliced = gene.transcripts.coverage()
        ramp = 1 - np.exp(-np.arange(unspliced.shape[1]) / 2_000)
        first, past = gene.interval(gene.transcripts.start, gene.transcripts.start + len(ramp))
        along = fired[:, None] * unspliced * ramp
        body[:, first:past] += along if gene.strand == "+" else along[:, ::-1]
    start = np.minimum(triangle(promoter, 8), 1)
    bodies = binned(np.minimum(body, 1).astype(np.float32), CHIP_RESOLUTION)
    island = triangle(binned(chromatin.island, CHIP_RESOLUTION)[None], 24)[0] / 8
    marks = {
        "H3K4me3": 10 * start * nucleosomes,
        "H3K27ac": 1.5 * triangle(active, 6) * nucleosomes,
        "H3K4me1": 1.5 * triangle(active, 12) * nucleosomes * np.exp(-4 * start),
        "H3K36me3": 4 * bodies,
        "H3K27me3": 5 * np.minimum(island, 1) * np.exp(-6 * np.minimum(triangle(promoter, 32), 1)),
    }
    return {
        track_id("CHIP_HISTONE", f"{cell.key}-{mark}", "."): (
            CHIP_BACKGROUND + marks[mark][i]
        ).astype(np.float32)
        for mark in MARKS
        for i, cell in enumerate(cells())
    }


def transcription(genes: Sequence[Gene], length: int) -> Values:
    """CAGE, PRO-cap at promoters, RNA coverage, splice sites and their usage, by strand."""
    found: Values = {}
    for strand in _STRANDS:
        mine = [gene for gene in genes if gene.strand == strand]
        starts = np.zeros((len(cells()), length))
        rna = np.zeros_like(starts)
        for gene in mine:
            starts[:, gene.places] += gene.rate[:, None] * gene.shares
            past, spliced, unspliced = gene.transcripts.coverage()
            shown = (1 - UNSPLICED) * spliced + UNSPLICED * unspliced
            rna[:, gene.transcripts.start : past] += gene.rate[:, None] * shown
        donor, acceptor, usage = _splice_sites(mine, length)
        found |= {
            track_id("SPLICE_SITES", "donor", strand): _genomic(donor, strand),
            track_id("SPLICE_SITES", "acceptor", strand): _genomic(acceptor, strand),
        }
        for i, cell in enumerate(cells()):
            for modality, what, values in (
                ("CAGE", "CAGE", starts), ("PROCAP", "PRO-cap", NASCENT * starts),
                ("RNA_SEQ", "RNA", rna), ("SPLICE_SITE_USAGE", "usage", usage),
            ):  # fmt: skip
                key = track_id(modality, f"{cell.key}-{what}", strand)
                found[key] = _genomic(values[i], strand)
    return found


def _genomic(values: Doubles, strand: Strand) -> Floats:
    return np.ascontiguousarray(values if strand == "+" else values[::-1], np.float32)


def _splice_sites(genes: Sequence[Gene], length: int) -> tuple[Doubles, Doubles, Doubles]:
    """Marks the last base of exons at donors and the first at acceptors, along the strand.

    A site's probability is its largest usage over the cells, times how surely the transcripts over
    it are seen.
    """
    donor, acceptor = np.zeros(length), np.zeros(length)
    usage = np.zeros((len(cells()), length))
    for gene in genes:
        by_donor, by_acceptor = gene.transcripts.usage()
        for array, places, (used, over) in (
            (donor, gene.transcripts.donors - 1, by_donor),
            (acceptor, gene.transcripts.acceptors, by_acceptor),
        ):
            rate = gene.rate[:, None] * over
            seen = rate / (rate + SEEN_RATE)
            np.maximum.at(array, places, used.max(0, initial=0) * seen.max(0, initial=0))
            for row, mine in zip(usage, used * seen, strict=True):
                np.maximum.at(row, places, mine)
    return donor, acceptor, usage


def enhancer_rna(chromatin: Chromatin, codes: Codes, scanner: Scanner) -> Values:
    """PRO-cap at enhancers: initiators within them fire weakly, away from the middle."""
    found = {}
    scanners = scanner, Scanner(reverse_complement(codes))
    for strand, scan in zip(_STRANDS, scanners, strict=True):
        score = shifted(scan.score(INITIATOR.bits), -INITIATOR_START)
        places = np.flatnonzero(score > ENHANCER_INITIATOR)
        places = places[places >= ENHANCER_START]
        active = chromatin.activation if strand == "+" else chromatin.activation[:, ::-1]
        values = np.zeros(active.shape)
        values[:, places] = ENHANCER_RNA * active[:, places - ENHANCER_START]
        for i, cell in enumerate(cells()):
            found[track_id("PROCAP", f"{cell.key}-PRO-cap", strand)] = _genomic(values[i], strand)
    return found


def junctions(genes: Sequence[Gene], least_share: float = 1e-3) -> Junctions:
    """Lists the introns that at least ``least_share`` of a gene's transcripts have in some cell."""
    merged: dict[tuple[int, int, Strand], Doubles] = {}
    for gene in genes:
        for (first, past), share in _introns(gene, least_share):
            key = (first, past, gene.strand)
            merged[key] = merged.get(key, np.zeros(len(cells()))) + share * gene.rate
    keys = sorted(merged)
    return Junctions(
        np.array([key[0] for key in keys], np.int64),
        np.array([key[1] for key in keys], np.int64),
        tuple(key[2] for key in keys),
        np.stack([merged[key] for key in keys], 1) if keys else np.zeros((len(cells()), 0)),
    )


def _introns(gene: Gene, least_share: float) -> Iterator[tuple[tuple[int, int], Doubles]]:
    t = gene.transcripts
    for donor, acceptor in zip(*np.nonzero(t.junctions.max(0) >= least_share), strict=True):
        interval = gene.interval(int(t.donors[donor]), int(t.acceptors[acceptor]))
        yield interval, t.junctions[:, donor, acceptor]
