"""What ``locuscope export`` writes of a link, and what it refuses."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pyBigWig
import pytest

from tests.inference.helpers import write_model
from tests.test_cli import BIN, CHR1, Cli, cli, gc_share  # noqa: F401 - the fixture

LINK = "http://127.0.0.1:8050/browse?genome=toy&locus=chr1:5033-6000&model=toy"
GC = "&track=toy/CAGE/gc/."


def export(cli: Cli, link: str, out: str) -> list[Path]:  # noqa: F811
    result = cli.run("export", "--genome", cli.folder / "genome", link, "-o", cli.folder / out)
    assert result.exit_code == 0, result.output
    return [Path(line) for line in result.stdout.splitlines()]


def test_table_has_the_bins_of_the_link(cli: Cli) -> None:  # noqa: F811
    (path,) = export(cli, LINK + GC, "out.tsv")
    assert f"# link: {LINK}{GC}\n" in path.read_text()
    table = pd.read_csv(path, sep="\t", comment="#")
    assert set(table.track) == {"toy/CAGE/gc/."}
    assert table.start.tolist() == list(range(5024, 6000, BIN))
    assert table.value.to_numpy(np.float32) == pytest.approx(gc_share(BIN, 5024, 6016))


def test_both_alleles_are_written(cli: Cli) -> None:  # noqa: F811
    other = "A" if CHR1[5_499] in "GC" else "C"
    variant = f"&variant=chr1:5500:{CHR1[5_499]}%3E{other}"
    paths = export(cli, LINK + GC + variant, "out.bw")
    assert [path.name for path in paths] == [
        "out.CAGE_gc.bw",
        "out.alternate_CAGE_gc.bw",
        "out.bw.json",
    ]
    values = []
    for path in paths[:2]:
        with pyBigWig.open(str(path)) as file:
            values.append(np.array([value for *_, value in file.intervals("chr1")]))
    changed = np.flatnonzero(values[1] - values[0])
    assert changed.tolist() == [(5_499 - 5_024) // BIN]


def test_archive_has_a_file_a_track(cli: Cli) -> None:  # noqa: F811
    tracks = (("pairs", 128), ("introns", 1), ("gc", 32))
    write_model(cli.folder / "weights" / "paired", 4096, 1024, tracks, "paired")
    link = LINK.replace("model=toy", "model=paired")
    (path,) = export(cli, link, "out.zip")
    with zipfile.ZipFile(path) as zipped:
        endings = {Path(name).suffix for name in zipped.namelist()}
    assert endings == {".bw", ".bedpe", ".bed", ".json"}
    (introns, contacts) = export(cli, link, "out.bedpe")
    assert "CONTACT_MAPS" in contacts.name
    assert "SPLICE_JUNCTIONS" in introns.name


def test_what_of_a_link_cannot_be_read_is_said(cli: Cli) -> None:  # noqa: F811
    words = ["export", "--genome", cli.folder / "genome", f"{LINK}{GC}&colour=red"]
    result = cli.run(*words, "-o", cli.folder / "out.tsv")
    assert result.exit_code == 0
    assert "colour" in result.stderr


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("out.pdf", "Pictures are drawn by the page"),
        ("out.txt", "The output ends in .tsv, .zip, .bw, .bedpe, .bed, not in"),
        ("out.bedpe", "Nothing in this view fits into a .bedpe file."),
        ("none/out.tsv", "There is no folder"),
    ],
)
def test_what_cannot_be_written_is_refused(cli: Cli, out: str, says: str) -> None:  # noqa: F811
    words = ["export", "--genome", cli.folder / "genome", LINK + GC, "-o", cli.folder / out]
    assert says in cli.fails(*words)
    assert cli.calls.read_text() == ""


def test_genome_must_be_named(cli: Cli) -> None:  # noqa: F811
    assert "Name a genome" in cli.fails("export", LINK, "-o", cli.folder / "out.tsv")
