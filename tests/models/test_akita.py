"""Weights files that do not describe an Akita network are refused with the reason."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.akita import CROP, Akita, build, load_network
from models.card import WeightsError
from models.registry import CARDS, read_card


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "No data left"),
        (b"PK\x03\x04 cut off", "not a zip file"),
        (b"\x80\x04 a pickle", "pickle"),
    ],
)
def test_what_is_no_npz_is_refused(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "weights.npz"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=f"weights.npz does not hold.*{reason}"):
        load_network(path, 5)


def test_pickled_arrays_are_never_loaded(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, **{"conv_block_1.conv.weight": np.array([print], dtype=object)})
    with pytest.raises(WeightsError, match="allow_pickle=False"):
        load_network(path, 5)


def test_a_missing_array_is_named(tmp_path: Path) -> None:
    path = tmp_path / "weights.npz"
    np.savez(path, other=np.zeros(3, np.float32))
    with pytest.raises(WeightsError, match=r"conv_block_1\.conv\.weight"):
        load_network(path, 5)


def test_a_card_with_more_files_is_refused(tmp_path: Path) -> None:
    model = Akita(read_card(CARDS / "akita-v1"), {"a": tmp_path / "a", "b": tmp_path / "b"})
    with pytest.raises(WeightsError, match="names 2 files"):
        model.load(torch.device("cpu"))


def test_map_has_one_bin_for_2048_bp_less_the_crop() -> None:
    bins = 2 * CROP + 3
    with torch.inference_mode():
        maps = build(2).eval()(torch.zeros(1, 4, bins * 2_048))
    assert maps.shape == (1, 2, 3, 3)
    torch.testing.assert_close(maps, maps.transpose(-1, -2), rtol=0, atol=0)
