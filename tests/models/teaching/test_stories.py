"""Every planted story has its effect, in the right gene and cell type, and none elsewhere."""

from functools import lru_cache

import numpy as np
import pytest

from models.teaching.cells import cells
from models.teaching.motifs import decode
from models.teaching.oracle import oracle
from models.teaching.stories import (
    alternate_sequence,
    context,
    read_stories,
    teach1,
    tell,
)

STORIES = {story.id: story for story in read_stories()}


@lru_cache
def _read(story_id, variant=None):
    story = STORIES[story_id]
    codes = teach1(story.chromosome).codes
    window = context(codes, story.causal)
    if variant is None:
        return oracle(decode(codes[slice(*window)]), 128)
    return oracle(alternate_sequence(codes, window, variant), 128)


def _rates(truth):
    return {(g.start_site, g.strand): g.rate for g in truth.genes if g.rate.max() > 1}


def test_there_are_six_stories_on_three_chromosomes():
    assert len(STORIES) == 6
    assert {s.chromosome for s in STORIES.values()} == {"chrT1", "chrT2", "chrT3"}


@pytest.mark.parametrize("name", ["chrT1", "chrT2", "chrT3"])
def test_table_is_what_the_oracle_says_now(name):
    for story in tell(name, teach1(name)):
        written = STORIES[story.id]
        assert written.variants == story.variants
        for key in story.reference:
            assert written.reference[key] == pytest.approx(story.reference[key], rel=1e-3, abs=1e-4)
            assert written.alternate[key] == pytest.approx(story.alternate[key], rel=1e-3, abs=1e-4)


@pytest.mark.parametrize("story", STORIES.values(), ids=lambda s: s.id)
def test_reference_alleles_are_in_the_genome(story):
    sequence = teach1(story.chromosome).sequence
    for v in story.variants:
        assert sequence[v.position - 1 : v.position - 1 + len(v.ref)] == v.ref


def _log_fold(story):
    return {k: np.log2((story.alternate[k] + 0.01) / (story.reference[k] + 0.01))
            for k in story.reference}  # fmt: skip


@pytest.mark.parametrize(
    ("story_id", "least"),
    [
        ("new-enhancer", 0.8),
        ("lost-activator", -0.8),
        ("fused-domains", 0.8),
        ("silenced-repeat", 2.0),
        ("linked-variants", -0.8),
    ],
)
def test_effect_is_in_one_cell_type(story_id, least):
    story = STORIES[story_id]
    change = _log_fold(story)
    own = change.pop(story.cell)
    assert np.sign(own) == np.sign(least)
    assert abs(own) >= abs(least)
    assert max(map(abs, change.values())) < abs(own) / 2.5


@pytest.mark.parametrize("story_id", ["new-enhancer", "lost-activator", "linked-variants"])
def test_effect_is_in_one_gene(story_id):
    story = STORIES[story_id]
    cell = [c.key for c in cells()].index(story.cell)
    before, after = _rates(_read(story_id)), _rates(_read(story_id, story.causal))
    assert before.keys() == after.keys()
    own = story.place - context(teach1(story.chromosome).codes, story.causal)[0]
    change = {k: abs(np.log2(after[k][cell] / before[k][cell])) for k in before}
    mine = change.pop((own, "+"))
    assert change
    assert max(change.values()) < mine / 2.5


def test_deletion_skips_the_exon_in_every_cell():
    story = STORIES["skipped-exon"]
    assert min(story.reference.values()) > 0.85
    assert max(story.alternate.values()) < 0.1


def test_lost_ctcf_site_fuses_the_domains():
    story = STORIES["fused-domains"]
    before, after = (_read(story.id, v).contacts for v in (None, story.causal))
    window = context(teach1(story.chromosome).codes, story.causal)
    wall = (story.causal.position - 1 - window[0]) // 2048
    across = [(i, j - i) for i in range(wall - 8, wall - 1) for j in range(wall + 2, wall + 6)]
    ratio = [after[0, i, d] / before[0, i, d] for i, d in across]
    assert np.median(ratio) > 1.5


def test_of_linked_variants_only_the_causal_one_acts():
    story = STORIES["linked-variants"]
    before = _rates(_read(story.id))
    for variant in story.variants:
        after = _rates(_read(story.id, variant))
        largest = max(np.abs(after[k] / before[k] - 1).max() for k in before)
        assert (largest > 0.2) == variant.causal
