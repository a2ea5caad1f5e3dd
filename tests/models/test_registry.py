"""Cards are found and checked without torch; weights are verified before they are loaded."""

from __future__ import annotations

import hashlib
import importlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch

from models.base import SequenceModel
from models.card import WeightsError
from models.registry import (
    TRACK_COLUMNS,
    availability,
    card_problems,
    cards,
    open_model,
    read_card,
    weights_files,
)

CARD = """
id = "toy"
title = "Toy"
family = "toy"
paper = "none"
licence = "MIT"
genomes = ["hg38"]
input_width = 1024
crop = 256
validation = "architecture only"
[[weights]]
name = "toy/weights.bin"
sha256 = "{sha256}"
source = "example.org/toy"
"""
ROW = ("toy/DNASE/a/.", "DNASE", "a", ".", "32", "coverage", "HepG2", "EFO:0001187", "Hep G2|x")
CONTENT = b"numbers"
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def table(*rows: tuple[str, ...], columns: tuple[str, ...] = TRACK_COLUMNS) -> str:
    return "\n".join("\t".join(row) for row in (columns, *rows)) + "\n"


def row(*values: str) -> tuple[str, ...]:
    return (*values, *[""] * (len(TRACK_COLUMNS) - len(values)))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A weights folder with a user's model: its card, its tracks and its weights beside them."""
    home = tmp_path / "mine"
    (home / "toy").mkdir(parents=True)
    (home / "card.toml").write_text(CARD.format(sha256=SHA256))
    (home / "tracks.tsv").write_text(table(row(*ROW)))
    (home / "toy" / "weights.bin").write_bytes(CONTENT)
    return tmp_path


def test_web_process_reads_cards_without_torch():
    code = (
        "import sys; from models.registry import cards, availability;"
        "[availability(c, []) for c in cards([]).values()];"
        "sys.exit('torch' in sys.modules or 'spliceai' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_our_cards_are_sound():
    assert card_problems([]) == ()
    card = cards([])["baskerville-human74"]
    # The 74 targets of the data are 24 CAGE, 10 DNase and 40 RNA-seq.
    assert Counter(t.modality for t in card.tracks) == {"CAGE": 24, "DNASE": 10, "RNA_SEQ": 40}
    assert (card.input_width, card.output_width) == (131072, 65536)


def test_user_model_is_found_beside_ours(folder: Path):
    found = cards([folder])
    assert {"toy", "baskerville-human74"} <= set(found)
    (track,) = found["toy"].tracks
    assert track.resolution == 32
    assert track.summary == "mean"
    assert track.biosample is not None
    assert (track.biosample.curie, track.biosample.synonyms) == ("EFO:0001187", ("Hep G2", "x"))
    assert availability(found["toy"], [folder]) is None
    assert weights_files(found["toy"], [folder]) == {
        "toy/weights.bin": folder / "mine" / "toy" / "weights.bin"
    }


def change_card(old: str, new: str):
    return lambda home: (home / "card.toml").write_text(
        CARD.format(sha256=SHA256).replace(old, new)
    )


def change_table(text: str):
    return lambda home: (home / "tracks.tsv").write_text(text)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda home: (home / "tracks.tsv").unlink(), "tracks.tsv"),
        (change_card('id = "toy"', "id = toy"), "line 2"),
        (change_card('title = "Toy"', ""), "title: Field required"),
        (change_card('id = "toy"', 'id = "my toy"'), "may hold only letters"),
        (change_card("crop = 256", 'crop = 256\ncolour = "red"'), "unknown fields colour"),
        (change_card("crop = 256", "crop = 900"), "leaves nothing"),
        (change_card("architecture only", "trust me"), "validation: Input should be"),
        (change_card("toy/weights.bin", "../weights.bin"), "below the weights folder"),
        (change_table(""), "has no rows"),
        (change_table(table(row(*ROW)[:-1], columns=TRACK_COLUMNS[:-1])), "columns summary"),
        (change_table(table(row(*ROW)[:-1])), "line 2 has 11 columns and its header 12"),
        (change_table(table(row(*ROW), row(*ROW))), "occurs twice"),
        (change_table(table(row("toy/DNASE/b/.", *ROW[1:]))), "must be toy/DNASE/a/."),
        (change_table(table(row("toy/FUN/a/.", "FUN", *ROW[2:]))), "unknown modality 'FUN'"),
        (change_table(table(row(*ROW[:4], "wide", *ROW[5:]))), "tracks.0.resolution"),
        (change_table(table(row("toy/DNASE/a/b/.", "DNASE", "a/b", *ROW[3:]))), "further /"),
    ],
)
def test_broken_user_card_is_named_and_the_others_stay(folder: Path, damage, says: str):
    damage(folder / "mine")
    (problem,) = card_problems([folder])
    assert says in problem
    assert str(folder / "mine") in problem
    assert set(cards([folder])) == set(cards([]))


