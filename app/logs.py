"""How every process of Locuscope writes to its log: one line for each event, on stderr.

An event has fields beside its message: ``request``, by which the web process names what a browser
asked, and ``job``, the id of a job. The line in which the web process asks for a job has both, so
that an event in a worker can be followed back to a click.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

#: What tells of each of its own steps; only its warnings are of interest here.
TALKATIVE = ("celery", "kombu", "gunicorn", "werkzeug")
#: What an event may carry beside its message.
FIELDS = ("request", "job", "method", "path", "status", "bytes", "ms")
IDS = ("request", "job")
#: As much of an id as tells it from others.
SHORT = 12

_fields: ContextVar[dict[str, str]] = ContextVar("log fields", default={})  # noqa: B039 - never changed in place


def set_log_fields(**fields: str) -> None:
    """Gives all further events of this thread these fields, in place of those they had."""
    _fields.set(fields)


@contextmanager
def log_fields(**fields: str) -> Iterator[None]:
    """Gives the events inside, in this thread, fields beside those they have."""
    token = _fields.set(_fields.get() | fields)
    try:
        yield
    finally:
        _fields.reset(token)


def _of(record: logging.LogRecord) -> dict[str, object]:
    own = {name: getattr(record, name) for name in FIELDS if hasattr(record, name)}
    return _fields.get() | own


class _Text(logging.Formatter):
    """A line for people; fields that the message does not name stand behind it, ids cut short."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        shown = {name: str(value) for name, value in _of(record).items()}
        shown |= {name: shown[name][:SHORT] for name in IDS if name in shown}
        parts = [f"{name}={text}" for name, text in shown.items() if text not in record.message]
        line = " ".join([super().formatMessage(record), *parts])
        # An address may hold a line feed; it shall not look like an event of its own.
        return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in line)


class _Json(logging.Formatter):
    """A JSON object, with ids in full."""

    def __init__(self, process: str) -> None:
        super().__init__()
        self._process = process

    def format(self, record: logging.LogRecord) -> str:
        event: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "process": self._process,
            "pid": record.process,
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            event["exception"] = self.formatException(record.exc_info)
        return json.dumps(event | _of(record), ensure_ascii=False)


def set_up_logs(process: str, style: str = "text") -> None:
    """Sets up logging for this process and the children that it forks.

    Args:
        process: Its name in each line.
        style: ``text`` for people, ``json`` for programs that gather logs.
    """
    handler = logging.StreamHandler()
    handler.setFormatter(
        _Json(process)
        if style == "json"
        else _Text(f"%(asctime)s {process:<6} %(levelname)-7s %(message)s", datefmt="%H:%M:%S")
    )
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.captureWarnings(True)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
