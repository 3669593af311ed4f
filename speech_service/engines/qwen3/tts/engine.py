"""The synthesis engine: continuous batching at one frame.

A step is three verbs: begin what waits -> speak one frame of every stream -> sound what is due. Streams join and
leave between any two frames, and their audio leaves while they speak. On a GPU the host reads a frame while the next
one is spoken (``runtimes/pacing.py``), unless somebody waits for first audio.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor

from speech_service.domain.audio import Samples
from speech_service.domain.errors import DeviceLostError, InternalError, SpeechError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.engines.qwen3.codec.streams import CodecStreams
from speech_service.engines.qwen3.tts.generator import Ended, FrameGenerator, SpokenFrame
from speech_service.engines.qwen3.tts.ramp import ChunkRamp
from speech_service.engines.qwen3.tts.reading import ScriptReader
from speech_service.engines.qwen3.tts.sampling_rules import Sampling
from speech_service.engines.qwen_release.voices import SAMPLE_RATE_HZ
from speech_service.engines.runtimes.pacing import Pace
from speech_service.engines.runtimes.torch import watching_device

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class TtsTurn:
    """One frame of every stream. None may follow where somebody waits for a stream's first audio."""

    spoken: SpokenFrame
    may_be_followed: bool


@dataclass(frozen=True, slots=True)
class TtsParts:
    """What the engine is composed of."""

    reader: ScriptReader
    generator: FrameGenerator
    codec: CodecStreams
    sampling: Sampling
    ramp: Sequence[int]
    """Frames of a stream's chunks, the last one for all that follow."""
    pace: Pace[TtsTurn]


@dataclass(slots=True, eq=False)
class _Speaking:
    work: SynthesizeWork
    slot: int
    codec_slot: int
    max_frames: int
    ramp: ChunkRamp
    read_s: float
    """How long its text and voice took to read."""
    begin_s: float = field(default_factory=time.perf_counter)
    first_frame_s: float = 0.0
    """How long its first frame took, prompt included."""
    codec_s: float = 0.0
    frames: int = 0
    silent: list[Tensor] = field(default_factory=list[Tensor])
    """Frames that have no sound yet."""
    ended: bool = False
    finish: SpeechFinish = SpeechFinish.COMPLETE


