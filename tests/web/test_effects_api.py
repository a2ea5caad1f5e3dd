"""``/api/v1/effects``: asked for, computed, scored, and as a file."""

from __future__ import annotations

import io
import math

import numpy as np
import pandas as pd
import pytest
from alphagenome.data.genome import Interval
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle

from .conftest import RESOLUTION, Worker

AT = 1_900
VIEW = "genome=toy1&model=toy&locus=chr1:1,001-3,000&biosample=EFO:0001187"


@pytest.fixture
def letters(bundle: Bundle) -> str:
    return bundle.reference.fetch(Interval("chr1", 0, 20_000))


@pytest.fixture
def query(letters: str) -> str:
    ref = letters[AT]
    return f"{VIEW}&variant=chr1:{AT + 1}:{ref}%3E{'A' if ref in 'GC' else 'C'}"


def ask(client: FlaskClient, query: str, **more: object):
    return client.post("/api/v1/effects", json={"query": query, **more})


def scored(client: FlaskClient, worker: Worker, query: str, **more: object):
    first = ask(client, query, **more).get_json()
    assert (first["complete"], first["rows"]) == (False, [])
    assert worker.work() == 2, "one pass for each allele"
    return ask(client, query, **more).get_json()


def test_edits_are_scored_for_all_tracks_in_two_passes(
    client: FlaskClient, worker: Worker, query: str, letters: str
) -> None:
    answer = scored(client, worker, query)
    assert answer["complete"]
    rows = answer["rows"]
    assert {row["track_id"] for row in rows} == {
        *("toy/DNASE/d1/.", "toy/DNASE/d2/.", "toy/CAGE/c1/+", "toy/CAGE/c1/-"),
        "toy/SPLICE_SITES/donor/+",
    }, "those of biosamples that are not in view too"
    chrom, _, place = rows[0]["scored_interval"].partition(":")
    start = int(place.partition("-")[0])
    edited = letters[:AT] + ("A" if letters[AT] in "GC" else "C") + letters[AT + 1 :]
    first = (AT - start) // RESOLUTION - 8  # sixteen bins are the first 501 bp and more
    low = start + first * RESOLUTION
    ref, alt = (
        sum(base in "GC" for base in text[low : low + 16 * RESOLUTION]) / RESOLUTION
        for text in (letters, edited)
    )
    [row] = [r for r in rows if r["track_name"] == "d1" and "DIFF_LOG2_SUM" in r["variant_scorer"]]
    assert chrom == "chr1"
    assert row["raw_score"] == pytest.approx(math.log2((1 + alt) / (1 + ref)), rel=1e-4)
    assert row["score_unit"] == "log2 ratio of 1 + sum"
    assert answer["provenance"]["model"] == "toy"


def test_scores_of_genes_name_the_gene(client: FlaskClient, worker: Worker, query: str) -> None:
    answer = scored(client, worker, query, scorers=["CAGE:GENE_MASK_LFC"])
    assert {(r["gene_name"], r["track_strand"]) for r in answer["rows"]} <= {("ALPHA", "+")}
    assert all(answer["genes"][r["gene_name"]] == [1_000, 9_000] for r in answer["rows"])


def test_file_holds_the_same_numbers_and_where_they_come_from(
    client: FlaskClient, worker: Worker, query: str
) -> None:
    rows = scored(client, worker, query)["rows"]
    response = client.get(f"/api/v1/effects.tsv?{query}")
    assert response.headers["Content-Disposition"].startswith("attachment")
    text = response.get_data(as_text=True)
    assert "# notice: not for clinical use" in text
    assert f"# edits: chr1:{AT + 1}:" in text
    table = pd.read_csv(io.StringIO(text), sep="\t", comment="#")
    assert len(table) == len(rows)
    np.testing.assert_allclose(table.raw_score, [row["raw_score"] for row in rows])


def test_file_is_not_given_before_it_is_computed(
    client: FlaskClient, worker: Worker, query: str
) -> None:
    response = client.get(f"/api/v1/effects.tsv?{query}")
    assert response.status_code == 429
    assert response.headers["Retry-After"] == "10"
    assert "still being predicted" in response.get_json()["error"]["message"]


@pytest.mark.parametrize(
    ("view", "more", "said"),
    [
        (VIEW, {}, "no edit"),
        ("genome=toy1&model=&locus=chr1:1,001-3,000&variant=chr1:1901:{ref}%3E{alt}", {}, "model"),
        ("{query}", {"scorers": ["LIVER"]}, "no scorer"),
        ("{query}", {"scorers": "ATAC"}, "list of texts"),
        ("{query}", {"scorers": ["ATAC"] * 51}, "At most 50"),
        ("{query}", {"scorers": ["ATAC"]}, "predicts nothing"),
    ],
)
def test_what_cannot_be_scored_is_refused_with_a_sentence(
    client: FlaskClient, query: str, letters: str, view: str, more: dict[str, object], said: str
) -> None:
    alt = "A" if letters[AT] in "GC" else "C"
    response = ask(client, view.format(query=query, ref=letters[AT], alt=alt), **more)
    assert response.status_code in (400, 404)
    assert said in response.get_json()["error"]["message"]


def test_without_a_worker_the_page_is_told(client: FlaskClient, query: str, broker: None) -> None:
    answer = ask(client, query).get_json()
    assert answer["failed"]
    assert "No worker" in answer["message"]


def test_failed_pass_says_why_and_is_computed_again_when_asked(
    client: FlaskClient, worker: Worker, query: str
) -> None:
    ask(client, query)
    worker.work(error="Out of memory.")
    answer = ask(client, query).get_json()
    assert (answer["failed"], answer["rows"]) == (True, [])
    assert "Out of memory." in answer["message"]
    file = client.get(f"/api/v1/effects.tsv?{query}")
    assert (file.status_code, file.get_json()["error"]["message"]) == (500, "Out of memory.")
    assert not ask(client, query, retry=True).get_json()["failed"]
    worker.work()
    assert ask(client, query).get_json()["rows"]
