"""Translations that are spoken: streams and TranslateSpeech, formats, and what is refused."""

import io
import wave
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec import structs

from speech.v1 import audio_pb2, common_pb2, synthesis_service_pb2
from speech.v1 import translation_service_pb2 as pb
from tests.integration.failures import WAIT_S
from tests.integration.harness import Server, raw_config
from tests.integration.sound import speech
from tests.integration.translating import HUM, Interpreting, config, fails, stub, translating

SAID = speech(1000, 1000, 1500, 1000)
WAV = synthesis_service_pb2.SynthesisConfig(
    output=audio_pb2.SynthesisOutput(encoding=audio_pb2.OUTPUT_ENCODING_WAV)
)
PCM = synthesis_service_pb2.SynthesisConfig()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server that also speaks Portuguese and German."""
    async with translating(synthesizer=HUM) as started:
        yield started


async def say(server: Server, settings: pb.TranslationConfig) -> pb.TranslateSpeechResponse:
    request = pb.TranslateSpeechRequest(config=settings, audio=SAID)
    return await stub(server.channel).TranslateSpeech(request, timeout=WAIT_S)


async def test_a_stream_speaks_each_language_in_order(server: Server) -> None:
    settings = config("pt", "de", source_language="en", synthesis=PCM)
    async with Interpreting(server.channel, settings) as talk:
        await talk.text("Good morning to you. How are you? Fine.")
        await talk.end()
        pieces = talk.messages("audio")
        for language in ("pt", "de"):
            mine = [a for a in pieces if a.language == language]
            assert [a.sequence for a in mine] == list(range(len(mine)))
            assert list(dict.fromkeys(a.segment_id for a in mine)) == [1, 2, 3]
            ends = [a.start_ms + a.duration_ms for a in mine]
            assert [a.start_ms for a in mine] == [0, *ends[:-1]]
            assert sum(len(a.data) for a in mine) // 48 == pytest.approx(ends[-1], abs=10)
            assert ends[-1] > 1000
        assert talk.kinds()[-1] == "session_ended"
        (ended,) = talk.messages("session_ended")
        assert ended.usage.audio_out_ms == sum(a.duration_ms for a in pieces)


async def test_a_segment_is_spoken_before_the_stream_ends(server: Server) -> None:
    settings = config("pt", source_language="en", synthesis=PCM)
    async with Interpreting(server.channel, settings) as talk:
        await talk.text("Good morning to you. And")
        await talk.until("audio")
        await talk.end()


async def test_speech_to_speech(server: Server) -> None:
    reply = await say(server, config("pt", "de", recognition=raw_config(), synthesis=WAV))
    assert [a.language for a in reply.audio] == ["pt", "de"]
    for spoken in reply.audio:
        with wave.open(io.BytesIO(spoken.audio)) as file:
            assert file.getframerate() == 24_000
            assert file.getnframes() / 24 == pytest.approx(spoken.duration_ms, abs=10)
        assert spoken.duration_ms > 500
    assert len(reply.translations) == 4
    assert reply.usage.audio_out_ms == sum(a.duration_ms for a in reply.audio)


async def test_a_synthesizer_that_fails_costs_speech_only() -> None:
    hum = structs.replace(HUM, options={**HUM.options, "fail_every": 1})
    async with translating(synthesizer=hum) as server:
        reply = await say(server, config("pt", recognition=raw_config(), synthesis=PCM))
        assert len(reply.source_results) == len(reply.translations) == 2
        assert not reply.audio
        assert {w.reason for w in reply.warnings} == {"SPEECH_FAILED"}


async def test_speech_that_was_cut_is_told_in_both_calls() -> None:
    hum = structs.replace(HUM, options={**HUM.options, "cut_ms": 300})
    async with translating(synthesizer=hum) as server:
        reply = await say(server, config("pt", "de", recognition=raw_config(), synthesis=PCM))
        assert [w.reason for w in reply.warnings] == ["SPEECH_CUT"] * 4
        async with Interpreting(server.channel, config("pt", synthesis=PCM)) as talk:
            await talk.text("Good morning to you. How are you today? ")
            await talk.end()
            assert [w.reason for w in talk.messages("warning")] == ["SPEECH_CUT"] * 2
            assert talk.kinds().index("audio") < talk.kinds().index("warning")
        assert (await server.metrics())["speech_synthesis_cut_total"] == 6


async def test_a_unary_call_tries_other_seeds_before_it_gives_cut_speech() -> None:
    """The model runs away with seed 7 alone."""
    hum = structs.replace(HUM, options={**HUM.options, "cut_ms": 300, "cut_seeds": [7]})
    seeded = synthesis_service_pb2.SynthesisConfig(seed=7)
    async with translating(synthesizer=hum) as server:
        reply = await say(server, config("pt", recognition=raw_config(), synthesis=seeded))
        assert not reply.warnings
        assert reply.audio[0].duration_ms > 600
        async with Interpreting(server.channel, config("pt", synthesis=seeded)) as talk:
            await talk.text("Good morning to you. ")
            await talk.end()
            assert [w.reason for w in talk.messages("warning")] == ["SPEECH_CUT"]


REFUSED: list[tuple[tuple[str, ...], dict[str, Any], str]] = [
    (("pt", "fr"), {}, "config.target_languages[1]"),
    (("pt",), {"language": "de"}, "config.synthesis.language"),
    (("pt",), {"timing": 2}, "config.synthesis.timing"),
    (("pt",), {"speaking_rate": 9}, "config.synthesis.speaking_rate"),
    (("pt",), {"output": {"sample_rate_hz": 1}}, "config.synthesis.output"),
]


@pytest.mark.parametrize(("targets", "fields", "path"), REFUSED, ids=[r[2] for r in REFUSED])
async def test_what_is_refused(
    server: Server, targets: tuple[str, ...], fields: dict[str, Any], path: str
) -> None:
    settings = config(*targets, recognition=raw_config(), synthesis=fields)
    failure = await fails(say(server, settings))
    assert failure.code.name == "INVALID_ARGUMENT"
    assert failure.message.startswith(path), failure.message


async def test_a_client_that_goes_away_while_it_is_spoken_to() -> None:
    hum = structs.replace(HUM, options={**HUM.options, "step_ms": 200.0})
    async with translating(synthesizer=hum) as server:
        settings = config("pt", source_language="en", synthesis=PCM)
        async with Interpreting(server.channel, settings) as talk:
            await talk.text("One is one. Two is two. Three is three. ")
            await talk.until("translation")
        await server.idle()


async def test_a_segment_that_was_spoken_in_part_is_spoken_again_from_its_first_word(
    server: Server,
) -> None:
    settings = config("pt", source_language="en", recognition=raw_config(), synthesis=PCM)

    async def heard(resume: common_pb2.Resume | None = None, audio: bytes = SAID) -> Interpreting:
        settings.ClearField("resume")
        if resume is not None:
            settings.resume.CopyFrom(resume)
        async with Interpreting(server.channel, settings) as talk:
            await talk.audio(audio)
            await talk.end()
        return talk

    def spoken(talk: Interpreting, segment_id: int) -> bytes:
        pieces = [a for a in talk.messages("audio") if a.segment_id == segment_id]
        return b"".join(piece.data for piece in pieces)

    whole = await heard()
    (started,) = whole.messages("session_started")
    first, *_ = [r for r in whole.messages("source_result") if r.kind == 2]
    resume = common_pb2.Resume(
        token=started.resume_token, last_segment_id=1, from_ms=first.end_ms, source_language="en"
    )
    resume.untranslated.add(segment_id=1, text=first.text, language="en")
    again = await heard(resume, SAID[first.end_ms * 32 :])
    begins, *_ = again.messages("audio")
    assert (begins.segment_id, begins.sequence, begins.start_ms) == (1, 0, 0)
    for segment_id in (1, 2):
        assert len(spoken(again, segment_id)) == len(spoken(whole, segment_id)) > 0
