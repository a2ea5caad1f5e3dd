"""Whether it works, and what it is doing: `/health`, and health and status of the API."""

from __future__ import annotations

from dataclasses import asdict

from flask import Blueprint, Response

from app.errors import WorkerUnavailableError
from app.inference.jobs import WorkerInfo
from app.web.describe import JSON
from app.web.services import Services, services

health_api = Blueprint("health", __name__)

NO_WORKER = "No worker is running. Start one with: locuscope worker"
#: Most of the things that went wrong that are shown.
MOST_TROUBLES = 20


def _ready() -> None:
    if not services().jobs.workers():
        raise WorkerUnavailableError(NO_WORKER)


@health_api.get("/health")
def plain_health() -> Response:
    """Says OK only if the broker and a worker answer, for what looks at the body alone too."""
    try:
        _ready()
    except WorkerUnavailableError as error:
        return Response(error.message, error.status, mimetype="text/plain")
    return Response("OK", mimetype="text/plain")


@health_api.get("/api/v1/health")
def health() -> JSON:
    """Says OK only if the broker and a worker answer."""
    _ready()
    return {"status": "OK"}


@health_api.get("/api/v1/status")
def status() -> JSON:
    """Tells what runs: workers, queues, stored results, and what went wrong lately."""
    return system_status(services())


def system_status(its: Services) -> JSON:
    """Describes the system at this moment.

    Args:
        its: What this process works with.
    """
    answer: JSON = {
        "ready": False,
        "sentence": "",
        "workers": [],
        "queues": {},
        "stored": {"bytes": its.store.bytes_used, "limit": its.settings.cache_bytes},
        "troubles": [],
    }
    try:
        workers = its.jobs.workers()
        queues = {family: its.jobs.waiting(family) for family in its.families()}
        troubles = its.jobs.troubles()[:MOST_TROUBLES]
    except WorkerUnavailableError as error:
        return answer | {"sentence": error.message}
    return answer | {
        "ready": bool(workers),
        "sentence": _sentence(workers, sum(queues.values())),
        "workers": [asdict(worker) for worker in workers],
        "queues": queues,
        "troubles": [asdict(trouble) for trouble in troubles],
    }


def _sentence(workers: list[WorkerInfo], queued: int) -> str:
    if not workers:
        return NO_WORKER
    state = "computing" if any(worker.job for worker in workers) else "worker ready"
    devices = ", ".join(sorted({worker.device for worker in workers}))
    return f"{state} on {devices} · {queued:,} queued"
