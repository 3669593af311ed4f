"""The client's synthesis, alignment, translation and voices, against a scripted server."""

import asyncio
import contextlib
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest

from speech.v1 import synthesis_service_pb2 as speech_pb
from speech_client import (
    AlignedUnits,
    AudioSourceError,
    ContextEnded,
    ContextOutcome,
    ControlAck,
    ControlKind,
    GoingAway,
    InvalidRequestError,
    NotFoundError,
    NotSupportedError,
    Pacing,
    RetryPolicy,
    SessionEnded,
    SessionStarted,
    SpeechChunk,
    SpeechClient,
    SpeechTimings,
    StreamInterruptedError,
    Translation,
    TranslationChunk,
    UnalignedReason,
    UnalignedSpan,
    UnavailableError,
    UnitKind,
    VoiceDescription,
    VoiceSample,
)
from tests.integration.scripted_server import Context, abort
from tests.integration.scripted_speech import Speech, serve_speech, streamed_wav

FAST_RETRY = RetryPolicy(attempts=3, initial_backoff_s=0.02, max_backoff_s=0.05)


def connect(server: Speech) -> SpeechClient:
    return SpeechClient.connect(server.target, retry=FAST_RETRY)


async def test_synthesize() -> None:
    async with serve_speech() as server, connect(server) as client:
        reply = await client.synthesize("Hi", voice="alloy", encoding="wav", timing="word")
    assert reply.audio == streamed_wav()
    assert (reply.encoding, reply.sample_rate_hz, reply.duration_ms) == ("wav", 8000, 500)
    assert [(t.text, t.start_ms, t.end_ms) for t in reply.timings] == [("Hi", 10, 500)]
    assert (reply.model, reply.voice, reply.cached) == ("scripted", "v0", True)
    assert [warning.reason for warning in reply.warnings] == ["ADVICE"]
    assert server.requests[0].config.voice_id == "alloy"


async def test_synthesize_chunked() -> None:
    async with serve_speech() as server, connect(server) as client:
        events = [event async for event in client.synthesize_chunked("Hi", encoding="wav")]
    assert isinstance(events[0], SessionStarted)
    assert events[0].raw.effective_config.output.encoding == 3
    chunks = [event for event in events if isinstance(event, SpeechChunk)]
    assert b"".join(chunk.data for chunk in chunks) == streamed_wav()
    assert [chunk.sequence for chunk in chunks] == [0, 1, 2]
    assert any(isinstance(event, SpeechTimings) for event in events)
    last = events[-1]
    assert isinstance(last, SessionEnded)
    assert (last.usage.audio_out_ms, last.usage.characters_in) == (700, 5)


async def test_a_chunked_reply_that_breaks_off_is_an_error() -> None:
    async with serve_speech() as server, connect(server) as client:
        with pytest.raises(StreamInterruptedError) as caught:
            async for _ in client.synthesize_chunked("break off"):
                pass
    assert caught.value.request_id


