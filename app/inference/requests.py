"""What is asked of a model, and the name by which the same question is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import ClassVar, Literal

from pydantic import TypeAdapter

from app.errors import BadInputError
from models.card import ModelCard, Precision

#: A model with at most this many tracks computes all of them at once, so that adding a cell type
#: to the view costs nothing.
ALL_TRACKS = 128

Score = Literal["lfc", "difference"]
Attribution = Literal["gradient", "deeplift"]


@dataclass(frozen=True)
class JobRequest:
    """What every question has.

    Attributes:
        model: Id of the model's card.
        weights_hash: ``ModelCard.weights_hash`` of the weights that must be used.
        sequence_sha256: Hex digest of the bases that the network reads, upper case, in ASCII.
    """

    kind: ClassVar[str]

    model: str
    weights_hash: str
    sequence_sha256: str

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON: equal questions have equal ids."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @property
    def pace(self) -> str:
        """Names the questions that take about as long as this one."""
        return f"{self.model}:{self.kind}"

    def to_json(self) -> str:
        """Returns canonical JSON: sorted keys, no blanks, ASCII."""
        return json.dumps(
            {"kind": self.kind, **asdict(self)}, sort_keys=True, separators=(",", ":")
        )

    @staticmethod
    def from_json(text: str | bytes) -> JobRequest:
        """Reads what ``to_json`` wrote.

        Raises:
            BadInputError: The text is not a request.
        """
        try:
            fields = json.loads(text)
            request = _KINDS[fields.pop("kind")].validate_python(fields)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise BadInputError(f"This is not a request to a model: {error}") from error
        if json.loads(request.to_json()) != json.loads(text):
            raise BadInputError("This is not a request to a model: it has unknown parts.")
        return request


@dataclass(frozen=True)
class Request(JobRequest):
    """One window of one model.

    Attributes:
        tracks: Ids of the tracks to return, sorted.
        precision: Arithmetic to use where the hardware has it.
    """

    kind = "predict"

    tracks: tuple[str, ...]
    precision: Precision

    @property
    def pace(self) -> str:
        """Names the questions that take about as long as this one."""
        return self.model

    def __post_init__(self) -> None:
        if not self.tracks or list(self.tracks) != sorted(set(self.tracks)):
            raise ValueError("tracks must be sorted, without repeats, and at least one")
        if self.precision not in ("bf16", "fp32"):
            raise ValueError(f"precision must be bf16 or fp32, not {self.precision!r}")


@dataclass(frozen=True)
class Readout:
    """One number of a prediction, and how its change is told.

    The number is the mean (``lfc``) or the sum (``difference``) of a track over windows. Of a
    junction track there is one window, the intron, and the number is its reads.

    Attributes:
        track: Track id.
        windows: Bases of the model's output, half-open, counted from where the output starts;
            sorted, apart from each other, and each from edge to edge of bins.
        score: ``lfc``: ``ln(alternate + 0.001) - ln(reference + 0.001)``, the natural logarithm,
            as the gene scorer of AlphaGenome has it; ``difference``: alternate minus reference.
    """

    track: str
    windows: tuple[tuple[int, int], ...]
    score: Score

    def __post_init__(self) -> None:
        edges = [edge for window in self.windows for edge in window]
        if not edges or edges != sorted(set(edges)) or edges[0] < 0:
            raise ValueError("windows must be sorted, apart, not empty, and at least one")

    @property
    def key(self) -> str:
        """Short digest that names it in stored results."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:16]


@dataclass(frozen=True)
class MutagenesisRequest(JobRequest):
    """Every single-base change at some positions, scored for a read-out, in fp32.

    Attributes:
        readout: What is scored.
        positions: 0-based offsets into the sequence, sorted.
    """

    kind = "mutagenesis"

    readout: Readout
    positions: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.positions or list(self.positions) != sorted(set(self.positions)):
            raise ValueError("positions must be sorted, without repeats, and at least one")


@dataclass(frozen=True)
class AttributionRequest(JobRequest):
    """What each base of an interval adds to a read-out, by other means than mutants.

    Attributes:
        readout: What is explained.
        start: First base, a 0-based offset into the sequence.
        end: Exclusive.
        method: How.
        shuffle: Seed of the shuffled sequence that DeepLIFT compares with.
    """

    kind = "attribution"

    readout: Readout
    start: int
    end: int
    method: Attribution
    shuffle: int = 0

    @property
    def pace(self) -> str:
        """Names the questions that take about as long as this one."""
        return f"{self.model}:{self.method}"


@dataclass(frozen=True)
class MotifRequest(JobRequest):
    """Which known motifs the stretches of high contribution look like.

    The sequence is that of the interval alone. No network is run; the model names the workers.

    Attributes:
        contributions: Of each base of the sequence.
        release: Release of JASPAR.
    """

    kind = "motifs"

    contributions: tuple[float, ...]
    release: str


_KINDS = {
    cls.kind: TypeAdapter(cls)
    for cls in (Request, MutagenesisRequest, AttributionRequest, MotifRequest)
}


def sequence_sha256(sequence: str) -> str:
    """Returns the digest that names a sequence in requests and stored results."""
    return hashlib.sha256(sequence.encode("ascii")).hexdigest()


def tracks_to_request(card: ModelCard, wanted: Iterable[str]) -> tuple[str, ...]:
    """Returns the ids of the tracks to compute when some are wanted, sorted.

    Raises:
        BadInputError: The model has no track of that name.
    """
    known = {track.id for track in card.tracks}
    asked = set(wanted)
    if unknown := sorted(asked - known):
        raise BadInputError(f"{card.title} has no track {unknown[0]}.")
    return tuple(sorted(known if len(known) <= ALL_TRACKS else asked))
