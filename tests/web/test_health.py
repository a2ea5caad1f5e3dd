"""Whether it works, as those who look after it see it."""

from __future__ import annotations

import re

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families

from app.settings import Settings
from app.web.pages import status
from app.web.services import Services
from tests.web.conftest import Worker


def predict(client: FlaskClient) -> dict:
    query = {"query": "locus=chr1:40001-50000", "prefetch": False}
    return client.post("/api/v1/predict", json=query).json


def page_of(client: FlaskClient) -> str:
    services: Services = client.application.extensions["locuscope"]
    return str(status.layout(services).to_plotly_json())


def metrics(client: FlaskClient) -> dict[tuple[str, ...], float]:
    text = client.get("/metrics").text
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_plain_health_is_ok_only_with_broker_and_worker(
    client: FlaskClient, settings: Settings, broker: None
) -> None:
    response = client.get("/health")
    assert response.status_code == 503
    assert b"OK" not in response.data
    assert response.mimetype == "text/plain"
    Worker(settings)
    response = client.get("/health")
    assert (response.status_code, response.data) == (200, b"OK")


def test_what_went_wrong_is_told_once_and_counted(client: FlaskClient, worker: Worker) -> None:
    predict(client)
    failed = worker.work(error="Toy failed on this sequence: out of paper")
    assert failed > 1
    (trouble,) = client.get("/api/v1/status").json["troubles"]
    assert trouble["message"] == "Toy failed on this sequence: out of paper"
    assert (trouble["where"], trouble["times"]) == ("tests", failed)
    assert re.fullmatch("[0-9a-f]{64}", trouble["job"])
    shown = page_of(client)
    assert f"out of paper ({failed} times)" in shown
    assert "about 1 s ago" in shown


def test_failure_of_the_web_process_is_told_without_what_was_looked_at(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("chr1:40001")

    monkeypatch.setattr("app.web.api.read_view", fail)
    client.application.config["PROPAGATE_EXCEPTIONS"] = False
    assert client.get("/api/v1/view?locus=chr1:40001-50000").status_code == 500
    (trouble,) = client.get("/api/v1/status").json["troubles"]
    assert trouble["where"] == "web"
    assert trouble["message"] == "GET /api/v1/view failed: ZeroDivisionError, see the log."


def test_status_page_says_what_waits_and_what_is_stored(
    client: FlaskClient, worker: Worker
) -> None:
    predict(client)
    waiting = client.get("/api/v1/status").json["queues"]["toy"]
    shown = page_of(client)
    assert f"worker ready on cpu · {waiting} queued" in shown
    assert "MiB of at most 4,096 MiB" in shown
    assert "Nothing." in shown


def test_status_page_stands_without_a_broker(client: FlaskClient) -> None:
    shown = page_of(client)
    assert "The job broker does not answer" in shown
    assert "No value: the broker does not answer." in shown


def test_metrics_count_jobs_and_requests(client: FlaskClient, worker: Worker) -> None:
    predict(client)
    before = metrics(client)
    assert before["locuscope_broker_up",] == 1
    assert before["locuscope_workers", "cpu", "idle"] == 1
    waiting = before["locuscope_queue_jobs", "toy"]
    assert waiting > 0
    assert before["locuscope_requests_total", "POST", "/api/v1/predict", "200"] == 1
    done = worker.work()
    after = metrics(client)
    assert after["locuscope_jobs_total", "toy", "done"] == done == waiting
    assert after["locuscope_jobs_total", "toy", "failed"] == 0
    assert after["locuscope_compute_seconds_total", "toy"] == pytest.approx(0.1 * done)


def test_metrics_without_a_broker_say_so(client: FlaskClient) -> None:
    found = metrics(client)
    assert found["locuscope_broker_up",] == 0
    assert found["locuscope_stored_limit_bytes",] == 4 * 2**30


def test_labels_do_not_grow_with_what_is_asked(client: FlaskClient) -> None:
    def ask(text: str) -> int:
        for path in (f"/{text}", f"/api/v1/{text}", f"/assets/{text}", f"/api/v1/tiles?x={text}"):
            client.get(path)
            client.open(path, method=text.upper())
        return len(metrics(client))

    ask("a")
    few = ask("b")
    assert [ask(f"c{i}") for i in range(20)] == [few] * 20
