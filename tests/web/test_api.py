"""The routes, over a genome and a model whose every number is known."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from alphagenome.data.genome import Interval
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from app.genome.catalogue import Bundle
from app.inference.jobs import WorkerInfo
from app.web.api import FOREVER
from app.web.services import Services
from app.web.tiles import MAX_TRACKS
from app.web.versions import LOOK_SECONDS
from tests.inference.helpers import until
from tests.web.conftest import Worker, gc_share, signal
from tests.web.test_agreement import pearson, ranks
from tests.web.test_tiles import unpack

VIEW = "genome=toy1&locus=chr1:40001-50000&model=toy&biosample=EFO:0001187"
D1, OBSERVED_D1 = "toy/DNASE/d1/.", "observed/dnase/d1/."


def tiles_url(tracks: list[str], **changes: object) -> str:
    fields = {"genome": "toy1", "model": "toy", "chrom": "chr1", "bin": 8, "from": 4, "to": 6}
    fields["tracks"] = ",".join(quote(track, safe="") for track in tracks)
    return "/api/v1/tiles?" + urlencode(fields | changes)


def predict(client: FlaskClient, query: str = VIEW, **more: object) -> dict:
    response = client.post("/api/v1/predict", json={"query": query} | more)
    assert response.status_code == 200, response.text
    return response.json


def predicted_bins(bundle: Bundle) -> np.ndarray:
    """What the toy predicts on chr1, one value a bin from position 0 on."""
    sequence = bundle.reference.fetch(Interval("chr1", 0, 100_000))
    return gc_share("N" * 1024 + sequence[:99_968] + "N" * 1024)


def error_of(response: TestResponse, status: int) -> dict:
    assert response.status_code == status, response.text
    assert response.content_type == "application/json"
    assert set(response.json) == {"error"}
    error = response.json["error"]
    assert set(error) == {"message", "suggestion"}
    for word in ("None", "NaN", "callback", "Traceback", "!"):
        assert word not in error["message"]
    return error


# --- Genomes, models, genes, search ---


def test_genomes_are_listed_with_chromosomes(client: FlaskClient) -> None:
    (genome,) = client.get("/api/v1/genomes").json["genomes"]
    assert (genome["id"], genome["assembly"], genome["tracks"]) == ("toy1", "toy1", 4)
    assert genome["chromosomes"] == [
        {"name": "chr1", "length": 100_000},
        {"name": "chr2", "length": 9_000},
    ]
    assert genome["problems"] == []


def test_models_say_what_is_missing_and_whether_a_worker_serves_them(
    client: FlaskClient, worker: Worker
) -> None:
    models = {m["id"]: m for m in client.get("/api/v1/models").json["models"]}
    assert models["toy"]["unavailable"] == ""
    assert models["toy"]["worker"] is True
    assert (models["toy"]["licence"], models["toy"]["validation"]) == (
        "Apache-2.0",
        "architecture only",
    )
    assert "model.h5" in models["baskerville-human74"]["unavailable"]
    assert models["baskerville-human74"]["worker"] is False
    assert next(iter(models)) != "baskerville-human74"


def test_models_are_listed_without_a_broker(client: FlaskClient) -> None:
    models = {m["id"]: m for m in client.get("/api/v1/models").json["models"]}
    assert (models["toy"]["unavailable"], models["toy"]["worker"]) == ("", False)


def test_a_model_that_a_worker_holds_needs_no_files_here(
    client: FlaskClient, worker: Worker
) -> None:
    def missing() -> str:
        return client.get("/api/v1/view?model=baskerville-human74").json["model"]["unavailable"]

    assert "model.h5" in missing()
    held = ("baskerville-human74",)
    worker.desk.show(WorkerInfo(worker.desk.worker, ("baskerville",), "cuda", held, ""))
    assert missing() == ""
    # What is here still comes first, so that the default does not depend on who runs.
    assert client.get("/api/v1/view").json["model"]["id"] == "toy"


def test_where_no_files_are_here_the_default_is_what_a_worker_holds(
    client: FlaskClient, worker: Worker, weights: Path
) -> None:
    services: Services = client.application.extensions["locuscope"]
    two = {id_: services.cards[id_] for id_ in ("baskerville-human74", "toy")}
    services = replace(services, cards=two)
    path, kept = weights / "toy" / "toy.bin", weights / "toy" / "toy.kept"
    path.rename(kept)
    try:
        until(lambda: services.missing(two["toy"]))  # files are looked at once a second
        assert list(services.preferred_cards()) == ["toy", "baskerville-human74"]
        worker.desk.show(WorkerInfo(worker.desk.worker, ("toy",), "cpu", (), ""))
        assert list(services.preferred_cards()) == ["baskerville-human74", "toy"]
    finally:
        kept.rename(path)
        until(lambda: not services.missing(two["toy"]))


def test_workers_are_not_asked_where_the_files_are_here(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: object) -> None:
        raise AssertionError("workers were asked")

    monkeypatch.setattr("app.inference.jobs.Jobs.workers", never)
    assert client.get(f"/api/v1/view?{VIEW}").status_code == 200


def test_genes_are_listed_with_lanes(client: FlaskClient) -> None:
    answer = client.get("/api/v1/genes?genome=toy1&chrom=1&start=0&end=30000").json
    assert [(g["symbol"], g["start"], g["end"], g["strand"]) for g in answer["genes"]] == [
        ("ALPHA", 1_000, 9_000, "+"),
        ("BETA+1", 20_000, 30_000, "-"),
    ]
    assert answer["genes"][0]["exons"] == [[1_000, 2_500], [7_500, 9_000]]
    assert answer["genes"][0]["cds"] == [2_000, 8_000]
    assert (answer["total"], answer["hidden"]) == (2, 0)


@pytest.mark.parametrize(
    ("pos", "direction", "locus"),
    [
        (10_000, "next", "chr1:19,001-31,000"),
        (26_000, "previous", "chr1:19,001-31,000"),
        (25_000, "previous", "chr1:201-9,800"),
    ],
)
def test_next_gene_is_shown_with_a_margin(
    pos: int, direction: str, locus: str, client: FlaskClient
) -> None:
    url = f"/api/v1/next-gene?genome=toy1&chrom=chr1&pos={pos}&direction={direction}"
    assert client.get(url).json["locus"] == locus


def test_behind_the_last_gene_there_is_none(client: FlaskClient) -> None:
    response = client.get("/api/v1/next-gene?genome=toy1&chrom=chr1&pos=90000")
    assert "no next gene on chr1" in error_of(response, 404)["message"]


def test_search_groups_suggestions_and_says_what_it_understood(
    client: FlaskClient, bundle: Bundle
) -> None:
    answer = client.get("/api/v1/search?genome=toy1&q=alp").json
    assert answer["suggestions"]["genes"] == [
        {"label": "ALPHA", "detail": "chr1:1,001-9,000", "locus": "ALPHA"}
    ]
    assert "understood" not in answer
    assert "ALPHA" in answer["error"]["message"]

    answer = client.get("/api/v1/search?genome=toy1&q=1:11-20").json
    assert answer["suggestions"]["regions"] == [
        {"label": "chr1:11-20", "detail": "10 bp", "locus": "chr1:11-20"}
    ]
    assert answer["understood"]["kind"] == "interval"

    ref = bundle.reference.fetch(Interval("chr1", 499, 500))
    alt = "A" if ref != "A" else "C"
    answer = client.get(f"/api/v1/search?genome=toy1&q=chr1-500-{ref}-{alt}").json
    assert answer["understood"]["variant"] == f"chr1:500:{ref}>{alt}"
    assert answer["suggestions"]["variants"][0]["locus"] == f"chr1:500:{ref}>{alt}"


@pytest.mark.parametrize("text", ["", " ", "\x00", "é" * 5_00, "chr1:", "-", "x" * 1_500, "%", ">"])
def test_search_takes_any_text(text: str, client: FlaskClient) -> None:
    response = client.get("/api/v1/search?" + urlencode({"genome": "toy1", "q": text}))
    assert response.status_code == 200
    assert set(response.json["suggestions"]) == {"genes", "regions", "variants"}


# --- The view ---


def test_view_describes_all_that_is_drawn(client: FlaskClient) -> None:
    answer = client.get(f"/api/v1/view?{VIEW}&width=1000&foo=1").json
    assert answer["query"] == VIEW
    assert answer["notices"] == ["Unknown in this link and left out: “foo”."]
    assert answer["locus"] == {
        "chrom": "chr1",
        "start": 40_000,
        "end": 50_000,
        "text": "chr1:40,001-50,000",
        "width_text": "10 kb",
        "chrom_length": 100_000,
        "pieces": [{"start": 0, "end": 100_000}],
    }
    assert answer["model"]["id"] == "toy"
    assert [row["id"] for row in answer["rows"]] == [D1, "toy/SPLICE_SITES/donor/+"]
    row = answer["rows"][0]
    assert (row["label"], row["biosample"]["name"], row["strand"]) == ("DNase", "HepG2", ".")
    assert [(t["id"], t["resolution"], t["planes"]) for t in row["predicted"]] == [(D1, 32, 1)]
    assert row["observed"][0]["id"] == OBSERVED_D1
    assert row["observed"][0]["predicted"] == D1
    # 10 bp a pixel: bins of 16 bp, tiles of 16,384 bp over 30,001 to 60,000.
    data = {key: answer["data"][key] for key in ("bin", "tile", "from", "to")}
    assert data == {"bin": 16, "tile": 1024, "from": 1, "to": 3}
    assert answer["figure"]["geometry"]["rows"][0]["id"] == D1
    assert "groups" not in answer
    assert "biosamples" not in answer


def test_tracks_list_all_that_can_be_chosen(client: FlaskClient) -> None:
    answer = client.get("/api/v1/tracks?genome=toy1&model=toy").json
    assert set(answer) == {"groups", "biosamples"}
    assert {g["modality"]: len(g["rows"]) for g in answer["groups"]} == {
        "DNASE": 2,
        "CAGE": 1,
        "CHIP_TF": 1,
        "SPLICE_SITES": 1,
    }
    assert answer["biosamples"][0] == {
        "value": "EFO:0001187",
        "label": "HepG2",
        "search": "EFO:0001187 Hep G2 Hep-G2",
        "predicted": 1,
        "observed": 1,
    }
    cage = next(g for g in answer["groups"] if g["modality"] == "CAGE")
    assert cage == {
        "modality": "CAGE",
        "label": "CAGE",
        "family": "transcription",
        "rows": [
            {
                "id": "toy/CAGE/c1",
                "biosample": "CD4+ T cells, naive",
                "label": "CD4+ T cells, naive +-",
                "predicted": True,
                "observed": True,
            }
        ],
    }
    alone = client.get("/api/v1/tracks?genome=toy1").json
    assert not any(row["predicted"] for group in alone["groups"] for row in group["rows"])
    assert [b["label"] for b in alone["biosamples"]] == ["HepG2", "CD4+ T cells, naive", "K562"]


def test_tracks_that_did_not_change_are_not_sent_again(client: FlaskClient) -> None:
    url = "/api/v1/tracks?genome=toy1&model=toy"
    first = client.get(url)
    assert first.headers["Cache-Control"] == "no-cache"
    assert first.headers["ETag"].startswith('"')
    again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = client.get(
        "/api/v1/tracks?genome=toy1", headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status_code == 200


def test_margins_end_with_the_chromosome(client: FlaskClient) -> None:
    answer = client.get("/api/v1/view?locus=chr1:95001-100000&width=5000").json
    assert (answer["data"]["bin"], answer["data"]["from"], answer["data"]["to"]) == (1, 87, 97)
    answer = client.get("/api/v1/view?locus=chr1:1-1024&width=1024").json
    assert (answer["data"]["from"], answer["data"]["to"]) == (0, 1)


def test_a_model_for_another_genome_is_said(client: FlaskClient) -> None:
    def notices() -> list[str]:
        return client.get("/api/v1/view?model=baskerville-human74").json["notices"]

    assert notices() == []  # a bundle that names no assembly may well be human
    services: Services = client.application.extensions["locuscope"]
    ours = services.catalogue.bundles
    ours["toy1"] = replace(ours["toy1"], simulated=True)
    assert "meant for hg38 and hg19; the assembly of this genome is toy1" in notices()[0]


def test_nonsense_in_a_link_still_gives_a_view(client: FlaskClient) -> None:
    answer = client.get("/api/v1/view?locus=!!!&genome=mars&model=oracle").json
    assert len(answer["notices"]) == 3
    assert answer["rows"]


# --- Prediction and tiles ---


def test_prediction_is_asked_for_computed_and_drawn(
    client: FlaskClient, worker: Worker, bundle: Bundle
) -> None:
    before = predict(client)
    assert (before["complete"], before["failed"], before["done"]) == (False, False, 0)
    assert before["message"]
    missing = [(s["start"], s["end"]) for s in before["spans"] if s["state"] == "missing"]
    assert missing[0][0] <= 40_000
    assert missing[-1][1] >= 50_000

    waiting = client.get(tiles_url([D1, OBSERVED_D1], v=before["ready"]))
    header, arrays = unpack(waiting.data)
    assert header["partial"] is True
    assert waiting.headers["Cache-Control"] == "no-cache"
    assert np.isnan(arrays[D1]).all()
    assert np.isfinite(arrays[OBSERVED_D1]).all()

    assert worker.work() > 0
    after = predict(client)
    assert (after["complete"], after["failed"], after["message"]) == (True, False, "")
    assert after["done"] == after["total"] > 0
    assert after["ready"] != before["ready"]
    assert [s for s in after["spans"] if s["state"] == "missing"] == []

    ready = client.get(tiles_url([D1, OBSERVED_D1], v=after["ready"]))
    assert ready.headers["ETag"] != waiting.headers["ETag"]
    header, arrays = unpack(ready.data)
    assert header["partial"] is False
    assert ready.headers["Cache-Control"] == FOREVER
    # Bins of 8 bp, four to a native bin of 32; tiles 4 to 6 cover 32,768 to 57,344.
    expected = np.repeat(predicted_bins(bundle), 4)[4 * 1024 : 7 * 1024]
    np.testing.assert_allclose(arrays[D1].ravel(), expected, rtol=1e-6)
    measured = np.repeat(signal(3_125, 0), 4)[4 * 1024 : 7 * 1024]
    np.testing.assert_allclose(arrays[OBSERVED_D1].ravel(), measured, rtol=1e-6)


def test_the_same_question_is_computed_once(client: FlaskClient, worker: Worker) -> None:
    predict(client)
    predict(client)
    first = worker.work()
    assert first > 0
    predict(client)
    predict(client, VIEW.replace("EFO:0001187", "EFO:0002067"))
    assert worker.work() == 0


def test_margins_are_computed_after_the_view_unless_not_wanted(
    client: FlaskClient, worker: Worker
) -> None:
    predict(client, prefetch=False)
    view = worker.work()
    predict(client)
    assert view > 0
    assert worker.work() > 0


def test_failed_prediction_says_why_and_is_computed_again_when_asked(
    client: FlaskClient, worker: Worker
) -> None:
    predict(client, prefetch=False)
    worker.work(error="The memory of cpu is full.")
    failed = predict(client, prefetch=False)
    assert (failed["complete"], failed["failed"]) == (True, True)
    assert failed["message"].endswith("The memory of cpu is full.")
    assert failed["windows"][0]["error"] == "The memory of cpu is full."
    assert worker.work() == 0
    assert predict(client, prefetch=False, retry=True)["failed"] is False
    assert worker.work() > 0
    assert predict(client, prefetch=False)["failed"] is False


def test_without_a_worker_the_page_is_told_and_measurements_stay(
    client: FlaskClient, broker: None
) -> None:
    progress = predict(client)
    assert (progress["complete"], progress["failed"]) == (False, True)
    assert "locuscope worker" in progress["message"]
    _, arrays = unpack(client.get(tiles_url([OBSERVED_D1])).data)
    assert np.isfinite(arrays[OBSERVED_D1]).all()


def test_without_a_broker_the_page_is_told(client: FlaskClient) -> None:
    progress = predict(client)
    assert (progress["complete"], progress["failed"]) == (False, True)
    assert "locuscope broker" in progress["message"]
    assert client.get(f"/api/v1/view?{VIEW}").status_code == 200


def test_view_wider_than_models_predict_is_refused_with_the_limit(
    client: FlaskClient, worker: Worker
) -> None:
    services: Services = client.application.extensions["locuscope"]
    limit = services.settings.max_view
    assert predict(client, "locus=chr1:1-100000")["failed"] is False
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(services.settings.__dict__, "max_view", 99_999)
        response = client.post("/api/v1/predict", json={"query": "locus=chr1:1-100000"})
    assert "99,999 bp" in error_of(response, 413)["message"]
    assert services.settings.max_view == limit


def test_observed_only_view_needs_no_prediction(client: FlaskClient) -> None:
    assert predict(client, "model=&biosample=EFO:0001187")["complete"] is True


@pytest.mark.parametrize("body", ["", "[]", "1", '{"query": 3}', "{", '{"q": ""}'])
def test_predict_refuses_what_it_cannot_read(body: str, client: FlaskClient) -> None:
    response = client.post("/api/v1/predict", data=body, content_type="application/json")
    error_of(response, 400)


def test_predict_takes_json_only(client: FlaskClient) -> None:
    response = client.post("/api/v1/predict", data='{"query": ""}', content_type="text/plain")
    assert "JSON" in error_of(response, 415)["message"]


def test_tiles_that_did_not_change_are_not_sent_again(client: FlaskClient) -> None:
    url = tiles_url([OBSERVED_D1])
    first = client.get(url)
    assert first.headers["Cache-Control"] == "no-cache"
    again = client.get(url, headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    other = client.get(
        tiles_url([OBSERVED_D1], to=5), headers={"If-None-Match": first.headers["ETag"]}
    )
    assert other.status_code == 200


def test_measurements_are_kept_for_good_under_the_version_of_the_view(client: FlaskClient) -> None:
    version = client.get(f"/api/v1/view?{VIEW}").json["data"]["v"]
    measured = client.get(tiles_url([OBSERVED_D1], v=version))
    assert measured.headers["Cache-Control"] == FOREVER
    again = client.get(
        tiles_url([OBSERVED_D1], v=version), headers={"If-None-Match": measured.headers["ETag"]}
    )
    assert (again.status_code, again.headers["Cache-Control"]) == (304, FOREVER)
    # Nothing is predicted yet, so whatever holds a predicted track must be asked for again.
    mixed = client.get(tiles_url([OBSERVED_D1, D1], v=version))
    assert mixed.headers["Cache-Control"] == "no-cache"


def test_predictions_are_kept_for_good_only_when_complete_and_named(
    client: FlaskClient, worker: Worker
) -> None:
    ready = predict(client, prefetch=False)["ready"]
    assert client.get(tiles_url([D1], v=ready)).headers["Cache-Control"] == "no-cache"
    worker.work()
    ready = predict(client, prefetch=False)["ready"]
    # Tile 5 is 40,960 to 49,152, inside the view.
    inside = {"from": 5, "to": 5}
    assert client.get(tiles_url([D1], v=ready, **inside)).headers["Cache-Control"] == FOREVER
    assert client.get(tiles_url([D1], **inside)).headers["Cache-Control"] == "no-cache"
    beyond = {"from": 8, "to": 9}
    assert client.get(tiles_url([D1], v=ready, **beyond)).headers["Cache-Control"] == "no-cache"


def test_a_file_that_changed_has_another_tag(client: FlaskClient, genome: Path) -> None:
    first = client.get(tiles_url([OBSERVED_D1])).headers["ETag"]
    path = genome / "0.bw"
    before = path.stat()
    path.touch()
    time.sleep(LOOK_SECONDS)
    try:
        assert client.get(tiles_url([OBSERVED_D1])).headers["ETag"] != first
    finally:
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    time.sleep(LOOK_SECONDS)
    assert client.get(tiles_url([OBSERVED_D1])).headers["ETag"] == first


def test_a_track_that_fails_does_not_fail_the_others(client: FlaskClient, genome: Path) -> None:
    other = "observed/chip_tf/ctcf/."
    path, kept = genome / "3.bw", genome / "3.kept"
    path.rename(kept)
    path.write_bytes(kept.read_bytes()[:200])
    try:
        response = client.get(tiles_url([other, OBSERVED_D1], v="x"))
    finally:
        kept.rename(path)
    assert response.status_code == 200
    header, arrays = unpack(response.data)
    assert "3.bw" in header["tracks"][0]["error"]
    assert "error" not in header["tracks"][1]
    assert np.isnan(arrays[other]).all()
    assert np.isfinite(arrays[OBSERVED_D1]).all()
    assert response.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    ("changes", "status", "words"),
    [
        ({"to": 99}, 413, "at most 8"),
        ({"bin": 7}, 400, "power of two"),
        ({"bin": "x"}, 400, "whole number"),
        ({"from": "-1"}, 400, "whole number"),
        ({"from": "²"}, 400, "whole number"),
        ({"chrom": "chr9"}, 404, "chr9"),
        ({"genome": "mars"}, 404, "mars"),
        ({"model": "oracle"}, 404, "oracle"),
    ],
)
def test_impossible_tiles_are_refused_with_a_sentence(
    changes: dict[str, object], status: int, words: str, client: FlaskClient
) -> None:
    assert words in error_of(client.get(tiles_url([D1], **changes)), status)["message"]


@pytest.mark.parametrize(
    ("tracks", "status", "words"),
    [
        (["nothing"], 404, "no track “nothing”"),
        ([D1, "toy/DNASE/d1"], 404, "no track “toy/DNASE/d1”"),
        ([], 400, "“tracks” is missing"),
        ([D1] * (MAX_TRACKS + 1), 413, f"at most {MAX_TRACKS}"),
    ],
)
def test_impossible_tracks_are_refused_with_a_sentence(
    tracks: list[str], status: int, words: str, client: FlaskClient
) -> None:
    assert words in error_of(client.get(tiles_url(tracks)), status)["message"]


# --- Agreement ---


def test_agreement_is_that_of_the_bins_in_view(
    client: FlaskClient, worker: Worker, bundle: Bundle
) -> None:
    predict(client)
    worker.work()
    predict(client)
    (row,) = client.get(f"/api/v1/agreement?{VIEW}").json["rows"]
    assert row["id"] == D1
    (pair,) = row["pairs"]
    assert (pair["predicted"], pair["observed"]) == (D1, OBSERVED_D1)
    # chr1:40,001-50,000 holds bins 1,250 to 1,561; the next one is cut off.
    x = predicted_bins(bundle)[1_250:1_562].astype(np.float64)
    y = signal(3_125, 0)[1_250:1_562]
    assert (pair["n"], pair["reason"]) == (312, "")
    assert pair["pearson_log1p"] == pytest.approx(pearson(np.log1p(x), np.log1p(y)), abs=1e-9)
    assert pair["spearman"] == pytest.approx(pearson(ranks(x), ranks(y)), abs=1e-9)

    points = client.get(f"/api/v1/agreement?{VIEW}&points={quote(D1)}").json["rows"][0]["pairs"][0]
    np.testing.assert_allclose(points["points"]["predicted"], x, rtol=1e-6)
    np.testing.assert_allclose(points["points"]["observed"], y, rtol=1e-6)


def test_strand_pair_has_two_agreements(client: FlaskClient) -> None:
    answer = client.get("/api/v1/agreement?locus=chr1:40001-50000&track=toy/CAGE/c1").json
    pairs = answer["rows"][0]["pairs"]
    assert [(p["predicted"], p["observed"]) for p in pairs] == [
        ("toy/CAGE/c1/+", "observed/cage/c1/+"),
        ("toy/CAGE/c1/-", "observed/cage/c1/-"),
    ]
    assert all(p["n"] == 0 and p["pearson_log1p"] is None and p["reason"] for p in pairs)


# --- Health, status, errors ---


def test_health_is_ok_only_with_broker_and_worker(client: FlaskClient, broker: None) -> None:
    services: Services = client.application.extensions["locuscope"]
    assert "No worker" in error_of(client.get("/api/v1/health"), 503)["message"]
    Worker(services.settings)
    response = client.get("/api/v1/health")
    assert (response.status_code, response.json) == (200, {"status": "OK"})


def test_health_without_a_broker_says_so(client: FlaskClient) -> None:
    assert "broker" in error_of(client.get("/api/v1/health"), 503)["message"]


def test_status_counts_what_waits(client: FlaskClient, worker: Worker) -> None:
    predict(client)
    answer = client.get("/api/v1/status").json
    assert answer["ready"] is True
    assert answer["queues"]["toy"] > 0
    assert answer["workers"][0]["families"] == ["toy"]
    assert answer["sentence"] == f"worker ready on cpu · {answer['queues']['toy']} queued"
    worker.work()
    predict(client)
    assert client.get("/api/v1/status").json["stored"]["bytes"] > 0


def test_status_without_a_broker_is_no_error(client: FlaskClient) -> None:
    answer = client.get("/api/v1/status").json
    assert answer["ready"] is False
    assert "broker" in answer["sentence"]


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v1/", "/api/v1/view/x"])
def test_unknown_address_is_an_error_in_json(path: str, client: FlaskClient) -> None:
    error_of(client.get(path), 404)


def test_wrong_method_is_an_error_in_json(client: FlaskClient) -> None:
    error_of(client.get("/api/v1/predict"), 404)
    for method in ("PUT", "DELETE", "OPTIONS", "PATCH"):
        error_of(client.open("/api/v1/view", method=method), 405)


def test_body_beyond_the_limit_is_refused(client: FlaskClient) -> None:
    body = json.dumps({"query": "a" * 2**20})
    response = client.post("/api/v1/predict", data=body, content_type="application/json")
    assert "1 MiB" in error_of(response, 413)["message"]


def test_a_failure_of_ours_is_a_sentence_and_not_a_trace(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError("secret detail")

    monkeypatch.setattr("app.web.describe.format_interval", broken)
    error = error_of(client.get("/api/v1/view"), 500)
    assert "secret" not in error["message"]
    assert "secret detail" in caplog.text


def test_every_failed_request_is_logged_with_its_duration(
    client: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "locuscope.web"):
        client.get("/api/v1/nothing")
    entry = caplog.records[-1]
    assert (entry.path, entry.status) == ("/api/v1/nothing", 404)
    assert entry.ms >= 0


# --- Sequence and overview ---


def test_a_deep_view_brings_the_bases_of_all_that_is_drawn(client: FlaskClient, bundle: Bundle):
    query = "/api/v1/view?genome=toy1&locus=chr1:{}&width=1000&strand=both"
    for start, end, drawn in ((40_001, 40_500, (39_500, 41_000)), (1, 500, (0, 1_000))):
        view = client.get(query.format(f"{start}-{end}")).json
        (piece,) = view["sequence"]["pieces"]
        assert piece["start"] == drawn[0]
        assert piece["bases"] == bundle.reference.fetch(Interval("chr1", *drawn))
        assert len(view["sequence"]["frames"]) == 6
        assert len(view["figure"]["geometry"]["sequence"]["lanes"]) == 8
    (piece,) = client.get(query.format("99801-100000")).json["sequence"]["pieces"]
    assert (piece["start"], len(piece["bases"])) == (99_600, 400)
    wide = client.get(query.format("40001-41001")).json
    assert wide["sequence"] == {"pieces": [], "frames": []}
    assert wide["figure"]["geometry"]["sequence"]["height"] == 0
    assert "“up” is no strand" in client.get(query.format("1-9") + "&strand=up").json["notices"][0]
