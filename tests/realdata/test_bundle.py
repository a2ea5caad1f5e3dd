"""The bundle hg38-windows holds what the real data folder says, to the base and to the value."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyBigWig
import pysam
import pytest
from alphagenome.data.genome import Interval
from scipy.stats import pearsonr

from app.genome.catalogue import Bundle
from app.genome.locus import parse_region
from tests.realdata.hg38_windows import (
    BIN,
    TRACKS_TABLE,
    build,
    decode_records,
    read_targets,
    read_windows,
    to_coverage,
    track_id,
)

READY_MADE = {
    2: "CAGE_CD4T_plus", 3: "CAGE_CD4T_minus", 25: "DNASE_HepG2", 26: "DNASE_GM12865",
    38: "RNA_GM12878_plus", 39: "RNA_GM12878_minus",
}  # fmt: skip


@pytest.fixture(scope="module")
def decoded(realdata: Path) -> tuple[np.ndarray, np.ndarray]:
    return decode_records(realdata)


@pytest.fixture(scope="module")
def bundle(hg38_windows: Path) -> Bundle:
    return Bundle.load(hg38_windows)


def test_shapes_are_those_of_the_statistics(
    realdata: Path, decoded: tuple[np.ndarray, np.ndarray]
) -> None:
    stated = json.loads((realdata / "windows_hg38" / "statistics.json").read_text())
    windows = stated["train_seqs"] + stated["valid_seqs"] + stated["test_seqs"]
    assert decoded[0].shape == (windows, stated["seq_length"])
    assert decoded[1].shape == (windows, stated["target_length"], stated["num_targets"])
    assert len(read_windows(realdata)) == windows
    assert len(read_targets(realdata)) == stated["num_targets"]


@pytest.mark.parametrize("target", READY_MADE)
def test_decoded_values_equal_the_ready_made_bigwigs(
    realdata: Path, decoded: tuple[np.ndarray, np.ndarray], target: int
) -> None:
    path = realdata / "windows_hg38" / f"{READY_MADE[target]}_hg38_65windows_32bp.bw"
    with pyBigWig.open(str(path)) as file:
        for stored, (chromosome, start, end, _) in zip(
            decoded[1], read_windows(realdata), strict=True
        ):
            found = np.array(file.values(chromosome, start, end))[::BIN]
            np.testing.assert_array_equal(found, stored[:, target].astype(np.float64))


def test_decoded_values_equal_the_published_outputs(
    realdata: Path, decoded: tuple[np.ndarray, np.ndarray]
) -> None:
    windows = [f"{c}:{s - 32_767}-{e + 32_768}" for c, s, e, _ in read_windows(realdata)]
    with np.load(realdata / "reference_outputs" / "baskerville_human74_pred.npz") as outputs:
        for region, observed in zip(outputs["region"], outputs["observed"], strict=True):
            np.testing.assert_array_equal(decoded[1][windows.index(str(region))], observed)


def test_sequence_equals_the_records_and_pysam(
    realdata: Path, bundle: Bundle, decoded: tuple[np.ndarray, np.ndarray], tmp_path: Path
) -> None:
    letters = np.frombuffer(b"ACGTN", np.uint8)
    plain = tmp_path / "copy.fa"
    plain.write_bytes(bundle.reference.path.read_bytes())
    with pysam.FastaFile(str(plain)) as fasta:
        for codes, (chromosome, start, end, _) in zip(
            decoded[0], read_windows(realdata), strict=True
        ):
            window = Interval(chromosome, start - 32_768, end + 32_768)
            sequence = bundle.reference.fetch(window)
            assert sequence == letters[codes].tobytes().decode()
            assert sequence == fasta.fetch(f"{chromosome}:{window.start + 1}-{window.end}").upper()
            assert bundle.reference.piece_containing(window) == window


def test_all_tracks_are_there_as_coverage(
    realdata: Path, bundle: Bundle, decoded: tuple[np.ndarray, np.ndarray]
) -> None:
    assert bundle.problems == ()
    targets = read_targets(realdata)
    assert [t.predicted for t in bundle.tracks.values()] == [track_id(row) for row in targets]
    coverage = to_coverage(decoded[1], targets)
    chromosome, start, end, _ = read_windows(realdata)[0]
    for i, observed in enumerate(bundle.tracks.values()):
        found = observed.values(Interval(chromosome, start, end))
        np.testing.assert_allclose(found, coverage[0, :, i], rtol=1e-6, atol=1e-6)
        beside = observed.values(Interval(chromosome, start - 2 * BIN, start + BIN))
        assert np.isnan(beside[:2]).all()
        assert beside[2] == found[0]


def test_tracks_are_described_as_on_the_card(bundle: Bundle) -> None:
    with TRACKS_TABLE.open(newline="") as file:
        card = {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
    assert len(bundle.tracks) == 74
    for observed in bundle.tracks.values():
        assert observed.predicted is not None
        row, track = card[observed.predicted], observed.track
        assert track.id == f"observed/{row['modality'].lower()}/{row['name']}/{row['strand']}"
        assert (track.modality, track.strand, track.unit, str(track.resolution)) == (
            row["modality"], row["strand"], row["unit"], row["resolution"]
        )  # fmt: skip
        assert track.biosample is not None
        assert (track.biosample.name, track.biosample.curie) == (row["biosample"], row["curie"])
    hepg2 = bundle.tracks["observed/dnase/ENCFF136DBS/."].track
    assert hepg2.biosample is not None
    assert (hepg2.modality, hepg2.biosample.name) == ("DNASE", "HepG2")


def test_single_reads_come_out_whole(
    realdata: Path, decoded: tuple[np.ndarray, np.ndarray]
) -> None:
    """What tells that the right transform is undone: reads are whole numbers.

    A CAGE bin with one, two or three reads is stored as 0.41, 0.73 and 1.00 (two decimals), a
    GTEx bin that one or two reads fill (32 bases each, scale 0.02) as 0.28 and 0.51.
    """
    targets = read_targets(realdata)
    coverage = to_coverage(decoded[1], targets)

    def share_near(values: np.ndarray, whole: float, off: float) -> float:
        """How many times more bins there are at ``whole`` than between two whole numbers."""
        at = (np.abs(values / whole - 1) < 0.06).sum()
        return float(at / max((np.abs(values / whole - off) < 0.06).sum(), 1))

    cage = coverage[:, :, [row["description"].startswith("CAGE") for row in targets]]
    assert share_near(cage, 1.0, 1.4) > 10
    gtex = coverage[:, :, [row["identifier"].startswith("GTEX") for row in targets]]
    assert share_near(gtex, 32.0, 1.4) > 10
    # DNase is a mean of coverage: stored at twice its value, and squared above the soft clip.
    dnase = [row["description"].startswith("DNASE") for row in targets]
    low = decoded[1][:, :, dnase].astype(np.float64)
    np.testing.assert_allclose(coverage[:, :, dnase][low <= 32], low[low <= 32] / 2)
    assert (coverage[:, :, dnase][low > 32] > 16).all()


def test_every_step_of_the_transform_is_undone() -> None:
    """Forward as upstream's data pipeline does it, then back."""
    rows = [
        {"clip_soft": "64", "scale": "0.3", "sum_stat": "sum_sqrt"},
        {"clip_soft": "32", "scale": "2.0", "sum_stat": "mean"},
    ]
    coverage = np.geomspace(0.01, 1e5, 200)[:, None].repeat(2, axis=1)
    scaled = coverage * [0.3, 2.0]
    scaled[:, 0] = np.sqrt(1 + scaled[:, 0]) - 1
    soft = np.array([64.0, 32.0])
    above = np.sqrt(np.maximum(scaled - soft, 0) + 1) - 1 + soft
    stored = np.where(scaled > soft, above, scaled)
    assert (scaled > soft).any(axis=0).all()
    np.testing.assert_allclose(to_coverage(stored, rows), coverage, rtol=1e-9)


