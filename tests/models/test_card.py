"""What a card and its tracks promise, and what they refuse."""

from __future__ import annotations

import dataclasses
import hashlib

import pytest

from models.card import Biosample, ModelCard, Track, WeightsFile, sdk_metadata


def track(**changes) -> Track:
    fields = {
        "id": "toy/DNASE/a/.",
        "modality": "DNASE",
        "name": "a",
        "strand": ".",
        "resolution": 32,
        "unit": "coverage",
    }
    return Track(**(fields | changes))


def card(**changes) -> ModelCard:
    fields = {
        "id": "toy",
        "title": "Toy",
        "family": "toy",
        "paper": "none",
        "licence": "MIT",
        "genomes": ("hg38",),
        "input_width": 1024,
        "crop": 256,
        "validation": "architecture only",
        "weights": (WeightsFile("toy/b.h5", "b" * 64), WeightsFile("toy/a.json", "a" * 64)),
        "tracks": (track(),),
    }
    return ModelCard(**(fields | changes))


def test_output_is_what_the_crop_leaves():
    assert card().output_width == 512
    with pytest.raises(ValueError, match="leaves nothing"):
        card(crop=512)


def test_resolution_divides_the_output():
    with pytest.raises(ValueError, match="48 bp does not divide 512 bp"):
        card(tracks=(track(resolution=48),))


@pytest.mark.parametrize(
    "changes", [{"modality": "DNase"}, {"strand": "*"}, {"resolution": 0}], ids=str
)
def test_track_refuses(changes):
    with pytest.raises(ValueError, match=next(iter(changes))):
        track(**changes)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "a/../../b"])
def test_weights_stay_below_their_folder(name):
    with pytest.raises(ValueError, match="below the weights folder"):
        WeightsFile(name, "0" * 64)


def test_weights_hash_covers_files_and_track_table_but_not_their_order():
    lines = f"toy/a.json:{'a' * 64}\ntoy/b.h5:{'b' * 64}\ntracks.tsv:t"
    with_table = card(tracks_sha256="t")
    assert with_table.weights_hash == hashlib.sha256(lines.encode()).hexdigest()
    turned = dataclasses.replace(with_table, weights=with_table.weights[::-1])
    assert turned.weights_hash == with_table.weights_hash
    assert card(tracks_sha256="u").weights_hash != with_table.weights_hash


def test_biosample_is_known_by_its_curie_or_else_by_its_name():
    assert Biosample("HepG2", "EFO:0001187").key == "EFO:0001187"
    assert Biosample("A172").key == "A172"


def test_metadata_has_the_columns_of_the_sdk():
    mark = track(modality="CHIP_HISTONE", target="H3K27ac", biosample=Biosample("K562", "EFO:1"))
    table = sdk_metadata([mark, track()])
    assert table["name"].tolist() == ["a", "a"]
    assert table["histone_mark"].tolist() == ["H3K27ac", ""]
    assert table["transcription_factor"].tolist() == ["", ""]
    assert table["ontology_curie"].tolist() == ["EFO:1", ""]
    assert table["biosample_name"].tolist() == ["K562", ""]
