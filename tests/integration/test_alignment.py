"""Align and StreamingAlign with the fake aligner: what is placed, what is not, order, controls and bad input."""

import asyncio
import io
import wave
from collections.abc import AsyncIterator, Iterable, Sequence
from typing import Any

import pytest
from grpc import aio

from speech.v1 import alignment_service_pb2 as pb
from speech.v1 import alignment_service_pb2_grpc, audio_pb2
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure, half_close, send
from tests.integration.harness import FAKE, Server, running
from tests.integration.sound import RATE, speech

COUNTING = ModelConfig(kind="aligner/fake", options={"word_ms": 500})
WORD = pb.ALIGNMENT_GRANULARITY_WORD


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server whose aligner gives each word half a second."""
    async with running(models=(FAKE, COUNTING)) as started:
        yield started


def stub(channel: aio.Channel) -> "alignment_service_pb2_grpc.AlignmentServiceAsyncStub":
    untyped: Any = alignment_service_pb2_grpc.AlignmentServiceStub(channel)
    return untyped


def config(rate: int = RATE, **fields: Any) -> pb.AlignmentConfig:
    raw = audio_pb2.RawAudio(encoding=1, sample_rate_hz=rate)  # pyright: ignore[reportArgumentType] - a number is fine on the wire
    return pb.AlignmentConfig(audio=audio_pb2.AudioFormat(raw=raw), **fields)


async def align(server: Server, text: str, audio: bytes, **fields: Any) -> pb.AlignResponse:
    request = pb.AlignRequest(config=config(**fields), text=text, audio=audio)
    return await stub(server.channel).Align(request, timeout=WAIT_S)


async def refused(server: Server, request: pb.AlignRequest) -> Failure:
    with pytest.raises(aio.AioRpcError) as caught:
        await stub(server.channel).Align(request, timeout=WAIT_S)
    return Failure.of(caught.value)


def message(**payload: Any) -> pb.StreamingAlignRequest:
    return pb.StreamingAlignRequest(**payload)


def sound(data: bytes, piece: int = 6400) -> list[pb.StreamingAlignRequest]:
    return [message(audio={"data": data[at : at + piece]}) for at in range(0, len(data), piece)]


def words(*pieces: str) -> list[pb.StreamingAlignRequest]:
    return [message(text={"text": piece}) for piece in pieces]


async def stream(
    server: Server, messages: Sequence[pb.StreamingAlignRequest], **fields: Any
) -> list[pb.StreamingAlignResponse]:
    """Send everything after the config; returns every event."""
    call: Any = stub(server.channel).StreamingAlign(timeout=WAIT_S)
    sending = asyncio.create_task(send_all(call, [message(config=config(**fields)), *messages]))
    events = [event async for event in call]
    await sending
    return events


async def send_all(call: Any, messages: Iterable[pb.StreamingAlignRequest]) -> None:
    """Send them and half-close, as far as the call goes: how it failed is told to who reads."""
    for item in messages:
        if not await send(call, item.SerializeToString()):
            return
    await half_close(call)


def units(events: Sequence[pb.StreamingAlignResponse]) -> list[pb.AlignedUnit]:
    return [unit for event in events for unit in event.aligned_units.units]


def kinds(events: Sequence[pb.StreamingAlignResponse]) -> list[str | None]:
    return [event.WhichOneof("event") for event in events]


# --- unary -------------------------------------------------------------------------------------------


async def test_every_word_has_its_place_and_its_time(server: Server) -> None:
    text = "  one, two — three. "
    reply = await align(server, text, speech(1500))
    assert [u.text for u in reply.units] == ["one", "two", "three"]
    assert [text[u.char_start : u.char_end] for u in reply.units] == ["one", "two", "three"]
    assert [(u.start_ms, u.end_ms) for u in reply.units] == [(0, 500), (500, 1000), (1000, 1500)]
    assert all(u.monotonic and u.granularity == WORD for u in reply.units)
    assert not reply.unaligned_spans
    assert reply.duration_ms == reply.usage.audio_in_ms == 1500
    assert reply.usage.characters_in == len(text)
    assert reply.model == "fake-aligner"
    assert reply.latency.HasField("total_ms")


async def test_offsets_count_code_points(server: Server) -> None:
    text = "naïve\U0001d538 😀 end"
    reply = await align(server, text, speech(2000))
    for unit in reply.units:
        assert text[unit.char_start : unit.char_end] == unit.text
    assert [u.text for u in reply.units][-1] == "end"


@pytest.mark.parametrize(
    ("granularity", "texts"),
    [
        (pb.ALIGNMENT_GRANULARITY_PHONE, ["one", "AH", "two", "AH"]),
        (pb.ALIGNMENT_GRANULARITY_CHARACTER, list("onetwo")),
    ],
)
async def test_finer_units(server: Server, granularity: int, texts: list[str]) -> None:
    reply = await align(server, "one two", speech(1000), granularity=granularity)
    assert [u.text for u in reply.units] == texts


async def test_text_that_is_not_in_the_audio_is_reported(server: Server) -> None:
    text = "one two three four"
    reply = await align(server, text, speech(1000))
    assert [u.text for u in reply.units] == ["one", "two"]
    missing = [text[s.char_start : s.char_end] for s in reply.unaligned_spans]
    assert " ".join(missing) == "three four"
    reasons = {s.reason for s in reply.unaligned_spans}
    assert reasons == {pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN}


async def test_audio_that_is_not_in_the_text_is_reported(server: Server) -> None:
    reply = await align(server, "one", speech(3000))
    [span] = reply.unaligned_spans
    assert span.reason == pb.UNALIGNED_REASON_AUDIO_NOT_IN_TEXT
    assert (span.start_ms, span.end_ms) == (500, 3000)
    assert span.char_start == span.char_end == 3


async def test_punctuation_alone_is_not_speakable(server: Server) -> None:
    reply = await align(server, " ?!… ", speech(1000))
    assert not reply.units
    [span] = reply.unaligned_spans
    assert span.reason == pb.UNALIGNED_REASON_NOT_SPEAKABLE
    assert (span.char_start, span.char_end) == (1, 4)


async def test_an_hour_has_no_cap() -> None:
    options = {"word_ms": 60_000}
    async with running(models=(FAKE, ModelConfig(kind="aligner/fake", options=options))) as server:
        text = " ".join(f"w{number}" for number in range(16))
        audio = bytes(2 * 8_000 * 60 * 16)
        reply = await align(server, text, audio, rate=8_000)
        assert reply.duration_ms == 16 * 60_000
        assert [u.text for u in reply.units] == text.split()
        starts = [u.start_ms for u in reply.units]
        assert starts == sorted(starts)
        assert starts[-1] > 14 * 60_000


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"text": ""}, "text"),
        ({"text": " \n\t"}, "text"),
        ({"audio": b""}, "audio"),
        ({"config": pb.AlignmentConfig()}, "config.audio"),
        ({"config": config(language="pt")}, "config.language"),
        ({"config": config(language="!")}, "config.language"),
        ({"config": config(granularity=9)}, "config.granularity"),
        ({"config": config(option_handling=9)}, "config.option_handling"),
        ({"config": config(pacing=9)}, "config.pacing"),
        ({"config": config(subtitles={})}, "config.subtitles.format"),
        ({"text": "你好世界"}, "config.language"),
    ],
)
async def test_wrong_fields_are_named(server: Server, change: dict[str, Any], field: str) -> None:
    request: dict[str, Any] = {"config": config(), "text": "one", "audio": speech(500), **change}
    failure = await refused(server, pb.AlignRequest(**request))
    assert failure.code.name == "INVALID_ARGUMENT"
    failure.names(field)


async def test_an_unknown_model_is_not_found(server: Server) -> None:
    for name in ("nobody", "fake"):
        request = pb.AlignRequest(config=config(model=name), text="a", audio=speech(500))
        failure = await refused(server, request)
        failure.is_("NOT_FOUND", "MODEL_NOT_FOUND", "ResourceInfo")


async def test_no_config_and_no_aligner() -> None:
    async with running() as server:
        failure = await refused(server, pb.AlignRequest(text="a", audio=speech(500)))
        failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names("config")
        request = pb.AlignRequest(config=config(), text="a", audio=speech(500))
        failure = await refused(server, request)
        failure.is_("FAILED_PRECONDITION", "NO_ALIGNER", "PreconditionFailure")


async def test_a_failing_aligner_fails_the_call() -> None:
    broken = ModelConfig(kind="aligner/fake", options={"fail_every": 1})
    async with running(models=(FAKE, broken)) as server:
        request = pb.AlignRequest(config=config(), text="a", audio=speech(500))
        assert (await refused(server, request)).code.name == "INTERNAL"
        await server.idle()


# --- streams -----------------------------------------------------------------------------------------


async def test_text_first_then_audio(server: Server) -> None:
    text = " ".join(f"w{number}" for number in range(24))
    sent = [message(text={"text": text, "end_of_text": True}), *sound(speech(12_000))]
    events = await stream(server, sent)
    assert kinds(events)[0] == "session_started"
    assert kinds(events)[-1] == "session_ended"
    placed = units(events)
    assert [text[u.char_start : u.char_end] for u in placed] == [u.text for u in placed]
    offsets = [u.char_start for u in placed]
    assert offsets == sorted(set(offsets)), "none is sent twice, in the order of the text"
    assert [u.start_ms for u in placed] == sorted(u.start_ms for u in placed)
    effective = events[0].effective_config
    assert (effective.model, effective.language, effective.granularity) == (
        "fake-aligner",
        "en",
        WORD,
    )
    ended = events[-1].session_ended
    assert ended.usage.audio_in_ms == 12_000
    assert ended.usage.characters_in == len(text)
    assert ended.latency.HasField("total_ms")


async def test_units_come_before_the_audio_ends(server: Server) -> None:
    call: Any = stub(server.channel).StreamingAlign(timeout=WAIT_S)
    await call.write(message(config=config()))
    await call.write(message(text={"text": "one two three four", "end_of_text": True}))
    for item in sound(speech(5_000)):
        await call.write(item)
    async with asyncio.timeout(WAIT_S):
        while True:
            event = await call.read()
            if event.WhichOneof("event") == "aligned_units":
                break
    assert event.aligned_units.units[0].text == "one"
    call.cancel()


async def test_every_character_of_words_is_accounted_for(server: Server) -> None:
    pieces = ["one t", "wo thr", "ee, fo", "ur. five", " six seven"]
    audio = sound(speech(2_000))
    mixed = [m for at, p in enumerate(pieces) for m in (*words(p), *audio[at * 2 : at * 2 + 2])]
    events = await stream(server, mixed)
    text = "".join(pieces)
    covered = set[int]()
    for unit in units(events):
        covered.update(range(unit.char_start, unit.char_end))
    for event in events:
        if event.HasField("unaligned_span"):
            covered.update(range(event.unaligned_span.char_start, event.unaligned_span.char_end))
    assert {at for at, char in enumerate(text) if char.isalnum()} <= covered
    assert [u.text for u in units(events)][:4] == ["one", "two", "three", "four"]


async def test_finalize_settles_the_audio_so_far_and_is_acknowledged_after_it(
    server: Server,
) -> None:
    sent = [
        *words("one two three"),
        *sound(speech(1_000)),
        message(finalize={"control_id": "f1"}),
        *sound(speech(500)),
        message(finalize={"control_id": "f2"}),
        message(finalize={"control_id": "f3"}),
    ]
    events = await stream(server, sent)
    acks = [e.control_ack.control_id for e in events if e.HasField("control_ack")]
    assert acks == ["f1", "f2", "f3"]
    first = kinds(events).index("control_ack")
    assert [u.text for u in units(events[:first])] == ["one", "two"]
    assert [u.text for u in units(events)] == ["one", "two", "three"]
    assert units(events)[2].start_ms == 1_000


@pytest.mark.parametrize("pacing", [1, 2])
async def test_text_that_comes_after_its_audio(server: Server, pacing: int) -> None:
    events = await stream(
        server, [*sound(speech(2_000)), *words("one two", " three four")], pacing=pacing
    )
    assert [u.text for u in units(events)] == ["one", "two", "three", "four"]


def as_wav(data: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(data)
    return file.getvalue()


async def test_a_container_is_heard_as_raw_audio_is(server: Server) -> None:
    detect = audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    file = as_wav(speech(1_500))
    request = pb.AlignRequest(
        config=pb.AlignmentConfig(audio=detect), text="one two three", audio=file
    )
    reply = await stub(server.channel).Align(request, timeout=WAIT_S)
    assert [(u.text, u.start_ms) for u in reply.units] == [
        ("one", 0),
        ("two", 500),
        ("three", 1000),
    ]
    request.audio = b"RIFF, it says, but it is not"
    assert (await refused(server, request)).reason == "INVALID_AUDIO"
    call: Any = stub(server.channel).StreamingAlign(timeout=WAIT_S)
    await call.write(message(config=pb.AlignmentConfig(audio=detect)))
    for item in [*words("one two three"), *sound(file), message(finalize={"control_id": "f"})]:
        await call.write(item)
    await call.write(message(end_of_input={}))
    events = [event async for event in call]
    assert [u.text for u in units(events)] == ["one", "two", "three"]
    assert [u.text for u in units(events[: kinds(events).index("control_ack")])] != []


async def test_a_stream_without_anything(server: Server) -> None:
    assert kinds(await stream(server, [])) == ["session_started", "session_ended"]
    events = await stream(server, words("nobody says this"))
    [span] = [e.unaligned_span for e in events if e.HasField("unaligned_span")]
    assert (span.char_start, span.char_end) == (0, 16)
    assert span.reason == pb.UNALIGNED_REASON_TEXT_NOT_SPOKEN
    events = await stream(server, sound(speech(2_000)))
    [span] = [e.unaligned_span for e in events if e.HasField("unaligned_span")]
    assert span.reason == pb.UNALIGNED_REASON_AUDIO_NOT_IN_TEXT


async def test_end_of_input_ends_without_a_half_close(server: Server) -> None:
    call: Any = stub(server.channel).StreamingAlign(timeout=WAIT_S)
    await call.write(message(config=config()))
    for item in [*words("one"), *sound(speech(500)), message(keep_alive={})]:
        await call.write(item)
    await call.write(message(end_of_input={}))
    events = [event async for event in call]
    assert kinds(events)[-1] == "session_ended"
    assert [u.text for u in units(events)] == ["one"]


@pytest.mark.parametrize(
    ("messages", "reason", "field"),
    [
        ([message(config=config())], "CONFIG_REPEATED", "config"),
        ([message()], "INVALID_FIELD", "payload"),
        ([message(audio={"data": b"\0\0", "sequence": 5})], "SEQUENCE_GAP", "audio.sequence"),
        ([message(text={"end_of_text": True}), *words("x")], "OUT_OF_ORDER", "text"),
    ],
)
async def test_wrong_messages_end_the_stream(
    server: Server, messages: list[pb.StreamingAlignRequest], reason: str, field: str
) -> None:
    with pytest.raises(aio.AioRpcError) as caught:
        await stream(server, messages)
    Failure.of(caught.value).is_("INVALID_ARGUMENT", reason, "BadRequest").names(field)
    await server.idle()


async def test_a_wrong_control_message_is_answered(server: Server) -> None:
    events = await stream(server, [message(finalize={"control_id": "x" * 65})])
    (ack,) = [event.control_ack for event in events if event.HasField("control_ack")]
    assert (ack.control_id, ack.error.field) == ("x" * 64, "finalize.control_id")


async def test_config_comes_first_and_without_subtitles(server: Server) -> None:
    for first, reason in (
        (words("x")[0], "CONFIG_EXPECTED"),
        (message(config=config(subtitles={"format": 1})), "INVALID_FIELD"),
    ):
        call: Any = stub(server.channel).StreamingAlign(timeout=WAIT_S)
        await send(call, first.SerializeToString())
        with pytest.raises(aio.AioRpcError) as caught:
            await call.read()
        Failure.of(caught.value).is_("INVALID_ARGUMENT", reason, "BadRequest")


async def test_progress_is_a_heartbeat() -> None:
    async with running("stream.progress_interval_s=0.1", models=(FAKE, COUNTING)) as server:
        call: Any = stub(server.channel).StreamingAlign(timeout=WAIT_S)
        await call.write(message(config=config()))
        for item in sound(speech(1_000)):
            await call.write(item)
        async with asyncio.timeout(WAIT_S):
            event = await call.read()
            while event.progress.received_ms < 1_000:
                event = await call.read()
        call.cancel()
        await server.idle()
