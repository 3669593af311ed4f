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

from speech_service.engines.qwen3.nn.attention import PackedPlan, SlotPlan, TokenSpan
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.sampling import (
    Rules,
    choose,
    noise_keys,
    penalised,
    uniform,
)
from speech_service.engines.runtimes.torch import Body, Capture

MIN_FRAMES = 2
"""No stream ends before; so the release has it."""


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
    first: list[int]
    """The first codes on the host; -1 for a stream whose numbers are not finite."""


@dataclass(frozen=True, slots=True, eq=False)
class Drawing:
    """How the streams' codes are drawn: a row for each."""

    first: Rules
    rest: Rules
    seeds: Tensor
    """int64 [rows], from ``seed_key``."""
    penalty: Tensor
    """float32 [rows, 1], of the first codebook."""

    @property
    def table(self) -> Tensor:
        """All of it as float64 [rows, 8], which holds the numbers exactly."""
        columns = (self.first.columns, self.rest.columns, self.seeds[:, None], self.penalty)
        return torch.cat([column.double() for column in columns], dim=1)

    @classmethod
    def from_table(cls, table: Tensor) -> "Drawing":
        """As :attr:`table` gave it, with rules that take any path at any time."""
        return cls(
            Rules(table[:, 0:3]), Rules(table[:, 3:6]), table[:, 6].long(), table[:, 7:].float()
        )


class FramePass(Protocol):
    """Runs one frame."""

    def run(self, streams: Sequence[Voiced], drawing: Drawing) -> CodeFrames:
        """Advance all streams and count what the cache now holds; waits for the device once."""
        ...

    def forget(self, slot: int) -> None:
        """Another stream begins in the slot."""
        ...

    def prepare(self, tokens: int) -> None:
        """Make ready for streams of so many tokens and frames, any number of them."""
        ...


class _Saying:
    """From the talker's states to a frame's codes: the part that both kinds of passes share."""

    def __init__(self, model: TtsModel, slots: int) -> None:
        self._model = model
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
        first = choose(logits.masked_fill(silent, -torch.inf), drawing.first, shares[0])
        self.said[slots, first] = True

        def choose_rest(codebook: int, scores: Tensor) -> Tensor:
            return choose(scores, drawing.rest, shares[codebook])

        rest, sums = self._model.predictor(states, talker.codes(first), choose_rest, self._plan)
        finite = states.isfinite().all(dim=1) & sums.isfinite().all(dim=1)
        return torch.cat([first[:, None], rest], dim=1), sums, finite


class PackedFrames:
    """Prompts and frames of all streams in one packed pass of the talker: few passes, and as many rows as needed."""

    def __init__(self, model: TtsModel, cache: KvCache) -> None:
        self._model = model
        self._cache = cache
        self.saying = _Saying(model, cache.slots)

    def run(self, streams: Sequence[Voiced], drawing: Drawing) -> CodeFrames:
        """As the protocol says."""
        cache = self._cache
        spans = [TokenSpan(s.slot, cache.length_of(s.slot), len(s.pending)) for s in streams]
        fed = torch.cat([stream.pending for stream in streams])
        states = self._model.talker.stack(fed, PackedPlan(cache, spans))
        for span in spans:
            cache.extend(span.slot, span.count)
        if len(states) > len(streams):
            ends = torch.tensor([span.count for span in spans]).cumsum(0) - 1
            states = states[ends.to(states.device)]
        slots = torch.tensor([stream.slot for stream in streams], device=states.device)
        frames = torch.tensor([stream.frames for stream in streams], device=states.device)
        codes, sums, finite = self.saying.say(states, slots, frames, drawing)
        return CodeFrames(codes, sums, torch.where(finite, codes[:, 0], -1).tolist())

    def forget(self, slot: int) -> None:
        """As the protocol says."""
        self.saying.said[slot] = False

    def prepare(self, tokens: int) -> None:
        """Nothing is prepared."""


