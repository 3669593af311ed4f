"""Resume in the first message: another server goes on with a session, from what its client says alone."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import numpy as np
import pytest
from grpc import aio

from speech.v1 import alignment_service_pb2, audio_pb2, common_pb2
from speech.v1 import alignment_service_pb2_grpc as alignment_grpc
from speech.v1 import recognition_service_pb2 as pb
from speech.v1 import translation_service_pb2 as translation_pb2
from speech.v1 import translation_service_pb2_grpc as translation_grpc
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure
from tests.integration.harness import FAKE, Server, raw_config, recognize, running
from tests.integration.sound import burst, quiet, s16, speech

MODELS = (
    FAKE,
    ModelConfig(kind="aligner/fake", options={"word_ms": 500}),
    ModelConfig(kind="translator/fake"),
    ModelConfig(kind="language/fake"),
)
SPOKEN = speech(1600, 900, 2100, 900, 1100, 900, 2600, 900)
FRAME_MS = 32
"""Frames of speech detection begin where the audio does: what is found may lie a frame elsewhere."""


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server with fakes."""
    async with running(models=MODELS) as started:
        yield started


@pytest.fixture
async def other() -> AsyncIterator[Server]:
    """Give another, that knows nothing of the first."""
    async with running(models=MODELS) as started:
        yield started


async def token_of(server: Server, **fields: Any) -> str:
    async with server.talk(**fields) as talk:
        started = await talk.until("session_started")
    assert not started.HasField("resend_from_ms")
    return started.resume_token


def after(data: bytes, ms: int, frame_bytes: int = 2) -> bytes:
    return data[ms * 16 * frame_bytes :]


def alike(first: Sequence[pb.RecognitionResult], second: Sequence[pb.RecognitionResult]) -> None:
    for a, b in zip(first, second, strict=True):
        assert (a.segment_id, a.text, a.end_cause) == (b.segment_id, b.text, b.end_cause)
        assert abs(a.start_ms - b.start_ms) <= FRAME_MS
        assert abs(a.end_ms - b.end_ms) <= FRAME_MS


async def test_another_server_goes_on_after_each_final(server: Server, other: Server) -> None:
    whole = (await recognize(server, SPOKEN, raw_config())).finals
    assert [final.segment_id for final in whole] == [1, 2, 3, 4]
    token = await token_of(server)
    for held in range(4):
        last = whole[held]
        resume = common_pb2.Resume(
            token=token, last_segment_id=last.segment_id, from_ms=last.end_ms
        )
        talk = await recognize(other, after(SPOKEN, last.end_ms), raw_config(resume=resume))
        started = talk.events[0].session_started
        assert started.resend_from_ms == last.end_ms
        assert started.resume_token == token, "the parts of a session share its first name"
        alike(whole[held + 1 :], talk.finals)
        used = talk.events[-1].session_ended.usage
        assert used.audio_in_ms == len(after(SPOKEN, last.end_ms)) // 32


async def test_a_session_goes_on_again_and_again(server: Server, other: Server) -> None:
    whole = (await recognize(server, SPOKEN, raw_config())).finals
    token, held, places = await token_of(server), list[pb.RecognitionResult](), [server, other] * 2
    for place in places:
        from_ms = held[-1].end_ms if held else 0
        resume = common_pb2.Resume(token=token, last_segment_id=len(held) or None, from_ms=from_ms)
        async with place.talk(resume=resume) as talk:
            token = (await talk.until("session_started")).resume_token
            await talk.audio(after(SPOKEN, from_ms))
            while not talk.finals:
                await talk.read()
            held.append(talk.finals[0])  # the connection breaks behind the first FINAL
    alike(whole, held)


async def test_audio_before_the_place_is_passed_over(server: Server) -> None:
    """As containers need it, which are sent again from their first byte."""
    whole = (await recognize(server, SPOKEN, raw_config())).finals
    resume = common_pb2.Resume(
        token=await token_of(server), last_segment_id=2, from_ms=whole[1].end_ms, audio_from_ms=0
    )
    talk = await recognize(server, SPOKEN, raw_config(resume=resume))
    assert talk.events[0].session_started.resend_from_ms == 0
    alike(whole[2:], talk.finals)
    for progress in (e.progress for e in talk.events if e.HasField("progress")):
        assert progress.decoded_ms <= progress.received_ms


