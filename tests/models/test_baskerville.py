"""The baskerville family: blocks against Keras, attention and scales against plain numpy."""

from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from models.base import SequenceModel, Substitution
from models.baskerville import Baskerville, untransform
from models.baskerville_keras import load_keras
from models.baskerville_layers import Attention, position_features, relative_to_absolute
from models.baskerville_network import Network, tower_filters
from models.card import ModelCard, Track, WeightsError, WeightsFile

DATA = Path(__file__).parent / "data"

#: The trunk that Borzoi was published with (github.com/calico/borzoi).
BORZOI = {
    "seq_length": 524288,
    "activation": "gelu",
    "norm_type": "batch-sync",
    "bn_momentum": 0.9,
    "kernel_initializer": "lecun_normal",
    "l2_scale": 2.0e-8,
    "trunk": [
        {
            "name": "conv_dna",
            "filters": 512,
            "kernel_size": 15,
            "norm_type": None,
            "activation": "linear",
            "pool_size": 2,
        },
        {
            "name": "res_tower",
            "filters_init": 608,
            "filters_end": 1536,
            "divisible_by": 32,
            "kernel_size": 5,
            "num_convs": 1,
            "pool_size": 2,
            "repeat": 6,
        },
        {
            "name": "transformer_tower",
            "key_size": 64,
            "heads": 8,
            "num_position_features": 32,
            "dropout": 0.2,
            "mha_l2_scale": 1.0e-8,
            "l2_scale": 1.0e-8,
            "kernel_initializer": "he_normal",
            "repeat": 8,
        },
        {"name": "unet_conv", "kernel_size": 3, "upsample_conv": True},
        {"name": "unet_conv", "kernel_size": 3, "upsample_conv": True},
        {"name": "Cropping1D", "cropping": 5120},
        {"name": "conv_nac", "filters": 1920, "dropout": 0.1},
    ],
    "head_human": {"name": "final", "units": 7611, "activation": "softplus"},
    "head_mouse": {"name": "final", "units": 2608, "activation": "softplus"},
}


def keras_params(name: str) -> dict:
    return json.loads((DATA / f"keras_{name}.json").read_text())["model"]


@pytest.mark.parametrize(("name", "tracks"), [("a", 5), ("b", 4)])
def test_blocks_give_what_keras_gives(name: str, tracks: int):
    """The stored outputs are TensorFlow's (see make_keras_networks.py); every block is in them."""
    network = Network(keras_params(name), tracks).eval()
    load_keras(network, DATA / f"keras_{name}.h5")
    stored = np.load(DATA / f"keras_{name}.npz")
    with torch.inference_mode():
        ours = network(torch.tensor(stored["one_hot"], dtype=torch.float32))
    wanted = stored["predicted"].transpose(0, 2, 1)
    assert wanted.std(axis=2).min() > 0.01  # it does depend on the sequence
    np.testing.assert_allclose(ours.numpy(), wanted, rtol=1e-4, atol=1e-5)


def test_borzoi_has_its_published_shape():
    with torch.device("meta"):
        network = Network(BORZOI, 7611).to("meta")
        assert network(torch.empty(2, 524288, 4)).shape == (2, 7611, 6144)
    widths = [m.out_channels for m in network.modules() if getattr(m, "kind", "") == "conv1d"]
    assert widths == [512, 608, 736, 896, 1056, 1280, 1536, 1920]


def test_filters_grow_geometrically_in_multiples():
    # The widths in the published weights of baskerville_human74 and of Borzoi.
    assert tower_filters(80, 128, None, 8, 6) == [80, 88, 96, 104, 120, 128]
    assert tower_filters(608, 1536, None, 32, 6) == [608, 736, 896, 1056, 1280, 1536]
    assert tower_filters(10, None, 2.0, 1, 3) == [10, 20, 40]
    assert tower_filters(10, 20, None, 1, 1) == [10]


