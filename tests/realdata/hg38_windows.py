"""Builds the genome bundle hg38-windows out of the real data folder.

65 windows of hg38 with 74 observed tracks, decoded from the records on which the model
baskerville-human74 was trained and tested, and the genes of the SpliceAI table::

    python -m tests.realdata.hg38_windows OUT_DIR [--realdata DIR]
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import importlib.util
import json
import re
import shutil
import struct
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote, urlencode

import click
import numpy as np
import pyBigWig
from tqdm import tqdm

from app.genome.chromosomes import ASSEMBLY_LENGTHS

REPOSITORY = Path(__file__).resolve().parents[2]
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


def _gene_table() -> Path:
    """Finds the SpliceAI gene table of hg38 without importing the package (it needs Keras)."""
    spec = importlib.util.find_spec("spliceai")
    assert spec is not None, "install it: pip install --no-deps spliceai==1.3.1"
    assert spec.origin is not None
    return Path(spec.origin).parent / "annotations" / "grch38.txt"


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


def _link(**params: object) -> str:
    return urlencode(params, doseq=True, quote_via=quote, safe="/:,")


_OURS = "baskerville-human74"
VIEWS: list[dict[str, object]] = [
    {
        "title": "Predicted beside observed at MAPK1",
        "about": "DNase, CAGE and RNA-seq of five samples; the model was trained on this window.",
        "link": _link(
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
        "link": _link(
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
        "link": _link(
            locus="chr22:21760000-21780000",
            model="spliceai",
            track=["spliceai/SPLICE_SITES/acceptor", "spliceai/SPLICE_SITES/donor"],
        ),
    },
]


def _toml(name: str, pairs: dict[str, object]) -> str:
    lines = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in pairs.items()]
    return "\n".join([name, *lines, ""])


def _track_toml(row: dict[str, str]) -> str:
    return _toml(
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


def _stamp(realdata: Path) -> str:
    """Names what the bundle is made of, so that a change of any of it makes it anew."""
    digest = hashlib.sha256()
    for path in (Path(__file__), TRACKS_TABLE, realdata / "README.md", _gene_table()):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def build(folder: Path, realdata: Path) -> None:
    """Builds the bundle, unless a complete one made of the same things is there already.

    Args:
        folder: The bundle folder; replaced as a whole once the new one is complete.
        realdata: The folder of real data.
    """
    stamp = _stamp(realdata)
    done = folder / "complete.txt"
    if done.is_file() and done.read_text() == stamp:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "bundle"
        _write(made, realdata)
        (made / done.name).write_text(stamp)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        made.rename(folder)


def _write(folder: Path, realdata: Path) -> None:
    (folder / "tracks").mkdir(parents=True)
    packed = realdata / "sequence" / "hg38_65windows_131072bp.fa.gz"
    with gzip.open(packed) as source, (folder / "reference.fa").open("wb") as target:
        shutil.copyfileobj(source, target)
    shutil.copyfile(_gene_table(), folder / "genes.tsv")

    _, stored = decode_records(realdata)
    targets, windows = read_targets(realdata), read_windows(realdata)
    coverage = to_coverage(stored, targets)
    with TRACKS_TABLE.open(newline="") as file:
        described = {row["id"]: row for row in csv.DictReader(file, delimiter="\t")}
    parts = [
        _toml(
            "[genome]",
            {
                "id": "hg38-windows",
                "name": "Human hg38, 65 windows",
                "assembly": "hg38",
                "organism": "Homo sapiens",
            },
        ),
        _toml("[reference]", {"path": "reference.fa"}),
        _toml("[genes]", {"path": "genes.tsv", "format": "spliceai"}),
    ]
    parts += [_toml("[[views]]", view) for view in VIEWS]
    for i, target in enumerate(tqdm(targets, desc="Writing tracks", unit="track")):
        row = described[track_id(target)]
        _write_bigwig(folder / "tracks" / _file_name(row), coverage[:, :, i], windows)
        parts.append(_track_toml(row))
    (folder / "genome.toml").write_text("\n".join(parts), encoding="utf-8")


@click.command()
@click.argument("out_dir", type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--realdata",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    default=REPOSITORY.parent / "shared" / "realdata",
    show_default=True,
    help="The folder of real data.",
)
def main(out_dir: Path, realdata: Path) -> None:
    """Builds the genome bundle hg38-windows in OUT_DIR."""
    build(out_dir, realdata)
    click.echo(f"The genome bundle hg38-windows is in {out_dir}.")


if __name__ == "__main__":
    main()
