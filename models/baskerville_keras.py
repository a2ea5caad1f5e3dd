"""The weights that baskerville saved with Keras; see ``baskerville``."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import h5py
import numpy as np
import torch
from torch import nn

from models.card import WeightsError

#: By kind of Keras layer and name of its weight: our parameter and the order of its axes.
LAYOUT: dict[str, dict[str, tuple[str, tuple[int, ...]]]] = {
    "conv1d": {"kernel": ("weight", (2, 1, 0)), "bias": ("bias", (0,))},
    "dense": {"kernel": ("weight", (1, 0)), "bias": ("bias", (0,))},
    "separable_conv1d": {
        "depthwise_kernel": ("depthwise.weight", (1, 2, 0)),
        "pointwise_kernel": ("pointwise.weight", (2, 1, 0)),
        "bias": ("pointwise.bias", (0,)),
    },
    "batch_normalization": {
        "gamma": ("weight", (0,)),
        "beta": ("bias", (0,)),
        "moving_mean": ("running_mean", (0,)),
        "moving_variance": ("running_var", (0,)),
    },
    "layer_normalization": {"gamma": ("weight", (0,)), "beta": ("bias", (0,))},
    "multihead_attention": {
        "q_layer/kernel": ("query.weight", (1, 0)),
        "k_layer/kernel": ("key.weight", (1, 0)),
        "v_layer/kernel": ("value.weight", (1, 0)),
        "r_k_layer/kernel": ("position.weight", (1, 0)),
        "embedding_layer/kernel": ("embedding.weight", (1, 0)),
        "embedding_layer/bias": ("embedding.bias", (0,)),
        "r_w_bias": ("content_bias", (0, 1, 2, 3)),
        "r_r_bias": ("position_bias", (0, 1, 2, 3)),
    },
    "scale": {"scale": ("weight", (0,))},
}


def keras_layers(file: h5py.File) -> dict[str, list[dict[str, h5py.Dataset]]]:
    """Returns the layers of a Keras model that have weights.

    Keras numbers the layers of one kind in the order in which they were made: ``dense``,
    ``dense_1``, and so on.

    Returns:
        By kind, in that order: each layer's weights by their name within the layer.
    """
    root = file.get("model_weights", file)
    numbered: dict[str, dict[int, dict[str, h5py.Dataset]]] = defaultdict(dict)
    for name in (_text(n) for n in root.attrs["layer_names"]):
        weights = [_text(n) for n in root[name].attrs["weight_names"]]
        kind, _, number = name.rpartition("_")
        if not number.isdecimal():
            kind, number = name, "0"
        if weights:
            numbered[kind.removeprefix("sync_")][int(number)] = {
                w.split("/", 1)[-1].split(":")[0]: root[name][w] for w in weights
            }
    return {kind: [by[n] for n in sorted(by)] for kind, by in numbered.items()}


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def load_keras(network: nn.Module, path: Path) -> None:
    """Copies the weights of a Keras file into the network.

    Raises:
        WeightsError: The file is damaged or holds other layers or shapes than the network.
    """
    ours: dict[str, list[nn.Module]] = defaultdict(list)
    for module in network.modules():
        if kind := getattr(module, "kind", None):
            ours[kind].append(module)
    try:
        with h5py.File(path, "r") as file:
            theirs = keras_layers(file)
            for kind in sorted({*ours, *theirs}):
                n, wanted = len(theirs.get(kind, [])), len(ours[kind])
                if n != wanted:
                    raise WeightsError(
                        f"{path.name} holds {n} {kind} layers; params.json describes {wanted}."
                    )
                for module, weights in zip(ours[kind], theirs.get(kind, []), strict=True):
                    _copy(module, kind, weights)
    except (OSError, KeyError) as error:
        raise WeightsError(f"{path} is not a Keras model that can be read: {error}.") from error


@torch.no_grad()
def _copy(module: nn.Module, kind: str, weights: dict[str, h5py.Dataset]) -> None:
    """Copies the weights of one layer."""
    state = module.state_dict(keep_vars=True)
    for name, (target, axes) in LAYOUT[kind].items():
        if (name in weights) != (target in state):
            raise WeightsError(f"A {kind} layer of model.h5 differs from params.json in {name}.")
        if target not in state:
            continue
        shape = tuple(weights[name].shape[axis] for axis in axes)
        wanted = tuple(state[target].shape)
        if wanted not in (shape, (*shape, 1)):
            raise WeightsError(
                f"A {kind} layer of model.h5 has a {name} of shape {shape}; "
                f"params.json describes {wanted}."
            )
        values = np.ascontiguousarray(weights[name][()].transpose(axes))
        state[target].copy_(torch.from_numpy(values).reshape(wanted))
