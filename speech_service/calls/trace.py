"""Spans and metrics of one session: ``utterance`` > ``vad``, ``decode`` > ``queue``, ``encoder``, ``decode_steps``.

An utterance span opens with the segment's first work item and ends with its FINAL. Stages inside a work item are
known only when it is done; their spans are laid out one after another from its start. Those of ``synthesize`` are
``queue``, ``prefill`` (text and voice become a prompt), ``first_frame`` (the prompt's pass, and one frame), ``frames``
and ``codec``, which sums up what came between the frames.
"""

import time
from dataclasses import dataclass

from speech_service.domain.call import Call, CallMode
from speech_service.domain.events import ControlAck, ControlKind, SessionEnded
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import (
    AlignWork,
    IdentifyWork,
    RecognizeWork,
    SynthesizeWork,
    TranslateWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkEvent,
    WorkTiming,
)
from speech_service.protocols import Observer, Span, Tracer

_SPAN_NAMES: dict[type[Work], str] = {
    RecognizeWork: "decode",
    SynthesizeWork: "synthesize",
    AlignWork: "align",
    TranslateWork: "translate",
    IdentifyWork: "identify",
}


@dataclass(slots=True)
class _Utterance:
    span: Span
    stable_prefix: str = ""


@dataclass(slots=True)
class _OpenWork:
    span: Span
    started_s: float
    is_speech: bool


_Stage = tuple[str, float, dict[str, int]]
"""Name, length in milliseconds, attributes."""


class SessionTrace:
    """Told of everything that a session of ``call`` does. ``mode``: how its input comes."""

    def __init__(self, call: Call, mode: CallMode, tracer: Tracer, observer: Observer) -> None:
        self.session_id = call.session_id
        self._rpc = call.traceparent
        self._service = call.service
        self._mode = mode.value
        self._tracer = tracer
        self._observer = observer
        self._utterances: dict[int, _Utterance] = {}
        self._work: dict[str, _OpenWork] = {}
        self._vad_first_s = 0.0
        self._vad_total_s = 0.0

    def detected(self, started_s: float) -> None:
        """Voice activity detection ran since ``started_s`` (``time.time``); an utterance's ``vad`` span sums it up."""
        self._vad_first_s = self._vad_first_s or started_s
        self._vad_total_s += time.time() - started_s

    def submitted(self, work: Work) -> str:
        """A work item goes to the device; returns its traceparent."""
        parent, attributes = self._rpc, {"speech.cost_ms": work.cost_ms}
        if isinstance(work, RecognizeWork):
            parent = self._utterance(work.segment.segment_id).span.traceparent
        span = self._tracer.start(_SPAN_NAMES[type(work)], parent, None, **attributes)
        self._work[work.work_id] = _OpenWork(span, time.time(), isinstance(work, SynthesizeWork))
        return span.traceparent

    def _utterance(self, segment_id: int) -> _Utterance:
        utterance = self._utterances.get(segment_id)
        if utterance is None:
            attributes = {"speech.segment_id": segment_id}
            span = self._tracer.start("utterance", self._rpc, None, **attributes)
            utterance = self._utterances[segment_id] = _Utterance(span)
        return utterance

    def work_event(self, event: WorkEvent) -> None:
        """A work item ended."""
        if isinstance(event, WorkAudio):
            return
        opened = self._work.pop(event.work_id, None)
        if opened is None:
            return
        if isinstance(event, WorkDone):
            self._stages(opened, event)
            opened.span.end(None, outcome="done")
        else:
            opened.span.end(None, outcome=type(event).__name__)

    def _stages(self, opened: _OpenWork, done: WorkDone) -> None:
        timing = done.timing
        self._observer.observe("speech_encode_seconds", timing.encode_ms / 1000)
        self._observer.observe("speech_decode_seconds", timing.decode_ms / 1000)
        if not opened.span.traceparent:
            return
        at = opened.started_s
        stages = _speech_stages(timing) if opened.is_speech else _stages(timing)
        for name, length_ms, attributes in stages:
            span = self._tracer.start(name, opened.span.traceparent, at, **attributes)
            at += length_ms / 1000
            span.end(at)

    def event(self, event: object) -> None:
        """An event goes to the client."""
        match event:
            case TranscriptResult():
                self._result(event)
            case ControlAck(kind=ControlKind.RESET):
                for segment_id in list(self._utterances):  # dropped segments have no FINAL
                    self._end_utterance(segment_id)
            case SessionEnded(usage, latency):
                self._observer.count(
                    "speech_audio_received_seconds_total", usage.audio_in_ms / 1000
                )
                if latency.first_result_ms is not None:
                    self._observer.observe(
                        "speech_first_result_seconds",
                        latency.first_result_ms / 1000,
                        grpc_service=self._service,
                        mode=self._mode,
                    )
            case _:
                return

    def _result(self, result: TranscriptResult) -> None:
        self._observer.count("speech_results_total", kind=result.kind.value)
        utterance = self._utterances.get(result.segment_id)
        if utterance is None:
            return
        if result.kind is ResultKind.PARTIAL:
            utterance.stable_prefix = result.text[: result.stable_char_count]
            return
        if result.lag_ms is not None:
            lag_s = result.lag_ms / 1000
            self._observer.observe("speech_final_lag_seconds", lag_s, mode=self._mode)
        for repair in result.repairs:
            self._observer.count("speech_recognition_repairs_total", kind=repair.kind.value)
        if not result.text.startswith(utterance.stable_prefix):
            self._observer.count("speech_stable_prefix_broken_total")
        self._end_utterance(result.segment_id)

    def _end_utterance(self, segment_id: int) -> None:
        utterance = self._utterances.pop(segment_id)
        if utterance.span.traceparent and self._vad_total_s:
            span = self._tracer.start("vad", utterance.span.traceparent, self._vad_first_s)
            span.end(self._vad_first_s + self._vad_total_s)
        self._vad_first_s = self._vad_total_s = 0.0
        utterance.span.end()

    def close(self) -> None:
        """End what is still open."""
        for work in self._work.values():
            work.span.end(None, outcome="abandoned")
        self._work.clear()
        for segment_id in list(self._utterances):
            self._end_utterance(segment_id)


def _stages(timing: WorkTiming) -> list[_Stage]:
    steps = {
        "speech.steps": timing.decode_steps,
        "speech.draft_proposed": timing.draft_proposed,
        "speech.draft_accepted": timing.draft_accepted,
    }
    return [
        ("queue", timing.queue_ms, {}),
        ("encoder", timing.encode_ms, {}),
        ("decode_steps", timing.decode_ms, steps),
    ]


def _speech_stages(timing: WorkTiming) -> list[_Stage]:
    """A model that speaks in one go has no stages but ``frames``."""
    rest_ms = max(0.0, timing.decode_ms - timing.first_frame_ms - timing.codec_ms)
    known: list[_Stage] = [
        ("prefill", timing.encode_ms, {}),
        ("first_frame", timing.first_frame_ms, {}),
        ("frames", rest_ms, {"speech.frames": timing.decode_steps}),
        ("codec", timing.codec_ms, {}),
    ]
    return [
        ("queue", timing.queue_ms, {}),
        *(stage for stage in known if stage[1] or stage[0] == "frames"),
    ]
