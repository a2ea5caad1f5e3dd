"""Measured junctions, read from files as aligners and people write them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from alphagenome.data.genome import Interval

from app.errors import BundleError
from app.genome.catalogue import Bundle
from app.genome.junctions import JunctionTrack

from .made import write_fasta, write_toml

#: Two introns as regtools and TopHat write them, and one that is an intron itself.
LINES = (
    "track name=junctions\n"
    "# a comment\n"
    "chr1\t90\t230\tJ1\t12\t+\t90\t230\t0,0,0\t2\t10,30\t0,110\n"
    "1\t300\t420\tJ2\t7\t-\t300\t420\t0,0,0\t2\t20,20,\t0,100,\n"
    "chr1\t50\t80\t.\t3.5\t+\n"
    "chr7\t50\t80\t.\t1\t+\n"
)


def bundle(folder: Path, lines: str, strand: str = ".", name: str = "j.bed") -> Bundle:
    write_fasta(folder / "reference.fa", {"chr1": "ACGT" * 250})
    opened = gzip.open if name.endswith(".gz") else open
    with opened(folder / name, "wt") as file:
        file.write(lines)
    write_toml(folder)
    with (folder / "genome.toml").open("a") as file:
        file.write(f'[[junctions]]\npath = "{name}"\nname = "liver"\nstrand = "{strand}"\n')
    return Bundle.load(folder)


def introns(track: JunctionTrack, start: int = 0, end: int = 1_000) -> list[tuple[int, int, float]]:
    found = track.values(Interval("chr1", start, end))
    return [(int(a), int(b), float(v)) for a, b, v in zip(*found, strict=True)]


@pytest.mark.parametrize("name", ["j.bed", "j.bed.gz"])
def test_introns_are_the_gaps_between_two_blocks_or_the_lines_themselves(tmp_path, name):
    [track] = bundle(tmp_path, LINES, name=name).junctions.values()
    assert introns(track) == [(50, 80, 3.5), (100, 200, 12), (320, 400, 7)]
    assert (track.track.kind, track.track.unit) == ("junctions", "reads")


def test_a_track_with_a_strand_has_its_lines_alone(tmp_path):
    [track] = bundle(tmp_path, LINES, strand="-").junctions.values()
    assert introns(track) == [(320, 400, 7)]


def test_introns_that_share_a_base_with_the_region_are_returned(tmp_path):
    [track] = bundle(tmp_path, LINES).junctions.values()
    assert introns(track, 79, 100) == [(50, 80, 3.5)]
    assert introns(track, 80, 101) == [(100, 200, 12)]
    assert introns(track, 199, 320) == [(100, 200, 12)]
    found = track.values(Interval("chr2", 0, 10))
    assert len(found.start) == 0


@pytest.mark.parametrize(
    "line",
    [
        "chr1\t50\t80\n",
        "chr1\t80\t50\t.\t1\t+\n",
        "chr1\t50\t80\t.\tmany\t+\n",
        "chr1\t50\t80\t.\t-1\t+\n",
        "chr1\t90\t230\tJ\t1\t+\t90\t230\t0\t2\t10\t0\n",
        "chr1\t90\t230\tJ\t1\t+\t90\t230\t0\t2\t100,100\t0,40\n",
    ],
)
def test_a_file_that_is_no_such_list_is_left_out_with_the_line(tmp_path, line):
    made = bundle(tmp_path, line)
    assert made.junctions == {}
    [problem] = made.problems
    assert "line 1 is no junction" in problem.message


def test_a_later_line_that_cannot_be_read_is_an_error_of_this_track_alone(tmp_path):
    [track] = bundle(tmp_path, LINES + "chr1\t5\n").junctions.values()
    with pytest.raises(BundleError, match="line 7"):
        introns(track)


def test_a_file_that_is_not_there_is_left_out(tmp_path):
    made = bundle(tmp_path, LINES)
    (tmp_path / "j.bed").unlink()
    assert Bundle.load(tmp_path).junctions == {}
    assert made.measured == list(made.junctions.values())
