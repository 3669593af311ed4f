"""Does each loaded model still give results? Asked of real work where there is some."""

import asyncio
import itertools
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from speech_service.dispatch.engine_run import LanePulse
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers.messages import Beat
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
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.effort import Effort
from speech_service.protocols import OnWorkEvent

CLIP_MS = 100
NOISE_LEVEL = 0.001
_PROMPT_LEVEL = 0.1
_ANY_PAIR = ("en", "de")
"""Asked of a translator that names no pairs because it takes any."""


SILENT_SHARE = 0.02
"""A model whose steps return but bring nothing gets this share of the patience: a long text takes many steps."""


@dataclass(slots=True)
class _Probe:
    """A heartbeat's work that is under way."""

    work_id: str
    began_s: float
    ended: "asyncio.Future[WorkEvent]"


@dataclass(slots=True)
class _LaneSeen:
    """What a lane had done when we last looked, and the chance that it had since its last step and its last event."""

    pulse: LanePulse
    stalled_s: float = 0.0
    silent_s: float = 0.0


class Pulse:
    """Implements ``Submitter`` by passing on, and says of each model whether it gets anything done.

    A step that returns is life, however long the work takes that it belongs to. A model without work is asked for a
    small inference; one that has work, or has just finished some, has that for an answer.
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
        self._probes: dict[str, _Probe] = {}
        self._seen: dict[tuple[str, str], _LaneSeen] = {}
        # Whoever looks is busy looking: the loop's own thread is no sign of life of a model.
        self._effort = Effort(os.getpid(), without=threading.get_native_id())

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
        asked = {name: self._ask(name) for name in loaded}
        probes = [asking.ended for asking in asked.values() if isinstance(asking, _Probe)]
        if probes:
            await asyncio.wait(probes, timeout=timeout_s)
        stalled_s = self._stalls(loaded)
        return [self._tell(name, asking, stalled_s[name]) for name, asking in asked.items()]

    def _ask(self, model: str) -> "_Probe | Beat":
        """The inference that is under way for it, or why there is none."""
        asking = self._probes.get(model)
        if asking is not None:
            return asking
        last_s = self._last_done_s.get(model)
        lately = last_s is not None and time.monotonic() - last_s < self._interval_s
        busy = any(pulse.busy for pulse in self._scheduler.pulses(model).values())
        if lately or busy or not self._models[model].probe:
            return Beat(model, True)
        work = probe(self._models[model], f"heartbeat-{next(self._numbers)}", self._clip)
        ended: asyncio.Future[WorkEvent] = asyncio.get_running_loop().create_future()

        def on_end(event: WorkEvent) -> None:
            if not ended.done() and not isinstance(event, WorkAudio):
                ended.set_result(event)

        try:
            self._host.probe(work, on_end)
        except SpeechError as error:
            return Beat(model, False, message=error.reason)
        asking = self._probes[model] = _Probe(work.work_id, time.monotonic(), ended)
        return asking

    def _tell(self, model: str, asking: "_Probe | Beat", stalled_s: float) -> Beat:
        """What became of it. An inference that goes on is waited for until the next heartbeat, not begun again."""
        if isinstance(asking, Beat):
            return replace(asking, stalled_s=stalled_s)
        if not asking.ended.done():
            message = "no result yet" if stalled_s else ""
            return Beat(model, True, message=message, stalled_s=stalled_s)
        del self._probes[model]
        event = asking.ended.result()
        latency_ms = (time.monotonic() - asking.began_s) * 1000
        if isinstance(event, WorkDropped):  # with its model, which is being unloaded
            return Beat(model, True, stalled_s=stalled_s)
        reason = event.error.reason if isinstance(event, WorkFailed) else ""
        return Beat(model, isinstance(event, WorkDone), latency_ms, reason, stalled_s)

    def _stalls(self, models: Sequence[str]) -> dict[str, float]:
        """How long each model's slowest lane has got nothing done."""
        chance_s = self._effort.chance_s()
        stalls: dict[str, float] = {}
        seen: dict[tuple[str, str], _LaneSeen] = {}
        for model in models:
            stalls[model] = 0.0
            pulses = self._scheduler.pulses(model)
            for lane, pulse in {**pulses, "": self._whole(model, pulses.values())}.items():
                now = _LaneSeen(pulse)
                last = self._seen.get((model, lane))
                if last is not None and pulse.busy and last.pulse.busy:
                    if pulse.outputs == last.pulse.outputs and self._models[model].probe:
                        now.silent_s = last.silent_s + chance_s
                    if pulse.steps == last.pulse.steps:
                        now.stalled_s = last.stalled_s + chance_s
                seen[model, lane] = now
                stalls[model] = max(stalls[model], now.stalled_s, now.silent_s * SILENT_SHARE)
        self._seen = seen
        return stalls

    def _whole(self, model: str, pulses: Iterable[LanePulse]) -> LanePulse:
        """All lanes as one: work that waits is no lane's, and a lane that is gone shows nothing."""
        waits = model in self._probes or self._scheduler.waiting(model) > 0
        done = [(pulse.steps, pulse.outputs) for pulse in pulses]
        return LanePulse(sum(steps for steps, _ in done), sum(out for _, out in done), waits)


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
