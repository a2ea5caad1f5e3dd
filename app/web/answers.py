"""Answers that many visitors ask for alike, kept in memory for a while."""

from __future__ import annotations

import threading
from collections import OrderedDict

#: Most bytes that one process keeps.
MOST_BYTES = 64 * 2**20


class AnswerCache:
    """Bytes by a tag that names all that decides them; the least recently used go first.

    Safe across threads.

    Args:
        most: Bytes that are kept at most.
    """

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, bytes] = OrderedDict()

    def get(self, tag: str) -> bytes | None:
        """Returns an answer, or None if it is not kept."""
        with self._lock:
            if tag in self._kept:
                self._kept.move_to_end(tag)
            return self._kept.get(tag)

    def keep(self, tag: str, answer: bytes) -> None:
        """Keeps an answer."""
        with self._lock:
            self._size += len(answer) - len(self._kept.pop(tag, b""))
            self._kept[tag] = answer
            while self._size > self._most:
                self._size -= len(self._kept.popitem(last=False)[1])