def test_position_features_mark_the_centre_and_its_sides():
    features = position_features(4, 4).numpy()
    # (4 + 1) ** (k / 2) - 1 is 1.24 and 4, so |d| <= 1 and |d| <= 3.
    distances = range(-3, 4)
    central = [[abs(d) <= 1, abs(d) <= 3] for d in distances]
    signed = [[np.sign(d) * c for c in row] for d, row in zip(distances, central, strict=True)]
    np.testing.assert_array_equal(features, np.concatenate([central, signed], axis=1))


def test_distances_become_keys():
    length = 5
    x = torch.arange(2 * length * (2 * length - 1)).reshape(2, length, 2 * length - 1)
    out = relative_to_absolute(x, length)
    for i in range(length):
        for j in range(length):
            assert (out[:, i, j] == x[:, i, j - i + length - 1]).all()


def test_attention_of_some_positions_is_that_of_all():
    torch.manual_seed(2)
    layer = Attention(channels=6, length=9, heads=2, key_size=4, n_features=6).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(2, 6, 9, dtype=torch.float64)
    whole = layer(x)
    for span in ((0, 9), (0, 1), (8, 9), (3, 7)):
        torch.testing.assert_close(layer(x, span), whole[..., slice(*span)], rtol=1e-12, atol=0)


def test_attention_is_the_sum_written_out():
    torch.manual_seed(0)
    layer = Attention(channels=6, length=5, heads=2, key_size=4, n_features=6).double()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter)
    x = torch.randn(3, 6, 5, dtype=torch.float64)
    weight = {k: v.detach().numpy() for k, v in layer.state_dict().items()}
    features = position_features(5, 6).numpy().astype(np.float64)
    out = np.zeros((3, 5, 6))
    for b in range(3):
        sequence = x[b].numpy().T
        for h in range(2):
            keys, values = slice(4 * h, 4 * h + 4), slice(3 * h, 3 * h + 3)
            q = sequence @ weight["query.weight"][keys].T / np.sqrt(4)
            k = sequence @ weight["key.weight"][keys].T
            v = sequence @ weight["value.weight"][values].T
            r = features @ weight["position.weight"][keys].T
            u, w = weight["content_bias"][0, h, 0], weight["position_bias"][0, h, 0]
            for i in range(5):
                logits = [(q[i] + u) @ k[j] + (q[i] + w) @ r[j - i + 4] for j in range(5)]
                attended = np.exp(logits - np.max(logits))
                out[b, i, values] = attended / attended.sum() @ v
    out = out @ weight["embedding.weight"].T + weight["embedding.bias"]
    np.testing.assert_allclose(layer(x).detach().numpy(), out.transpose(0, 2, 1), rtol=1e-9)


def forward_new(coverage, clip_soft, scale, power):
    y = (1 + scale * coverage) ** power - 1
    return np.where(y > clip_soft, clip_soft - 1 + np.sqrt(np.maximum(y - clip_soft + 1, 0)), y)


def forward_old(coverage, clip_soft, scale, power):
    y = coverage**power
    return scale * np.where(y > clip_soft, clip_soft + np.sqrt(np.maximum(y - clip_soft, 0)), y)


@pytest.mark.parametrize("old", [False, True])
@pytest.mark.parametrize(
    ("clip_soft", "scale", "power"),
    [(64, 1.0, 0.5), (64, 0.3, 0.5), (32, 2.0, 1.0), (64, 0.02, 0.75), (np.inf, 0.3, 0.75)],
)
def test_untransform_inverts_the_making_of_targets(clip_soft, scale, power, old):
    coverage = np.concatenate([[0, 0.01, 1], np.geomspace(2, 1e5, 60)])
    forward = forward_old if old else forward_new
    made = forward(coverage, clip_soft, scale, power)
    if np.isfinite(clip_soft):
        assert made[-1] > (clip_soft * scale if old else clip_soft)  # the soft clip is reached
    numbers = {"clip_soft": clip_soft, "scale": scale, "power": power}
    back = untransform(
        torch.from_numpy(made),
        **{k: torch.tensor(v, dtype=torch.float64) for k, v in numbers.items()},
        old=old,
    )
    np.testing.assert_allclose(back.numpy(), coverage, rtol=1e-8, atol=1e-9)


