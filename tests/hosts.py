"""Three hosts on one machine: network namespaces that share nothing but a bridge between them."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOT = Path(__file__).parents[1]
CLONE_NEWNET = 0x40000000
#: Addresses for documentation; no host has them.
ADDRESSES = {"broker": "192.0.2.1", "web": "192.0.2.2", "worker": "192.0.2.3"}


def ip(*words: str) -> None:
    """Runs ip(8)."""
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)


class Hosts:
    """The namespaces; the bridge between them lies in that of the broker."""

    def __init__(self) -> None:
        self._prefix = f"lc{os.getpid()}"
        self._processes: list[subprocess.Popen[bytes]] = []
        for host in ADDRESSES:
            ip("netns", "add", self.namespace(host))
            self._in(host, "link", "set", "lo", "up")
        self._in("broker", "link", "add", "br0", "type", "bridge")
        self._in("broker", "addr", "add", f"{ADDRESSES['broker']}/24", "dev", "br0")
        self._in("broker", "link", "set", "br0", "up")
        for host in ("web", "worker"):
            far = ["peer", "name", "eth0", "netns", self.namespace(host)]
            self._in("broker", "link", "add", host, "type", "veth", *far)
            self._in("broker", "link", "set", host, "master", "br0", "up")
            self._in(host, "addr", "add", f"{ADDRESSES[host]}/24", "dev", "eth0")
            self._in(host, "link", "set", "eth0", "up")

    def namespace(self, host: str) -> str:
        """Returns the name of a host's namespace."""
        return f"{self._prefix}-{host}"

    def _in(self, host: str, *words: str) -> None:
        ip("-n", self.namespace(host), *words)

    def cut(self, host: str) -> None:
        """Pulls a host's cable: nothing arrives, and nobody is told."""
        self._in("broker", "link", "set", host, "down")

    def join(self, host: str) -> None:
        """Puts the cable back."""
        self._in("broker", "link", "set", host, "up")

    def start(
        self, host: str, command: Sequence[object], log: Path, **environment: object
    ) -> subprocess.Popen[bytes]:
        """Starts a program on a host."""
        with log.open("ab") as output:
            process = subprocess.Popen(
                ["ip", "netns", "exec", self.namespace(host), *map(str, command)],
                env=os.environ
                | {"PYTHONPATH": str(ROOT)}
                | {name: str(value) for name, value in environment.items()},
                cwd=ROOT,
                stdout=output,
                stderr=output,
            )
        self._processes.append(process)
        return process

    def python(
        self, host: str, words: Sequence[object], log: Path, **environment: object
    ) -> subprocess.Popen[bytes]:
        """Starts a Python program on a host."""
        return self.start(host, [sys.executable, *words], log, **environment)

    def on(self, host: str, ask: Callable[[], T]) -> T:
        """Calls a function in a thread whose network is that of a host."""

        def run() -> T:
            with Path("/var/run/netns", self.namespace(host)).open() as file:
                if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), "setns")
            return ask()

        with ThreadPoolExecutor(1) as thread:  # of its own, for it stays on that host
            return thread.submit(run).result()

    def end(self) -> None:
        """Ends what runs there, and the namespaces."""
        for process in self._processes:
            process.kill()
            process.wait()
        for host in ADDRESSES:
            ip("netns", "del", self.namespace(host))
