"""TranslateText: texts and subtitle files, what is refused, and translators that fail."""

import asyncio
import random
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from grpc import aio

from speech.v1 import common_pb2
from speech.v1 import translation_service_pb2 as pb
from speech.v1.model_service_pb2 import GetModelRequest
from speech_service.config.tree import ConfigError
from speech_service.engines.fake.translator import original
from tests.integration.harness import Server, raw_config
from tests.integration.translating import (
    MARIAN,
    config,
    fails,
    stub,
    translate,
    translating,
    translator,
)
from tests.unit.text.test_srt_translate import generated

SRT = common_pb2.SUBTITLE_FORMAT_SRT
VTT = common_pb2.SUBTITLE_FORMAT_VTT


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server with fakes."""
    async with translating() as started:
        yield started


async def test_one_text_into_several_targets(server: Server) -> None:
    reply = await translate(
        server.channel, "Hello world.", config("pt", "de", source_language="en")
    )
    assert [(t.segment_id, t.language, t.text, t.source_language) for t in reply.translations] == [
        (0, "pt", "Hello·pt world·pt.", "en"),
        (0, "de", "Hello·de world·de.", "en"),
    ]
    assert {t.kind for t in reply.translations} == {common_pb2.RESULT_KIND_FINAL}
    assert not reply.languages
    assert not reply.warnings
    assert reply.usage.characters_in == 12
    assert reply.usage.characters_out == 36
    assert reply.latency.total_ms > 0
    assert reply.model == "fake-translator"


async def test_the_source_is_found_text_by_text(server: Server) -> None:
    texts = ["Good morning to you all", "これは日本語です", "ok"]
    reply = await translate(server.channel, texts, config("pt"))
    assert [t.source_language for t in reply.translations] == ["en", "ja", "en"]
    assert [t.segment_id for t in reply.translations] == [0, 1, 2]
    assert [g.code for g in reply.languages][:2] == ["en", "ja"]
    assert 0 < reply.languages[0].probability <= 1


async def test_without_an_identifier_the_script_tells() -> None:
    async with translating(identifier=None) as server:
        reply = await translate(server.channel, "これは日本語です", config("pt"))
        assert reply.languages[0].code == "ja"


async def test_text_that_is_in_the_target_stays() -> None:
    async with translating(model=MARIAN) as server:
        reply = await translate(server.channel, "Hello you", config("en"))
        assert reply.translations[0].text == "Hello you"
        assert [w.reason for w in reply.warnings] == ["ALREADY_IN_TARGET"]


async def test_a_long_text_comes_back_whole(server: Server) -> None:
    text = " \n" + "One two, three.\n\n  Four five six! " * 1500
    reply = await translate(server.channel, text, config("pt", source_language="en"))
    assert original(reply.translations[0].text, "pt") == text


async def test_many_texts_keep_their_order(server: Server) -> None:
    texts = [f"text number {n}" + "!" * (n % 5) for n in range(500)] + ["🙂", "..."]
    reply = await translate(server.channel, texts, config("pt", "de", source_language="en"))
    assert [(t.segment_id, t.language) for t in reply.translations] == [
        (index, language) for index in range(502) for language in ("pt", "de")
    ]
    assert all(original(t.text, t.language) == texts[t.segment_id] for t in reply.translations)


async def test_glossary_and_terms_that_stay(server: Server) -> None:
    glossary = [
        pb.GlossaryEntry(source="bank", target="margem", target_language="pt"),
        pb.GlossaryEntry(source="Acme", do_not_translate=True),
    ]
    settings = config("pt", source_language="en", glossary=glossary)
    reply = await translate(server.channel, "Acme owns a bank", settings)
    assert reply.translations[0].text == "Acme owns·pt a·pt margem"


BAD: list[tuple[dict[str, Any], Any, str]] = [
    ({}, "", "text"),
    ({}, "  \n", "text"),
    ({}, [], "texts.texts"),
    ({}, ["a", " "], "texts.texts[1]"),
    ({}, ["a"] * 1001, "texts.texts"),
    ({}, "x" * 100_001, "text"),
    ({}, "a\0b", "text"),
    ({"source_language": "no such"}, "a", "config.source_language"),
    ({"target_languages": ["pt", "xx-yyy-zzzz9"]}, "a", "config.target_languages[1]"),
    ({"target_languages": ["pt", "PT"]}, "a", "config.target_languages[1]"),
    ({"target_languages": []}, "a", "config.target_languages"),
    ({"source_language": "pt"}, "a", "config.target_languages[0]"),
    ({"recognition": raw_config()}, "a", "config.recognition"),
    ({"synthesis": {}}, "a", "config.synthesis"),
    ({"subtitles": {}}, "a", "config.subtitles"),
    ({"partial_translations": True}, "a", "config.partial_translations"),
    ({"option_handling": 9}, "a", "config.option_handling"),
    ({"glossary": [{"source": " "}]}, "a", "config.glossary[0].source"),
    ({"glossary": [{"source": "a"}]}, "a", "config.glossary[0].target"),
    (
        {"glossary": [{"source": "a", "target": "b", "target_language": "de"}]},
        "a",
        "config.glossary[0].target_language",
    ),
    ({"context": "x" * 10_001}, "a", "config.context"),
    ({}, pb.SubtitleDocument(text="x"), "subtitles.format"),
    ({}, pb.SubtitleDocument(format=SRT, text="nothing here"), "subtitles.text"),
    ({}, pb.SubtitleDocument(format=SRT), "subtitles.text"),
]


@pytest.mark.parametrize(("fields", "content", "field"), BAD, ids=lambda value: str(value)[:40])
async def test_what_is_wrong_is_named(
    server: Server, fields: dict[str, Any], content: Any, field: str
) -> None:
    settings = pb.TranslationConfig(**{"target_languages": ["pt"], **fields})
    failure = await fails(translate(server.channel, content, settings))
    assert failure.code.name == "INVALID_ARGUMENT"
    assert field in failure.message


async def test_neither_config_nor_content(server: Server) -> None:
    call = stub(server.channel).TranslateText
    assert "config" in (await fails(call(pb.TranslateTextRequest(text="a")))).message
    assert "content" in (await fails(call(pb.TranslateTextRequest(config=config())))).message


async def test_a_pair_that_nobody_serves_names_both_ways() -> None:
    async with translating(model=MARIAN) as server:
        settings = config("fi", source_language="en")
        failure = await fails(translate(server.channel, "Hello", settings))
        failure.is_("FAILED_PRECONDITION", "NO_TRANSLATOR_FOR_PAIR", "PreconditionFailure")
        assert "translator/marian" in failure.message
        assert "translator/openai" in failure.message
        settings.model = "marian-en-pt"
        failure = await fails(translate(server.channel, "Hello", settings))
        failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
        assert "config.target_languages[0]" in failure.message
        settings.model = "nobody"
        (await fails(translate(server.channel, "Hello", settings))).is_(
            "NOT_FOUND", "MODEL_NOT_FOUND", "ResourceInfo"
        )


async def test_the_pairs_of_a_model_are_listed() -> None:
    async with translating(model=MARIAN) as server:
        model = (await server.models.GetModel(GetModelRequest(name="marian-en-pt"))).model
        pairs = [(pair.source, pair.target) for pair in model.language_pairs]
        assert pairs == [("en", "pt"), ("pt", "en")]


async def test_a_default_model_that_is_not_there() -> None:
    for key in ("default_model", "default_identifier"):
        with pytest.raises(ConfigError, match=f"translation.{key}"):
            async with translating(f"translation.{key}=nobody"):
                pass


async def test_an_option_that_the_model_lacks() -> None:
    async with translating(model=MARIAN) as server:
        settings = config("pt", source_language="en", context="a letter")
        failure = await fails(translate(server.channel, "Hello", settings))
        failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
        assert "config.context" in failure.message
        settings.option_handling = common_pb2.OPTION_HANDLING_LENIENT
        reply = await translate(server.channel, "Hello.", settings)
        assert [(w.reason, w.field) for w in reply.warnings] == [
            ("OPTION_IGNORED", "config.context")
        ]
        assert "Olá" in reply.translations[0].text


async def test_a_text_that_fails_does_not_cost_the_others_theirs() -> None:
    async with translating(model=translator(fail_word="bad")) as server:
        texts = ["good one", "bad two", "good three"]
        reply = await translate(server.channel, texts, config("pt", source_language="en"))
        assert [t.segment_id for t in reply.translations] == [0, 2]
        (warning,) = reply.warnings
        assert warning.reason == "TRANSLATION_FAILED"
        assert "texts.texts[1]" in warning.message
        assert "two" not in warning.message
        failure = await fails(translate(server.channel, "bad", config("pt", source_language="en")))
        failure.is_("UNAVAILABLE", "UNAVAILABLE", "RetryInfo")


async def test_deadline_and_cancel() -> None:
    async with translating(model=translator(step_ms=300)) as server:
        settings = config("pt", source_language="en")
        texts = [f"text {n}" for n in range(40)]
        with pytest.raises(aio.AioRpcError) as caught:  # the client's own clock is as fast
            await translate(server.channel, texts, settings, timeout=0.5)
        assert caught.value.code().name == "DEADLINE_EXCEEDED"
        await server.idle()
        request = pb.TranslateTextRequest(config=settings, text="one")
        call = stub(server.channel).TranslateText(request)
        await asyncio.sleep(0.05)
        call.cancel()
        await server.idle()


# --- subtitles ---

FILE = """1
00:00:01,000 --> 00:00:02,500 X1:40
<i>Hello there</i>
- How are you?

