"""What is made up comes out as planned, the same each time."""

import numpy as np
import pytest

from models.teaching.cells import cells
from models.teaching.oracle import oracle
from models.teaching.simulate import background, chromosome, cpg_ratio, gene
from models.teaching.tracks import track_id

LENGTH = 2**19


@pytest.fixture(scope="module")
def made():
    return chromosome(LENGTH, np.random.default_rng(21))


@pytest.fixture(scope="module")
def truth(made):
    return oracle(made.sequence, 64)


def test_same_seed_same_chromosome(made):
    again = chromosome(LENGTH, np.random.default_rng(21))
    other = chromosome(LENGTH, np.random.default_rng(22))
    assert len(made) == LENGTH
    assert again.sequence == made.sequence
    assert again.features == made.features
    assert other.sequence != made.sequence


def test_features_lie_where_their_sequence_is(made):
    turned = made.reversed()
    assert turned.reversed().sequence == made.sequence
    assert turned.reversed().features == made.features


def test_background_loses_its_cpg():
    rng = np.random.default_rng(23)
    assert 0.15 < cpg_ratio(background(200_000, 0.42, rng).codes) < 0.35
    assert 0.95 < cpg_ratio(background(200_000, 0.42, rng, cpg_kept=1.0).codes) < 1.05


def test_the_oracle_finds_most_planned_genes_where_they_are(made, truth):
    found = {(g.start_site, g.strand) for g in truth.genes if g.rate.max() > 1}
    planned = {
        (f.start if f.strand == "+" else f.end - 1, f.strand)
        for f in made.features
        if f.kind == "gene"
    }
    assert len(planned) >= 8
    assert len(planned & found) >= 0.8 * len(planned)


def test_the_oracle_reads_the_planned_exons(made, truth):
    """Of exons in genes that it finds, most have both splice sites where they were written."""
    starts = {(g.start_site, g.strand): g for g in truth.genes}
    right = total = 0
    for feature in (f for f in made.features if f.kind == "gene"):
        site = feature.start if feature.strand == "+" else feature.end - 1
        if (site, feature.strand) not in starts:
            continue
        exons = set(starts[site, feature.strand].exons())
        inside = [
            f for f in made.features
            if f.kind == "exon" and feature.start <= f.start and f.end < feature.end
            and f.strand == feature.strand
        ]  # fmt: skip
        total += len(inside)
        right += sum((f.start, f.end) in exons for f in inside)
    assert total > 20
    # The last exon of a gene is cut at its end signal and its feature is not.
    assert right / total > 0.6


def test_planted_enhancers_open_in_their_cells(made, truth):
    opened = []
    for feature in (f for f in made.features if f.kind == "enhancer"):
        values = {
            c.key: truth.values[track_id("ATAC", f"{c.key}-ATAC", ".")][feature.start : feature.end]
            for c in cells()
        }
        opened.append(values[feature.name].max() > 0.5)
    assert len(opened) >= 8
    assert np.mean(opened) > 0.9


def test_genes_end_with_one_strong_signal():
    made = gene("G", "tata", cells()[2], 0.42, np.random.default_rng(24), n_exons=5)
    assert "AATAAA" in made.sequence[-90:]
