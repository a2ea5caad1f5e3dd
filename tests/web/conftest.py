"""A small genome, a small model and the application that serves them: all real, all known."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from flask.testing import FlaskClient

from app.genome.catalogue import Bundle, Catalogue
from app.inference.broker import PREFIX, connect
from app.inference.jobs import JobDesk, WorkerInfo
from app.settings import Settings
from app.web.server import create_app
from models import registry
from models.card import ModelCard
from tests.genome.made import write_bigwig, write_fasta, write_toml
from tests.inference.helpers import Broker

LENGTHS = {"chr1": 100_000, "chr2": 9_000}
RESOLUTION = 32
CARD = """
id = "toy"
title = "Toy"
family = "toy"
paper = "none"
licence = "Apache-2.0"
genomes = ["toy1"]
input_width = 4096
crop = 1024
validation = "architecture only"

[[weights]]
name = "toy.bin"
sha256 = "{sha256}"
"""
COLUMNS = "id modality name strand resolution unit biosample curie synonyms assay target summary"
#: Of each: modality, name, strand, biosample, CURIE, synonyms, summary.
TRACKS = (
    ("DNASE", "d1", ".", "HepG2", "EFO:0001187", "Hep G2|Hep-G2", "mean"),
    ("DNASE", "d2", ".", "K562", "EFO:0002067", "", "mean"),
    ("CAGE", "c1", "+", "CD4+ T cells, naive", "", "", "mean"),
    ("CAGE", "c1", "-", "CD4+ T cells, naive", "", "", "mean"),
    ("SPLICE_SITES", "donor", "+", "", "", "", "max"),
)
BED12 = (
    "chr1\t1000\t9000\tALPHA\t0\t+\t2000\t8000\t0\t2\t1500,1500\t0,6500\n"
    "chr1\t20000\t30000\tBETA+1\t0\t-\t21000\t29000\t0\t1\t10000\t0\n"
    "chr2\t100\t1100\tGAMMA\t0\t+\t200\t1000\t0\t1\t1000\t0\n"
)


def signal(n: int, seed: int) -> np.ndarray:
    """One value a bin of 32 bp, never negative, exact in float32."""
    return np.random.default_rng(seed).integers(0, 1_000, n).astype(np.float64) / 8


@pytest.fixture(scope="session")
def genome(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle with a known sequence, three genes and four measured tracks over chr1."""
    folder = tmp_path_factory.mktemp("genome")
    letters = np.random.default_rng(1)
    sequences = {name: "".join(letters.choice(list("ACGT"), n)) for name, n in LENGTHS.items()}
    write_fasta(folder / "reference.fa", sequences)
    (folder / "genes.bed").write_text(BED12)
    tracks = []
    for seed, (modality, name, strand, biosample, curie, predicted) in enumerate(
        (
            ("DNASE", "d1", ".", "HepG2", "EFO:0001187", "toy/DNASE/d1/."),
            ("CAGE", "c1", "+", "CD4+ T cells, naive", "", "toy/CAGE/c1/+"),
            ("CAGE", "c1", "-", "CD4+ T cells, naive", "", "toy/CAGE/c1/-"),
            ("CHIP_TF", "ctcf", ".", "K562", "EFO:0002067", None),
        )
    ):
        n = LENGTHS["chr1"] // RESOLUTION
        steps = [
            ("chr1", RESOLUTION * i, RESOLUTION * (i + 1), float(value))
            for i, value in enumerate(signal(n, seed))
        ]
        path = f"{seed}.bw"
        write_bigwig(folder / path, LENGTHS, steps)
        about = {"path": path, "modality": modality, "name": name, "strand": strand}
        about |= {"biosample": biosample, "curie": curie, "resolution": RESOLUTION}
        tracks.append(about | ({"predicted": predicted} if predicted else {"target": "CTCF"}))
    write_toml(
        folder,
        genome={"id": "toy1", "name": "Toy genome"},
        genes={"path": "genes.bed", "format": "bed12"},
        tracks=tracks,
    )
    return folder


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A weights folder with the model ``toy``."""
    root = tmp_path_factory.mktemp("weights")
    folder = root / "toy"
    folder.mkdir()
    (folder / "toy.bin").write_bytes(b"toy")
    digest = hashlib.sha256(b"toy").hexdigest()
    (folder / "card.toml").write_text(CARD.format(sha256=digest))
    rows = [COLUMNS.split()]
    for modality, name, strand, biosample, curie, synonyms, summary in TRACKS:
        track = f"toy/{modality}/{name}/{strand}"
        rows.append([track, modality, name, strand, str(RESOLUTION), "share of G and C"])
        rows[-1] += [biosample, curie, synonyms, "", "", summary]
    (folder / "tracks.tsv").write_text("\n".join("\t".join(row) for row in rows) + "\n")
    return root


@pytest.fixture
def settings(
    genome: Path, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Settings:
    runtime = tmp_path / "run"
    runtime.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    return Settings(genomes=str(genome), weights=str(weights), cache_dir=tmp_path / "cache")


@pytest.fixture(scope="session")
def bundle(genome: Path) -> Bundle:
    return Bundle.load(genome)


@pytest.fixture(scope="session")
def catalogue(bundle: Bundle) -> Catalogue:
    return Catalogue([bundle])


@pytest.fixture(scope="session")
def card(weights: Path) -> ModelCard:
    return registry.cards([weights])["toy"]


@pytest.fixture(scope="session")
def cards(card: ModelCard) -> dict[str, ModelCard]:
    return {card.id: card}


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    """The application; no broker runs."""
    return create_app(settings).server.test_client()


@pytest.fixture
def broker(settings: Settings) -> Iterator[None]:
    server = Broker(settings)
    yield
    server.stop()


def gc_share(sequence: str) -> np.ndarray:
    """What the toy predicts: the share of G and C in each output bin."""
    letters = np.frombuffer(sequence.encode(), np.uint8)[1024:-1024]
    is_gc = (letters == ord("G")) | (letters == ord("C"))
    return is_gc.reshape(-1, RESOLUTION).mean(1).astype(np.float32)


class Worker:
    """Does a worker's work in this process, when it is told to."""

    def __init__(self, settings: Settings) -> None:
        self.desk = JobDesk(settings, "tests")
        self.redis = connect(settings)
        self.show()

    def show(self) -> None:
        """Says for a few seconds that a worker is there."""
        self.desk.show(WorkerInfo(self.desk.worker, ("toy",), "cpu", ("toy",), ""))

    def work(self, error: str = "") -> int:
        """Computes every job that waits, or fails it with an error; returns how many."""
        start = f"{PREFIX}job:"
        done = 0
        for key in list(self.redis.scan_iter(f"{start}*")):
            id_ = key.decode().removeprefix(start)
            claim = self.desk.claim(id_)
            if claim is None:
                continue
            if error:
                self.desk.fail(id_, error)
            else:
                share = gc_share(claim.sequence)
                arrays = dict.fromkeys(claim.request.tracks, share)
                self.desk.finish(id_, "toy", arrays, 0.1)
            done += 1
        return done


@pytest.fixture
def worker(settings: Settings, broker: None) -> Worker:
    return Worker(settings)
