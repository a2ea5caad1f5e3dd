"""Visitors who pan through stored views: ``python -m benchmarks.load [visitors] [seconds] [rest]``.

On this machine only, and bounded in time. The teaching genome is predicted once; then each visitor
opens a view of 12 rows and pans. A person is taken to pan once every ``rest`` seconds (4 unless
given; half of that to half as much again), by 0.2 to 0.8 of a screen, mostly onwards, and all
visitors do so all the time. As the page does, each asks for the view and for those of its tiles
that it does not hold. One visitor has been everywhere before the others come. Memory of web and
worker is that before and after. With ``LOCUSCOPE_CACHE_DIR`` what was predicted is kept for the
next time.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np

from tests.browser.site import REPOSITORY, Site

BUNDLE = REPOSITORY / ".cache" / "bundles" / "teach1"
#: What the visitors pan through, and how wide they look, in bp.
WIDE, VIEW = 400_000, 40_000
#: Rows with a prediction and a measurement.
ROWS = 12
REST_SECONDS = 4.0
#: How often someone who pans goes on in the same direction.
ONWARDS = 0.8
CHROMOSOME = "chrT1"


class Visitor(threading.Thread):
    """Someone who pans; keeps how long each kind of request took."""

    def __init__(self, site: Site, rows: list[str], until: float, rest: float, seed: int) -> None:
        super().__init__()
        self.site, self.rows, self.until, self.rest = site, rows, until, rest
        self.chance = random.Random(seed)
        self.start_bp = self.chance.randrange(WIDE - VIEW)
        self.direction = self.chance.choice((-1, 1))
        self.held: set[int] = set()
        self.times: dict[str, list[float]] = {"first": [], "view": [], "tiles": []}
        self.errors: list[str] = []

    def get(self, connection: http.client.HTTPConnection, kind: str, query: object) -> bytes:
        """Asks, and notes how long it took, or an answer that is an error."""
        began = time.perf_counter()
        connection.request("GET", f"/api/v1/{kind}?{query}")
        response = connection.getresponse()
        data = response.read()
        self.times[kind].append(time.perf_counter() - began)
        if response.status != 200:
            self.errors.append(f"{response.status} {kind}")
        return data

    def look(self, connection: http.client.HTTPConnection) -> None:
        """Asks for the view, and for its tiles that are not held yet."""
        view = json.loads(self.get(connection, "view", view_query(self.start_bp, self.rows)))
        waited = self.times["view"][-1]
        data = view["data"]
        wanted = set(range(data["from"], data["to"] + 1)) - self.held
        if wanted:
            tracks = [t["id"] for row in view["rows"] for t in row["predicted"] + row["observed"]]
            asked = {"genome": "teach1", "model": view["model"]["id"], "chrom": CHROMOSOME}
            asked |= {"bin": data["bin"], "from": min(wanted), "to": max(wanted), "v": data["v"]}
            asked["tracks"] = ",".join(quote(track, safe="") for track in tracks)
            self.get(connection, "tiles", urlencode(asked))
            waited += self.times["tiles"][-1]
            self.held |= wanted
        self.times["first"].append(waited)

    def pan(self) -> None:
        """Moves on, and turns round at an end."""
        if self.chance.random() > ONWARDS:
            self.direction *= -1
        moved = self.start_bp + int(self.direction * VIEW * self.chance.uniform(0.2, 0.8))
        self.start_bp = min(max(moved, 0), WIDE - VIEW)
        if self.start_bp != moved:
            self.direction *= -1

    def run(self) -> None:
        """Looks, rests and pans until it is time to go."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        time.sleep(self.chance.uniform(0, 1.5 * self.rest))
        while time.monotonic() < self.until:
            try:
                self.look(connection)
            except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
                self.errors.append(repr(error)[:200])
                connection.close()
            time.sleep(self.rest * self.chance.uniform(0.5, 1.5))
            self.pan()


def view_query(start: int, rows: list[str], width: int = VIEW) -> str:
    """Returns what a page asks for a view."""
    locus = f"{CHROMOSOME}:{start + 1}-{start + width}"
    asked = {"genome": "teach1", "locus": locus, "track": rows, "width": 1_200}
    return urlencode(asked, doseq=True)


