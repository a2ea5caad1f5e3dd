"""Edits through the API: what is refused and in which words, and each base in its place."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
from alphagenome.data.genome import Interval
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle
from app.genome.haplotype import Haplotype, Replacement
from app.inference.windows import WindowGrid
from app.settings import Settings
from app.web.server import create_app
from models import registry
from tests.genome.made import write_fasta, write_toml
from tests.inference.helpers import Broker, write_model
from tests.inference.test_alleles import CROP, EDITS, LENGTH, WIDTH, expected, planted

from . import conftest

#: Those that can be written as a text: of an insertion the base that it follows is named.
WRITTEN = {
    name: edits
    for name, edits in EDITS.items()
    if all(len(one.alternate) < 4_000 and (one.start or one.end) for one in edits)
}


class Worker(conftest.Worker):
    """Counts G and C in each bin of each track, as the toy network does."""

    resolutions: ClassVar = {"toy/CAGE/base/.": 1, "toy/CAGE/gc/.": 32}

    def work(self, error: str = "") -> int:
        done = 0
        for key in list(self.redis.scan_iter(f"{conftest.PREFIX}job:*")):
            id_ = key.decode().removeprefix(f"{conftest.PREFIX}job:")
            claim = self.desk.claim(id_)
            if claim is None:
                continue
            letters = np.frombuffer(claim.sequence.encode(), np.uint8)[CROP:-CROP]
            counted = np.isin(letters, np.frombuffer(b"GC", np.uint8)).astype(np.float32)
            arrays = {
                track: counted.reshape(-1, self.resolutions[track]).mean(1)
                for track in claim.request.tracks
            }
            self.desk.finish(id_, "toy", arrays, 0.1)
            done += 1
        return done


class Scene:
    """A chromosome of A with C at planted places, served with a model that counts G and C."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(
            genomes=str(folder / "genome"),
            weights=str(folder / "weights"),
            cache_dir=folder / "cache",
            rate=1e6,
        )
        write_model(folder / "weights" / "toy", WIDTH, CROP, (("base", 1), ("gc", 32)))
        self.folder = folder / "genome"
        self.folder.mkdir()
        self.broker = Broker(self.settings)
        self.worker = Worker(self.settings)
        self.card = registry.cards(self.settings.weights_dirs)["toy"]

    def serve(self, letters: str) -> FlaskClient:
        for old in self.folder.iterdir():
            old.unlink()
        write_fasta(self.folder / "reference.fa", {"c": letters})
        write_toml(self.folder, genome={"id": "planted", "name": "Planted"})
        return create_app(self.settings).server.test_client()

    def tiles(self, client: FlaskClient, keys: str) -> dict[str, np.ndarray]:
        """Returns every base of every track, of both alleles, once all is computed."""
        query = f"genome=planted&model=toy&locus=c:1-{LENGTH}&{keys}"
        for _ in range(3):
            answer = client.post("/api/v1/predict", json={"query": query, "prefetch": False})
            if answer.get_json()["complete"]:
                break
            self.worker.work()
        assert answer.get_json()["complete"], answer.get_json()["message"]
        names = [side + track for track in self.worker.resolutions for side in ("", "alt:")]
        found: dict[str, list[np.ndarray]] = {name: [] for name in names}
        for first in range(0, -(-LENGTH // 1024), 8):
            place = f"chrom=c&bin=1&from={first}&to={first + 7}&tracks={','.join(names)}"
            body = client.get(f"/api/v1/tiles?genome=planted&model=toy&{place}&{keys}").data
            (size,) = struct.unpack_from("<I", body)
            planes = [track["planes"] for track in json.loads(body[4 : 4 + size])["tracks"]]
            assert planes == [1] * len(names)
            values = np.frombuffer(body, "<f4", offset=-(-(4 + size) // 4) * 4)
            for name, row in zip(names, values.reshape(len(names), -1), strict=True):
                found[name].append(row)
        return {name: np.concatenate(rows)[:LENGTH] for name, rows in found.items()}


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(tmp_path_factory.mktemp("run")))
        made = Scene(tmp_path_factory.mktemp("edits"))
        yield made
        made.broker.stop()


def as_key(edit: Replacement, letters: str) -> str:
    """Returns an edit as it stands in a link, 1-based."""
    if edit.start == edit.end:
        return f"edit=c:{edit.start}:ins:{edit.alternate}"
    if not edit.alternate:
        return f"edit=c:{edit.start + 1}-{edit.end}:del"
    return f"variant=c:{edit.start + 1}:{letters[edit.start : edit.end]}%3E{edit.alternate}"


@pytest.mark.parametrize("case", WRITTEN)
def test_every_base_is_sent_in_its_place(scene: Scene, case: str) -> None:
    """Planted beside the edits, at bin and window edges and at both ends of the chromosome."""
    edits = Haplotype("c", tuple(WRITTEN[case]))
    client = scene.serve(planted())
    grid = WindowGrid(scene.card, Bundle.load(scene.folder).reference, edits.middle)
    borders = [window.use.start for window in grid.windows(Interval("c", 0, LENGTH))]
    # Nothing within REF: what REF and ALT share at their ends is not part of an edit.
    beside = [p for one in edits.replacements for p in (one.start - 2, one.start - 1, one.end)]
    beside += [one.end + 1 for one in edits.replacements]
    places = {0, 31, 32, LENGTH - 1, *borders, *(b - 1 for b in borders[1:]), *beside}
    letters = planted(*(place for place in places if 0 <= place < LENGTH))
    client = scene.serve(letters)
    got = scene.tiles(client, "&".join(as_key(one, letters) for one in WRITTEN[case]))
    unedited = Haplotype("c", (Replacement(0, 0, ""),))
    for track, res in scene.worker.resolutions.items():
        for side, made in (("", unedited), ("alt:", edits)):
            bins = expected(letters, made, 0, -(-LENGTH // res), res)
            np.testing.assert_allclose(
                got[side + track], np.repeat(bins, res)[:LENGTH], atol=1e-6, err_msg=side + track
            )


@pytest.mark.parametrize(
    ("text", "others", "status", "words"),
    [
        ("c:101:G>T", [], 400, "The reference has A at c:101, not G."),
        ("c:101:AC>T", [], 400, "The reference has AA"),
        ("c:20011:A>T", [], 400, "c has 20,010 bp"),
        ("c:20001-20020:del", [], 400, "c has 20,010 bp"),
        ("d:1:A>T", [], 404, "d"),
        (f"c:101:ins:{'A' * 10_000}", [], 413, "takes 4,000"),
        (f"c:101:A>{'ACGT' * 2_500}", [], 413, "takes 4,000"),
        ("c:5001-16001:dup", [], 413, "10,000 bp"),
        ("c:150:A>T", ["c:101-200:del"], 400, "overlap"),
        ("c:101:A>T\nc:101:A>G", [], 400, "overlap"),
        ("c:101-200:del\nc:200-300:inv", [], 400, "overlap"),
    ],
)
def test_bad_edits_are_refused_in_words(
    scene: Scene, text: str, others: list[str], status: int, words: str
) -> None:
    client = scene.serve(planted())
    body = {"genome": "planted", "text": text, "edits": others}
    response = client.post("/api/v1/edits", json=body)
    message = response.get_json()["error"]["message"]
    assert response.status_code == status, message
    assert words in message
    assert len(message) < 300
