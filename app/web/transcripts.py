"""Which transcripts stand for the genes of a region, and how much of them can be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from app.genome.genes import Gene, Transcript

#: One transcript a gene; all of a gene in one line; each transcript in a line of its own.
GeneRows = Literal["longest", "collapsed", "expanded"]


@dataclass(frozen=True)
class GeneLine:
    """One line of the gene row.

    Attributes:
        transcript: What names the line and says how far it reaches.
        parts: The transcripts whose exons are drawn in it.
    """

    transcript: Transcript
    parts: tuple[Transcript, ...]


def gene_lines(transcripts: Iterable[Transcript], how: GeneRows) -> list[GeneLine]:
    """Returns the lines in which transcripts are drawn.

    Of a collapsed gene the line reaches over all of its transcripts, whose exons lie upon each
    other.
    """
    known = list(transcripts)
    if how == "expanded":
        return [GeneLine(one, (one,)) for one in known]
    named = longest_per_gene(known)
    if how == "longest":
        return [GeneLine(one, (one,)) for one in named]
    parts: dict[Gene, list[Transcript]] = {}
    for one in known:
        parts.setdefault(one.gene, []).append(one)
    lines = []
    for one in named:
        all_of = parts[one.gene]
        start, end = min(t.start for t in all_of), max(t.end for t in all_of)
        lines.append(GeneLine(replace(one, start=start, end=end), tuple(all_of)))
    return lines


def longest_per_gene(transcripts: Iterable[Transcript]) -> list[Transcript]:
    """Returns one transcript a gene, the one with most exonic bases, in order of position."""

    def exonic(transcript: Transcript) -> int:
        return sum(end - start for start, end in transcript.exons)

    best: dict[Gene, Transcript] = {}
    for transcript in transcripts:
        known = best.get(transcript.gene)
        if known is None or exonic(transcript) > exonic(known):
            best[transcript.gene] = transcript
    return sorted(best.values(), key=lambda t: (t.start, t.end))


def as_seen(transcript: Transcript, bp_per_px: float) -> Transcript:
    """Returns a transcript without the gaps and ends that are narrower than a pixel.

    Exons less than a pixel apart are one, and so is an untranslated end with what it ends. Of a
    whole chromosome nearly all would else be sent and drawn in vain.
    """
    joined: list[tuple[int, int]] = []
    for start, end in transcript.exons:
        if joined and start - joined[-1][1] < bp_per_px:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    cds = transcript.cds
    if cds is not None:
        left, right = cds[0] - transcript.start, transcript.end - cds[1]
        cds = (
            transcript.start if left < bp_per_px else cds[0],
            transcript.end if right < bp_per_px else cds[1],
        )
    return replace(transcript, exons=tuple(joined), cds=cds)
