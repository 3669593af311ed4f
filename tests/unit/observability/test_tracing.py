"""Traces: rpc > utterance > vad, decode > queue, encoder, decode_steps, under the caller's W3C context."""

import itertools
import time
from collections.abc import Iterator
from functools import partial

import numpy as np
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from speech_service.calls.trace import SessionTrace
from speech_service.domain.call import Call, CallMode
from speech_service.domain.errors import InternalError
from speech_service.domain.events import LatencySummary, SessionEnded, SessionStarted, Usage
from speech_service.domain.transcript import Hypothesis, ResultKind, TranscriptResult
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SpeechMade,
    SynthesizeWork,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.edge.metadata import make_call
from speech_service.observability.prometheus import PrometheusObserver
from speech_service.observability.tracing import OtelTracer
from speech_service.protocols import NullTracer

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"
PARENT_ID = "b7ad6b7169203331"
CALLER = f"00-{TRACE_ID}-{PARENT_ID}-01"
CANARY = "the quick brown canary"


def work(work_id: str, segment_id: int = 1) -> RecognizeWork:
    """A FINAL's work."""
    return RecognizeWork(
        work_id=work_id,
        segment=SegmentKey("s", 0, segment_id),
        kind=RecognizeKind.FINAL,
        work_class=WorkClass.STREAM_FINAL,
        samples=np.zeros(1_600, np.float32),
        model="m",
    )


def result(
    kind: ResultKind, text: str = CANARY, stable: int = 0, segment_id: int = 1
) -> TranscriptResult:
    """A result with a transcript."""
    return TranscriptResult(segment_id, 0, 1, kind, text, stable, 0, 100, lag_ms=50)


def done(work_id: str) -> WorkDone:
    """The work took 10 + 20 + 30 ms."""
    timing = WorkTiming(10, 20, 30, decode_steps=7, draft_proposed=5, draft_accepted=4)
    return WorkDone(work_id, Hypothesis(CANARY), timing)


def some_time(trace: SessionTrace) -> None:
    """Voice activity detection that takes measurable time."""
    started_s = time.time()
    while time.time() == started_s:
        pass
    trace.detected(started_s)


def metric(observer: PrometheusObserver, name: str, **labels: str) -> float:
    """The value of a metric on the page; 0 where it is not there."""
    families = text_string_to_metric_families(generate_latest(observer.registry).decode())
    samples = (sample for family in families for sample in family.samples)
    return next((s.value for s in samples if (s.name, s.labels) == (name, labels)), 0.0)


class Traced:
    """One call with a tracer that keeps its spans."""

    def __init__(self, traceparent: str = CALLER) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracer = OtelTracer(self.exporter, "speech-service")
        self.observer = PrometheusObserver()
        self.call = Call("speech.v1.RecognitionService", "StreamingRecognize", "bidi_stream", "r1")
        self.call.traceparent = traceparent
        self.tracer.call_started(self.call)
        self.trace = SessionTrace(self.call, CallMode.REALTIME, self.tracer, self.observer)

    def end(self, code: str = "OK") -> dict[str, list[ReadableSpan]]:
        """End the call; spans by name."""
        self.trace.close()
        self.tracer.call_ended(self.call, code)
        self.tracer.close()
        spans: dict[str, list[ReadableSpan]] = {}
        for span in self.exporter.get_finished_spans():
            spans.setdefault(span.name, []).append(span)
        return spans

    def metric(self, name: str, **labels: str) -> float:
        """The value of a metric."""
        return metric(self.observer, name, **labels)


@pytest.fixture
def traced() -> Iterator[Traced]:
    """A call under a caller's context."""
    it = Traced()
    yield it
    it.tracer.close()


def span_id(span: ReadableSpan) -> int:
    """Its id."""
    assert span.context is not None
    return span.context.span_id


def parent_id(span: ReadableSpan) -> int | None:
    """The id of its parent."""
    return span.parent.span_id if span.parent is not None else None


