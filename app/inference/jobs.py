"""Jobs: what is waiting, running and done. The only code that talks to the broker.

A job is one ``JobRequest`` and its sequence. Its record is a Valkey hash named by the request's id:

========== =========================================================================
state      ``queued``, ``running``, ``done`` or ``failed``
request    the request as JSON
sequence   its bases, zlib; dropped when the job is done
result     the arrays, safetensors; there when the state is ``done``
attempts   how many times a worker began; three that never ended fail the job
========== =========================================================================

Beside it stand two keys that die by themselves: ``beat``, which a worker renews while it computes
and which also is the lock that keeps two of them apart, and ``interest``, which whoever waits for
the result renews by asking. Celery's messages carry nothing but the id. What was lost (a worker
killed, a message gone, a broker restarted empty) is noticed by ``Jobs.status`` and put right there.

What changes a record is a script of ``job_scripts.py``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from enum import IntEnum
from typing import Any, Literal, cast

import numpy as np
import redis
import safetensors.numpy
from numpy.typing import NDArray

from app.errors import BadInputError, BusyError, LimitError, NotFoundError
from app.inference import job_scripts as scripts
from app.inference.broker import (
    PREFIX,
    broker_errors,
    celery_app,
    connect,
    queue_lists,
    queue_name,
)
from app.inference.requests import JobRequest, sequence_sha256
from app.settings import Settings

log = logging.getLogger(__name__)

TASK = "locuscope.compute"

#: Jobs that may wait in one queue; beyond it nothing is taken.
QUEUE_LIMIT = 1_000
#: Longest sequence of a job in bp.
SEQUENCE_LIMIT = 2_000_000
#: Times that a job may take its worker down with it.
ATTEMPTS = 3

#: Milliseconds. A worker renews its heartbeat six times as often as it expires; a page asks every
#: 250 ms.
BEAT_MS = 3_000
INTEREST_MS = 3_000
PREFETCH_INTEREST_MS = 30_000
#: A queued job older than this is looked for among the messages, and sent again if it is not there.
LOST_MS = 3_000
#: How long a record lives that nobody touches, and a result that nobody fetched yet.
RECORD_MS = 3_600_000
RESULT_MS = 600_000
WORKER_SECONDS = 5

Arrays = Mapping[str, NDArray[np.float32]]


class Priority(IntEnum):
    """Order in which waiting jobs are computed; the smallest first."""

    VIEW = 0
    MUTAGENESIS = 2
    PREFETCH = 4
    BATCH = 8


@dataclass(frozen=True)
class JobStatus:
    """Where a job stands.

    Attributes:
        state: ``lost`` means that the broker does not know the job: submit it (again).
        done: Steps of the computation that are finished.
        total: Steps in all; 0 while that is not known.
        eta_seconds: Estimated time until it is done, or None where nothing is known yet.
        ahead: Jobs that will be computed before this one, or None if it is not waiting.
        error: What went wrong, as a sentence; empty unless it failed.
        worker: Who computes it; empty unless it is running.
        elapsed: Seconds since the computation began; 0 unless it is running.
        priority: How urgent it is, see ``Priority``.
    """

    state: Literal["queued", "running", "done", "failed", "lost"]
    done: int = 0
    total: int = 0
    eta_seconds: float | None = None
    ahead: int | None = None
    error: str = ""
    worker: str = ""
    elapsed: float = 0.0
    priority: int = 0


@dataclass(frozen=True)
class WorkerInfo:
    """A worker that showed itself within the last seconds.

    Attributes:
        name: Host and process.
        families: The model families that it serves.
        device: The torch device that it computes on.
        loaded: Ids of the models that it holds in memory.
        job: Id of the job that it computes; empty when idle.
    """

    name: str
    families: tuple[str, ...]
    device: str
    loaded: tuple[str, ...]
    job: str


@dataclass(frozen=True)
class Trouble:
    """Something that went wrong within the last day.

    Attributes:
        where: The worker, or ``web``.
        message: What, as a sentence.
        last: When it happened last, in seconds since 1970 by the broker's clock.
        times: How often.
        job: Id of the last job that it happened to; empty if it was none.
    """

    where: str
    message: str
    last: float
    times: int
    job: str


@dataclass(frozen=True)
class JobCounts:
    """What became of the jobs of a family since the broker started.

    Attributes:
        done: Jobs that were computed.
        failed: Jobs that ended with an error.
        seconds: How long those that are done took to compute, together.
    """

    done: int
    failed: int
    seconds: float


def _key(kind: str, name: str) -> str:
    return f"{PREFIX}{kind}:{name}"


_DIED = (
    f"The worker was killed {ATTEMPTS} times while it computed this, so it was given up. "
    "The machine may have too little memory for this model."
)


class Jobs:
    """The side that asks: submits jobs, watches them, fetches results.

    Safe across threads. After a fork, make a new one.

    Args:
        settings: Which broker.
    """

    def __init__(self, settings: Settings) -> None:
        self._redis = connect(settings)
        self._celery = celery_app(settings)
        self._submit = self._redis.register_script(scripts.SUBMIT)
        self._status = self._redis.register_script(scripts.STATUS)
        self._resend = self._redis.register_script(scripts.RESEND)
        self._waiting = self._redis.register_script(scripts.WAITING)
        self._note = self._redis.register_script(scripts.NOTE)

    def submit(
        self,
        request: JobRequest,
        sequence: str,
        family: str,
        priority: Priority = Priority.VIEW,
        *,
        retry: bool = False,
    ) -> None:
        """Asks for a computation, unless the same one is already waiting, running or done.

        Args:
            request: What to compute.
            sequence: The bases that it names.
            family: The model's family, whose workers shall compute it.
            priority: How urgent it is; a waiting job that is now more urgent moves up.
            retry: Compute it again if it failed before.

        Raises:
            BusyError: Too many jobs are waiting.
            WorkerUnavailableError: The broker does not answer.
            BadInputError: The sequence is not the one that the request names, or is too long.
        """
        _check_sequence(request, sequence)
        with broker_errors():
            answer = self._submit(
                keys=[_key("job", request.id), _key("interest", request.id), *queue_lists(family)],
                args=[
                    request.to_json(),
                    zlib.compress(sequence.encode("ascii"), 1),
                    family,
                    request.pace,
                    int(priority),
                    PREFETCH_INTEREST_MS if priority == Priority.PREFETCH else INTEREST_MS,
                    RECORD_MS,
                    QUEUE_LIMIT,
                    int(retry),
                ],
            )
            if answer == b"full":
                raise BusyError(
                    f"{QUEUE_LIMIT:,} predictions are already waiting. Try again in a few minutes."
                )
            if answer == b"send":
                log.info("job %s: asked for", request.id[:12], extra={"job": request.id})
                self._send(request.id, family, priority)

    def status(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Tells where jobs stand, and says that someone still waits for them.

        A job whose worker died or whose message was lost is sent again from here.

        Raises:
            WorkerUnavailableError: The broker does not answer.
        """
        with broker_errors():
            pipeline = self._redis.pipeline(transaction=False)
            for id_ in ids:
                self._status(
                    keys=[*(_key(k, id_) for k in ("job", "interest", "beat")), PREFIX + "pace"],
                    args=[INTEREST_MS, RECORD_MS, ATTEMPTS, _DIED, id_],
                    client=pipeline,
                )
            found = dict(zip(ids, map(_Record.parse, pipeline.execute()), strict=True))
            for id_, record in found.items():
                if record.send:
                    self._send(id_, record.family, record.status.priority)
            order = self._order({r.family for r in found.values() if r.status.state == "queued"})
            for id_, record in found.items():
                if record.status.state == "queued" and not record.send and id_ not in order:
                    self._resend_if_lost(id_, record)
            return {id_: record.placed(order.get(id_)) for id_, record in found.items()}

    def result(self, id_: str) -> dict[str, NDArray[np.float32]]:
        """Returns the arrays of a job that is done, by track id.

        Raises:
            NotFoundError: The job is not done, or its result has expired.
            WorkerUnavailableError: The broker does not answer.
        """
        with broker_errors():
            data = cast("bytes | None", self._redis.hget(_key("job", id_), "result"))
        if data is None:
            raise NotFoundError("This prediction is no longer there. Ask for it again.")
        return safetensors.numpy.load(data)

    def workers(self) -> list[WorkerInfo]:
        """Returns the workers that are alive, by name.

        Raises:
            WorkerUnavailableError: The broker does not answer.
        """
        with broker_errors():
            names = sorted(cast("set[bytes]", self._redis.smembers(PREFIX + "workers")))
            if not names:
                return []
            keys = [_key("worker", name.decode()) for name in names]
            cards = cast("list[bytes | None]", self._redis.mget(keys))
            if gone := [name for name, card in zip(names, cards, strict=True) if card is None]:
                self._redis.srem(PREFIX + "workers", *gone)
        return [_worker_info(card) for card in cards if card is not None]

    def troubles(self) -> list[Trouble]:
        """Returns what went wrong within the last day, the latest first.

        Raises:
            WorkerUnavailableError: The broker does not answer.
        """
        with broker_errors():
            rows = cast("list[bytes]", self._redis.lrange(scripts.ERRORS, 0, -1))
        found: dict[tuple[str, str], Trouble] = {}
        for row in map(json.loads, rows):
            what = (str(row["where"]), str(row["message"]))
            first = found.get(what) or Trouble(*what, float(row["time"]), 0, str(row["job"]))
            found[what] = replace(first, times=first.times + 1)
        return list(found.values())

    def counts(self, family: str) -> JobCounts:
        """Returns what became of the jobs of a family.

        Raises:
            WorkerUnavailableError: The broker does not answer.
        """
        names = [f"{family} {what}" for what in ("done", "failed", "seconds")]
        with broker_errors():
            done, failed, seconds = cast(
                "list[bytes | None]", self._redis.hmget(scripts.COUNTS, names)
            )
        return JobCounts(int(done or 0), int(failed or 0), float(seconds or 0))

    def note(self, where: str, message: str) -> None:
        """Keeps what went wrong outside of a job, for ``troubles``.

        Raises:
            WorkerUnavailableError: The broker does not answer.
        """
        with broker_errors():
            self._note(args=[where, "", message])

    def waiting(self, family: str) -> int:
        """Returns how many messages wait in a family's queue.

        Raises:
            WorkerUnavailableError: The broker does not answer.
        """
        with broker_errors():
            return len(self._waiting(keys=queue_lists(family)))

    def _send(self, id_: str, family: str, priority: int) -> None:
        self._celery.send_task(
            TASK, args=[id_], task_id=id_, queue=queue_name(family), priority=int(priority)
        )

    def _order(self, families: set[str]) -> dict[str, int]:
        """Returns how many messages are before each waiting job."""
        order: dict[str, int] = {}
        for family in families:
            for place, id_ in enumerate(self._waiting(keys=queue_lists(family))):
                order.setdefault(id_.decode(), place)
        return order

    def _resend_if_lost(self, id_: str, record: _Record) -> None:
        if record.sent_ms < LOST_MS:
            return
        if self._resend(keys=[_key("job", id_)], args=[LOST_MS]):
            log.warning("job %s: its message was lost, sending it again", id_[:12])
            self._send(id_, record.family, record.status.priority)


