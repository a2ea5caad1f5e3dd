"""What the teaching network learns from: simulated chromosomes, each read once by the oracle.

A chromosome is a seed and an index, so the same ones come out again on any machine. ``teach1`` has
seeds of its own and is never among them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.card import Track
from models.teaching.contacts import BIN
from models.teaching.motifs import Codes, Floats, Ints, decode, encode
from models.teaching.oracle import REACH, Truth, oracle
from models.teaching.simulate import Random, chromosome
from models.teaching.tracks import CHIP_RESOLUTION, tracks

#: First part of the seed of every chromosome to learn from.
SEED = 20_261_201
LENGTH = 2**21
#: Contacts are kept as far as a window of the network reaches.
WINDOW = 131_072
#: In every second chromosome one base in so many is changed at random, so that broken and half-made
#: sites are seen as often as good ones.
MUTATED_ONE_IN = 100
#: Tracks with a value at every base; the others change at few bases and are kept as steps.
_EVERYWHERE = ("ATAC", "DNASE")
#: Tracks between 0 and 1, and those that are amounts, in the order of the network's outputs.
FRACTIONS = (*_EVERYWHERE, "SPLICE_SITES", "SPLICE_SITE_USAGE")
AMOUNTS = ("CAGE", "PROCAP", "RNA_SEQ")
_BINNED = ("CHIP_HISTONE", "CHIP_TF")


@lru_cache(maxsize=1)
def base_tracks() -> tuple[Track, ...]:
    """Returns the tracks with one value a base, modality by modality, fractions first."""
    return _of_modalities(FRACTIONS + AMOUNTS)


@lru_cache(maxsize=1)
def bin_tracks() -> tuple[Track, ...]:
    """Returns the tracks with one value for 128 bp, modality by modality."""
    return _of_modalities(_BINNED)


def _of_modalities(modalities: tuple[str, ...]) -> tuple[Track, ...]:
    return tuple(t for name in modalities for t in tracks() if t.modality == name)


@dataclass(frozen=True)
class Sample:
    """A stretch of simulated sequence and the truth about it.

    Attributes:
        codes: 0 to 3 for A, C, G, T; shape (length,).
        bases: Values of ``base_tracks()``; shape (length, tracks).
        bins: Values of ``bin_tracks()``; shape (length / 128, tracks).
        contacts: Shape (cells, bins, bins), symmetric.
        introns: First base and one past the last, in genome order; shape (introns, 2).
        forward: Whether each intron is on the plus strand.
        reads: Reads of each intron; shape (cells, introns).
    """

    codes: Codes
    bases: Floats
    bins: Floats
    contacts: Floats
    introns: Ints
    forward: npt.NDArray[np.bool_]
    reads: Floats


class Chromosome:
    """A chromosome to learn from, as ``write_chromosome`` left it.

    Args:
        path: The file.
    """

    def __init__(self, path: Path) -> None:
        with np.load(path, allow_pickle=False) as stored:
            self._stored = {name: stored[name] for name in stored.files}

    @property
    def length(self) -> int:
        """In bp."""
        return len(self._stored["codes"])

    def window(self, start: int, width: int = WINDOW) -> Sample:
        """Returns part of the chromosome.

        Args:
            start: First base, a multiple of 2,048.
            width: In bp, a multiple of 2,048 and at most ``WINDOW``.
        """
        s = self._stored
        end = start + width
        introns = s["introns"]
        # The exons' bases beside an intron are its splice sites and must be there too.
        inside = (introns[:, 0] > start) & (introns[:, 1] < end)
        bins = slice(start // CHIP_RESOLUTION, end // CHIP_RESOLUTION)
        return Sample(
            codes=s["codes"][start:end],
            bases=np.concatenate([s["everywhere"][start:end], self._steps(start, end)], axis=1),
            bins=s["bins"][bins].astype(np.float32),
            contacts=self._contacts(start // BIN, width // BIN),
            introns=introns[inside] - start,
            forward=s["forward"][inside],
            reads=s["reads"][:, inside],
        )

    def windows(self) -> Iterator[Sample]:
        """Yields windows of full width, side by side; eight at most."""
        for start in range(0, min(self.length, 8 * WINDOW + 1) - WINDOW, WINDOW):
            yield self.window(start)

    def bound(self, least: float) -> Ints:
        """Returns the first bases of 128-bp bins in which a factor's ChIP reaches ``least``."""
        factors = [t.modality == "CHIP_TF" for t in bin_tracks()]
        reached = self._stored["bins"][:, factors].max(1) >= least
        return np.flatnonzero(reached) * CHIP_RESOLUTION

    def _steps(self, start: int, end: int) -> Floats:
        """Adds up the steps of the tracks that are kept so."""
        s = self._stored
        first, past = np.searchsorted(s["step_places"], [start + 1, end])
        n_tracks = len(base_tracks()) - s["everywhere"].shape[1]
        before = np.bincount(s["step_tracks"][:first], s["step_sizes"][:first], n_tracks)
        values = np.zeros((end - start, n_tracks), np.float32)
        values[0] = before
        inside = slice(first, past)
        values[s["step_places"][inside] - start, s["step_tracks"][inside]] = s["step_sizes"][inside]
        summed: Floats = np.maximum(np.cumsum(values, axis=0, dtype=np.float32), 0)
        return summed

    def _contacts(self, first: int, n_bins: int) -> Floats:
        diagonals = self._stored["contacts"][:, first : first + n_bins].astype(np.float32)
        result = np.empty((len(diagonals), n_bins, n_bins), np.float32)
        i, j = np.triu_indices(n_bins)
        result[:, i, j] = result[:, j, i] = diagonals[:, i, j - i]
        return result