async def test_leaving_a_chunked_reply_cancels_it() -> None:
    async def wait(request: Any, context: Context) -> None:
        if request.text == "wait":
            await asyncio.Event().wait()

    async with serve_speech(wait) as server, connect(server) as client:
        async with contextlib.aclosing(client.synthesize_chunked("Hi")) as events:
            async for _ in events:
                break
        waiting = asyncio.create_task(anext(client.synthesize_chunked("wait")))
        await asyncio.sleep(0.05)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_stream_synthesize() -> None:
    async with (
        serve_speech() as server,
        connect(server) as client,
        client.stream_synthesize(voice="v1", segmentation="clause") as stream,
    ):
        await stream.send_text("Hello ", context_id="a")
        await stream.send_text("there", context_id="a")
        await stream.keep_alive()
        ack = await (await stream.flush("a"))
        failed = await (await stream.cancel("b", control_id="mine"))
        await stream.update_config(speech_pb.SynthesisConfig(speaking_rate=2), "speaking_rate")
        await stream.end_text()
        await stream.end_text()
        events = [event async for event in stream]
    assert (ack.kind, ack.context_id) == (ControlKind.FLUSH, "a")
    assert (failed.kind, failed.control_id) == (ControlKind.CANCEL, "mine")
    chunk = next(event for event in events if isinstance(event, SpeechChunk))
    assert (chunk.context_id, chunk.data, chunk.duration_ms) == ("a", b"Hello there", 7)
    done, broken = (event for event in events if isinstance(event, ContextEnded))
    assert (done.outcome, done.error) == (ContextOutcome.DONE, None)
    assert broken.outcome is ContextOutcome.FAILED
    assert isinstance(broken.error, InvalidRequestError)
    assert (broken.error.reason, broken.error.metadata) == ("TEXT_TOO_LONG", {"limit": "7"})
    assert isinstance(events[-1], SessionEnded)
    update = next(r.update_config for r in server.requests if r.HasField("update_config"))
    assert list(update.update_mask.paths) == ["speaking_rate"]
    kinds = [request.WhichOneof("payload") for request in server.requests]
    assert kinds.count("end_of_text") == 1


async def test_align() -> None:
    async with serve_speech() as server, connect(server) as client:
        reply = await client.align("one two", b"audio", granularity="phone", subtitles="srt")
        with pytest.raises(AudioSourceError, match="align_file"):
            await client.align("x", bytes(16 << 20))
    (word,) = reply.words
    assert (word.text, word.kind, word.start_ms, word.confidence) == ("one", UnitKind.WORD, 0, 0.5)
    assert reply.unaligned == (UnalignedSpan(4, 7, 800, 900, UnalignedReason.TEXT_NOT_SPOKEN),)
    assert reply.subtitles.startswith("1\n")
    config = server.requests[0].config
    assert config.audio.WhichOneof("format") == "auto_detect"
    assert config.granularity == 2


async def test_stream_align() -> None:
    async with (
        serve_speech() as server,
        connect(server) as client,
        client.stream_align(pacing=Pacing.FILE, language="en") as stream,
    ):
        await stream.send_text("one ")
        await stream.send_audio(b"12")
        await stream.send_text("two", complete=True)
        await stream.keep_alive()
        await (await stream.finalize())
        await stream.end_input()
        events = [event async for event in stream]
    units, ack, span, _ = events
    assert isinstance(units, AlignedUnits)
    assert [unit.text for unit in units.units] == ["one", "two"]
    assert isinstance(ack, ControlAck)
    assert isinstance(span, UnalignedSpan)
    assert span.reason is UnalignedReason.NOT_SPEAKABLE
    assert server.requests[0].config.pacing == 2
    assert server.requests[3].text.end_of_text


async def test_translate_text() -> None:
    async with serve_speech() as server, connect(server) as client:
        one = await client.translate_text("Hi", "pt", source_language="en", keep_terms=["Porto"])
        many = await client.translate_text(["a", "b"], ["pt", "fr"], glossary={"a": "b"})
        file = await client.translate_subtitles("1\nhi", "pt", subtitle_format="vtt")
    assert (one.text, one.model) == ("pt:Hi", "scripted")
    assert one.translations == (
        Translation(0, "pt", one.translations[0].kind, "pt:Hi", source_language="en"),
    )
    assert one.translations[0].is_final
    assert many.text == "pt:a\nfr:a\npt:b\nfr:b"
    assert [each.segment_id for each in many.translations] == [0, 0, 1, 1]
    assert file.subtitles == {"pt": "1\nHI"}
    assert server.requests[0].config.glossary[0].do_not_translate
    assert server.requests[2].subtitles.format == 2


