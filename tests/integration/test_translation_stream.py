"""StreamingTranslate: text and audio in, order, controls, failures that cost no recognition, the end."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from speech_service.engines.fake.translator import original
from tests.integration.harness import Server, fake_model, raw_config, until
from tests.integration.sound import speech
from tests.integration.translating import (
    MARIAN,
    Interpreting,
    config,
    translating,
    translator,
)

SAID = speech(1000, 1000, 1500, 1000)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server with fakes."""
    async with translating() as started:
        yield started


async def test_text_in_pieces(server: Server) -> None:
    settings = config("pt", "de", source_language="en")
    async with Interpreting(server.channel, settings) as talk:
        for piece in ("Good mor", "ning to you. How", " are you? I am", " fine"):
            await talk.text(piece)
        await talk.end()
        assert talk.translations() == [
            (1, "pt", "Good·pt morning·pt to·pt you·pt."),
            (1, "de", "Good·de morning·de to·de you·de."),
            (2, "pt", "How·pt are·pt you·pt?"),
            (2, "de", "How·de are·de you·de?"),
            (3, "pt", "I·pt am·pt fine·pt"),
            (3, "de", "I·de am·de fine·de"),
        ]
        assert not talk.translations(kind=1)
        assert talk.kinds()[0] == "session_started"
        assert talk.kinds()[-1] == "session_ended"
        effective = talk.events[0].effective_config
        assert list(effective.target_languages) == ["pt", "de"]
        assert effective.HasField("partial_translations")
        (started,) = talk.messages("session_started")
        assert started.model == "fake-translator"
        assert started.limits.max_text_characters == 100_000
        (ended,) = talk.messages("session_ended")
        assert ended.usage.characters_in == len("Good morning to you. How are you? I am fine")
        assert ended.latency.HasField("first_result_ms")


@pytest.mark.parametrize("text", ["Good morning to you. ", "Sure!", "How are you?", "A line\n"])
async def test_a_finished_sentence_waits_for_no_word(server: Server, text: str) -> None:
    settings = config("pt", source_language="en")
    async with Interpreting(server.channel, settings) as talk:
        await talk.text(text)
        translation = await talk.until("translation")
        assert original(translation.text, "pt") == text.strip()
        assert talk.events[0].effective_config.sentence_pause.ToMilliseconds() == 200
        await talk.end()


async def test_the_source_of_text_is_found(server: Server) -> None:
    async with Interpreting(server.channel, config("pt")) as talk:
        await talk.text("Good morning to you all. これは日本語です。 Ok then.")
        await talk.end()
        sources = [e.translation.source_language for e in talk.events if e.HasField("translation")]
        assert sources == ["en", "ja", "en"]


async def test_a_large_text_is_taken_in_parts() -> None:
    async with translating(model=translator(step_ms=1)) as server:
        sentences = [f"This is sentence number {n}. " for n in range(400)]
        async with Interpreting(server.channel, config(source_language="en")) as talk:
            reading = asyncio.create_task(talk.until("session_ended"))
            await talk.text("".join(sentences))
            await talk.send(end_of_input={})
            await reading
        found = [original(text, "pt") for _, _, text in talk.translations()]
        assert found == [sentence.strip() for sentence in sentences]


async def test_finalize_and_reset_of_text(server: Server) -> None:
    async with Interpreting(server.channel, config(source_language="en")) as talk:
        await talk.text("One. Two and")
        await talk.send(finalize={"control_id": "f"})
        ack = await talk.until("control_ack")
        assert (ack.control_id, ack.kind, ack.last_final_segment) == ("f", 1, 2)
        assert [text for _, _, text in talk.translations()] == ["One·pt.", "Two·pt and·pt"]
        await talk.text("Three. Four")
        await talk.send(reset={"control_id": "r"})
        ack = await talk.until("control_ack")
        assert (ack.control_id, ack.kind, ack.last_final_segment) == ("r", 2, 3)
        await talk.text("Five.")
        await talk.end()
        assert [text for _, _, text in talk.translations()[2:]] == ["Three·pt.", "Five·pt."]


async def test_partial_translations_of_text(server: Server) -> None:
    settings = config("pt", source_language="en", partial_translations=True)
    async with Interpreting(server.channel, settings) as talk:
        await talk.text("Good mor")
        partial = await talk.until("translation")
        assert (partial.kind, partial.segment_id, partial.text) == (1, 1, "Good·pt mor·pt")
        await talk.text("ning. Then")
        await talk.end()
        assert talk.translations()[0] == (1, "pt", "Good·pt morning·pt.")


