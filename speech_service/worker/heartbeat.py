"""Does each loaded model still give results? Asked of real work where there is some."""

import asyncio
import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from speech_service.domain.audio import MODEL_RATE_HZ, Samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.models import Capability, ModelCapabilities, ModelKind, ModelState
from speech_service.domain.synthesis import VOICE_PROMPT_RATE_HZ, VoicePrompt
from speech_service.domain.work import (
    AlignWork,
    IdentifyWork,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    TranslateWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import OnWorkEvent
from speech_service.scheduler.model_host import ModelHost
from speech_service.scheduler.scheduler import Scheduler

CLIP_MS = 100
NOISE_LEVEL = 0.001
_PROMPT_LEVEL = 0.1
_ANY_PAIR = ("en", "de")
"""Asked of a translator that names no pairs because it takes any."""


@dataclass(frozen=True, slots=True)
class Beat:
    """How one model answered. ``latency_ms`` is 0 when real work answered for it."""

    model: str
    ok: bool
    latency_ms: float = 0.0
    message: str = ""


class Pulse:
    """Implements ``Submitter`` by passing on, and notes when each model last finished something.

    A model that finished real work within the interval is not asked again: it is alive, and busy.
    """

    def __init__(
        self,
        host: ModelHost,
        scheduler: Scheduler,
        models: Mapping[str, ModelCapabilities],
        interval_s: float,
    ) -> None:
        self._host = host
        self._models = models
        self._scheduler = scheduler
        self._interval_s = interval_s
        self._last_done_s: dict[str, float] = {}
        self._numbers = itertools.count(1)
        self._clip = _noise()

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Pass the work on. Raises what ``ModelHost.submit`` raises."""
        model = work.model

        def on_end(event: WorkEvent) -> None:
            if isinstance(event, WorkDone):
                self._last_done_s[model] = time.monotonic()
            on_event(event)

        self._host.submit(work, on_end)

    def cancel(self, work_id: str) -> None:
        """Pass it on."""
        self._host.cancel(work_id)

    def release(self, stream_id: str) -> None:
        """Pass it on."""
        self._host.release(stream_id)

    async def beat(self, timeout_s: float) -> list[Beat]:
        """Ask every loaded model, all at once, and wait at most ``timeout_s``."""
        loaded = [name for name, state in self._host.states.items() if state is ModelState.READY]
        return list(await asyncio.gather(*(self._ask(name, timeout_s) for name in loaded)))

    async def _ask(self, model: str, timeout_s: float) -> Beat:
        step_s = self._scheduler.longest_step_s(model)
        if step_s > timeout_s + self._interval_s:  # other lanes may well go on meanwhile
            return Beat(model, False, step_s * 1000, "a lane is stuck")
        started_s = time.monotonic()
        last_s = self._last_done_s.get(model)
        if last_s is not None and started_s - last_s < self._interval_s:
            return Beat(model, True)
        if not self._models[model].probe:
            return Beat(model, True)
        work = probe(self._models[model], f"heartbeat-{next(self._numbers)}", self._clip)
        ended: asyncio.Future[WorkEvent] = asyncio.get_running_loop().create_future()

        def on_end(event: WorkEvent) -> None:
            if not ended.done() and not isinstance(event, WorkAudio):
                ended.set_result(event)

        try:
            self._host.submit(work, on_end)
            event = await asyncio.wait_for(ended, timeout_s)
        except TimeoutError:
            self._host.cancel(work.work_id)
            return Beat(model, False, (time.monotonic() - started_s) * 1000, "no result in time")
        except SpeechError as error:
            return Beat(model, False, message=error.reason)
        latency_ms = (time.monotonic() - started_s) * 1000
        reason = event.error.reason if isinstance(event, WorkFailed) else ""
        return Beat(model, isinstance(event, WorkDone), latency_ms, reason)


def probe(model: ModelCapabilities, work_id: str, clip: Samples) -> Work:
    """The smallest work that makes the model compute, in the class that is never refused."""
    common: dict[str, Any] = {
        "work_id": work_id,
        "model": model.name,
        "work_class": WorkClass.STREAM_FINAL,  # an overloaded queue is not a dead model
    }
    key = SegmentKey(work_id, 0, 0)
    match model.kind:
        case ModelKind.RECOGNIZER:
            return RecognizeWork(**common, segment=key, kind=RecognizeKind.FINAL, samples=clip)
        case ModelKind.SYNTHESIZER:
            return SynthesizeWork(**common, stream_id=work_id, text="a", **_voice(model))
        case ModelKind.ALIGNER:
            return AlignWork(**common, stream_id=work_id, segment=key, samples=clip, text="a")
        case ModelKind.TRANSLATOR:
            source, target = next(iter(model.language_pairs), _ANY_PAIR)
            return TranslateWork(
                **common,
                stream_id=work_id,
                texts=("a",),
                source_language=source,
                target_language=target,
            )
        case ModelKind.LANGUAGE_IDENTIFIER:
            return IdentifyWork(**common, stream_id=work_id, texts=("a",))


def _voice(model: ModelCapabilities) -> dict[str, Any]:
    """A voice that the model has or, where it has none, can make."""
    if model.voices:
        return {"voice": model.voices[0].voice_id}
    if Capability.VOICE_DESIGN in model.capabilities:
        return {"voice": "", "instruct": "a calm voice"}
    noise = np.random.default_rng(0).standard_normal(VOICE_PROMPT_RATE_HZ) * _PROMPT_LEVEL
    return {"voice": "", "voice_prompt": VoicePrompt(noise.astype(np.float32))}


def _noise() -> Samples:
    """Faint noise rather than zeros, which an engine may answer without computing."""
    count = CLIP_MS * MODEL_RATE_HZ // 1000
    return (np.random.default_rng(0).standard_normal(count) * NOISE_LEVEL).astype(np.float32)
