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
