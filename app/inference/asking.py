"""How jobs are asked for: what is lost is submitted, what is done is collected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from app.errors import LocuscopeError, NotFoundError
from app.inference.jobs import JobStatus, Priority, WorkerInfo
from app.inference.requests import JobRequest
from app.inference.summaries import Floats
from models.card import ModelCard


class JobQueue(Protocol):
    """What those who ask for computations need of ``jobs.Jobs``, where all of this is described."""

    def submit(
        self,
        request: JobRequest,
        sequence: str,
        family: str,
        priority: Priority = Priority.VIEW,
        *,
        retry: bool = False,
    ) -> None:
        """Asks for a computation."""

    def status(self, ids: Sequence[str]) -> dict[str, JobStatus]:
        """Tells where jobs stand."""

    def result(self, id_: str) -> dict[str, Floats]:
        """Returns the arrays of a job that is done, by track id."""

    def workers(self) -> list[WorkerInfo]:
        """Returns who computes."""


def advance(
    jobs: JobQueue,
    request: JobRequest,
    status: JobStatus,
    *,
    collect: Callable[[dict[str, Floats]], None],
    sequence: Callable[[], str],
    card: ModelCard,
    priority: Priority,
    retry: bool,
) -> JobStatus:
    """Collects a job that is done, submits one that nobody computes, and leaves any other alone.

    Args:
        jobs: The way to the workers.
        request: What is asked for.
        status: Where it stands.
        collect: Takes the arrays of a job that is done.
        sequence: Returns what the job reads; called only where it is submitted.
        card: The model that computes it.
        priority: How urgent it is; a queued job that is less so is moved up.
        retry: Submit it again if it failed.

    Returns:
        Where it stands now; ``done`` means that it is collected.
    """
    if status.state == "done":
        try:
            arrays = jobs.result(request.id)
        except NotFoundError:
            status = JobStatus("lost")
        else:
            collect(arrays)
            return status
    if (
        status.state == "lost"
        or (status.state == "failed" and retry)
        or (status.state == "queued" and priority < status.priority)
    ):
        jobs.submit(request, sequence(), card.family, priority, retry=retry)
        return JobStatus("queued", priority=priority)
    return status


def why_waiting(jobs: JobQueue, card: ModelCard) -> str:
    """Returns why nothing of a model is computed, or nothing where a worker serves it."""
    try:
        workers = jobs.workers()
    except LocuscopeError as error:
        return error.message
    if any(card.family in worker.families for worker in workers):
        return ""
    return f"No worker is running for {card.title}. Start one with: locuscope worker"
