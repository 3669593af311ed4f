"""Frames for many streams at once: streams join and leave between any two frames.

One step is one pass of the talker over what is new in each stream (a prompt, or the frame before), one first code per
stream, and the predictor's passes for the others. What a frame is fed comes from the device, so that the next one may
begin before the host has read it.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import torch
from torch import Tensor

from speech_service.engines.qwen3.nn.captured import prompt_sizes
from speech_service.engines.qwen3.nn.kv_cache import KvCache
from speech_service.engines.qwen3.tts.frame_pass import (
    Drawing,
    FramePass,
    PackedFrames,
    SlotFrames,
)
from speech_service.engines.qwen3.tts.model import TtsModel
from speech_service.engines.qwen3.tts.prompt import TtsPrompt
from speech_service.engines.qwen3.tts.sampling import Draw, Rule, Rules, draw_of, seed_key
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.engines.runtimes.torch import HOST, Capture, Coming, Device


class Ended(Enum):
    """What came of a stream's step where no frame did."""

    EOS = "eos"
    """The talker said that the text is spoken."""
    NOT_FINITE = "not_finite"
    """Its numbers are none."""


@dataclass(slots=True, eq=False)
class _Stream:
    slot: int
    sampling: Sampling
    seed: int
    following: Sequence[Tensor]
    """Embeddings of the text still to be given, one row [1, hidden] for each frame from the first."""
    pending: Tensor
    """What the talker has not seen: the prompt, or the last frame, [n, hidden]."""
    frames: int = 0


class SpokenFrame:
    """A frame of every stream, which may be under way."""

    def __init__(
        self,
        generator: "FrameGenerator",
        streams: Sequence[_Stream],
        frames: Sequence[Tensor],
        first: Coming | None,
    ) -> None:
        """Of a generator; ``first``: the streams' first codes, if there are streams."""
        self._generator = generator
        self._streams = streams
        self._frames = frames
        self._first = first

    def outcomes(self) -> Mapping[int, Tensor | Ended]:
        """By slot of each stream that still is there: its frame, int64 [codebooks] on the device, or why it has none.

        Waits, if there is one; the caller closes those without a frame.
        """
        generator = self._generator
        if self._first is None or not any(map(generator.speaks, self._streams)):
            return {}
        codes: list[int] = self._first.here().tolist()
        return {
            stream.slot: generator.outcome(stream, code, frame)
            for stream, code, frame in zip(self._streams, codes, self._frames, strict=True)
            if generator.speaks(stream)
        }


class FrameGenerator:
    """Slots, and what speaks in them. Only the device's thread uses it."""

    def __init__(
        self,
        model: TtsModel,
        slots: int,
        length: int,
        capture: Capture | None = None,
        device: Device = HOST,
        draw: Draw | None = None,
    ) -> None:
        """Make room.

        Args:
            model: with positions for ``length`` tokens.
            slots: streams at once.
            length: tokens and frames of one stream, prompt included.
            capture: prepares prompts and frames of fixed shapes, for GPUs, all of them now; None: they are packed.
            device: of the model.
            draw: chooses codes in captured frames; None: what is fastest there.
        """
        self._model = model
        by_token = None if capture is None else True
        shape = model.config.talker
        self.cache = KvCache(shape, slots, length, model.dtype, model.device, by_token)
        self._pass: FramePass = (
            PackedFrames(model, self.cache)
            if capture is None
            else SlotFrames(
                model,
                self.cache,
                device,
                capture,
                prompt_sizes(self.cache),
                draw or draw_of(model.device),
            )
        )
        self._device = device
        self._streams: dict[int, _Stream] = {}
        self._drawing: Drawing | None = None

    @property
    def room(self) -> int:
        """How many more streams it can take."""
        return self.cache.free_slots

    def open(self, prompt: TtsPrompt, sampling: Sampling, seed: int = 0) -> int:
        """Slot of a new stream, which speaks with the next step.

        Args:
            prompt: must leave room in the slot for the frames that are wanted.
            sampling: how its codes are drawn.
            seed: of up to 64 bits; the same one gives the same codes.

        Raises:
            IndexError: all slots are taken.
        """
        slot = self.cache.alloc()
        if slot is None:
            raise IndexError("all slots are taken")
        self._pass.forget(slot)
        following = prompt.following.split(1) if len(prompt.following) else ()
        self._streams[slot] = _Stream(slot, sampling, seed_key(seed), following, prompt.prefill)
        self._drawing = None
        return slot

    def close(self, slot: int) -> None:
        """Forget a stream.

        Raises:
            KeyError: there is none in the slot.
        """
        del self._streams[slot]
        self.cache.free(slot)
        self._drawing = None

    def begin(self) -> "SpokenFrame":
        """Begin one frame of every stream; each goes on from it with the next, whether anybody has looked at it or not.

        A stream whose frame turns out to be none is the caller's to close; what it was given since is for nobody.
        """
        streams = list(self._streams.values())
        if not streams:
            return SpokenFrame(self, (), (), None)
        self._drawing = self._drawing or _drawing(streams, self._device)
        said = self._pass.run(streams, self._drawing)
        # Rows are taken apart by one call for all: a call for each costs more than the frame, where there are hundreds.
        next_rows = (said.sums + torch.cat([self._text(stream) for stream in streams])).split(1)
        for stream, row in zip(streams, next_rows, strict=True):
            stream.pending = row
            stream.frames += 1
        return SpokenFrame(self, streams, said.codes.unbind(), said.first)

    def step(self) -> Mapping[int, Tensor | Ended]:
        """One frame of every stream, and what came of it."""
        return self.begin().outcomes()

    def outcome(self, stream: _Stream, code: int, frame: Tensor) -> Tensor | Ended:
        """What came of a stream's frame, whose first code is known."""
        if code < 0:
            self.cache.clear([stream.slot])
            return Ended.NOT_FINITE
        return Ended.EOS if code == self._model.config.ids.codec_eos else frame

    def speaks(self, stream: _Stream) -> bool:
        """Whether it has not been closed."""
        return self._streams.get(stream.slot) is stream

    def _text(self, stream: _Stream) -> Tensor:
        if stream.frames < len(stream.following):
            return stream.following[stream.frames]
        return self._model.prompter.pad


def _drawing(streams: Sequence[_Stream], device: Device) -> Drawing:
    """What stays the same from frame to frame while nobody joins or leaves."""
    each = [stream.sampling for stream in streams]
    first = [Rule(s.temperature, s.top_k, s.top_p) for s in each]
    rest = [Rule(s.predictor_temperature, s.predictor_top_k, s.predictor_top_p) for s in each]
    rows = [
        (*talker.columns, *predictor.columns, stream.seed, stream.sampling.repetition_penalty)
        for talker, predictor, stream in zip(first, rest, streams, strict=True)
    ]
    table = device.stage(torch.tensor(rows, dtype=torch.float64))
    drawing = Drawing.from_table(table)
    return replace(
        drawing,
        first=Rules.of(first, drawing.first.columns),
        rest=Rules.of(rest, drawing.rest.columns),
    )