def test_genes_lie_in_the_windows(bundle: Bundle) -> None:
    piece = parse_region("chr22:21691453-21822524")
    assert piece is not None
    symbols = {t.symbol for t in bundle.genes.overlapping(piece)}
    assert {"MAPK1", "PPIL2", "YPEL1"} <= symbols


def test_cage_lies_where_genes_begin_on_their_strand(realdata: Path, bundle: Bundle) -> None:
    sums = {"sense": 0.0, "antisense": 0.0, "inside": 0.0}
    cage = [t for t in bundle.tracks.values() if t.track.modality == "CAGE"]
    for chromosome, start, end, _ in read_windows(realdata):
        window = Interval(chromosome, start + 512, end - 512)
        for transcript in bundle.genes.overlapping(window):
            forward = transcript.strand == "+"
            begin = transcript.start if forward else transcript.end
            middle = (transcript.start + transcript.end) // 2
            for observed in cage:
                place = "sense" if observed.track.strand == transcript.strand else "antisense"
                for what, centre in ((place, begin), ("inside", middle)):
                    if window.start <= centre < window.end:
                        around = Interval(chromosome, centre - 256, centre + 256)
                        sums[what] += float(np.nansum(observed.values(around)))
    assert sums["sense"] > 1_000
    assert sums["sense"] > 5 * sums["antisense"]
    assert sums["sense"] > 5 * sums["inside"]


def test_published_predictions_agree_with_the_bundle(realdata: Path, bundle: Bundle) -> None:
    """HepG2 DNase at MAPK1: published prediction against what the bundle says was measured."""
    with np.load(realdata / "reference_outputs" / "baskerville_human74_pred.npz") as outputs:
        index = [str(r).startswith("chr22:") for r in outputs["region"]].index(True)
        predicted = outputs["pred"][index, :, 25].astype(np.float64) / 2
    start = 21_691_452 + 32_768
    track = bundle.tracks["observed/dnase/ENCFF136DBS/."]
    here = track.values(Interval("chr22", start, start + 65_536))
    shifted = np.roll(here, 100)
    assert pearsonr(predicted, here).statistic > 0.5
    assert abs(pearsonr(predicted, shifted).statistic) < 0.3


def test_building_again_does_nothing_when_complete(hg38_windows: Path, realdata: Path) -> None:
    before = (hg38_windows / "genome.toml").stat().st_mtime_ns
    build(hg38_windows, realdata)
    assert (hg38_windows / "genome.toml").stat().st_mtime_ns == before