def used(site: Site) -> dict[str, tuple[float, float]]:
    """Returns MiB in use (what is shared counts in parts) and seconds of CPU, by part."""
    found: dict[str, tuple[float, float]] = {}
    waiting = [process.pid for process in site.processes]
    while waiting:
        pid = waiting.pop()
        waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        words = Path(f"/proc/{pid}/cmdline").read_text().strip("\0").split("\0")
        rolled = Path(f"/proc/{pid}/smaps_rollup").read_text()
        memory = next(int(x.split()[1]) for x in rolled.splitlines() if x.startswith("Pss:"))
        name = "broker" if "valkey" in words[0] else words[-1]
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        known = found.get(name, (0.0, 0.0))
        found[name] = (known[0] + memory / 1024, known[1] + seconds)
    return found


def main(visitors: int, seconds: float, rest: float) -> None:
    """Starts Locuscope, predicts what will be looked at, and lets the visitors in."""
    kept = os.environ.get("LOCUSCOPE_CACHE_DIR")  # else all is predicted anew
    cache = Path(kept or tempfile.mkdtemp(prefix="locuscope-load-"))
    cache.mkdir(parents=True, exist_ok=True)
    os.environ["LOCUSCOPE_RATE"] = "100000"  # they all come from one address
    site = Site(BUNDLE, REPOSITORY / "models" / "weights", cache)
    try:
        rows = predict_all(site)
        first = Visitor(site, rows, 0, rest, seed=-1)
        connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
        for first.start_bp in range(0, WIDE, VIEW):
            first.look(connection)
        before = used(site)
        end = time.monotonic() + seconds
        crowd = [Visitor(site, rows, end, rest, seed) for seed in range(visitors)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        after = used(site)
        report([first], 0, {}, {})
        report(crowd, seconds, before, after)
    finally:
        site.stop()


def predict_all(site: Site) -> list[str]:
    """Waits until the region is predicted; returns the rows that are looked at."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=300)
    connection.request("GET", f"/api/v1/view?{view_query(0, [])}")
    found = json.loads(connection.getresponse().read())["rows"]
    signals = [row for row in found if row["kind"] == "signal"]
    rows = [row["id"] for row in signals if row["predicted"] and row["observed"]][:ROWS]
    query = view_query(0, rows, WIDE + VIEW).removesuffix("&width=1200")
    deadline = time.monotonic() + 1_200
    while time.monotonic() < deadline:
        body = json.dumps({"query": query, "prefetch": False})
        connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        if answer["complete"]:
            return rows
        time.sleep(0.25)
    raise TimeoutError(answer["message"])


def report(
    crowd: list[Visitor],
    seconds: float,
    before: dict[str, tuple[float, float]],
    after: dict[str, tuple[float, float]],
) -> None:
    """Prints a table."""
    for kind, what in (("view", "view"), ("tiles", "tiles"), ("first", "first draw data of a pan")):
        times = np.array([t for one in crowd for t in one.times[kind]]) * 1000
        p50, p95 = np.percentile(times, [50, 95])
        print(f"{what:<24} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   n {len(times)}")
    requests = sum(len(one.times[kind]) for one in crowd for kind in ("view", "tiles"))
    errors = [error for one in crowd for error in one.errors]
    load = os.getloadavg()[0]
    rate = requests / seconds if seconds else 0
    print(f"{len(crowd)} visitors, {rate:.0f} requests/s, {len(errors)} errors")
    print(f"load of the machine {load:.1f} on {os.cpu_count()} cores")
    print(*sorted(set(errors))[:5], sep="\n")
    for name, (memory, busy) in sorted(after.items()):
        memory_before, busy_before = before.get(name, (0.0, 0.0))
        each = 1000 * (busy - busy_before) / requests
        print(f"{name:<8} {memory_before:5.0f} -> {memory:5.0f} MiB   {each:6.1f} ms CPU a request")


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    visitors, seconds, rest = (*given, *(200, 60, REST_SECONDS)[len(given) :])
    main(int(visitors), seconds, rest)
