"""How long the web takes to start, and to be back: ``python -m benchmarks.start``.

The page of the teaching genome alone, without broker and worker. First from nothing until it
answers; then the process that serves is killed, and then all of the web, as ``locuscope serve``
starts it again. Seconds of CPU tell more than seconds where the machine has other work.
"""

from __future__ import annotations

import os
import signal
import tempfile
import time
from pathlib import Path

from benchmarks.load import BUNDLE
from tests.browser.site import REPOSITORY, Site

TICKS = os.sysconf("SC_CLK_TCK")


def children(pid: int) -> list[int]:
    """Returns the children of a process."""
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def spent(pid: int) -> float:
    """Returns the seconds of CPU of a process and its children, those that have ended too."""
    numbers = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:15]
    return sum(map(int, numbers)) / TICKS + sum(spent(child) for child in children(pid))


def main() -> None:
    """Prints a table."""
    cache = Path(tempfile.mkdtemp(prefix="locuscope-start-"))
    began = time.monotonic()
    site = Site(BUNDLE, REPOSITORY / "models" / "weights", cache, "web")
    try:
        web = site.processes[0].pid
        print(f"start           {time.monotonic() - began:5.1f} s   {spent(web):5.1f} s CPU")
        before = spent(web)
        (server,) = children(web)
        os.kill(server, signal.SIGKILL)
        began = time.monotonic()
        site.wait_for_page()
        print(
            f"server killed   {time.monotonic() - began:5.1f} s   {spent(web) - before:5.1f} s CPU"
        )
        os.killpg(web, signal.SIGKILL)
        site.processes[0].wait()
        began = time.monotonic()
        site.processes = [site.start("web")]
        site.wait_for_page()
        web = site.processes[0].pid
        print(f"web killed      {time.monotonic() - began:5.1f} s   {spent(web):5.1f} s CPU")
    finally:
        site.stop()


if __name__ == "__main__":
    main()
