"""What is asked of a model, and the name by which the same question is recognised."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cached_property

from app.errors import BadInputError
from models.card import ModelCard, Precision

#: A model with at most this many tracks computes all of them at once, so that adding a cell type
#: to the view costs nothing.
ALL_TRACKS = 128


@dataclass(frozen=True)
class Request:
    """One window of one model.

    Attributes:
        model: Id of the model's card.
        weights_hash: ``ModelCard.weights_hash`` of the weights that must be used.
        sequence_sha256: Hex digest of the bases that the network reads, upper case, in ASCII.
        tracks: Ids of the tracks to return, sorted.
        precision: Arithmetic to use where the hardware has it.
    """

    model: str
    weights_hash: str
    sequence_sha256: str
    tracks: tuple[str, ...]
    precision: Precision

    def __post_init__(self) -> None:
        if not self.tracks or list(self.tracks) != sorted(set(self.tracks)):
            raise ValueError("tracks must be sorted, without repeats, and at least one")
        if self.precision not in ("bf16", "fp32"):
            raise ValueError(f"precision must be bf16 or fp32, not {self.precision!r}")

    @cached_property
    def id(self) -> str:
        """SHA-256 of the canonical JSON: equal questions have equal ids."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Returns canonical JSON: sorted keys, no blanks, ASCII."""
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str | bytes) -> Request:
        """Reads what ``to_json`` wrote.

        Raises:
            BadInputError: The text is not a request.
        """
        try:
            fields = json.loads(text)
            return cls(**{**fields, "tracks": tuple(fields["tracks"])})
        except (ValueError, TypeError, KeyError) as error:
            raise BadInputError(f"This is not a request to a model: {error}") from error


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
