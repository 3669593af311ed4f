"""Streams of ``speech_client`` through connections that are cut, servers that are killed, and servers that drain."""

import asyncio
import itertools
import random
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from numpy.typing import NDArray

from speech.v1 import recognition_service_pb2 as pb
from speech_client import (
    NEVER,
    AlignedUnits,
    CallOptions,
    ContextEnded,
    ContextOutcome,
    ControlAck,
    GoingAway,
    RawAudio,
    RecognitionResult,
    Reconnected,
    ReconnectPolicy,
    RetryPolicy,
    SessionEnded,
    SessionStarted,
    SpeechApiError,
    SpeechChunk,
    SpeechClient,
    SpeechTimings,
    Translation,
    UnavailableError,
)
from speech_client.session import Session
from speech_service.config.tree import ModelConfig
from tests.integration.cable import Cable, cable
from tests.integration.commands import cli
from tests.integration.failures import WAIT_S
from tests.integration.harness import FAKE, raw_config, request, running, until
from tests.integration.processes import FAKE_TOML, serving
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
)
from tests.integration.sound import burst, s16, speech

MODELS = (
    FAKE,
    ModelConfig(kind="aligner/fake", options={"word_ms": 500}),
    ModelConfig(kind="translator/fake"),
    ModelConfig(kind="language/fake"),
    ModelConfig(kind="synthesizer/fake"),
)
PATIENT = ReconnectPolicy(attempts=200, initial_backoff_s=0.02, max_backoff_s=0.2)
RAW = RawAudio(16_000)
SPOKEN = speech(1600, 900, 2100, 900, 1100, 900, 2600, 900, 1600, 900)
TEXTS = [
    "zero one two three",
    "zero one two three four",
    "zero one two",
    "zero one two three four five",
    "zero one two three",
]
PIECE = 1_600


@asynccontextmanager
async def joined(policy: ReconnectPolicy = PATIENT) -> AsyncIterator[tuple[Cable, SpeechClient]]:
    """Two servers that know nothing of each other, behind one address; connections go to them in turn."""
    async with (
        running(models=MODELS) as one,
        running(models=MODELS) as other,
        cable(one.target, other.target) as wire,
        SpeechClient.connect(wire.target, reconnect=policy) as client,
    ):
        yield wire, client


async def say(
    stream: Any,
    data: bytes,
    cut_at: frozenset[int] = frozenset(),
    cut: Callable[[], object] = object,
) -> None:
    """Send audio; ``cut`` before each piece of ``cut_at``."""
    for number, at in enumerate(range(0, len(data), PIECE)):
        if number in cut_at:
            await asyncio.sleep(0.02)  # so that something is under way
            cut()
        await stream.send_audio(data[at : at + PIECE])


async def told(stream: Any) -> list[Any]:
    """Everything up to the end."""
    async with asyncio.timeout(WAIT_S):
        return [event async for event in stream]


def finals(events: list[Any]) -> list[RecognitionResult]:
    return [e for e in events if isinstance(e, RecognitionResult) and e.is_final]


