"""Names for what decides the numbers of an answer, so that a browser may keep them."""

from __future__ import annotations

import hashlib
import json
import time
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path

from app.genome.catalogue import Bundle
from app.inference.store import code_version
from models.card import ModelCard

#: This program and its version.
PROGRAM = f"locuscope {version('locuscope')}"
#: Seconds after which a file that changed counts as changed at the latest.
LOOK_SECONDS = 1.0


def digest(parts: object) -> str:
    """Returns a short name of anything that can be written as JSON."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def look() -> int:
    """Returns a number that changes every ``LOOK_SECONDS``: what is remembered under it ages."""
    return int(time.monotonic() / LOOK_SECONDS)


def data_version(bundle: Bundle, card: ModelCard | None) -> str:
    """Names all that decides the numbers of a genome and a model: files, weights and programs.

    The files are looked at once every ``LOOK_SECONDS``, however many ask.
    """
    return _version_at(bundle, card, look())


@lru_cache(maxsize=32)
def _version_at(bundle: Bundle, card: ModelCard | None, _when: int) -> str:
    return digest(
        [
            bundle.reference.checksum,
            [(o.track.id, _file_version(o.path)) for o in bundle.measured],
            [_file_version(marks.path) for marks in bundle.marks],
            [card.weights_hash, code_version(card.family)] if card else [PROGRAM],
        ]
    )


def _file_version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
