"""The bundle teach1, built as ``locuscope teaching build`` does and kept below ``.cache``."""

import subprocess
import sys

import cooler
import numpy as np
import pytest
from alphagenome.data.genome import Interval
from click.testing import CliRunner

from app.cli import main
from app.genome.catalogue import Catalogue
from app.teaching_bundle import DEPTHS, DISPERSION, STEPS, build, replicate
from app.web.rows import rows
from app.web.state import from_query
from models.registry import cards
from models.teaching.cells import cells
from models.teaching.oracle import REACH, oracle
from models.teaching.stories import read_stories, teach1
from tests.conftest import REPOSITORY

FOLDER = REPOSITORY / ".cache" / "bundles" / "teach1"
#: A window in the middle of a stretch that is long enough on both sides for the oracle's reach.
START, WIDTH = 655_360, 131_072
MARGIN = 147_456


@pytest.fixture(scope="module")
def bundle():
    build(FOLDER)
    return Catalogue.load([FOLDER]).get("teach1")


@pytest.fixture(scope="module")
def truth():
    assert MARGIN >= REACH
    sequence = teach1("chrT1").sequence[START - MARGIN : START + WIDTH + MARGIN]
    return oracle(sequence, 128)


def test_bundle_is_whole_and_says_that_it_is_simulated(bundle):
    assert bundle.problems == ()
    assert bundle.simulated
    assert min(bundle.reference.chromosomes.values()) >= 2_000_000
    assert len(bundle.reference.chromosomes) == 3
    assert (
        bundle.reference.fetch(Interval("chrT2", 1_000, 2_000))
        == (teach1("chrT2").sequence[1_000:2_000])
    )
    assert all("simulated" in t.track.biosample.name for t in bundle.tracks.values()
               if t.track.biosample)  # fmt: skip


