"""Qwen3-TTS behind the service: built-in, designed and cloned voices, each by the model that can."""

import errno
import os
from collections.abc import AsyncIterator
from typing import Any

import numpy as np
import pytest
import pytest_asyncio
from msgspec import structs

from speech.v1 import synthesis_service_pb2 as pb
from speech.v1 import voice_service_pb2 as voice_pb
from speech_service.config.tree import ModelConfig
from tests.integration.failures import failure_of
from tests.integration.harness import Server, running
from tests.integration.synthesis_harness import (
    SpeechTalk,
    config,
    gather,
    hum,
    speech_stub,
    voice_stub,
)
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import TinyModels
from tests.qwen_tiny.tts import Kind, Size

CUT = "SPEECH_CUT"
"""Random weights never end their speech themselves."""
CREATE: Any = voice_pb.CreateVoiceRequest
GET: Any = voice_pb.GetVoiceRequest
SPEAK: Any = pb.SynthesizeRequest
RATE = 24_000
RAW = {"raw": {"encoding": 1, "sample_rate_hz": RATE}}
TEXT = "the train was late"


def qwen(tiny: TinyModels, kind: Kind, size: Size = "1b7", **options: Any) -> ModelConfig:
    fixed = {"dtype": "float32", "max_seconds": 0.5, "max_prompt_tokens": 256, "threads": 1}
    folder = str(tiny.tts(kind, size))
    return ModelConfig(kind="synthesizer/qwen3", options={"model": folder, **fixed, **options})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    folder = tmp_path_factory.mktemp("tiny")
    tiny = TinyModels(folder)
    small = structs.replace(qwen(tiny, "custom_voice", "0b6"), name="small")
    models = [
        hum(voices=["low"]),
        qwen(tiny, "custom_voice"),
        small,
        qwen(tiny, "voice_design"),
        qwen(tiny, "base", voices_folder=str(folder / "prompts")),
        ModelConfig(kind="aligner/fake"),
    ]
    async with running(
        f"synthesis.voices_folder={folder / 'voices'}",
        "synthesis.cache_bytes=1000000",
        models=models,
    ) as started:
        yield started


def prompt(seconds: float = 2.0, level: float = 1.0, **fields: Any) -> dict[str, Any]:
    samples = (speech_like(3, seconds, RATE) * level * 32767).astype("<i2")
    return {"format": RAW, "audio": samples.tobytes(), "transcript": "it was noon", **fields}


async def speak(server: Server, text: str = TEXT, **fields: Any) -> Any:
    request = SPEAK(text=text, config=config(**fields))
    return await speech_stub(server).Synthesize(request, timeout=60)


def difference(one: Any, other: Any) -> int:
    """The largest difference of two replies, in steps of 16 bits: rounding depends on how frames were chunked."""
    first, second = (np.frombuffer(reply.audio, "<i2").astype(int) for reply in (one, other))
    return int(np.abs(first - second).max())


pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_request_goes_to_the_model_that_can(server: Server) -> None:
    cases: list[tuple[dict[str, Any], str, str]] = [
        ({}, "fake-synthesizer", "low"),
        ({"model": "qwen3-tts-custom-voice"}, "qwen3-tts-custom-voice", "aiden"),
        ({"model": "qwen3-tts-custom-voice", "voice_id": "ryan"}, "qwen3-tts-custom-voice", "ryan"),
        ({"design": {"description": "an old sailor"}}, "qwen3-tts-voice-design", ""),
        ({"inline_prompt": prompt()}, "qwen3-tts-base", ""),
    ]
    for fields, model, voice in cases:
        reply = await speak(server, **fields)
        assert (reply.model, reply.voice_id) == (model, voice)
        assert reply.duration_ms > 0
        if model != "fake-synthesizer":
            assert reply.duration_ms <= 480


async def test_words_say_how_to_speak(server: Server) -> None:
    fixed: dict[str, Any] = {"model": "qwen3-tts-custom-voice", "seed": 1}
    plain, sad = (
        await speak(server, **fixed),
        await speak(server, style_instruction="sadly", **fixed),
    )
    assert difference(plain, sad) > 100
    request = SPEAK(text=TEXT, config=config(model="small", style_instruction="sadly"))
    failure = await failure_of(speech_stub(server).Synthesize(request))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
    failure.names("config.style_instruction")
    warned = await speak(server, model="small", style_instruction="sadly", option_handling=2)
    assert [w.field for w in warned.warnings if w.reason != CUT] == ["config.style_instruction"]


async def test_descriptions_make_different_voices(server: Server) -> None:
    one = await speak(server, design={"description": "an old sailor"})
    other = await speak(server, design={"description": "a child"})
    assert difference(one, other) > 100
    both = await speak(server, design={"description": "a child"}, style_instruction="whispering")
    assert difference(both, other) > 100