def training_sequence(index: int) -> str:
    """Writes the chromosome of that number; every second one is a mutant of the one before."""
    codes = chromosome(LENGTH, _random(index // 2)).codes
    return decode(_mutated(codes, _random(index // 2, 1)) if index % 2 else codes)


def write_chromosome(index: int, path: Path) -> None:
    """Writes a chromosome to learn from, all of it or nothing.

    Both ends are left out, where what the oracle says depends on what lies beyond.
    """
    sequence = training_sequence(index)
    arrays = _arrays(encode(sequence), oracle(sequence, WINDOW // BIN))
    half_written = path.with_suffix(".part")
    with half_written.open("wb") as handle:
        np.savez(handle, allow_pickle=False, **arrays)
    half_written.replace(path)


def _arrays(codes: Codes, truth: Truth) -> dict[str, npt.NDArray[np.generic]]:
    """Returns what is kept of a chromosome; positions count from ``REACH``."""
    inner = slice(REACH, len(codes) - REACH)
    width = len(codes) - 2 * REACH
    by_modality = [(t.modality, truth.values[t.id][inner]) for t in base_tracks()]
    everywhere = [values for modality, values in by_modality if modality in _EVERYWHERE]
    others = np.stack([v for modality, v in by_modality if modality not in _EVERYWHERE], axis=1)
    steps = np.diff(others, axis=0, prepend=np.zeros_like(others[:1]))
    places, of_track = np.nonzero(steps)
    bins = slice(REACH // CHIP_RESOLUTION, (REACH + width) // CHIP_RESOLUTION)
    introns = np.stack([truth.junctions.starts, truth.junctions.ends], axis=1) - REACH
    inside = (introns[:, 0] >= 0) & (introns[:, 1] <= width)
    return {
        "codes": codes[inner],
        "everywhere": np.stack(everywhere, axis=1).astype(np.float16),
        "step_places": places.astype(np.int32),
        "step_tracks": of_track.astype(np.uint8),
        "step_sizes": steps[places, of_track],
        "bins": np.stack([truth.values[t.id][bins] for t in bin_tracks()], axis=1).astype(
            np.float16
        ),
        "contacts": truth.contacts[:, REACH // BIN : (REACH + width) // BIN].astype(np.float16),
        "introns": introns[inside],
        "forward": (np.array(truth.junctions.strands) == "+")[inside],
        "reads": truth.junctions.reads[:, inside].astype(np.float32),
    }


def _mutated(codes: Codes, rng: Random) -> Codes:
    changed = codes.copy()
    places = rng.choice(len(codes), len(codes) // MUTATED_ONE_IN, replace=False)
    changed[places] = (codes[places] + rng.integers(1, 4, len(places))) % 4
    return changed


def _random(*parts: int) -> Random:
    return np.random.default_rng([SEED, *parts])
