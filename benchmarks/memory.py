"""Memory of web and worker over many requests: ``python -m benchmarks.memory [requests]``.

The web, in this process, answers views of the teaching genome that nobody has looked at, and
their tiles; then a worker computes as many different jobs of the toy model of the tests. Memory is
told ten times on the way: it rises until what is remembered has its full size (64 MiB of tiles),
and no further.
"""

from __future__ import annotations

import os
import random
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote, urlencode

from flask.testing import FlaskClient

from app.inference.jobs import Jobs
from app.settings import Settings
from app.web.server import create_app
from benchmarks.load import BUNDLE, CHROMOSOME, ROWS, WIDE, view_query
from models import registry
from tests.browser.site import REPOSITORY
from tests.inference.helpers import Broker, WorkerProcess, write_model
from tests.inference.test_worker import compute, resident

#: Jobs that are asked for before memory is looked at.
AT_ONCE = 20


def web(cache: Path, requests: int) -> None:
    """Asks for views and tiles in turn."""
    weights = REPOSITORY / "models" / "weights"
    settings = Settings(genomes=str(BUNDLE), weights=str(weights), cache_dir=cache, rate=1e9)
    client = create_app(settings).server.test_client()
    chance = random.Random(1)
    tracks = tracks_of(client)
    for i in range(requests):
        if i % 2:
            start = chance.randrange(WIDE)
            answer = client.get(f"/api/v1/view?{view_query(start, [])}")
        else:
            first = chance.randrange(8)
            tiles = {"genome": "teach1", "model": "teaching", "chrom": CHROMOSOME, "tracks": tracks}
            tiles |= {"bin": chance.choice((16, 32, 64)), "from": first, "to": first + 1}
            answer = client.get(f"/api/v1/tiles?{urlencode(tiles)}")
        assert answer.status_code == 200
        tell("web", i, requests, os.getpid())


def tracks_of(client: FlaskClient) -> str:
    """Returns the tracks of the first rows, as a request for tiles names them."""
    rows = client.get(f"/api/v1/view?{view_query(0, [])}").json["rows"]
    shown = [row for row in rows if row["kind"] == "signal"][:ROWS]
    return ",".join(quote(t["id"], safe="") for r in shown for t in r["predicted"] + r["observed"])


def worker(folder: Path, requests: int) -> None:
    """Has different sequences computed."""
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    write_model(folder / "weights" / "toy", 4_096, 1_024, (("gc", 32), ("coarse", 128)))
    settings = Settings(weights=str(folder / "weights"), cache_dir=folder / "cache", device="cpu")
    (folder / "behaviour").write_text("fine")
    (folder / "calls").write_text("")
    server = Broker(settings)
    process = WorkerProcess(settings, folder)
    process.start()
    jobs, card = Jobs(settings), registry.cards(settings.weights_dirs)["toy"]
    try:
        for first in range(0, requests, AT_ONCE):
            compute(jobs, card, range(first, first + AT_ONCE))
            tell("worker", first + AT_ONCE - 1, requests, process.child)
    finally:
        process.kill()
        server.stop()


def tell(who: str, i: int, requests: int, pid: int) -> None:
    """Prints the memory of a process after each tenth of the requests."""
    if (i + 1) % max(requests // 10, 1) == 0:
        print(f"{who:<7} {i + 1:>6} requests {resident(pid) / 2**20:6.0f} MiB", flush=True)


if __name__ == "__main__":
    asked = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="locuscope-memory-") as made:
        web(Path(made) / "web", asked)
        worker(Path(made), asked)
