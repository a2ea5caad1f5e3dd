"""Makes ``data/keras_*.{json,h5,npz}``: small networks as Keras computes them.

Not run by the tests, which need no TensorFlow: ``pip install tensorflow-cpu==2.15.1``, then
``python tests/models/make_keras_networks.py``. The layers are chained in the order of baskerville's
block functions (github.com/calico/baskerville, ``blocks.py`` and ``layers.py``); all weights are
random, the moving averages included. The network of ``params.json`` is written out by hand below,
so that it does not share the reading of options with what is tested.
"""

import json
from pathlib import Path

import numpy as np
import tensorflow as tf

K = tf.keras.layers
DATA = Path(__file__).parent / "data"

TRUNK_A = [
    {"name": "conv_dna", "filters": 6, "kernel_size": 5, "norm_type": "batch", "pool_size": 2},
    {
        "name": "conv_tower",
        "filters_init": 6,
        "filters_mult": 1.3,
        "divisible_by": 2,
        "kernel_size": 4,
        "pool_size": 2,
        "repeat": 3,
    },
    {"name": "transformer", "key_size": 3, "heads": 2},
    {"name": "unet_concat", "kernel_size": 3},
    {"name": "conv_nac", "kernel_size": 3, "dilation_rate": 2, "residual": True, "dropout": 0.1},
    {"name": "Cropping1D", "cropping": [1, 2]},
]
TRUNK_B = [
    {"name": "conv_dna", "filters": 6, "kernel_size": 3, "residual": True},
    {
        "name": "res_tower",
        "filters_init": 6,
        "filters_end": 12,
        "divisible_by": 2,
        "kernel_size": 5,
        "num_convs": 2,
        "repeat": 3,
    },
    {
        "name": "transformer_tower",
        "key_size": 4,
        "heads": 3,
        "num_position_features": 6,
        "dense_expansion": 1.5,
        "repeat": 2,
    },
    {"name": "unet_conv", "kernel_size": 3},
    {"name": "conv_block", "filters": 8, "kernel_size": 3, "norm_type": None},
]


