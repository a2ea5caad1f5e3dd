"""Who may ask, how often, and what is told to whom."""

from __future__ import annotations

import json
import logging

import pytest
from flask.testing import FlaskClient

from app.logs import set_up_logs
from app.settings import Settings
from app.web import access
from app.web.access import RateLimit
from app.web.server import create_app
from tests.web.conftest import Worker

TOKEN = "correct-horse-battery-staple"


def made(settings: Settings, **changes: object) -> FlaskClient:
    fields = settings.model_dump() | changes
    return create_app(Settings(**fields)).server.test_client()


# --- How often ---


def test_bucket_holds_a_burst_and_fills_at_the_rate() -> None:
    limit = RateLimit(2)
    assert [limit.take("a", 0.0) for _ in range(21)] == [True] * 20 + [False]
    assert limit.take("b", 0.0)
    assert [limit.take("a", 1.0) for _ in range(3)] == [True, True, False]
    assert sum(limit.take("a", 1_000.0) for _ in range(30)) == 20


def test_clients_beyond_those_remembered_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access, "MOST_CLIENTS", 10)
    limit = RateLimit(1)
    for i in range(1_000):
        limit.take(str(i), 0.0)
    assert len(limit._buckets) == 10


def ask(client: FlaskClient, n: int, **sent: str) -> list[int]:
    forwarded = {"X-Forwarded-For": sent["forwarded"]} if "forwarded" in sent else {}
    peer = {"REMOTE_ADDR": sent.get("peer", "192.0.2.1")}
    url = "/api/v1/genomes"
    return [
        client.get(url, headers=forwarded, environ_overrides=peer).status_code for _ in range(n)
    ]


def test_client_that_asks_too_often_is_told_when_to_come_back(settings: Settings) -> None:
    client = made(settings, rate=0.3)
    assert ask(client, 4) == [200, 200, 200, 429]
    response = client.get("/api/v1/genomes", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert response.headers["Retry-After"] == "10"
    assert "Wait" in response.json["error"]["message"]
    assert ask(client, 1, peer="192.0.2.2") == [200]
    health = client.get("/health", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert health.status_code == 503  # of the broker, which does not run here
    asset = client.get("/assets/locuscope.css", environ_overrides={"REMOTE_ADDR": "192.0.2.1"})
    assert asset.status_code == 200


def test_header_that_anyone_can_set_does_not_make_another_client(settings: Settings) -> None:
    client = made(settings, rate=0.3)
    found = [ask(client, 1, forwarded=f"198.51.100.{i}")[0] for i in range(5)]
    assert found == [200, 200, 200, 429, 429]


def test_behind_a_trusted_proxy_clients_are_told_apart(settings: Settings) -> None:
    client = made(settings, rate=0.1, trusted_proxies=1)
    assert ask(client, 2, forwarded="198.51.100.1") == [200, 429]
    assert ask(client, 2, forwarded="198.51.100.2") == [200, 429]
    # What the client wrote itself stands before what the proxy saw.
    assert ask(client, 1, forwarded="203.0.113.9, 198.51.100.2") == [429]


def test_addresses_of_one_ipv6_network_are_one_client(settings: Settings) -> None:
    client = made(settings, rate=0.1)
    assert ask(client, 1, peer="2001:db8:1:2::1") == [200]
    assert ask(client, 1, peer="2001:db8:1:2:ffff::2") == [429]
    assert ask(client, 1, peer="2001:db8:1:3::1") == [200]


# --- Who ---


@pytest.mark.parametrize("path", ["/", "/browse", "/api/v1/genomes", "/metrics", "/assets/x.css"])
def test_nothing_is_shown_without_the_token(path: str, settings: Settings) -> None:
    client = made(settings, token=TOKEN)
    for authorization in (None, "Bearer wrong", "Bearer", "Basic !!!", f"Digest {TOKEN}"):
        headers = {"Authorization": authorization} if authorization else {}
        response = client.get(path, headers=headers)
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"].startswith("Basic ")
        assert "token" in response.text
        assert TOKEN not in response.text
    assert client.get(path, headers={"Authorization": f"Bearer {TOKEN}"}).status_code != 401
    assert client.get(path, auth=("anyone", TOKEN)).status_code != 401


def test_health_needs_no_token(settings: Settings, worker: Worker) -> None:
    response = made(settings, token=TOKEN).get("/health")
    assert (response.status_code, response.data) == (200, b"OK")


@pytest.mark.parametrize(("site", "status"), [("cross-site", 403), ("same-origin", 200)])
def test_page_of_another_site_cannot_ask(site: str, status: int, client: FlaskClient) -> None:
    headers = {"Sec-Fetch-Site": site}
    response = client.post("/api/v1/predict", json={"query": ""}, headers=headers)
    assert response.status_code == status


def test_secrets_are_in_no_text_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(token=TOKEN, broker_url="redis://:hunter22@localhost/0")
    assert TOKEN not in repr(settings) + str(settings)
    assert "hunter22" not in repr(settings) + str(settings)


# --- What the log says ---


@pytest.fixture
def root_logger():
    root = logging.getLogger()
    kept = root.handlers[:], root.level
    yield root
    root.handlers[:], root.level = kept[0], kept[1]
    logging.captureWarnings(False)


def test_a_click_is_found_again_in_the_log_by_its_job(
    settings: Settings, worker: Worker, root_logger, capsys: pytest.CaptureFixture[str]
) -> None:
    client = made(settings, token=TOKEN)
    set_up_logs("web", "json")
    query = {"query": "locus=chr1:40001-50000"}
    answer = client.post(
        "/api/v1/predict", json=query, headers={"Authorization": f"Bearer {TOKEN}"}
    )
    client.get("/api/v1/nothing\nweb INFO forged")
    lines = capsys.readouterr().err.splitlines()
    events = [json.loads(line) for line in lines]
    asked = [event for event in events if event["message"].endswith(": asked for")]
    jobs = {key.decode().rsplit(":", 1)[1] for key in worker.redis.scan_iter("*job:*")}
    assert {event["job"] for event in asked} == jobs
    assert {event["request"] for event in asked} == {answer.headers["X-Request-Id"]}
    assert TOKEN not in "".join(lines)
    assert "40001" not in "".join(lines)


def test_an_address_cannot_forge_a_line(
    settings: Settings, root_logger, capsys: pytest.CaptureFixture[str]
) -> None:
    client = made(settings)
    set_up_logs("web")
    client.get("/api/v1/nothing%0a12:00:00%20web%20INFO%20forged")
    (line,) = capsys.readouterr().err.splitlines()
    assert r"path=/api/v1/nothing\n12:00:00 web INFO forged" in line
    assert "status=404" in line
