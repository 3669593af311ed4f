"""Admission, queue, deadlines, priorities, reply size, lag: what is refused, how, and when it works again."""

import asyncio

import grpc
import pytest
from grpc import aio

from speech.v1 import common_pb2 as common
from tests.integration.failures import Failure, failure_of
from tests.integration.harness import Server, fake_model, pb, raw_config, recognize, running, until
from tests.integration.sound import speech


def refused(failure: Failure, reason: str, code: str = "RESOURCE_EXHAUSTED") -> Failure:
    """Assert RetryInfo and the pushback that gRPC's own retry honours."""
    failure.is_(code, reason, "RetryInfo")
    delay_ms = failure.details["RetryInfo"].retry_delay.ToMilliseconds()
    assert delay_ms > 0
    assert failure.trailers["grpc-retry-pushback-ms"] == str(delay_ms)
    return failure


async def test_one_stream_too_many() -> None:
    async with running("server.max_streams=2") as server:
        async with server.talk() as one, server.talk() as two:
            await one.read()
            await two.read()
            async with server.talk() as third:
                failure = refused(await third.fails(), "TOO_MANY_CALLS")
            assert failure.info.metadata["max_streams"] == "2"
            await server.works()  # unary calls have a limit of their own
            await one.end()
            await until(lambda: server.app.parts.admission.open_streams == 1)
            async with server.talk() as fourth:
                await fourth.end()
            await two.end()
        assert (await server.metrics())['speech_shed_total{reason="max_streams"}'] == 1


def unary(server: Server, audio: bytes, **options: object) -> grpc.aio.UnaryUnaryCall:
    call: grpc.aio.UnaryUnaryCall = server.recognition.Recognize(
        pb.RecognizeRequest(config=raw_config(), audio=audio),
        **options,  # pyright: ignore[reportArgumentType]
    )
    return call


async def test_one_unary_call_too_many() -> None:
    async with running("server.max_unary=1", models=[fake_model(step_ms=200)]) as server:
        first = asyncio.ensure_future(unary(server, speech(1000)))
        await until(lambda: server.app.parts.admission.open_unary == 1)
        failure = refused(await failure_of(unary(server, speech(1000))), "TOO_MANY_CALLS")
        assert failure.info.metadata["max_unary"] == "1"
        assert (await first).results
        await server.works()


async def test_a_full_queue() -> None:
    """Unary work is refused; FINALs of streams that were admitted never are."""
    model = fake_model(step_ms=150, max_batch=1)
    async with running("scheduler.max_queued=1", models=[model]) as server:
        calls = asyncio.gather(
            *(unary(server, speech(1000)) for _ in range(6)), return_exceptions=True
        )
        async with server.talk() as talk:
            await talk.audio(speech(1000))
            await talk.end()
        assert len(talk.finals) == 1
        done = await calls
        failed = [Failure.of(e) for e in done if isinstance(e, aio.AioRpcError)]
        assert 1 <= len(failed) < 6
        for failure in failed:
            refused(failure, "OVERLOADED")
        await server.works()


async def expired(server: Server) -> float:
    """Calls whose end at their deadline the server saw."""
    handled = [(k, v) for k, v in (await server.metrics()).items() if "handled_total" in k]
    return sum(v for k, v in handled if 'grpc_code="DEADLINE_EXCEEDED"' in k)


async def test_a_deadline_ends_the_call_and_its_waiting_work() -> None:
    async def unary_call(server: Server, timeout_s: float) -> None:
        await unary(server, speech(1000), timeout=timeout_s)

    async def stream(server: Server, timeout_s: float) -> None:
        async with server.talk(timeout=timeout_s) as talk:
            await talk.audio(speech(1000))
            await talk.send(finalize={"control_id": "late"})
            await talk.rest()

    model = fake_model(step_ms=3000, max_batch=1)
    async with running(models=[model]) as server:
        first = asyncio.ensure_future(unary(server, speech(1000)))
        await until(lambda: server.app.parts.admission.open_unary == 1)
        for count, late in enumerate((unary_call, stream), 1):
            timeout_s = 0.1
            while await expired(server) < count:  # in so short a time it may not get there at all
                with pytest.raises(aio.AioRpcError) as caught:
                    await late(server, timeout_s)
                assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
                timeout_s *= 2
        await until(lambda: server.app.parts.admission.open_streams == 0)
        assert (await first).results
        await server.idle()
        metrics = await server.metrics()
        done = {k: v for k, v in metrics.items() if "speech_work_total" in k and "done" in k}
        assert sum(done.values()) == 1


@pytest.mark.parametrize(
    ("priority", "unary_class", "final_class"),
    [
        ("interactive", "unary", "stream_final"),
        ("default", "unary", "stream_final"),
        ("batch", "background", "background"),
    ],
)
async def test_priority_lowers_and_never_raises(
    server: Server, priority: str, unary_class: str, final_class: str
) -> None:
    metadata = (("x-speech-priority", priority),)
    await unary(server, speech(1000), metadata=metadata)
    await server.idle()
    work = {k for k in await server.metrics() if k.startswith("speech_work_total")}
    assert len(work) == 1
    assert f'class="{unary_class}"' in work.pop()
    async with server.talk(metadata=metadata, partial_results=False) as talk:
        await talk.audio(speech(1000))
        await talk.end()
    work = {k for k in await server.metrics() if k.startswith("speech_work_total")}
    assert any(f'class="{final_class}"' in name for name in work)


async def test_a_reply_that_is_too_large_names_the_stream() -> None:
    async with running("server.max_unary_reply_bytes=200") as server:
        failure = await failure_of(unary(server, speech(*[2000, 1000] * 6)))
        failure.is_("OUT_OF_RANGE", "REPLY_TOO_LARGE")
        assert failure.info.metadata["use"] == "StreamingRecognize"
        assert failure.info.metadata["max_unary_reply_bytes"] == "200"
        assert "StreamingRecognize" in failure.message
        assert (await unary(server, speech(1000))).results


async def test_a_stream_that_lags_for_too_long_is_told_to_come_back() -> None:
    limits = ("stream.progress_interval_s=0.05", "stream.max_lag_s=0.3")
    async with running(*limits, models=[fake_model(step_ms=3000)]) as server:
        async with server.talk() as talk:
            await talk.audio(speech(3000, 1000))
            failure = await talk.fails()
        refused(failure, "LAG_TOO_LARGE")
        lags_ms = [e.progress.lag_ms for e in talk.events if e.HasField("progress")]
        assert max(lags_ms) > 300, "it is told before it counts against the client"


async def test_a_lagging_file_is_only_slow() -> None:
    limits = ("stream.progress_interval_s=0.05", "stream.max_lag_s=0.1")
    async with running(*limits, models=[fake_model(step_ms=400)]) as server:
        talk = await recognize(server, speech(3000), raw_config(pacing=common.PACING_FILE))
        assert talk.finals


async def test_a_stream_message_above_one_mebibyte(server: Server) -> None:
    async with server.talk(pacing=common.PACING_FILE) as talk:
        await talk.send(audio={"data": bytes(1024 * 1024)})
        await talk.send(audio={"data": bytes(1024 * 1024 + 2)})
        failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", "LIMIT_EXCEEDED", "BadRequest").names("audio.data")
    assert "max_audio_message_bytes" in failure.info.metadata
    await server.works()
