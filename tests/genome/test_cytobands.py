import gzip
from pathlib import Path

import pytest

from app.errors import BundleError
from app.genome.catalogue import Bundle
from app.genome.cytobands import read_cytobands
from app.genome.reference import Reference
from tests.genome.made import write_fasta, write_toml


@pytest.fixture
def reference(tmp_path: Path) -> Reference:
    return Reference(write_fasta(tmp_path / "reference.fa", {"chr1": "A" * 500}))


def test_bands_are_read_by_the_names_of_the_reference(tmp_path, reference):
    path = tmp_path / "cytoBand.txt.gz"
    with gzip.open(path, "wt") as file:
        file.write("1\t300\t500\tq11\tgpos50\nchr1\t0\t300\t\tacen\nchr9\t0\t9\tp1\tgneg\n")
    assert read_cytobands(path, reference) == {
        "chr1": [(0, 300, "", "acen"), (300, 500, "q11", "gpos50")]
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("chr1\t0\t501\tp1\tgneg\n", "another assembly"),
        ("chr1\t9\t9\tp1\tgneg\n", "another assembly"),
        ("chr1\t-5\t9\tp1\tgneg\n", "no table of cytobands"),
        ("chr1\t0\t9\tp1\tblue\n", "no table of cytobands"),
        ("chr7\t0\t9\tp1\tgneg\n", "no bands of the chromosomes"),
        ("", "no bands of the chromosomes"),
    ],
)
def test_a_wrong_table_is_left_out_and_named(tmp_path, reference, text, message):
    (tmp_path / "bands.txt").write_text(text)
    with pytest.raises(BundleError, match=message):
        read_cytobands(tmp_path / "bands.txt", reference)
    write_toml(tmp_path)
    with (tmp_path / "genome.toml").open("a") as file:
        file.write('[cytobands]\npath = "bands.txt"\n')
    bundle = Bundle.load(tmp_path)
    assert bundle.cytobands == {}
    assert message in bundle.problems[0].message
