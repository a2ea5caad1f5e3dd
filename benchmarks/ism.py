"""How long in silico mutagenesis takes by the teaching model, and how much the stages save.

    python -m benchmarks.ism

Times 24 changes of 8 bases in stages and 3 full passes, in seconds of CPU on one thread, which
other work on the machine changes least, and tells what 200 bp take on two quiet cores.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch

from app.inference.compute import one_hot
from models.base import SequenceModel, Substitution
from models.registry import cards, open_model
from models.teaching.stories import teach1

#: The middle of the input is the variant of the first story.
START = 696_358 - 65_536
WINDOWS = [(48_128, 50_176)]
FULL_PASSES = 3
BASES = 200
#: Bases of a job: after the first one there are letters.
JOB = 4


def seconds(work: Callable[[], object]) -> float:
    """Returns the CPU time of one call."""
    begun = time.process_time()
    work()
    return time.process_time() - begun


def main() -> None:
    """Prints the table."""
    torch.set_num_threads(1)
    card = cards([])["teaching"]
    model = open_model(card, [], torch.device("cpu"))
    text = teach1("chrT1").sequence[START : START + card.input_width]
    encoded = one_hot(text)
    tracks = [track for track in card.tracks if track.name == "thymocyte-ATAC"]
    changes = [
        Substitution(at, base)
        for at in range(65_508, 65_572, 8)
        for base in range(4)
        if "ACGT"[base] != text[at]
    ]
    with torch.inference_mode():
        alone = seconds(lambda: model.predict_substitutions(encoded, [], tracks, WINDOWS))
        staged = seconds(lambda: model.predict_substitutions(encoded, changes, tracks, WINDOWS))
        some = changes[: FULL_PASSES - 1]
        full = seconds(
            lambda: SequenceModel.predict_substitutions(model, encoded, some, tracks, WINDOWS)
        )
    each, whole = staged / len(changes), full / FULL_PASSES
    print(f"full pass                {whole:8.3f} s of CPU a change")
    print(f"in stages                {each:8.3f} s of CPU a change, {whole / each:.1f} times less")
    print(f"unchanged sequence       {alone:8.3f} s of CPU, once")
    print(f"first letters            {(alone + JOB * 3 * each) / 2:8.1f} s on two cores at best")
    print(f"{BASES} bp on two cores      {(alone + BASES * 3 * each) / 2:8.1f} s at best")


if __name__ == "__main__":
    main()
