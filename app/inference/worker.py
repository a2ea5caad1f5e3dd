"""The worker: a process that keeps models in memory and computes one job after another.

Celery's parent process takes messages; its one child computes. If the child is killed, the parent
starts another one and runs the job again at once. Two threads work in the child: the main one
computes, the other one says every half second that the job and the worker are alive, learns whether
anyone still waits for the result, and stops what nobody waits for.
"""

from __future__ import annotations

import importlib
import logging
import multiprocessing
import os
import signal
import socket
import threading
import time
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import redis
from celery import signals
from celery.exceptions import Reject, SecurityWarning
from celery.platforms import EX_OK
from celery.worker import state

from app.errors import BadInputError, LocuscopeError, ModelUnavailableError
from app.inference.broker import celery_app, celery_queue
from app.inference.compute import Engine, describe_failure
from app.inference.jobs import TASK, Claim, JobDesk, WorkerInfo
from app.logs import log_fields
from app.settings import Settings
from models import registry

if TYPE_CHECKING:
    from ctypes import c_byte

    from celery.worker.consumer import Consumer

log = logging.getLogger(__name__)

#: Exit code of a worker that cannot compute here, as its log says.
REFUSED = 2
BEAT_SECONDS = 0.5
#: How often the parent sees whether its child is alive.
CHILD_SECONDS = 0.5
#: A job is stopped after this many beats in a row without anyone waiting for it.
UNWANTED_BEATS = 3
#: Seconds that a job has to stop between two layers; then its process is killed.
STOP_SECONDS = 10.0
#: Seconds after which a computation counts as hung, and its process is killed.
HUNG_SECONDS = 1_800.0


class _StoppedError(Exception):
    """The computation was told to stop."""


@dataclass
class _Current:
    """The job in hand; the computing thread writes the steps, the other one reads them."""

    id: str
    began: float
    done: int = 0
    total: int = 0
    unwanted_beats: int = 0
    stopped_at: float | None = None

    def step(self, done: int, total: int) -> None:
        """Notes how far the computation is, and ends it if it was told to stop."""
        self.done, self.total = done, total
        if self.stopped_at is not None:
            raise _StoppedError

    def stop(self) -> None:
        """Tells the computation to end at its next step."""
        if self.stopped_at is None:
            self.stopped_at = time.monotonic()


class _Child:
    """What lives in the child process.

    Args:
        settings: Broker, device and weights.
        families: The model families that this worker serves.
        name: The worker's name; that of the next child too if this one dies.
        leaving: Shared with the parent; not 0 when the worker shall end.

    Raises:
        ModelUnavailableError: This machine has no such device.
    """

    def __init__(
        self, settings: Settings, families: Sequence[str], name: str, leaving: c_byte
    ) -> None:
        self._families = tuple(families)
        self._leaving = leaving
        self._desk = JobDesk(settings, name)
        self._lock = threading.Lock()
        self._current: _Current | None = None
        self._engine = Engine(settings)
        threading.Thread(target=self._live, name="heartbeat", daemon=True).start()

    def preload(self) -> None:
        """Loads the first model that can be loaded, so that the first view is quick."""
        for card in self._engine.cards.values():
            if card.family not in self._families:
                continue
            try:
                self._engine.open(card.id)
            except LocuscopeError as error:
                log.warning("%s", error.message)
            else:
                return

    def compute(self, id_: str) -> None:
        """Computes a job and hands in its result, or what went wrong.

        Raises:
            Reject: The worker shall end, and another one take the job.
        """
        with log_fields(job=id_):
            self._compute(id_)

    def _compute(self, id_: str) -> None:
        try:
            claim = self._desk.claim(id_)
        except BadInputError as error:
            log.warning("job %s: %s", id_[:12], error.message)
            return
        if claim is None:
            return
        current = self._current = _Current(id_, time.monotonic())
        model = claim.request.model
        log.info("job %s: computing with %s", id_[:12], model)
        try:
            self._engine.open(model)
            began = time.monotonic()
            arrays = self._engine.compute(claim.request, claim.sequence, current.step)
        except _StoppedError:
            self._rest()
            self._part_from(id_)
            if self._leaving.value:
                raise Reject("the worker ends", requeue=True) from None
        except Exception as error:
            log.exception("job %s: failed", id_[:12])
            self._rest()
            self._desk.fail(id_, self._describe(claim, error))
        else:
            self._rest()
            seconds = time.monotonic() - began
            self._desk.finish(id_, claim.request.pace, arrays, seconds)
            log.info("job %s: done in %.2f s", id_[:12], seconds)

    def _rest(self) -> None:
        """Ends the heartbeat of the job, before its last word is said."""
        with self._lock:
            self._current = None

    def _part_from(self, id_: str) -> None:
        """Gives a job back if the worker ends, else forgets it, since nobody waits for it."""
        if self._leaving.value:
            log.info("job %s: left to another worker", id_[:12])
            self._desk.release(id_)
        else:
            log.info("job %s: stopped, nobody waits for it", id_[:12])
            self._desk.drop(id_)

    def _describe(self, claim: Claim, error: Exception) -> str:
        card = self._engine.cards.get(claim.request.model)
        return describe_failure(card.title if card else claim.request.model, error)

    def _live(self) -> None:
        """Shows worker and job to the broker for as long as this process lives."""
        lost = False
        while True:
            try:
                self._show()
                with self._lock:
                    if self._current is not None:
                        self._beat(self._current)
                lost = False
            except redis.exceptions.RedisError as error:
                if not lost:
                    log.warning("the broker does not answer: %s", error)
                lost = True
            time.sleep(BEAT_SECONDS)

    def _show(self) -> None:
        current = self._current
        self._desk.show(
            WorkerInfo(
                name=self._desk.worker,
                families=self._families,
                device=str(self._engine.device),
                loaded=self._engine.loaded,
                job=current.id if current else "",
            )
        )

    def _beat(self, current: _Current) -> None:
        wanted = self._desk.beat(current.id, current.done, current.total)
        current.unwanted_beats = 0 if wanted else current.unwanted_beats + 1
        if self._leaving.value or current.unwanted_beats >= UNWANTED_BEATS:
            current.stop()
        now = time.monotonic()
        if current.stopped_at is not None and now - current.stopped_at > STOP_SECONDS:
            log.error("job %s: does not stop, so its process is killed", current.id[:12])
            self._part_from(current.id)
            os.kill(os.getpid(), signal.SIGKILL)
        if now - current.began > HUNG_SECONDS:
            log.error("job %s: hangs, so its process is killed", current.id[:12])
            limit = f"{HUNG_SECONDS:,.0f} s"
            self._desk.fail(current.id, f"This took longer than {limit}, so it was ended.")
            os.kill(os.getpid(), signal.SIGKILL)


