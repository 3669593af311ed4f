"""Frames for many streams at once: streams join and leave between any two frames.

One step is one pass of the talker over what is new in each stream (a prompt, or the frame before), one first code per
stream, and the predictor's passes for the others. The host waits for the device once per step.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from speech_service.engines.qwen3.tts.sampling import Rule, Rules, seed_key
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.engines.runtimes.torch import HOST, Capture, Device


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
    following: Tensor
    """Embeddings of the text still to be given, a row for each frame from the first."""
    pending: Tensor
    """What the talker has not seen: the prompt, or the last frame, [n, hidden]."""
    frames: int = 0


class FrameGenerator:
    """Slots, and what speaks in them. Only the device's thread uses it."""

    def __init__(
        self,
        model: TtsModel,
        slots: int,
        length: int,
        capture: Capture | None = None,
        device: Device = HOST,
    ) -> None:
        """Make room.

        Args:
            model: with positions for ``length`` tokens.
            slots: streams at once.
            length: tokens and frames of one stream, prompt included.
            capture: prepares prompts and frames of fixed shapes, for GPUs, all of them now; None: they are packed.
            device: of the model.
        """
        self._model = model
        by_token = None if capture is None else True
        shape = model.config.talker
        self.cache = KvCache(shape, slots, length, model.dtype, model.device, by_token)
        self._pass: FramePass = (
            PackedFrames(model, self.cache)
            if capture is None
            else SlotFrames(model, self.cache, device, capture, prompt_sizes(self.cache))
        )
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
        self._streams[slot] = _Stream(
            slot, sampling, seed_key(seed), prompt.following, prompt.prefill
        )
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

    def step(self) -> Mapping[int, Tensor | Ended]:
        """One frame of every stream, int64 [codebooks] on the device, or why it has none; the caller closes those."""
        streams = list(self._streams.values())
        if not streams:
            return {}
        self._drawing = self._drawing or _drawing(streams, self._model.device)
        said = self._pass.run(streams, self._drawing)
        next_rows = said.sums + torch.cat([self._text(stream) for stream in streams])
        outcomes: dict[int, Tensor | Ended] = {}
        for row, (stream, code) in enumerate(zip(streams, said.first, strict=True)):
            if code < 0:
                self.cache.clear([stream.slot])
                outcomes[stream.slot] = Ended.NOT_FINITE
            elif code == self._model.config.ids.codec_eos:
                outcomes[stream.slot] = Ended.EOS
            else:
                outcomes[stream.slot] = said.codes[row]
                stream.pending = next_rows[row : row + 1]
                stream.frames += 1
        return outcomes

    def _text(self, stream: _Stream) -> Tensor:
        if stream.frames < len(stream.following):
            return stream.following[stream.frames : stream.frames + 1]
        return self._model.prompter.pad


def _drawing(streams: Sequence[_Stream], device: torch.device) -> Drawing:
    """What stays the same from frame to frame while nobody joins or leaves."""
    each = [stream.sampling for stream in streams]
    first = [Rule(s.temperature, s.top_k, s.top_p) for s in each]
    rest = [Rule(s.predictor_temperature, s.predictor_top_k, s.predictor_top_p) for s in each]
    return Drawing(
        Rules.of(first, device),
        Rules.of(rest, device),
        torch.tensor([stream.seed for stream in streams], device=device),
        torch.tensor([[s.repetition_penalty] for s in each], device=device),
    )
