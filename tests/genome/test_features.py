"""Lines of a visitor's BED, narrowPeak and VCF, found and read to the base."""

from __future__ import annotations

from pathlib import Path

import pytest
from alphagenome.data.genome import Interval

from app.genome.features import FeatureFile
from app.genome.own_files import LINES, convert

LENGTHS = {"chr1": 100_000, "chr2": 9_000}
BED12 = "1000\t2000\tg\t9\t-\t1100\t1900\t255,0,16\t2\t300,200,\t0,800,"


def kept(folder: Path, text: str, kind: str) -> FeatureFile:
    source = folder / "source"
    source.write_text(text)
    convert(source, kind, folder / "signal.bw", LENGTHS)
    return FeatureFile(folder / LINES, kind)


def found(file: FeatureFile, start: int, end: int, chromosome: str = "chr1"):
    features = file.overlapping(Interval(chromosome, start, end), 100)
    assert features is not None
    return features


def test_bed12_has_blocks_thick_part_colour_and_strand(tmp_path):
    (one,) = found(kept(tmp_path, f"chr1\t{BED12}\n", "bed"), 0, 5_000)
    assert (one.start, one.end, one.name, one.score, one.strand) == (1000, 2000, "g", "9", "-")
    assert one.blocks == ((1000, 1300), (1800, 2000))
    assert one.thick == (1100, 1900)
    assert one.colour == "#ff0010"
    assert not one.substitutes


@pytest.mark.parametrize(
    ("start", "end", "n"), [(990, 1000, 0), (999, 1001, 1), (1999, 2000, 1), (2000, 2010, 0)]
)
def test_a_feature_is_found_from_its_first_base_to_its_last(tmp_path, start, end, n):
    assert len(found(kept(tmp_path, f"1\t{BED12}\n", "bed"), start, end)) == n


def test_lines_in_any_order_with_any_line_end_are_found_in_order(tmp_path):
    text = "chr2 5 9 last\r\n1\t50\t60\tb\r\nchr1\t10\t20\ta\r\nchr1\t10\t15\tshort\r\n"
    file = kept(tmp_path, text, "bed")
    assert [one.name for one in found(file, 0, 100)] == ["short", "a", "b"]
    assert [one.name for one in found(file, -50, 20_000, "chr2")] == ["last"]
    assert found(file, 0, 100, "chr9") == []


@pytest.mark.parametrize(
    "columns",
    [
        "g\t9\t-\t1100\t1900\t0\t2\t300,200\t0,900",  # beyond the end
        "g\t9\t-\t1100\t1900\t0\t2\t300,200\t0,100",  # blocks overlap
        "g\t9\t-\t1100\t1900\t0\t3\t300,200\t0,800",  # not as many as it says
        "g\t9\t-\tx\ty\tred\tz\t?\t!",  # columns of some other kind
    ],
)
def test_columns_that_are_no_bed12_leave_a_plain_box(tmp_path, columns):
    (one,) = found(kept(tmp_path, f"chr1\t1000\t2000\t{columns}\n", "bed"), 0, 5_000)
    assert (one.start, one.end, one.blocks) == (1000, 2000, ())
    assert (one.name, one.strand, one.colour) == ("g", "-", "")


def test_summit_of_a_peak_is_counted_from_its_start(tmp_path):
    peaks = "chr1\t100\t200\tp\t0\t.\t7.5\t1\t1\t40\nchr1\t300\t400\tq\t0\t+\t2\t1\t1\t-1\n"
    first, second = found(kept(tmp_path, peaks, "narrowpeak"), 0, 1_000)
    assert (first.name, first.score, first.strand, first.thick) == ("p", "7.5", ".", (140, 141))
    assert (second.name, second.strand, second.thick) == ("q", "+", None)


def test_each_alternate_allele_is_a_variant_at_its_first_base(tmp_path):
    head = "##fileformat=VCF\n##contig=<ID=1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    lines = (
        "1\t201\trs1\tACG\tA,<DEL>\t.\t.\t.\n1\t101\t.\tA\tG\t.\t.\t.\n1\t301\t.\tT\t.\t.\t.\t.\n"
    )
    variants = found(kept(tmp_path, head + lines, "vcf"), 0, 1_000)
    assert [(v.start, v.end, v.name, v.ref, v.alt, v.substitutes) for v in variants] == [
        (100, 101, "", "A", "G", True),
        (200, 203, "rs1", "ACG", "A", True),
        (200, 203, "rs1", "ACG", "<DEL>", False),
        (300, 301, "", "T", ".", False),
    ]


def test_too_many_lines_are_not_read(tmp_path):
    text = "".join(f"chr1\t{i}\t{i + 5}\n" for i in range(200))
    file = kept(tmp_path, text, "bed")
    assert file.overlapping(Interval("chr1", 0, 1_000), 199) is None
    every = file.overlapping(Interval("chr1", 0, 1_000), 200)
    assert every is not None
    assert [one.start for one in every] == list(range(200))
