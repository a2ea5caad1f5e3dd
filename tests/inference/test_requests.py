from __future__ import annotations

import dataclasses
import hashlib
import json

import pytest

from app.errors import BadInputError
from app.inference.requests import Request, sequence_sha256, tracks_to_request
from models.card import ModelCard, Track

REQUEST = Request("m", "w", "s", ("m/CAGE/a/+", "m/CAGE/b/+"), "fp32")


def card(n_tracks: int) -> ModelCard:
    tracks = tuple(
        Track(f"m/CAGE/{i:03}/.", "CAGE", f"{i:03}", ".", 1, "u") for i in range(n_tracks)
    )
    return ModelCard("m", "M", "m", "", "", (), 10, 0, "architecture only", (), tracks)


def test_id_is_the_digest_of_canonical_json() -> None:
    fields = {"kind": "predict", **dataclasses.asdict(REQUEST)}
    text = json.dumps(fields, sort_keys=True, separators=(",", ":"))
    assert REQUEST.id == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    "change",
    [
        {"model": "n"},
        {"weights_hash": "x"},
        {"sequence_sha256": "t"},
        {"tracks": ("m/CAGE/a/+",)},
        {"precision": "bf16"},
    ],
)
def test_every_field_changes_the_id(change: dict[str, object]) -> None:
    assert dataclasses.replace(REQUEST, **change).id != REQUEST.id


def test_json_round_trip() -> None:
    again = Request.from_json(REQUEST.to_json())
    assert again == REQUEST
    assert again.id == REQUEST.id


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"tracks": 3}', REQUEST.to_json()[:-1] + ',"more":1}']
)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        Request.from_json(text)


@pytest.mark.parametrize("tracks", [(), ("b", "a"), ("a", "a")])
def test_tracks_are_canonical(tracks: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="sorted"):
        dataclasses.replace(REQUEST, tracks=tracks)


def test_small_model_computes_all_tracks_at_once() -> None:
    assert tracks_to_request(card(128), ["m/CAGE/005/."]) == tuple(t.id for t in card(128).tracks)


def test_large_model_computes_what_is_wanted() -> None:
    wanted = ["m/CAGE/007/.", "m/CAGE/005/."]
    assert tracks_to_request(card(129), wanted) == ("m/CAGE/005/.", "m/CAGE/007/.")


def test_unknown_track_is_named() -> None:
    with pytest.raises(BadInputError, match="m/CAGE/x"):
        tracks_to_request(card(3), ["m/CAGE/x/."])


def test_sequence_digest_is_that_of_its_letters() -> None:
    assert sequence_sha256("ACGTN") == hashlib.sha256(b"ACGTN").hexdigest()
