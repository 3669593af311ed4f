"""The aligner's network: one pass over audio states and words, and a class of time at each ``<timestamp>``.

Several passages are packed one behind the other. Nothing is padded and nothing is cached: each attends to itself.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear, scaled_dot_product_attention

from speech_service.engines.qwen3.encoder.mel import MelFloor, log_mel
from speech_service.engines.qwen3.encoder.network import Encoder, MelWindow
from speech_service.engines.qwen3.nn.attention import (
    RowsPlan,
    TokenRows,
    flash_attention,
    is_flash_fit,
)
from speech_service.engines.qwen3.nn.block import DecoderStack
from speech_service.engines.qwen3.nn.shapes import AudioShape, DecoderShape


@dataclass(frozen=True, slots=True, eq=False)
class Passage:
    """What one pass reads of one text: mel float32 [bins, frames], and ids before and behind the audio's states."""

    mel: Tensor
    head: tuple[int, ...]
    tail: tuple[int, ...]


class CausalPlan:
    """Sequences one behind the other, without a cache: each token attends to its own sequence up to itself."""

    def __init__(self, lengths: Sequence[int], device: torch.device) -> None:
        self._lengths = list(lengths)
        self._positions = torch.cat([torch.arange(count, device=device) for count in lengths])

    @property
    def positions(self) -> Tensor:
        """int64 [n]."""
        return self._positions

    def attend(self, layer: int, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        """Query [n, heads, d] and key and value [n, kv_heads, d] -> [n, heads, d]."""
        del layer
        parts = zip(*(side.split(self._lengths) for side in (query, key, value)), strict=True)
        return torch.cat([_causal(*part) for part in parts])


def rows_plan(lengths: Sequence[int], shape: DecoderShape, like: Tensor) -> RowsPlan:
    """The same in one call of attention for all, with 16-bit numbers on a GPU as ``like`` has them.

    Keys and values of a layer are no more needed in the next one: all have the same place.
    """
    device = like.device
    ends = torch.tensor(list(accumulate(lengths, initial=0)), dtype=torch.int32)
    after = ends.to(device, non_blocking=True)
    places = torch.arange(int(ends[-1]), dtype=torch.int32, device=device)
    row = torch.searchsorted(after, places, right=True, out_int32=True) - 1
    counts = ends.diff().to(device, non_blocking=True)
    longest = max(lengths)
    rows = TokenRows(places - after[row], places, after, after, counts, longest, longest)
    size = (len(places), shape.kv_heads, shape.head_dim)
    layer = torch.empty(size, dtype=like.dtype, device=device), like.new_empty(size)
    return RowsPlan([layer] * shape.layers, rows, flash_attention)


@dataclass(frozen=True, slots=True, eq=False)
class AlignerNetwork:
    """The loaded network. ``embed`` is [vocabulary, hidden], ``head`` [classes, hidden]."""

    shape: AudioShape
    encoder: Encoder
    embed: Tensor
    stack: DecoderStack
    head: Tensor
    timestamp_id: int

    def mel(self, samples: Tensor) -> Tensor:
        """Features of a clip: float32 [n] -> float32 [bins, frames] where the network is, as the release makes them."""
        samples = samples.to(self.embed.device)
        return log_mel(samples, self.shape.mel_bins, self.shape.window_frames, MelFloor.CLIP)

    def length(self, passage: Passage) -> int:
        """Positions of the decoder that a passage takes."""
        return len(passage.head) + self.shape.tokens(passage.mel.shape[1]) + len(passage.tail)

    def classes(self, passages: Sequence[Passage]) -> list[list[int] | None]:
        """Class of time at each timestamp of each passage; None: the passage's numbers are not finite."""
        states = self._audio_states([passage.mel for passage in passages])
        device = self.embed.device
        parts: list[Tensor] = []
        asked: list[Tensor] = []
        for passage, audio in zip(passages, states, strict=True):
            parts += [self._embedded(passage.head), audio, self._embedded(passage.tail)]
            marks = torch.tensor(passage.tail, device=device) == self.timestamp_id
            before = torch.zeros(
                len(passage.head) + len(audio), dtype=torch.bool, device=marks.device
            )
            asked.append(torch.cat([before, marks]))
        lengths = [len(marks) for marks in asked]
        plan = (
            rows_plan(lengths, self.stack.shape, self.embed)
            if is_flash_fit(self.embed)
            else CausalPlan(lengths, device)
        )
        logits = linear(self.stack(torch.cat(parts), plan)[torch.cat(asked)], self.head)
        best = logits.max(dim=-1)
        found, is_finite = best.indices.tolist(), best.values.isfinite().tolist()
        answers: list[list[int] | None] = []
        at = 0
        for passage in passages:
            own = slice(at, at + passage.tail.count(self.timestamp_id))
            at = own.stop
            answers.append(found[own] if all(is_finite[own]) else None)
        return answers

    def _audio_states(self, mels: Sequence[Tensor]) -> list[Tensor]:
        pieces = [
            mel.to(self.embed.device, self.embed.dtype).split(self.shape.window_frames, dim=1)
            for mel in mels
        ]
        windows = [MelWindow(piece, is_clip=len(clip) == 1) for clip in pieces for piece in clip]
        states = iter(self.encoder.encode(windows))
        return [torch.cat([next(states) for _ in clip]) for clip in pieces]

    def _embedded(self, ids: Sequence[int]) -> Tensor:
        return embedding(torch.tensor(ids, dtype=torch.int64, device=self.embed.device), self.embed)


def _causal(query: Tensor, key: Tensor, value: Tensor) -> Tensor:
    """One sequence: [n, heads, d] and twice [n, kv_heads, d] -> [n, heads, d]."""
    queries, keys, values = (side.transpose(0, 1)[None] for side in (query, key, value))
    answer = scaled_dot_product_attention(queries, keys, values, is_causal=True, enable_gqa=True)
    return answer[0].transpose(0, 1)
