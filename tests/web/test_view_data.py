"""The numbers that leave the page are those that were predicted and measured, bin by bin."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle
from tests.web.conftest import Worker, gc_share, signal
from tests.web.test_api import D1, OBSERVED_D1, VIEW, predict

CAGE = "CD4%2B%20T%20cells%2C%20naive"


def predicted_bins(bundle: Bundle) -> np.ndarray:
    """What the toy predicts on chr1, to its last base."""
    return gc_share("N" * 1024 + bundle.reference.fetch(bundle.reference.pieces[0]) + "N" * 1024)


def ready(client: FlaskClient, worker: Worker, query: str) -> str:
    """Has a view predicted."""
    predict(client, query, prefetch=False)
    worker.work()
    assert predict(client, query, prefetch=False)["complete"]
    return query


def table(client: FlaskClient, query: str) -> tuple[dict[str, str], pd.DataFrame]:
    response = client.get(f"/api/v1/export.tsv?{query}")
    assert response.status_code == 200, response.text
    lines = response.text.splitlines()
    comments = dict(line[2:].split(": ", 1) for line in lines if line.startswith("#"))
    return comments, pd.read_csv(io.StringIO(response.text), sep="\t", comment="#")


def files(client: FlaskClient, query: str, folder: Path) -> list[Path]:
    response = client.get(f"/api/v1/export.zip?{query}")
    assert response.status_code == 200, response.text
    with zipfile.ZipFile(io.BytesIO(response.data)) as zipped:
        zipped.extractall(folder)
    return sorted(folder.iterdir())


@pytest.mark.parametrize(
    ("locus", "first", "last"),
    [
        ("chr1:40001-50000", 1250, 1562),  # 40,000 = 1,250 x 32; 50,000 lies in bin 1,562
        ("chr1:40033-40064", 1251, 1251),  # one bin, exactly
        ("chr1:40032-40065", 1250, 1252),  # a base more on either side
        ("chr1:1-100", 0, 3),
        ("chr1:99901-100000", 3121, 3124),
    ],
)
def test_table_has_every_bin_in_view_at_its_place(client, worker, bundle, locus, first, last):
    query = ready(client, worker, VIEW.replace("chr1:40001-50000", locus))
    about, all_ = table(client, f"{query}&only={D1}")
    for source, id_, values in (
        ("predicted", D1, predicted_bins(bundle)),
        ("observed", OBSERVED_D1, signal(3125, 0).astype(np.float32)),
    ):
        shown = all_[all_.source == source]
        assert set(shown.track) == {id_}
        assert shown.start.tolist() == [32 * i for i in range(first, last + 1)]
        assert shown.end.tolist() == [32 * i for i in range(first + 1, last + 2)]
        assert shown.value.astype(np.float32).tolist() == values[first : last + 1].tolist()
    assert about["coordinates"] == "0-based half-open, as in BED"
    assert about["simulated"] == "False"
    assert about["notice"] == "not for clinical use"
    assert about["link"].startswith("http://localhost/browse?genome=toy1&locus=chr1:")


def test_bigwigs_hold_the_same_numbers(client, worker, bundle, tmp_path):
    query = ready(client, worker, VIEW)
    stem = "locuscope_toy1_chr1-40001-50000"
    found = files(client, query, tmp_path)
    names = {path.name for path in found}
    assert {f"{stem}.DNASE_d1.bw", f"{stem}.observed_dnase_d1.bw", f"{stem}.bw.json"} <= names
    for name, values in (
        (f"{stem}.DNASE_d1.bw", predicted_bins(bundle)),
        (f"{stem}.observed_dnase_d1.bw", signal(3125, 0)),
    ):
        with pyBigWig.open(str(tmp_path / name)) as file:
            assert dict(file.chroms()) == {"chr1": 100_000}
            bins = file.intervals("chr1")
        assert [(a, b) for a, b, _ in bins] == [(32 * i, 32 * i + 32) for i in range(1250, 1563)]
        assert [v for *_, v in bins] == pytest.approx(values[1250:1563], rel=1e-6)
    about = json.loads((tmp_path / f"{stem}.bw.json").read_text())
    assert about["model"] == "toy"
    assert about["tracks"][OBSERVED_D1]["resolution"] == 32


def test_both_alleles_are_exported(client, worker, bundle):
    reference = predicted_bins(bundle)
    base = bundle.reference.fetch(bundle.reference.pieces[0])[40_100]
    other = "A" if base in "CG" else "C"
    query = ready(client, worker, f"{VIEW}&variant=chr1:40101:{base}%3E{other}")
    about, shown = table(client, f"{query}&only={D1}")
    assert about["edits"] == f"chr1:40101:{base}>{other}"
    by_source = {name: group.value.to_numpy() for name, group in shown.groupby("source")}
    changed = by_source["alternate"] - by_source["reference"]
    assert by_source["reference"] == pytest.approx(reference[1250:1563])
    assert np.flatnonzero(changed).tolist() == [3]  # 40,100 lies in [40,096, 40,128)
    assert changed[3] == pytest.approx((1 if other == "C" else -1) / 32)


def test_strand_pairs_are_two_tracks(client, worker, tmp_path):
    query = ready(client, worker, VIEW.replace("EFO:0001187", CAGE))
    _, shown = table(client, f"{query}&only=toy/CAGE/c1")
    assert set(zip(shown.strand, shown.source, strict=True)) == {
        ("+", "predicted"), ("-", "predicted"), ("+", "observed"), ("-", "observed"),
    }  # fmt: skip
    names = [path.name for path in files(client, f"{query}&only=toy/CAGE/c1", tmp_path)]
    assert "locuscope_toy1_chr1-40001-50000.CAGE_c1_minus.bw" in names


def test_what_is_not_there_is_an_error_and_no_file(client, broker):
    error = client.get(f"/api/v1/export.tsv?{VIEW}")
    assert error.status_code == 400
    assert "not all of this view is predicted" in error.json["error"]["message"].lower()
    assert client.get(f"/api/v1/export.tsv?{VIEW}&only=nothing").status_code == 404


def test_too_much_is_refused_before_it_is_read(client, monkeypatch):
    monkeypatch.setattr("app.web.view_data.MAX_VALUES", 100)
    answer = client.get(f"/api/v1/export.tsv?{VIEW}")
    assert answer.status_code == 413
    assert "Zoom in" in answer.json["error"]["message"]


def test_measurements_alone_name_no_model(client: FlaskClient, bundle: Bundle) -> None:
    query = "genome=toy1&locus=chr1:1-1000&model=&biosample=EFO:0002067"
    about, shown = table(client, query)
    assert "model" not in about
    assert set(shown.source) == {"observed"}
