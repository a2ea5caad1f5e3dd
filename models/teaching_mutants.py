"""Pairs of windows that differ in some bases, from which the teaching network learns of changes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from models.teaching.contacts import BIN
from models.teaching.motifs import Codes, Ints, decode
from models.teaching.oracle import oracle
from models.teaching.samples import Sample, base_tracks, bin_tracks
from models.teaching.simulate import Random
from models.teaching.tracks import CHIP_RESOLUTION

#: A window without changes, and with them.
Pair = tuple[Sample, Sample]

#: One base in so many is changed.
CHANGED_ONE_IN = 1_300
#: ChIP signal that is certainly bound.
BOUND = 3.0
#: CAGE at a base in which transcription starts.
STARTED = 0.3
#: Where bases are changed around the ends of introns, and around starts of transcription.
AT_INTRON, AT_START = (-40, 40), (-100, 101)
#: Reads from which an intron is used, and the part of the changes that break its first or last two
#: bases, without which there is no site.
USED, BREAKING = 0.5, 10


def mutant(sample: Sample, rng: Random) -> Pair:
    """Changes bases, a third of them anywhere, the others where changes matter.

    Returns:
        The window without and with the changes, both as the oracle reads them without their
        surroundings. Contacts are still those of the argument.
    """
    codes = sample.codes.copy()
    places = _places(sample, rng)
    codes[places] = (codes[places] + rng.integers(1, 4, len(places))) % 4
    return _read(sample, sample.codes), _read(sample, codes)


def _places(sample: Sample, rng: Random) -> Ints:
    length = len(sample.codes)
    count = length // CHANGED_ONE_IN
    is_factor = [t.modality == "CHIP_TF" for t in bin_tracks()]
    is_start = [t.modality == "CAGE" for t in base_tracks()]
    bound = np.flatnonzero(sample.bins[:, is_factor].max(1) >= BOUND) * CHIP_RESOLUTION
    starts = np.flatnonzero(sample.bases[:, is_start].max(1) >= STARTED)
    found = [rng.integers(0, length, count // 3)]
    for where, (low, high), part in (
        (bound, (0, CHIP_RESOLUTION), 3),
        (sample.introns.ravel(), AT_INTRON, 6),
        (starts, AT_START, 6),
    ):
        if len(where):
            chosen = rng.choice(where, count // part)
            found.append(chosen + rng.integers(low, high, len(chosen)))
    used = sample.introns[sample.reads.max(0, initial=0) > USED]
    if len(used):
        broken = rng.choice(used, count // BREAKING)
        at_start = rng.random(len(broken)) < 0.5
        end = np.where(at_start, broken[:, 0], broken[:, 1] - 2)
        found.append(end + rng.integers(0, 2, len(broken)))
    places = np.unique(np.concatenate(found))
    return places[(places >= 0) & (places < length)]


def _read(sample: Sample, codes: Codes) -> Sample:
    truth = oracle(decode(codes), len(codes) // BIN)
    values, found = truth.values, truth.junctions
    inside = (found.starts > 0) & (found.ends < len(codes))
    return replace(
        sample,
        codes=codes,
        introns=np.stack([found.starts, found.ends], axis=1)[inside],
        forward=(np.array(found.strands) == "+")[inside],
        reads=found.reads[:, inside].astype(np.float32),
        bases=np.stack([values[t.id] for t in base_tracks()], axis=1).astype(np.float32),
        bins=np.stack([values[t.id] for t in bin_tracks()], axis=1).astype(np.float32),
    )
