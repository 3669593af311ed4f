"""TranslateSpeech: what was said is there whatever becomes of its translation."""

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest

from speech.v1 import common_pb2
from speech.v1 import translation_service_pb2 as pb
from speech_service.engines.fake.translator import original
from tests.integration.failures import WAIT_S
from tests.integration.harness import Server, auto_config, raw_config
from tests.integration.sound import speech
from tests.integration.test_moonshine import as_wav
from tests.integration.translating import config, fails, stub, translating, translator

SRT = common_pb2.SUBTITLE_FORMAT_SRT
VTT = common_pb2.SUBTITLE_FORMAT_VTT
TIMES = re.compile(r"^.*-->.*$", re.MULTILINE)
SAID = speech(1000, 1000, 1500, 1000)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server with fakes."""
    async with translating() as started:
        yield started


async def say(server: Server, settings: pb.TranslationConfig, audio: bytes = SAID) -> Any:
    request = pb.TranslateSpeechRequest(config=settings, audio=audio)
    return await stub(server.channel).TranslateSpeech(request, timeout=WAIT_S)


async def test_speech_into_two_languages(server: Server) -> None:
    reply = await say(server, config("pt", "de", recognition=raw_config()))
    assert [r.text for r in reply.source_results] == ["zero one", "zero one two three"]
    assert [(t.segment_id, t.language) for t in reply.translations] == [
        (1, "pt"),
        (1, "de"),
        (2, "pt"),
        (2, "de"),
    ]
    texts = {r.segment_id: r.text for r in reply.source_results}
    assert all(original(t.text, t.language) == texts[t.segment_id] for t in reply.translations)
    assert [g.code for g in reply.languages] == ["en"]
    assert reply.usage.audio_in_ms == 4500
    assert reply.model == "fake-translator"


async def test_any_container(server: Server) -> None:
    reply = await say(server, config(recognition=auto_config()), as_wav(SAID, 16_000))
    assert len(reply.source_results) == len(reply.translations) == 2


async def test_silence(server: Server) -> None:
    reply = await say(server, config(recognition=raw_config()), b"\0\0" * 16_000)
    assert not reply.source_results
    assert not reply.translations


async def test_a_translator_that_fails_costs_no_recognition() -> None:
    async with translating(model=translator(fail_every=1)) as server:
        reply = await say(server, config(recognition=raw_config()))
        assert len(reply.source_results) == 2
        assert not reply.translations
        assert [w.reason for w in reply.warnings] == ["TRANSLATION_FAILED"] * 2
    async with translating(model=translator(fail_word="three")) as server:
        reply = await say(server, config(recognition=raw_config()))
        assert len(reply.source_results) == 2
        assert [t.segment_id for t in reply.translations] == [1]
        assert "segment 2" in reply.warnings[0].message


async def test_what_is_wrong_is_named(server: Server) -> None:
    cases = (
        (config(), "config.recognition"),
        (config(recognition={}), "config.recognition.audio"),
        (config(recognition=raw_config(subtitles={})), "config.recognition.subtitles"),
        (
            config(recognition=raw_config(), partial_translations=True),
            "config.partial_translations",
        ),
        (config(recognition=raw_config(), sentence_pause={"seconds": 1}), "config.sentence_pause"),
    )
    for settings, field in cases:
        failure = await fails(say(server, settings))
        assert failure.message.startswith(f"{field}"), failure.message
    failure = await fails(say(server, config(recognition=raw_config()), b""))
    assert failure.reason == "EMPTY_AUDIO"


async def test_subtitles_of_the_source_and_of_each_target(server: Server) -> None:
    long = speech(8000, 1000, 3000, 1000)
    for wire in (SRT, VTT):
        settings = config(
            "pt",
            "de",
            recognition=raw_config(),
            subtitles=common_pb2.SubtitleConfig(
                format=wire, rules=common_pb2.SubtitleRules(max_columns=20)
            ),
        )
        reply = await say(server, settings, long)
        assert [s.language for s in reply.subtitles] == ["en", "pt", "de"]
        source, *others = (s.subtitles for s in reply.subtitles)
        assert source.cue_count > len(reply.source_results) == 2
        for other, language in zip(others, ("pt", "de"), strict=True):
            assert other.format == source.format == wire
            assert other.cue_count == source.cue_count
            assert TIMES.findall(other.text) == TIMES.findall(source.text)
            assert original(other.text, language).split() == source.text.split()
        assert not reply.source_results[0].words


async def test_subtitles_where_a_translation_is_missing() -> None:
    async with translating(model=translator(fail_word="three")) as server:
        settings = config(recognition=raw_config(), subtitles={"format": SRT})
        reply = await say(server, settings)
        source, other = (s.subtitles.text for s in reply.subtitles)
        assert "zero one two three" in source
        assert "zero one two three" in other
        assert "zero·pt one·pt" in other


async def test_subtitles_that_cannot_be_made(server: Server) -> None:
    settings = config(recognition=raw_config(), subtitles={"mode": 1})
    failure = await fails(say(server, settings))
    assert failure.message.startswith("config.subtitles.format")
    settings.subtitles.format = SRT
    settings.subtitles.mode = common_pb2.SUBTITLE_MODE_ACCURATE
    failure = await fails(say(server, settings))
    assert failure.message.startswith("config.subtitles.mode")
