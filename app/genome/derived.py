"""Files that are derived from a user's file (indices, parsed tables) and kept in the cache."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable
from pathlib import Path

from app.settings import settings


def derived(source: Path, suffix: str, make: Callable[[Path], None]) -> Path:
    """Returns a file derived from ``source``, making it where it is missing or out of date.

    The bundle's own folder is never written to, so it may be read-only.

    Args:
        source: The file that it is derived from; known by its path, size and modification time.
        suffix: What the derived file is, e.g. ``.fai``; changes when its format does.
        make: Writes the derived file to the path that it is given; may write more beside it.
    """
    stat = source.stat()
    identity = f"{source.absolute()}\0{stat.st_size}\0{stat.st_mtime_ns}"
    name = hashlib.sha256(identity.encode()).hexdigest()[:32] + suffix
    target = settings().cache_dir / "genome" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        # Several processes may start at once: each makes its own, and the rename is atomic.
        with tempfile.TemporaryDirectory(dir=target.parent) as folder:
            make(Path(folder) / name)
            for made in sorted(Path(folder).iterdir(), key=lambda path: path.name == name):
                made.replace(target.with_name(made.name))
    return target
