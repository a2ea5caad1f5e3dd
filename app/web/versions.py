"""Names for what decides the numbers of an answer, so that a browser may keep them."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path

from app.genome.catalogue import Bundle
from app.inference.store import code_version
from models.card import ModelCard


def digest(parts: object) -> str:
    """Returns a short name of anything that can be written as JSON."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:32]


def data_version(bundle: Bundle, card: ModelCard | None) -> str:
    """Names all that decides the numbers of a genome and a model: files, weights and programs."""
    return digest(
        [
            bundle.reference.checksum,
            [(o.track.id, _file_version(o.path)) for o in bundle.measured],
            [_file_version(marks.path) for marks in bundle.marks],
            [card.weights_hash, code_version(card.family)] if card else [version("locuscope")],
        ]
    )


def _file_version(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return status.st_size, status.st_mtime_ns
