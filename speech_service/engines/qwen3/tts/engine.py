"""The synthesis engine: continuous batching at one frame.

A step is three verbs: begin what waits -> speak one frame of every stream -> sound what is due. Streams join and
leave between any two frames, and their audio leaves while they speak. On a GPU the codec has a stream of its own:
only first chunks are waited for in the step that begins them, others sound while the next frame is spoken. And the host
reads a frame while the next one is spoken (``runtimes/pacing.py``), unless somebody waits for first audio.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import logging
import time
from collections import Counter, defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

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
from speech_service.engines.qwen3.codec.streams import CodecStreams, DecodedPass
from speech_service.engines.qwen3.tts.generator import Ended, FrameGenerator, SpokenFrame
from speech_service.engines.qwen3.tts.ramp import ChunkRamp, ChunkWay
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
    """Frames that the codec was not given yet."""
    sounding: int = 0
    """Frames that the codec has begun."""
    has_sounded: bool = False
    """Whether the codec has begun its first chunk."""
    ended: bool = False
    finish: SpeechFinish = SpeechFinish.COMPLETE

    @property
    def is_due(self) -> bool:
        """Whether it has a chunk for the codec, which is done with the one before."""
        is_whole = self.ended or self.ramp.due(len(self.silent))
        return bool(self.silent) and not self.sounding and is_whole


@dataclass(frozen=True, slots=True, eq=False)
class _Sounding:
    """A pass of the codec, and who it is for, by row."""

    decoded: DecodedPass
    speaking: Sequence[_Speaking]


class TtsEngine:
    """Implements ``protocols.Engine``."""

    def __init__(self, capabilities: ModelCapabilities, parts: TtsParts) -> None:
        self._capabilities = capabilities
        self._parts = parts
        self._waiting: list[SynthesizeWork] = []
        self._speaking: dict[str, _Speaking] = {}
        self._sounding: deque[_Sounding] = deque()
        self._way = ChunkWay()
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
        # One of the codec's slots is for the recording of a cloned voice.
        while self._waiting and self._parts.generator.room and self._parts.codec.free_slots > 1:
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
        ramp = ChunkRamp(parts.ramp, self._way)
        self._speaking[work.work_id] = _Speaking(
            work, slot, codec_slot, script.max_frames, ramp, read_s
        )

    def _speak(self) -> None:
        """Begin a frame of every stream; take those that are due."""
        have_sounded = all(speaking.ramp.has_begun for speaking in self._speaking.values())
        turn = TtsTurn(self._parts.generator.begin(), have_sounded)
        due = self._parts.pace.due(turn)
        # Behind the last one all are there.
        for outcomes in [each.spoken.outcomes() for each in reversed(due)][::-1]:
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
                self._end(speaking, SpeechFinish.COMPLETE)
            else:
                if not speaking.frames:
                    speaking.first_frame_s = time.perf_counter() - speaking.begin_s
                speaking.silent.append(outcome)
                speaking.frames += 1
                if speaking.frames >= speaking.max_frames:
                    self._end(speaking, SpeechFinish.LENGTH_LIMIT)

    def _end(self, speaking: _Speaking, finish: SpeechFinish) -> None:
        """It has no more frames to speak; those that it has may have to sound yet."""
        speaking.ended, speaking.finish = True, finish
        self._parts.generator.close(speaking.slot)

    def _sound(self) -> None:
        """Have the chunks that are due decoded, and tell of those that are and of who has ended."""
        is_awaited = any(not each.has_sounded and each.is_due for each in self._speaking.values())
        if (
            not is_awaited
        ):  # otherwise what was begun before is there when first audio is: there is one wait
            self._hear(len(self._sounding))
        self._decode()
        self._hear(self._wanted())
        for speaking in list(self._speaking.values()):
            if speaking.ended and not speaking.silent and not speaking.sounding:
                made = SpeechMade(SAMPLE_RATE_HZ, finish=speaking.finish)
                self._events.append(WorkDone(speaking.work.work_id, made, _timing(speaking)))
                self._leave(speaking.work.work_id)

    def _decode(self) -> None:
        """Begin the chunks that are due, all in one go."""
        due = {each.codec_slot: each for each in self._speaking.values() if each.is_due}
        begin_s = time.perf_counter()
        chunks = {slot: each.silent for slot, each in due.items()}
        first = {slot for slot, each in due.items() if not each.has_sounded}
        for decoded in self._parts.codec.begin(chunks, urgent=first):
            whose = [due[slot] for slot in decoded.slots]
            self._sounding.append(_Sounding(decoded, whose))
        took_s = time.perf_counter() - begin_s
        for speaking in due.values():
            speaking.ramp.begun(len(speaking.silent))
            speaking.sounding = len(speaking.silent)
            speaking.silent = []
            speaking.has_sounded = True
            speaking.codec_s += took_s

    def _wanted(self) -> int:
        """How many of the passes that were begun to hear now: up to first audio, or those that are there."""
        decoded = [each.decoded for each in self._sounding]
        awaited = [number for number, each in enumerate(decoded, 1) if each.is_first]
        if awaited:
            return awaited[-1]
        return sum(1 for _ in takewhile(lambda each: each.samples.is_here, decoded))

    def _hear(self, passes: int) -> None:
        """Wait for so many of the passes that were begun, and tell what they gave."""
        begin_s = time.perf_counter()
        heard: dict[str, list[Tensor]] = defaultdict(list)
        frames = Counter[str]()
        taken = [self._sounding.popleft() for _ in range(passes)]
        # Behind the last one all are there.
        samples_of = [each.decoded.samples.here() for each in reversed(taken)][::-1]
        for sounding, rows in zip(taken, samples_of, strict=True):
            for speaking, samples in zip(sounding.speaking, rows, strict=False):
                if self._speaking.get(speaking.work.work_id) is speaking:
                    heard[speaking.work.work_id].append(samples)
                    frames[speaking.work.work_id] += sounding.decoded.frames
        took_s = time.perf_counter() - begin_s
        for work_id, parts in heard.items():
            speaking, samples = self._speaking[work_id], _own(parts)
            if not np.isfinite(samples).all():
                self._events.append(_failed(work_id))
                self._leave(work_id)
                continue
            self._events.append(WorkAudio(work_id, samples, SAMPLE_RATE_HZ))
            speaking.codec_s += took_s
            speaking.sounding -= frames[work_id]
            if not speaking.sounding:
                speaking.ramp.sent()

    def _leave(self, work_id: str) -> None:
        speaking = self._speaking.pop(work_id, None)
        if speaking is not None:
            if not speaking.ended:
                self._parts.generator.close(speaking.slot)
            self._parts.codec.close(speaking.codec_slot)


def _own(parts: Sequence[Tensor]) -> Samples:
    """float32 [n], the receiver's own."""
    return np.concatenate([part.float().numpy() for part in parts])


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
