"""Tiles that many ask for are read once."""

from __future__ import annotations

import pytest
from flask.testing import FlaskClient

from app.web.answers import AnswerCache
from app.web.tile_request import TileRequest
from tests.web.conftest import Worker

TILE = "/api/v1/tiles?genome=toy1&model=toy&chrom=chr1&bin=32&from=1&to=1&tracks="


def test_least_recently_used_answers_go_when_there_are_too_many_bytes() -> None:
    cache = AnswerCache(most=10)
    for tag in "abc":
        cache.keep(tag, tag.encode() * 3)
    cache.get("a")
    cache.keep("d", b"dddd")
    assert [cache.get(tag) for tag in "abcd"] == [b"aaa", None, b"ccc", b"dddd"]
    cache.keep("a", b"A")
    cache.keep("e", b"ee")
    assert [cache.get(tag) for tag in "acde"] == [b"A", b"ccc", b"dddd", b"ee"]
    cache.keep("f", b"f" * 11)
    assert [cache.get(tag) for tag in "acdef"] == [None] * 5


def test_same_tile_is_read_once_and_again_when_there_is_more(
    client: FlaskClient, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads = []
    read = TileRequest.read
    monkeypatch.setattr(TileRequest, "read", lambda self, t: reads.append(t) or read(self, t))
    url = TILE + "toy/DNASE/d1/.,observed/dnase/d1/."
    before = client.get(url).data
    assert len(reads) == 2
    client.get(url)
    assert len(reads) == 4  # a prediction is missing, so the next answer may be another
    client.post("/api/v1/predict", json={"query": "locus=chr1:30001-70000", "prefetch": True})
    assert worker.work() > 0
    client.post("/api/v1/predict", json={"query": "locus=chr1:30001-70000", "prefetch": True})
    first = client.get(url).data
    assert first != before
    n = len(reads)
    assert client.get(url).data == first
    assert len(reads) == n
