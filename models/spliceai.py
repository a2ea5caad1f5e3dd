"""SpliceAI (Jaganathan et al., Cell 2019): splice sites from sequence, and effects of variants.

The network is fully convolutional: a 1x1 convolution, four groups of four residual blocks of two
dilated convolutions each, a 1x1 skip connection from the start and from the end of every group,
and a softmax over none, acceptor and donor. The published predictor is the mean of five networks.

**Receptive field.** A convolution with ``k`` taps and dilation ``d`` reaches ``d * (k - 1) / 2``
bases to either side. Eight convolutions each of reach 5, 20, 100 and 500 make 5,000. The authors
pad each convolution to keep its length and cut 5,000 bases off either end afterwards; convolutions
without padding give the same numbers for the bases that are left, and less work.

**Variants.** After convolutions of total reach ``r`` the activations differ from those of the
reference only within ``r`` of the changed bases (*affected*), and the output window depends only
on activations within ``5000 - r`` of itself (*needed*). ``Network.alternates`` computes the
intersection alone, and takes what else a convolution reads from the activations of one pass over
the reference, which all variants of a region share. For a substitution and a window of 101 bases
the intersection is 3 to 5,001 positions wide, widest after the third convolution of dilation 25,
so that the alternate pass needs about a sixth of the multiplications of a full pass. To the right
of an insertion or deletion the reference activations are the same ones, shifted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import NamedTuple, cast

import h5py
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from models.base import Member, SequenceModel, Substitution, Window
from models.card import Track, WeightsError
from models.edit import Edit

#: Taps and dilation of the convolutions in each group of blocks.
GROUPS = ((11, 1), (11, 4), (21, 10), (41, 25))
BLOCKS_PER_GROUP = 4
CHANNELS = 32
#: Bases on either side of a position that decide its output.
CONTEXT = 5000
#: Of every normalisation.
EPSILON = 1e-3
#: Output channels.
NONE, ACCEPTOR, DONOR = range(3)
#: Alternates computed at once; more do not make a CPU faster, and each takes about 2 MB.
BATCH = 8


class Span(NamedTuple):
    """A half-open interval of offsets."""

    start: int
    end: int

    def grown(self, by: int) -> Span:
        """Returns the span with ``by`` more offsets at either end."""
        return Span(self.start - by, self.end + by)

    def within(self, outer: Span) -> Span:
        """Returns the part inside ``outer``; empty at the nearer end of it if there is none."""
        start, end = np.clip(self, *outer).tolist()
        return Span(start, end)

    @property
    def width(self) -> int:
        """Number of offsets."""
        return self.end - self.start


def _cropped(x: Tensor, by: int) -> Tensor:
    """Cuts ``by`` positions off either end of the last axis."""
    return x[..., by : x.shape[-1] - by]


class Block(nn.Module):
    """A residual block: twice normalisation, ReLU and a dilated convolution without padding.

    The second normalisation is folded into the first convolution when weights are loaded. Each ReLU
    is a module of its own, because rules of DeepLIFT are kept by module.

    Attributes:
        reach: Positions to either side that one of the two convolutions reads.
    """

    def __init__(self, taps: int, dilation: int) -> None:
        super().__init__()
        self.reach = dilation * (taps - 1) // 2
        self.norm = nn.BatchNorm2d(CHANNELS, eps=EPSILON)
        self.conv1 = nn.Conv2d(CHANNELS, CHANNELS, (1, taps), dilation=(1, dilation))
        self.conv2 = nn.Conv2d(CHANNELS, CHANNELS, (1, taps), dilation=(1, dilation))
        self.relu1 = nn.ReLU()
        self.relu2 = nn.ReLU()

    def hidden(self, x: Tensor) -> Tensor:
        """Returns what the second convolution reads; shorter than ``x`` by twice the reach."""
        y: Tensor = self.relu2(self.conv1(self.relu1(self.norm(x))))
        return y

    def output(self, x: Tensor, hidden: Tensor) -> Tensor:
        """Adds the second convolution of ``hidden`` to as much of the middle of ``x``."""
        y: Tensor = self.conv2(hidden)
        return _cropped(x, (x.shape[-1] - y.shape[-1]) // 2) + y


class State(NamedTuple):
    """Activations of the reference before a block and between its two convolutions."""

    x: Tensor
    hidden: Tensor


class Reference(NamedTuple):
    """What ``Network.alternates`` needs of the pass over the reference sequence.

    Attributes:
        states: One a block; the first position of an array is as many bases from the start of the
            sequence as the convolutions before it reach.
        last: The output of the last block.
        logits: Shape (1, 3, 1, length - 10,000).
    """

    states: list[State]
    last: Tensor
    logits: Tensor


class Network(nn.Module):
    """One of the five networks. Activations have shape (batch, channels, 1, length)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(4, CHANNELS, 1)
        self.blocks = nn.ModuleList(Block(*g) for g in GROUPS for _ in range(BLOCKS_PER_GROUP))
        self.skips = nn.ModuleList(nn.Conv2d(CHANNELS, CHANNELS, 1) for _ in range(len(GROUPS) + 1))
        self.head = nn.Conv2d(CHANNELS, 3, 1)
        self.softmax = nn.Softmax(1)

    def layers(self) -> Iterator[tuple[Block, nn.Module | None]]:
        """Yields each block with the skip connection that reads the same, if there is one."""
        for index, block in enumerate(self.blocks):
            group, rest = divmod(index, BLOCKS_PER_GROUP)
            yield cast(Block, block), None if rest else self.skips[group]

    def forward(self, one_hot: Tensor) -> Tensor:
        """Returns logits for all but the outer ``CONTEXT`` positions at either end."""
        return self.reference(one_hot, keep=False).logits

    def reference(self, one_hot: Tensor, keep: bool = True) -> Reference:
        """Computes logits, and keeps the activations that ``alternates`` reads if asked to."""
        x: Tensor = self.stem(one_hot)
        total = torch.zeros((), device=x.device)
        states, width = [], one_hot.shape[-1] - 2 * CONTEXT
        for block, skip in self.layers():
            if skip:
                total = total + skip(_cropped(x, (x.shape[-1] - width) // 2))
            hidden = block.hidden(x)
            if keep:
                states.append(State(x, hidden))
            x = block.output(x, hidden)
        return Reference(states, x, self.head(total + self.skips[-1](x)))

    def alternates(self, reference: Reference, one_hot: Tensor, edits: Sequence[Edit]) -> Tensor:
        """Computes logits of changed sequences from the activations of the reference.

        Args:
            reference: Of the whole sequence that the edits refer to.
            one_hot: The alternate alleles, shape (edits, 4, 1, allele length).
            edits: Of one shape: the same lengths, and the same window relative to the start.

        Returns:
            Logits over the window in the changed sequence, shape (edits, 3, 1, width).
        """
        starts, shift = [edit.start for edit in edits], edits[0].shift
        window = Span(*edits[0].window)
        # From here on offsets count from the first changed base.
        output = Span(window.start - starts[0], window.end - starts[0] + shift)
        allele = span = Span(0, len(edits[0].alternate))
        reach, x = 0, self.stem(one_hot)
        total = torch.zeros((), device=x.device)

        def patched(whole: Tensor, part: Tensor, inner: Span, outer: Span) -> Tensor:
            return _patched(whole, part, inner, outer, [s - reach for s in starts], shift=shift)

        def affected_and_needed(reach: int) -> Span:
            return allele.grown(reach).within(output.grown(CONTEXT - reach))

        for (block, skip), state in zip(self.layers(), reference.states, strict=True):
            if skip:
                total = total + skip(patched(state.x, x, span, output))
            between = affected_and_needed(reach + block.reach)
            after = affected_and_needed(reach + 2 * block.reach)
            wide = patched(state.x, x, span, between.grown(block.reach))
            hidden = block.hidden(wide)
            reach += block.reach
            wide_hidden = patched(state.hidden, hidden, between, after.grown(block.reach))
            first = after.start - between.start + block.reach
            x = block.output(wide[..., first : first + after.width], wide_hidden)
            reach += block.reach
            span = after
        logits: Tensor = self.head(total + self.skips[-1](patched(reference.last, x, span, output)))
        return logits


def _patched(
    whole: Tensor, part: Tensor, inner: Span, outer: Span, starts: Sequence[int], *, shift: int
) -> Tensor:
    """Puts computed activations between those of the reference.

    Args:
        whole: Activations of the reference, shape (1, channels, 1, length).
        part: Activations of the changed sequences over ``inner``, one a row.
        inner: Where ``part`` lies, counted from the first changed base.
        outer: What is returned, counted alike.
        starts: The first changed base of each row, as a position of ``whole``.
        shift: By how many bases the changed sequences are longer.

    Returns:
        Shape (rows, channels, 1, ``outer.width``).
    """
    use = inner.within(outer)
    left, right = use.start - outer.start, use.end - outer.start
    rows, channels = part.shape[:2]
    result = torch.empty(
        (rows, channels, 1, outer.width),
        dtype=whole.dtype,
        device=whole.device,
        memory_format=torch.channels_last,
    )
    if use.width:
        result[..., left:right] = part[..., use.start - inner.start : use.end - inner.start]
    for row, start in enumerate(starts):
        result[row, ..., :left] = whole[0, ..., start + outer.start : start + use.start]
        result[row, ..., right:] = whole[
            0, ..., start + use.end - shift : start + outer.end - shift
        ]
    return result


def _weights(layer: h5py.Group) -> list[Tensor]:
    """Returns the arrays of a layer in the order in which Keras lists them."""
    return [torch.from_numpy(layer[name][()]) for name in layer.attrs["weight_names"]]


def _load_conv(conv: nn.Module, layer: h5py.Group) -> None:
    """Copies a Conv1D; Keras has (taps, in, out), torch (out, in, 1, taps)."""
    kernel, bias = _weights(layer)
    conv.load_state_dict({"weight": kernel.permute(2, 1, 0)[:, :, None], "bias": bias})


def _norm(layer: h5py.Group) -> nn.BatchNorm2d:
    """Returns a BatchNormalization."""
    norm = nn.BatchNorm2d(CHANNELS, eps=EPSILON)
    names = ("weight", "bias", "running_mean", "running_var")
    norm.load_state_dict(dict(zip(names, _weights(layer), strict=True)), strict=False)
    return norm.eval()


def _fill(network: Network, layers: h5py.Group) -> None:
    """Copies all weights.

    The authors' file numbers its layers in the order of construction: stem and its skip
    connection, then for each group eight convolutions and a skip connection, then the head.
    """
    convs = (layers[f"conv1d_{number}"] for number in range(1, 40))
    norms = (_norm(layers[f"batch_normalization_{number}"]) for number in range(1, 33))
    _load_conv(network.stem, next(convs))
    for block, skip in network.layers():
        if skip:
            _load_conv(skip, next(convs))
        _load_conv(block.conv1, next(convs))
        _load_conv(block.conv2, next(convs))
        block.norm = next(norms)
        block.conv1 = fuse_conv_bn_eval(block.conv1.eval(), next(norms))
    _load_conv(network.skips[-1], next(convs))
    _load_conv(network.head, next(convs))


def load_network(path: Path) -> Network:
    """Builds one network from the authors' Keras file.

    Raises:
        WeightsError: The file does not describe this network.
    """
    network = Network()
    try:
        with h5py.File(path) as file:
            _fill(network, file["model_weights"])
    except (OSError, KeyError, ValueError, RuntimeError) as error:
        raise WeightsError(f"{path} does not hold a SpliceAI 10k network: {error}") from error
    return network.eval().requires_grad_(False)


def one_hot(sequences: Sequence[str]) -> Tensor:
    """Encodes sequences of one length: shape (sequences, length, 4), all zero for N."""
    codes = np.frombuffer("".join(sequences).encode(), dtype=np.uint8).reshape(len(sequences), -1)
    return torch.from_numpy((codes[..., None] == np.frombuffer(b"ACGT", np.uint8)).astype("f4"))


def _image(encoded: Tensor) -> Tensor:
    """Views (batch, length, 4) as (batch, 4, 1, length), which is channels-last in memory."""
    return encoded.transpose(1, 2).unsqueeze(2)


def _batches(edits: Sequence[Edit]) -> Iterator[list[int]]:
    """Yields indices of edits that can be computed together: of one shape, at most ``BATCH``."""
    shapes: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for index, edit in enumerate(edits):
        window = (bound - edit.start for bound in edit.window)
        shapes[edit.length, len(edit.alternate), *window].append(index)
    for indices in shapes.values():
        for first in range(0, len(indices), BATCH):
            yield indices[first : first + BATCH]


def _alternates(
    network: Network, reference: Reference, edits: Sequence[Edit], device: torch.device
) -> Iterator[tuple[int, Tensor]]:
    """Yields the index of each edit and its probabilities, shape (window + shift, 3)."""
    for indices in _batches(edits):
        batch = [edits[i] for i in indices]
        alleles = _image(one_hot([edit.alternate for edit in batch]).to(device))
        logits = network.alternates(reference, alleles, batch)
        for i, one in zip(indices, logits.softmax(1)[:, :, 0], strict=True):
            yield i, one.T


class SpliceAI(SequenceModel):
    """The mean of the five published networks."""

    networks: list[Network]
    device: torch.device

    def load(self, device: torch.device) -> None:
        """Builds the five networks on ``device``.

        Raises:
            WeightsError: A file does not describe this network.
        """
        self.device = device
        self.networks = [
            load_network(self.files[weights.name]).to(  # type: ignore[call-overload]
                device, memory_format=torch.channels_last
            )  # the stubs of Module.to lack memory_format
            for weights in self.card.weights
        ]

    def members(self) -> list[Member]:
        """Returns each network by itself; see ``SequenceModel.members``."""
        members = []
        for network in self.networks:
            one = copy(self)
            one.networks = [network]
            members.append(Member(network, one.predict_windows))
        return members

    def decisive(self, windows: Sequence[Window]) -> Window:
        """Returns the windows and their context; see ``SequenceModel.decisive``."""
        return windows[0][0], windows[-1][1] + 2 * CONTEXT

    def _probabilities(self, one_hot: Tensor) -> Tensor:
        """Returns (batch, output width, 3) for the strand that is given."""
        outputs = [network.softmax(network(_image(one_hot))) for network in self.networks]
        return torch.stack(outputs).mean(0).squeeze(2).transpose(1, 2)

    def predict(self, one_hot: Tensor, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Predicts acceptor and donor probability; see ``SequenceModel.predict``.

        Minus-strand tracks are predicted on the reverse complement and turned to genome order.
        """
        strands = {}
        if any(track.strand == "+" for track in tracks):
            strands["+"] = self._probabilities(one_hot)
        if any(track.strand == "-" for track in tracks):
            strands["-"] = self._probabilities(one_hot.flip(1, 2)).flip(1)
        channels = {"acceptor": ACCEPTOR, "donor": DONOR}
        return {t.id: strands[t.strand][..., channels[t.name]].contiguous() for t in tracks}

    def predict_substitutions(
        self,
        one_hot: Tensor,
        substitutions: Sequence[Substitution],
        tracks: Sequence[Track],
        windows: Sequence[Window],
    ) -> dict[str, Tensor]:
        """Predicts windows of changed sequences; see ``SequenceModel.predict_substitutions``."""
        width = self.card.input_width
        channels = {"acceptor": ACCEPTOR, "donor": DONOR}
        found: dict[str, list[Tensor]] = {track.id: [] for track in tracks}
        for start, end in windows:
            strands = {}
            here = (self.card.crop + start, self.card.crop + end)
            if any(track.strand == "+" for track in tracks):
                strands["+"] = self._substituted(one_hot, substitutions, here)
            if any(track.strand == "-" for track in tracks):
                turned = [Substitution(width - 1 - s.position, 3 - s.base) for s in substitutions]
                there = (width - here[1], width - here[0])
                strands["-"] = self._substituted(one_hot.flip(1, 2), turned, there).flip(1)
            for track in tracks:
                found[track.id].append(strands[track.strand][..., channels[track.name]])
        return {name: torch.cat(parts, dim=1) for name, parts in found.items()}

    def _substituted(
        self, one_hot: Tensor, substitutions: Sequence[Substitution], window: Window
    ) -> Tensor:
        """Returns (1 + substitutions, window, 3) for the strand that is given."""
        left, right = window[0] - CONTEXT, window[1] + CONTEXT
        whole = _image(one_hot[:, left:right])
        near = [i for i, s in enumerate(substitutions) if left <= s.position < right]
        inner = (CONTEXT, CONTEXT + window[1] - window[0])
        edits = [
            Edit(substitutions[i].position - left, 1, "ACGT"[substitutions[i].base], inner)
            for i in near
        ]
        found = torch.zeros((1 + len(substitutions), inner[1] - inner[0], 3), device=self.device)
        for network in self.networks:
            reference = network.reference(whole)
            unchanged = reference.logits.softmax(1)[0, :, 0].T
            found += unchanged
            for i, changed in _alternates(network, reference, edits, self.device):
                found[1 + near[i]] += changed - unchanged
        return found / len(self.networks)

    @torch.inference_mode()
    def predict_edits(
        self, sequence: str, edits: Sequence[Edit]
    ) -> list[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Predicts the effect of changes to one sequence, on the strand that is given.

        The sequence is passed once through each network, and of every changed one only what
        differs (see the top of this module). Memory is about 4.2 kB a base of the sequence.

        Args:
            sequence: Upper case, with ``CONTEXT`` bases beyond the window of every edit.
            edits: What is changed, each by itself.

        Returns:
            For each edit the probabilities of none, acceptor and donor in its window, before and
            after the change; shapes (window, 3) and (window + ``edit.shift``, 3).
        """
        whole = _image(one_hot([sequence]).to(self.device))
        before = torch.zeros((len(sequence) - 2 * CONTEXT, 3), device=self.device)
        after = [
            torch.zeros((e.window[1] - e.window[0] + e.shift, 3), device=self.device) for e in edits
        ]
        for network in self.networks:
            reference = network.reference(whole)
            before += reference.logits.softmax(1)[0, :, 0].T
            for i, changed in _alternates(network, reference, edits, self.device):
                after[i] += changed
        count = len(self.networks)
        return [
            (
                (before[e.window[0] - CONTEXT : e.window[1] - CONTEXT] / count).cpu().numpy(),
                (changed / count).cpu().numpy(),
            )
            for e, changed in zip(edits, after, strict=True)
        ]
