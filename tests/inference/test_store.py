from __future__ import annotations

import multiprocessing
import pickle
import sqlite3
import threading
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.inference.store import ResultStore, WindowKey, code_version

KEY = WindowKey("m", "w", "s", "fp32", "1")
VALUES = np.linspace(-1, 1, 2048, dtype=np.float32)


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "cache", 2**30)


def rows(store: ResultStore, statement: str, *arguments: object) -> list[tuple]:
    with sqlite3.connect(Path(store._cache.directory) / "cache.db") as database:
        return database.execute(statement, arguments).fetchall()


def test_arrays_come_back_bit_by_bit(store: ResultStore) -> None:
    odd = np.array([np.inf, -0.0, 1e-45, np.float32(1) / 3, np.nan], np.float32)
    store.write(KEY, {"a": VALUES, "b": odd})
    assert store.read(KEY, "a").tobytes() == VALUES.tobytes()
    assert store.read(KEY, "b").tobytes() == odd.tobytes()
    assert store.read(KEY, "a").dtype == np.float32


@pytest.mark.parametrize("shape", [(), (0,), (64, 64), (0, 3), (2, 3, 4)])
def test_arrays_keep_their_shape(store: ResultStore, shape: tuple[int, ...]) -> None:
    values = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
    store.write(KEY, {"a": values, "transposed": values.T})
    np.testing.assert_array_equal(store.read(KEY, "a"), values, strict=True)
    np.testing.assert_array_equal(store.read(KEY, "transposed"), values.T, strict=True)


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"weights_hash": "x"},
        {"sequence_sha256": "t"},
        {"precision": "bf16"},
        {"code": "2"},
    ],
)
def test_anything_that_may_change_the_numbers_is_part_of_the_key(
    store: ResultStore, change: dict[str, str]
) -> None:
    store.write(KEY, {"a": VALUES})
    assert store.read(replace(KEY, **change), "a") is None


def test_missing_names_what_is_not_stored(store: ResultStore) -> None:
    store.write(KEY, {"a": VALUES, "c": VALUES})
    assert store.missing(KEY, ["a", "b", "c", "d"]) == ("b", "d")


@pytest.mark.parametrize("damage", ["flip", "shorten", "empty", "pickle"])
def test_damaged_entry_counts_as_missing_and_goes(store: ResultStore, damage: str) -> None:
    store.write(KEY, {"a": VALUES})
    [(data,)] = rows(store, "SELECT value FROM Cache")
    changed = {
        "flip": data[:500] + bytes([data[500] ^ 1]) + data[501:],
        "shorten": data[:-4],
        "empty": b"",
        "pickle": pickle.dumps(VALUES),
    }[damage]
    mode = 4 if damage == "pickle" else 1
    rows(store, "UPDATE Cache SET value = ?, mode = ?", changed, mode)
    assert store.read(KEY, "a") is None
    assert store.missing(KEY, ["a"]) == ("a",)


class Boom:
    def __reduce__(self):
        return (Path.touch, (Path(self.path),))


def test_pickle_in_the_cache_is_never_loaded(store: ResultStore, tmp_path: Path) -> None:
    boom = Boom()
    boom.path = tmp_path / "executed"
    store.write(KEY, {"a": VALUES})
    rows(store, "UPDATE Cache SET value = ?, mode = 4", pickle.dumps(boom))
    assert store.read(KEY, "a") is None
    assert not boom.path.exists()


def test_window_is_written_whole_or_not_at_all(store: ResultStore) -> None:
    with pytest.raises(AttributeError):
        store.write(KEY, {"a": VALUES, "b": None})
    assert store.missing(KEY, ["a", "b"]) == ("a", "b")


def test_size_is_limited_and_the_least_recently_used_goes_first(tmp_path: Path) -> None:
    store = ResultStore(tmp_path / "cache", 2 * 2**20)
    keys = [replace(KEY, sequence_sha256=str(i)) for i in range(600)]
    for key in keys:
        store.write(key, {"a": VALUES})
        assert store.read(keys[0], "a") is not None, "it is used all the time"
    assert store.bytes_used < 3 * 2**20
    assert store.read(keys[1], "a") is None
    assert store.read(keys[-1], "a") is not None


def fill(directory: Path, number: int) -> None:
    store = ResultStore(directory, 2**30)
    for i in range(30):
        key = replace(KEY, sequence_sha256=f"{number}-{i}")
        store.write(key, {"a": VALUES + number, "b": VALUES + i})


def test_processes_and_threads_share_it(tmp_path: Path) -> None:
    directory = tmp_path / "cache"
    store = ResultStore(directory, 2**30)
    context = multiprocessing.get_context("spawn")
    others = [context.Process(target=fill, args=(directory, n)) for n in (1, 2)]
    others += [threading.Thread(target=fill, args=(directory, n)) for n in (3, 4)]
    for other in others:
        other.start()
    for other in others:
        other.join()
    for number in (1, 2, 3, 4):
        for i in range(30):
            key = replace(KEY, sequence_sha256=f"{number}-{i}")
            np.testing.assert_array_equal(store.read(key, "a"), VALUES + number)
            np.testing.assert_array_equal(store.read(key, "b"), VALUES + i)


def test_code_version_follows_the_source_of_the_family(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import models

    monkeypatch.setattr(models, "__path__", [*models.__path__, str(tmp_path)])
    source = tmp_path / "grown.py"
    source.write_text("ANSWER = 1\n")
    before = code_version("grown")
    code_version.cache_clear()
    assert code_version("grown") == before
    source.write_text("ANSWER = 2\n")
    code_version.cache_clear()
    changed = code_version("grown")
    assert changed != before
    (tmp_path / "grown_layers.py").write_text("")
    code_version.cache_clear()
    assert code_version("grown") == changed  # an empty file says nothing
    (tmp_path / "grown_layers.py").write_text("ANSWER = 3\n")
    code_version.cache_clear()
    assert code_version("grown") != changed
