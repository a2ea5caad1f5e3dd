from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cooler
import pandas as pd
import pytest

from app.errors import BundleError, NotFoundError
from app.genome.catalogue import Bundle, Catalogue
from models.card import Biosample
from tests.genome.made import write_bigwig, write_fasta, write_toml

LENGTHS = {"chr1": 1_000}
STEPS = [("chr1", 0, 32, 1.0)]
MINIMAL = '[genome]\nid = "toy"\nname = "Toy"\n[reference]\npath = "reference.fa"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "bundle"
    folder.mkdir()
    write_fasta(folder / "reference.fa", {"chr1": "A" * 1_000})
    write_bigwig(folder / "t.bw", LENGTHS, STEPS)
    return folder


def test_the_least_that_works(folder: Path) -> None:
    (folder / "genome.toml").write_text(MINIMAL)
    bundle = Bundle.load(folder)
    assert (bundle.id, bundle.name, bundle.assembly) == ("toy", "Toy", "toy")
    assert (bundle.simulated, bundle.tracks, bundle.contacts) == (False, {}, {})
    assert bundle.problems == ()
    assert bundle.genes.all == ()


def test_everything_about_a_track_is_kept(folder: Path) -> None:
    write_toml(
        folder,
        genome={"assembly": "GRCh38", "organism": "Homo sapiens", "simulated": True, "id": "x"},
        tracks=[
            {
                "path": "t.bw", "modality": "CHIP_TF", "name": "E1", "strand": "-",
                "biosample": "HepG2", "curie": "EFO:0001187", "synonyms": ["Hep G2"],
                "assay": "TF ChIP-seq", "target": "CTCF", "unit": "fold change",
                "predicted": "m/CHIP_TF/E1/-", "resolution": 32, "dataset": "encode",
            },
            {"path": "./t.bw"},
        ],
    )  # fmt: skip
    write_fasta(folder / "reference.fa", {"scaffold": "C" * 10, "chr1": "A" * 1_000})
    with pytest.raises(BundleError, match="chr1 ends at 1,000"):
        Bundle.load(folder)
    write_fasta(folder / "reference.fa", {"chr1:1-1000": "A" * 1_000})
    bundle = Bundle.load(folder)
    # The length of hg38 is known, and the bigWig of this test is not of that length.
    assert [p.path for p in bundle.problems] == ["t.bw", "./t.bw"]
    write_bigwig(folder / "t.bw", {"chr1": 248_956_422}, STEPS)
    bundle = Bundle.load(folder)
    assert bundle.problems == ()
    assert (bundle.assembly, bundle.organism, bundle.simulated) == ("hg38", "Homo sapiens", True)
    full, least = bundle.tracks.values()
    assert full.track.id == "observed/encode/E1/-"
    assert (full.track.modality, full.track.strand, full.track.resolution) == ("CHIP_TF", "-", 32)
    assert full.track.biosample is not None
    assert full.track.biosample.curie == "EFO:0001187"
    assert full.track.biosample.synonyms == ("Hep G2",)
    assert (full.track.assay, full.track.target) == ("TF ChIP-seq", "CTCF")
    assert full.track.unit == "fold change"
    assert full.predicted == "m/CHIP_TF/E1/-"
    assert least.track.id == "observed/dnase/t/."
    assert (least.track.resolution, least.track.biosample, least.predicted) == (1, None, None)


def test_damaged_files_are_left_out_and_the_rest_stays(folder: Path) -> None:
    content = (folder / "t.bw").read_bytes()
    (folder / "cut.bw").write_bytes(content[:-7])
    (folder / "text.bw").write_text("not a bigWig")
    write_bigwig(folder / "other.bw", {"chr1": 999}, STEPS)
    (folder / "no.cool").write_text("not a cooler")
    write_toml(
        folder,
        genes={"path": "missing.gtf"},
        tracks=[
            {"path": path, "name": path}
            for path in ("t.bw", "cut.bw", "text.bw", "other.bw", "missing.bw", "../t.bw")
        ]
        + [{"path": "t.bw", "name": "t.bw"}],
        contacts=[{"path": "no.cool"}, {"path": "missing.mcool"}],
    )
    bundle = Bundle.load(folder)
    assert list(bundle.tracks) == ["observed/dnase/t.bw/."]
    found = [(p.path, p.message) for p in bundle.problems]
    expected = [
        ("missing.gtf", "does not exist"),
        ("cut.bw", "cut off"),
        ("text.bw", "not a bigWig"),
        ("other.bw", "another assembly"),
        ("missing.bw", "does not exist"),
        ("../t.bw", "leads out of the bundle"),
        ("t.bw", "two tracks observed/dnase/t.bw/."),
        ("no.cool", "not a .cool"),
        ("missing.mcool", "does not exist"),
    ]
    assert [path for path, _ in found] == [path for path, _ in expected]
    for (_, message), (_, words) in zip(found, expected, strict=True):
        assert words in message


