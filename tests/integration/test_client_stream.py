"""Streams of the client: order, acks, back-pressure, opening again, errors and cancelling."""

import asyncio
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Unpack

import grpc
import pytest

from speech.v1 import common_pb2 as common
from speech_client import (
    AudioSourceError,
    CancelledError,
    ControlAck,
    InvalidRequestError,
    OverloadedError,
    Pacing,
    RawAudio,
    RecognitionResult,
    RecognizeEvent,
    RecognizeOptions,
    RecognizeStream,
    RetryPolicy,
    SessionEnded,
    SpeechApiError,
    SpeechClient,
    StreamInterruptedError,
    UnavailableError,
)
from tests.integration.failures import WAIT_S
from tests.integration.harness import settled, until
from tests.integration.scripted_server import (
    Context,
    Scripted,
    StreamScript,
    abort,
    ended,
    response,
    result,
    serve,
    started,
    transcribe,
)

FAST_RETRY = RetryPolicy(attempts=3, initial_backoff_s=0.01, max_backoff_s=0.02)
BLOCK = b"x" * 60_000


def wav(seconds: float, rate: int = 16_000) -> bytes:
    data = b"\1\0" * int(seconds * rate)
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, rate * 2, 2, 16)
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    return head + fmt + struct.pack("<4sI", b"data", len(data)) + data


@asynccontextmanager
async def opened(
    script: StreamScript = transcribe, **options: Unpack[RecognizeOptions]
) -> AsyncIterator[tuple[Scripted, RecognizeStream]]:
    """A scripted server and an open stream to it."""
    async with (
        serve(script) as server,
        SpeechClient.connect(server.target) as client,
        client.stream_recognize(**options) as stream,
    ):
        yield server, stream


async def collect(stream: RecognizeStream, into: list[RecognizeEvent]) -> None:
    async for event in stream:
        into.append(event)


async def send_blocks(stream: RecognizeStream) -> None:
    for _ in range(5000):
        await stream.send_audio(BLOCK)


def other_tasks() -> set[str]:
    return {task.get_name() for task in asyncio.all_tasks() if "speech-client" in task.get_name()}


async def test_a_whole_session() -> None:
    async with opened(format=RawAudio(16_000), partial_interval_ms=250) as (server, stream):
        assert stream.session.model == "scripted"
        await stream.send_audio(b"1234")
        pending = await stream.finalize()
        ack = await pending  # Without iterating.
        assert (ack.control_id, ack.last_final_segment) == ("c1", 1)
        await stream.send_silence(1500)
        await stream.keep_alive()
        await stream.send_audio(b"56")
        await stream.end_audio()
        await stream.end_audio()
        events = [event async for event in stream]
        with pytest.raises(RuntimeError, match="after the end of the input"):
            await stream.send_audio(b"7")
    kinds = [type(event) for event in events]
    assert kinds == [RecognitionResult, ControlAck, RecognitionResult, SessionEnded]
    assert [e.text for e in events if isinstance(e, RecognitionResult)] == [
        "4 bytes",
        "6 bytes in all",
    ]
    assert stream.ended is not None
    assert stream.ended.latency.first_result_ms == 321
    sent = [message.WhichOneof("payload") for message in server.requests]
    assert sent == [
        *("config", "audio", "finalize", "silence", "keep_alive", "audio", "end_of_audio"),
    ]
    config = server.requests[0].config
    assert config.pacing == common.PACING_REALTIME
    assert config.partial_interval.ToMilliseconds() == 250
    assert server.requests[3].silence.duration.ToMilliseconds() == 1500
    assert not other_tasks()


async def test_opening_is_retried_while_unavailable() -> None:
    attempts = 0

    async def flaky(server: Scripted, context: Context) -> None:
        nonlocal attempts
        attempts += 1
        if attempts < 3:
            await abort(context, grpc.StatusCode.UNAVAILABLE, "LOADING", "soon", retry_ms=30)
        await transcribe(server, context)

    async with (
        serve(flaky) as server,
        SpeechClient.connect(server.target, retry=FAST_RETRY) as client,
    ):
        begin = asyncio.get_running_loop().time()
        async with client.stream_recognize() as stream:
            await stream.end_audio()
            assert [event async for event in stream]
        assert asyncio.get_running_loop().time() - begin >= 0.06  # The server's own wait is kept.
    assert attempts == 3
    assert len({sent["x-request-id"] for sent in server.metadata}) == 1