@dataclass(frozen=True)
class _Record:
    """What the status script returns."""

    status: JobStatus
    send: bool = False
    family: str = ""
    sent_ms: int = 0
    pace: float | None = None

    @classmethod
    def parse(cls, row: list[Any]) -> _Record:
        state = row[0].decode()
        if state == "lost":
            return cls(JobStatus("lost"))
        running = state == "running"
        return cls(
            JobStatus(
                state,
                done=int(row[6]),
                total=int(row[7]),
                error=row[8].decode() if state == "failed" else "",
                worker=row[9].decode() if running else "",
                elapsed=int(row[5]) / 1000 if running else 0.0,
                priority=int(row[3]),
            ),
            send=bool(row[1]),
            family=row[2].decode(),
            sent_ms=int(row[4]),
            pace=float(row[10]) if row[10] else None,
        )

    def placed(self, ahead: int | None) -> JobStatus:
        """Adds the place in the queue, and from it and the pace of the model the time left."""
        eta = None
        if self.pace is not None and self.status.state == "running":
            eta = max(self.pace - self.status.elapsed, 0.0)
        elif self.pace is not None and self.status.state == "queued":
            eta = ((ahead or 0) + 1) * self.pace
        waiting = self.status.state == "queued"
        return replace(self.status, ahead=(ahead or 0) if waiting else None, eta_seconds=eta)


