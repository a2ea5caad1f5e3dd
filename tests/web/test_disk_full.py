"""A full disk stops what is new: what is stored is shown, the rest when there is space again."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.inference.store import ResultStore, WindowKey
from app.settings import Settings
from app.web.server import create_app
from tests.inference.helpers import Broker
from tests.web.conftest import Worker

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a small disk")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def its(settings: Settings, small_disk: Path) -> Iterator[Settings]:
    """Settings whose cache lies on the small disk, with a broker."""
    made = settings.model_copy(update={"cache_dir": small_disk})
    broker = Broker(made)
    yield made
    broker.stop()


def fill(disk: Path) -> Path:
    """Takes all the space that is left."""
    file = disk / "filler"
    with file.open("wb", buffering=0) as filler:
        try:
            while filler.write(bytes(512)):
                pass
        except OSError:
            return file


def test_full_disk_is_said_and_over_when_there_is_space(
    its: Settings,
) -> None:
    small_disk = its.cache_dir
    worker = Worker(its)
    client = create_app(its).server.test_client()

    def predict(place: str) -> dict:
        body = {"query": f"locus={place}", "prefetch": False}
        return client.post("/api/v1/predict", json=body).json

    def tile() -> bytes:
        query = "genome=toy1&model=toy&chrom=chr1&bin=32&from=1&to=1&tracks=toy/DNASE/d1/."
        response = client.get(f"/api/v1/tiles?{query}")
        assert response.status_code == 200
        return response.data

    predict("chr1:40001-50000")
    worker.work()
    assert predict("chr1:40001-50000")["complete"]
    before = tile()
    assert np.isfinite(np.frombuffer(before[-4096:], "<f4")).any()
    filler = fill(small_disk)
    predict("chr1:70001-75000")
    computed = worker.work()
    answer = predict("chr1:70001-75000")
    assert (answer["complete"], answer["failed"]) == (False, True)
    assert "the disk of the cache folder is full" in answer["message"]
    assert tile() == before
    assert predict("chr1:40001-50000")["complete"]
    filler.unlink()
    worker.show()
    assert predict("chr1:70001-75000")["complete"]
    assert computed > 0
    assert worker.work() == 0  # the broker had kept what was computed


def test_damaged_entry_on_a_full_disk_is_missing(small_disk: Path) -> None:
    store = ResultStore(small_disk / "results", 2**30)
    key = WindowKey("m", "w", "s", "fp32", "c")
    store.write(key, {"good": np.ones(100, np.float32), "bad": np.ones(100, np.float32)})
    with store._cache.transact():
        store._cache.set(key.entry("bad"), b"LSR2 nothing of the kind")
    fill(small_disk)
    assert store.read(key, "bad") is None
    np.testing.assert_array_equal(store.read(key, "good"), np.ones(100, np.float32))