def test_spans_hang_together_under_the_caller(traced: Traced) -> None:
    trace = traced.trace
    trace.event(SessionStarted("s"))
    some_time(trace)
    traceparent = trace.submitted(work("w1"))
    trace.work_event(done("w1"))
    trace.event(result(ResultKind.FINAL))
    trace.event(SessionEnded(Usage(audio_in_ms=100), LatencySummary(first_result_ms=5)))
    spans = traced.end()

    assert {name: len(found) for name, found in spans.items()} == dict.fromkeys(
        ("rpc", "utterance", "vad", "decode", "queue", "encoder", "decode_steps"), 1
    )
    one = {name: found[0] for name, found in spans.items()}
    parents = {
        "utterance": "rpc",
        "vad": "utterance",
        "decode": "utterance",
        "queue": "decode",
        "encoder": "decode",
        "decode_steps": "decode",
    }
    for child, parent in parents.items():
        assert parent_id(one[child]) == span_id(one[parent]), child
    for span in one.values():
        assert span.context is not None
        assert f"{span.context.trace_id:032x}" == TRACE_ID
    assert parent_id(one["rpc"]) == int(PARENT_ID, 16)
    assert one["rpc"].kind is SpanKind.SERVER
    assert traceparent == f"00-{TRACE_ID}-{span_id(one['decode']):016x}-01"


def test_stages_follow_each_other_and_last_what_they_took(traced: Traced) -> None:
    traced.trace.submitted(work("w1"))
    traced.trace.work_event(done("w1"))
    spans = traced.end()
    stages = [spans[name][0] for name in ("queue", "encoder", "decode_steps")]
    for stage, length_ms in zip(stages, (10, 20, 30), strict=True):
        assert stage.start_time is not None
        assert stage.end_time is not None
        assert (stage.end_time - stage.start_time) / 1e6 == pytest.approx(length_ms, abs=0.01)
    for before, after in itertools.pairwise(stages):
        assert before.end_time == pytest.approx(after.start_time, abs=1_000)
    assert stages[2].attributes is not None
    assert stages[2].attributes["speech.steps"] == 7
    assert stages[2].attributes["speech.draft_accepted"] == 4


