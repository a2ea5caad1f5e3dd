"""Builds the genome bundle teach1.

Every chromosome is read by the oracle once; then each track is written three times: the truth
itself, and two replicates of counts drawn around it, so that the noise ceiling is known.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from itertools import chain, repeat
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote, urlencode

import numpy as np
import numpy.typing as npt

from models.card import Track
from models.teaching.cells import cells
from models.teaching.genes import Gene
from models.teaching.motifs import DATA
from models.teaching.oracle import oracle
from models.teaching.simulate import Feature
from models.teaching.stories import (
    CHROMOSOME_LENGTH,
    CHROMOSOMES,
    SEED,
    Story,
    read_stories,
    teach1,
    tell,
    to_toml,
)
from models.teaching.tracks import CONTACT_RESOLUTION, track_id, tracks

ID = "teach1"
NAME = "Teaching genome 1 (simulated)"
#: Expected counts for each unit of the truth, by modality.
DEPTHS = {
    "ATAC": 2.0, "DNASE": 2.0, "CAGE": 5.0, "PROCAP": 5.0, "RNA_SEQ": 0.5,
    "CHIP_HISTONE": 10.0, "CHIP_TF": 10.0, "CONTACT_MAPS": 400.0, "SPLICE_JUNCTIONS": 1.0,
}  # fmt: skip
#: Variance of the counts is ``mean + DISPERSION * mean ** 2``.
DISPERSION = 0.05
REPLICATES = 2
#: Contact maps hold so many diagonals: 262,144 bp.
DIAGONALS = 128
#: Junctions with fewer expected reads in a cell are left out.
LEAST_READS = 0.01
#: Truth is rounded to these steps when it is written; not at all where none is given.
STEPS = {"ATAC": 0.01, "DNASE": 0.01, "PROCAP": 0.001}

Floats = npt.NDArray[np.float32]
Runs = tuple[npt.NDArray[np.int64], Floats]


def replicate(truth: npt.NDArray[np.floating], modality: str, *seed: int) -> npt.NDArray[np.int64]:
    """Draws negative binomial counts around the truth.

    Args:
        truth: Any shape.
        modality: Decides the depth.
        seed: Names the random numbers, so that they do not depend on the order of the work.

    Returns:
        Counts with mean ``DEPTHS[modality] * truth`` and variance ``mean + DISPERSION * mean**2``.
    """
    rng = np.random.default_rng([SEED, *seed])
    counts = np.zeros(truth.shape, np.int64)
    some = truth > 0
    mean = DEPTHS[modality] * truth[some].astype(np.float64)
    counts[some] = rng.negative_binomial(1 / DISPERSION, 1 / (1 + DISPERSION * mean))
    return counts


def build(folder: Path, workers: int = 2) -> None:
    """Builds the bundle, unless a complete one made by the same code is there already.

    Args:
        folder: The bundle folder; replaced as a whole once the new one is complete.
        workers: Processes that share the work.
    """
    stamp = _stamp()
    done = folder / "complete.txt"
    if done.is_file() and done.read_text() == stamp:
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        made = Path(temporary) / "bundle"
        _write(made, Path(temporary), workers)
        (made / done.name).write_text(stamp)
        if folder.exists():
            folder.rename(Path(temporary) / "old")
        made.rename(folder)


def _stamp() -> str:
    """Names all that the bundle is made of, so that a change of any of it makes it anew."""
    digest = hashlib.sha256(np.__version__.encode())
    parts = (path for path in DATA.parent.rglob("*.*") if path.suffix in (".py", ".tsv", ".toml"))
    for path in (Path(__file__), *sorted(parts)):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _write(folder: Path, scratch: Path, workers: int) -> None:
    from tqdm import tqdm

    (folder / "tracks").mkdir(parents=True)
    measured = [t for t in tracks() if t.modality not in ("SPLICE_JUNCTIONS", "CONTACT_MAPS")]
    total = len(CHROMOSOMES) + len(measured) + len(cells())
    with (
        ProcessPoolExecutor(workers, get_context("spawn")) as pool,  # see app/genome/check.py
        tqdm(total=total, desc=f"Building {ID}", unit="part") as bar,
    ):
        jobs = [pool.submit(_read_chromosome, name, scratch) for name in CHROMOSOMES]
        for job in as_completed(jobs):
            job.result()
            bar.update()
        jobs = [pool.submit(_write_track, track, scratch, folder) for track in measured]
        jobs += [pool.submit(_write_contacts, cell.key, scratch, folder) for cell in cells()]
        for job in as_completed(jobs):
            job.result()
            bar.update()
    for suffix, target in (("fa", "reference.fa"), ("gtf", "genes.gtf")):
        _concatenate([scratch / f"{name}.{suffix}" for name in CHROMOSOMES], folder / target)
    _write_junctions(scratch, folder / "tracks")
    told = [story for name in CHROMOSOMES for story in read_stories(scratch / f"{name}.toml")]
    (folder / "stories.toml").write_text(to_toml(told), encoding="utf-8")
    (folder / "genome.toml").write_text(_genome_toml(measured, told), encoding="utf-8")


def _concatenate(parts: Iterable[Path], target: Path) -> None:
    with target.open("wb") as out:
        for part in parts:
            with part.open("rb") as file:
                shutil.copyfileobj(file, out)


def _read_chromosome(name: str, scratch: Path) -> None:
    """Writes what each chromosome adds to every file of the bundle into ``scratch``."""
    piece = teach1(name)
    truth = oracle(piece.sequence, DIAGONALS)
    steps = {t.id: STEPS.get(t.modality, 0) for t in tracks()}
    introns = truth.junctions
    arrays: dict[str, npt.NDArray[np.generic]] = {
        "contacts": truth.contacts,
        "introns": np.stack([introns.starts, introns.ends], axis=1),
        "intron strands": np.array(introns.strands, "U1"),
        "intron reads": introns.reads,
    }
    for key, values in truth.values.items():
        arrays[f"{key} starts"], arrays[f"{key} values"] = _runs(values, steps[key])
    np.savez(scratch / f"{name}.npz", **arrays)  # type: ignore[arg-type]
    letters = piece.sequence
    lines = [letters[i : i + 60] for i in range(0, len(letters), 60)]
    (scratch / f"{name}.fa").write_text("\n".join([f">{name}", *lines, ""]))
    planned = [f for f in piece.features if f.kind == "gene"]
    (scratch / f"{name}.gtf").write_text("".join(_gtf(name, planned, truth.genes)))
    (scratch / f"{name}.toml").write_text(to_toml(tell(name, piece)))


def _runs(values: Floats, step: float) -> Runs:
    """Returns the starts of runs of equal values, and the values."""
    if step:
        values = (np.round(values / step) * step).astype(np.float32)
    starts = np.flatnonzero(np.diff(values, prepend=np.nan) != 0)
    return starts, values[starts]


def _gtf(name: str, planned: list[Feature], genes: tuple[Gene, ...]) -> Iterator[str]:
    """Yields the lines of the genes that were planned and that the oracle finds."""
    found = {(gene.start_site, gene.strand): gene for gene in genes}
    for feature in planned:
        site = feature.start if feature.strand == "+" else feature.end - 1
        gene = found.get((site, feature.strand))
        if gene is None:
            continue
        exons = gene.exons()
        tags = f'gene_id "{feature.name}"; gene_name "{feature.name}";'
        rows = [("gene", exons[0][0], exons[-1][1], tags)]
        tags += f' transcript_id "{feature.name}.1";'
        rows += [("transcript", exons[0][0], exons[-1][1], tags)]
        rows += [("exon", *exon, tags) for exon in exons]
        for kind, start, end, text in rows:
            columns = (name, ID, kind, start + 1, end, ".", feature.strand, ".", text)
            yield "\t".join(map(str, columns)) + "\n"


def _write_junctions(scratch: Path, folder: Path) -> None:
    """Writes the introns of each cell as BED with reads: expected ones, and counts."""
    lines: dict[str, list[str]] = {}
    for number, name in enumerate(CHROMOSOMES):
        with np.load(scratch / f"{name}.npz", allow_pickle=False) as arrays:
            introns, strands, reads = (
                arrays[key] for key in ("introns", "intron strands", "intron reads")
            )
        for row, cell in enumerate(cells()):
            expected = np.where(reads[row] >= LEAST_READS, reads[row], 0)
            drawn = {"truth": expected}
            for r in range(REPLICATES):
                counts = replicate(expected, "SPLICE_JUNCTIONS", number, row, r)
                drawn[f"replicate-{r + 1}"] = counts / DEPTHS["SPLICE_JUNCTIONS"]
            for dataset, values in drawn.items():
                mine = lines.setdefault(_junction_file(cell.key, dataset), [])
                mine += [
                    f"{name}\t{start}\t{end}\t.\t{value:.4g}\t{strand}\n"
                    for (start, end), strand, value in zip(introns, strands, values, strict=True)
                    if value > 0
                ]
    for file, rows in lines.items():
        (folder / file).write_text("".join(rows))


def _junction_file(cell: str, dataset: str) -> str:
    return f"{dataset}_{cell}-junctions.bed"


def _write_track(track: Track, scratch: Path, folder: Path) -> None:
    """Writes the truth of a track and, where there is an assay for it, its replicates."""
    number = tracks().index(track)
    runs: list[Runs] = []
    counts: list[list[Runs]] = [[] for _ in range(REPLICATES)]
    for i, name in enumerate(CHROMOSOMES):
        with np.load(scratch / f"{name}.npz", allow_pickle=False) as arrays:
            starts, values = arrays[f"{track.id} starts"], arrays[f"{track.id} values"]
        runs.append((starts, values))
        if track.modality not in DEPTHS:
            continue
        length = CHROMOSOME_LENGTH // track.resolution
        whole = np.repeat(values, np.diff(starts, append=length))
        for r, mine in enumerate(counts):
            drawn = replicate(whole, track.modality, number, i, r)
            # In the unit of the truth, so that it shares the scale of a prediction.
            scaled = drawn.astype(np.float32) / np.float32(DEPTHS[track.modality])
            mine.append(_runs(scaled, 0))
    _write_bigwig(folder / _path(track, "truth"), runs, track.resolution)
    if track.modality in DEPTHS:
        for r, mine in enumerate(counts, 1):
            _write_bigwig(folder / _path(track, f"replicate-{r}"), mine, track.resolution)


def _path(track: Track, dataset: str) -> str:
    strand = {"+": "_plus", "-": "_minus", ".": ""}[track.strand]
    return f"tracks/{dataset}_{track.name}{strand}.bw"


def _write_bigwig(path: Path, runs: list[Runs], width: int) -> None:
    import pybigtools

    rows = (
        zip(
            repeat(name),
            (starts * width).tolist(),
            (np.append(starts[1:], CHROMOSOME_LENGTH // width) * width).tolist(),
            values.astype(float).tolist(),
            strict=False,  # the name is repeated without end
        )
        for name, (starts, values) in zip(CHROMOSOMES, runs, strict=True)
    )
    lengths = dict.fromkeys(CHROMOSOMES, CHROMOSOME_LENGTH)
    pybigtools.open(str(path), "w").write(lengths, chain.from_iterable(rows))


def _write_contacts(key: str, scratch: Path, folder: Path) -> None:
    """Writes the contact maps of a cell type: the truth, and counts around it."""
    import cooler
    import pandas as pd

    bins = CHROMOSOME_LENGTH // CONTACT_RESOLUTION
    cell = [c.key for c in cells()].index(key)
    first, second, truth = [], [], []
    for i, name in enumerate(CHROMOSOMES):
        with np.load(scratch / f"{name}.npz", allow_pickle=False) as arrays:
            maps = arrays["contacts"][cell]
        rows, diagonals = np.nonzero(np.isfinite(maps))
        first.append(rows + i * bins)
        second.append(rows + diagonals + i * bins)
        truth.append(maps[rows, diagonals])
    expected = np.concatenate(truth).astype(np.float64)
    sizes = pd.Series(dict.fromkeys(CHROMOSOMES, CHROMOSOME_LENGTH))
    table = cooler.binnify(sizes, CONTACT_RESOLUTION)
    pairs = {"bin1_id": np.concatenate(first), "bin2_id": np.concatenate(second)}
    values: dict[str, npt.NDArray[np.generic]] = {"truth": expected}
    for r in range(REPLICATES):
        values[f"replicate-{r + 1}"] = replicate(expected, "CONTACT_MAPS", len(tracks()), cell, r)
    for dataset, count in values.items():
        cooler.create_cooler(
            str(folder / "tracks" / f"{dataset}_{key}-Hi-C.cool"),
            table,
            pd.DataFrame({**pairs, "count": count}),
            dtypes={"count": count.dtype},
            assembly=ID,
            ordered=True,
        )


def _table(name: str, pairs: dict[str, object]) -> str:
    rows = [f"{key} = {json.dumps(value, ensure_ascii=False)}" for key, value in pairs.items()]
    return "\n".join([name, *rows, ""])


def _described(track: Track, dataset: str) -> dict[str, object]:
    found: dict[str, object] = {
        "name": track.name,
        "strand": track.strand,
        "assay": f"{track.assay} ({dataset})" if track.assay else dataset,
        "target": track.target,
        "unit": track.unit,
    }
    if dataset == ("replicate-1" if track.modality in DEPTHS else "truth"):
        found["predicted"] = track.id  # one measurement stands beside a prediction
    if track.biosample:
        found |= {
            "biosample": track.biosample.name,
            "curie": track.biosample.curie,
            "synonyms": track.biosample.synonyms,
        }
    return found


def _genome_toml(measured: list[Track], told: list[Story]) -> str:
    parts = [
        _table("[genome]", {"id": ID, "name": NAME, "assembly": ID, "simulated": True}),
        _table("[reference]", {"path": "reference.fa"}),
        _table("[genes]", {"path": "genes.gtf"}),
        *(_table("[[views]]", _view(story)) for story in told),
    ]
    replicates = [f"replicate-{r + 1}" for r in range(REPLICATES)]
    for track in tracks():
        depth = DEPTHS.get(track.modality)
        for dataset in ["truth", *(replicates if depth else [])]:
            described = _described(track, dataset)
            if track in measured:
                if dataset != "truth":
                    described["unit"] = f"{track.unit}, from {depth:g} counts for each"
                described |= {
                    "path": _path(track, dataset),
                    "dataset": dataset,
                    "modality": track.modality,
                    "resolution": track.resolution,
                }
                parts.append(_table("[[tracks]]", described))
            elif track.modality == "CONTACT_MAPS":
                if dataset != "truth":
                    described["unit"] = f"counts, {depth:g} x {track.unit}"
                described |= {
                    "name": f"{track.name} ({dataset})",
                    "path": f"tracks/{dataset}_{track.name}.cool",
                }
                parts.append(_table("[[contacts]]", described))
            else:
                cell = track.name.removesuffix("-junctions")
                described |= {"dataset": dataset, "path": f"tracks/{_junction_file(cell, dataset)}"}
                parts.append(_table("[[junctions]]", described))
    return "\n".join(parts)


def _view(story: Story) -> dict[str, object]:
    """Returns the view of a story: its domain, its variant, and what tells it."""
    cell = next((c for c in cells() if c.key == story.cell), cells()[0])
    causal = story.causal
    rows = [
        track_id(modality, f"{cell.key}-{what}", ".")
        for modality, what in (
            ("ATAC", "ATAC"), ("DNASE", "DNase"), ("CHIP_HISTONE", "H3K27ac"), ("CHIP_TF", "CTCF"),
        )
    ]  # fmt: skip
    rows += [f"teaching/CAGE/{cell.key}-CAGE", f"teaching/RNA_SEQ/{cell.key}-RNA"]
    if story.measure == "inclusion":
        rows += [f"teaching/SPLICE_JUNCTIONS/{cell.key}-junctions"]
    rows += [track_id("CONTACT_MAPS", f"{cell.key}-Hi-C", ".")]
    pairs = {
        "locus": f"{story.chromosome}:{story.start + 1}-{story.end}",
        "model": "teaching",
        "biosample": cell.biosample.key,
        "track": rows,
        "variant": f"{story.chromosome}:{causal.position}:{causal.ref}>{causal.alt}",
    }
    link = urlencode(pairs, doseq=True, quote_via=quote, safe="/:;,>")
    return {"title": story.title, "about": story.about, "link": link}