async def test_audio(server: Server) -> None:
    async with Interpreting(server.channel, config("pt", "de", recognition=raw_config())) as talk:
        await talk.audio(SAID)
        await talk.end()
        finals = [r for r in talk.messages("source_result") if r.kind == 2]
        assert [r.text for r in finals]
        assert [(s, language) for s, language, _ in talk.translations()] == [
            (r.segment_id, language) for r in finals for language in ("pt", "de")
        ]
        assert [
            original(t, "pt") for _, language, t in talk.translations() if language == "pt"
        ] == [r.text for r in finals]
        assert "speech_event" in talk.kinds()
        (ended,) = talk.messages("session_ended")
        assert ended.usage.audio_in_ms == 4500
        assert talk.events[0].effective_config.recognition.model == "fake"


async def test_partials_of_audio(server: Server) -> None:
    """The first is waited for within a segment that ends only because more audio comes."""
    endpointing = {"quiet_margin": Duration(seconds=10), "end_silence": Duration(nanos=500_000_000)}
    recognition = raw_config(endpointing=endpointing)
    settings = config("pt", recognition=recognition, partial_translations=True)
    async with Interpreting(server.channel, settings) as talk:
        await talk.audio(SAID[:32_000])
        await talk.until("translation")
        await talk.audio(SAID[32_000:])
        await talk.end()
        assert talk.translations(kind=1)
        assert {s for s, _, _ in talk.translations(kind=1)} <= {
            s for s, _, _ in talk.translations()
        }


async def test_finalize_of_audio_waits_for_the_translation() -> None:
    async with (
        translating(model=translator(step_ms=50)) as server,
        Interpreting(server.channel, config(recognition=raw_config())) as talk,
    ):
        await talk.audio(speech(1200))
        await talk.send(finalize={"control_id": "f"})
        await talk.until("control_ack")
        assert len(talk.translations()) == 1
        await talk.end()


async def test_a_failing_translator_costs_no_recognition() -> None:
    async with (
        translating(model=translator(fail_every=2)) as server,
        Interpreting(server.channel, config("pt", recognition=raw_config())) as talk,
    ):
        await talk.audio(SAID + SAID)
        await talk.end()
        finals = [r.segment_id for r in talk.messages("source_result") if r.kind == 2]
        warnings = [w for w in talk.messages("warning") if w.reason == "TRANSLATION_FAILED"]
        assert len(finals) == 4
        assert len(talk.translations()) == 2
        assert len(warnings) == 2
        assert "segment" in warnings[0].message


async def test_a_full_queue_costs_partials_only() -> None:
    model = translator(step_ms=50, max_batch=1)
    settings = config("pt", "de", source_language="en", partial_translations=True)
    async with (
        translating("scheduler.max_queued=1", model=model) as server,
        Interpreting(server.channel, settings) as talk,
    ):
        for word in ("One ", "is one. ", "Two ", "is two. ", "Three ", "is three. "):
            await talk.text(word)
        await talk.end()
        assert len(talk.translations()) == 6
        assert not talk.messages("warning")


async def test_a_pair_that_is_found_out_late_is_a_warning() -> None:
    async with (
        translating(model=MARIAN) as server,
        Interpreting(server.channel, config("pt")) as talk,
    ):
        await talk.text("これは日本語です。 Good morning.")
        await talk.end()
        (warning,) = talk.messages("warning")
        assert "NO_TRANSLATOR_FOR_PAIR" in warning.message
        assert [s for s, _, _ in talk.translations()] == [2]


PAUSES = (Duration(nanos=10_000_000), Duration(seconds=11), Duration(seconds=-1))
BAD: list[tuple[list[dict[str, Any]], str]] = [
    ([{"text": {"text": "a"}}], "config"),
    ([{"config": {}}], "config.target_languages"),
    ([{"config": config()}, {"audio": {"data": b"ab"}}], "config.recognition"),
    ([{"config": config(recognition=raw_config())}, {"text": {"text": "a"}}], "text"),
    ([{"config": config()}, {"config": config()}], "config"),
    ([{"config": config()}, {"text": {"text": "x" * 100_001}}], "text.text"),
    ([{"config": config()}, {"text": {"text": "\0"}}], "text.text"),
    ([{"config": config()}, {}], "payload"),
    ([{"config": config(subtitles={})}], "config.subtitles"),
    *(([{"config": config(sentence_pause=pause)}], "config.sentence_pause") for pause in PAUSES),
    (
        [{"config": config(sentence_pause=Duration(seconds=1), recognition=raw_config())}],
        "config.sentence_pause",
    ),
    ([{"config": config(recognition={})}], "config.recognition.audio"),
    ([{"config": config(recognition=raw_config(rate=1))}], "config.recognition.audio.raw"),
    ([{"config": config(recognition=raw_config(subtitles={}))}], "config.recognition.subtitles"),
    ([{"config": config(recognition=raw_config(resume={}))}], "config.recognition.resume"),
]


