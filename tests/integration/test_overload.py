"""More live streams than the devices can keep up with: who is refused, how, how soon, and who is not.

None of it depends on how fast this machine is: what a model can do is either what is assumed before it has done
anything, or bounded by how long the fake one sleeps; and streams in which nobody speaks are found out slowly.
"""

import asyncio
import contextlib
import statistics
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from google.protobuf import duration_pb2
from grpc import aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from speech.v1 import common_pb2
from speech.v1 import synthesis_service_pb2 as synthesis
from speech_service.app import compose
from speech_service.calls.live_load import LiveLoad
from speech_service.config.tree import ConfigError
from speech_service.protocols import LiveCapacity, Observer
from tests.integration.failures import WAIT_S, Failure, rpc_error
from tests.integration.harness import Server, Talk, fake_model, raw_config, running, until
from tests.integration.sound import speech
from tests.integration.synthesis_harness import config as voice_config
from tests.integration.synthesis_harness import hum, speech_stub

MEASURED = "server.admission=measured"
HEADROOM = "server.live_headroom=0.8"
REALTIME, FILE = common_pb2.PACING_REALTIME, common_pb2.PACING_FILE
AT_ONCE = 6
"""Eight streams a lane are assumed, and four fifths of it are given (``HEADROOM``)."""