def test_stored_values_of_single_reads_become_reads():
    """Peaks of the stored targets: one CAGE read is 0.41; one GTEx read over a bin is 0.28."""
    cage, gtex = (
        untransform(
            torch.tensor(value),
            clip_soft=torch.tensor(64.0),
            scale=torch.tensor(scale),
            power=torch.tensor(0.5),
        )
        for value, scale in ((0.41, 1.0), (0.28, 0.02))
    )
    assert cage.item() == pytest.approx(1, abs=0.02)
    assert gtex.item() == pytest.approx(32, abs=0.7)


def params_with(trunk: list | None = None, **changes) -> dict:
    params = keras_params("b")
    return params | ({"trunk": trunk} if trunk is not None else {}) | changes


@pytest.mark.parametrize(
    ("params", "says"),
    [
        (params_with([{"name": "upper_tri"}]), "the block upper_tri is not supported"),
        (
            params_with([{"name": "conv_dna", "filters": 4, "se": True}]),
            "the block conv_dna has the option se",
        ),
        (
            params_with(
                [{"name": "conv_tower", "filters_init": 4, "repeat": 1, "pool_type": "softmax"}]
            ),
            "the block conv_block has the option pool_type",
        ),
        (params_with([{"name": "conv_dna"}]), "filters"),
        (
            params_with([{"name": "conv_dna", "filters": 4, "pool_size": 3}]),
            "pooling by 3 does not divide 64",
        ),
        (params_with([{"name": "unet_conv"}]), "no earlier block has length 128"),
        (params_with(activation="swish"), "the activation swish"),
        (params_with(norm_type="group"), "the norm_type group"),
        (params_with(padding="valid"), "padding"),
        (params_with(head={"name": "final", "units": 9}), "lists 4 tracks, the heads of .* 9"),
    ],
)
def test_what_is_unknown_is_named(params: dict, says: str):
    with pytest.raises(WeightsError, match=says):
        Network(params, 4)


@pytest.fixture
def model(tmp_path: Path) -> Baskerville:
    """Network b as a model of four tracks."""
    for suffix in ("json", "h5"):
        shutil.copy(DATA / f"keras_b.{suffix}", tmp_path / f"b.{suffix}")
    (tmp_path / "tracks.tsv").write_text(
        "clip_soft\tscale\tsum_stat\ttransform\n"
        "64\t1\tsum_sqrt\tnew\n"
        "3\t0.3\tsum\tnew\n"
        "32\t2\tmean\tnew\n"
        "\t1\tsum_exp75\tnew\n"
    )
    tracks = tuple(
        Track(f"b/CAGE/{n}/.", "CAGE", n, ".", resolution=4, unit="coverage") for n in "pqrs"
    )
    card = ModelCard(
        id="b",
        title="B",
        family="baskerville",
        paper="none",
        licence="none",
        genomes=("hg38",),
        input_width=64,
        crop=0,
        validation="upstream code",
        weights=(WeightsFile("b.json", ""), WeightsFile("b.h5", "")),
        tracks=tracks,
        directory=tmp_path,
    )
    return Baskerville(card, {n: tmp_path / n for n in ("b.json", "b.h5")})


def test_predict_returns_the_asked_tracks_in_coverage(model: Baskerville):
    model.load(torch.device("cpu"))
    stored = np.load(DATA / "keras_b.npz")
    one_hot = torch.tensor(stored["one_hot"], dtype=torch.float32)
    q, s = model.card.tracks[1], model.card.tracks[3]
    with torch.inference_mode():
        found = model.predict(one_hot, [s, q])
    assert list(found) == [s.id, q.id]
    # The second track's values lie on both sides of its soft clip at 3; the fourth has none.
    second, fourth = stored["predicted"][..., 1], stored["predicted"][..., 3]
    assert second.min() < 3 < second.max()
    unclipped = np.where(second > 3, 2 + (second - 2) ** 2, second)
    np.testing.assert_allclose(found[q.id], unclipped / 0.3, rtol=1e-4)
    np.testing.assert_allclose(found[s.id], (1 + fourth) ** (4 / 3) - 1, rtol=1e-4)


