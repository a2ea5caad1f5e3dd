from __future__ import annotations

import gzip
import hashlib
import multiprocessing
import stat
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
import pysam
import pytest
from alphagenome.data.genome import Interval

from app.errors import BundleError, NotFoundError, SequenceUnavailableError
from app.genome.reference import Reference
from tests.genome.made import threads_and_forks, write_fasta

RNG = np.random.default_rng(7)
CHR1 = "".join(RNG.choice(list("ACGT"), 1_000))


@pytest.fixture
def pieces(tmp_path: Path) -> Reference:
    """Pieces of one chromosome: two that touch, two that overlap, one alone."""
    records = {
        "chr1:101-200": CHR1[100:200],
        "chr1:201-300": CHR1[200:300],
        "chr1:701-800": CHR1[700:800],
        "chr1:501-620": CHR1[500:620],
        "chr1:401-550": CHR1[400:550],
    }
    return Reference(write_fasta(tmp_path / "pieces.fa", records))


def test_whole_chromosome_is_one_piece(tmp_path: Path) -> None:
    reference = Reference(write_fasta(tmp_path / "r.fa", {"chr1": CHR1, "chr2": "ACGT"}))
    assert reference.chromosomes == {"chr1": 1_000, "chr2": 4}
    assert reference.pieces == (Interval("chr1", 0, 1_000), Interval("chr2", 0, 4))
    assert reference.fetch(Interval("chr1", 0, 1)) == CHR1[0]
    assert reference.fetch(Interval("chr1", 999, 1_000)) == CHR1[999]
    assert reference.fetch(Interval("1", 37, 163)) == CHR1[37:163]
    for start, end in ((-1, 10), (990, 1_001), (1_000, 1_010)):
        with pytest.raises(SequenceUnavailableError, match="does not cover"):
            reference.fetch(Interval("chr1", start, end))


def test_pieces_that_touch_or_overlap_read_as_one(pieces: Reference) -> None:
    assert pieces.chromosomes == {"chr1": None}
    assert pieces.pieces == (
        Interval("chr1", 100, 300),
        Interval("chr1", 400, 620),
        Interval("chr1", 700, 800),
    )
    for start, end in ((100, 300), (199, 201), (400, 620), (549, 551), (500, 550), (799, 800)):
        assert pieces.fetch(Interval("chr1", start, end)) == CHR1[start:end]


@pytest.mark.parametrize(("start", "end"), [(99, 101), (299, 301), (250, 450), (800, 801)])
def test_outside_the_pieces_names_the_nearest(pieces: Reference, start: int, end: int) -> None:
    with pytest.raises(SequenceUnavailableError) as caught:
        pieces.piece_containing(Interval("chr1", start, end))
    nearest = {99: "101-300", 299: "101-300", 250: "101-300", 800: "701-800"}[start]
    assert caught.value.suggestion == f"chr1:{nearest}"
    asked = f"chr1:{start + 1}" + (f"-{end}" if end > start + 1 else "")
    assert f"does not cover {asked}." in caught.value.message


def test_unknown_chromosome_suggests_the_nearest(pieces: Reference) -> None:
    with pytest.raises(NotFoundError, match="no chromosome chr11") as caught:
        pieces.fetch(Interval("chr11", 0, 10))
    assert caught.value.suggestion == "chr1"


def test_letters_are_upper_case_acgtn(tmp_path: Path) -> None:
    reference = Reference(write_fasta(tmp_path / "r.fa", {"c": "acgtnRYKMswbdhvUX-"}))
    assert reference.fetch(Interval("c", 0, 18)) == "ACGT" + 14 * "N"


def test_pieces_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "r.fa", {"c:1-10": "A" * 10, "c:8-12": "ACAAA"})
    with pytest.raises(BundleError, match=r"c:1-10 and c:8-12 .* differ"):
        Reference(path)


def test_a_name_that_contradicts_its_sequence_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"c:1-10 .* 9 bases, but its name says 10"):
        Reference(write_fasta(tmp_path / "r.fa", {"c:1-10": "A" * 9}))


