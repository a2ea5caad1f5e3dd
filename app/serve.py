"""`locuscope serve`: broker, worker and web as children of one process."""

from __future__ import annotations

import logging
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from types import FrameType

from app.errors import LocuscopeError
from app.genome.catalogue import Catalogue
from app.settings import Settings

log = logging.getLogger("locuscope.serve")

START_SECONDS = 60
STOP_SECONDS = 10
#: A child that dies within this time of its start again and again is given up.
SHORT_LIFE_SECONDS = 5
MOST_SHORT_LIVES = 5


@dataclass
class _Child:
    """One part of the system, started again when it dies."""

    name: str
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    short_lives: int = field(default=0)

    def start(self) -> None:
        self.started = time.monotonic()
        command = [sys.executable, "-m", "app.cli", self.name]
        # A session of its own: Ctrl-C reaches this process alone, which then ends the children
        # in order.
        self.process = subprocess.Popen(command, start_new_session=True)  # noqa: S603

    def check(self) -> None:
        """Starts the child again if it has died.

        Raises:
            LocuscopeError: It dies at once again and again.
        """
        if self.process is None or self.process.poll() is None:
            return
        lived = time.monotonic() - self.started
        self.short_lives = self.short_lives + 1 if lived < SHORT_LIFE_SECONDS else 0
        if self.short_lives >= MOST_SHORT_LIVES:
            raise LocuscopeError(f"The {self.name} does not stay up; its messages are above.")
        log.warning("the %s ended (%s) and is started again", self.name, self.process.returncode)
        self.start()

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class _Stop(Exception):  # noqa: N818 - a signal, not an error
    pass


def _stop(_signal: int, _frame: FrameType | None) -> None:
    raise _Stop


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 - our own address
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def serve(settings: Settings) -> None:
    """Runs everything until Ctrl-C or SIGTERM.

    Args:
        settings: Settings, which the children read from the environment.

    Raises:
        BundleError: A genome bundle cannot be used.
        LocuscopeError: A part does not start or does not stay up.
    """
    Catalogue.load(settings.genome_dirs)  # a bundle that cannot be used ends it here, in one line
    names = ["worker", "web"] if settings.broker_url else ["broker", "worker", "web"]
    children = [_Child(name) for name in names]
    url = f"http://{settings.host}:{settings.port}"
    if _answers(f"{url}/"):
        raise LocuscopeError(f"Something answers at {url} already. Choose another --port.")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        for child in children:
            child.start()
        deadline = time.monotonic() + START_SECONDS
        while not _answers(f"{url}/api/v1/genomes"):
            if time.monotonic() > deadline:
                raise LocuscopeError(f"The page did not answer within {START_SECONDS} seconds.")
            for child in children:
                child.check()
            time.sleep(0.1)
        print(f"\n  Locuscope is at {url}   (Ctrl-C ends it)\n", flush=True)
        while True:
            for child in children:
                child.check()
            time.sleep(0.5)
    except _Stop:
        print("Locuscope ends.", flush=True)
    finally:
        for child in reversed(children):
            child.stop()