async def test_opening_gives_up_and_other_errors_are_not_retried() -> None:
    async def refuse(server: Scripted, context: Context) -> None:
        code = codes.pop(0)
        await abort(context, code, "NO", "no", retry_ms=1)

    codes = [grpc.StatusCode.UNAVAILABLE] * 3 + [grpc.StatusCode.RESOURCE_EXHAUSTED]
    async with (
        serve(refuse) as server,
        SpeechClient.connect(server.target, retry=FAST_RETRY) as client,
    ):
        with pytest.raises(UnavailableError):
            await client.stream_recognize().__aenter__()
        with pytest.raises(OverloadedError) as caught:
            await client.stream_recognize().__aenter__()
    assert caught.value.retry_after_ms == 1
    assert not codes
    assert not other_tasks()


async def test_nothing_is_retried_once_the_session_is_open() -> None:
    async def lose(server: Scripted, context: Context) -> None:
        await context.write(started())
        await abort(context, grpc.StatusCode.UNAVAILABLE, "WORKER_LOST", "lost")

    async with (
        serve(lose) as server,
        SpeechClient.connect(server.target, retry=FAST_RETRY) as client,
        client.stream_recognize() as stream,
    ):
        with pytest.raises(UnavailableError, match="WORKER_LOST"):
            _ = [event async for event in stream]
        with pytest.raises(UnavailableError, match="WORKER_LOST"):  # Not InvalidStateError.
            await stream.send_audio(b"x")
    assert len(server.metadata) == 1


