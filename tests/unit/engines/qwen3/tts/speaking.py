"""Parts and work items for the tests of synthesis."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech_service.domain.synthesis import VoicePrompt
from speech_service.domain.work import (
    SynthesizeWork,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.engines.qwen3.checkpoint.reading import open_checkpoint
from speech_service.engines.qwen3.codec.streams import CodecStreams
from speech_service.engines.qwen3.tts import options as qwen3
from speech_service.engines.qwen3.tts.engine import TtsEngine, TtsParts
from speech_service.engines.qwen3.tts.generator import Ended, FrameGenerator
from speech_service.engines.qwen3.tts.model import TtsModel, load_tts
from speech_service.engines.qwen3.tts.prompt import Utterance
from speech_service.engines.qwen3.tts.reading import ScriptReader, TextLimits
from speech_service.engines.qwen3.tts.sampling_rules import GREEDY, Sampling
from speech_service.engines.qwen3.tts.voices import VoiceStore
from speech_service.engines.runtimes.pacing import AtOnce, OneBehind
from speech_service.protocols import Engine
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.tts import Kind, Size

POSITIONS = 512
FRAME = 1920
RECORDING = speech_like(3, 2.0, 24_000)


class Loaded:
    """Models, each loaded when it is first asked for."""

    def __init__(self, tiny: TinyModels) -> None:
        self.tiny = tiny
        self._models: dict[tuple[Kind, Size], TtsModel] = {}

    def __call__(self, kind: Kind = "custom_voice", size: Size = "1b7") -> TtsModel:
        """Give the model in float32."""
        if (kind, size) not in self._models:
            checkpoint = open_checkpoint(str(self.tiny.tts(kind, size)), "qwen3_tts")
            self._models[kind, size] = load_tts(checkpoint, positions=POSITIONS)
        return self._models[kind, size]


class Rig:
    """An engine whose parts can be looked at."""

    def __init__(
        self,
        model: TtsModel,
        *,
        slots: int = 4,
        ramp: Sequence[int] = (1, 2, 4),
        sampling: Sampling = GREEDY,
        max_frames: int = 20,
        whole_text: bool = True,
        is_behind: bool = False,
    ) -> None:
        options = qwen3.Qwen3TtsOptions(model="tiny", max_batch=slots)
        capabilities = qwen3.capabilities(model.config, options)
        self.generator = FrameGenerator(model, slots, POSITIONS)
        self.codec = CodecStreams(model.codec, slots + 1)
        self.voices = VoiceStore(model, self.codec, "weights")
        limits = TextLimits(max_frames, POSITIONS, whole_text)
        reader = ScriptReader(model.config, model.prompter, self.voices, limits)
        pace = OneBehind() if is_behind else AtOnce()
        parts = TtsParts(reader, self.generator, self.codec, sampling, ramp, pace)
        self.engine = TtsEngine(capabilities, parts)

    @property
    def is_idle(self) -> bool:
        """Whether every slot is free."""
        cache, codec = self.generator.cache, self.codec
        return cache.free_slots == cache.slots and codec.free_slots == cache.slots + 1


def work(work_id: str = "w", **changes: Any) -> SynthesizeWork:
    """Make a work item."""
    fields: dict[str, Any] = {
        "text": "she said that she would be here by noon",
        "voice": "ryan",
        "language": "en",
    }
    return SynthesizeWork(
        work_id=work_id, stream_id="s", work_class=WorkClass.UNARY, model="m", **(fields | changes)
    )


def cloned(work_id: str = "w", **changes: Any) -> SynthesizeWork:
    """Make a work item that clones a voice."""
    prompt = VoicePrompt(RECORDING, "the quick brown fox jumps")
    return work(work_id, **({"voice": "", "voice_prompt": prompt} | changes))


def run(engine: Engine, *works: SynthesizeWork) -> dict[str, list[WorkEvent]]:
    """Admit and step until all have ended; give each item's events."""
    events: dict[str, list[WorkEvent]] = {each.work_id: [] for each in works}
    for each in works:
        engine.admit(each)
    ended: set[str] = set()
    for _ in range(10_000):
        for event in engine.step():
            events[event.work_id].append(event)
            if not isinstance(event, WorkAudio):
                ended.add(event.work_id)
        if ended == events.keys():
            return events
    raise AssertionError("it does not end")


def sound(events: Sequence[WorkEvent]) -> NDArray[np.float32]:
    """Join the audio of an item that ended well."""
    assert isinstance(events[-1], WorkDone), events[-1]
    return np.concatenate([event.samples for event in events if isinstance(event, WorkAudio)])


def failure(events: Sequence[WorkEvent]) -> WorkFailed:
    """Give the one event of an item that failed."""
    assert len(events) == 1
    assert isinstance(events[0], WorkFailed)
    return events[0]


@torch.inference_mode()
def frames(
    model: TtsModel, utterance: Utterance, count: int, sampling: Sampling = GREEDY, seed: int = 0
) -> Tensor:
    """Speak alone: int64 [count or fewer, codebooks]."""
    generator = FrameGenerator(model, 1, POSITIONS)
    slot = generator.open(model.prompter.prompt(utterance), sampling, seed)
    spoken: list[Tensor] = []
    for _ in range(count):
        outcome = generator.step()[slot]
        if isinstance(outcome, Ended):
            break
        spoken.append(outcome)
    return torch.stack(spoken)
