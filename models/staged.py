"""Networks of three stages, of which a changed base touches the outer two only locally.

An encoder of convolutions and pools turns ``stride`` bases into a token, a trunk mixes tokens from
everywhere, and a decoder of convolutions turns tokens, and what the encoder kept at finer
resolutions (*skips*), into tracks. When one base changes, few tokens differ from those of the
unchanged sequence. So the encoder is run on a piece around the change, the trunk on all tokens
unless a family knows better, and the decoder where the read-out lies. Of encoder and decoder the
numbers are those of full passes, up to the rounding of fp32: no piece is used nearer to its cut
ends than the stage reaches.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from models.base import SequenceModel, Substitution, Window, changed
from models.card import Track

Skips = tuple[Tensor, ...]
Span = tuple[int, int]
#: What a read-out asks for: ids of tracks, and windows of the output.
Asked = tuple[tuple[str, ...], tuple[Window, ...]]
#: Mixes tokens of changed sequences: given (batch, channels, tokens), the span of those that the
#: encoder gave anew, and the spans to read, returns the tokens from the first to the last to read.
ChangedTrunk = Callable[[Tensor, Span, Sequence[Span]], Tensor]

#: Changed sequences that are computed together, where more of them do not fit into the cache of a
#: processor; all of a call on any other device.
BATCH = {"cpu": 3}


class Unchanged(NamedTuple):
    """What is kept of the unchanged sequence between calls."""

    one_hot: Tensor
    tokens: Tensor
    skips: Skips
    trunk: ChangedTrunk
    output: dict[Asked, dict[str, Tensor]]


class StagedModel(SequenceModel):
    """A network of encoder, trunk and decoder.

    Attributes:
        stride: Bases in a token.
        encoder_reach: Bases beyond its own on either side that a token, or a position of a skip,
            depends on.
        decoder_reach: Tokens on either side beyond its own that an output depends on, directly or
            through skips.
    """

    stride: int
    encoder_reach: int
    decoder_reach: int
    _reference: Unchanged | None = None

    @abstractmethod
    def encode(self, one_hot: Tensor) -> tuple[Tensor, Skips]:
        """Encodes whole tokens of sequence: (batch, length, 4) to (batch, channels, tokens).

        Each skip has shape (batch, its channels, a multiple of tokens). Ends are padded as those
        of a full window are.
        """

    @abstractmethod
    def trunk(self, tokens: Tensor, span: Span) -> Tensor:
        """Mixes all tokens of a window, and returns those of a span (half-open)."""

    def changed_trunk(self, unchanged: Tensor) -> ChangedTrunk:
        """Returns what mixes the tokens of sequences that differ little from an unchanged one.

        This one mixes all of them; a family that knows which matter overrides it.

        Args:
            unchanged: Tokens of the unchanged sequence; (1, channels, tokens).
        """
        return lambda tokens, _, spans: self.trunk(tokens, hull(spans))

    @abstractmethod
    def decode(self, tokens: Tensor, skips: Skips, tracks: Sequence[Track]) -> dict[str, Tensor]:
        """Turns some tokens in a row into tracks, ``stride / resolution`` bins a token.

        Returns:
            By track id, float32 of shape (batch, bins), without ``card.crop`` cut off.
        """

    def predict_substitutions(
        self,
        one_hot: Tensor,
        substitutions: Sequence[Substitution],
        tracks: Sequence[Track],
        windows: Sequence[Window],
    ) -> dict[str, Tensor]:
        """Predicts windows of changed sequences; see ``SequenceModel.predict_substitutions``."""
        whole = self._encoded(one_hot)
        size = BATCH.get(one_hot.device.type, len(substitutions))
        parts = [substitutions[i : i + size] for i in range(0, len(substitutions), size)]
        asked = tuple(track.id for track in tracks), tuple(windows)
        if asked not in whole.output:
            whole.output[asked] = self._predict_some(whole, [], tracks, windows)
        rows = [self._predict_some(whole, part, tracks, windows) for part in parts]
        rows.insert(0, whole.output[asked])
        return {track.id: torch.cat([row[track.id] for row in rows]) for track in tracks}

    def _predict_some(
        self,
        whole: Unchanged,
        substitutions: Sequence[Substitution],
        tracks: Sequence[Track],
        windows: Sequence[Window],
    ) -> dict[str, Tensor]:
        """Predicts windows of some changed sequences, or without any those of the unchanged one."""
        found: dict[str, list[Tensor]] = {track.id: [] for track in tracks}
        pieces = self._pieces(whole, substitutions, windows)
        for window, (origin, tokens, skips) in zip(windows, pieces, strict=True):
            decoded = self.decode(tokens, skips, tracks)
            for track in tracks:
                first = (self.card.crop + window[0]) // track.resolution
                last = math.ceil((self.card.crop + window[1]) / track.resolution)
                zero = origin * self.stride // track.resolution
                found[track.id].append(decoded[track.id][:, first - zero : last - zero])
        return {name: torch.cat(parts, dim=1) for name, parts in found.items()}

    def _pieces(
        self, whole: Unchanged, substitutions: Sequence[Substitution], windows: Sequence[Window]
    ) -> Iterator[tuple[int, Tensor, Skips]]:
        """Yields what ``decode`` takes to give each window of some changed sequences.

        That is the first of the tokens, the tokens and the skips; without substitutions those of
        the unchanged sequence.
        """
        count = whole.tokens.shape[-1]
        tokens = whole.tokens.repeat(max(len(substitutions), 1), 1, 1)
        skips = tuple(skip[:0, :, :0] for skip in whole.skips)
        low = high = 0
        if substitutions:
            low, high, skips = self._splice(whole, tokens, substitutions)
        spans = [self._token_span(window, count) for window in windows]
        origin, _ = hull(spans)
        after = whole.trunk(tokens, (low, high), spans)
        for left, right in spans:
            near = tuple(
                _patched(skip, part, low, (left, right), count)
                for skip, part in zip(whole.skips, skips, strict=True)
            )
            yield left, after[..., left - origin : right - origin], near

    def _encoded(self, one_hot: Tensor) -> Unchanged:
        """Encodes the unchanged sequence, once as long as it stays the same."""
        known = self._reference
        if known is None or not torch.equal(known.one_hot, one_hot):
            tokens, skips = self.encode(one_hot)
            trunk = self.changed_trunk(tokens)
            known = self._reference = Unchanged(one_hot, tokens, skips, trunk, {})
        return known

    def _splice(
        self, whole: Unchanged, tokens: Tensor, substitutions: Sequence[Substitution]
    ) -> tuple[int, int, Skips]:
        """Writes the tokens that differ into ``tokens``, one row a changed sequence.

        Returns:
            The first of these tokens, the one after the last, and the skips over them, one row a
            changed sequence.
        """
        count, stride, reach = tokens.shape[-1], self.stride, self.encoder_reach
        positions = [s.position for s in substitutions]
        low = max((min(positions) - reach) // stride, 0)
        high = min((max(positions) + reach) // stride + 1, count)
        margin = math.ceil(reach / stride)
        left, right = max(low - margin, 0), min(high + margin, count)
        piece = whole.one_hot[:, left * stride : right * stride]
        encoded, skips = self.encode(changed(piece, substitutions, left * stride))
        tokens[..., low:high] = encoded[..., low - left : high - left]

        def inner(skip: Tensor) -> Tensor:
            finer = skip.shape[-1] // (right - left)
            return skip[..., (low - left) * finer : (high - left) * finer]

        return low, high, tuple(inner(skip) for skip in skips)

    def _token_span(self, window: Window, count: int) -> Span:
        """Returns the tokens on which a window of the output depends, directly or by skips."""
        start, end = (self.card.crop + edge for edge in window)
        left = start // self.stride - self.decoder_reach
        right = math.ceil(end / self.stride) + self.decoder_reach
        return max(left, 0), min(right, count)


def hull(spans: Sequence[Span]) -> Span:
    """Returns the span from the first to the last of some spans."""
    return min(left for left, _ in spans), max(right for _, right in spans)


def _patched(whole: Tensor, part: Tensor, low: int, span: Span, tokens: int) -> Tensor:
    """Returns a skip over some tokens, one row a changed sequence, with what differs put in.

    Args:
        whole: The skip of the unchanged sequence, shape (1, channels, finer * tokens).
        part: What differs, shape (changed sequences, channels, positions), from token ``low`` on;
            without sequences the unchanged one is returned.
        low: The first token of ``part``.
        span: The tokens to return.
        tokens: Tokens of the whole window.
    """
    finer = whole.shape[-1] // tokens
    left, right = span[0] * finer, span[1] * finer
    if not len(part):
        return whole[..., left:right]
    result = whole[..., left:right].repeat(len(part), 1, 1)
    start, end = max(low * finer, left), min(low * finer + part.shape[-1], right)
    if start < end:
        result[..., start - left : end - left] = part[..., start - low * finer : end - low * finer]
    return result