def test_batch_gives_the_same_numbers(model: Baskerville):
    model.load(torch.device("cpu"))
    one_hot = torch.nn.functional.one_hot(torch.randint(4, (3, 64)), 4).float()
    with torch.inference_mode():
        together = model.predict_training_scale(one_hot)
        alone = torch.cat([model.predict_training_scale(x[None]) for x in one_hot])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def damage_h5(change):
    def damage(folder: Path) -> None:
        with h5py.File(folder / "b.h5", "r+") as file:
            change(file["model_weights"])

    return damage


def drop_dense(weights: h5py.Group) -> None:
    names = [n for n in weights.attrs["layer_names"] if n not in ("dense", b"dense")]
    weights.attrs["layer_names"] = names


def widen_dense(weights: h5py.Group) -> None:
    del weights["dense/dense/bias:0"]
    weights["dense/dense/bias:0"] = np.zeros(3, np.float32)


def rewrite(old: str, new: str):
    def damage(folder: Path) -> None:
        path = folder / ("b.json" if old in (folder / "b.json").read_text() else "tracks.tsv")
        path.write_text(path.read_text().replace(old, new, 1))

    return damage


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda f: (f / "b.h5").write_bytes(b"not hdf5"), "not a Keras model"),
        (lambda f: (f / "b.json").write_text("{"), "cannot be read"),
        (lambda f: (f / "b.json").write_text("{}"), "cannot be read: KeyError"),
        (damage_h5(drop_dense), "b.h5 holds 5 dense layers; params.json describes 6"),
        (damage_h5(widen_dense), r"dense layer .* bias of shape \(3,\)"),
        (rewrite('"seq_length": 64', '"seq_length": 128'), "describes 128 bp and 32 bins"),
        (rewrite("sum_exp75", "peak"), "'peak'"),
        (rewrite("\tsum\tnew", "\tsum\told"), "mixes the old and the new"),
        (rewrite("sum_stat\ttransform", "sum_stat\tother"), "lacks the columns transform"),
    ],
)
def test_damaged_files_are_refused_with_a_reason(model: Baskerville, damage, says: str):
    damage(model.card.directory)
    with pytest.raises(WeightsError, match=says):
        model.load(torch.device("cpu"))


def test_files_must_be_one_json_and_one_h5(model: Baskerville):
    card = dataclasses.replace(model.card, weights=model.card.weights[:1])
    with pytest.raises(WeightsError, match=r"must have one \.h5 file"):
        Baskerville(card, {"b.json": model.files["b.json"]}).load(torch.device("cpu"))


@pytest.mark.parametrize("windows", [[(0, 64)], [(0, 4)], [(20, 28), (60, 64)]])
def test_changed_bases_give_in_stages_what_full_passes_give(model: Baskerville, windows):
    """Every base of the sequence, whose ends are near to everything in so short a network."""
    model.load(torch.device("cpu"))
    torch.manual_seed(3)
    one_hot = torch.nn.functional.one_hot(torch.randint(4, (1, 64)), 4).float()
    one_hot[0, 40:43] = 0
    changes = [Substitution(position, base) for position in range(64) for base in range(4)]
    tracks = [model.card.tracks[3], model.card.tracks[0]]
    for some in (changes, changes[:3], []):
        with torch.inference_mode():
            fast = model.predict_substitutions(one_hot, some, tracks, windows)
            slow = SequenceModel.predict_substitutions(model, one_hot, some, tracks, windows)
        assert list(fast) == [track.id for track in tracks]
        for name, wanted in slow.items():
            torch.testing.assert_close(fast[name], wanted, rtol=1e-5, atol=1e-5)