@pytest.fixture(autouse=True)
def silence_is_found_out_slowly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is silent takes less room after a while: not before a busy machine is through with the test."""

    def slow(
        capacity: LiveCapacity, headroom: float, clock: Callable[[], float], observer: Observer
    ) -> LiveLoad:
        return LiveLoad(capacity, headroom, lambda: clock() / 100, observer)

    monkeypatch.setattr(compose, "LiveLoad", slow)


def refused(failure: Failure, reason: str = "OVER_CAPACITY") -> Failure:
    """Assert all that tells a client, gRPC or a proxy when to come back."""
    failure.is_("RESOURCE_EXHAUSTED", reason, "RetryInfo")
    delay_ms = failure.details["RetryInfo"].retry_delay.ToMilliseconds()
    assert 1000 <= delay_ms <= 10_000
    assert failure.trailers["grpc-retry-pushback-ms"] == str(delay_ms)
    assert failure.trailers["retry-after"] == str(-(-delay_ms // 1000))
    return failure


async def is_below(server: Server, sample: str, bound: float) -> bool:
    """Whether a metric is."""
    return (await server.metrics())[sample] < bound


async def come(server: Server, stack: contextlib.AsyncExitStack, **fields: Any) -> Talk | Failure:
    """Open a stream; gives it once it is admitted, or how it was refused."""
    talk = server.talk(**fields)
    await stack.enter_async_context(talk)
    try:
        await talk.read()
    except aio.AioRpcError as error:
        return Failure.of(error)
    return talk


async def crowd(
    server: Server, stack: contextlib.AsyncExitStack, count: int
) -> tuple[list[Talk], list[Failure]]:
    """So many live streams want in at once."""
    outcomes = await asyncio.gather(*(come(server, stack) for _ in range(count)))
    return (
        [outcome for outcome in outcomes if isinstance(outcome, Talk)],
        [outcome for outcome in outcomes if isinstance(outcome, Failure)],
    )


@contextlib.asynccontextmanager
async def full(*overrides: str, **options: object) -> AsyncIterator[tuple[Server, list[Talk]]]:
    """A server that has all live streams that it can have, and refused the others."""
    async with (
        running(MEASURED, HEADROOM, *overrides, models=[fake_model(**options), hum()]) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        admitted, failures = await crowd(server, stack, 3 * AT_ONCE)
        assert (len(admitted), len(failures)) == (AT_ONCE, 2 * AT_ONCE)
        for failure in failures:
            refused(failure)
        yield server, admitted


async def test_those_too_many_are_refused_and_those_admitted_are_served() -> None:
    async with full() as (server, admitted):
        metrics = await server.metrics()
        assert metrics['speech_shed_total{reason="capacity"}'] == 2 * AT_ONCE
        assert metrics['speech_live_capacity{model="fake"}'] == pytest.approx(8)
        assert metrics['speech_live_demand{model="fake"}'] == pytest.approx(AT_ONCE, rel=0.2)
        assert 0.8 < metrics["speech_stream_load"] <= 1
        for talk in admitted:
            await talk.audio(speech(1000))
        for talk in admitted:
            await talk.end()
            assert [final.text for final in talk.finals] == ["zero one"]
        await until(lambda: server.app.parts.admission.open_streams == 0)
        for sample in ('speech_live_demand{model="fake"}', "speech_stream_load"):
            await until(partial(is_below, server, sample, 1e-9))


async def test_files_batches_and_unary_calls_wait_instead() -> None:
    async with full() as (server, _), contextlib.AsyncExitStack() as stack:
        await server.works()
        for fields in ({"pacing": FILE}, {"metadata": (("x-speech-priority", "batch"),)}):
            talk = await come(server, stack, **fields)
            assert isinstance(talk, Talk)
            await talk.audio(speech(1000))
            await talk.end()
            assert [final.text for final in talk.finals] == ["zero one"]


async def test_who_leaves_makes_room() -> None:
    async with full() as (server, admitted), contextlib.AsyncExitStack() as stack:
        admitted[0].call.cancel()
        await admitted[1].end()
        await until(lambda: server.app.parts.admission.open_streams == AT_ONCE - 2)
        talks, failures = await crowd(server, stack, 4)
        assert (len(talks), len(failures)) == (2, 2)


async def test_room_is_kept_for_sessions_whose_token_servers_of_one_key_gave(
    tmp_path: Path,
) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).write_text(name[0] * 40 + "\n")
    ours, theirs = (f"stream.resume_key_file={tmp_path / name}" for name in ("ours", "theirs"))

    async def token(*settings: str) -> str:
        async with running(*settings) as server, server.talk() as talk:
            return (await talk.until("session_started")).resume_token

    async def resumed(
        server: Server, stack: contextlib.AsyncExitStack, token: str
    ) -> Talk | Failure:
        resume = common_pb2.Resume(token=token, last_segment_id=1, from_ms=900)
        return await come(server, stack, resume=resume)

    async with full(ours) as (server, admitted), contextlib.AsyncExitStack() as stack:
        for unknown in (await token(theirs), await token()):
            outcome = await resumed(server, stack, unknown)
            assert isinstance(outcome, Failure)
            refused(outcome)
        assert isinstance(await resumed(server, stack, await token(ours)), Talk)
        for talk in admitted[:4]:
            await talk.end()
        assert isinstance(await resumed(server, stack, await token(theirs)), Talk), "there is room"


@pytest.mark.parametrize("content", [None, b"", b"short\n"])
async def test_a_key_that_is_none_stops_the_start(tmp_path: Path, content: bytes | None) -> None:
    key = tmp_path / "resume.key"
    if content is not None:
        key.write_bytes(content)
    with pytest.raises(ConfigError, match=r"^stream\.resume_key_file: "):
        async with running(f"stream.resume_key_file={key}"):
            pass


async def test_a_refusal_is_about_as_quick_as_a_health_check() -> None:
    """Of the same minute, on the same channel, in turns: on a busy machine both take their time."""
    async with full() as (server, _):
        health: Any = health_pb2_grpc.HealthStub(server.channel)
        checks_s: list[float] = []
        refusals_s: list[float] = []
        for _ in range(40):
            began_s = time.perf_counter()
            await health.Check(health_pb2.HealthCheckRequest())
            checks_s.append(time.perf_counter() - began_s)
            began_s = time.perf_counter()
            async with server.talk() as talk:
                await talk.fails()
            refusals_s.append(time.perf_counter() - began_s)
        assert statistics.median(refusals_s) < 10 * statistics.median(checks_s) + 0.002


async def test_speech_is_refused_before_its_first_message() -> None:
    """It is live by nature, so nothing that its client could say would help."""
    async with running(MEASURED, HEADROOM, models=[fake_model(), hum()]) as server:
        stub = speech_stub(server)
        calls: list[Any] = []
        for _ in range(16):  # twenty on a lane, four fifths of it
            call = stub.StreamingSynthesize()
            await call.write(synthesis.StreamingSynthesizeRequest(config=voice_config()))
            await call.read()
            calls.append(call)
        silent = stub.StreamingSynthesize()
        async with asyncio.timeout(WAIT_S):
            code = await silent.code()
        refused(Failure.of(await rpc_error(silent)))
        assert code.name == "RESOURCE_EXHAUSTED"
        text = synthesis.SynthesizeChunkedRequest(config=voice_config(), text="Hello.")
        chunked = stub.SynthesizeChunked(text)
        with pytest.raises(aio.AioRpcError) as caught:
            await chunked.read()
        refused(Failure.of(caught.value))
        whole = synthesis.SynthesizeRequest(config=voice_config(), text="Hello.")
        assert (await stub.Synthesize(whole)).audio
        for call in calls:
            call.cancel()
        await until(lambda: server.app.parts.admission.open_streams == 0)
        assert (await server.metrics())["speech_stream_load"] == 0


@pytest.mark.parametrize("mode", ["inline", "process"])
async def test_what_a_slow_model_takes_is_learned(mode: str) -> None:
    """Every piece takes a fifth of a second, however little audio is in it: two live streams fill the lane."""
    models = [fake_model(step_ms=200, max_batch=1)]
    async with (
        running(MEASURED, HEADROOM, f"worker.mode={mode}", models=models) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        talk = await come(server, stack)
        assert isinstance(talk, Talk)
        for _ in range(15):
            await talk.audio(speech(1500))
            await talk.send(silence={"duration": duration_pb2.Duration(seconds=1)})
        await talk.send(finalize={})
        await talk.until("control_ack")
        assert len(talk.finals) == 15
        await until(partial(is_below, server, 'speech_live_capacity{model="fake"}', 6.0))
        _, failures = await crowd(server, stack, AT_ONCE)
        assert failures, "what is known of it now leaves no room for as many as before"


async def test_late_results_close_the_door_until_they_are_in_time() -> None:
    """Three FINALs that are awaited for longer than the bound are enough."""
    slow = fake_model(step_ms=1500, max_batch=1)
    async with (
        running(MEASURED, HEADROOM, "server.max_live_lag_ms=500", models=[slow]) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        talks = [await come(server, stack, partial_results=False) for _ in range(4)]
        for talk in talks:
            assert isinstance(talk, Talk)
            await talk.audio(speech(1000))
            await talk.send(finalize={})
        await talks[0].until("control_ack")  # pyright: ignore[reportAttributeAccessIssue]
        outcome = await come(server, stack)
        assert isinstance(outcome, Failure)
        failure = refused(outcome, "LIVE_RESULTS_LATE")
        assert failure.info.metadata["max_live_lag_ms"] == "500"
        assert (await server.metrics())['speech_shed_total{reason="lag"}'] == 1


async def test_a_stream_of_two_channels_takes_two_places() -> None:
    async with (
        running(MEASURED, HEADROOM, models=[fake_model()]) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        config = raw_config(channels=2, separate_channels=True)
        outcomes = [await come(server, stack, config=config) for _ in range(AT_ONCE)]
        assert sum(isinstance(outcome, Talk) for outcome in outcomes) == AT_ONCE // 2


async def test_a_fixed_bound_knows_nothing_of_load() -> None:
    async with (
        running("server.admission=fixed", models=[fake_model(step_ms=200)]) as server,
        contextlib.AsyncExitStack() as stack,
    ):
        admitted, failures = await crowd(server, stack, 5 * AT_ONCE)
        assert not failures
        load = (await server.metrics())["speech_stream_load"]
        assert load == len(admitted) / 512
