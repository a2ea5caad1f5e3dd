"""What is asked for does not stay in memory."""

from __future__ import annotations

import gc
import tracemalloc
from urllib.parse import urlencode

from flask.testing import FlaskClient

from tests.web.conftest import Worker

#: Rounds until all is there that is kept for good, and rounds that are then measured.
WARM, MEASURED = 60, 60
#: Bytes that all of those may leave behind: of a view alone each has 6 KB.
LEFT = 100_000


def ask(client: FlaskClient, i: int) -> None:
    """Asks as a page does that pans on, each time for a place that nobody has seen."""
    start = 30_001 + 37 * i
    locus = f"chr1:{start}-{start + 5_000}"
    view = {"genome": "toy1", "locus": locus, "highlight": f"{locus};{i}"}
    assert client.get(f"/api/v1/view?{urlencode(view)}").status_code == 200
    where = {"genome": "toy1", "chrom": "chr1", "start": start, "end": start + 5_000}
    assert client.get(f"/api/v1/genes?{urlencode(where)}").status_code == 200
    assert client.get(f"/api/v1/search?{urlencode({'genome': 'toy1', 'q': locus})}").json
    assert client.get(f"/api/v1/agreement?{urlencode(view)}").status_code == 200
    tiles = {"genome": "toy1", "model": "toy", "chrom": "chr1", "bin": 32, "from": 1, "to": 1}
    tiles |= {"tracks": "toy/DNASE/d1/.,observed/dnase/d1/.", "i": i}
    assert client.get(f"/api/v1/tiles?{urlencode(tiles)}").status_code == 200
    body = {"query": urlencode(view), "prefetch": False}
    assert client.post("/api/v1/predict", json=body).json["complete"]
    assert client.get(f"/api/v1/nowhere/{i}").status_code == 404


def test_memory_of_the_web_does_not_grow_with_requests(client: FlaskClient, worker: Worker) -> None:
    client.post("/api/v1/predict", json={"query": "locus=chr1:1-100000", "prefetch": False})
    assert worker.work() > 0
    client.post("/api/v1/predict", json={"query": "locus=chr1:1-100000", "prefetch": False})
    for i in range(WARM):
        ask(client, i)
    tracemalloc.start()
    before = kept_after(client, range(WARM, WARM + 20))
    after = kept_after(client, range(WARM + 20, WARM + 20 + MEASURED))
    tracemalloc.stop()
    assert after - before < LEFT


def kept_after(client: FlaskClient, rounds: range) -> int:
    """Returns the bytes in use after some rounds."""
    for i in rounds:
        ask(client, i)
    gc.collect()
    return tracemalloc.get_traced_memory()[0]
