"""Which transcripts stand for the genes of a region, and how much of them can be seen."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from app.genome.genes import Gene, Transcript


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


def without_hairlines(transcript: Transcript, bp_per_px: float) -> Transcript:
    """Returns a transcript whose exons less than a pixel apart are one, as they are on screen.

    Of the exons of a chromosome nearly all would be sent, and drawn, in vain.
    """
    joined: list[tuple[int, int]] = []
    for start, end in transcript.exons:
        if joined and start - joined[-1][1] < bp_per_px:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    return replace(transcript, exons=tuple(joined))