class SlotFrames:
    """All of a frame as one body of fixed shapes, fit for a captured graph; prompts up to their last row go before.

    A body serves the first so many slots, and looks at so much of each; both are powers of two.
    """

    _LEAST_REACH = 128

    def __init__(self, model: TtsModel, cache: KvCache, capture: Capture) -> None:
        self._model = model
        self._cache = cache
        self._capture = capture
        self._bodies: dict[tuple[int, int], Body] = {}
        self.saying = _Saying(model, cache.slots)

    def run(self, streams: Sequence[Voiced], drawing: Drawing) -> CodeFrames:
        """As the protocol says."""
        cache, device = self._cache, self._model.device
        self._prefill([stream for stream in streams if len(stream.pending) > 1])
        rows = self._rows(max(stream.slot for stream in streams) + 1)
        reach = self._reach(max(cache.length_of(stream.slot) for stream in streams) + 1)
        slots = torch.tensor([stream.slot for stream in streams], device=device)
        places = torch.tensor(
            [(cache.length_of(s.slot), s.frames) for s in streams], dtype=torch.float64
        ).to(device)
        fed, table = self._empty(rows)
        table[slots] = torch.cat([places, drawing.table], dim=1)
        fed[slots] = torch.cat([stream.pending[-1:] for stream in streams])
        said = self._body(rows, reach)(fed, table)[slots]
        for stream in streams:
            cache.extend(stream.slot, 1)
        books = self._model.config.codebooks
        codes, finite, sums = said[:, :books].long(), said[:, books] > 0, said[:, books + 1 :]
        return CodeFrames(codes, sums.to(fed.dtype), torch.where(finite, codes[:, 0], -1).tolist())

    def forget(self, slot: int) -> None:
        """As the protocol says."""
        self.saying.said[slot] = False

    def prepare(self, tokens: int) -> None:
        """As the protocol says."""
        sizes = {self._rows(slot + 1) for slot in range(self._cache.slots)}
        for rows in sorted(sizes, reverse=True):  # the others fit into the memory of the largest
            self._body(rows, self._reach(tokens))

    def _rows(self, needed: int) -> int:
        return min(_power_of_two(needed), self._cache.slots)

    def _reach(self, needed: int) -> int:
        return min(max(_power_of_two(needed), self._LEAST_REACH), self._cache.length)

    def _prefill(self, streams: Sequence[Voiced]) -> None:
        if not streams:
            return
        spans = [
            TokenSpan(s.slot, self._cache.length_of(s.slot), len(s.pending) - 1) for s in streams
        ]
        fed = torch.cat([stream.pending[:-1] for stream in streams])
        self._model.talker.stack(fed, PackedPlan(self._cache, spans))
        for span in spans:
            self._cache.extend(span.slot, span.count)

    def _empty(self, rows: int) -> tuple[Tensor, Tensor]:
        """Arguments of a body for slots without streams: they write into the cache's tail, where none grows."""
        table = torch.zeros(rows, 10, dtype=torch.float64, device=self._model.device)
        table[:, 0] = self._cache.length - 1
        table[:, 2] = table[:, 9] = 1.0
        fed = torch.zeros(rows, self._model.config.talker.hidden_size)
        return fed.to(self._model.prompter.pad), table

    def _body(self, rows: int, reach: int) -> Body:
        known = self._bodies.get((rows, reach))
        if known is not None:
            return known
        slots = torch.arange(rows, device=self._model.device)

        def body(fed: Tensor, table: Tensor) -> Tensor:
            plan = SlotPlan(self._cache, table[:, 0].long(), 1, reach)
            states = self._model.talker.stack(fed, plan)
            drawing = Drawing.from_table(table[:, 2:])
            codes, sums, finite = self.saying.say(states, slots, table[:, 1].long(), drawing)
            return torch.cat([codes.float(), finite[:, None].float(), sums.float()], dim=1)

        # A capture runs the body: its examples are empty slots, and what they say is forgotten.
        kept = self.saying.said.clone()
        self._bodies[rows, reach] = self._capture(body, self._empty(rows))
        self.saying.said.copy_(kept)
        return self._bodies[rows, reach]


def _power_of_two(number: int) -> int:
    return 1 << (number - 1).bit_length()
