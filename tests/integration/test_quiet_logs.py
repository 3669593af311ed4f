"""Whatever a client does to its calls, the log has no stack and no complaint that nobody looked at an error."""

import asyncio
import itertools
from pathlib import Path

import pytest
from grpc import aio

from speech.v1 import synthesis_service_pb2 as synthesis_pb
from speech.v1 import synthesis_service_pb2_grpc
from tests.integration.failures import Failure
from tests.integration.harness import (
    Server,
    Talk,
    auto_config,
    pb,
    raw_config,
    recognition_stub,
    request,
    running,
)
from tests.integration.processes import FAKE_TOML, serving
from tests.integration.sound import speech
from tests.unit.media.encode import encoded

MODELS = """
[[models]]
kind = "synthesizer/fake"
[[models]]
kind = "aligner/fake"
"""
NOISE = ("Traceback", "never retrieved", "never awaited", "ExecuteBatchError", "Task was destroyed")


@pytest.mark.parametrize("mode", ["inline", "process"])
async def test_cancels_resets_and_bad_input_leave_no_stack(tmp_path: Path, mode: str) -> None:
    toml = tmp_path / "service.toml"
    toml.write_text(MODELS + FAKE_TOML.format(step_ms=2))
    async with serving(f"--config={toml}", f"--workers={mode}") as server:
        for round_number in range(6):
            # A channel of its own is closed under its calls: the transport is reset.
            channel = aio.insecure_channel(
                server.target, options=[("grpc.use_local_subchannel_pool", 1)]
            )
            tasks = [
                asyncio.create_task(rude(channel, kind, delay_s=0.006 * round_number))
                for kind in itertools.chain.from_iterable([KINDS] * 4)
            ]
            if round_number % 2:
                await asyncio.sleep(0.02)
                await channel.close()
            # grpc.aio's client may wait for ever to write to a call whose channel is closed.
            _, waiting = await asyncio.wait(tasks, timeout=5)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await channel.close()
        async with aio.insecure_channel(server.target) as channel:
            reply = await recognition_stub(channel).Recognize(
                pb.RecognizeRequest(config=raw_config(), audio=speech(500)), timeout=60
            )
            assert reply.results
        server.signal()
        assert await server.exit_code(100) == 0
    noise = [line for line in server.errors if any(word in line for word in NOISE)]
    assert not noise, noise[:20]


KINDS = ("unary", "deadline", "stream", "container", "bad container", "garbage", "speech", "spoken")


async def rude(channel: aio.Channel, kind: str, delay_s: float) -> None:
    """Begin a call, and leave it in a way that no well-behaved client would."""
    stub = recognition_stub(channel)
    match kind:
        case "unary" | "deadline":
            timeout = max(0.001, delay_s) if kind == "deadline" else None
            config = pb.RecognizeRequest(config=raw_config(), audio=speech(20_000))
            call = stub.Recognize(config, timeout=timeout)
        case "speech":
            speaking = synthesis_service_pb2_grpc.SynthesisServiceStub(channel)
            call = speaking.Synthesize(synthesis_pb.SynthesizeRequest(text="Hello. " * 50))
        case "spoken":
            speaking = synthesis_service_pb2_grpc.SynthesisServiceStub(channel)
            call = speaking.SynthesizeChunked(
                synthesis_pb.SynthesizeChunkedRequest(text="Hello. " * 50)
            )
        case "garbage":
            call = channel.stream_stream("/speech.v1.RecognitionService/StreamingRecognize")()
            await call.write(b"\xff\xff\xff")
        case _:
            call = stub.StreamingRecognize()
            config = raw_config() if kind == "stream" else auto_config()
            await call.write(request(config=config))
            data = speech(3000) if kind == "stream" else encoded("flac", 3.0)
            if kind == "bad container":
                data = data[:2000] + bytes(4000)
            for at in range(0, len(data), 4000):
                await call.write(request(audio={"data": data[at : at + 4000]}))
    await asyncio.sleep(delay_s)
    call.cancel()


LONG = {"duration": {"seconds": 600}}


async def test_a_session_of_more_than_49_days_ends_with_its_limit(server: Server) -> None:
    async with Talk(server.recognition.StreamingRecognize(), raw_config()) as talk:
        reading = asyncio.create_task(talk.fails())
        for _ in range(7_200):
            if not await talk.write(request(silence=LONG)):
                break
        failure: Failure = await reading
    failure.is_("INVALID_ARGUMENT", "LIMIT_EXCEEDED", "BadRequest")
    assert "49 days" in failure.message
    await server.works()


async def test_limits_that_are_longer_than_a_field_are_told_as_its_most() -> None:
    settings = ("stream.idle_timeout_s=1e12", "server.max_audio_message_bytes=99999999999")
    async with (
        running(*settings) as server,
        Talk(server.recognition.StreamingRecognize(), raw_config()) as talk,
    ):
        started = await talk.until("session_started")
        assert started.limits.idle_timeout_ms == 2**32 - 1
        assert started.limits.max_audio_message_bytes == 2**32 - 1


async def test_a_crowd_on_one_connection_is_refused_by_admission() -> None:
    async with running("server.max_streams=2", "server.max_unary=2") as server:
        talks = [Talk(server.recognition.StreamingRecognize(), raw_config()) for _ in range(200)]
        await asyncio.gather(*(talk.send(config=raw_config()) for talk in talks))
        opened, refused = 0, 0
        for talk in talks:
            try:
                await talk.until("session_started")
                opened += 1
            except aio.AioRpcError as error:
                Failure.of(error).is_("RESOURCE_EXHAUSTED", "TOO_MANY_CALLS", "RetryInfo")
                refused += 1
        assert (opened, refused) == (2, 198)
        for talk in talks:
            talk.call.cancel()
        await server.idle()
