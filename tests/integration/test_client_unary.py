"""Unary calls of the client: replies, metadata, errors and retries."""

import asyncio
from pathlib import Path

import grpc
import pytest

from speech.v1 import recognition_service_pb2 as pb
from speech_client import (
    AudioSourceError,
    CallOptions,
    DeadlineError,
    HealthStatus,
    InvalidRequestError,
    NotFoundError,
    RetryPolicy,
    SpeechClient,
    UnavailableError,
)
from tests.integration.scripted_server import Context, abort, reply, serve

FAST_RETRY = RetryPolicy(attempts=3, initial_backoff_s=0.02, max_backoff_s=0.05)


async def test_recognizes_bytes_and_files(tmp_path: Path) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x" * 10)
    async with serve() as server, SpeechClient.connect(server.target) as client:
        from_file = await client.recognize(file, language="en")
        from_bytes = await client.recognize(b"y" * 20)
    assert from_file.text == "10 bytes second"
    assert [result.text for result in from_bytes.results] == ["20 bytes", "second"]
    assert from_bytes.model == "scripted"
    assert from_bytes.latency.total_ms == 12
    assert from_bytes.latency.queue_ms is None
    assert from_bytes.raw is not None


async def test_sends_its_metadata() -> None:
    call = CallOptions(
        request_id="mine",
        priority="batch",
        authorization="Bearer t",
        traceparent="00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        tracestate="a=b",
        metadata=(("x-team", "red"),),
    )
    async with serve() as server, SpeechClient.connect(server.target, call=call) as client:
        await client.recognize(b"x")
        await client.recognize(b"x", call=CallOptions())
    sent, generated = server.metadata
    assert sent["x-request-id"] == "mine"
    assert sent["x-speech-priority"] == "batch"
    assert sent["authorization"] == "Bearer t"
    assert sent["traceparent"] == call.traceparent
    assert sent["tracestate"] == "a=b"
    assert sent["x-team"] == "red"
    assert len(generated["x-request-id"]) == 32
    assert "authorization" not in generated


async def test_decodes_error_details() -> None:
    async def refuse(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", "config.model: no")
        return pb.RecognizeResponse()

    async with serve(unary=refuse) as server, SpeechClient.connect(server.target) as client:
        with pytest.raises(InvalidRequestError) as caught:
            await client.recognize(b"x")
    error = caught.value
    assert error.code is grpc.StatusCode.INVALID_ARGUMENT
    assert error.reason == "INVALID_FIELD"
    assert error.metadata == {"limit": "7"}
    assert [violation.field for violation in error.field_violations] == ["config.model"]
    assert error.request_id == "req-from-server"
    assert str(error) == "INVALID_FIELD: config.model: no"


async def test_retries_unavailable_and_nothing_else() -> None:
    calls = 0

    async def fail(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        nonlocal calls
        calls += 1
        if calls < 3:
            await abort(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", "bye", retry_ms=20)
        if calls == 4:
            await abort(context, grpc.StatusCode.INTERNAL, "INTERNAL", "bug")
        return await reply(request, context)

    audio = b"x" * 1_000_000  # Above gRPC's default retry buffer.
    async with (
        serve(unary=fail) as server,
        SpeechClient.connect(server.target, retry=FAST_RETRY) as client,
    ):
        assert (await client.recognize(audio)).text == "1000000 bytes second"
        assert calls == 3
        with pytest.raises(Exception, match="INTERNAL: bug"):
            await client.recognize(audio)
        assert calls == 4


async def test_nobody_answers() -> None:
    retry = RetryPolicy(attempts=1)
    async with SpeechClient.connect("127.0.0.1:1", retry=retry) as client:
        with pytest.raises(UnavailableError) as caught:
            await client.recognize(b"x")
        assert caught.value.request_id
        with pytest.raises(UnavailableError):
            await client.check_health()


async def test_deadline() -> None:
    async def sleep(request: pb.RecognizeRequest, context: Context) -> pb.RecognizeResponse:
        await asyncio.sleep(5)
        return pb.RecognizeResponse()

    async with serve(unary=sleep) as server, SpeechClient.connect(server.target) as client:
        with pytest.raises(DeadlineError):
            await client.recognize(b"x", call=CallOptions(timeout_s=0.1))


async def test_refuses_audio_that_fits_no_request(tmp_path: Path) -> None:
    async with SpeechClient.connect("127.0.0.1:1") as client:
        with pytest.raises(AudioSourceError, match="stream_file"):
            await client.recognize(b"x" * (16 << 20))
        with pytest.raises(AudioSourceError, match="holds no audio"):
            await client.recognize(b"")
        with pytest.raises(AudioSourceError, match="cannot be read: No such file"):
            await client.recognize(tmp_path / "absent.wav")


async def test_models_and_health() -> None:
    async with serve() as server, SpeechClient.connect(server.target) as client:
        (model,) = await client.list_models("recognizer", "en")
        assert (model.name, model.kind, model.state) == ("scripted", "recognizer", "ready")
        assert model.capabilities == ("partial_results", "word_times")
        assert model.limits == {"max_channels": 8}
        assert await client.get_model("scripted") == model
        with pytest.raises(NotFoundError) as caught:
            await client.get_model("absent")
        assert caught.value.reason == "MODEL_NOT_FOUND"
        with pytest.raises(ValueError, match="MODEL_KIND_CHAIR"):
            await client.list_models("chair")
        assert await client.check_health() is HealthStatus.SERVING
        service = "speech.v1.RecognitionService"
        assert await client.check_health(service) is HealthStatus.NOT_SERVING
        assert await client.check_health("absent") is HealthStatus.SERVICE_UNKNOWN
