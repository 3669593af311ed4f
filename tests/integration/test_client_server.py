"""The client against the service itself, with models that need no weights: every RPC that the client has."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speech_client import (
    AlignedUnits,
    ContextEnded,
    ContextOutcome,
    ControlAck,
    NotFoundError,
    Pacing,
    PreconditionError,
    RawAudio,
    RecognitionResult,
    RecognizeOptions,
    SessionEnded,
    SessionStarted,
    SpeechChunk,
    SpeechClient,
    SpeechTimings,
    Translation,
    TranslationChunk,
    VoiceSample,
)
from speech_service.cli.ui import wav_file
from speech_service.config.tree import ModelConfig
from tests.integration.harness import FAKE, running

TEXT = "Hello there. All is well."
MODELS = (
    FAKE,
    ModelConfig(kind="synthesizer/fake", options={"languages": ("en", "pt")}),
    ModelConfig(kind="aligner/fake"),
    ModelConfig(kind="translator/fake"),
    ModelConfig(kind="language/fake"),
)
AUDIO = RawAudio(16_000)
SECOND = b"\x00\x20\x00\xe0" * 8000


@pytest.fixture
async def client() -> AsyncIterator[SpeechClient]:
    async with running(models=MODELS) as server, SpeechClient.connect(server.target) as connected:
        yield connected


async def test_synthesize(client: SpeechClient, tmp_path: Path) -> None:
    reply = await client.synthesize(TEXT, encoding="wav", timing="word", speaking_rate=2.0)
    assert (reply.encoding, reply.sample_rate_hz) == ("wav", 24_000)
    assert [timing.text for timing in reply.timings] == TEXT.split()
    assert reply.usage.characters_in == len(TEXT)
    file = tmp_path / "said.wav"
    file.write_bytes(reply.audio)
    samples, rate = wav_file.read_samples(file)
    assert round(len(samples) / rate * 1000) == pytest.approx(reply.duration_ms, abs=2)
    assert np.abs(samples).max() > 0.1


async def test_synthesize_chunked(client: SpeechClient) -> None:
    events = [
        event async for event in client.synthesize_chunked(TEXT, encoding="flac", timing="word")
    ]
    assert isinstance(events[0], SessionStarted)
    assert isinstance(events[-1], SessionEnded)
    audio = b"".join(event.data for event in events if isinstance(event, SpeechChunk))
    assert audio.startswith(b"fLaC")
    assert any(isinstance(event, SpeechTimings) for event in events)


async def test_stream_synthesize(client: SpeechClient) -> None:
    async with client.stream_synthesize() as stream:
        for piece in TEXT.split(" "):
            await stream.send_text(f"{piece} ", context_id="a")
        await (await stream.flush("a"))
        await stream.send_text("This is never heard.", context_id="b")
        await (await stream.cancel("b"))
        await stream.end_text()
        events = [event async for event in stream]
    ends = {event.context_id: event.outcome for event in events if isinstance(event, ContextEnded)}
    assert ends == {"a": ContextOutcome.DONE, "b": ContextOutcome.CANCELLED}
    assert sum(e.duration_ms for e in events if isinstance(e, SpeechChunk)) > 500


async def test_align(client: SpeechClient) -> None:
    reply = await client.align("one two", SECOND, format=AUDIO, subtitles="srt")
    assert [word.text for word in reply.words] == ["one", "two"]
    assert reply.unaligned == ()
    assert reply.duration_ms == 1000
    assert "-->" in reply.subtitles


async def test_stream_align(client: SpeechClient) -> None:
    async with client.stream_align(format=AUDIO, pacing=Pacing.FILE) as stream:
        await stream.send_text("one two", complete=True)
        await stream.send_audio(SECOND)
        await stream.end_input()
        events = [event async for event in stream]
    units = [u for event in events if isinstance(event, AlignedUnits) for u in event.units]
    assert [unit.text for unit in units] == ["one", "two"]
    assert isinstance(events[-1], SessionEnded)


async def test_translate_text(client: SpeechClient) -> None:
    reply = await client.translate_text(["Hello you", "Bye"], "pt", keep_terms=["Bye"])
    assert [each.text for each in reply.translations] == ["Hello·pt you·pt", "Bye"]
    document = "1\n00:00:00,000 --> 00:00:01,000\nHello you\n\n"
    subtitles = await client.translate_subtitles(document, "pt", source_language="en")
    assert "00:00:00,000 --> 00:00:01,000\nHello·pt you·pt" in subtitles.subtitles["pt"]


async def test_translate_speech(client: SpeechClient) -> None:
    reply = await client.translate_speech(
        SECOND, "pt", source_language="en", recognition={"format": AUDIO, "language": "en"}
    )
    assert [result.text for result in reply.source] == ["zero one"]
    assert [each.text for each in reply.translations] == ["zero·pt one·pt"]


async def test_stream_translate(client: SpeechClient) -> None:
    async with client.stream_translate("pt", source_language="en", synthesis={}) as stream:
        await stream.send_text("Hello you. ")
        await (await stream.finalize())
        await stream.end_input()
        events = [event async for event in stream]
    finals = [e.text for e in events if isinstance(e, Translation) and e.is_final]
    assert finals == ["Hello·pt you·pt."]
    assert any(isinstance(event, TranslationChunk) for event in events)
    assert any(isinstance(event, ControlAck) for event in events)


async def test_stream_translate_speech(client: SpeechClient) -> None:
    options = RecognizeOptions(format=AUDIO, language="en")
    async with client.stream_translate("pt", pacing=Pacing.FILE, recognition=options) as stream:
        await stream.send_audio(SECOND)
        await stream.end_input()
        events = [event async for event in stream]
    assert any(isinstance(event, RecognitionResult) and event.is_final for event in events)
    finals = [e.text for e in events if isinstance(e, Translation) and e.is_final]
    assert finals == ["zero·pt one·pt"]


async def test_whole_files_of_any_length(client: SpeechClient) -> None:
    sent: list[int] = []
    async with client.align_file(
        "one two", SECOND, format=AUDIO, on_sent=lambda done, _: sent.append(done)
    ) as alignment:
        units = [u async for e in alignment if isinstance(e, AlignedUnits) for u in e.units]
    assert [unit.text for unit in units] == ["one", "two"]
    assert sent[-1] == len(SECOND)
    options = RecognizeOptions(format=AUDIO, language="en")
    async with client.translate_file(SECOND, "pt", recognition=options) as translation:
        finals = [e.text async for e in translation if isinstance(e, Translation) and e.is_final]
    assert finals == ["zero·pt one·pt"]


async def test_voices(client: SpeechClient) -> None:
    (voice,) = await client.list_voices(kind="built_in")
    assert (voice.id, voice.gender, voice.sample_rate_hz) == ("hum", "neutral", 24_000)
    assert replace(await client.get_voice("alloy"), raw=None) == replace(voice, raw=None)
    with pytest.raises(NotFoundError):
        await client.get_voice("absent")
    with pytest.raises(PreconditionError):
        await client.create_voice(VoiceSample(SECOND, "zero one", AUDIO), voice_id="mine")
    with pytest.raises(PreconditionError):
        await client.delete_voice("hum")


async def test_recognize_with_words_and_subtitles(client: SpeechClient) -> None:
    words = await client.recognize(SECOND, format=AUDIO, language="en", word_times=True)
    assert [word.text for word in words.results[0].words] == ["zero", "one"]
    subtitles = await client.recognize(
        SECOND, format=AUDIO, language="en", subtitles="srt", subtitle_mode="accurate"
    )
    assert "zero one" in subtitles.subtitles


async def test_models_and_health(client: SpeechClient) -> None:
    kinds = {model.kind for model in await client.list_models()}
    assert kinds >= {"recognizer", "synthesizer", "aligner", "translator", "language_identifier"}
    for service in ("Synthesis", "Alignment", "Translation", "Voice"):
        status = await client.check_health(f"speech.v1.{service}Service")
        assert status.name == "SERVING"
