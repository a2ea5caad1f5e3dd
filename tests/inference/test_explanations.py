"""Names of motifs, against a motif that was planted; and answers of one job, stored."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.errors import ComputationError
from app.genome.jaspar import RELEASE, matrix
from app.inference.batch import InProcessJobs
from app.inference.compute import Engine
from app.inference.explanations import Explanations, seqlets
from app.inference.motifs import name_motifs
from app.inference.requests import JobRequest, MotifRequest
from app.inference.store import ResultStore
from app.settings import Settings

from .helpers import random_sequence

#: CTCF.
PLANTED = "MA0139.2"


def best_site(id_: str) -> str:
    return "".join("ACGT"[i] for i in np.argmax(matrix(id_).frequencies, axis=1))


def complement(bases: str) -> str:
    return bases[::-1].translate(str.maketrans("ACGT", "TGCA"))


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    return Engine(Settings(cache_dir=tmp_path_factory.mktemp("cache"), device="cpu"))


class Counted(InProcessJobs):
    """Counts what is submitted."""

    submitted = 0

    def submit(self, request: JobRequest, *rest, **options) -> None:  # type: ignore[no-untyped-def]
        self.submitted += 1
        super().submit(request, *rest, **options)


@pytest.mark.parametrize("strand", ["+", "-"])
def test_planted_motif_is_named_in_place_and_on_its_strand(engine, tmp_path: Path, strand):
    site = best_site(PLANTED)
    at = 60
    bases = random_sequence(150, seed=4)
    bases = bases[:at] + (site if strand == "+" else complement(site)) + bases[at + len(site) :]
    contributions = np.random.default_rng(5).normal(0, 0.01, 150).astype(np.float32)
    contributions[at : at + len(site)] += 0.5
    contributions[3] = np.nan  # an unknown base counts as nothing
    jobs = Counted(engine)
    explanations = Explanations(jobs, ResultStore(tmp_path, 10**8))
    card = engine.cards["teaching"]
    arrays = None
    for _ in range(3):
        arrays = explanations.motifs(card, bases, contributions).arrays or arrays
    found = [one for one in seqlets(arrays) if one.attribution > 1]
    assert len(found) == 1
    (one,) = found
    assert (one.start, one.end) == (at, at + len(site))
    best = one.matches[0]
    assert best.matrix.name == "CTCF"
    assert best.strand == strand
    assert best.q < 0.05
    if best.matrix.id == PLANTED:
        assert best.offset == at
    assert [match.p for match in one.matches] == sorted(match.p for match in one.matches)
    assert jobs.submitted == 1  # the second time it was stored


def test_nothing_stands_out_where_all_is_zero():
    request = MotifRequest("teaching", "w", "s", (0.0,) * 50, RELEASE)
    found = name_motifs(request, random_sequence(50, seed=1))
    assert found["seqlets"].shape == (0, 5)
    assert seqlets(found) == []


def test_another_release_is_refused():
    request = MotifRequest("teaching", "w", "s", (0.0, 1.0), "JASPAR2018")
    with pytest.raises(ComputationError, match="not JASPAR2018"):
        name_motifs(request, "AC")