class MultiheadAttention(K.Layer):
    """Attention with content and position biases; weights named as baskerville names them."""

    def __init__(self, width, heads, key_size, n_features):
        super().__init__()
        dense = K.Dense
        self.h, self.k, self.n = heads, key_size, n_features
        self.q = dense(heads * key_size, use_bias=False, name="q_layer")
        self.kl = dense(heads * key_size, use_bias=False, name="k_layer")
        self.v = dense(width, use_bias=False, name="v_layer")
        self.r = dense(heads * key_size, use_bias=False, name="r_k_layer")
        self.o = dense(width, name="embedding_layer")
        shape = [1, heads, 1, key_size]
        self.w_bias = self.add_weight(f"{self.name}/r_w_bias", shape=shape)
        self.r_bias = self.add_weight(f"{self.name}/r_r_bias", shape=shape)

    def call(self, x):
        n = x.shape[1]
        q = tf.reshape(self.q(x), [-1, n, self.h, self.k]) * self.k**-0.5
        k = tf.reshape(self.kl(x), [-1, n, self.h, self.k])
        v = tf.reshape(self.v(x), [-1, n, self.h, x.shape[-1] // self.h])
        # One row of features for every pair of positions; slow, and without any shifting.
        d = np.arange(n)[None, :] - np.arange(n)[:, None]
        half = self.n // 2
        widths = (n + 1) ** (np.arange(1, half + 1) / half) - 1
        central = (widths > np.abs(d)[..., None]).astype(np.float32)
        pairs = np.concatenate([central, np.sign(d)[..., None] * central], -1).astype(np.float32)
        r = tf.reshape(self.r(tf.constant(pairs)), [n, n, self.h, self.k])
        w_bias, r_bias = self.w_bias[:, :, 0][:, None], self.r_bias[:, :, 0][:, None]
        logits = tf.einsum("bihk,bjhk->bhij", q + w_bias, k)
        logits += tf.einsum("bihk,ijhk->bhij", q + r_bias, r)
        out = tf.einsum("bhij,bjhv->bihv", tf.nn.softmax(logits), v)
        return self.o(tf.reshape(out, [-1, n, x.shape[-1]]))


class Scale(K.Layer):
    """A learned factor a channel."""

    def build(self, shape):
        self.scale = self.add_weight("scale", shape=[shape[-1]])

    def call(self, x):
        return x * self.scale


def gelu(x):
    return tf.keras.activations.gelu(x, approximate=True)


def conv(x, filters, width, *, bias=True, dilation=1):
    return K.Conv1D(filters, width, padding="same", use_bias=bias, dilation_rate=dilation)(x)


def dense_part(x, hidden):
    y = K.LayerNormalization()(x)
    y = K.Dense(hidden)(y)
    y = K.ReLU()(y)
    return x + K.Dense(x.shape[-1])(y)


def network_a(sequence):
    """``TRUNK_A`` with gelu and batch normalisation."""
    x = conv(sequence, 6, 5, bias=False)
    x = K.MaxPool1D(2)(gelu(K.BatchNormalization()(x)))
    lengths = []
    for filters in (6, 8, 10):  # 6, 7.8 and 10.14, rounded to even numbers
        x = K.BatchNormalization()(conv(gelu(x), filters, 4, bias=False))
        x = K.MaxPool1D(2)(x)
        lengths.append(x)
    x += MultiheadAttention(10, 2, 3, 4)(K.LayerNormalization()(x))  # value size 5: 4 features
    x = dense_part(x, 20)
    skip = lengths[1]
    up = K.BatchNormalization()(x)
    side = K.BatchNormalization()(skip)
    y = K.Concatenate()([side, K.UpSampling1D(2)(up)])
    y = gelu(K.Dense(12)(gelu(y)))
    x = skip + conv(y, 8, 3)
    x += conv(gelu(K.BatchNormalization()(x)), 8, 3, dilation=2)
    x = gelu(K.Cropping1D((1, 2))(x))
    return K.Dense(5, activation="softplus")(x)


def network_b(sequence):
    """``TRUNK_B`` with relu and layer normalisation; its head is a list of two blocks."""
    x = conv(sequence, 6, 3, bias=False)
    y = conv(K.ReLU()(K.LayerNormalization()(x)), 6, 1)
    x += Scale()(y)
    lengths = []
    for filters in (6, 8, 12):  # 6, 8.49 and 12, rounded to even numbers
        x = conv(K.ReLU()(K.LayerNormalization()(x)), filters, 5)
        y = conv(K.ReLU()(K.LayerNormalization()(x)), filters, 1)
        x += Scale()(y)
        lengths.append(x)
        x = K.MaxPool1D(2)(x)
    for _ in range(2):
        x += MultiheadAttention(12, 3, 4, 6)(K.LayerNormalization()(x))
        x = dense_part(x, 18)
    skip = lengths[2]
    up = K.ReLU()(K.LayerNormalization()(x))
    side = K.ReLU()(K.LayerNormalization()(skip))
    x = K.UpSampling1D(2)(up) + K.Dense(12)(side)
    x = K.SeparableConv1D(12, 3, padding="same")(x)
    x = K.ReLU()(conv(K.ReLU()(x), 8, 3))
    x = conv(K.ReLU()(K.LayerNormalization()(x)), 7, 1)
    return K.Dense(4)(x)


def make(name, model, network, seed):
    tf.keras.backend.clear_session()
    rng = np.random.default_rng(seed)
    sequence = tf.keras.Input((model["seq_length"], 4))
    keras = tf.keras.Model(sequence, network(sequence))
    for weight in keras.weights:
        values = rng.normal(0, 0.5, weight.shape)
        weight.assign(1 + 0.3 * np.abs(values) if "variance" in weight.name else values)
    one_hot = np.eye(5, 4, dtype=np.float32)[rng.integers(0, 5, (2, model["seq_length"]))]
    DATA.mkdir(exist_ok=True)
    np.savez_compressed(
        DATA / f"{name}.npz", one_hot=one_hot.astype(np.uint8), predicted=keras(one_hot).numpy()
    )
    keras.save(DATA / f"{name}.h5", include_optimizer=False)
    (DATA / f"{name}.json").write_text(json.dumps({"model": model}, indent=1) + "\n")


if __name__ == "__main__":
    make(
        "keras_a",
        {
            "seq_length": 128,
            "activation": "gelu",
            "norm_type": "batch",
            "trunk": TRUNK_A,
            "head_human": {"name": "final", "units": 5, "activation": "softplus"},
            "head_mouse": {"name": "final", "units": 3, "activation": "softplus"},
        },
        network_a,
        1,
    )
    make(
        "keras_b",
        {
            "seq_length": 64,
            "activation": "relu",
            "norm_type": "layer",
            "trunk": TRUNK_B,
            "head": [
                {"name": "conv_nac", "filters": 7},
                {"name": "final", "units": 4, "activation": "linear"},
            ],
        },
        network_b,
        2,
    )
