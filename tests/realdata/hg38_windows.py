"""Builds the genome bundle hg38-windows out of the real data folder.

65 windows of hg38 with 74 observed tracks, decoded from the records on which the model
baskerville-human74 was trained and tested, and the genes of the SpliceAI table::

    python -m tests.realdata.hg38_windows OUT_DIR [--realdata DIR]
"""

from __future__ import annotations

import csv
import gzip
import re
import shutil
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyBigWig
from tqdm import tqdm

from app.genome.chromosomes import ASSEMBLY_LENGTHS
from tests.realdata.bundles import REPOSITORY, build_once, command, gene_table, link, toml

TRACKS_TABLE = REPOSITORY / "models" / "cards" / "baskerville-human74" / "tracks.tsv"
BIN = 32
SPLITS = ("train", "valid", "test")


def decode_records(realdata: Path) -> tuple[np.ndarray, np.ndarray]:
    """Decodes the zlib-compressed TFRecords in the order of ``sequences.bed``.

    Returns:
        Bases as uint8 of shape (65, 131072), 0 to 3 for A, C, G, T and 4 for N; and stored targets
        as float16 of shape (65, 2048, 74), in training scale.
    """
    folder = realdata / "windows_hg38" / "tfrecords"
    sequences, targets = [], []
    for split in SPLITS:
        files = folder.glob(f"{split}-*.tfr")
        for path in sorted(files, key=lambda p: int(p.stem.partition("-")[2])):
            for record in _records(path):
                features = _features(record)
                sequences.append(np.frombuffer(features["sequence"], np.uint8))
                targets.append(np.frombuffer(features["target"], "<f2").reshape(-1, 74))
    return np.stack(sequences), np.stack(targets)


def _records(path: Path) -> Iterator[bytes]:
    """Yields the payloads of a TFRecord file: uint64 length, its crc, payload, its crc."""
    content = zlib.decompress(path.read_bytes())
    position = 0
    while position < len(content):
        (length,) = struct.unpack_from("<Q", content, position)
        yield content[position + 12 : position + 12 + length]
        position += length + 16


def _features(example: bytes) -> dict[str, bytes]:
    """Returns the byte features of a ``tf.train.Example``, which are maps within messages."""
    found = {}
    for features in _fields(example, 1):
        for entry in _fields(features, 1):
            (name,), (feature,) = _fields(entry, 1), _fields(entry, 2)
            (byte_list,) = _fields(feature, 1)
            (value,) = _fields(byte_list, 1)
            found[name.decode()] = value
    return found


def _fields(message: bytes, number: int) -> list[bytes]:
    """Returns the length-delimited fields of that number in a protobuf message."""
    found, position = [], 0
    while position < len(message):
        key, position = _varint(message, position)
        assert key & 7 == 2, "only length-delimited fields occur in these records"
        length, position = _varint(message, position)
        if key >> 3 == number:
            found.append(message[position : position + length])
        position += length
    return found


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position


def to_coverage(stored: np.ndarray, targets: list[dict[str, str]]) -> np.ndarray:
    """Undoes the transform of baskerville's newer data pipeline (not that of the Borzoi paper).

    Soft clip, then square root (``sum_sqrt`` tracks only), then scale. Which pipeline it was is
    told by the values: single CAGE reads (scale 1) are stored as 0.41 = sqrt(2) - 1, and reads
    that fill a bin of a GTEx track (scale 0.02) as 0.28 = sqrt(1 + 0.02 * 32) - 1.

    Args:
        stored: Values in training scale, last axis the targets.
        targets: Rows of ``targets.tsv``.

    Returns:
        float64: coverage summed over each bin (``sum_sqrt``) or its mean (``mean``).
    """
    stored = stored.astype(np.float64)
    soft = np.array([float(row["clip_soft"]) for row in targets])
    scale = np.array([float(row["scale"]) for row in targets])
    root = np.array([row["sum_stat"] == "sum_sqrt" for row in targets])
    unclipped = np.where(stored > soft, (stored - soft + 1) ** 2 + soft - 1, stored)
    return np.where(root, (unclipped + 1) ** 2 - 1, unclipped) / scale


def read_targets(realdata: Path) -> list[dict[str, str]]:
    """Returns the rows of ``targets.tsv``, in the order of the stored targets."""
    with (realdata / "windows_hg38" / "targets.tsv").open() as file:
        return list(csv.DictReader(file, delimiter="\t"))


def read_windows(realdata: Path) -> list[tuple[str, int, int, str]]:
    """Returns the 65 target windows: chromosome, start, end (0-based) and split."""
    lines = (realdata / "windows_hg38" / "sequences.bed").read_text().splitlines()
    return [(c, int(s), int(e), split) for c, s, e, split in (line.split("\t") for line in lines)]


def track_id(row: dict[str, str]) -> str:
    """Returns the id that the model's card gives to a row of ``targets.tsv``."""
    assay = row["description"].partition(":")[0]
    modality = {"CAGE": "CAGE", "DNASE": "DNASE", "RNA": "RNA_SEQ", "RNA3": "RNA_SEQ"}[assay]
    name, strand = row["identifier"], "."
    if name[-1] in "+-":
        name, strand = name[:-1], name[-1]
    return f"baskerville-human74/{modality}/{name}/{strand}"