async def test_translate_speech() -> None:
    async with serve_speech() as server, connect(server) as client:
        reply = await client.translate_speech(
            b"four", "pt", recognition={"language": "en"}, synthesis={"voice": "v1"}
        )
        with pytest.raises(AudioSourceError, match="translate_file"):
            await client.translate_speech(bytes(16 << 20), "pt")
    assert [result.text for result in reply.source] == ["4 bytes"]
    assert [each.text for each in reply.translations] == ["pt:4 bytes"]
    assert [(a.language, a.audio, a.duration_ms) for a in reply.audio] == [("pt", b"spoken", 6)]
    config = server.requests[0].config
    assert config.recognition.audio.WhichOneof("format") == "auto_detect"
    assert config.synthesis.voice_id == "v1"


async def test_stream_translate() -> None:
    async with (
        serve_speech() as server,
        connect(server) as client,
        client.stream_translate("pt", partial_translations=True) as stream,
    ):
        await stream.send_text("Good ")
        await stream.send_text("day")
        await stream.keep_alive()
        ack = await (await stream.finalize("f1"))
        await stream.reset()
        await stream.send_audio(b"1")
        await stream.end_input()
        events = [event async for event in stream]
    assert (ack.control_id, ack.last_final_segment) == ("f1", 1)
    translation = next(event for event in events if isinstance(event, Translation))
    assert translation.text == "pt:Good day"
    chunk = next(event for event in events if isinstance(event, TranslationChunk))
    assert (chunk.language, chunk.data, chunk.duration_ms) == ("pt", b"pcm", 3)
    assert not any(isinstance(event, GoingAway) for event in events)
    config = server.requests[0].config
    assert config.partial_translations
    assert not config.HasField("recognition")


async def test_voices() -> None:
    async with serve_speech() as server, connect(server) as client:
        voices = await client.list_voices("en", kind="built_in")
        alloy = await client.get_voice("alloy")
        with pytest.raises(NotFoundError):
            await client.get_voice("absent")
        made = await client.create_voice(
            VoiceSample(b"audio", "what is said"), voice_id="mine", languages=["en"]
        )
        await client.create_voice(VoiceDescription("a calm voice"))
        await client.delete_voice("mine")
    assert [voice.id for voice in voices] == ["v0", "v1", "v2"]  # Two pages.
    assert server.requests[1].page_token == "2"
    assert (alloy.kind, alloy.gender, alloy.aliases) == ("built_in", "female", ("alloy",))
    assert alloy.created is None
    assert (made.id, made.kind) == ("mine", "cloned")
    assert made.created == datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)
    prompt = server.requests[4].prompt
    assert (prompt.audio, prompt.transcript) == (b"audio", "what is said")
    assert server.requests[5].design.description == "a calm voice"
    assert server.requests[6].voice_id == "mine"


async def test_unavailable_is_retried_where_that_is_safe() -> None:
    calls = 0

    async def fail(request: Any, context: Context) -> None:
        nonlocal calls
        calls += 1
        if calls % 3:
            await abort(context, grpc.StatusCode.UNAVAILABLE, "DRAINING", "bye", retry_ms=20)

    async with serve_speech(fail) as server, connect(server) as client:
        await client.synthesize("Hi")
        await client.align("Hi", b"x")
        await client.translate_text("Hi", "pt")
        await client.translate_speech(b"x", "pt")
        await client.get_voice("v0")
        async with client.stream_synthesize():
            pass
        assert calls == 18
        for unsafe in (
            client.create_voice(VoiceDescription("x")),
            anext(client.synthesize_chunked("Hi")),
        ):
            with pytest.raises(UnavailableError):
                await unsafe
            assert calls % 3
            calls = 0


async def test_not_supported() -> None:
    async def refuse(request: Any, context: Context) -> None:
        await abort(context, grpc.StatusCode.UNIMPLEMENTED, "NOT_IMPLEMENTED", "not here")

    async with serve_speech(refuse) as server, connect(server) as client:
        with pytest.raises(NotSupportedError, match="NOT_IMPLEMENTED: not here"):
            await client.synthesize("Hi")
        with pytest.raises(NotSupportedError):
            await anext(client.synthesize_chunked("Hi"))
        with pytest.raises(NotSupportedError):
            await client.stream_align().__aenter__()
