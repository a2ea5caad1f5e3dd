"""Tiles that many ask for are read once."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import diskcache
import numpy as np
import pytest
from flask.testing import FlaskClient

from app.settings import Settings
from app.web.tile_cache import TileCache
from app.web.tile_request import TileRequest
from tests.web.conftest import Worker
from tests.web.test_tiles import unpack

TILE = "/api/v1/tiles?genome=toy1&model=toy&chrom=chr1&bin=32&from=1&to=1&tracks="


def test_least_recently_used_tiles_go_when_there_are_too_many_bytes() -> None:
    cache = TileCache(most=10)
    reads: list[str] = []

    def get(key: str, n: int = 3) -> bytes:
        return cache.get(key, lambda: reads.append(key) or key.encode() * n)

    assert [get(key) for key in "abca"] == [b"aaa", b"bbb", b"ccc", b"aaa"]
    get("d", 4)  # 13 bytes: b, which was used longest ago, goes
    assert "".join(reads) == "abcd"
    assert [get(key) for key in "acd"] == [b"aaa", b"ccc", b"dddd"]
    assert "".join(reads) == "abcd"
    get("b")
    get("f", 11)  # more than all there is room for
    assert get("f", 11) == b"f" * 11
    assert "".join(reads) == "abcdbff"


def test_tile_that_many_ask_for_at_once_is_read_once() -> None:
    cache = TileCache()
    many = threading.Barrier(8)
    reads: list[int] = []

    def read() -> bytes:
        reads.append(1)
        time.sleep(0.2)
        return b"tile"

    def ask(_: int) -> bytes:
        many.wait(10)
        return cache.get("tile", read)

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(8))) == [b"tile"] * 8
    assert len(reads) == 1


def test_tile_that_cannot_be_read_is_tried_again() -> None:
    cache = TileCache()

    def fail() -> bytes:
        raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        cache.get("tile", fail)
    assert cache.get("tile", lambda: b"tile") == b"tile"


def test_same_tile_is_read_once_and_again_when_there_is_more(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = TileRequest.summarise
    monkeypatch.setattr(TileRequest, "summarise", lambda self, t: reads.append(t) or read(self, t))
    url = TILE + "toy/DNASE/d1/.,observed/dnase/d1/."
    before = client.get(url).data
    assert len(reads) == 2
    client.get(url)
    assert len(reads) == 3  # the prediction is missing, so its next tile may be another
    client.post("/api/v1/predict", json={"query": "locus=chr1:30001-70000", "prefetch": True})
    assert worker.work() > 0
    client.post("/api/v1/predict", json={"query": "locus=chr1:30001-70000", "prefetch": True})
    first = client.get(url).data
    assert first != before
    n = len(reads)
    assert client.get(url).data == first
    assert len(reads) == n


def test_tile_of_a_damaged_result_is_not_kept(
    client: FlaskClient, worker: Worker, settings: Settings
) -> None:
    url = TILE + "toy/DNASE/d1/."
    predict = {"query": "locus=chr1:30001-70000", "prefetch": False}
    client.post("/api/v1/predict", json=predict)
    worker.work()
    client.post("/api/v1/predict", json=predict)
    with diskcache.Cache(str(settings.cache_dir / "results")) as stored:
        for key in stored:
            stored[key] = b"damaged"
    lost = client.get(url)
    assert b"was lost" in lost.data
    assert lost.headers["Cache-Control"] == "no-store"
    client.post("/api/v1/predict", json=predict)
    worker.work()
    assert client.post("/api/v1/predict", json=predict).json["complete"]
    header, values = unpack(client.get(url).data)
    assert "error" not in header["tracks"][0]
    assert np.isfinite(values["toy/DNASE/d1/."]).all()