def _write_bigwig(path: Path, values: np.ndarray, windows: list[tuple[str, int, int, str]]) -> None:
    """Writes one track; ``values`` has shape (windows, bins)."""
    used = {window[0] for window in windows}
    lengths = {c: n for c, n in ASSEMBLY_LENGTHS["hg38"].items() if c in used}
    order = list(lengths)
    with pyBigWig.open(str(path), "w") as file:
        file.addHeader(list(lengths.items()))
        for i in sorted(
            range(len(windows)), key=lambda i: (order.index(windows[i][0]), windows[i][1])
        ):
            chromosome, start, _, _ = windows[i]
            file.addEntries(chromosome, start, values=values[i].tolist(), span=BIN, step=BIN)


_OURS = "baskerville-human74"
VIEWS: list[dict[str, object]] = [
    {
        "title": "Predicted beside observed at MAPK1",
        "about": "DNase, CAGE and RNA-seq of five samples; the model was trained on this window.",
        "link": link(
            locus="chr22:21691454-21822524",
            model=_OURS,
            biosample=["EFO:0001187", "EFO:0002784"],
            track=[
                f"{_OURS}/DNASE/ENCFF136DBS/.",
                f"{_OURS}/DNASE/ENCFF427FEF/.",
                f"{_OURS}/CAGE/CNhs10853",
                f"{_OURS}/RNA_SEQ/ENCFF782HFV",
                f"{_OURS}/RNA_SEQ/ENCFF946ZPT/.",
            ],
        ),
    },
    {
        "title": "A window that the model has never seen",
        "about": "Held out for testing: ten cell types of DNase on chromosome 16.",
        "link": link(
            locus="chr16:24614104-24745174",
            model=_OURS,
            track=[
                f"{_OURS}/DNASE/{name}/."
                for name in (
                    "ENCFF890OGQ",
                    "ENCFF136DBS",
                    "ENCFF427FEF",
                    "ENCFF472TFO",
                    "ENCFF810XTS",
                    "ENCFF154NSS",
                    "ENCFF302BVR",
                    "ENCFF785TYR",
                    "ENCFF385DEA",
                    "ENCFF622PZI",
                )
            ],
        ),
    },
    {
        "title": "Splice sites of MAPK1",
        "about": "SpliceAI's acceptor and donor probability on both strands, over exons.",
        "link": link(
            locus="chr22:21760000-21780000",
            model="spliceai",
            track=["spliceai/SPLICE_SITES/acceptor", "spliceai/SPLICE_SITES/donor"],
        ),
    },
]


def _track_toml(row: dict[str, str]) -> str:
    return toml(
        "[[tracks]]",
        {
            "path": f"tracks/{_file_name(row)}",
            "modality": row["modality"],
            "name": row["name"],
            "strand": row["strand"],
            "resolution": BIN,
            "unit": row["unit"],
            "biosample": row["biosample"],
            "curie": row["curie"],
            "synonyms": [s for s in row["synonyms"].split("|") if s],
            "assay": row["assay"],
            "target": row["target"],
            "predicted": row["id"],
        },
    )


def _file_name(row: dict[str, str]) -> str:
    strand = {"+": "_plus", "-": "_minus", ".": ""}[row["strand"]]
    return re.sub(r"[^\w.-]", "_", f"{row['modality']}_{row['name']}{strand}.bw")


def build(folder: Path, realdata: Path) -> None:
    """Builds the bundle, unless a complete one made of the same things is there already."""
    sources = (Path(__file__), TRACKS_TABLE, realdata / "README.md", gene_table("grch38"))
    build_once(folder, sources, lambda made: _write(made, realdata))


def _write(folder: Path, realdata: Path) -> None:
    (folder / "tracks").mkdir(parents=True)
    packed = realdata / "sequence" / "hg38_65windows_131072bp.fa.gz"
    with gzip.open(packed) as source, (folder / "reference.fa").open("wb") as target:
        shutil.copyfileobj(source, target)
    shutil.copyfile(gene_table("grch38"), folder / "genes.tsv")

    _, stored = decode_records(realdata)
    targets, windows = read_targets(realdata), read_windows(realdata)
    coverage = to_coverage(stored, targets)
    with TRACKS_TABLE.open(newline="") as file:
        described = {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
    parts = [
        toml(
            "[genome]",
            {
                "id": "hg38-windows",
                "name": "Human hg38, 65 windows",
                "assembly": "hg38",
                "organism": "Homo sapiens",
            },
        ),
        toml("[reference]", {"path": "reference.fa"}),
        toml("[genes]", {"path": "genes.tsv", "format": "spliceai"}),
    ]
    parts += [toml("[[views]]", view) for view in VIEWS]
    for i, target in enumerate(tqdm(targets, desc="Writing tracks", unit="track")):
        row = described[track_id(target)]
        _write_bigwig(folder / "tracks" / _file_name(row), coverage[:, :, i], windows)
        parts.append(_track_toml(row))
    (folder / "genome.toml").write_text("\n".join(parts), encoding="utf-8")


if __name__ == "__main__":
    command("hg38-windows", build)()