class TtsEngine:
    """Implements ``protocols.Engine``."""

    def __init__(self, capabilities: ModelCapabilities, parts: TtsParts) -> None:
        self._capabilities = capabilities
        self._parts = parts
        self._waiting: list[SynthesizeWork] = []
        self._speaking: dict[str, _Speaking] = {}
        self._events: list[WorkEvent] = []

    @property
    def capabilities(self) -> ModelCapabilities:
        """As the backend declares them."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Take work in; its first frame comes with the next step that has room for it."""
        assert isinstance(work, SynthesizeWork), "the scheduler sends a model its own kind of work"
        self._waiting.append(work)

    def abort(self, work_id: str) -> None:
        """Forget the item; its slots are free at once."""
        self._waiting = [work for work in self._waiting if work.work_id != work_id]
        self._leave(work_id)

    @torch.inference_mode()
    def step(self) -> Sequence[WorkEvent]:
        """Begin, speak, sound."""
        self._events = []
        while self._waiting and self._parts.generator.room:
            self._begin(self._waiting.pop(0))
        self._speak()
        self._sound()
        return self._events

    def _begin(self, work: SynthesizeWork) -> None:
        parts, begin_s = self._parts, time.perf_counter()
        try:
            with watching_device():
                script = parts.reader.read(work)
        except SpeechError as error:
            self._events.append(WorkFailed(work.work_id, error))
            return
        except DeviceLostError:
            raise
        except Exception:
            logger.exception("one item could not be read")
            self._events.append(_failed(work.work_id))
            return
        slot = parts.generator.open(script.prompt, parts.sampling, work.seed)
        codec_slot = parts.codec.open(script.codec_start)
        read_s = time.perf_counter() - begin_s
        self._speaking[work.work_id] = _Speaking(
            work, slot, codec_slot, script.max_frames, ChunkRamp(parts.ramp), read_s
        )

    def _speak(self) -> None:
        """Begin a frame of every stream; take those that are due."""
        have_sounded = all(speaking.ramp.has_begun for speaking in self._speaking.values())
        turn = TtsTurn(self._parts.generator.begin(), have_sounded)
        due = reversed(
            self._parts.pace.due(turn)
        )  # behind the last one all are there: there is one wait
        for outcomes in [each.spoken.outcomes() for each in due][::-1]:
            self._take(outcomes)

    def _take(self, outcomes: Mapping[int, Tensor | Ended]) -> None:
        for speaking in list(self._speaking.values()):
            outcome = outcomes.get(speaking.slot)
            if outcome is None or speaking.ended:
                continue
            if outcome is Ended.NOT_FINITE:
                self._events.append(_failed(speaking.work.work_id))
                self._leave(speaking.work.work_id)
            elif outcome is Ended.EOS:
                speaking.ended = True
            else:
                if not speaking.frames:
                    speaking.first_frame_s = time.perf_counter() - speaking.begin_s
                speaking.silent.append(outcome)
                speaking.frames += 1
                if speaking.frames >= speaking.max_frames:
                    speaking.ended, speaking.finish = True, SpeechFinish.LENGTH_LIMIT

    def _sound(self) -> None:
        """Decode the chunks that are due, all in one go, and tell of those who have ended."""
        due = {
            each.codec_slot: torch.stack(each.silent)
            for each in self._speaking.values()
            if each.silent and (each.ended or each.ramp.due(len(each.silent)))
        }
        begin_s = time.perf_counter()
        sounds = _to_host(self._parts.codec.decode(due))
        codec_s = time.perf_counter() - begin_s
        for speaking in list(self._speaking.values()):
            work_id = speaking.work.work_id
            samples = sounds.get(speaking.codec_slot)
            if samples is not None:
                if not np.isfinite(samples).all():
                    self._events.append(_failed(work_id))
                    self._leave(work_id)
                    continue
                self._events.append(WorkAudio(work_id, samples, SAMPLE_RATE_HZ))
                speaking.codec_s += codec_s
                speaking.ramp.sent(len(speaking.silent))
                speaking.silent.clear()
            if speaking.ended:
                self._events.append(
                    WorkDone(
                        work_id,
                        SpeechMade(SAMPLE_RATE_HZ, finish=speaking.finish),
                        _timing(speaking),
                    )
                )
                self._leave(work_id)

    def _leave(self, work_id: str) -> None:
        speaking = self._speaking.pop(work_id, None)
        if speaking is not None:
            self._parts.generator.close(speaking.slot)
            self._parts.codec.close(speaking.codec_slot)


def _to_host(decoded: Mapping[int, Tensor]) -> dict[int, Samples]:
    """float32 [n] of each slot, the receiver's own; one copy from the device for all."""
    if not decoded:
        return {}
    flat = torch.cat(list(decoded.values())).float().cpu().numpy()
    ends = np.cumsum([len(samples) for samples in decoded.values()])
    parts = np.split(flat, ends[:-1])
    return {slot: part.copy() for slot, part in zip(decoded, parts, strict=True)}


def _timing(speaking: _Speaking) -> WorkTiming:
    return WorkTiming(
        encode_ms=speaking.read_s * 1000,
        decode_ms=(time.perf_counter() - speaking.begin_s) * 1000,
        decode_steps=speaking.frames,
        first_frame_ms=speaking.first_frame_s * 1000,
        codec_ms=speaking.codec_s * 1000,
    )


def _failed(work_id: str) -> WorkFailed:
    return WorkFailed(work_id, InternalError("internal error"))