@pytest.mark.parametrize("attempt", range(25))
async def test_the_true_status_survives_a_failing_send(attempt: int) -> None:
    """grpc.aio overwrites it with INTERNAL where a send fails at the same time; and no event may be lost either."""

    async def abort_midway(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.read()
        for number in range(5):
            await context.write(response(result=result(f"r{number}", number + 1)))
        await abort(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_AUDIO", "bad")

    async with opened(abort_midway) as (_, stream):
        with pytest.raises(InvalidRequestError, match="INVALID_AUDIO: bad"):
            await send_blocks(stream)
        events: list[RecognizeEvent] = []
        with pytest.raises(InvalidRequestError, match="INVALID_AUDIO: bad"):
            await collect(stream, events)
    texts = [event.text for event in events if isinstance(event, RecognitionResult)]
    assert texts == ["r0", "r1", "r2", "r3", "r4"]


async def test_sends_wait_for_a_busy_server() -> None:
    go_on = asyncio.Event()

    async def stall(server: Scripted, context: Context) -> None:
        await context.write(started())
        await go_on.wait()
        while await context.read() is not grpc.aio.EOF:
            pass
        await context.write(ended())

    sent = 0

    def count(done: int, total: int | None) -> None:
        nonlocal sent
        sent = done

    async with (
        serve(stall) as server,
        SpeechClient.connect(server.target) as client,
        client.stream_file(b"x" * 40_000_000, on_sent=count) as stream,
    ):
        await until(lambda: sent > 0)
        assert await settled(lambda: sent) < 20_000_000
        go_on.set()
        assert [type(event) async for event in stream] == [SessionEnded]
    assert sent == 40_000_000


async def test_unread_events_stop_the_reader_but_not_an_awaited_ack() -> None:
    written = 0

    async def flood(server: Scripted, context: Context) -> None:
        nonlocal written
        await context.write(started())
        for number in range(1, 3001):
            await context.write(response(result=result("x" * 5000, number)))
            written = number
        control_id = (await context.read()).finalize.control_id
        ack = common.ControlAck(control_id=control_id, kind=common.CONTROL_KIND_FINALIZE)
        await context.write(response(control_ack=ack))
        await context.write(ended())

    async with opened(flood) as (_, stream):
        await asyncio.sleep(0.5)
        assert written < 3000  # Back-pressure reaches the server.
        assert (await (await stream.finalize("mine"))).control_id == "mine"
        assert len([event async for event in stream]) == 3002


async def test_an_end_without_session_ended_is_an_error() -> None:
    async def vanish(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.read()
        await context.write(response(result=result("half")))

    async with opened(vanish) as (_, stream):
        pending = await stream.finalize()
        events: list[RecognizeEvent] = []
        with pytest.raises(StreamInterruptedError, match="incomplete"):
            await collect(stream, events)
        assert len(events) == 1
        with pytest.raises(StreamInterruptedError):
            await pending


async def test_a_peer_cancel_is_an_error_not_a_task_cancel() -> None:
    async def cancel(server: Scripted, context: Context) -> None:
        await context.write(started())
        await context.abort(grpc.StatusCode.CANCELLED, "by a proxy")

    async with opened(cancel) as (_, stream):
        with pytest.raises(CancelledError, match="by a proxy"):
            _ = [event async for event in stream]


async def test_leaving_early_cancels_and_leaves_nothing() -> None:
    async with serve() as server, SpeechClient.connect(server.target) as client:
        async with client.stream_recognize() as stream:
            await stream.send_audio(b"x")
            await until(lambda: bool(server.requests))
        await asyncio.wait_for(server.closed.wait(), WAIT_S)
        with pytest.raises(CancelledError):
            await stream.send_audio(b"x")
        server.closed.clear()
        seen = len(server.requests)
        async with client.stream_file(wav(10), pacing=Pacing.REALTIME):
            await until(lambda: len(server.requests) > seen)
        await asyncio.wait_for(server.closed.wait(), WAIT_S)
    assert not other_tasks()


async def test_cancelling_the_task_cancels_the_call() -> None:
    async with serve() as server, SpeechClient.connect(server.target) as client:

        async def listen() -> None:
            async with client.stream_recognize() as stream:
                async for _ in stream:
                    pass

        task = asyncio.create_task(listen())
        await until(lambda: bool(server.requests))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(server.closed.wait(), WAIT_S)
    assert not other_tasks()


async def test_files_are_cut_into_whole_frames(tmp_path: Path) -> None:
    file = tmp_path / "three-channels.raw"
    file.write_bytes(bytes(300_000))
    async with (
        serve() as server,
        SpeechClient.connect(server.target) as client,
        client.stream_file(file, format=RawAudio(16_000, channel_count=3)) as stream,
    ):
        _ = [event async for event in stream]
    sizes = [len(m.audio.data) for m in server.requests if m.WhichOneof("payload") == "audio"]
    assert sum(sizes) == 300_000
    assert all(size % 6 == 0 and size <= 64 * 1024 for size in sizes)
    assert server.requests[0].config.pacing == common.PACING_FILE


async def test_a_wav_file_is_paced_and_sent_headerless() -> None:
    async with serve() as server, SpeechClient.connect(server.target) as client:
        begin = asyncio.get_running_loop().time()
        async with client.stream_file(wav(0.5), pacing=Pacing.REALTIME) as stream:
            _ = [event async for event in stream]
        elapsed = asyncio.get_running_loop().time() - begin
    assert elapsed >= 0.5
    raw = server.requests[0].config.audio.raw
    assert (raw.sample_rate_hz, raw.channel_count) == (16_000, 1)
    sizes = [len(m.audio.data) for m in server.requests if m.WhichOneof("payload") == "audio"]
    assert sizes == [3200] * 5


async def test_what_cannot_be_paced_says_so() -> None:
    async with SpeechClient.connect("127.0.0.1:1") as client:
        with pytest.raises(AudioSourceError, match="only WAV and headerless"):
            async with client.stream_file(b"ID3" + bytes(100), pacing=Pacing.REALTIME):
                pass


async def test_pieces_from_an_iterable_and_its_failure() -> None:
    async def pieces(fail: bool) -> AsyncIterator[bytes]:
        yield b"abc"
        yield b"d" * 100_000
        if fail:
            raise OSError("the disk broke")

    async with serve() as server, SpeechClient.connect(server.target) as client:
        form = RawAudio(16_000)
        async with client.stream_file(pieces(False), format=form) as stream:
            events = [event async for event in stream]
        assert isinstance(events[0], RecognitionResult)
        assert events[0].text == "100003 bytes in all"
        async with client.stream_file(pieces(True), format=form) as stream:
            with pytest.raises(AudioSourceError, match="the disk broke"):
                _ = [event async for event in stream]
    assert not other_tasks()


async def test_many_early_exits_leave_nothing() -> None:
    async with serve() as server, SpeechClient.connect(server.target) as client:

        async def one(number: int) -> None:
            try:
                async with asyncio.timeout(number * 0.002):
                    async with client.stream_file(wav(3), pacing=Pacing.REALTIME) as stream:
                        _ = [event async for event in stream]
            except (TimeoutError, SpeechApiError):
                pass

        await asyncio.gather(*(one(number) for number in range(100)))
        await until(lambda: not other_tasks())
