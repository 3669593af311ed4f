"""The openai backend behind the service, against a scripted server that is slow, down, or answers rubbish."""

import random
import re

import pytest
from grpc import aio

from speech.v1 import common_pb2
from speech.v1 import translation_service_pb2 as pb
from speech_service.config.tree import ModelConfig
from tests.contract.translation_server import (
    SECRET,
    Behaviour,
    Question,
    Reply,
    ScriptedServer,
    as_json,
    good,
    serving,
    translated,
)
from tests.integration.harness import raw_config
from tests.integration.sound import speech
from tests.integration.translating import config, fails, stub, translate, translating
from tests.unit.text.test_srt_translate import generated

TIMES = re.compile(r"^.*-->.*$", re.MULTILINE)


def model(server: ScriptedServer) -> ModelConfig:
    """The translator that talks to it."""
    options = {"base_url": server.url, "model": "scripted", "max_retries": 1}
    return ModelConfig(kind="translator/openai", options=options)


def rubbish(rng: random.Random) -> Behaviour:
    """Well, fenced, cut off, reordered, a wrong count, the structure of a file, excuses, or an error."""

    def behaviour(question: Question) -> Reply:
        content = good(question).content or ""
        texts = {n: translated(text) for n, text in question.texts.items()}
        choices = [
            content,
            f"```json\n{content}\n```",
            content[: len(content) // 2],
            as_json(dict(reversed(list(texts.items())[:-1]))),
            as_json({**texts, 77: "one more"}),
            "9\n00:00:01,000 --> 00:00:02,000\nx",
            "",
            "I am sorry, I cannot do that.",
        ]
        if rng.random() < 0.02:
            return Reply(status=500)
        return Reply(rng.choice(choices))

    return behaviour


async def test_files_keep_cues_and_times_whatever_the_server_says() -> None:
    with serving(rubbish(random.Random(3))) as server:
        async with translating(model=model(server)) as service:
            settings = config("pt", source_language="en")
            changed = 0
            for seed in range(25):
                text = generated(random.Random(seed), 12)
                document = pb.SubtitleDocument(format=common_pb2.SUBTITLE_FORMAT_SRT, text=text)
                request = pb.TranslateTextRequest(config=settings, subtitles=document)
                reply = await stub(service.channel).TranslateText(request, timeout=60)
                result = reply.subtitles[0].subtitles
                assert TIMES.findall(result.text) == TIMES.findall(text)
                assert result.cue_count == len(TIMES.findall(text))
                changed += result.text != text
            assert changed > 20


async def test_the_source_is_named_to_the_server() -> None:
    with serving(good) as server:
        async with translating(model=model(server)) as service:
            reply = await translate(service.channel, "Hello there", config("pt"))
            assert reply.translations[0].text == "Hello there (pt)"
            assert "English" in server.questions[0].instructions


async def test_a_server_that_is_down_costs_no_recognition() -> None:
    with serving(lambda _: Reply(SECRET, status=503)) as server:
        async with translating(model=model(server)) as service:
            settings = config("pt", source_language="en")
            failure = await fails(translate(service.channel, "Hello there", settings))
            assert failure.code.name == "UNAVAILABLE"
            assert SECRET not in failure.message
            settings.recognition.CopyFrom(raw_config())
            request = pb.TranslateSpeechRequest(config=settings, audio=speech(1000, 1000))
            reply = await stub(service.channel).TranslateSpeech(request, timeout=60)
            assert reply.source_results[0].text == "zero one"
            (warning,) = reply.warnings
            assert warning.reason == "TRANSLATION_FAILED"
            assert SECRET not in warning.message


async def test_a_slow_server_is_given_up() -> None:
    with serving(lambda _: Reply(is_held=True)) as server:
        async with translating(model=model(server)) as service:
            settings = config("pt", source_language="en")
            with pytest.raises(aio.AioRpcError) as caught:
                await translate(service.channel, "Hello there", settings, timeout=0.3)
            assert caught.value.code().name == "DEADLINE_EXCEEDED"
            await service.idle()
