"""A real worker on a real Valkey: what it computes, and what it survives."""

from __future__ import annotations

import os
import signal
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from app.inference.broker import connect
from app.inference.jobs import Jobs, Priority
from app.settings import Settings
from models.card import ModelCard

from .helpers import Asked, Broker, WorkerProcess, until


@pytest.fixture
def asked(jobs: Jobs, card: ModelCard) -> Asked:
    return Asked(jobs, card)


def test_result_is_the_gc_share_of_every_bin(asked: Asked, worker: WorkerProcess) -> None:
    asked.submit()
    asked.wait("done")
    result = asked.jobs.result(asked.id)
    letters = np.array(list(asked.sequence[1024:-1024]))
    expected = np.isin(letters, ["C", "G"]).reshape(-1, 32).mean(1)
    np.testing.assert_allclose(result["toy/CAGE/gc/."], expected, atol=1e-6)
    assert result["toy/CAGE/coarse/."].shape == (16,)


def test_worker_shows_itself(asked: Asked, worker: WorkerProcess) -> None:
    [info] = until(lambda: [w for w in asked.jobs.workers() if w.loaded])
    assert (info.families, info.device, info.loaded, info.job) == (("toy",), "cpu", ("toy",), "")
    assert worker.stop() == 0
    assert asked.jobs.workers() == []


