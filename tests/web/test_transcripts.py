"""What is left out of a transcript is what nobody could see."""

from __future__ import annotations

from dataclasses import replace

import pytest
from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.genome.genes import Transcript
from app.web.transcripts import as_seen, gene_lines, longest_per_gene


@pytest.fixture
def alpha(bundle: Bundle) -> Transcript:
    (transcript,) = bundle.genes.overlapping(Interval("chr1", 0, 10_000))
    return transcript


def test_the_transcript_with_most_exonic_bases_stands_for_its_gene(alpha: Transcript) -> None:
    short = replace(alpha, transcript_id="short", exons=((1_000, 1_200),))
    long = replace(alpha, transcript_id="long", exons=((1_000, 9_000),))
    assert longest_per_gene([short, long, alpha]) == [long]


def test_genes_come_in_order_of_position(bundle: Bundle) -> None:
    found = longest_per_gene(reversed(bundle.genes.overlapping(Interval("chr1", 0, 100_000))))
    assert [transcript.symbol for transcript in found] == ["ALPHA", "BETA+1"]


def test_a_collapsed_gene_reaches_over_all_of_its_transcripts(alpha: Transcript) -> None:
    left = replace(alpha, transcript_id="left", start=500, end=900, exons=((500, 900),))
    right = replace(alpha, transcript_id="right", start=5_000, end=9_500)
    (line,) = gene_lines([left, alpha, right], "collapsed")
    assert (line.transcript.start, line.transcript.end) == (500, 9_500)
    assert line.parts == (left, alpha, right)
    expanded = gene_lines([left, alpha, right], "expanded")
    assert [one.parts for one in expanded] == [(left,), (alpha,), (right,)]
    assert [one.transcript for one in gene_lines([left, alpha, right], "longest")] == [alpha]


@pytest.mark.parametrize(
    ("bp_per_px", "exons"),
    [
        (1, ((0, 10), (15, 20), (30, 90), (100, 101))),
        (5, ((0, 10), (15, 20), (30, 90), (100, 101))),
        (5.5, ((0, 20), (30, 90), (100, 101))),
        (10, ((0, 20), (30, 90), (100, 101))),
        (11, ((0, 101),)),
    ],
)
def test_exons_less_than_a_pixel_apart_are_one(
    bp_per_px: float, exons: tuple[tuple[int, int], ...], alpha: Transcript
) -> None:
    known = replace(alpha, exons=((0, 10), (15, 20), (30, 90), (100, 101)), cds=None)
    assert as_seen(known, bp_per_px) == replace(known, exons=exons)


@pytest.mark.parametrize(
    ("bp_per_px", "cds"),
    [(10, (1_010, 8_900)), (11, (1_000, 8_900)), (101, (1_000, 9_000))],
)
def test_untranslated_ends_narrower_than_a_pixel_are_not_told_apart(
    bp_per_px: float, cds: tuple[int, int], alpha: Transcript
) -> None:
    known = replace(alpha, exons=((1_000, 9_000),), cds=(1_010, 8_900))
    assert as_seen(known, bp_per_px) == replace(known, cds=cds)
