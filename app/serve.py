"""`locuscope serve`: broker, worker and web as children of one process."""

from __future__ import annotations

import contextlib
import ctypes
import http.client
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from types import FrameType

from app.errors import LocuscopeError
from app.genome.check import check_genomes
from app.inference.broker import already_runs, broker_pid
from app.settings import Settings

log = logging.getLogger("locuscope.serve")

#: Three genomes on a busy machine have taken more than a minute.
START_SECONDS = 180
STOP_SECONDS = 10
#: A child that dies within this time of its start again and again is given up.
SHORT_LIFE_SECONDS = 5
MOST_SHORT_LIVES = 5
#: Exit code of a command that has said in one line what a person must change.
REFUSED = 2

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


def _end_with_parent() -> None:
    """Asks the kernel to end this process should its parent be killed; other systems cannot."""
    if _LIBC is not None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@dataclass
class _Child:
    """One part of the system, started again when it dies."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    short_lives: int = 0

    def start(self) -> None:
        self.started = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "app.cli", self.name],
            # A session of its own: Ctrl-C reaches the parent alone, which ends the children in
            # order, and what a child leaves behind can be ended as a group.
            start_new_session=True,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 - no thread here (see check_genomes)
        )

    def check(self) -> None:
        """Starts the child again if it has died.

        Raises:
            LocuscopeError: It refuses to start, or dies at once again and again.
        """
        if self.process is None or self.process.poll() is None:
            return
        self._end_group()
        code = self.process.returncode
        if code == REFUSED:
            raise LocuscopeError(f"The {self.name} cannot start, as it says above.")
        lived = time.monotonic() - self.started
        self.short_lives = self.short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        if self.short_lives >= MOST_SHORT_LIVES:
            raise LocuscopeError(f"The {self.name} does not stay up; its messages are above.")
        how = f"code {code}" if code >= 0 else signal.Signals(-code).name
        log.warning("the %s ended (%s) and is started again", self.name, how)
        self.start()

    def ask_to_end(self) -> None:
        if self.process is not None:
            self.process.terminate()

    def end(self, deadline: float) -> None:
        """Waits until the child has ended, and ends it and its own children after the deadline."""
        if self.process is None:
            return
        try:
            self.process.wait(max(deadline - time.monotonic(), 0))
        except subprocess.TimeoutExpired:
            log.warning("the %s does not end and is killed", self.name)
        self._end_group()
        self.process.wait()

    def _end_group(self) -> None:
        assert self.process is not None
        with contextlib.suppress(ProcessLookupError):  # nothing is left, as it should be
            os.killpg(self.process.pid, signal.SIGKILL)


class _Signals:
    """Notes that the system shall end; nothing is interrupted in the middle."""

    def __init__(self) -> None:
        self.stop = False
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._note)

    def _note(self, _signal: int, _frame: FrameType | None) -> None:
        self.stop = True


def check_address(host: str, port: int, patience: float = 0.0) -> None:
    """Sees to it that a web server can listen.

    Args:
        host: Where.
        port: Where.
        patience: Seconds to wait for one that is just ending there.

    Raises:
        LocuscopeError: It cannot; mostly because something else does.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            socket.create_server((host, port), family=family).close()
        except OSError as error:
            if time.monotonic() >= deadline:
                raise LocuscopeError(
                    f"The page cannot listen at {host}:{port}: {error.strerror}. "
                    "Choose another --port, or end what listens there."
                ) from error
            time.sleep(0.1)
        else:
            return


def _answers(settings: Settings) -> bool:
    """Returns whether the web server has opened the genomes and answers."""
    connection = http.client.HTTPConnection(settings.host, settings.port, timeout=2)
    try:
        connection.request("GET", "/api/v1/genomes")
        # One that asks for its token has opened them too.
        return connection.getresponse().status in (http.client.OK, http.client.UNAUTHORIZED)
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def serve(settings: Settings) -> None:
    """Runs everything until SIGINT (Ctrl-C), SIGTERM or SIGHUP.

    Args:
        settings: Settings, which the children read from the environment.

    Raises:
        BundleError: A genome bundle cannot be used.
        WorkerUnavailableError: An embedded broker already runs for this cache folder.
        LocuscopeError: The address is taken, or a part does not start or does not stay up.
    """
    signals = _Signals()
    check_address(settings.host, settings.port)
    if not settings.broker_url and broker_pid(settings) is not None:
        raise already_runs(settings)
    check_genomes(settings.genome_dirs)  # a bundle that cannot be used ends it here, in one line
    names = ["worker", "web"] if settings.broker_url else ["broker", "worker", "web"]
    children = [_Child(name) for name in names]
    try:
        for child in children:
            child.start()
        _wait_for_page(settings, children, signals)
        while not signals.stop:
            for child in children:
                child.check()
            time.sleep(0.2)
    finally:
        _end(children)


def _wait_for_page(settings: Settings, children: list[_Child], signals: _Signals) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not signals.stop:
        if _answers(settings):
            address = f"http://{settings.host}:{settings.port}"
            print(f"\n  Locuscope is at {address}   (Ctrl-C ends it)\n", flush=True)
            return
        if time.monotonic() > deadline:
            raise LocuscopeError(f"The page did not answer within {START_SECONDS} seconds.")
        for child in children:
            child.check()
        time.sleep(0.1)


def _end(children: list[_Child]) -> None:
    """Ends the broker last, for the others still tell it that they go."""
    deadline = time.monotonic() + STOP_SECONDS
    others = [child for child in children if child.name != "broker"]
    for group in (others, [child for child in children if child.name == "broker"]):
        for child in group:
            child.ask_to_end()
        for child in group:
            child.end(deadline)