@pytest.mark.parametrize(("messages", "field"), BAD, ids=[field for _, field in BAD])
async def test_what_is_wrong_is_named(
    server: Server, messages: list[dict[str, Any]], field: str
) -> None:
    talk = Interpreting(server.channel, config())
    for message in messages:
        await talk.send(**message)
    failure = await talk.fails()
    assert failure.code.name == "INVALID_ARGUMENT"
    assert failure.message.startswith(field)
    await server.idle()


@pytest.mark.parametrize("kind", ["finalize", "reset"])
@pytest.mark.parametrize("spoken", [False, True])
async def test_a_wrong_control_message_is_answered(server: Server, kind: str, spoken: bool) -> None:
    fields = {"recognition": raw_config()} if spoken else {}
    async with Interpreting(server.channel, config(**fields)) as talk:
        await talk.send(**{kind: {"control_id": "x" * 65}})
        ack = await talk.until("control_ack")
        assert (ack.control_id, ack.error.field) == ("x" * 64, f"{kind}.control_id")
        await talk.end()


async def test_speech_ends_when_the_client_stops_sending(server: Server) -> None:
    async with Interpreting(server.channel, config(recognition=raw_config())) as talk:
        await talk.send(audio={"data": speech(1000)})
        await talk.until("translation")  # nothing else will come
        await talk.end()


async def test_a_client_that_goes_away_leaves_nothing() -> None:
    async with translating(model=translator(step_ms=100)) as server:
        async with Interpreting(server.channel, config(source_language="en")) as talk:
            await talk.text("One is one. Two is two. Three is three. ")
            await talk.until("translation")
        await server.idle()


async def test_a_server_that_drains_translates_what_it_has() -> None:
    async with (
        translating(model=translator(step_ms=50)) as server,
        Interpreting(server.channel, config(source_language="en")) as talk,
    ):
        await talk.text("One is one. Two is two. Three")
        await talk.until("translation")  # so all of the text is there
        server.app.parts.admission.drain_streams()
        failure = await talk.fails()
        assert failure.reason == "DRAINING"
        assert len(talk.translations()) == 3


async def test_slow_translators_hold_up_text_and_not_memory() -> None:
    async with (
        translating(model=translator(step_ms=20)) as server,
        Interpreting(server.channel, config(source_language="en")) as talk,
    ):
        sending = asyncio.create_task(_flood(talk))
        await asyncio.sleep(0.5)
        assert not sending.done()
        sending.cancel()
        await until(lambda: sending.done())


async def _flood(talk: Interpreting) -> None:
    for _ in range(2000):
        await talk.text("This is a sentence that takes a while to say. " * 500)


async def test_a_bad_recognizer_ends_the_stream() -> None:
    async with (
        translating(recognizer=fake_model(fail_every=1)) as server,
        Interpreting(server.channel, config(recognition=raw_config())) as talk,
    ):
        await talk.audio(SAID)
        await talk.send(end_of_input={})
        assert (await talk.fails()).code.name == "INTERNAL"


async def test_a_stream_of_text_that_was_cut_off_is_begun_anew_behind_what_was_translated(
    server: Server,
) -> None:
    """It has no place to resume; its segments say where they end in all that was sent."""
    said = "One is one. Two is two.  Three is three. Four is four. Five"
    whole: list[tuple[str, str]] = []
    async with Interpreting(server.channel, config("pt", "de", source_language="en")) as talk:
        assert not (await talk.until("session_started")).resume_token
        server.app.parts.admission.going_away(5_000)
        assert not (await talk.until("going_away")).resume_token
        await talk.text("Forget this. And this")
        await talk.until("translation")
        await talk.send(reset={"control_id": "r"})
        await talk.until("control_ack")
        before = len("Forget this. And this")
        await talk.text(said)
        await talk.end()
        finals = [t for t in talk.messages("translation") if t.kind == 2]
        assert finals[0].char_end == len("Forget this. ")
        ends = [t.char_end - before for t in finals[2::2]]
        pieces = [said[at:end] for at, end in zip([0, *ends], ends, strict=False)]
        assert "".join(pieces) == said
        assert [piece.strip() for piece in pieces][1] == "Two is two."
        whole = [(t.language, t.text) for t in finals[2:]]
    async with Interpreting(server.channel, config("pt", "de", source_language="en")) as talk:
        await talk.text(said[ends[1] :])
        await talk.end()
        again = [t for t in talk.messages("translation") if t.kind == 2]
    assert [(t.language, t.text) for t in again] == whole[4:]