async def test_silence_and_progress_count_from_the_place(server: Server) -> None:
    resume = common_pb2.Resume(token=await token_of(server), from_ms=600_000, audio_from_ms=500_000)
    async with server.talk(resume=resume) as talk:
        await talk.send(silence={"duration": {"seconds": 50}})
        await talk.audio(speech(50_000, 100))
        await talk.audio(speech(1_500, 900))
        await talk.end()
    final = talk.finals[0]
    assert final.segment_id == 1
    assert 599_900 <= final.start_ms <= 600_300
    begins = [e.speech_event.time_ms for e in talk.events if e.HasField("speech_event")]
    assert min(begins) >= 600_000


async def test_channels_go_on_each_at_its_own_place(server: Server) -> None:
    left = np.concatenate([burst(1600), quiet(2000), burst(1100), quiet(900)])
    right = np.concatenate([quiet(800), burst(2600), quiet(1000), burst(600), quiet(600)])
    both = s16(np.stack([left, right], axis=1).reshape(-1))
    config = raw_config(channels=2, separate_channels=True)
    whole = (await recognize(server, both, config)).finals
    first = {r.channel: r for r in reversed(whole)}
    from_ms = first[0].end_ms
    resume = common_pb2.Resume(
        token=await token_of(server),
        last_segment_id=2,
        from_ms=from_ms,
        channel_from_ms=[from_ms, first[1].end_ms],
    )
    again = raw_config(channels=2, separate_channels=True, resume=resume)
    talk = await recognize(server, after(both, from_ms, 4), again)

    def of(results: Sequence[pb.RecognitionResult], channel: int) -> list[pb.RecognitionResult]:
        return [r for r in results if r.channel == channel]

    for channel in (0, 1):
        rest = of(whole, channel)[1:]
        got = of(talk.finals, channel)
        assert [r.text for r in rest] == [r.text for r in got]
        assert all(abs(a.end_ms - b.end_ms) <= FRAME_MS for a, b in zip(rest, got, strict=True))
    assert min(r.segment_id for r in talk.finals) == 3


async def test_the_token_of_a_drain_resumes(server: Server, other: Server) -> None:
    async with server.talk() as talk:
        token = (await talk.until("session_started")).resume_token
        server.app.parts.admission.going_away(5_000)
        assert (await talk.until("going_away")).resume_token == token
    resume = common_pb2.Resume(token=token, last_segment_id=7, from_ms=50_000)
    talk = await recognize(other, speech(1_500, 900), raw_config(resume=resume))
    assert [r.segment_id for r in talk.finals] == [8]


WRONG: list[tuple[str, dict[str, Any], str, str]] = [
    ("none", {"token": ""}, "resume.token", "INVALID_RESUME_TOKEN"),
    ("damaged", {"token": "r1.x"}, "resume.token", "INVALID_RESUME_TOKEN"),
    ("latest", {"from_ms": 2**32 - 1}, "resume.from_ms", "LIMIT_EXCEEDED"),
    ("too-many", {"last_segment_id": 5}, "resume.last_segment_id", "INVALID_FIELD"),
    ("later", {"from_ms": 5, "audio_from_ms": 6}, "resume.audio_from_ms", "INVALID_FIELD"),
    ("mixed", {"channel_from_ms": [1]}, "resume.channel_from_ms", "INVALID_FIELD"),
    ("nine", {"channel_from_ms": [1] * 9}, "resume.channel_from_ms", "LIMIT_EXCEEDED"),
    ("text", {"from_char": 3}, "resume.from_char", "INVALID_FIELD"),
    ("pending", {"untranslated": [{}]}, "resume.untranslated", "INVALID_FIELD"),
    ("source", {"source_language": "en"}, "resume.source_language", "INVALID_FIELD"),
]


