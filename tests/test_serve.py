"""`locuscope serve` as a person runs it: real processes, a real model, real signals."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from app.inference.broker import broker_pid
from app.settings import Settings
from tests.browser.site import free_port
from tests.inference.helpers import until

ROOT = Path(__file__).parents[1]
MODEL = "baskerville-human74"
TRACK = f"{MODEL}/DNASE/ENCFF136DBS/."


#: A window for each test, so that none is stored already.
LOCI = {
    "first": "chr22:21,730,001-21,740,000",
    "broker": "chr6:158,220,001-158,230,000",
    "worker": "chr2:170,730,001-170,740,000",
    "web": "chr9:130,030,001-130,040,000",
}


class Served:
    """`locuscope serve` in a process group of its own, as a terminal starts it."""

    def __init__(self, genome: Path, weights: Path, folder: Path, port: int) -> None:
        self.port = port
        self.settings = Settings(
            genomes=str(genome), weights=str(weights), cache_dir=folder / "cache", port=port
        )
        self.log = folder / f"serve-{port}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, wait: bool = True) -> None:
        s = self.settings
        options = ["--genome", s.genomes, "--weights", s.weights, "--port", str(s.port)]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "app.cli", "serve", *options, "--cache-dir", s.cache_dir],
                cwd=ROOT,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if wait:
            until(lambda: "Locuscope is at" in self.text, 60, lambda: self.text)

    @property
    def text(self) -> str:
        return self.log.read_text()

    def parts(self) -> dict[str, int]:
        """Process ids by part."""
        assert self.process is not None
        found = {"broker": broker_pid(self.settings)}
        for pid in children(self.process.pid):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().rstrip(b"\0").split(b"\0")
            found |= {p: pid for p in ("worker", "web") if command[-1].decode() == p}
        return {name: pid for name, pid in found.items() if pid is not None}

    def everything(self) -> list[int]:
        """Process ids of all that serve started, grandchildren too."""
        assert self.process is not None
        found, new = [], [self.process.pid]
        while new:
            new = [child for pid in new for child in children(pid)]
            found += new
        return found

    def progress(self, locus: str) -> dict[str, Any]:
        """Asks once, as the page does every 250 ms, for a locus to be predicted."""
        view = {"genome": "hg38-windows", "model": MODEL, "locus": locus, "track": TRACK}
        body = json.dumps({"query": urlencode(view), "prefetch": False}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/api/v1/predict", body)
        request.add_header("Content-Type", "application/json")
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:
                return dict(json.load(answer))
        except urllib.error.HTTPError:
            raise
        except OSError:
            return {"complete": False, "message": "the web server does not answer"}

    def predict(self, locus: str) -> None:
        """Waits until a locus is predicted."""
        until(
            lambda: self.progress(locus)["complete"], 60, lambda: (self.progress(locus), self.text)
        )
        assert not self.progress(locus)["failed"]

    def end(self, number: signal.Signals = signal.SIGTERM, *, group: bool = False) -> None:
        """Ends it."""
        assert self.process is not None
        if group:
            os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)
        self.process.wait(120)


def children(pid: int) -> list[int]:
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return [int(p) for p in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run."""
    found = []
    for pid in pids:
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
                found.append(pid)
    return found


Make = Callable[..., Served]


@pytest.fixture(scope="module")
def make(
    hg38_windows: Path, realdata: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Make]:
    """Makes a Locuscope that is not started yet; all are ended at last."""
    made = []

    def one(folder: Path | None = None, port: int = 0, genome: Path = hg38_windows) -> Served:
        folder = folder or tmp_path_factory.mktemp("serve")
        made.append(Served(genome, realdata / "weights", folder, port or free_port()))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        yield one
        for served in made:
            if served.process is not None and served.process.poll() is None:
                served.end()


@pytest.fixture(scope="module")
def served(make: Make) -> Served:
    one = make()
    one.start()
    return one


def refused(served: Served) -> str:
    """Starts it and returns the one line in which it says why it will not run."""
    served.start(wait=False)
    assert served.process is not None
    assert served.process.wait(60) == 2
    [line] = served.text.splitlines()
    return line


def test_predicts_and_says_little(served: Served) -> None:
    served.predict(LOCI["first"])
    line = re.compile(r"\d\d:\d\d:\d\d (broker|worker|web   |serve ) +INFO +.+")
    lines = [text for text in served.text.splitlines() if text]
    [address] = [text for text in lines if not line.fullmatch(text)]
    assert address.strip() == (f"Locuscope is at http://127.0.0.1:{served.port}   (Ctrl-C ends it)")
    assert len(lines) < 10


def test_second_one_with_the_same_cache_is_refused(served: Served, make: Make) -> None:
    line = refused(make(served.log.parent))
    assert str(served.settings.cache_dir) in line
    assert f"process {served.parts()['broker']}" in line
    assert "--cache-dir" in line


def test_taken_port_is_said(served: Served, make: Make) -> None:
    line = refused(make(port=served.port))
    assert f"127.0.0.1:{served.port}" in line
    assert "--port" in line


def test_bundle_that_cannot_be_used_is_said(make: Make, tmp_path: Path) -> None:
    (tmp_path / "genome.toml").write_text('[genome]\nid = "x"\n')
    assert str(tmp_path) in refused(make(genome=tmp_path))


@pytest.mark.parametrize("part", ["broker", "worker", "web"])
def test_killed_part_comes_back(served: Served, part: str) -> None:
    before = until(lambda: len(p := served.parts()) == 3 and p)
    old = served.everything()
    os.kill(before[part], signal.SIGKILL)
    after = until(lambda: (p := served.parts()).keys() == before.keys() and p != before and p)
    assert {name for name in before if before[name] != after[name]} == {part}
    served.predict(LOCI[part])
    until(lambda: not set(alive(old)) - set(served.everything()), 10)  # none is left without parent
    assert f"the {part} ended (SIGKILL)" in served.text
    assert "Traceback" not in served.text


@pytest.mark.parametrize(
    ("number", "group"),
    [(signal.SIGINT, False), (signal.SIGINT, True), (signal.SIGTERM, False)],
    ids=["Ctrl-C to it alone", "Ctrl-C in a terminal", "SIGTERM"],
)
def test_ends_with_all_its_children(make: Make, number: signal.Signals, group: bool) -> None:
    one = make()
    one.start()
    processes = until(lambda: len(p := one.everything()) >= 5 and p)
    one.end(number, group=group)
    assert one.process is not None
    assert one.process.returncode == 0
    assert alive(processes) == []
    assert "Traceback" not in one.text
    assert broker_pid(one.settings) is None


def test_killed_leaves_nobody(make: Make) -> None:
    one = make()
    one.start()
    processes = until(lambda: len(p := one.everything()) >= 5 and p)
    one.end(signal.SIGKILL)
    until(lambda: not alive(processes), 15, lambda: one.text)
    assert "Traceback" not in one.text
