"""Tiles that many visitors ask for alike, kept in memory for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable

#: Most bytes that one process keeps.
MOST_BYTES = 64 * 2**20


class TileCache:
    """Bytes by a key that names all that decides them; the least recently used go first.

    Safe across threads.

    Args:
        most: Bytes that are kept at most.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[Hashable, bytes] = OrderedDict()
        self._being_read: dict[Hashable, threading.Lock] = {}

    def get(self, key: Hashable, read: Callable[[], bytes]) -> bytes:
        """Returns a tile; one that is not kept is read, once however many ask at that moment.

        Args:
            key: Names all that decides the tile.
            read: Reads it; what it raises is raised to whoever asked.
        """
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            turn = self._being_read.setdefault(key, threading.Lock())
        with turn:
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                tile = read()
                self._keep(key, tile)
            finally:
                with self._lock:
                    self._being_read.pop(key, None)
        return tile

    def _keep(self, key: Hashable, tile: bytes) -> None:
        with self._lock:
            self._size += len(tile) - len(self._kept.pop(key, b""))
            self._kept[key] = tile
            while self._size > self._most:
                self._size -= len(self._kept.popitem(last=False)[1])