@pytest.mark.parametrize(
    ("fields", "path", "reason"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG]
)
async def test_a_wrong_resume_is_named(
    server: Server, fields: dict[str, Any], path: str, reason: str
) -> None:
    given = {"token": await token_of(server), **fields}
    async with server.talk(resume=common_pb2.Resume(**given)) as talk:
        failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names(f"config.{path}")
    await server.works()


async def test_a_token_cut_short_is_refused(server: Server) -> None:
    token = await token_of(server)
    for damaged in (token[:-1], token[1:], token.replace(".", ""), token.upper(), token + "0"):
        async with server.talk(resume=common_pb2.Resume(token=damaged)) as talk:
            failure = await talk.fails()
        failure.is_("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", "BadRequest")


async def test_channels_that_do_not_fit_the_audio(server: Server) -> None:
    resume = common_pb2.Resume(token=await token_of(server), channel_from_ms=[0, 0, 0])
    config = raw_config(channels=2, separate_channels=True, resume=resume)
    async with server.talk(config) as talk:
        await talk.audio(speech(100))
        failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest")
    failure.names("config.resume.channel_from_ms", "2 times")


async def test_one_call_for_a_whole_recording_has_nothing_to_resume(server: Server) -> None:
    config = raw_config(resume=common_pb2.Resume(token=await token_of(server)))
    with pytest.raises(aio.AioRpcError) as caught:
        await server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=b"\0\0"))
    failure = Failure.of(caught.value).is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest")
    failure.names("config.resume", "StreamingRecognize")


# --- alignment and translation -------------------------------------------------------------------------


async def talk_whole(call: Any, messages: Sequence[Any]) -> list[Any]:
    """Send everything; returns every event."""
    for message in messages:
        await call.write(message)
    await call.done_writing()
    return [event async for event in call]


async def align(server: Server, text: str, audio: bytes, **resume: Any) -> list[Any]:
    stub: Any = alignment_grpc.AlignmentServiceStub(server.channel)
    request: Any = alignment_service_pb2.StreamingAlignRequest
    raw = audio_pb2.RawAudio(encoding=1, sample_rate_hz=16_000)  # pyright: ignore[reportArgumentType]
    config = alignment_service_pb2.AlignmentConfig(audio=audio_pb2.AudioFormat(raw=raw))
    if resume:
        config.resume.CopyFrom(common_pb2.Resume(**resume))
    messages = [request(config=config), request(text={"text": text, "end_of_text": True})]
    pieces = [audio[at : at + 6400] for at in range(0, len(audio), 6400)]
    messages += [request(audio={"data": piece}) for piece in pieces]
    return await talk_whole(stub.StreamingAlign(timeout=WAIT_S), messages)


def units_of(events: Sequence[Any]) -> list[alignment_service_pb2.AlignedUnit]:
    return [unit for event in events for unit in event.aligned_units.units]


async def test_an_alignment_goes_on_behind_each_unit(server: Server, other: Server) -> None:
    text, audio = "one two three four five six", s16(burst(3_000))
    events = await align(server, text, audio)
    whole = units_of(events)
    assert "".join(f" {unit.text}" for unit in whole) == f" {text}"
    token = events[0].session_started.resume_token
    for held, unit in enumerate(whole[:-1]):
        begins = unit.end_ms - 100
        place = {"from_ms": unit.end_ms, "audio_from_ms": begins, "from_char": unit.char_end}
        again = await align(
            other, text[unit.char_end :], after(audio, begins), token=token, **place
        )
        got = units_of(again)
        assert [(u.text, u.char_start, u.char_end) for u in got] == [
            (u.text, u.char_start, u.char_end) for u in whole[held + 1 :]
        ]
        assert got[0].start_ms >= unit.end_ms
        assert again[-1].session_ended.usage.audio_in_ms == 3_000 - begins


