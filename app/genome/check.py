"""Opens bundles in a process of its own, for one that is going to fork.

hictkpy, which reads contact matrices, starts a thread, and its handlers of a fork wait for that
thread, some for ever. ``contacts.py`` ends the thread, but whoever forks later is on the safe side
if it has opened none.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from app.errors import BundleError
from app.genome.catalogue import Catalogue

#: Exit code after a sentence on stdout.
REFUSED = 2


def check_genomes(folders: Iterable[Path]) -> None:
    """Sees to it that bundles can be used.

    Raises:
        BundleError: One cannot.
    """
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "app.genome.check", *map(str, folders)],
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode == REFUSED:
        raise BundleError(done.stdout.strip())
    done.check_returncode()


if __name__ == "__main__":
    try:
        Catalogue.load([Path(folder) for folder in sys.argv[1:]])
    except BundleError as error:
        print(error.message)
        sys.exit(REFUSED)
