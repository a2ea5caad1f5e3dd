"""Records and messages in a real Valkey; the worker here is its desk, in this process."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest

from app.errors import BadInputError, LimitError, NotFoundError, WorkerUnavailableError
from app.inference import jobs as jobs_module
from app.inference.broker import broker_pid, connect, run_broker
from app.inference.jobs import JobDesk, Jobs, Priority, WorkerInfo
from app.settings import Settings
from models.card import ModelCard

from .helpers import Asked, Broker, until

ARRAYS = {"toy/CAGE/gc/.": np.arange(64, dtype=np.float32)}


@pytest.fixture
def asked(jobs: Jobs, card: ModelCard) -> Asked:
    return Asked(jobs, card)


@pytest.fixture
def desk(settings: Settings, broker: None) -> JobDesk:
    return JobDesk(settings, "host:1")


def test_two_questions_make_one_message(asked: Asked) -> None:
    for _ in range(2):
        asked.submit()
    assert asked.jobs.waiting("toy") == 1
    assert asked.status().state == "queued"


def test_result_travels_bit_by_bit(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    claim = desk.claim(asked.id)
    assert (claim.request, claim.sequence) == (asked.request, asked.sequence)
    assert asked.status().state == "running"
    desk.finish(asked.id, "toy", ARRAYS, 2.5)
    assert asked.status().state == "done"
    result = asked.jobs.result(asked.id)
    np.testing.assert_array_equal(result["toy/CAGE/gc/."], ARRAYS["toy/CAGE/gc/."])


def test_result_of_an_unfinished_job_is_not_found(asked: Asked) -> None:
    asked.submit()
    with pytest.raises(NotFoundError):
        asked.jobs.result(asked.id)


def test_place_in_the_queue_and_time_left(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    desk.claim(asked.id)
    desk.finish(asked.id, "toy", ARRAYS, 2.5)
    others = [Asked(asked.jobs, asked.card, seed=n) for n in range(1, 4)]
    for job, priority in zip(others, (Priority.BATCH, Priority.VIEW, Priority.VIEW), strict=True):
        job.submit(priority)
    asked.jobs.waiting("toy")
    found = asked.jobs.status([job.id for job in others])
    # The message of the finished job is still there, for no worker took it.
    assert [found[job.id].ahead for job in others] == [3, 1, 2]
    assert [found[job.id].eta_seconds for job in others] == [10.0, 5.0, 7.5]


def test_waiting_job_moves_up_when_it_becomes_urgent(asked: Asked) -> None:
    other = Asked(asked.jobs, asked.card, seed=1)
    other.submit(Priority.PREFETCH)
    asked.submit(Priority.BATCH)
    assert (other.status().ahead, asked.status().ahead) == (0, 1)
    asked.submit(Priority.VIEW)
    assert (other.status().ahead, asked.status().ahead) == (1, 0)
    asked.submit(Priority.BATCH)
    assert asked.status().priority == Priority.VIEW


def test_full_queue_says_come_back(asked: Asked, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs_module, "QUEUE_LIMIT", 3)
    for seed in range(3):
        Asked(asked.jobs, asked.card, seed=seed + 1).submit()
    with pytest.raises(LimitError, match="Try again"):
        asked.submit()
    assert asked.status().state == "lost"


def test_second_worker_keeps_off(asked: Asked, desk: JobDesk, settings: Settings) -> None:
    other = JobDesk(settings, "host:2")
    asked.submit()
    assert desk.claim(asked.id) is not None
    assert other.claim(asked.id) is None
    assert not other.beat(asked.id, 1, 2)
    assert asked.status().worker == "host:1"


def test_next_child_of_the_same_worker_takes_over(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    desk.claim(asked.id)
    assert desk.claim(asked.id) is not None


def test_done_job_is_not_claimed_again(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    desk.claim(asked.id)
    desk.finish(asked.id, "toy", ARRAYS, 1.0)
    assert desk.claim(asked.id) is None


def test_job_without_interest_is_not_claimed(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    time.sleep(3.2)
    assert desk.claim(asked.id) is None
    assert asked.status().state == "lost"


def test_prefetched_job_waits_longer_for_interest(asked: Asked, desk: JobDesk) -> None:
    asked.submit(Priority.PREFETCH)
    time.sleep(3.2)
    assert desk.claim(asked.id) is not None


def test_beat_tells_whether_anyone_waits(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    desk.claim(asked.id)
    assert desk.beat(asked.id, 3, 20)
    assert (asked.status().done, asked.status().total) == (3, 20)
    time.sleep(3.2)
    assert not desk.beat(asked.id, 4, 20)


def test_stopped_heartbeat_sends_the_job_again(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    connect_raw(asked).delete("locuscope:family.toy")  # the message that the dead worker took
    desk.claim(asked.id)
    until(lambda: asked.status().state == "queued", seconds=5)
    assert asked.jobs.waiting("toy") == 1


def test_lost_message_is_sent_again(asked: Asked) -> None:
    asked.submit()
    connect_raw(asked).delete("locuscope:family.toy")
    began = time.monotonic()
    until(lambda: asked.status() and asked.jobs.waiting("toy") == 1, seconds=6)
    assert time.monotonic() - began > 2.5
    for _ in range(40):
        asked.status()
        time.sleep(0.1)
    assert asked.jobs.waiting("toy") == 1


def test_third_death_is_the_last(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    for _ in range(3):
        assert desk.claim(asked.id) is not None
    status = asked.wait("failed", seconds=5)
    assert "killed 3 times" in status.error


def test_job_that_is_given_back_did_not_die(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    for _ in range(5):
        assert desk.claim(asked.id) is not None
        desk.release(asked.id)
    assert asked.status().state == "queued"


def test_failed_job_is_retried_when_asked(asked: Asked, desk: JobDesk) -> None:
    asked.submit()
    desk.claim(asked.id)
    desk.fail(asked.id, "It broke.")
    asked.submit()
    assert (asked.status().state, asked.status().error) == ("failed", "It broke.")
    asked.submit(retry=True)
    assert (asked.status().state, asked.status().error) == ("queued", "")


def test_wrong_sequence_is_refused_before_it_is_sent(asked: Asked) -> None:
    with pytest.raises(BadInputError, match="not the one"):
        asked.jobs.submit(asked.request, asked.sequence[::-1], "toy")
    with pytest.raises(BadInputError, match="letters"):
        asked.jobs.submit(asked.request, "<script>", "toy")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("sequence", b"rubbish"),
        ("sequence", zlib.compress(b"A" * 4096)),
        ("sequence", zlib.compress(b"A" * 50_000_000)),
        ("request", b"{}"),
    ],
)
def test_worker_refuses_a_record_that_was_tampered_with(
    asked: Asked, desk: JobDesk, field: str, value: bytes
) -> None:
    asked.submit()
    connect_raw(asked).hset(f"locuscope:job:{asked.id}", field, value)
    with pytest.raises((BadInputError, LimitError)):
        desk.claim(asked.id)
    assert asked.status().state == "failed"


def test_worker_is_listed_while_it_shows_itself(
    asked: Asked, desk: JobDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs_module, "WORKER_SECONDS", 1)
    info = WorkerInfo("host:1", ("toy",), "cpu", ("toy",), "")
    desk.show(info)
    assert asked.jobs.workers() == [info]
    until(lambda: asked.jobs.workers() == [], seconds=3)


def test_absent_broker_is_said_within_a_second(settings: Settings, card: ModelCard) -> None:
    jobs = Jobs(settings)
    job = Asked(jobs, card)
    for call in (job.submit, job.status, jobs.workers, lambda: jobs.result(job.id)):
        began = time.monotonic()
        with pytest.raises(WorkerUnavailableError, match="locuscope broker"):
            call()
        assert time.monotonic() - began < 10  # within a second on a quiet machine
    server = Broker(settings)
    job.submit()
    assert job.status().state == "queued"
    server.stop()
    with pytest.raises(WorkerUnavailableError):
        job.status()
    server = Broker(settings)
    assert job.status().state == "lost"
    job.submit()
    assert jobs.waiting("toy") == 1
    server.stop()


def test_broker_that_hangs_is_given_up(jobs: Jobs, settings: Settings) -> None:
    pid = connect(settings).info("server")["process_id"]
    jobs.workers()
    os.kill(pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        with pytest.raises(WorkerUnavailableError):
            jobs.workers()
        assert time.monotonic() - began < 10  # within a second on a quiet machine
    finally:
        os.kill(pid, signal.SIGCONT)
    assert jobs.workers() == []


def test_results_go_before_messages_when_memory_is_short(
    settings: Settings, card: ModelCard
) -> None:
    small = settings.model_copy(update={"broker_bytes": 16 * 2**20})
    server = Broker(small)
    jobs, desk = Jobs(small), JobDesk(small, "host:1")
    first = Asked(jobs, card, seed=0)
    first.submit()
    big = {"toy/CAGE/gc/.": np.zeros(2**18, np.float32)}
    for seed in range(1, 40):
        job = Asked(jobs, card, seed=seed)
        job.submit()
        desk.claim(job.id)
        desk.finish(job.id, "toy", big, 1.0)
    kept = [Asked(jobs, card, seed=seed).status().state for seed in range(1, 40)]
    assert 0 < kept.count("done") < 20
    assert jobs.waiting("toy") == 40
    server.stop()


def test_broker_is_private_and_alone(settings: Settings, broker: None) -> None:
    assert stat.S_IMODE(settings.runtime_dir.stat().st_mode) == 0o700
    assert stat.S_IMODE(settings.broker_socket.stat().st_mode) == 0o700
    with pytest.raises(WorkerUnavailableError, match="already runs"):
        run_broker(settings)
    assert connect(settings).config_get("port") == {"port": "0"}
    assert connect(settings).config_get("maxmemory-policy") == {"maxmemory-policy": "volatile-lru"}


def test_folder_that_others_can_enter_is_refused(settings: Settings) -> None:
    settings.runtime_dir.mkdir(mode=0o755)
    with pytest.raises(WorkerUnavailableError, match="other users"):
        run_broker(settings)


def test_broker_says_which_process_is_in_the_way(settings: Settings, broker: None) -> None:
    pid = connect(settings).info("server")["process_id"]
    assert broker_pid(settings) == pid
    with pytest.raises(WorkerUnavailableError, match=f"process {pid}"):
        run_broker(settings)


def test_socket_with_too_long_a_path_is_refused(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
    with pytest.raises(WorkerUnavailableError, match="XDG_RUNTIME_DIR"):
        run_broker(settings)


@pytest.mark.parametrize("name", [signal.SIGTERM, signal.SIGINT])
def test_broker_ends_cleanly(settings: Settings, name: signal.Signals) -> None:
    settings.runtime_dir.mkdir(mode=0o700)
    settings.broker_socket.touch()  # left over from a crash
    server = Broker(settings)
    os.kill(server.process.pid, name)
    server.process.join(timeout=5)
    assert server.process.exitcode == 0
    assert not settings.broker_socket.exists()
    assert broker_pid(settings) is None


def test_killed_broker_leaves_nothing_in_the_way(settings: Settings) -> None:
    killed = Broker(settings)
    assert connect(settings).info("server")["process_id"] == killed.process.pid
    killed.process.kill()
    killed.process.join()
    assert settings.broker_socket.exists()
    assert broker_pid(settings) is None
    server = Broker(settings)
    assert broker_pid(settings) == server.process.pid
    server.stop()


def test_web_side_does_not_import_torch() -> None:
    code = "import sys, app.inference.predictions; sys.exit('torch' in sys.modules)"
    root = Path(__file__).parents[2]
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0


def connect_raw(asked: Asked):
    return asked.jobs._redis