def test_the_context_in_the_metadata_is_the_parent() -> None:
    call = make_call("/p.S/M", "unary", [("traceparent", CALLER), ("x-request-id", "r9")])
    exporter = InMemorySpanExporter()
    tracer = OtelTracer(exporter, "speech-service")
    tracer.call_started(call)
    tracer.call_ended(call, "OK")
    tracer.close()
    (rpc,) = exporter.get_finished_spans()
    assert parent_id(rpc) == int(PARENT_ID, 16)
    assert rpc.attributes is not None
    assert rpc.attributes["rpc.method"] == "p.S/M"
    assert rpc.attributes["speech.request_id"] == "r9"
    assert rpc.attributes["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize("bad", ["", "junk", f"00-{TRACE_ID}-{PARENT_ID}", CALLER.upper()])
def test_a_malformed_context_is_ignored(bad: str) -> None:
    call = make_call("/p.S/M", "unary", [("traceparent", bad)])
    assert (call.traceparent, call.error) == ("", None)


def test_a_call_without_a_caller_starts_a_trace_of_its_own() -> None:
    traced = Traced(traceparent="")
    assert traced.call.traceparent.startswith("00-")
    rpc = traced.end()["rpc"][0]
    assert rpc.parent is None


def test_no_transcript_is_in_a_span(traced: Traced) -> None:
    traced.trace.submitted(work("w1"))
    traced.trace.event(result(ResultKind.PARTIAL))
    traced.trace.work_event(done("w1"))
    traced.trace.event(result(ResultKind.FINAL))
    spans = traced.end()
    assert spans["utterance"]
    for found in spans.values():
        for span in found:
            assert CANARY not in span.to_json()


@pytest.mark.parametrize("event", [None, WorkFailed("w1", InternalError("x"))])
def test_what_never_ended_ends_with_the_session(traced: Traced, event: WorkEvent | None) -> None:
    traced.trace.submitted(work("w1"))
    if event is not None:
        traced.trace.work_event(event)
    spans = traced.end("INTERNAL")
    (decode,), (utterance,) = spans["decode"], spans["utterance"]
    assert decode.attributes is not None
    assert decode.attributes["outcome"] == ("abandoned" if event is None else "WorkFailed")
    assert utterance.end_time is not None
    assert spans["rpc"][0].status.status_code is StatusCode.ERROR


def test_each_segment_is_an_utterance(traced: Traced) -> None:
    for segment_id in (1, 2):
        traced.trace.submitted(work(f"w{segment_id}", segment_id))
        traced.trace.submitted(work(f"v{segment_id}", segment_id))
        traced.trace.event(result(ResultKind.FINAL, segment_id=segment_id))
    spans = traced.end()
    assert [s.attributes and s.attributes["speech.segment_id"] for s in spans["utterance"]] == [
        1,
        2,
    ]
    assert len(spans["decode"]) == 4


@pytest.mark.parametrize(("final", "broken"), [("a b c.", 0), ("a x c.", 1)])
def test_a_final_that_breaks_the_stable_prefix_is_counted(
    traced: Traced, final: str, broken: int
) -> None:
    traced.trace.submitted(work("w1"))
    traced.trace.event(result(ResultKind.PARTIAL, "a b c", stable=3))
    traced.trace.event(result(ResultKind.FINAL, final))
    assert traced.metric("speech_stable_prefix_broken_total") == broken
    assert traced.metric("speech_results_total", kind="final") == 1
    assert traced.metric("speech_final_lag_seconds_sum", mode="realtime") == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("timing", "stages"),
    [
        (
            WorkTiming(10, 20, 100, decode_steps=7, first_frame_ms=30, codec_ms=25),
            {"queue": 10, "prefill": 20, "first_frame": 30, "frames": 45, "codec": 25},
        ),
        (WorkTiming(10, 0, 100), {"queue": 10, "frames": 100}),
    ],
)
def test_speech_is_traced_in_its_own_stages(
    traced: Traced, timing: WorkTiming, stages: dict[str, int]
) -> None:
    speech = SynthesizeWork(
        work_id="w", stream_id="s", work_class=WorkClass.UNARY, model="m", text="x", voice="y"
    )
    traced.trace.submitted(speech)
    traced.trace.work_event(WorkDone("w", SpeechMade(24_000), timing))
    spans = traced.end()
    assert spans.keys() == {"rpc", "synthesize", *stages}
    at = 0
    for name, length_ms in stages.items():
        (span,) = spans[name]
        assert span.start_time is not None
        assert span.end_time is not None
        assert span.start_time >= at
        assert (span.end_time - span.start_time) / 1e6 == pytest.approx(length_ms, abs=0.01)
        assert parent_id(span) == span_id(spans["synthesize"][0])
        at = span.start_time


def test_without_a_tracer_metrics_are_kept_and_no_spans_made() -> None:
    observer = PrometheusObserver()
    call = Call("speech.v1.RecognitionService", "StreamingRecognize", "bidi_stream", "r1")
    trace = SessionTrace(call, CallMode.FILE, NullTracer(), observer)
    assert trace.submitted(work("w1")) == ""
    trace.work_event(done("w1"))
    trace.event(SessionEnded(Usage(audio_in_ms=2_000), LatencySummary(first_result_ms=100)))
    trace.close()
    value = partial(metric, observer)
    assert value("speech_decode_seconds_sum") == pytest.approx(0.03)
    assert value("speech_encode_seconds_sum") == pytest.approx(0.02)
    assert value("speech_audio_received_seconds_total") == 2
    labels = {"grpc_service": "speech.v1.RecognitionService", "mode": "file"}
    assert value("speech_first_result_seconds_sum", **labels) == pytest.approx(0.1)
