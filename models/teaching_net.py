"""The network of the teaching genome: compact, after the plan of AlphaGenome.

A convolutional encoder brings 131,072 bases to 1,024 tokens of 128 bp, transformer layers with
rotary positions let them see each other, a table of pairs of 2,048-bp bins tells them who is in
touch with whom and becomes the contact maps, and a decoder with skips from the encoder goes back to
single bases (Avsec et al. 2026, AlphaGenome, doi:10.1038/s41586-025-10014-0; rotary positions: Su
et al. 2021, arXiv:2104.09864). All activations are (batch, channels, 1, length), channels last in
memory, which is what convolutions on a CPU are fastest with.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from models.base import Substitution, Window, in_windows
from models.card import Track
from models.staged import ChangedTrunk, Skips, Span, StagedModel, Unchanged, hull
from models.teaching.cells import Cell, cells
from models.teaching.contacts import BIN
from models.teaching.motifs import jaspar, score_at_rate
from models.teaching.samples import AMOUNTS, FRACTIONS, WINDOW, base_tracks, bin_tracks
from models.teaching.tracks import track_id
from models.teaching_net_junctions import (
    Junctions,
    amounts,
    around,
    exon_ends,
    likely_introns,
    reads_of,
)
from models.teaching_net_layers import (
    HEADS,
    TOKEN,
    WIDTH,
    Attention,
    Conv,
    ConvBlock,
    FeedForward,
    Pairs,
    Scan,
    channels_last,
    lengthwise,
    rotations,
)
from models.teaching_net_near import NearTrunk

#: Channels at 1, 4 and 16 bp.
STEM, FINE, MIDDLE = 64, 96, 160
DECODED = 64
LAYERS = 4
#: Transformer layers before the table of pairs is made.
PAIR_AFTER = 2
#: Places of random bases at which a motif filter of the untrained network fires once.
ONE_IN = 500
#: What accessibility is in closed chromatin, which every base has.
CLOSED = 0.02


@dataclass(frozen=True)
class Encoded:
    """What the encoder hands over: tokens (batch, tokens, channels), and what the decoder skips to.

    Attributes:
        tokens: At 128 bp.
        middle: At 16 bp; (batch, channels, 1, length).
        fine: At 4 bp.
        stem: At 1 bp.
    """

    tokens: Tensor
    middle: Tensor
    fine: Tensor
    stem: Tensor


@dataclass(frozen=True)
class Outputs:
    """Everything that the network says, before units.

    Attributes:
        bases: Of ``base_tracks()`` the logits of those between 0 and 1, and of amounts the
            logarithm of their square root; (batch, length, tracks).
        bins: The same of ``bin_tracks()``; (batch, tokens, tracks).
        maps: Logarithm of contacts over what is usual; (batch, cells, bins, bins).
        decoded: Channels at 1 bp, from which junctions are read; (batch, length, channels).
        tokens: Channels at 128 bp; (batch, tokens, channels).
    """

    bases: Tensor
    bins: Tensor
    maps: Tensor
    decoded: Tensor
    tokens: Tensor


class Network(nn.Module):
    """Encoder, transformer, pairs and decoder."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = Conv(4, STEM, 21)
        self.down_fine = Conv(STEM, FINE, 8, stride=4)
        self.fine = nn.Sequential(ConvBlock(FINE), ConvBlock(FINE))
        self.down_middle = Conv(FINE, MIDDLE, 8, stride=4)
        self.middle = nn.Sequential(ConvBlock(MIDDLE), ConvBlock(MIDDLE), ConvBlock(MIDDLE))
        self.down_token = Conv(MIDDLE, WIDTH, 8, stride=8)
        self.attention = nn.ModuleList(Attention() for _ in range(LAYERS))
        self.feed_forward = nn.ModuleList(FeedForward() for _ in range(LAYERS))
        self.pairs = Pairs()
        self.scans = nn.ModuleList(Scan() for _ in range(LAYERS - PAIR_AFTER))
        self.token_norm = nn.LayerNorm(WIDTH)
        self.up_middle = nn.Linear(WIDTH, MIDDLE)
        self.middle_again = nn.Sequential(ConvBlock(MIDDLE), ConvBlock(MIDDLE))
        self.up_fine = nn.Linear(MIDDLE, FINE)
        self.fine_again = nn.Sequential(ConvBlock(FINE), ConvBlock(FINE))
        self.up_base = nn.Linear(FINE, 4 * DECODED)
        self.skip_base = nn.Linear(STEM, DECODED)
        self.base_again = ConvBlock(DECODED)
        self.base_head = nn.Linear(DECODED, len(base_tracks()))
        self.base_level = nn.Linear(WIDTH, len(base_tracks()))
        self.bin_head = nn.Linear(WIDTH, len(bin_tracks()))
        self.junctions = Junctions(DECODED + WIDTH)
        #: Mean logarithm of contacts at each distance in bins.
        self.usual_contacts = nn.Buffer(torch.zeros(WINDOW // BIN))

    def start_at(self, base_means: Tensor, bin_means: Tensor, usual_contacts: Tensor) -> None:
        """Lets an untrained network begin with the mean of each track and with known motifs.

        The first filters are JASPAR's matrices, both strands, firing at random bases once in
        ``ONE_IN``; that these factors bind DNA is known of real genomes too. What they do, and with
        whom, is learned, and so are the filters of all other signals.
        """
        bias = self.stem.bias
        assert bias is not None
        with torch.no_grad():
            for i, motif in enumerate(jaspar().values()):
                first = (self.stem.weight.shape[3] - motif.width) // 2
                bits = torch.from_numpy(motif.bits.copy())
                for row, matrix in ((2 * i, bits), (2 * i + 1, bits.flip(0, 1))):
                    self.stem.weight[row] = 0
                    self.stem.weight[row, :, 0, first : first + motif.width] = matrix.T
                    bias[row] = -score_at_rate(motif, 1 / ONE_IN)
            fraction = torch.tensor([t.modality in FRACTIONS for t in base_tracks()])
            self.base_head.bias.copy_(
                torch.where(fraction, torch.logit(base_means, 1e-7), base_means.log())
            )
            self.base_head.weight.mul_(0.1)
            self.base_level.weight.mul_(0.1)
            self.base_level.bias.zero_()
            self.bin_head.bias.copy_(bin_means.log())
            self.usual_contacts.copy_(usual_contacts)

    def encode(self, one_hot: Tensor) -> Encoded:
        """Reads (batch, length, 4), the length a multiple of 2,048."""
        stem = functional.relu(self.stem(channels_last(one_hot)))
        fine = self.fine(self.down_fine(stem))
        middle = self.middle(self.down_middle(fine))
        return Encoded(lengthwise(self.down_token(middle)), middle, fine, stem)

    def trunk(self, tokens: Tensor, only: slice = slice(None)) -> tuple[Tensor, Tensor]:
        """Lets tokens (batch, tokens, channels) see each other; also returns contacts.

        Args:
            tokens: All of a window.
            only: Those that are returned; the last layer is computed for no others.
        """
        turns = rotations(tokens.shape[1], WIDTH // HEADS, tokens.device)
        maps = tokens.new_zeros(0)
        for number, (attend, feed) in enumerate(
            zip(self.attention, self.feed_forward, strict=True)
        ):
            if number == PAIR_AFTER:
                tokens, maps = self.pairs(tokens)
            if number >= PAIR_AFTER:
                tokens = self.scans[number - PAIR_AFTER](tokens)
            tokens = feed(attend(tokens, turns, only if number == LAYERS - 1 else slice(None)))
        return self.token_norm(tokens), maps

    def decode(self, tokens: Tensor, encoded: Encoded) -> tuple[Tensor, Tensor]:
        """Goes back to single bases.

        Args:
            tokens: What ``trunk`` returned, all of them or some in a row.
            encoded: What ``encode`` returned for the same stretch.

        Returns:
            Logits of ``base_tracks()`` and the channels that they were read from; (batch, length,
            tracks or channels).
        """
        up = channels_last(self.up_middle(tokens)).repeat_interleave(8, 3)
        middle = self.middle_again(encoded.middle + up)
        up = channels_last(self.up_fine(lengthwise(middle))).repeat_interleave(4, 3)
        fine = self.fine_again(encoded.fine + up)
        up = self.up_base(lengthwise(fine)).unflatten(2, (4, DECODED)).flatten(1, 2)
        skip = self.skip_base(lengthwise(encoded.stem))
        decoded = lengthwise(self.base_again(channels_last(skip + up)))
        level = self.base_level(tokens)[:, :, None]
        logits = (self.base_head(decoded).unflatten(1, (-1, TOKEN)) + level).flatten(1, 2)
        return logits, decoded

    def forward(self, one_hot: Tensor) -> Outputs:
        """Reads (batch, length, 4), the length a multiple of 2,048."""
        encoded = self.encode(one_hot)
        tokens, maps = self.trunk(encoded.tokens)
        bases, decoded = self.decode(tokens, encoded)
        return Outputs(bases, self.bin_head(tokens), maps, decoded, tokens)


class TeachingNet(StagedModel):
    """The trained network."""

    stride = TOKEN
    #: 10 bases of the stem, 2 + 16 of the level of 4 bp, 8 + 96 of that of 16 bp.
    encoder_reach = 132
    #: 64 + 16 + 2 bases of the three levels.
    decoder_reach = 1

    def load(self, device: torch.device) -> None:
        """Builds the network from the weights, which are stored in half precision."""
        (path,) = self.files.values()
        self.network = Network()
        self.network.load_state_dict({k: x.float() for k, x in load_file(path).items()})
        self.network.to(device).eval()

    def predict(self, one_hot: Tensor, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Predicts tracks; see ``SequenceModel.predict``."""
        wanted = {track.modality for track in tracks}
        encoded = self.network.encode(one_hot)
        tokens, maps = self.network.trunk(encoded.tokens)
        found: dict[str, Tensor] = {}
        if wanted & {*FRACTIONS, *AMOUNTS, "SPLICE_JUNCTIONS"}:
            bases, decoded = self.network.decode(tokens, encoded)
            found |= self._cropped(in_units(bases, base_tracks()), base_tracks())
            if "SPLICE_JUNCTIONS" in wanted:
                found |= self._junctions(bases, decoded, tokens)
        if wanted & {track.modality for track in bin_tracks()}:
            bins = in_units(self.network.bin_head(tokens), bin_tracks())
            found |= self._cropped(bins, bin_tracks())
        if "CONTACT_MAPS" in wanted:
            found |= self._contacts(maps)
        return {track.id: found[track.id] for track in tracks}

    def predict_windows(
        self, one_hot: Tensor, tracks: Sequence[Track], windows: Sequence[Window]
    ) -> dict[str, Tensor]:
        """Predicts windows, or introns; see ``SequenceModel.predict_windows``."""
        introns = [track for track in tracks if track.kind == "junctions"]
        others = [track for track in tracks if track.kind != "junctions"]
        found = super().predict_windows(one_hot, others, windows) if others else {}
        if introns:
            encoded = self.network.encode(one_hot)
            tokens, _ = self.network.trunk(encoded.tokens)
            _, decoded = self.network.decode(tokens, encoded)
            ends = [edge for window in windows for edge in exon_ends(window)]
            known = [self._around(decoded, tokens, first) for first, _ in ends]
            found |= self._reads(known, introns, windows)
        return found

    def encode(self, one_hot: Tensor) -> tuple[Tensor, Skips]:
        """Encodes whole tokens; see ``StagedModel.encode``."""
        encoded = self.network.encode(one_hot)
        skips = (encoded.middle, encoded.fine, encoded.stem)
        return encoded.tokens.transpose(1, 2), tuple(skip[:, :, 0] for skip in skips)

    def trunk(self, tokens: Tensor, span: Span) -> Tensor:
        """Mixes all tokens; see ``StagedModel.trunk``."""
        return self.network.trunk(tokens.transpose(1, 2), slice(*span))[0].transpose(1, 2)

    def changed_trunk(self, unchanged: Tensor) -> ChangedTrunk:
        """Computes the tokens near changes and read-out; see ``StagedModel.changed_trunk``."""
        near = self._near = NearTrunk(self.network, unchanged.transpose(1, 2))

        def trunk(tokens: Tensor, changed: Span, spans: Sequence[Span]) -> Tensor:
            return near(tokens.transpose(1, 2), [changed, *spans], hull(spans)).transpose(1, 2)

        return trunk

    def _predict_some(
        self,
        whole: Unchanged,
        substitutions: Sequence[Substitution],
        tracks: Sequence[Track],
        windows: Sequence[Window],
    ) -> dict[str, Tensor]:
        """Reads contacts and introns from pairs, all else as ``StagedModel`` does."""
        maps = [track for track in tracks if track.kind == "contacts"]
        introns = [track for track in tracks if track.kind == "junctions"]
        others = [track for track in tracks if track.kind == "signal"]
        found = super()._predict_some(whole, substitutions, others, windows) if others else {}
        if maps:
            near = [self._token_span(window, whole.tokens.shape[-1]) for window in windows]
            tokens = whole.tokens.repeat(max(len(substitutions), 1), 1, 1)
            if substitutions:
                near.append(self._splice(whole, tokens, substitutions)[:2])
            contacts = self._contacts(self._near.maps(tokens.transpose(1, 2), near))
            found |= {track.id: in_windows(contacts[track.id], track, windows) for track in maps}
        if introns:
            ends = [edge for window in windows for edge in exon_ends(window)]
            known = []
            pieces = self._pieces(whole, substitutions, ends)
            for (first, _), (zero, piece, skips) in zip(ends, pieces, strict=True):
                _, decoded = self._decoded(piece, skips)
                place = first - zero * TOKEN
                known.append(self._around(decoded, piece.transpose(1, 2), place))
            found |= self._reads(known, introns, windows)
        return found

    def _around(self, decoded: Tensor, tokens: Tensor, first: int) -> Tensor:
        place = torch.tensor([self.card.crop + first], device=decoded.device)
        return around(decoded, tokens, place)

    def _reads(
        self, known: Sequence[Tensor], tracks: Sequence[Track], introns: Sequence[Window]
    ) -> dict[str, Tensor]:
        """Returns the reads of some introns, (batch, introns), from what is around their ends."""
        keys = [f"{cell.key}-junctions" for _, cell in _cells()]
        found = {}
        for track in tracks:
            reads = [
                reads_of(self.network.junctions, left, right, end - start, track.strand == "+")
                for left, right, (start, end) in zip(known[::2], known[1::2], introns, strict=True)
            ]
            found[track.id] = torch.stack(reads, dim=1)[..., keys.index(track.name)]
        return found

    def decode(self, tokens: Tensor, skips: Skips, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Turns tokens into tracks of bases and of bins; see ``StagedModel.decode``."""
        after = tokens.transpose(1, 2)
        parts = [(bin_tracks(), self.network.bin_head(after))]
        if any(track in base_tracks() for track in tracks):
            parts.append((base_tracks(), self._decoded(tokens, skips)[0]))
        found = {
            track.id: values[:, :, i]
            for known, logits in parts
            for values in (in_units(logits, known),)
            for i, track in enumerate(known)
        }
        return {track.id: found[track.id] for track in tracks}

    def _decoded(self, tokens: Tensor, skips: Skips) -> tuple[Tensor, Tensor]:
        """Does ``Network.decode`` for tokens and skips as stages hand them on."""
        middle, fine, stem = (
            skip[:, :, None].contiguous(memory_format=torch.channels_last) for skip in skips
        )
        after = tokens.transpose(1, 2)
        return self.network.decode(after, Encoded(after, middle, fine, stem))

    def _cropped(self, values: Tensor, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Returns the central part of each of some tracks; values are (batch, bins, tracks)."""
        crop = self.card.crop // tracks[0].resolution
        inner = values[:, crop : values.shape[1] - crop]
        return {track.id: inner[:, :, i] for i, track in enumerate(tracks)}

    def _contacts(self, maps: Tensor) -> dict[str, Tensor]:
        crop = self.card.crop // BIN
        places = torch.arange(maps.shape[2], device=maps.device)
        usual = self.network.usual_contacts[(places[:, None] - places).abs()]
        inner = slice(crop, maps.shape[2] - crop)
        values = (maps.float() + usual).exp()[:, :, inner, inner]
        return {track_id("CONTACT_MAPS", f"{c.key}-Hi-C", "."): values[:, i] for i, c in _cells()}

    def _junctions(self, bases: Tensor, decoded: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        """Pairs the likely splice sites of each strand; (batch, introns, start, end and reads)."""
        found = {}
        crop = self.card.crop
        for strand in ("+", "-"):
            by_window = []
            for parts in zip(bases, decoded, tokens, strict=True):
                introns, reads = likely_introns(self.network.junctions, *parts, strand == "+")
                end = self.card.input_width - crop
                inside = (introns[:, 0] >= crop) & (introns[:, 1] <= end)
                by_window.append((introns[inside] - crop, reads[:, inside]))
            most = max(len(introns) for introns, _ in by_window)
            for i, cell in _cells():
                rows = tokens.new_full((len(by_window), most, 3), torch.nan, dtype=torch.float32)
                for row, (introns, reads) in zip(rows, by_window, strict=True):
                    row[: len(introns), :2] = introns.float()
                    row[: len(introns), 2] = reads[i]
                name = f"{cell.key}-junctions"
                found[track_id("SPLICE_JUNCTIONS", name, strand)] = rows
        return found


def _cells() -> list[tuple[int, Cell]]:
    return list(enumerate(cells()))


def in_units(logits: Tensor, tracks: Sequence[Track]) -> Tensor:
    """Turns logits of ``base_tracks()`` or ``bin_tracks()`` into what the tracks' units say."""
    n = sum(track.modality in FRACTIONS for track in tracks)
    n_open = sum(track.modality in ("ATAC", "DNASE") for track in tracks)
    fractions = logits[..., :n].float().sigmoid()
    accessible = fractions[..., :n_open] + CLOSED  # not in place: gradients go through here
    return torch.cat([accessible, fractions[..., n_open:], amounts(logits[..., n:])], dim=-1)
