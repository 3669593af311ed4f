"""Metrics, spans and logs after real calls; and that no transcript is in any of them."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator
from typing import Any

import grpc
from loguru import logger
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from speech_service.config.tree import ObservabilityConfig
from speech_service.observability.logging import configure
from tests.integration.failures import failure_of
from tests.integration.harness import chunk, fake_model, pb, raw_config, running, until
from tests.integration.sound import speech

CANARY = "xylophone-canary"
TRACEPARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """An OTLP collector that keeps what it gets."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    async def Export(self, request: Any, context: Any) -> Any:
        del context
        for resource in request.resource_spans:
            for scope in resource.scope_spans:
                self.spans += scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()


@contextlib.asynccontextmanager
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    server = grpc.aio.server()
    servicer = Collector()
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield servicer, f"http://127.0.0.1:{port}"
    finally:
        await server.stop(0)


def attributes(span: Any) -> dict[str, Any]:
    return {a.key: getattr(a.value, a.value.WhichOneof("value")) for a in span.attributes}


async def test_spans_reach_the_collector_in_one_tree() -> None:
    async with collector() as (kept, endpoint):
        model = fake_model(words=[CANARY])
        async with running(f"observability.otlp_endpoint={endpoint}", models=[model]) as server:
            metadata = [("traceparent", TRACEPARENT), ("x-request-id", "traced")]
            async with server.talk(metadata=metadata) as talk:
                await talk.audio(speech(1500, 1000, 1000))
                await talk.end()
            async with server.talk(metadata=metadata) as bad:
                await bad.write(chunk(b"odd"))
                await bad.fails()
        # Leaving the block closed the application, which exports what is left.
        await until(lambda: any(s.name == "rpc" for s in kept.spans))
        spans = {s.span_id: s for s in kept.spans}
        assert {s.trace_id.hex() for s in kept.spans} == {TRACEPARENT.split("-")[1]}
        good, failed = (s for s in kept.spans if s.name == "rpc")
        if attributes(good)["rpc.response.status_code"] != "OK":
            good, failed = failed, good
        assert good.parent_span_id.hex() == TRACEPARENT.split("-")[2]
        assert attributes(good)["rpc.method"].endswith("StreamingRecognize")
        assert attributes(failed)["rpc.response.status_code"] == "INVALID_ARGUMENT"
        assert failed.status.code == 2

        def parent(span: Any) -> str:
            return spans[span.parent_span_id].name

        by_name = {name: [s for s in kept.spans if s.name == name] for name in SPANS}
        assert {name: {parent(s) for s in found} for name, found in by_name.items()} == SPANS
        assert len(by_name["utterance"]) == 2
        for span in kept.spans:
            assert span.end_time_unix_nano >= span.start_time_unix_nano
            assert CANARY not in str(span)


SPANS = {
    "utterance": {"rpc"},
    "vad": {"utterance"},
    "decode": {"utterance"},
    "queue": {"decode"},
    "encoder": {"decode"},
    "decode_steps": {"decode"},
}


async def test_metrics_after_traffic() -> None:
    async with running() as server:
        await server.works()
        async with server.talk() as talk:
            await talk.audio(speech(2000, 1000))
            await talk.end()
        call = server.recognition.Recognize(pb.RecognizeRequest(config=raw_config()))
        await failure_of(call)
        metrics = await server.metrics()
    stream = (
        'grpc_method="StreamingRecognize",grpc_service="speech.v1.RecognitionService",'
        'grpc_type="bidi_stream"'
    )
    unary = stream.replace("StreamingRecognize", "Recognize").replace("bidi_stream", "unary")
    assert metrics[f"grpc_server_started_total{{{stream}}}"] == 1
    assert metrics[f"grpc_server_started_total{{{unary}}}"] == 2
    assert metrics[f'grpc_server_handled_total{{grpc_code="OK",{stream}}}'] == 1
    assert metrics[f'grpc_server_handled_total{{grpc_code="INVALID_ARGUMENT",{unary}}}'] == 1
    assert metrics[f"grpc_server_msg_received_total{{{stream}}}"] == 2 + 30
    assert metrics[f"grpc_server_msg_sent_total{{{stream}}}"] == len(talk.events)
    assert metrics[f"grpc_server_handling_seconds_count{{{stream}}}"] == 1
    assert metrics['speech_results_total{kind="final"}'] == 2
    assert metrics["speech_audio_received_seconds_total"] == 4
    for mode in ("realtime", "unary"):
        assert metrics[f'speech_final_lag_seconds_count{{mode="{mode}"}}'] == 1
    service = 'grpc_service="speech.v1.RecognitionService"'
    assert metrics[f'speech_first_result_seconds_count{{{service},mode="realtime"}}'] == 1
    assert metrics["speech_unary_rtf_count"] == 1
    assert metrics["speech_active_streams"] == 0
    assert any(k.startswith("speech_queue_wait_seconds_count") for k in metrics)
    assert any(k.startswith("process_resident_memory_bytes") for k in metrics)


async def test_json_logs_tell_where_time_went_and_nothing_that_was_said(capfd: Any) -> None:
    try:
        configure(ObservabilityConfig(log_format="json", log_level="INFO"))
        async with running(models=[fake_model(words=[CANARY], step_ms=20)]) as server:
            async with server.talk(metadata=[("x-request-id", "logged")]) as talk:
                await talk.audio(speech(1500, 1000))
                await talk.end()
            call = server.recognition.Recognize(
                pb.RecognizeRequest(config=raw_config(model=CANARY[:5]), audio=b"\0\0")
            )
            await failure_of(call)
            await asyncio.sleep(0)
    finally:
        logger.remove()
        logger.add(sys.stderr)
    out = capfd.readouterr()
    text = out.out + out.err
    assert talk.finals[0].text.startswith(CANARY)
    assert CANARY not in text
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    calls = {record["code"]: record for record in lines if record["message"] == "rpc"}
    good, bad = calls["OK"], calls["NOT_FOUND"]
    assert good["method"].endswith("StreamingRecognize")
    assert good["request_id"] == "logged"
    assert good["session_id"] == talk.events[0].session_started.session_id
    assert good["model"] == "fake"
    assert good["audio_ms"] == 2500
    assert good["total_ms"] >= 20
    assert {"queue_ms", "encode_ms", "decode_ms"} <= set(good)
    assert bad["reason"] == "MODEL_NOT_FOUND"