def test_second_card_with_one_id_is_a_problem(folder: Path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "copy").mkdir()
    for name in ("card.toml", "tracks.tsv"):
        (other / "copy" / name).write_bytes((folder / "mine" / name).read_bytes())
    (problem,) = card_problems([folder, other])
    assert "already has id toy" in problem
    assert cards([folder, other])["toy"].directory == folder / "mine"


def test_missing_weights_say_which_where_and_whence(folder: Path):
    (folder / "mine" / "toy" / "weights.bin").unlink()
    sentence = availability(read_card(folder / "mine"), [folder])
    assert sentence is not None
    assert "toy/weights.bin" in sentence
    assert str(folder) in sentence
    assert "example.org/toy" in sentence


def test_weights_in_a_later_folder_are_found(folder: Path, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    (other / "toy").mkdir()
    (folder / "mine" / "toy" / "weights.bin").rename(other / "toy" / "weights.bin")
    files = weights_files(read_card(folder / "mine"), [folder, other])
    assert files["toy/weights.bin"] == other / "toy" / "weights.bin"


def test_changed_weights_are_refused_although_they_were_right_before(folder: Path):
    card = read_card(folder / "mine")
    path = folder / "mine" / "toy" / "weights.bin"
    assert availability(card, [folder]) is None
    before = path.stat()
    path.write_bytes(b"Numbers")  # of the same size
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
    with pytest.raises(WeightsError) as caught:
        weights_files(card, [folder])
    assert SHA256 in str(caught.value)
    assert hashlib.sha256(b"Numbers").hexdigest() in str(caught.value)


def test_weights_in_a_package_are_found_without_importing_it(
    folder: Path, tmp_path_factory, monkeypatch
):
    site = tmp_path_factory.mktemp("site")
    (site / "toyweights" / "toy").mkdir(parents=True)
    (site / "toyweights" / "__init__.py").write_text("raise ImportError('imported')")
    (site / "toyweights" / "toy" / "weights.bin").write_bytes(CONTENT)
    change_card("crop = 256", 'crop = 256\npackage = "toyweights"')(folder / "mine")
    card = read_card(folder / "mine")
    sentence = availability(card, [folder])
    assert sentence is not None
    assert "package toyweights, which is not installed" in sentence
    monkeypatch.syspath_prepend(site)
    assert weights_files(card, []) == {
        "toy/weights.bin": site / "toyweights" / "toy" / "weights.bin"
    }


@pytest.mark.parametrize(
    ("family", "says"),
    [
        ("nowhere", "no model family nowhere"),
        ("os.path", "no model family os.path"),
        ("../x", "no model family ../x"),
        ("card", "must define one model class, not 0"),
    ],
)
def test_unknown_family_is_refused(folder: Path, family: str, says: str):
    change_card('family = "toy"', f'family = "{family}"')(folder / "mine")
    with pytest.raises(WeightsError) as caught:
        open_model(read_card(folder / "mine"), [folder], torch.device("cpu"))
    assert says in str(caught.value)


@pytest.mark.parametrize("card", cards([]).values(), ids=lambda card: card.id)
def test_card_says_whether_all_layers_have_a_deeplift_rule(card):
    classes = vars(importlib.import_module(f"models.{card.family}")).values()
    (family,) = (
        one
        for one in classes
        if isinstance(one, type)
        and issubclass(one, SequenceModel)
        and one.__module__ == f"models.{card.family}"
    )
    assert card.deep_lift == (family.members is not SequenceModel.members)
