"""The server as people start it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import signal as signals
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from app.settings import Settings
from app.web.security import DATA_POLICY, HEADERS

ROOT = Path(__file__).resolve().parents[2]


def environment(settings: Settings, port: int = 0) -> dict[str, str]:
    return os.environ | {
        "LOCUSCOPE_GENOMES": settings.genomes,
        "LOCUSCOPE_WEIGHTS": settings.weights,
        "LOCUSCOPE_CACHE_DIR": str(settings.cache_dir),
        "LOCUSCOPE_PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }


def test_the_web_process_never_imports_torch(settings: Settings) -> None:
    code = """
import sys
from app.web.wsgi import server
client = server.test_client()
for path in ("/", "/browse", "/metrics", "/api/v1/view", "/api/v1/models", "/api/v1/status",
             "/api/v1/search?genome=toy1&q=ALPHA", "/api/v1/agreement",
             "/api/v1/tiles?genome=toy1&chrom=chr1&bin=1&from=0&to=0&model=toy"
             "&tracks=toy/DNASE/d1/.,observed/dnase/d1/."):
    print(client.get(path).status_code, path)
print(client.post("/api/v1/predict", json={"query": ""}).status_code)
print("torch" in sys.modules)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(settings),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    lines = result.stdout.split("\n")
    assert lines[-2] == "False"
    assert all(line.startswith("200") for line in lines[:-2]), lines


@pytest.mark.parametrize("path", ["/", "/health", "/api/v1/view", "/api/v1/nothing"])
def test_every_answer_carries_the_security_headers(path: str, client: FlaskClient) -> None:
    response = client.get(path)
    for name, value in HEADERS.items():
        assert response.headers[name] == value
    assert "Access-Control-Allow-Origin" not in response.headers


def test_scripts_run_only_from_here_or_by_their_hash(client: FlaskClient) -> None:
    page = client.get("/browse")
    policy = dict(
        part.split(" ", 1) for part in page.headers["Content-Security-Policy"].split("; ")
    )
    assert policy["default-src"] == "'self'"
    assert policy["object-src"] == policy["base-uri"] == "'none'"
    scripts = policy["script-src"].split()
    assert scripts[0] == "'self'"
    inline = re.findall(r"<script(?: id=\"_dash-renderer\"[^>]*)?>(.+?)</script>", page.text, re.S)
    hashes = {base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in inline}
    assert len(hashes) == 2
    assert set(scripts[1:]) == {f"'sha256-{digest}'" for digest in hashes}


@pytest.mark.parametrize("path", ["/api/v1/view", "/api/v1/nothing"])
def test_data_may_run_and_load_nothing(path: str, client: FlaskClient) -> None:
    policy = client.get(path).headers["Content-Security-Policy"]
    assert policy == DATA_POLICY
    assert "script-src" not in policy
    assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path",
    [
        "/assets/../pyproject.toml",
        "/assets/..%2fpyproject.toml",
        "/assets/%2e%2e/pyproject.toml",
        "/assets/....//pyproject.toml",
        "/..%2fpyproject.toml",
        "/assets//etc/passwd",
        "/%2fetc%2fpasswd",
        "/static/pyproject.toml",
        "/app/settings.py",
    ],
)
def test_no_address_gives_a_file_that_is_not_served(path: str, client: FlaskClient) -> None:
    response = client.get(path)
    assert b"setuptools" not in response.data
    assert b"root:" not in response.data
    assert b"LOCUSCOPE" not in response.data


def test_assets_are_served(client: FlaskClient) -> None:
    response = client.get("/assets/locuscope.css")
    assert response.status_code == 200
    assert response.data == (ROOT / "assets" / "locuscope.css").read_bytes()


def test_page_names_no_address_outside(client: FlaskClient) -> None:
    page = client.get("/browse").text
    assert "https://" not in page
    assert "http://" not in page


def test_errors_outside_the_api_are_pages(client: FlaskClient) -> None:
    response = client.open("/browse", method="DELETE")
    assert response.status_code == 405
    assert response.mimetype == "text/html"
    assert '<a href="/">' in response.text


class Running:
    """``locuscope web`` on a free port."""

    def __init__(self, settings: Settings) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "from app.settings import settings\nfrom app.web.server import run_web\n"
                "run_web(settings())",
            ],
            env=environment(settings, self.port),
            stderr=subprocess.PIPE,
        )

    def get(self, path: str) -> tuple[int, str]:
        url = f"http://127.0.0.1:{self.port}{path}"
        try:
            with urllib.request.urlopen(url, timeout=120) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def wait(self) -> None:
        for _ in range(300):
            try:
                if self.get("/api/v1/genomes")[0] == 200:
                    return
            except OSError:
                time.sleep(0.1)
        raise AssertionError(f"no answer on port {self.port}")


@pytest.fixture
def running(settings: Settings) -> Iterator[Running]:
    server = Running(settings)
    server.wait()
    yield server
    server.process.kill()
    server.process.wait()


def test_gunicorn_serves_the_page_and_ends_cleanly(running: Running, tmp_path: Path) -> None:
    status, page = running.get("/browse?locus=chr1:11-20")
    assert (status, "<!DOCTYPE html>" in page) == (200, True)
    status, text = running.get("/api/v1/view?locus=chr1:11-20")
    assert (status, '"chr1:11-20"' in text) == (200, True)
    running.process.send_signal(signals.SIGTERM)
    assert running.process.wait(timeout=120) == 0


def test_killed_process_that_serves_is_replaced_at_once(running: Running) -> None:
    [server] = children(running.process.pid)
    os.kill(server, signals.SIGKILL)
    began = time.monotonic()
    running.wait()
    assert time.monotonic() - began < 10
    [other] = children(running.process.pid)
    assert other != server


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def test_a_link_too_long_to_read_is_answered_with_a_sentence(running: Running) -> None:
    for length in (9_966, 100_000):
        status, page = running.get("/browse?locus=" + "a" * length)
        assert status == 414
        assert "longer than the 8,190 characters" in page
    status, text = running.get("/api/v1/view?x=" + "a" * 8_050)
    assert status == 200
    assert "The default view is shown." in text
    assert running.get("/api/v1/genomes")[0] == 200


def test_a_bad_genome_ends_the_start_with_a_sentence(settings: Settings, tmp_path: Path) -> None:
    code = (
        "from app.settings import settings\nfrom app.web.server import run_web\nrun_web(settings())"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(settings) | {"LOCUSCOPE_GENOMES": str(tmp_path / "nowhere")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert result.returncode != 0
    assert "BundleError" in result.stderr
    assert "nowhere" in result.stderr.splitlines()[-1]
