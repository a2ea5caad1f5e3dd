"""What a view costs as genomes and views grow: ``python -m benchmarks.cost``.

A genome of 1.2 Mb is made that has 1 to 1,000 measured tracks in bins of 32 bp; each number of them
is looked at in a process of its own, with widths of 16 kb to 1 Mb. Told are the milliseconds of CPU
for the description of a view and for the tiles of all its rows (60 at most), read from files and
then from memory, the size of both answers, and the memory of the process when all is done.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
from flask.testing import FlaskClient

from app.settings import Settings
from app.web.server import create_app
from tests.genome.made import write_bigwig, write_fasta, write_toml
from tests.inference.helpers import random_sequence
from tests.inference.test_worker import resident

LENGTH, BIN = 1_200_000, 32
TRACKS = (1, 10, 100, 1_000)
WIDTHS = (16_000, 128_000, 1_000_000)
#: Tracks that the page asks for at once, and how often each view is asked for.
AT_ONCE, TIMES = 40, 15


def make(folder: Path, tracks: int) -> None:
    """Writes the genome; all tracks have the same numbers, for files cost what they hold."""
    write_fasta(folder / "r.fa", {"chr1": random_sequence(LENGTH, 1)})
    values = np.random.default_rng(1).gamma(1, 4, LENGTH // BIN)
    steps = [("chr1", BIN * i, BIN * (i + 1), float(v)) for i, v in enumerate(values)]
    write_bigwig(folder / "0.bw", {"chr1": LENGTH}, steps)
    tables = []
    for i in range(tracks):
        path = folder / f"{i}.bw"
        if i:
            path.hardlink_to(folder / "0.bw")
        about = {"path": path.name, "modality": "DNASE", "name": f"t{i}", "resolution": BIN}
        tables.append(about | {"biosample": f"cell {i // 5}", "assay": "DNase-seq"})
    write_toml(folder, genome={"id": "made", "name": "Made"}, tracks=tables, reference="r.fa")


def cost(ask: Callable[[int], int]) -> tuple[float, float]:
    """Returns the median milliseconds of CPU of a question, and the KiB of its last answer."""
    spent = []
    for i in range(TIMES):
        began = time.process_time()
        size = ask(i)
        spent.append(1000 * (time.process_time() - began))
    return float(np.median(spent)), size / 1024


def look(client: FlaskClient, rows: list[str], width: int) -> str:
    """Returns the line of a table for views of one width."""

    def view(i: int) -> int:
        start = 1_000 + 997 * i
        asked = {"genome": "made", "locus": f"chr1:{start}-{start + width - 1}", "track": rows}
        nonlocal data
        answer = client.get(f"/api/v1/view?{urlencode(asked | {'width': 1_200}, doseq=True)}")
        data = answer.json["data"]
        return len(answer.data)

    def tiles(i: int) -> int:
        asked = {"genome": "made", "chrom": "chr1", "v": data["v"], "bin": data["bin"]}
        asked |= {"from": data["from"], "to": min(data["to"], data["from"] + 7)}
        size = 0
        for first in range(0, len(rows), AT_ONCE):
            names = ",".join(quote(row, safe="") for row in rows[first : first + AT_ONCE])
            size += len(client.get(f"/api/v1/tiles?{urlencode(asked | {'tracks': names})}").data)
        return size

    data: dict = {}
    described, description = cost(view)
    began = time.process_time()
    size = tiles(0) / 1024
    fresh = 1000 * (time.process_time() - began)
    kept, _ = cost(tiles)
    return f"{described:9.1f} {description:8.0f} {fresh:11.1f} {kept:10.1f} {size:9.0f}"


def main(tracks: int) -> None:
    """Prints the lines for a genome with so many tracks."""
    with tempfile.TemporaryDirectory(prefix="locuscope-cost-") as made:
        folder = Path(made)
        make(folder, tracks)
        settings = Settings(genomes=made, cache_dir=folder / "cache", rate=1e9)
        began = time.process_time()
        client = create_app(settings).server.test_client()
        opened = time.process_time() - began
        groups = client.get("/api/v1/tracks?genome=made").json["groups"]
        rows = [row["id"] for group in groups for row in group["rows"]][:60]
        for width in WIDTHS:
            line = look(client, rows, width)
            memory = resident(os.getpid()) / 2**20
            print(f"{tracks:>6} {width:>9,} {line} {memory:7.0f} {opened:7.2f}", flush=True)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(int(sys.argv[1]))
    else:
        print("tracks  width bp   view ms view KiB tiles read ms kept ms tiles KiB     MiB  open s")
        for tracks in TRACKS:
            subprocess.run([sys.executable, "-m", "benchmarks.cost", str(tracks)], check=True)