def test_absolute_paths_are_taken_as_written(folder: Path, tmp_path: Path) -> None:
    elsewhere = write_bigwig(tmp_path / "elsewhere.bw", LENGTHS, STEPS)
    write_toml(folder, tracks=[{"path": str(elsewhere)}])
    bundle = Bundle.load(folder)
    assert bundle.problems == ()
    assert [t.path for t in bundle.tracks.values()] == [elsewhere]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name =", "nmae ="), "the key nmae in [genome] is unknown. Did you mean name?"),
        (("[reference]", "[refrence]"),
         "the key refrence at the top is unknown. Did you mean reference?"),
        (('id = "toy"\n', ""), "the key id in [genome] is missing."),
        (('id = "toy"', 'id = "a/b"'), "id in [genome] is not valid"),
        (('id = "toy"', "id = 5"), "id in [genome] is not valid"),
        (('path = "reference.fa"', 'path = "no.fa"'), "no.fa does not exist"),
        (('path = "reference.fa"', 'path = "../x.fa"'), "leads out of the bundle"),
        (("[genome]", "[genome"), "is not valid TOML"),
        ((MINIMAL, MINIMAL + "[[tracks]]\npath='t.bw'\nname='t'\nmodality='DNASE'\nstrnad='+'\n"),
         "the key strnad in [tracks] number 1 is unknown. Did you mean strand?"),
        ((MINIMAL, MINIMAL + "[[tracks]]\npath='t.bw'\nname='t'\nmodality='DNAse'\n"),
         "modality in [tracks] number 1 is 'DNAse'; it must be 'ATAC', 'DNASE',"),
        ((MINIMAL, MINIMAL + "[[tracks]]\npath='t.bw'\nname='t'\nmodality='ATAC'\nstrand='x'\n"),
         "strand in [tracks] number 1 is 'x'; it must be '+', '-' or '.'"),
        ((MINIMAL, MINIMAL + "[genes]\npath='g.gtf'\nformat='gff'\n"),
         "format in [genes] is 'gff'; it must be 'spliceai', 'gtf', 'gff3' or 'bed12'"),
        ((MINIMAL, MINIMAL + "[[tracks]]\npath='t.bw'\nname='t'\nmodality='ATAC'\nresolution=0\n"),
         "resolution in [tracks] number 1 is not valid"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_the_file_is_named(
    folder: Path, change: tuple[str, str], message: str
) -> None:
    text = MINIMAL.replace(*change)
    assert text != MINIMAL
    (folder / "genome.toml").write_text(text)
    with pytest.raises(BundleError) as caught:
        Bundle.load(folder)
    assert message in caught.value.message


def test_a_gene_format_that_cannot_be_guessed_is_a_problem(folder: Path) -> None:
    (folder / "genes.txt").write_text("x")
    write_toml(folder, genes={"path": "genes.txt"})
    (problem,) = Bundle.load(folder).problems
    assert "Add format =" in problem.message


@pytest.mark.parametrize(
    ("name", "kind"),
    [("g.gtf.gz", "gtf"), ("g.GFF3", "gff3"), ("g.gff", "gff3"), ("g.bed", "bed12")],
)
def test_gene_formats_are_guessed(name: str, kind: str) -> None:
    from app.genome.bundle_file import GenesTable

    assert GenesTable(path=name).resolved_format() == kind


def test_no_bundle_no_genome(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "missing"):
        with pytest.raises(BundleError, match=r"it has no genome\.toml"):
            Bundle.load(folder)


def test_catalogue_by_id(folder: Path, tmp_path: Path) -> None:
    write_toml(folder, genome={"id": "toy-1"})
    other = tmp_path / "other"
    other.mkdir()
    write_fasta(other / "reference.fa", {"chr1": "C" * 10})
    write_toml(other, genome={"id": "toy-2"})
    catalogue = Catalogue.load([folder, other])
    assert list(catalogue.bundles) == ["toy-1", "toy-2"]
    assert catalogue.get("toy-2").folder == other
    with pytest.raises(NotFoundError, match="no genome toy-22") as caught:
        catalogue.get("toy-22")
    assert caught.value.suggestion == "toy-2"
    write_toml(other, genome={"id": "toy-1"})
    with pytest.raises(BundleError, match="have the same id toy-1"):
        Catalogue.load([folder, other])
    with pytest.raises(NotFoundError, match="There is no genome x"):
        Catalogue([]).get("x")


def test_contact_matrices_are_listed_and_checked(folder: Path, realdata: Path) -> None:
    write_fasta(folder / "reference.fa", {"chr20:1000001-1000010": "A" * 10})
    fine = realdata / "contacts" / "GM12878_hg19_chr20_25kb.cool"
    coarse = folder / "several.mcool"
    cooler.zoomify_cooler(str(fine), str(coarse), [25_000, 50_000, 100_000], chunksize=3_000_000)
    contacts: list[dict[str, object]] = [
        {"path": str(fine), "name": "Rao 2014", "biosample": "GM12878", "assay": "in situ Hi-C"},
        {"path": "several.mcool"},
    ]
    write_toml(folder, genome={"assembly": "hg19"}, contacts=contacts)
    bundle = Bundle.load(folder)
    assert bundle.problems == ()
    single, multiple = bundle.contacts.values()
    assert (single.track.id, single.resolutions, single.track.assay) == (
        "observed/contact_maps/Rao 2014/.",
        (25_000,),
        "in situ Hi-C",
    )
    assert single.track.biosample == Biosample("GM12878")
    assert single.balancing == "weight"
    assert multiple.resolutions == (25_000, 50_000, 100_000)
    write_toml(folder, genome={"assembly": "hg38"}, contacts=contacts)
    bundle = Bundle.load(folder)
    assert bundle.contacts == {}
    assert "its chr20 has 63,025,520 bp, that of hg38 64,444,167 bp" in bundle.problems[0].message


def test_reading_bundles_never_loads_torch(folder: Path) -> None:
    (folder / "genome.toml").write_text(MINIMAL)
    code = (
        "import sys; from pathlib import Path; from app.genome.catalogue import Catalogue; "
        "Catalogue.load([Path(sys.argv[1])]); print('torch' in sys.modules)"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "False"


def test_views_worth_seeing_are_kept_in_order(folder: Path) -> None:
    (folder / "genome.toml").write_text(
        MINIMAL
        + '[[views]]\ntitle = "A"\nlink = "locus=chr1:1-100"\n'
        + '[[views]]\ntitle = "B"\nabout = "why"\nlink = "locus=chr1:200-300"\n'
    )
    views = Bundle.load(folder).views
    assert [(v.title, v.about, v.link) for v in views] == [
        ("A", "", "locus=chr1:1-100"),
        ("B", "why", "locus=chr1:200-300"),
    ]


def test_a_view_without_a_link_is_refused(folder: Path) -> None:
    (folder / "genome.toml").write_text(MINIMAL + '[[views]]\ntitle = "A"\n')
    with pytest.raises(BundleError, match=r"the key link in \[views\] number 1 is missing"):
        Bundle.load(folder)


def test_a_biosample_may_be_given_by_its_curie_and_the_name_of_the_track(folder: Path) -> None:
    table = '[[{}]]\npath = "{}"\nname = "HepG2"\nbiosample = "EFO:0001187"\n'
    cooler.create_cooler(
        str(folder / "c.cool"),
        pd.DataFrame({"chrom": "chr1", "start": [0, 500], "end": [500, 1_000]}),
        pd.DataFrame({"bin1_id": [0], "bin2_id": [0], "count": [1]}),
    )
    (folder / "genome.toml").write_text(
        MINIMAL
        + table.format("tracks", "t.bw")
        + 'modality = "ATAC"\n'
        + table.format("tracks", "t.bw")
        + 'modality = "DNASE"\n'
        + table.format("contacts", "c.cool")
        + 'modality = "CONTACT_MAPS"\nunit = "counts"\nstrand = "."\n'
    )
    bundle = Bundle.load(folder)
    assert bundle.problems == ()
    assert list(bundle.tracks) == ["observed/atac/HepG2/.", "observed/dnase/HepG2/."]
    for measured in (
        bundle.tracks["observed/atac/HepG2/."].track,
        bundle.contacts["observed/contact_maps/HepG2/."].track,
    ):
        assert measured.biosample == Biosample("HepG2", "EFO:0001187")
