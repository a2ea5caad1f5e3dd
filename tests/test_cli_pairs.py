"""What ``locuscope predict`` writes of contacts and junctions."""

from __future__ import annotations

import json
from pathlib import Path

import cooler
import numpy as np
import pytest

from tests.inference.helpers import write_model
from tests.test_cli import CHR1, PIECES, Cli, cli  # noqa: F401 - the fixture

BIN = 128


@pytest.fixture(autouse=True)
def paired(tmp_path: Path, cli: Cli) -> None:  # noqa: F811 - the fixture
    tracks = (("pairs", BIN), ("introns", 1), ("gc", 32))
    write_model(tmp_path / "weights" / "paired", 4096, 1024, tracks, "paired")


def predict(cli: Cli, out: str, track: str, interval: str = "chr1:1-4,000"):  # noqa: F811
    result = cli.predict(out, "--model", "paired", "--tracks", track, interval=interval)
    assert result.exit_code == 0, result.output
    return cli.folder / out


def share(start: int) -> float:
    piece = CHR1[start : start + BIN]
    return (piece.count("G") + piece.count("C")) / BIN


def test_contacts_in_every_format_are_the_same(cli: Cli) -> None:  # noqa: F811
    with np.load(predict(cli, "out.npz", "pairs")) as file:
        values = file["paired/CONTACT_MAPS/pairs/."]
        about = json.loads(str(file["metadata"]))["tracks"]["paired/CONTACT_MAPS/pairs/."]
    assert (about["start"], about["resolution"], values.shape) == (0, BIN, (32, 32))
    assert values[3, 10] == pytest.approx(share(3 * BIN) * share(10 * BIN))
    assert np.isnan(values[0, 0])
    assert np.isnan(values[0, 31]), "4,000 bp are wider than one window"
    matrix = cooler.Cooler(str(predict(cli, "out.cool", "pairs")))
    assert matrix.info["metadata"]["notice"] == "not for clinical use"
    dense = matrix.matrix(balance=False).fetch("chr1:1-4,096")
    np.testing.assert_array_equal(dense, np.nan_to_num(values))
    lines = predict(cli, "out.bedpe", "pairs").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) == np.isfinite(values[np.triu_indices(32)]).sum()
    for _, start, end, _, other, _, _, value in rows:
        assert int(end) - int(start) == BIN
        expected = values[int(start) // BIN, int(other) // BIN]
        assert float(value) == pytest.approx(expected, rel=1e-5)


def test_junctions_as_bed_and_array(cli: Cli) -> None:  # noqa: F811
    with np.load(predict(cli, "out.npz", "introns")) as file:
        array = file["paired/SPLICE_JUNCTIONS/introns/."]
    lines = predict(cli, "out.bed", "introns").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert [(int(r[1]), int(r[2]), float(r[4])) for r in rows] == [tuple(r) for r in array]
    for _, start, end, *_, strand in rows:
        assert CHR1[int(start) : int(start) + 3] == "GTA"
        assert int(end) - int(start) == 100
        assert strand == "."


def test_junctions_as_bedpe_join_the_bases_beside_each_intron(cli: Cli) -> None:  # noqa: F811
    with np.load(predict(cli, "out.npz", "introns")) as file:
        array = file["paired/SPLICE_JUNCTIONS/introns/."]
    lines = predict(cli, "out.bedpe", "introns").read_text().splitlines()
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(rows) == len(array) > 0
    for row, (start, end, reads) in zip(rows, array.tolist(), strict=True):
        assert row[:3] == ["chr1", f"{start - 1:.0f}", f"{start:.0f}"]
        assert row[3:6] == ["chr1", f"{end:.0f}", f"{end + 1:.0f}"]
        assert float(row[7]) == pytest.approx(reads, rel=1e-5)
        assert row[8:] == [".", "."]


def test_format_that_cannot_hold_a_track_is_refused_before_computing(cli: Cli) -> None:  # noqa: F811
    words = cli.predict_words("out.bw", "--model", "paired", interval="chr1:1-4,000")
    assert cli.fails(*words) == (
        "A .bw file cannot hold paired/CONTACT_MAPS/pairs/.. "
        "Write .npz or .cool or .bedpe, or choose other tracks with --tracks."
    )
    assert cli.calls.read_text() == ""


def test_bins_of_a_piece_that_are_no_bins_of_a_cooler(cli: Cli) -> None:  # noqa: F811
    place = f"chr2:{PIECES[1][0] + 1_500}-{PIECES[1][0] + 4_000}"
    words = cli.predict_words("out.cool", "--model", "paired", "--tracks", "pairs", interval=place)
    assert "no multiple of 128" in cli.fails(*words)
