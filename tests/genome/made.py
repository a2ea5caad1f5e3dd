"""Small bundles made for a test: every file is a real one, written by another library."""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pyBigWig

Step = tuple[str, int, int, float]


def write_fasta(path: Path, records: dict[str, str], width: int = 50) -> Path:
    lines = []
    for name, sequence in records.items():
        lines.append(f">{name}")
        lines += [sequence[i : i + width] for i in range(0, len(sequence), width)]
    path.write_text("\n".join(lines) + "\n")
    return path


def write_bigwig(path: Path, lengths: dict[str, int], steps: list[Step]) -> Path:
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()))
        for chromosome, start, end, value in steps:
            file.addEntries([chromosome], [start], ends=[end], values=[value])
    return path


def write_toml(
    folder: Path,
    *,
    genome: dict[str, object] | None = None,
    reference: str = "reference.fa",
    genes: dict[str, object] | None = None,
    tracks: list[dict[str, object]] | None = None,
    contacts: list[dict[str, object]] | None = None,
) -> Path:
    """Writes genome.toml; a track's keys default to those that must be there."""
    tables = [("[genome]", {"id": "toy", "name": "Toy"} | (genome or {}))]
    tables.append(("[reference]", {"path": reference}))
    if genes:
        tables.append(("[genes]", genes))
    tables += [("[[tracks]]", {"modality": "DNASE", "name": "t"} | t) for t in tracks or []]
    tables += [("[[contacts]]", {"name": "c"} | c) for c in contacts or []]
    text = ""
    for name, pairs in tables:
        text += name + "\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in pairs.items())
    (folder / "genome.toml").write_text(text)
    return folder


def threads_and_forks(read: Callable[[int], bool], spots: list[int]) -> list[int]:
    """Counts what was read right: by eight threads, then by this process and three forks of it.

    To be called in a process of its own: one that reads contact matrices must not fork
    (app/genome/check.py says why).
    """
    with ThreadPoolExecutor(8) as pool:
        counts = [sum(pool.map(read, spots))]
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    children = [context.Process(target=lambda: queue.put(sum(map(read, spots)))) for _ in range(3)]
    for child in children:
        child.start()
    counts += [sum(map(read, spots))] + [queue.get(timeout=60) for _ in children]
    for child in children:
        child.join()
    return counts
