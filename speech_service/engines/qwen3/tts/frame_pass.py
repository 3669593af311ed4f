"""One frame of many streams, as passes of the networks: packed on a CPU, in fixed slots on a GPU.

Both begin with what the talker has not seen of each stream and end with a code for every codebook and the sum of the
codes' embeddings, which is what the talker sees next.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor
from torch.nn.functional import pad

from speech_service.engines.qwen3.encoder.torch import fitting
from speech_service.engines.qwen3.nn.attention import RowsPlan, SpanPlan, TokenSpan, attention_of
from speech_service.engines.qwen3.nn.captured import (
    CapturedStack,
    PassSize,
    pass_table,
    row_sizes,
    table_rows,
)
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.sampling import (
    Draw,
    Rules,
    choose,
    noise_keys,
    penalised,
    uniform,
)
from speech_service.engines.runtimes.torch import Arrived, Body, Capture, Coming, Device, staged

MIN_FRAMES = 2
"""No stream ends before; so the release has it."""
_DRAWING_COLUMNS = 8
"""Numbers that say how a row is drawn; see :attr:`Drawing.table`."""


class Voiced(Protocol):
    """What a pass needs to know of a stream."""

    slot: int
    pending: Tensor
    """[n, hidden], at least one row: what the talker has not seen."""
    frames: int
    """Frames that the stream has."""


@dataclass(frozen=True, slots=True, eq=False)
class CodeFrames:
    """A frame of each stream, in the order of the streams."""

    codes: Tensor
    """int64 [rows, codebooks], on the device."""
    sums: Tensor
    """[rows, hidden], summed embeddings of the codes."""
    first: Coming
    """int64 [rows], the first codes; -1 for a stream whose numbers are not finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """How the streams' codes are drawn: a row for each."""

    first: Rules
    rest: Rules
    seeds: Tensor
    """int64 [rows], from ``seed_key``."""
    penalty: Tensor
    """float32 [rows, 1], of the first codebook."""
    table: Tensor
    """All of it as float64 [rows, 8], which holds the numbers exactly."""

    @classmethod
    def from_table(cls, table: Tensor) -> "Drawing":
        """Of columns in the order of the fields, with rules that take any path at any time."""
        seeds, penalty = table[:, 6].long(), table[:, 7:].float()
        return cls(Rules(table[:, 0:3]), Rules(table[:, 3:6]), seeds, penalty, table)


class FramePass(Protocol):
    """Runs one frame."""

    def run(self, streams: Sequence[Voiced], drawing: Drawing) -> CodeFrames:
        """Advance all streams and count what the cache now holds; waits for nothing on a GPU."""
        ...

    def forget(self, slot: int) -> None:
        """Another stream begins in the slot."""
        ...


