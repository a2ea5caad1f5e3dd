"""The command line: what it says, what it writes, and how it fails."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import numpy as np
import pyBigWig
import pytest
from click.testing import CliRunner, Result

from app.cli import main
from app.inference.compute import Engine
from app.inference.requests import Request, sequence_sha256
from app.settings import Settings, settings
from tests.genome.made import write_fasta, write_toml
from tests.inference.helpers import random_sequence, write_model

LENGTH, GAP, BIN, COARSE = 20_010, (7_000, 12_345), 32, 128
CHR1 = random_sequence(LENGTH, seed=5)
CHR1 = CHR1[: GAP[0]] + "N" * (GAP[1] - GAP[0]) + CHR1[GAP[1] :]
#: Two pieces of one chromosome, each long enough for the model.
CHR2 = random_sequence(20_000, seed=6)
PIECES = ((1_000, 8_000), (13_010, 20_000))
COMMANDS = (
    *(
        "serve",
        "web",
        "worker",
        "broker",
        "models",
        "genomes",
        "predict",
        "score",
        "effects",
        "export",
    ),
    "teaching",
)


class Cli:
    """Runs commands in this process, in a folder and an environment of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "toy" / "calls"

    def run(self, *words: str | Path) -> Result:
        settings.cache_clear()
        with mock.patch.dict(os.environ):
            result = CliRunner().invoke(main, [str(word) for word in words])
        settings.cache_clear()
        return result

    def fails(self, *words: str | Path) -> str:
        """Returns the one line in which a command says what is wrong."""
        result = self.run(*words)
        assert result.exit_code == 2, result.output
        assert result.stdout == ""
        [line] = result.stderr.splitlines()
        return line.removeprefix("locuscope: ")

    def predict(self, out: str, *words: str | Path, interval: str = "chr1:5,001-15,000") -> Result:
        result = self.run(*self.predict_words(out, *words, interval=interval))
        assert result.exit_code == 0, result.output
        return result

    def predict_words(
        self, out: str, *words: str | Path, interval: str = "chr1:5,001-15,000"
    ) -> list[str | Path]:
        where = ["--genome", self.folder / "genome", "--interval", interval]
        return ["predict", *where, "--model", "toy", "-o", self.folder / out, *words]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cli:
    for name in [name for name in os.environ if name.startswith("LOCUSCOPE_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("LOCUSCOPE_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("LOCUSCOPE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCUSCOPE_TOY", str(tmp_path / "toy"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    write_model(tmp_path / "weights" / "toy", 4096, 1024, (("gc", BIN), ("coarse", COARSE)))
    genome = tmp_path / "genome"
    genome.mkdir()
    pieces = {f"chr2:{start + 1}-{end}": CHR2[start:end] for start, end in PIECES}
    write_fasta(genome / "reference.fa", {"chr1": CHR1} | pieces)
    write_toml(genome)
    toy = tmp_path / "toy"
    toy.mkdir()
    (toy / "behaviour").write_text("fine")
    (toy / "calls").write_text("")
    return Cli(tmp_path)


def gc_share(resolution: int, start: int, end: int) -> np.ndarray:
    """Share of G and C in each bin from start to end of chr1; NaN where no base is known."""
    first, last = start // resolution, -(-end // resolution)
    letters = np.array(list(CHR1.ljust(last * resolution, "N")))[: last * resolution]
    is_gc = np.isin(letters, ["G", "C"]).reshape(-1, resolution).mean(1)
    known = (letters != "N").reshape(-1, resolution).any(1)
    return np.where(known, is_gc, np.nan)[first:last].astype(np.float32)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command: str) -> None:
    result = CliRunner().invoke(main, [command, "--help"])
    assert result.exit_code == 0
    assert "Example:" in result.output
    assert f"locuscope {command}" in result.output


def test_all_commands_are_known_here() -> None:
    assert set(main.commands) == set(COMMANDS)


def test_real_command_prints_its_error_and_ends_with_2(tmp_path: Path) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("locuscope"), "genomes", "--genome", tmp_path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        f"locuscope: {tmp_path} is no genome bundle: it has no genome.toml."
    ]


def test_npz_holds_the_share_of_gc(cli: Cli) -> None:
    cli.predict("out.npz")
    with np.load(cli.folder / "out.npz") as file:
        about = json.loads(str(file["metadata"]))
        for name, resolution in (("gc", BIN), ("coarse", COARSE)):
            id_ = f"toy/CAGE/{name}/."
            expected = gc_share(resolution, 5_000, 15_000)
            np.testing.assert_allclose(file[id_], expected, atol=1e-6)
            assert file[id_].dtype == np.float32
            assert about["tracks"][id_] == {
                "chromosome": "chr1",
                "start": 5_000 // resolution * resolution,
                "resolution": resolution,
                "unit": "share of G and C",
            }
    assert np.isnan(expected).any()
    assert (about["model"], about["genome"]) == ("toy", "toy")
    assert about["interval"] == "chr1:5,001-15,000"
    assert about["notice"] == "not for clinical use"


def test_values_are_those_of_the_engine(cli: Cli) -> None:
    cli.predict("out.npz", interval="chr1:1-1,000")
    engine = Engine(Settings(weights=str(cli.folder / "weights"), device="cpu"))
    card = engine.cards["toy"]
    bases = "N" * 1024 + CHR1[:3072]
    tracks = tuple(sorted(track.id for track in card.tracks))
    request = Request("toy", card.weights_hash, sequence_sha256(bases), tracks, card.precision)
    computed = engine.compute(request, bases)
    with np.load(cli.folder / "out.npz") as file:
        np.testing.assert_array_equal(file["toy/CAGE/gc/."], computed["toy/CAGE/gc/."][:32])


def test_formats_agree(cli: Cli) -> None:
    for ending in ("npz", "tsv", "bw"):
        cli.predict(f"out.{ending}", "--tracks", "CAGE/gc")
    with np.load(cli.folder / "out.npz") as file:
        expected = file["toy/CAGE/gc/."]
    rows = [
        line.split("\t")
        for line in (cli.folder / "out.tsv").read_text().splitlines()
        if not line.startswith("#")
    ]
    assert rows[0] == ["chromosome", "start", "end", "toy/CAGE/gc/."]
    starts = 4_992 + BIN * np.arange(len(expected))
    assert [row[0] for row in rows[1:]] == ["chr1"] * len(expected)
    assert [(int(row[1]), int(row[2])) for row in rows[1:]] == [(s, s + BIN) for s in starts]
    table = [float(row[3]) if row[3] else np.nan for row in rows[1:]]
    np.testing.assert_allclose(table, expected, rtol=1e-5)
    with pyBigWig.open(str(cli.folder / "out.bw")) as file:
        assert file.chroms() == {"chr1": LENGTH}
        found = np.array(file.values("chr1", 4_992, 4_992 + BIN * len(expected)))
    np.testing.assert_array_equal(found, np.repeat(expected, BIN))
    about = json.loads((cli.folder / "out.bw.json").read_text())
    assert about["tracks"]["toy/CAGE/gc/."]["file"] == "out.bw"


def test_last_bin_of_a_chromosome_ends_with_it(cli: Cli) -> None:
    cli.predict("out.bw", "--tracks", "CAGE/gc", interval="chr1:19,001-20,010")
    with pyBigWig.open(str(cli.folder / "out.bw")) as file:
        start, end, value = file.intervals("chr1")[-1]
    assert (start, end) == (LENGTH // BIN * BIN, LENGTH)
    assert value == pytest.approx(gc_share(BIN, 20_000, LENGTH)[-1], abs=1e-6)


def test_several_tracks_make_several_bigwigs(cli: Cli) -> None:
    folder = cli.folder / "weights" / "toy"
    text = (
        (folder / "tracks.tsv")
        .read_text()
        .replace("coarse/.\tCAGE\tcoarse\t.", "gc/-\tCAGE\tgc\t-")
    )
    (folder / "tracks.tsv").write_text(text.replace("gc/.\tCAGE\tgc\t.", "gc/+\tCAGE\tgc\t+"))
    result = cli.predict("out.bw")
    names = [Path(line).name for line in result.stdout.split()]
    assert names == ["out.CAGE_gc_plus.bw", "out.CAGE_gc_minus.bw", "out.bw.json"]
    files = json.loads((cli.folder / "out.bw.json").read_text())["tracks"]
    assert {id_: about["file"] for id_, about in files.items()} == {
        "toy/CAGE/gc/+": "out.CAGE_gc_plus.bw", "toy/CAGE/gc/-": "out.CAGE_gc_minus.bw",
    }  # fmt: skip
    for name, resolution in (("plus", BIN), ("minus", COARSE)):
        with pyBigWig.open(str(cli.folder / f"out.CAGE_gc_{name}.bw")) as file:
            [(start, end, value)] = file.intervals("chr1", 6_400, 6_400 + 1)
        assert (start, end) == (6_400, 6_400 + resolution)
        assert value == pytest.approx(gc_share(resolution, 6_400, 6_401)[0], abs=1e-6)


def test_windows_are_computed_once(cli: Cli) -> None:
    cli.predict("out.npz")
    begun = cli.calls.read_text().count("begin")
    assert begun > 1
    cli.predict("again.tsv", "--tracks", "CAGE/gc")
    assert cli.calls.read_text().count("begin") == begun


def test_what_was_done_before_ctrl_c_is_kept(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    compute, count = Engine.compute, iter(range(10))

    def interrupted(*args: object) -> object:
        if next(count) == 2:
            raise KeyboardInterrupt
        return compute(*args)

    with monkeypatch.context() as patch:
        patch.setattr(Engine, "compute", interrupted)
        assert cli.run(*cli.predict_words("out.npz")).exit_code == 1
    assert not list(cli.folder.glob("*out.npz"))
    assert cli.calls.read_text().count("end") == 2
    cli.predict("out.npz")
    whole = cli.calls.read_text().count("end")
    cli.predict("out.npz", "--cache-dir", cli.folder / "other")
    assert cli.calls.read_text().count("end") == 2 * whole


def test_failure_of_the_model_is_one_line(cli: Cli) -> None:
    (cli.folder / "toy" / "behaviour").write_text("raise")
    assert "the toy is broken" in cli.fails(*cli.predict_words("out.npz"))
    assert not list(cli.folder.glob("*out.npz"))


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--interval", "chr1:5,000-"], "chr1:5,000-"),
        (["--interval", "nonsense"], "nonsense"),
        (["--interval", "chr1:1-30,000"], "20,010"),
        (["--interval", "chr9:1-30,000"], "no chromosome chr9"),
        (["--interval", "chr2:2,001-19,000"], "Try chr2:"),
        (["--model", "toi"], "There is no model toi. Try toy."),
        (["--tracks", "coarze"], "no track coarze. Try coarse."),
        (["--tracks", "qqqq"], "Toy has no track qqqq."),
        (["-o", "out.txt"], "The output ends in .npz, .tsv, .bw, .cool, .bedpe, .bed, not in"),
        (["-o", "nowhere/out.npz"], "There is no folder nowhere."),
        (["-o", "out.tsv"], "different resolutions"),
        (["--genome", "nowhere"], "nowhere is no genome bundle"),
        (["--device", "warp9"], "torch cannot use the device warp9"),
    ],
)
def test_what_cannot_be_predicted_is_said_in_one_line(
    cli: Cli, words: list[str], expected: str
) -> None:
    line_of = cli.predict_words("out.npz")
    if words[0] == "--genome":
        line_of[line_of.index("--genome") + 1] = words[1]
        words = []
    assert expected in cli.fails(*line_of, *words)
    assert not (cli.folder / "out.npz").exists()


def test_two_genomes_are_one_too_many(cli: Cli) -> None:
    other = cli.folder / "other"
    other.mkdir()
    write_fasta(other / "reference.fa", {"chr1": CHR1})
    write_toml(other, genome={"id": "other"})
    said = cli.fails(*cli.predict_words("out.npz"), "--genome", other)
    assert said == "Name one genome bundle with --genome FOLDER."


def test_too_wide_an_interval_is_refused(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUSCOPE_MAX_VIEW", "5000")
    assert "10,000 bp are too many" in cli.fails(*cli.predict_words("out.npz"))


def test_cache_that_is_too_small_is_said(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUSCOPE_CACHE_BYTES", "1")
    assert "LOCUSCOPE_CACHE_BYTES" in cli.fails(*cli.predict_words("out.npz"))


@pytest.mark.parametrize("name", ["LOCUSCOPE_PORT", "LOCUSCOPE_CACHE_BYTES"])
def test_wrong_variable_is_named(cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, "-3")
    assert cli.fails("models").startswith(f"{name}: ")


def test_missing_weights_are_said(cli: Cli) -> None:
    (cli.folder / "weights" / "toy" / "toy.safetensors").unlink()
    said = cli.fails(*cli.predict_words("out.npz"))
    assert said.startswith("Toy needs the file toy.safetensors, which is not in")
    listed = cli.run("models")
    assert listed.exit_code == 0
    assert f"toy\t{said}" in listed.stdout


def test_wrong_weights_are_said(cli: Cli) -> None:
    path = cli.folder / "weights" / "toy" / "toy.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    assert f"{path} is not the file that Toy needs: its SHA-256 is" in cli.fails(
        *cli.predict_words("out.npz")
    )


def test_models_says_what_is_ready(cli: Cli) -> None:
    assert "toy\tready\n  Toy: 2 tracks, reads 4,096 bp" in cli.run("models").stdout


def test_damaged_card_is_named(cli: Cli) -> None:
    (cli.folder / "weights" / "toy" / "card.toml").write_text("id = 3")
    result = cli.run("models")
    assert result.exit_code == 0
    assert str(cli.folder / "weights" / "toy") in result.stderr


def test_genomes_says_what_was_left_out(cli: Cli) -> None:
    write_toml(cli.folder / "genome", tracks=[{"path": "gone.bw", "name": "x"}])
    result = cli.run("genomes", "--genome", cli.folder / "genome")
    assert result.exit_code == 0
    assert "2 chromosomes in 3 pieces" in result.stdout
    assert "left out: gone.bw:" in result.stdout


def test_score_refuses_what_it_cannot_use(cli: Cli) -> None:
    score = ["score", "--genome", cli.folder / "genome", "-o", cli.folder / "out.vcf", "--vcf"]
    gone, vcf = cli.folder / "gone.vcf", cli.folder / "in.vcf"
    vcf.write_text("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n")
    assert cli.fails(*score, gone) == f"There is no file {gone}."
    assert "does not score variants" in cli.fails(*score, vcf, "--model", "toy")
    assert "Try spliceai." in cli.fails(*score, vcf, "--model", "splice-ai")
    assert "from 1 to 4,999" in cli.fails(*score, vcf, "--distance", "5000")


@pytest.fixture(autouse=True)
def fresh_settings() -> Iterator[None]:
    yield
    settings.cache_clear()