2
00:00:02,000 --> 00:00:04,000
🎵

7
00:00:05,000 --> 00:00:06,000
Fine.
"""


async def test_only_the_words_of_a_file_change(server: Server) -> None:
    document = pb.SubtitleDocument(format=SRT, text=FILE)
    reply = await translate(server.channel, document, config("pt", "de"))
    assert [s.language for s in reply.subtitles] == ["pt", "de"]
    assert not reply.translations
    assert reply.languages[0].code == "en"
    for translated in reply.subtitles:
        assert translated.subtitles.cue_count == 3
        assert translated.subtitles.format == SRT
        assert original(translated.subtitles.text, translated.language) == FILE
        assert "Hello" in translated.subtitles.text
        assert translated.subtitles.text != FILE


async def test_webvtt(server: Server) -> None:
    text = "WEBVTT\n\nNOTE mine\n\nid\n00:01.000 --> 00:02.000 line:0\nHello you\n"
    document = pb.SubtitleDocument(format=VTT, text=text)
    reply = await translate(server.channel, document, config("pt", source_language="en"))
    assert reply.subtitles[0].subtitles.text == text.replace("Hello you", "Hello·pt you·pt")


async def test_too_many_cues() -> None:
    async with translating("translation.max_cues=2") as server:
        failure = await fails(
            translate(server.channel, pb.SubtitleDocument(format=SRT, text=FILE), config())
        )
        failure.is_("INVALID_ARGUMENT", "LIMIT_EXCEEDED", "BadRequest")


async def test_a_translator_that_cannot_do_any_of_a_file() -> None:
    async with translating(model=translator(fail_every=1)) as server:
        document = pb.SubtitleDocument(format=SRT, text=FILE)
        failure = await fails(translate(server.channel, document, config("pt")))
        assert failure.code.name == "INTERNAL"


async def test_cues_that_cannot_be_translated_keep_their_words() -> None:
    async with translating(model=translator(fail_word="Fine")) as server:
        document = pb.SubtitleDocument(format=SRT, text=FILE)
        reply = await translate(server.channel, document, config("pt"))
        assert reply.subtitles[0].subtitles.text.endswith("00:00:06,000\nFine.\n")
        assert [w.reason for w in reply.warnings] == ["CUES_NOT_TRANSLATED"]


@pytest.mark.parametrize("fail_every", [0, 3])
async def test_generated_files_keep_cues_and_times_whatever_comes_back(fail_every: int) -> None:
    model = translator(rubbish_every=2, fail_every=fail_every, fail_word="time")
    times = re.compile(r"^.*-->.*$", re.MULTILINE)
    async with translating(model=model) as server:
        settings = config("pt", source_language="en")

        failures: list[str] = []

        async def one(seed: int) -> None:
            rng = random.Random(seed)
            text = generated(rng, rng.randint(1, 25))
            document = pb.SubtitleDocument(format=SRT, text=text)
            try:
                reply = await translate(server.channel, document, settings)
            except aio.AioRpcError as error:
                if not fail_every:
                    raise
                failures.append(error.code().name)  # none of its texts could be translated
                return
            result = reply.subtitles[0].subtitles
            assert times.findall(result.text) == times.findall(text)
            assert result.cue_count == len(times.findall(text))

        for first in range(0, 100, 10):
            await asyncio.gather(*(one(fail_every * 1000 + first + n) for n in range(10)))
        assert set(failures) <= {"INTERNAL", "UNAVAILABLE"}
        assert len(failures) < 20