@dataclass(frozen=True)
class Claim:
    """A job that this worker may compute."""

    request: JobRequest
    sequence: str


def _packed(arrays: Arrays) -> bytes:
    """Returns arrays as safetensors, which writes the memory of an array whatever its order."""
    plain = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
    data: bytes = safetensors.numpy.save(plain)
    return data


class JobDesk:
    """The side that computes: takes jobs, keeps them alive, hands in what came out.

    Args:
        settings: Which broker.
        worker: Name of this worker; the same for all of its children.
    """

    def __init__(self, settings: Settings, worker: str) -> None:
        self.worker = worker
        self._settings = settings
        self._redis = connect(settings, patient=True)
        self._claim = self._redis.register_script(scripts.CLAIM)
        self._beat = self._redis.register_script(scripts.BEAT)
        self._finish = self._redis.register_script(scripts.FINISH)
        self._fail = self._redis.register_script(scripts.FAIL)
        self._release = self._redis.register_script(scripts.RELEASE)

    def claim(self, id_: str) -> Claim | None:
        """Takes a job, or returns None if it is over, held by another worker or wanted by nobody.

        Raises:
            BadInputError: The record is damaged; it is marked as failed.
        """
        answer = self._claim(
            keys=[_key("job", id_), _key("interest", id_), _key("beat", id_)],
            args=[self.worker, BEAT_MS, ATTEMPTS, _DIED, RESULT_MS, id_],
        )
        if answer[0] != b"yours":
            log.info("job %s: not computed, %s", id_[:12], answer[0].decode())
            return None
        try:
            request = JobRequest.from_json(answer[1])
            sequence = _inflate(answer[2])
            if request.id != id_:
                raise BadInputError("The request is not the one that its id names.")  # noqa: TRY301
            _check_sequence(request, sequence)
        except BadInputError as error:
            self.fail(id_, error.message)
            raise
        return Claim(request, sequence)

    def beat(self, id_: str, done: int, total: int) -> bool:
        """Says that the job is being computed; returns whether anyone waits for it."""
        keys = [_key("job", id_), _key("interest", id_), _key("beat", id_)]
        return bool(self._beat(keys=keys, args=[self.worker, BEAT_MS, done, total]))

    def finish(self, id_: str, pace: str, arrays: Arrays, seconds: float) -> None:
        """Hands in the result, and how long it took (``JobRequest.pace``)."""
        self._finish(
            keys=[_key("job", id_), _key("beat", id_), PREFIX + "pace", scripts.COUNTS],
            args=[_packed(arrays), RESULT_MS, pace, seconds],
        )

    def fail(self, id_: str, message: str) -> None:
        """Ends the job with a sentence that says why."""
        self._fail(
            keys=[_key("job", id_), _key("beat", id_), scripts.COUNTS],
            args=[message, RESULT_MS, self.worker, id_],
        )

    def drop(self, id_: str) -> None:
        """Forgets a job that nobody waits for any more."""
        self._redis.delete(_key("job", id_), _key("beat", id_))

    def release(self, id_: str) -> None:
        """Gives a job back that another worker shall compute; this is no death of the job."""
        self._release(keys=[_key("job", id_), _key("beat", id_)])

    def show(self, info: WorkerInfo) -> None:
        """Says that this worker is alive, for the next few seconds."""
        pipeline = self._redis.pipeline()
        pipeline.sadd(PREFIX + "workers", info.name)
        pipeline.set(_key("worker", info.name), json.dumps(asdict(info)), ex=WORKER_SECONDS)
        pipeline.execute()

    def leave(self) -> None:
        """Takes this worker off the list; without a broker there is none to be taken off."""
        with contextlib.suppress(redis.exceptions.ConnectionError, redis.exceptions.TimeoutError):
            connect(self._settings).delete(_key("worker", self.worker))


def _check_sequence(request: JobRequest, sequence: str) -> None:
    if len(sequence) > SEQUENCE_LIMIT:
        raise LimitError(f"A sequence may have {SEQUENCE_LIMIT:,} bp at most.")
    if not re.fullmatch("[ACGTN]+", sequence):
        raise BadInputError("A sequence may hold the letters A, C, G, T and N only.")
    if sequence_sha256(sequence) != request.sequence_sha256:
        raise BadInputError("The sequence is not the one that the request names.")


def _inflate(data: bytes) -> str:
    """Undoes zlib, but never beyond the longest sequence."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, SEQUENCE_LIMIT)
        if not unpacker.eof:
            raise LimitError(f"A sequence may have {SEQUENCE_LIMIT:,} bp at most.")
        return text.decode("ascii")
    except (zlib.error, UnicodeDecodeError) as error:
        raise BadInputError("The sequence of this job is damaged.") from error


def _worker_info(data: bytes) -> WorkerInfo:
    fields = json.loads(data)
    return WorkerInfo(
        **{**fields, "families": tuple(fields["families"]), "loaded": tuple(fields["loaded"])}
    )
