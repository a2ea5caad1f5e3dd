"""Stored results: one array for each window and track, on disk, least recently used out."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import sqlite3
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, cast

import diskcache
import numpy as np
from numpy.typing import NDArray

from app.errors import StorageError
from models.card import Precision

#: First a mark that names this layout, then the CRC-32 of the rest: the number of axes and the
#: length of each as uint32, then the values.
_HEADER = struct.Struct("<4sI")
_MARK = b"LSR2"


@dataclass(frozen=True)
class WindowKey:
    """What a stored window depends on; anything that may change its numbers stands here.

    Attributes:
        model: Id of the model's card.
        weights_hash: ``ModelCard.weights_hash``.
        sequence_sha256: Digest of the bases that the network read.
        precision: Arithmetic that was asked for.
        code: Version of the code that computed it.
    """

    model: str
    weights_hash: str
    sequence_sha256: str
    precision: Precision
    code: str

    def entry(self, track: str) -> str:
        """Returns the name of the entry that holds one track."""
        return "|".join(
            (self.model, self.weights_hash, self.sequence_sha256, self.precision, self.code, track)
        )


@lru_cache
def code_version(family: str) -> str:
    """Returns a digest of the code that computes a family's numbers, which is not imported.

    It covers the network (``<family>*.py``), what runs it, and, for all else, the version of the
    package.
    """
    digest = hashlib.sha256(version("locuscope").encode())
    spec = importlib.util.find_spec(f"models.{family}")
    sources = [
        Path(__file__).with_name(name) for name in ("compute.py", "attribution.py", "motifs.py")
    ]
    models = importlib.util.find_spec("models")
    if models is not None and models.origin:
        sources += [Path(models.origin).with_name(name) for name in ("base.py", "staged.py")]
    if spec is not None and spec.origin:
        sources += sorted(Path(spec.origin).parent.glob(f"{family}*.py"))
    for path in sources:
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


class _PlainDisk(diskcache.Disk):  # type: ignore[misc]
    """Keeps bytes and nothing else: an entry that says it is a pickle is never loaded."""

    def fetch(self, mode: int, filename: str | None, value: Any, read: bool) -> Any:  # noqa: ANN401
        if mode not in (diskcache.core.MODE_RAW, diskcache.core.MODE_BINARY):
            raise ValueError("not a stored result")
        return super().fetch(mode, filename, value, read)


class ResultStore:
    """Float32 arrays by window and track; safe for several threads and processes.

    Args:
        directory: Folder of the cache; made if it is missing.
        size_limit: Bytes; beyond it what was least recently used goes first.
    """

    def __init__(self, directory: Path, size_limit: int) -> None:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._cache = diskcache.Cache(
            str(directory),
            disk=_PlainDisk,
            size_limit=size_limit,
            eviction_policy="least-recently-used",
            # One window is one transaction of the database only if its arrays are inside it.
            disk_min_file_size=2**26,
        )

    def write(self, key: WindowKey, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Stores the tracks of a window, all of them or none.

        Args:
            key: The window.
            arrays: Values by track id, of any shape.

        Raises:
            StorageError: The disk is full or cannot be written.
        """
        try:
            with self._cache.transact(retry=True):
                for track, values in arrays.items():
                    self._cache.set(key.entry(track), _pack(values), retry=True)
        except (sqlite3.Error, OSError) as error:
            raise StorageError(
                "What was predicted cannot be stored: the disk of the cache folder is full or "
                "cannot be written. It is shown as soon as there is space again."
            ) from error

    def read(self, key: WindowKey, track: str) -> NDArray[np.float32] | None:
        """Returns one track of a window, or None if it is not stored.

        A damaged entry counts as missing and is deleted.
        """
        name = key.entry(track)
        try:
            data = self._get(name)
            return None if data is None else _unpack(data)
        except ValueError:
            with contextlib.suppress(sqlite3.OperationalError):  # of a full disk: it stays missing
                self._cache.delete(name, retry=True)
            return None

    def _get(self, name: str) -> bytes | None:
        """Reads an entry, also from a full disk, where the time of its use cannot be noted."""
        try:
            return cast("bytes | None", self._cache.get(name, retry=True))
        except sqlite3.OperationalError:
            file = Path(self._cache.directory, diskcache.core.DBNAME).absolute()
            query = "SELECT value FROM Cache WHERE key = ? AND mode = ?"
            with contextlib.closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as found:
                row = found.execute(query, (name, diskcache.core.MODE_RAW)).fetchone()
            return None if row is None else bytes(row[0])

    def missing(self, key: WindowKey, tracks: Iterable[str]) -> tuple[str, ...]:
        """Returns those of the tracks that are not stored, in the order given."""
        return tuple(track for track in tracks if key.entry(track) not in self._cache)

    @property
    def bytes_used(self) -> int:
        """Size of the cache on disk."""
        return int(self._cache.volume())

    def close(self) -> None:
        """Closes this thread's handle."""
        self._cache.close()


def _pack(values: NDArray[np.float32]) -> bytes:
    shape = struct.pack(f"<{values.ndim + 1}I", values.ndim, *values.shape)
    body = shape + np.ascontiguousarray(values, "<f4").tobytes()
    return _HEADER.pack(_MARK, zlib.crc32(body)) + body


def _unpack(data: bytes) -> NDArray[np.float32]:
    if len(data) < _HEADER.size:
        raise ValueError("too short")
    mark, checksum = _HEADER.unpack_from(data)
    body = memoryview(data)[_HEADER.size :]
    if mark != _MARK or zlib.crc32(body) != checksum:
        raise ValueError("damaged")
    (axes,) = struct.unpack_from("<I", body)
    shape = struct.unpack_from(f"<{axes}I", body, 4)
    values = np.frombuffer(body, "<f4", offset=4 * (1 + axes)).reshape(shape)
    return values.astype(np.float32, copy=False)