def test_a_slice_that_calls_itself_a_chromosome_is_refused(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "r.fa", {"chr1": CHR1})
    with pytest.raises(BundleError, match=r"chr1 ends at 1,000 .* 248,956,422 bp in hg38"):
        Reference(path, "GRCh38")


def test_bgzipped_reads_like_plain_and_gzipped_is_explained(tmp_path: Path) -> None:
    plain = write_fasta(tmp_path / "r.fa", {"chr1": CHR1 * 100})
    packed = tmp_path / "r.fa.gz"
    pysam.tabix_compress(str(plain), str(packed))
    where = Interval("chr1", 70_001, 90_003)
    assert Reference(packed).fetch(where) == Reference(plain).fetch(where) == (CHR1 * 100)[70_001:90_003]  # noqa: E501  # fmt: skip
    ordinary = tmp_path / "g.fa.gz"
    ordinary.write_bytes(gzip.compress(plain.read_bytes()))
    with pytest.raises(BundleError, match=r"gunzip g\.fa\.gz && bgzip g\.fa"):
        Reference(ordinary)


def test_two_bit_reads_like_fasta(tmp_path: Path) -> None:
    path = tmp_path / "r.2bit"
    path.write_bytes(_two_bit("chr1", CHR1[:101]))
    reference = Reference(path)
    assert reference.chromosomes == {"chr1": 101}
    assert reference.fetch(Interval("chr1", 0, 101)) == CHR1[:101]
    assert reference.fetch(Interval("chr1", 97, 101)) == CHR1[97:101]


def _two_bit(name: str, sequence: str) -> bytes:
    """Writes a .2bit file of one record without N, after UCSC's description of the format."""
    header = np.array([0x1A412743, 0, 1, 0], "<u4").tobytes()
    offset = len(header) + 1 + len(name) + 4
    index = bytes([len(name)]) + name.encode() + np.array([offset], "<u4").tobytes()
    codes = np.array(["TCAG".index(base) for base in sequence] + [0] * (-len(sequence) % 4))
    packed = (codes.reshape(-1, 4) * [64, 16, 4, 1]).sum(axis=1).astype(np.uint8)
    return header + index + np.array([len(sequence), 0, 0, 0], "<u4").tobytes() + packed.tobytes()


@pytest.mark.parametrize("content", ["", "not a sequence\n", "ACGT\n"])
def test_what_is_no_fasta_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "r.fa"
    path.write_text(content)
    with pytest.raises(BundleError, match=r"r\.fa"):
        Reference(path)


def test_the_bundle_folder_is_never_written(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "r.fa", {"chr1": CHR1})
    Reference(path).fetch(Interval("chr1", 0, 10))
    assert [p.name for p in tmp_path.iterdir()] == ["r.fa"]


def test_a_changed_file_is_indexed_anew(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "r.fa", {"chr1": CHR1[:500]})
    first = Reference(path)
    assert first.chromosomes == {"chr1": 500}
    assert first.checksum == hashlib.sha256(path.read_bytes()).hexdigest()
    write_fasta(path, {"chr1": CHR1[100:]})
    second = Reference(path)
    assert second.fetch(Interval("chr1", 0, 900)) == CHR1[100:]
    assert second.checksum == hashlib.sha256(path.read_bytes()).hexdigest() != first.checksum


def _bases_read(path: Path) -> list[int]:
    reference = Reference(path)

    def read(start: int) -> bool:
        return reference.fetch(Interval("chr1", start, start + 10)) == CHR1[start : start + 10]

    return threads_and_forks(read, [int(s) for s in RNG.integers(0, 990, 400)])


def test_threads_and_forks_read_the_right_bases(tmp_path: Path) -> None:
    path = write_fasta(tmp_path / "r.fa", {"chr1": CHR1})
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        assert pool.submit(_bases_read, path).result(timeout=120) == [400] * 5


def test_a_read_only_folder_is_enough(tmp_path: Path) -> None:
    folder = tmp_path / "bundle"
    folder.mkdir()
    path = write_fasta(folder / "r.fa", {"chr1": CHR1})
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR)
    try:
        assert Reference(path).fetch(Interval("chr1", 5, 9)) == CHR1[5:9]
    finally:
        folder.chmod(stat.S_IRWXU)
    assert [p.name for p in folder.iterdir()] == ["r.fa"]
