"""Visitors who pan through stored views: ``python -m benchmarks.load [visitors] [seconds]``.

On this machine only, and bounded in time. The teaching genome is predicted once; then each visitor
opens a view, as the page does (index, view, tiles), rests, and pans (view, tiles), over and over.
Memory of web and worker is that before and after.
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
#: Rows with a prediction and a measurement whose tiles are fetched.
ROWS = 12
REST_SECONDS = (1.0, 3.0)


class Visitor(threading.Thread):
    """Someone who pans; keeps how long each kind of request took."""

    def __init__(self, site: Site, chromosome: str, until: float, seed: int) -> None:
        super().__init__()
        self.site, self.chromosome, self.until = site, chromosome, until
        self.chance = random.Random(seed)
        self.times: dict[str, list[float]] = {"first": [], "view": [], "tiles": []}
        self.errors: list[str] = []

    def get(self, connection: http.client.HTTPConnection, path: str) -> bytes:
        """Asks, and notes an answer that is an error."""
        connection.request("GET", path)
        response = connection.getresponse()
        data = response.read()
        if response.status != 200:
            self.errors.append(f"{response.status} {path[:80]}")
        return data

    def look(self, connection: http.client.HTTPConnection) -> None:
        """Opens a view somewhere, and its tiles."""
        start = self.chance.randrange(0, WIDE - VIEW)
        locus = f"{self.chromosome}:{start + 1}-{start + VIEW}"
        began = time.perf_counter()
        query = urlencode({"genome": "teach1", "locus": locus, "width": 1_200})
        view = json.loads(self.get(connection, f"/api/v1/view?{query}"))
        self.times["view"].append(time.perf_counter() - began)
        data = view["data"]
        asked = {"genome": "teach1", "model": (view["model"] or {}).get("id", "")}
        asked |= {"chrom": self.chromosome, "bin": data["bin"], "from": data["from"]}
        asked |= {"to": data["to"], "v": data["v"]}
        rows = [row for row in view["rows"] if row["kind"] == "signal"][:ROWS]
        tracks = [track["id"] for row in rows for track in row["predicted"] + row["observed"]]
        asked["tracks"] = ",".join(quote(track, safe="") for track in tracks)
        middle = time.perf_counter()
        self.get(connection, f"/api/v1/tiles?{urlencode(asked)}")
        ended = time.perf_counter()
        self.times["tiles"].append(ended - middle)
        self.times["first"].append(ended - began)

    def run(self) -> None:
        """Looks and rests until it is time to go."""
        connection = http.client.HTTPConnection("127.0.0.1", self.site.port, timeout=60)
        time.sleep(self.chance.uniform(0, REST_SECONDS[1]))
        while time.monotonic() < self.until:
            try:
                self.look(connection)
            except (OSError, http.client.HTTPException, KeyError, ValueError) as error:
                self.errors.append(repr(error)[:200])
                connection.close()
            time.sleep(self.chance.uniform(*REST_SECONDS))


def used(site: Site) -> dict[str, tuple[float, float]]:
    """Returns MiB in use and seconds of processor time, by part of the site."""
    found: dict[str, tuple[float, float]] = {}
    waiting = [process.pid for process in site.processes]
    while waiting:
        pid = waiting.pop()
        waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
        words = Path(f"/proc/{pid}/cmdline").read_text().strip("\0").split("\0")
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        name = "broker" if "valkey" in words[0] else words[-1]
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        seconds = sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK")
        known = found.get(name, (0.0, 0.0))
        found[name] = (known[0] + pages * 4096 / 2**20, known[1] + seconds)
    return found


def main(visitors: int, seconds: float) -> None:
    """Starts Locuscope, predicts what will be looked at, and lets the visitors in."""
    cache = Path(tempfile.mkdtemp(prefix="locuscope-load-"))
    os.environ["LOCUSCOPE_RATE"] = "100000"  # they all come from one address
    site = Site(BUNDLE, REPOSITORY / "models" / "weights", cache)
    try:
        chromosome = predict_all(site)
        before = used(site)
        end = time.monotonic() + seconds
        crowd = [Visitor(site, chromosome, end, seed) for seed in range(visitors)]
        for one in crowd:
            one.start()
        for one in crowd:
            one.join()
        after = used(site)
        report(crowd, seconds, before, after)
    finally:
        site.stop()


def predict_all(site: Site) -> str:
    """Waits until the region is predicted; returns the chromosome."""
    connection = http.client.HTTPConnection("127.0.0.1", site.port, timeout=60)
    connection.request("GET", "/api/v1/genomes")
    genome = json.loads(connection.getresponse().read())["genomes"][0]
    chromosome = str(genome["chromosomes"][0]["name"])
    query = urlencode({"genome": "teach1", "locus": f"{chromosome}:1-{WIDE + VIEW}"})
    deadline = time.monotonic() + 400
    while time.monotonic() < deadline:
        body = json.dumps({"query": query, "prefetch": False})
        connection.request("POST", "/api/v1/predict", body, {"Content-Type": "application/json"})
        answer = json.loads(connection.getresponse().read())
        if answer["complete"]:
            return chromosome
        time.sleep(0.25)
    raise TimeoutError(answer["message"])


def report(
    crowd: list[Visitor],
    seconds: float,
    before: dict[str, tuple[float, float]],
    after: dict[str, tuple[float, float]],
) -> None:
    """Prints a table."""
    for kind, what in (("view", "view"), ("tiles", "tiles"), ("first", "both: first draw data")):
        times = np.array([t for one in crowd for t in one.times[kind]]) * 1000
        p50, p95 = np.percentile(times, [50, 95])
        print(f"{what:<24} p50 {p50:7.1f} ms   p95 {p95:7.1f} ms   n {len(times)}")
    requests = sum(len(one.times[kind]) for one in crowd for kind in ("view", "tiles"))
    errors = [error for one in crowd for error in one.errors]
    print(f"{len(crowd)} visitors, {requests / seconds:.0f} requests/s, {len(errors)} errors")
    print(*sorted(set(errors))[:5], sep="\n")
    for name, (memory, busy) in sorted(after.items()):
        memory_before, busy_before = before.get(name, (0.0, 0.0))
        each = 1000 * (busy - busy_before) / requests
        print(f"{name:<8} {memory_before:5.0f} -> {memory:5.0f} MiB   {each:6.1f} ms CPU a request")


if __name__ == "__main__":
    given = [float(word) for word in sys.argv[1:]]
    main(int(given[0]) if given else 200, given[1] if len(given) > 1 else 60)