def served_families(settings: Settings) -> list[str]:
    """Returns the families of the known models whose code can be imported here."""
    families = []
    for family in dict.fromkeys(
        card.family for card in registry.cards(settings.weights_dirs).values()
    ):
        try:
            importlib.import_module(f"models.{family}")
        except ImportError as error:
            log.warning("models of the family %s are not served: %s", family, error)
        else:
            families.append(family)
    return families


def run_worker(settings: Settings, families: Sequence[str] | None = None) -> int:
    """Serves the queues of model families until SIGTERM or SIGINT.

    The job in hand is then stopped at its next layer and left to another worker.

    Args:
        settings: Broker, device and weights.
        families: Which families; all that can be imported where it is not given.

    Returns:
        The exit code of the process.

    Raises:
        ModelUnavailableError: There is no family to serve, or one cannot be imported.
    """
    available = served_families(settings)
    chosen = available if families is None else list(families)
    if unknown := sorted(set(chosen) - set(available)):
        raise ModelUnavailableError(f"The model family {unknown[0]} cannot be served here.")
    if not chosen:
        raise ModelUnavailableError("There is no model to serve: no model card was found.")
    # Celery fears a superuser's worker for messages that carry code; ours carry ids, in JSON.
    warnings.simplefilter("ignore", SecurityWarning)
    app = celery_app(settings, patient=True)
    app.conf.task_queues = [celery_queue(family) for family in chosen]
    # Shared memory without a lock, for a child that is killed would never give that back.
    leaving = multiprocessing.RawValue("b", 0)
    name = f"{socket.gethostname()}:{os.getpid()}"
    child: _Child | None = None

    @app.task(name=TASK)  # type: ignore[untyped-decorator]
    def compute(id_: str) -> None:
        assert child is not None
        child.compute(id_)

    @signals.worker_process_init.connect(weak=False)  # type: ignore[untyped-decorator]
    def start_child(**_: object) -> None:
        nonlocal child
        try:
            child = _Child(settings, chosen, name, leaving)
        except LocuscopeError as error:
            log.error("%s", error.message)  # noqa: TRY400 - it says all that there is to know
            leaving.value = REFUSED
            os.kill(os.getppid(), signal.SIGTERM)
        else:
            child.preload()

    @signals.worker_shutting_down.connect(weak=False)  # type: ignore[untyped-decorator]
    def leave(*_: object, **__: object) -> None:
        leaving.value = leaving.value or 1
        state.should_stop = EX_OK

    @signals.worker_ready.connect(weak=False)  # type: ignore[untyped-decorator]
    def look_after_child(sender: Consumer, **_: object) -> None:
        # Celery may see the end of its child before the kernel says how it ended, and then looks
        # again after 5 s only. Its timers are cleared when it connects anew.
        sender.timer.call_repeatedly(CHILD_SECONDS, sender.pool.maintain_pool)
        # Celery's own handlers do the same with more words, and fail for SIGINT.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, leave)

    @signals.setup_logging.connect(weak=False)  # type: ignore[untyped-decorator]
    def keep_logging(**_: object) -> None:
        """Keeps Celery from setting up logging of its own."""

    log.info("worker %s serves %s", name, ", ".join(chosen))
    worker = app.Worker(
        hostname=name,
        pool="prefork",
        concurrency=1,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )
    worker.start()
    JobDesk(settings, name).leave()
    return REFUSED if leaving.value == REFUSED else int(worker.exitcode or 0)
