"""The formulas of the AlphaGenome variant scorers, on plain arrays.

They are those of the package ``alphagenome`` (``alphagenome.models.variant_scorers`` has their
names and settings; Avsec et al., Nature 2026, doi:10.1038/s41586-025-10014-0, describes them) and
of its public implementation. Arrays run in genome order over the output of one window. A value
that is NaN in either allele (no known base, or beyond what the alternate pass predicts) counts in
neither.

``align`` puts the alternate at the bases of the reference as that implementation does for its gene
scorers; its centre mask compares what lies around the edit in each allele's own coordinates.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from app.genome.haplotype import Haplotype

Values = NDArray[np.floating]
Mask = NDArray[np.bool_]

#: Added to a mean before the natural logarithm of the gene scorer.
GENE_OFFSET = 1e-3
#: Added to the reads of a junction before their natural logarithm.
JUNCTION_OFFSET = 1e-7
#: Bases upstream of a polyadenylation site whose coverage stands for it.
SITE_WIDTH = 400
#: A gene counts only if at least this part of its polyadenylation sites is in the output.
LEAST_SITES = 0.8


def centre_bins(centre: int, n: int, resolution: int, width: int | None) -> slice:
    """Returns the bins of the mask around an edit.

    Args:
        centre: The base of the edit, in bp from the start of the first bin.
        n: How many bins there are; the mask is cut where they end.
        resolution: Width of a bin in bp.
        width: Width of the mask in bp, rounded up to whole bins; None for all bins.

    Returns:
        No bins where the edit lies in none.
    """
    at = centre // resolution
    if not 0 <= at < n:
        return slice(0, 0)
    if width is None:
        return slice(0, n)
    bins = math.ceil(width / resolution)
    first = at - bins // 2
    return slice(max(first, 0), min(first + bins, n))


def aggregate(reference: Values, alternate: Values, aggregation: str) -> float:
    """Compares the values under a mask.

    Args:
        reference: Shape (bins,).
        alternate: Shape (bins,).
        aggregation: Name of an ``AggregationType`` of the SDK.

    Returns:
        One number; NaN where no bin is known in both.
    """
    known = np.isfinite(reference) & np.isfinite(alternate)
    ref, alt = reference[known].astype(np.float64), alternate[known].astype(np.float64)
    if not len(ref):
        return math.nan
    match aggregation:
        case "DIFF_MEAN":
            score = alt.mean() - ref.mean()
        case "DIFF_SUM":
            score = alt.sum() - ref.sum()
        case "DIFF_SUM_LOG2":
            score = np.log2(1 + alt).sum() - np.log2(1 + ref).sum()
        case "DIFF_LOG2_SUM":
            score = np.log2(1 + alt.sum()) - np.log2(1 + ref.sum())
        case "L2_DIFF":
            score = np.sqrt(((alt - ref) ** 2).sum())
        case "L2_DIFF_LOG1P":
            score = np.sqrt(((np.log1p(alt) - np.log1p(ref)) ** 2).sum())
        case "ACTIVE_MEAN":
            score = max(alt.mean(), ref.mean())
        case "ACTIVE_SUM":
            score = max(alt.sum(), ref.sum())
        case _:
            raise ValueError(f"unknown aggregation {aggregation}")
    return float(score)


def align(alternate: Values, resolution: int, start: int, edits: Haplotype) -> Values:
    """Puts the alternate at the bases of the reference.

    The base before an insertion gets the largest value of itself and what is inserted; deleted
    bases get 0. A base has the value of the bin that it lies in.

    Args:
        alternate: Shape (bins,), of the pass that reads the alternate as far to the left as the
            reference.
        resolution: Width of a bin in bp.
        start: Where the first bin starts, 0-based.
        edits: The edits.

    Returns:
        Shape (bins * resolution,). NaN for bases that an insertion pushes out of the pass; the SDK
        has 0 there.
    """
    values = np.repeat(alternate, resolution)
    n = len(values)
    placed = np.full(n, np.nan, alternate.dtype)
    for block in edits.blocks:
        low = max(block.start, start, start - block.shift)
        high = min(block.end, start + n, start + n - block.shift)
        if low < high:
            taken = values[low + block.shift - start : high + block.shift - start]
            placed[low - start : high - start] = taken
    for first, past in edits.deletions:
        placed[max(first - start, 0) : max(past - start, 0)] = 0
    for one in edits.insertions:
        before = one.at - 1 - start
        inserted = values[max(one.start - 1 - start, 0) : max(one.start + one.length - start, 0)]
        if 0 <= before < n and len(inserted):
            placed[before] = inserted.max()
    return placed


def _under(mask: Mask, reference: Values, alternate: Values) -> tuple[Values, Values]:
    known = mask & np.isfinite(reference) & np.isfinite(alternate)
    return reference[known].astype(np.float64), alternate[known].astype(np.float64)


def gene_lfc(reference: Values, alternate: Values, exons: Mask) -> float:
    """Returns ln(mean ALT + 0.001) - ln(mean REF + 0.001) over the bases of exons; natural log."""
    ref, alt = _under(exons, reference, alternate)
    if not len(ref):
        return math.nan
    return float(np.log(alt.mean() + GENE_OFFSET) - np.log(ref.mean() + GENE_OFFSET))


def gene_active(reference: Values, alternate: Values, exons: Mask) -> float:
    """Returns the larger of the two means over the bases of exons."""
    ref, alt = _under(exons, reference, alternate)
    return float(max(alt.mean(), ref.mean())) if len(ref) else math.nan


def gene_splicing(reference: Values, alternate: Values, exons: Mask) -> float:
    """Returns the largest absolute difference at a base of an exon."""
    ref, alt = _under(exons, reference, alternate)
    return float(np.abs(alt - ref).max()) if len(ref) else math.nan


class JunctionScore(NamedTuple):
    """The intron that changes most, 0-based half-open, and by how much (natural log)."""

    start: int
    end: int
    score: float


def splice_junctions(
    reference: Values, alternate: Values, gene: tuple[int, int]
) -> JunctionScore | None:
    """Returns the intron within a gene whose reads change most, |ln ALT - ln REF| of reads + 1e-7.

    The SDK has a number for every pair of splice sites. Here each allele lists introns, and one
    that is in a single list counts in the other as the smallest value that either lists: what is
    left out is less than that.

    Args:
        reference: Shape (introns, 3): start, end (0-based half-open) and reads.
        alternate: The same, in places of the reference.
        gene: Start and end of the gene's body; both ends of the intron lie inside of it.

    Returns:
        None where neither allele has an intron there.
    """
    least = np.concatenate([reference[:, 2], alternate[:, 2]]).min(initial=np.inf)

    def inside(rows: Values) -> dict[tuple[int, int], float]:
        kept = rows[(rows[:, 0] > gene[0]) & (rows[:, 1] < gene[1])]
        return {(int(start), int(end)): float(reads) for start, end, reads in kept}

    ref, alt = inside(reference), inside(alternate)
    best: JunctionScore | None = None
    for place in sorted(ref.keys() | alt.keys()):
        before, after = (
            math.log(max(reads, 0) + JUNCTION_OFFSET)
            for reads in (ref.get(place, least), alt.get(place, least))
        )
        if best is None or abs(after - before) > best.score:
            best = JunctionScore(*place, abs(after - before))
    return best


def polyadenylation(
    reference: Values, alternate: Values, sites: Sequence[int], strand: str
) -> float:
    """Returns the largest |log2| fold change between proximal and distal polyadenylation sites.

    Of ``K`` sites from left to right with ratios ``r`` of ALT over REF coverage, that is the
    maximum over ``k`` of ``|log2((K - k) / k * sum(r[:k]) / sum(r[k:]))|`` (Linder et al., Nature
    Genetics 2025, doi:10.1038/s41588-024-02053-6). Coverage is the sum over the 400 bases of the
    transcript that end with the site; a ratio over 0 counts as 0.

    Args:
        reference: Coverage by base, shape (bases,).
        alternate: The same, aligned.
        sites: Last bases of transcripts, in bp from the first base; all within the array.
        strand: Of the gene.

    Returns:
        NaN for fewer than two sites.
    """
    if len(sites) < 2:
        return math.nan
    ratios = []
    for site in sorted(sites):
        first = max(site + 1 - SITE_WIDTH, 0) if strand == "+" else site
        part = slice(first, site + 1 if strand == "+" else site + SITE_WIDTH)
        ref, alt = reference[part], alternate[part]
        known = np.isfinite(ref) & np.isfinite(alt)
        before, after = (float(x[known].sum(dtype=np.float64)) for x in (ref, alt))
        ratios.append(after / before if before else 0.0)
    r, k = np.array(ratios), np.arange(1, len(ratios))
    near = np.cumsum(r)[:-1]
    far = r.sum() - near
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = np.abs(np.log2((len(r) - k) / k * near / far))
    return float(np.nan_to_num(scores, nan=0, posinf=0, neginf=0).max())


def contact_map(reference: Values, alternate: Values, bins: slice) -> float:
    """Returns the mean |ALT - REF| over all pairs of which one bin is edited.

    Args:
        reference: Shape (bins, bins), symmetric; NaN where there is no value.
        alternate: The same, in places of the reference.
        bins: The edited bins; the SDK has one.
    """
    change = np.abs(alternate[bins].astype(np.float64) - reference[bins])
    return float(np.nanmean(change)) if np.isfinite(change).any() else math.nan