async def test_an_alignment_of_a_container_passes_over_what_is_done(server: Server) -> None:
    text, audio = "one two three four five six", s16(burst(3_000))
    events = await align(server, text, audio)
    third = units_of(events)[2]
    token = events[0].session_started.resume_token
    again = await align(
        server,
        text[third.char_end :],
        audio,
        token=token,
        from_ms=third.end_ms,
        audio_from_ms=0,
        from_char=third.char_end,
    )
    assert [unit.text for unit in units_of(again)] == ["four", "five", "six"]


async def translate(server: Server, audio: bytes, **resume: Any) -> list[Any]:
    stub: Any = translation_grpc.TranslationServiceStub(server.channel)
    request: Any = translation_pb2.StreamingTranslateRequest
    config = translation_pb2.TranslationConfig(
        source_language="en", target_languages=["de", "fr"], recognition=raw_config()
    )
    if resume:
        config.resume.CopyFrom(common_pb2.Resume(**resume))
    messages = [request(config=config)]
    pieces = [audio[at : at + 6400] for at in range(0, len(audio), 6400)]
    messages += [request(audio={"data": piece}) for piece in pieces]
    return await talk_whole(stub.StreamingTranslate(timeout=WAIT_S), messages)


def translations_of(events: Sequence[Any]) -> list[tuple[int, str, str]]:
    found = [event.translation for event in events if event.HasField("translation")]
    return [(each.segment_id, each.language, each.text) for each in found]


async def test_a_translation_goes_on_with_what_was_not_translated(
    server: Server, other: Server
) -> None:
    events = await translate(server, SPOKEN)
    sources = [e.source_result for e in events if e.source_result.kind == 2]
    whole = translations_of(events)
    assert [each[0] for each in whole] == [1, 1, 2, 2, 3, 3, 4, 4]
    held = sources[1]
    again = await translate(
        other,
        after(SPOKEN, held.end_ms),
        token=events[0].session_started.resume_token,
        last_segment_id=2,
        from_ms=held.end_ms,
        untranslated=[{"segment_id": 2, "text": held.text, "language": "en"}],
        source_language="en",
    )
    assert translations_of(again) == whole[2:], "segment 2 gets its translations first"
    assert [e.source_result.segment_id for e in again if e.source_result.kind == 2] == [3, 4]
    assert not again[0].effective_config.HasField("resume")
    used = again[-1].session_ended.usage
    assert used.characters_in == len(held.text), "what is translated again is paid for"


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ({"untranslated": [{"segment_id": 3, "text": "x"}]}, "untranslated[0].segment_id"),
        (
            {"untranslated": [{"segment_id": 1, "text": "x", "language": "no-such-tongue"}]},
            "untranslated[0].language",
        ),
        ({"source_language": "??"}, "source_language"),
        ({"from_char": 1}, "from_char"),
    ],
    ids=["beyond", "language", "source", "text"],
)
async def test_a_wrong_resume_of_a_translation_is_named(
    server: Server, place: dict[str, Any], path: str
) -> None:
    token = (await translate(server, b""))[0].session_started.resume_token
    with pytest.raises(aio.AioRpcError) as caught:
        await translate(server, b"", token=token, from_ms=50, last_segment_id=2, **place)
    Failure.of(caught.value).names(f"config.resume.{path}")


async def test_a_token_is_of_one_rpc(server: Server) -> None:
    token = await token_of(server)
    with pytest.raises(aio.AioRpcError) as caught:
        await align(server, "one", b"\0\0", token=token)
    failure = Failure.of(caught.value)
    failure.is_("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", "BadRequest")
    failure.names("config.resume.token", "StreamingAlign")


async def test_text_streams_have_no_place_to_resume(server: Server) -> None:
    stub: Any = translation_grpc.TranslationServiceStub(server.channel)
    config = translation_pb2.TranslationConfig(
        target_languages=["de"], resume=common_pb2.Resume(token="t")
    )
    call = stub.StreamingTranslate(timeout=WAIT_S)
    with pytest.raises(aio.AioRpcError) as caught:
        await talk_whole(call, [translation_pb2.StreamingTranslateRequest(config=config)])
    Failure.of(caught.value).names("config.resume", "config.recognition")