async def test_a_full_disk_keeps_no_voice_and_says_so(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(stream: Any, **arrays: object) -> None:
        stream.write(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    voices, wanted = voice_stub(server), CREATE(voice_id="late", design={"description": "a child"})
    with monkeypatch.context() as patch:
        patch.setattr(np, "savez", full)
        failure = await failure_of(voices.CreateVoice(wanted))
        failure.is_("UNAVAILABLE", "VOICE_STORE_UNAVAILABLE", "RetryInfo")
        assert "No space left" in failure.message
        assert (await failure_of(voices.GetVoice(GET(voice_id="late")))).reason == "VOICE_NOT_FOUND"
        assert (await speak(server, design={"description": "a child"})).duration_ms, (
            "speech goes on"
        )
    await voices.CreateVoice(wanted)
    await voices.DeleteVoice(voice_pb.DeleteVoiceRequest(voice_id="late"))


async def test_a_voice_is_made_kept_spoken_with_and_deleted(server: Server) -> None:
    voices = voice_stub(server)
    made = await voices.CreateVoice(
        CREATE(voice_id="mine", display_name="My voice", prompt=prompt(), languages=["en"])
    )
    assert (made.voice.voice_id, made.voice.kind, list(made.voice.models)) == (
        "mine",
        voice_pb.VOICE_KIND_CLONED,
        ["qwen3-tts-base"],
    )
    assert made.voice.HasField("create_time")
    designed = await voices.CreateVoice(CREATE(design={"description": "an old sailor"}))
    assert designed.voice.kind == voice_pb.VOICE_KIND_DESIGNED
    listed = await voices.ListVoices(voice_pb.ListVoicesRequest(kind=voice_pb.VOICE_KIND_CLONED))
    assert [voice.voice_id for voice in listed.voices] == ["mine"]

    by_id = await speak(server, voice_id="mine", language="en")
    inline = await speak(server, inline_prompt=prompt(), language="en")
    assert by_id.voice_id == "mine"
    assert difference(by_id, inline) <= 1
    by_id = await speak(server, voice_id=designed.voice.voice_id)
    inline = await speak(server, design={"description": "an old sailor"})
    assert difference(by_id, inline) <= 1

    again = await failure_of(voices.CreateVoice(CREATE(voice_id="mine", prompt=prompt())))
    again.is_("ALREADY_EXISTS", "RESOURCE_EXISTS", "ResourceInfo")
    for voice_id in ("mine", designed.voice.voice_id):
        await voices.DeleteVoice(voice_pb.DeleteVoiceRequest(voice_id=voice_id))
    gone = await failure_of(voices.GetVoice(voice_pb.GetVoiceRequest(voice_id="mine")))
    gone.is_("NOT_FOUND", "VOICE_NOT_FOUND", "ResourceInfo")


async def test_another_model_does_not_speak_a_made_voice(server: Server) -> None:
    voices = voice_stub(server)
    await voices.CreateVoice(CREATE(voice_id="other", prompt=prompt()))
    request = SPEAK(text=TEXT, config=config(voice_id="other", model="fake-synthesizer"))
    failure = await failure_of(speech_stub(server).Synthesize(request))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest").names("config.voice_id")
    await voices.DeleteVoice(voice_pb.DeleteVoiceRequest(voice_id="other"))


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (prompt(0.9), "PROMPT_LENGTH"),
        (prompt(60.5), "PROMPT_LENGTH"),
        (prompt(level=0.0), "PROMPT_SILENT"),
        (prompt(format={"container": 1}, audio=b"no wave at all" * 10), "INVALID_AUDIO"),
    ],
    ids=["short", "long", "silent", "corrupt"],
)
async def test_useless_recordings_are_refused(
    server: Server, bad: dict[str, Any], reason: str
) -> None:
    failure = await failure_of(voice_stub(server).CreateVoice(CREATE(prompt=bad)))
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names("prompt.audio")
    request = SPEAK(text=TEXT, config=config(inline_prompt=bad))
    failure = await failure_of(speech_stub(server).Synthesize(request))
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names("config.inline_prompt.audio")


async def test_neither_clones_nor_speech_that_was_cut_is_cached(server: Server) -> None:
    cases: list[dict[str, Any]] = [
        {"inline_prompt": prompt()},
        {"design": {"description": "a robot"}},
        {"model": "qwen3-tts-custom-voice"},
    ]
    for fields in cases:
        replies = [await speak(server, "and then it was noon", **fields) for _ in range(2)]
        assert [reply.cached for reply in replies] == [False, False]
        assert difference(*replies) <= 1


async def test_the_first_audio_of_a_stream_is_one_frame(server: Server) -> None:
    request: Any = pb.SynthesizeChunkedRequest
    first = None
    async for reply in speech_stub(server).SynthesizeChunked(
        request(text=TEXT, config=config(model="qwen3-tts-custom-voice")), timeout=60
    ):
        if reply.WhichOneof("event") == "audio":
            first = first or reply.audio
    assert first is not None
    assert first.duration_ms == 80


async def test_the_aligner_says_when_words_are_spoken(server: Server) -> None:
    fixed: dict[str, Any] = {"model": "qwen3-tts-custom-voice", "seed": 5, "language": "en"}
    reply = await speak(server, **fixed, timing=pb.TIMING_WORD)
    plain = await speak(server, **fixed)
    assert difference(reply, plain) <= 1
    assert (len(plain.timings), [w for w in reply.warnings if w.reason != CUT]) == (0, [])
    async with SpeechTalk(server, config(**fixed, timing=pb.TIMING_WORD)) as talk:
        await talk.text(TEXT)
        streamed = gather(await talk.end())
    for timings, duration_ms in (
        (reply.timings, reply.duration_ms),
        (streamed.timings, streamed.duration_ms),
    ):
        assert [t.text for t in timings] == TEXT.split()
        assert [t.text for t in timings] == [TEXT[t.char_start : t.char_end] for t in timings]
        times = [time for t in timings for time in (t.start_ms, t.end_ms)]
        assert times == sorted(times)
        assert times[0] == 0
        assert abs(times[-1] - duration_ms) <= 1


async def test_word_timings_without_an_aligner_of_the_language_are_refused_by_name(
    server: Server,
) -> None:
    fields: dict[str, Any] = {"model": "qwen3-tts-custom-voice", "language": "zh"}
    request = SPEAK(text=TEXT, config=config(**fields, timing=pb.TIMING_WORD))
    failure = await failure_of(speech_stub(server).Synthesize(request))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest").names("config.timing")