@pytest.mark.parametrize(
    "name",
    ["thymocyte-ATAC/.", "hepatocyte-DNase/.", "hepatocyte-RNA/+", "neuron-RNA/-",
     "B-cell-H3K27ac/.", "myoblast-CTCF/.", "donor/+", "thymocyte-PRO-cap/-"],
)  # fmt: skip
def test_truth_files_hold_what_the_oracle_says(bundle, truth, name):
    observed = bundle.tracks[f"observed/truth/{name}"]
    track = observed.track
    values = observed.values(Interval("chrT1", START, START + WIDTH))
    key = f"teaching/{track.modality}/{name}"
    first = MARGIN // track.resolution
    expected = truth.values[key][first : first + WIDTH // track.resolution]
    step = STEPS.get(track.modality, 0)
    np.testing.assert_allclose(values, expected, atol=step / 2 + 1e-5, rtol=1e-4)
    assert np.ptp(values) > 0


def test_counts_have_the_stated_mean_and_dispersion():
    mean = 3.0
    truth = np.full(400_000, mean / DEPTHS["ATAC"])
    counts = replicate(truth, "ATAC", 1, 2, 3)
    assert counts.mean() == pytest.approx(mean, rel=0.01)
    assert counts.var() == pytest.approx(mean + DISPERSION * mean**2, rel=0.02)
    assert (replicate(truth, "ATAC", 1, 2, 3) == counts).all()
    other = replicate(truth, "ATAC", 1, 2, 4)
    assert abs(np.corrcoef(counts, other)[0, 1]) < 0.01
    assert not replicate(np.zeros(10), "ATAC", 1).any()


def test_replicates_scatter_around_the_truth_in_the_files(bundle):
    whole = Interval("chrT3", 0, 2**21)
    truth = bundle.tracks["observed/truth/erythroblast-H3K36me3/."].values(whole)
    drawn = [
        bundle.tracks[f"observed/replicate-{r}/erythroblast-H3K36me3/."].values(whole)
        for r in (1, 2)
    ]
    depth = DEPTHS["CHIP_HISTONE"]
    mean = depth * truth.astype(float)
    drawn = [depth * values for values in drawn]
    for counts in drawn:
        np.testing.assert_allclose(counts, counts.round(), atol=1e-3)
        assert counts.mean() == pytest.approx(mean.mean(), rel=0.02)
        spread = (counts - mean) ** 2 / (mean + DISPERSION * mean**2)
        assert spread.mean() == pytest.approx(1, abs=0.08)
    rest = [counts - mean for counts in drawn]
    assert abs(np.corrcoef(*rest)[0, 1]) < 0.05


def test_contacts_hold_what_the_oracle_says(bundle, truth):
    assert len(bundle.contacts) == 3 * len(cells())
    matrix = cooler.Cooler(str(FOLDER / "tracks" / "truth_hepatocyte-Hi-C.cool"))
    values = matrix.matrix(balance=False).fetch(("chrT1", START, START + WIDTH))
    first = MARGIN // 2048
    for i, d in ((0, 0), (3, 5), (10, 40), (20, 43)):
        assert values[i, i + d] == pytest.approx(truth.contacts[0, first + i, d], rel=1e-4)
        assert values[i + d, i] == values[i, i + d]


def test_genes_of_the_stories_can_be_found(bundle):
    for story in read_stories():
        (hit,) = [h for h in bundle.genes.search(story.gene, 5) if h.gene.symbol == story.gene]
        assert hit.gene.chromosome == story.chromosome
        assert story.start <= hit.gene.start < hit.gene.end <= story.end


def test_every_story_has_a_view_that_opens(bundle):
    assert len(bundle.views) == 6
    catalogue = Catalogue([bundle])
    known = cards([])
    for view, story in zip(bundle.views, read_stories(), strict=True):
        state, notices = from_query(f"genome=teach1&{view.link}", catalogue, known)
        assert notices == []
        shown, _ = rows(state, bundle, known["teaching"])
        arcs = ["junctions"] if story.measure == "inclusion" else []
        assert [row.kind for row in shown] == ["signal"] * 6 + arcs + ["contacts"]
        assert all(row.predicted and row.observed for row in shown)
        (edit,) = state.edits
        assert edit.variant.position == story.causal.position


def test_building_again_keeps_what_is_there(bundle):
    before = (FOLDER / "genome.toml").stat().st_mtime_ns
    result = CliRunner().invoke(main, ["teaching", "build", "--out", str(FOLDER)])
    assert result.exit_code == 0
    assert result.output.strip() == str(FOLDER)
    assert (FOLDER / "genome.toml").stat().st_mtime_ns == before


@pytest.mark.parametrize("strand", ["+", "-"])
def test_junctions_are_those_of_the_oracle_and_counts_around_them(bundle, truth, strand):
    j = truth.junctions
    inside = (j.starts >= MARGIN) & (j.ends <= MARGIN + WIDTH) & (np.array(j.strands) == strand)
    inside &= j.reads[0] >= 1
    wanted = {
        (int(a) - MARGIN + START, int(b) - MARGIN + START): reads
        for a, b, reads in zip(j.starts[inside], j.ends[inside], j.reads[0, inside], strict=True)
    }
    assert wanted
    where = Interval("chrT1", START, START + WIDTH)
    track = bundle.junctions[f"observed/truth/hepatocyte-junctions/{strand}"]
    found = track.values(where)
    told = dict(
        zip(zip(found.start.tolist(), found.end.tolist(), strict=True), found.value, strict=True)
    )
    for intron, reads in wanted.items():
        assert told[intron] == pytest.approx(reads, rel=0.01)
    counted = bundle.junctions[f"observed/replicate-1/hepatocyte-junctions/{strand}"]
    assert counted.predicted == f"teaching/SPLICE_JUNCTIONS/hepatocyte-junctions/{strand}"
    whole = Interval("chrT1", 0, 2**21)
    counts = counted.values(whole).value
    assert (counts == counts.round()).all()
    expected = track.values(whole).value.astype(float)
    spread = np.sqrt((expected + DISPERSION * expected**2).sum())
    assert abs(counts.sum() - expected.sum()) < 4 * spread
    assert counts.sum() != pytest.approx(expected.sum(), abs=0.5)


def test_checking_genomes_leaves_a_process_that_can_fork(bundle):
    """Contact matrices are opened elsewhere: their library's thread can stop a fork for ever."""
    program = (
        "import sys; from pathlib import Path; from app.genome.check import check_genomes;"
        f"check_genomes([Path({str(FOLDER)!r})]); print('hictkpy' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True
    )
    assert done.stdout == "False\n", done.stderr
    assert bundle.contacts