class _Saying:
    """From the talker's states to a frame's codes: the part that both kinds of passes share."""

    def __init__(self, model: TtsModel, slots: int, draw: Draw) -> None:
        self._model = model
        self._draw = draw
        self._plan = model.predictor.plan(slots)
        self.never = model.talker.never_said()
        self._too_early = self.never.clone()
        self._too_early[model.config.ids.codec_eos] = True
        self.said = torch.zeros(slots, len(self.never), dtype=torch.bool, device=self.never.device)
        """What each slot's stream has said of the first codebook."""

    def say(
        self, states: Tensor, slots: Tensor, frames: Tensor, drawing: Drawing
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Say a frame.

        Args:
            states: [rows, hidden].
            slots: int64 [rows].
            frames: int64 [rows], frames before this one.
            drawing: of the rows.

        Returns:
            Codes int64 [rows, codebooks], sums [rows, hidden], and bool [rows]: all numbers are finite.
        """
        talker = self._model.talker
        keys = noise_keys(drawing.seeds, frames, self._model.config.codebooks)
        shares = uniform(keys).split(1, dim=1)
        logits = penalised(talker.logits(states), self.said[slots], drawing.penalty)
        silent = torch.where((frames < MIN_FRAMES)[:, None], self._too_early, self.never)
        first = self._draw(logits.masked_fill(silent, -torch.inf), drawing.first, shares[0])
        self.said[slots, first] = True

        def choose_rest(codebook: int, scores: Tensor) -> Tensor:
            return self._draw(scores, drawing.rest, shares[codebook])

        rest, sums = self._model.predictor(states, talker.codes(first), choose_rest, self._plan)
        finite = states.isfinite().all(dim=1) & sums.isfinite().all(dim=1)
        return torch.cat([first[:, None], rest], dim=1), sums, finite


class PackedFrames:
    """Prompts and frames of all streams in one packed pass of the talker: few passes, and as many rows as needed."""

    def __init__(self, model: TtsModel, cache: KvCache) -> None:
        self._model = model
        self._cache = cache
        self.saying = _Saying(model, cache.slots, choose)

    def run(self, streams: Sequence[Voiced], drawing: Drawing) -> CodeFrames:
        """As the protocol says."""
        cache = self._cache
        spans = [TokenSpan(s.slot, cache.length_of(s.slot), len(s.pending)) for s in streams]
        fed = torch.cat([stream.pending for stream in streams])
        states = self._model.talker.stack(fed, SpanPlan(cache, spans))
        for span in spans:
            cache.extend(span.slot, span.count)
        if len(states) > len(streams):
            ends = torch.tensor([span.count for span in spans]).cumsum(0) - 1
            states = states[ends.to(states.device)]
        slots = torch.tensor([stream.slot for stream in streams], device=states.device)
        frames = torch.tensor([stream.frames for stream in streams], device=states.device)
        codes, sums, finite = self.saying.say(states, slots, frames, drawing)
        return CodeFrames(codes, sums, Arrived(torch.where(finite, codes[:, 0], -1)))

    def forget(self, slot: int) -> None:
        """As the protocol says."""
        self.saying.said[slot] = False


class SlotFrames:
    """All of a frame as one body of fixed shapes, fit for a captured graph; prompts up to their last row go before.

    A body serves as many streams as there are, filled up to the next size; a row may be any slot.
    """

    def __init__(
        self,
        model: TtsModel,
        cache: KvCache,
        device: Device,
        capture: Capture,
        sizes: Sequence[PassSize],
        draw: Draw,
    ) -> None:
        """Prepare all passes; ``sizes`` are those of prompts."""
        self._model = model
        self._cache = cache
        self._device = device
        self._attention = attention_of(cache)
        self.saying = _Saying(model, cache.slots + 1, draw)
        """The last slot is that of rows without a stream."""
        self._prompts = CapturedStack(model.talker.stack, cache, device, capture, sizes)
        self._sizes = row_sizes(cache.slots)
        self._bodies: dict[int, Body] = {
            rows: capture(self._body(rows), self._examples(rows)) for rows in reversed(self._sizes)
        }

    def run(self, streams: Sequence[Voiced], drawing: Drawing) -> CodeFrames:
        """As the protocol says."""
        cache = self._cache
        prompts = [stream for stream in streams if len(stream.pending) > 1]
        self._prefill(prompts)
        rows = fitting(self._sizes, len(streams))
        fed = torch.cat(
            [stream.pending[-1:] for stream in streams]
            if prompts
            else [stream.pending for stream in streams]
        )
        said = self._bodies[rows](
            pad(fed, (0, 0, 0, rows - len(streams))),
            self._device.stage(self._places(streams, rows)),
            self._drawn(drawing, rows),
        )[: len(streams)]
        for stream in streams:
            cache.extend(stream.slot, 1)
        books = self._model.config.codebooks
        codes, finite, sums = said[:, :books].long(), said[:, books] > 0, said[:, books + 1 :]
        first = self._device.fetch(torch.where(finite, codes[:, 0], -1))
        return CodeFrames(codes, sums.to(fed.dtype), first)

    def forget(self, slot: int) -> None:
        """As the protocol says."""
        self.saying.said[slot] = False

    def _prefill(self, streams: Sequence[Voiced]) -> None:
        if not streams:
            return
        spans = [
            TokenSpan(s.slot, self._cache.length_of(s.slot), len(s.pending) - 1) for s in streams
        ]
        parts = self._prompts.parts(spans)
        tables = staged(self._device, *(part.table for part in parts))
        self._prompts(torch.cat([stream.pending[:-1] for stream in streams]), parts, tables)
        for span in spans:
            self._cache.extend(span.slot, span.count)

    def _places(self, streams: Sequence[Voiced], rows: int) -> Tensor:
        """Slots of the rows and frames before this one, then where the rows stand; int32."""
        cache = self._cache
        spare = rows - len(streams)
        slots = [*(stream.slot for stream in streams), *[cache.slots] * spare]
        frames = [*(stream.frames for stream in streams), *[0] * spare]
        spans = [TokenSpan(s.slot, cache.length_of(s.slot), 1) for s in streams]
        table = pass_table(cache, spans, PassSize(rows, rows))
        return torch.tensor([*slots, *frames, *table], dtype=torch.int32)

    def _drawn(self, drawing: Drawing, rows: int) -> Tensor:
        """A drawing's table, filled up with rows that take the likeliest."""
        return pad(drawing.table, (0, 0, 0, rows - len(drawing.seeds)), value=1.0)

    def _examples(self, rows: int) -> tuple[Tensor, Tensor, Tensor]:
        where = self._device.where
        hidden = self._model.config.talker.hidden_size
        fed = torch.zeros(rows, hidden, dtype=self._model.dtype, device=where)
        drawn = torch.ones(rows, _DRAWING_COLUMNS, dtype=torch.float64, device=where)
        return fed, self._places((), rows).to(where), drawn

    def _body(self, rows: int) -> Body:
        talker, cache, attention = self._model.talker, self._cache, self._attention

        def body(fed: Tensor, places: Tensor, drawn: Tensor) -> Tensor:
            slots, frames, table = places.split((rows, rows, len(places) - 2 * rows))
            where = table_rows(table, PassSize(rows, rows), 1, cache.length)
            states = talker.stack(fed, RowsPlan(cache.places, where, attention))
            drawing = Drawing.from_table(drawn)
            codes, sums, finite = self.saying.say(states, slots.long(), frames.long(), drawing)
            return torch.cat([codes.float(), finite[:, None].float(), sums.float()], dim=1)

        return body