def places(seed: int, count: int) -> frozenset[int]:
    return frozenset(random.Random(seed).sample(range(1, len(SPOKEN) // PIECE), count))


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_a_connection_cut_at_random_costs_nothing(seed: int) -> None:
    async with joined() as (wire, client), client.stream_recognize(format=RAW) as stream:
        reading = asyncio.create_task(told(stream))
        await say(stream, SPOKEN, places(seed, 8), wire.cut)
        await stream.end_audio()
        events = await reading
    assert wire.cuts >= 8
    assert sum(isinstance(event, Reconnected) for event in events) >= 1
    got = finals(events)
    assert [(each.segment_id, each.text) for each in got] == list(enumerate(TEXTS, 1))
    begins = [0, 2_196, 5_172, 7_188, 10_676]
    for each, begin_ms in zip(got, begins, strict=True):
        assert abs(each.start_ms - begin_ms) <= 64
    assert isinstance(events[-1], SessionEnded)


async def test_controls_are_answered_once_whatever_is_cut() -> None:
    async with (
        joined() as (wire, client),
        client.stream_recognize(format=RAW, endpointing="external") as stream,
    ):
        reading = asyncio.create_task(told(stream))
        acks: list[ControlAck] = []
        for number, spoken_ms in enumerate((1_600, 1_100, 2_100)):
            await say(stream, speech(spoken_ms), frozenset({5, 17}), wire.cut)
            pending = await stream.finalize(f"turn{number}")
            wire.cut()
            async with asyncio.timeout(WAIT_S):
                acks.append(await pending)
        await stream.end_audio()
        events = await reading
    assert [ack.control_id for ack in acks] == ["turn0", "turn1", "turn2"]
    assert [e.control_id for e in events if isinstance(e, ControlAck)] == [
        "turn0",
        "turn1",
        "turn2",
    ]
    wanted = ["zero one two", "zero one", "zero one two three"]
    assert [each.text for each in finals(events)] == wanted


async def test_an_alignment_goes_on() -> None:
    text = "one two three four five six seven eight nine ten"
    async with joined() as (wire, client), client.stream_align(format=RAW) as stream:
        reading = asyncio.create_task(told(stream))
        await stream.send_text(text[:20])
        await say(stream, s16(burst(2_500)), frozenset({10, 30}), wire.cut)
        await stream.send_text(text[20:], complete=True)
        await say(stream, s16(burst(2_500)), frozenset({20, 45}), wire.cut)
        await stream.end_input()
        events = await reading
    units = [u for e in events if isinstance(e, AlignedUnits) for u in e.units]
    assert [u.text for u in units] == text.split()
    assert all(text[u.char_start : u.char_end] == u.text for u in units)
    assert all(a.end_ms <= b.start_ms for a, b in itertools.pairwise(units))
    assert any(isinstance(e, Reconnected) for e in events)


async def test_translated_speech_goes_on() -> None:
    async with (
        joined() as (wire, client),
        client.stream_translate(
            ["de", "fr"], source_language="en", recognition={"format": RAW}
        ) as stream,
    ):
        reading = asyncio.create_task(told(stream))
        await say(stream, SPOKEN, places(7, 8), wire.cut)
        await stream.end_input()
        events = await reading
    assert [each.text for each in finals(events)] == TEXTS
    got = [(e.segment_id, e.language) for e in events if isinstance(e, Translation) and e.is_final]
    assert got == [(segment, language) for segment in range(1, 6) for language in ("de", "fr")]


SENTENCES = ("Once there was a town. ", "It lay by the sea. ", "Nobody knew its name.")


async def synthesized(client: SpeechClient, cut: Callable[[], object] = object) -> list[Any]:
    """Two contexts, one of them with a pause; ``cut`` whenever something was heard of each."""
    events: list[Any] = []
    async with client.stream_synthesize(timing="word") as stream:

        async def heard(context_id: str) -> None:
            async with asyncio.timeout(WAIT_S):
                async for event in stream:
                    events.append(event)
                    if isinstance(event, SpeechChunk) and event.context_id == context_id:
                        return

        for sentence in SENTENCES:
            await stream.send_text(sentence, context_id="a")
            await stream.send_text(sentence[::-1], context_id="b")
            if sentence.endswith(" "):  # the last one waits for what may follow
                await heard("a")
            cut()
        pause = await stream.flush("a", keep_open=True)
        cut()
        await pause
        await stream.send_text(" The end.", context_id="a")
        for context_id in "ab":
            await stream.flush(context_id)
        cut()
        await stream.end_text()
        return [*events, *await told(stream)]


async def test_a_synthesis_goes_on_without_a_seam() -> None:
    async with joined() as (wire, client):
        whole, cut = await synthesized(client), await synthesized(client, wire.cut)
    assert sum(isinstance(event, Reconnected) for event in cut) >= 3
    for context_id in "ab":
        for events in (whole, cut):
            ends = [e for e in events if isinstance(e, ContextEnded) and e.context_id == context_id]
            assert [end.outcome for end in ends] == [ContextOutcome.DONE]
        first, second = spoken(whole, context_id), spoken(cut, context_id)
        assert len(first) == len(second)
        assert np.abs(first - second).max() <= 2, "but for rounding"
    assert spoken_words(whole) == spoken_words(cut)


def spoken(events: list[Any], context_id: str) -> NDArray[np.int32]:
    """All audio of a context."""
    chunks = [e for e in events if isinstance(e, SpeechChunk) and e.context_id == context_id]
    assert [chunk.sequence for chunk in chunks] == list(range(len(chunks)))
    return np.frombuffer(b"".join(chunk.data for chunk in chunks), "<i2").astype(np.int32)


def spoken_words(events: list[Any]) -> dict[str, list[tuple[str, int, int, int]]]:
    """By context: each word with its place in the text and in the audio."""
    words: dict[str, list[tuple[str, int, int, int]]] = {"a": [], "b": []}
    for event in events:
        if isinstance(event, SpeechTimings):
            words[event.context_id] += [
                (t.text, t.char_start, t.start_ms, t.end_ms) for t in event.timings
            ]
    return words


async def test_a_front_end_that_is_killed_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "service.toml"
    path.write_text(FAKE_TOML.format(step_ms=1))
    config = f"--config={path}"
    async with (
        serving(config) as first,
        serving(config) as second,
        cable(first.target, second.target) as wire,
        SpeechClient.connect(wire.target, reconnect=PATIENT) as client,
    ):

        async def speak() -> list[Any]:
            async with client.stream_recognize(format=RAW) as stream:
                reading = asyncio.create_task(told(stream))
                half = len(SPOKEN) // 2
                await say(stream, SPOKEN[:half])
                ready.append(stream)
                await killed.wait()
                await say(stream, SPOKEN[half:])
                await stream.end_audio()
                return await reading

        ready: list[Any] = []
        killed = asyncio.Event()
        speaking = [asyncio.create_task(speak()) for _ in range(4)]
        await until(lambda: len(ready) == 4)
        first.signal(signal.SIGKILL)
        killed.set()
        everything = await asyncio.gather(*speaking)
    for events in everything:
        assert [(r.segment_id, r.text) for r in finals(events)] == list(enumerate(TEXTS, 1))
        assert any(isinstance(event, Reconnected) for event in events)


async def test_a_stream_leaves_a_server_that_drains() -> None:
    async with running(models=MODELS) as one, running(models=MODELS) as other:
        target = f"ipv4:{one.target},{other.target}"
        async with (
            SpeechClient.connect(target, reconnect=PATIENT) as client,
            client.stream_recognize(format=RAW, partial_interval_ms=100) as stream,
        ):
            reading = asyncio.create_task(told(stream))
            await say(stream, SPOKEN[: 1_000 * 32])  # in the middle of a segment
            drained = one if one.app.parts.admission.open_streams else other
            drained.app.stop()
            draining = asyncio.create_task(drained.app.wait())
            at = 1_000 * 32
            async with asyncio.timeout(WAIT_S):
                while drained.app.parts.admission.open_streams:
                    await stream.send_audio(SPOKEN[at : at + PIECE] or bytes(PIECE))
                    at += PIECE
                    await asyncio.sleep(0.02)
            await stream.send_audio(SPOKEN[at:])
            await stream.end_audio()
            events = await reading
            await draining
    assert any(isinstance(event, GoingAway) for event in events)
    moved = [event.reason for event in events if isinstance(event, Reconnected)]
    assert set(moved) == {"GOING_AWAY"}
    assert [(r.segment_id, r.text) for r in finals(events)] == list(enumerate(TEXTS, 1))


async def test_what_a_server_cuts_off_at_its_end_is_recognized_whole_by_the_next() -> None:
    soon = ("server.drain_notice_s=0.1", "server.drain_grace_s=0.4")
    async with (
        running(*soon, models=MODELS) as first,
        running(models=MODELS) as second,
        cable(first.target) as wire,
        SpeechClient.connect(wire.target, reconnect=PATIENT) as client,
        client.stream_recognize(format=RAW) as stream,
    ):
        reading = asyncio.create_task(told(stream))
        await say(stream, SPOKEN[: 1_000 * 32])  # in the middle of a segment
        first.app.stop()
        await first.app.wait()  # it never learnt of the other
        wire.targets[:] = [second.target]
        await say(stream, SPOKEN[1_000 * 32 :])
        await stream.end_audio()
        events = await reading
    assert [(r.segment_id, r.text) for r in finals(events)] == list(enumerate(TEXTS, 1))
    assert sum(isinstance(event, SessionEnded) for event in events) == 1


# --- when it does not, or is not to, go on ------------------------------------------------------------------


async def test_it_can_be_switched_off() -> None:
    async with joined(NEVER) as (wire, client), client.stream_recognize(format=RAW) as stream:
        await say(stream, SPOKEN[:64_000])
        wire.cut()
        with pytest.raises(UnavailableError):
            await told(stream)


async def test_it_ends_with_the_last_error_when_nobody_takes_it_up() -> None:
    bounded = ReconnectPolicy(attempts=4, initial_backoff_s=0.01, max_backoff_s=0.02)
    async with joined(bounded) as (wire, client), client.stream_recognize(format=RAW) as stream:
        await say(stream, speech(1_600, 900))
        async for event in stream:
            if isinstance(event, RecognitionResult) and event.is_final:
                break
        wire.targets[:] = ["127.0.0.1:1"]
        wire.cut()
        with pytest.raises(UnavailableError):
            await told(stream)
        with pytest.raises(UnavailableError):
            await stream.send_audio(b"\0\0")


async def test_what_is_too_long_to_keep_is_said() -> None:
    small = ReconnectPolicy(keep_s=1.0)
    async with (
        joined(small) as (wire, client),
        client.stream_recognize(format=RAW, endpointing="off") as stream,
    ):
        await say(stream, speech(3_000))
        wire.cut()
        with pytest.raises(UnavailableError) as caught:
            await told(stream)
    assert "of audio are not final" in str(caught.value.__notes__)


def dropping(refusals: int, code: grpc.StatusCode) -> StreamScript:
    """What a server does that drops its first stream after a FINAL, then refuses some, then serves."""

    async def script(server: Scripted, context: Context) -> None:
        count = len(server.metadata)
        if count == 1:
            first = started()
            first.session_started.resume_token = "t1"
            await context.write(first)
            await context.write(response(result=result("held", 1)))
            await abort(context, grpc.StatusCode.UNAVAILABLE, "WORKER_LOST", "lost", retry_ms=80)
        elif count <= 1 + refusals:
            await abort(context, code, "TOO_MANY_CALLS", "full", retry_ms=60)
        else:
            first = started()
            first.session_started.resume_token = "t2"
            await context.write(first)
            await context.write(response(result=result("more", 2)))
            while await context.read() is not grpc.aio.EOF:
                pass
            await context.write(ended())

    return script


@asynccontextmanager
async def scripted(refusals: int, code: grpc.StatusCode) -> AsyncIterator[SpeechClient]:
    """A client of such a server."""
    async with (
        serve(dropping(refusals, code)) as server,
        SpeechClient.connect(server.target, reconnect=PATIENT) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED],
    ids=["unavailable", "full"],
)
async def test_it_waits_as_long_as_servers_ask_for(code: grpc.StatusCode) -> None:
    async with scripted(2, code) as client, client.stream_recognize(format=RAW) as stream:
        await stream.end_audio()
        events = await told(stream)
    again = next(event for event in events if isinstance(event, Reconnected))
    assert (again.reason, again.attempts) == ("WORKER_LOST", 3)
    assert again.pause_ms >= 80 + 60 + 60
    assert [each.text for each in finals(events)] == ["held", "more"]


async def test_a_refusal_that_does_not_pass_ends_it() -> None:
    async with (
        scripted(1, grpc.StatusCode.INVALID_ARGUMENT) as client,
        client.stream_recognize(format=RAW) as stream,
    ):
        with pytest.raises(SpeechApiError) as caught:
            await told(stream)
    assert caught.value.code is grpc.StatusCode.INVALID_ARGUMENT


async def test_what_cannot_be_read_ends_a_session_whose_caller_waits() -> None:
    def decode(message: pb.StreamingRecognizeResponse) -> SessionStarted:
        if not message.HasField("session_started"):
            raise ValueError("a message from the future")
        return SessionStarted("s1", "fake", "")

    def open_call(_: CallOptions) -> Any:
        return server.recognition.StreamingRecognize()

    async with running(models=MODELS) as server:
        config = request(config=raw_config())
        session = Session(open_call, config, decode, CallOptions(), RetryPolicy(), PATIENT)
        async with session:
            ack = await session.send_control("c", request(finalize={"control_id": "c"}))
            with pytest.raises(ValueError, match="from the future"):
                await told(session)
            with pytest.raises(ValueError, match="from the future"):
                await ack
            with pytest.raises(ValueError, match="from the future"):
                await session.send(request(keep_alive={}))
        await until(lambda: not server.app.parts.admission.open_streams)


async def test_the_command_line_says_it_in_one_line(tmp_path: Path) -> None:
    file = tmp_path / "talk.mp3"
    file.write_bytes(b"x" * 1_000)
    async with serve(dropping(0, grpc.StatusCode.UNAVAILABLE)) as server:
        done = await cli("recognize", str(file), "--stream", "--server", server.target)
        resume = server.requests[1].config.resume
    assert (done.code, done.out) == (0, "held\nmore\n")
    assert done.err.count("\n") == 1
    assert "the connection was lost; went on elsewhere after " in done.err
    assert (resume.token, resume.last_segment_id, resume.from_ms) == ("t1", 1, 1_000)
    assert (resume.HasField("audio_from_ms"), resume.audio_from_ms) == (True, 0)
