"""Times everything about a prediction but the network: ``python -m benchmarks.jobs [windows]``.

A window of 131,072 bp with 74 tracks of 2,048 bins goes the whole way: sequence, digest, broker,
worker, one-hot, result, store, values for the page. The network is the toy of the tests; the time
that it takes is measured inside it and subtracted. The page itself asks every 250 ms; here it is
asked all the time, so that the queue is timed and not the waiting.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from alphagenome.data.genome import Interval

from app.genome.catalogue import Bundle
from app.inference.jobs import Jobs
from app.inference.predictions import Predictions
from app.inference.store import ResultStore
from app.settings import Settings
from models import registry
from tests.inference.helpers import Broker, WorkerProcess, random_sequence, until, write_model

OUTPUT = 65_536


def milliseconds(name: str, seconds: list[float]) -> None:
    """Prints median and 95th percentile."""
    p50, p95 = np.percentile(seconds, [50, 95]) * 1000
    print(f"{name:<44} p50 {p50:7.2f} ms   p95 {p95:7.2f} ms   n {len(seconds)}")


def main(n_windows: int) -> None:
    """Sets up broker, worker and a random genome in a temporary folder, and measures."""
    folder = Path(tempfile.mkdtemp(prefix="locuscope-benchmark-"))
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    write_model(folder / "weights" / "toy", 131_072, 32_768, [(f"t{i}", 32) for i in range(74)])
    settings = Settings(weights=str(folder / "weights"), cache_dir=folder / "cache", device="cpu")
    (folder / "behaviour").write_text("fine")
    (folder / "calls").write_text("")
    genome = folder / "genome"
    genome.mkdir()
    (genome / "r.fa").write_text(f">c\n{random_sequence(n_windows * OUTPUT, seed=1)}\n")
    (genome / "genome.toml").write_text(
        '[genome]\nid = "toy"\nname = "Toy"\n[reference]\npath = "r.fa"\n'
    )
    server = Broker(settings)
    worker = WorkerProcess(settings, folder)
    worker.start()
    try:
        measure(settings, Bundle.load(genome), worker, n_windows)
    finally:
        worker.kill()
        server.stop()


def measure(settings: Settings, bundle: Bundle, worker: WorkerProcess, n_windows: int) -> None:
    """Predicts window after window, then reads what is stored."""
    card = registry.cards(settings.weights_dirs)["toy"]
    jobs = Jobs(settings)
    predictions = Predictions(settings, jobs, ResultStore(settings.cache_dir, settings.cache_bytes))
    until(lambda: [w for w in jobs.workers() if w.loaded])
    whole = []
    for i in range(n_windows):
        where = Interval("c", i * OUTPUT, (i + 1) * OUTPUT)
        began = time.perf_counter()
        while not predictions.ensure(card, bundle, where, card.tracks).finished:
            time.sleep(0.001)
        predictions.values(card, bundle, card.tracks[0], where)
        whole.append(time.perf_counter() - began)
    inside = [float(line.split()[1]) for line in worker.calls if line.startswith("end")]
    overhead = [a - b for a, b in zip(whole[1:], inside[1:], strict=True)]  # the first warms up
    milliseconds("overhead of a window, asked to shown", overhead)
    milliseconds("the toy network itself", inside[1:])

    polls, reads, summaries = [], [], []
    eight = Interval("c", 0, 8 * OUTPUT)
    for _ in range(200):
        began = time.perf_counter()
        predictions.ensure(card, bundle, eight, card.tracks)
        polls.append(time.perf_counter() - began)
        began = time.perf_counter()
        predictions.values(card, bundle, card.tracks[5], eight)
        reads.append(time.perf_counter() - began)
        began = time.perf_counter()
        predictions.summarise(card, bundle, card.tracks[5], "c", 0, 8 * OUTPUT, 2048)
        summaries.append(time.perf_counter() - began)
    milliseconds("ensure, 8 windows x 74 tracks, all stored", polls)
    milliseconds("values, 8 windows of one track", reads)
    milliseconds("summarise, the same in 2,048 bins", summaries)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