def test_same_question_is_computed_once(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 1")
    other = Asked(asked.jobs, asked.card)
    asked.submit()
    other.submit()
    other.wait("running")
    other.submit()
    asked.wait("done")
    other.submit()
    assert other.status().state == "done"
    assert worker.begun == worker.ended == 1


def test_progress_and_time_left(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 2")
    asked.submit()
    asked.wait("done")
    second = Asked(asked.jobs, asked.card, seed=1)
    second.submit()
    status = until(lambda: (s := second.status()).done >= 5 and s)
    assert status.state == "running"
    assert status.total == 20
    assert 0 < status.eta_seconds < 2
    assert 0 < status.elapsed < 2
    second.wait("done")


def test_urgent_jobs_come_first(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 1")
    first = asked
    first.submit()
    first.wait("running")
    later = {
        priority: Asked(asked.jobs, asked.card, seed=10 + priority)
        for priority in (Priority.BATCH, Priority.PREFETCH, Priority.VIEW)
    }
    for priority, job in later.items():
        job.submit(priority)
    done: list[Priority] = []

    def collect() -> bool:
        statuses = asked.jobs.status([job.id for job in later.values()])
        done.extend(
            p for p, job in later.items() if statuses[job.id].state == "done" and p not in done
        )
        return len(done) == 3

    until(collect)
    assert done == [Priority.VIEW, Priority.PREFETCH, Priority.BATCH]


def test_job_that_nobody_waits_for_is_dropped_at_its_turn(
    asked: Asked, worker: WorkerProcess
) -> None:
    worker.behave("slow 4")
    asked.submit()
    forgotten = Asked(asked.jobs, asked.card, seed=1)
    forgotten.submit()
    asked.wait("done")
    until(lambda: asked.jobs.waiting("toy") == 0)
    time.sleep(0.5)
    assert forgotten.status().state == "lost"
    assert worker.begun == 1


def test_running_job_stops_when_the_page_is_closed(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 20")
    asked.submit()
    asked.wait("running")
    until(lambda: worker.begun == 1)
    client = connect_to(worker)
    until(lambda: not client.exists(f"locuscope:job:{asked.id}"), seconds=60)
    worker.behave("fine")
    asked.submit()
    asked.wait("done", seconds=60)
    assert worker.ended == 1


def test_killed_child_is_run_again_at_once(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 2")
    asked.submit()
    until(lambda: asked.status().done > 2)
    worker.behave("fine")
    os.kill(worker.child, signal.SIGKILL)
    asked.wait("done")
    assert (worker.begun, worker.ended) == (2, 1)


def test_killed_worker_loses_nothing(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 2")
    waiting = Asked(asked.jobs, asked.card, seed=1)
    asked.submit()
    waiting.submit()
    until(lambda: asked.status().done > 2)
    worker.kill()
    worker.behave("fine")
    worker.start()
    until(lambda: both_done(asked, waiting), seconds=60)
    assert (worker.begun, worker.ended) == (3, 2)


def both_done(*jobs: Asked) -> bool:
    found = jobs[0].jobs.status([job.id for job in jobs])
    return all(status.state == "done" for status in found.values())


def test_worker_that_is_told_to_end_leaves_its_job_to_the_next(
    asked: Asked, worker: WorkerProcess
) -> None:
    worker.behave("slow 120")  # longer than stop() waits
    asked.submit()
    until(lambda: asked.status().done > 0)
    assert worker.stop() == 0
    assert asked.status().state == "queued"
    worker.behave("fine")
    worker.start()
    asked.wait("done", seconds=60)


def test_broker_that_comes_back_empty_loses_nothing(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("slow 2")
    waiting = Asked(asked.jobs, asked.card, seed=1)
    asked.submit()
    waiting.submit()
    until(lambda: asked.status().done > 2)
    connect_to(worker).flushall()

    def poll() -> bool:  # as Predictions.ensure does
        found = asked.jobs.status([asked.id, waiting.id])
        for job in (asked, waiting):
            if found[job.id].state == "lost":
                job.submit()
        return all(status.state == "done" for status in found.values())

    until(poll, seconds=60)
    assert (worker.begun, worker.ended) == (2, 2)


def test_three_deaths_fail_a_job(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("die")
    asked.submit()
    status = asked.wait("failed", seconds=60)
    assert "killed 3 times" in status.error
    assert worker.begun == 3
    worker.behave("fine")
    asked.submit()
    assert asked.status().state == "failed"
    asked.submit(retry=True)
    asked.wait("done")


def test_model_that_raises_fails_its_job_and_nothing_else(
    asked: Asked, worker: WorkerProcess
) -> None:
    worker.behave("raise")
    asked.submit()
    status = asked.wait("failed")
    assert status.error == "Toy failed on this sequence: the toy is broken"
    worker.behave("fine")
    other = Asked(asked.jobs, asked.card, seed=1)
    other.submit()
    other.wait("done")


def test_numbers_that_are_not_finite_are_an_error(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("nan")
    asked.submit()
    assert "not finite" in asked.wait("failed").error


def test_other_weights_than_asked_for_are_refused(asked: Asked, worker: WorkerProcess) -> None:
    asked.request = replace(asked.request, weights_hash="0" * 64)
    asked.submit()
    assert "other weights of Toy" in asked.wait("failed").error
    assert worker.begun == 0


def test_hanging_job_is_ended(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("hang")
    asked.submit()
    assert "took longer than 12 s" in asked.wait("failed", seconds=60).error
    worker.behave("fine")
    other = Asked(asked.jobs, asked.card, seed=1)
    other.submit()
    other.wait("done")
    assert worker.begun == 2


def test_hanging_job_that_nobody_wants_is_killed(asked: Asked, worker: WorkerProcess) -> None:
    worker.behave("hang")
    until(asked.jobs.workers)  # a worker that starts for longer than the interest lasts drops it
    asked.submit()
    until(lambda: worker.begun == 1)
    child = worker.child
    until(lambda: not alive(child), seconds=60)
    worker.behave("fine")
    asked.submit()
    asked.wait("done", seconds=60)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_job_waits_for_a_worker_that_starts_later(asked: Asked, worker: WorkerProcess) -> None:
    until(asked.jobs.workers)
    worker.kill()
    until(lambda: not asked.jobs.workers(), seconds=60)
    asked.submit()
    time.sleep(4)  # longer than a message may be out of sight
    assert asked.status().state == "queued"
    assert asked.jobs.waiting("toy") == 1
    worker.start()
    asked.wait("done", seconds=60)
    assert worker.begun == 1


def test_worker_outlives_its_broker(
    settings: Settings, toy_folder: object, card: ModelCard
) -> None:
    server = Broker(settings)
    process = WorkerProcess(settings, toy_folder)  # type: ignore[arg-type]
    process.start()
    jobs = Jobs(settings)
    try:
        until(jobs.workers)
        server.stop()
        time.sleep(3)
        server = Broker(settings)
        job = Asked(jobs, card)
        job.submit()
        job.wait("done", seconds=60)
    finally:
        process.kill()
        server.stop()


def test_worker_without_its_device_ends_and_says_so(
    settings: Settings, toy_folder: Path, broker: None
) -> None:
    process = WorkerProcess(settings, toy_folder)
    process.environment["LOCUSCOPE_DEVICE"] = "warp9"
    process.start()
    assert process.process is not None
    assert process.process.wait(120) == 2
    assert "torch cannot use the device warp9 on this machine" in process.log.read_text()
    assert "Traceback" not in process.log.read_text()


def connect_to(worker: WorkerProcess):
    return connect(Settings(cache_dir=worker.environment["LOCUSCOPE_CACHE_DIR"]))


def test_memory_of_the_worker_does_not_grow_with_jobs(
    jobs: Jobs, card: ModelCard, worker: WorkerProcess
) -> None:
    compute(jobs, card, range(60))
    before = resident(worker.child)
    compute(jobs, card, range(60, 300))
    # What the network reads of one job alone has 64 KiB, of all of them 15 MiB.
    assert resident(worker.child) - before < 5 * 2**20


def compute(jobs: Jobs, card: ModelCard, seeds: range) -> None:
    """Has a sequence computed for each seed, a few at a time."""
    for first in seeds[::20]:
        asked = [Asked(jobs, card, first + i) for i in range(20)]
        for one in asked:
            one.submit()
        ids = [one.id for one in asked]
        until(lambda ids=ids: {s.state for s in jobs.status(ids).values()} == {"done"})


def resident(pid: int) -> int:
    """Returns the bytes of memory that a process has."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")
