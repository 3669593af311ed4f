"""What a client is told of its speech: that it was cut, and that the voice does not speak the language of the text."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from speech.v1 import synthesis_service_pb2 as pb
from speech_service.config.tree import ModelConfig
from tests.integration.harness import Server, running
from tests.integration.synthesis_harness import HUM, config, gather, hum, speech_stub

# ruff: noqa: RUF001 - letters of other languages are what is tested

IDENTIFIER = ModelConfig(kind="language/fasttext")
COMPLETE, CUT = pb.SYNTHESIS_FINISH_COMPLETE, pb.SYNTHESIS_FINISH_LENGTH_LIMIT
LONG = "Extraordinarily complicated considerations. Short one."

FOREIGN = (
    "Guten Morgen, wie geht es Ihnen heute? Ich hoffe, Sie haben gut geschlafen.",
    "Bonjour, comment allez-vous ce matin ? Le petit déjeuner est déjà prêt.",
    "Bom dia, como você está hoje? O café da manhã já está pronto na cozinha.",
    "Доброе утро, как вы сегодня себя чувствуете? Завтрак уже готов.",
    "Buenos días, ¿cómo está usted hoy? El desayuno ya está listo en la cocina.",
    "Buongiorno, come sta oggi? La colazione è già pronta in cucina per tutti.",
    "Goedemorgen, hoe gaat het vandaag met u? Het ontbijt staat al klaar in de keuken.",
    "Dzień dobry, jak się pan dzisiaj czuje? Śniadanie jest już gotowe w kuchni.",
    "Günaydın, bugün nasılsınız? Kahvaltı mutfakta hazır, lütfen oturun.",
    "God morgon, hur mår du idag? Frukosten är redan klar i köket för alla.",
    "Здравствуйте",
    "Καλημέρα σας, τι κάνετε σήμερα;",
)
ENGLISH = (
    "Hello there. How are you today?",
    "Hola!",
    "Bonjour, Madame.",
    "Yes.",
    "Ok, bye.",
    "José Martínez and François Dupont met Jürgen Müller in São Paulo.",
    "Angela Merkel",
    "def main(argv): return sys.exit(run(argv))",
    "GET /index.html HTTP/1.1 404",
    "La Paz, Buenos Aires, Rio de Janeiro",
    "Order 4711, code A1B2, total $5.50.",
    "We ate croissants, gnocchi, sauerkraut and a smorgasbord at the Café du Monde.",
    "The German word for butterfly is Schmetterling, and the French say papillon.",
    "Pizza Margherita, Spaghetti alla Carbonara",
    "Déjà vu",
    "Restez chez vous is what the sign in the window said.",
    "Supercalifragilisticexpialidocious!",
)


@pytest_asyncio.fixture
async def talker() -> AsyncIterator[Server]:
    async with running(models=[HUM, IDENTIFIER]) as server:
        yield server


async def unary(server: Server, text: str, **fields: Any) -> pb.SynthesizeResponse:
    request = pb.SynthesizeRequest(config=config(**fields), text=text)
    return await speech_stub(server).Synthesize(request, timeout=60)


async def chunked(server: Server, text: str, **fields: Any) -> list[pb.SynthesizeChunkedResponse]:
    request = pb.SynthesizeChunkedRequest(config=config(**fields), text=text)
    return [e async for e in speech_stub(server).SynthesizeChunked(request, timeout=60)]


async def streamed(
    server: Server, pieces: list[pb.StreamingSynthesizeRequest], **fields: Any
) -> list[pb.StreamingSynthesizeResponse]:
    async def requests() -> AsyncIterator[pb.StreamingSynthesizeRequest]:
        yield pb.StreamingSynthesizeRequest(config=config(**fields))
        for piece in pieces:
            yield piece

    call = speech_stub(server).StreamingSynthesize(requests(), timeout=60)
    return [event async for event in call]


def said(text: str, context_id: str = "") -> pb.StreamingSynthesizeRequest:
    return pb.StreamingSynthesizeRequest(text=pb.SynthesisText(context_id=context_id, text=text))


def reasons(events: list[Any]) -> list[str]:
    return [e.warning.reason for e in events if e.WhichOneof("event") == "warning"]


# --- cut speech ---------------------------------------------------------------------------------------


async def test_speech_that_was_cut_says_so_in_every_call() -> None:
    async with running(models=[hum(cut_ms=1_000)]) as server:
        reply = await unary(server, LONG)
        assert reply.finish == CUT
        assert [w.reason for w in reply.warnings] == ["SPEECH_CUT"]
        events = await chunked(server, LONG)
        assert (events[-1].WhichOneof("event"), events[-1].finish) == ("session_ended", CUT)
        assert reasons(events) == ["SPEECH_CUT"]
        told = await streamed(server, [said(LONG, "a"), said("Short one.", "b")])
        ends = {
            e.context_ended.context_id: e.context_ended for e in told if e.HasField("context_ended")
        }
        assert (ends["a"].finish, ends["b"].finish) == (CUT, COMPLETE)
        assert all(end.outcome == pb.CONTEXT_OUTCOME_DONE for end in ends.values())
        assert reasons(told) == ["SPEECH_CUT"]
        assert (await server.metrics())["speech_synthesis_cut_total"] == 3


async def test_speech_that_came_to_its_end_says_so_too(talker: Server) -> None:
    reply = await unary(talker, LONG)
    assert (reply.finish, list(reply.warnings)) == (COMPLETE, [])
    assert (await chunked(talker, LONG))[-1].finish == COMPLETE


async def test_a_unary_call_tries_other_seeds_and_a_stream_cannot() -> None:
    """The model runs away with seed 7 alone."""
    async with running(models=[hum(cut_ms=1_000, cut_seeds=[7])]) as server:
        reply = await unary(server, LONG, seed=7)
        assert (reply.finish, list(reply.warnings)) == (COMPLETE, [])
        assert (await unary(server, LONG, seed=7)).audio == reply.audio
        events = await chunked(server, LONG, seed=7)
        assert events[-1].finish == CUT
        assert gather(events).duration_ms < reply.duration_ms


async def test_cut_speech_is_not_kept() -> None:
    async with running("synthesis.cache_bytes=20000000", models=[hum(cut_ms=1_000)]) as server:
        for _ in range(2):
            reply = await unary(server, LONG)
            assert (reply.cached, reply.finish) == (False, CUT)
            told = await streamed(server, [said(LONG)])
            assert reasons(told) == ["SPEECH_CUT"]


# --- languages ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", FOREIGN)
async def test_a_language_that_the_voice_lacks_is_warned_of_and_spoken(
    talker: Server, text: str
) -> None:
    reply = await unary(talker, text)
    assert [w.reason for w in reply.warnings] == ["LANGUAGE_NOT_SPOKEN"]
    assert reply.warnings[0].field == "text"
    assert reply.audio


@pytest.mark.parametrize("text", ENGLISH)
async def test_what_may_be_meant_for_the_voice_is_not(talker: Server, text: str) -> None:
    assert not (await unary(talker, text)).warnings


async def test_every_kind_of_call_warns_alike(talker: Server) -> None:
    text = FOREIGN[0]
    assert reasons(await chunked(talker, text)) == ["LANGUAGE_NOT_SPOKEN"]
    tokens = [said(word + " ") for word in text.split()]
    assert reasons(await streamed(talker, tokens)) == ["LANGUAGE_NOT_SPOKEN"]
    assert reasons(await streamed(talker, [said(text * 20)])) == ["LANGUAGE_NOT_SPOKEN"]


async def test_each_context_is_judged_for_itself(talker: Server) -> None:
    flush = pb.StreamingSynthesizeRequest(flush=pb.Flush(context_id="a"))
    pieces = [said(ENGLISH[0], "a"), flush, said(FOREIGN[1], "a"), flush, said(FOREIGN[2], "b")]
    told = await streamed(talker, pieces)
    assert reasons(told) == ["LANGUAGE_NOT_SPOKEN"] * 2
    assert told[-1].HasField("session_ended")


async def test_a_language_that_is_named_is_not_doubted(talker: Server) -> None:
    assert not (await unary(talker, FOREIGN[0], language="en")).warnings


async def test_a_voice_of_the_language_is_not_warned_of() -> None:
    async with running(models=[hum(languages=["de", "en"]), IDENTIFIER]) as server:
        assert not (await unary(server, FOREIGN[0])).warnings
        assert [w.reason for w in (await unary(server, FOREIGN[1])).warnings] == [
            "LANGUAGE_NOT_SPOKEN"
        ]


async def test_without_an_identifier_the_script_tells() -> None:
    async with running(models=[HUM]) as server:
        assert [w.reason for w in (await unary(server, FOREIGN[3])).warnings] == [
            "LANGUAGE_NOT_SPOKEN"
        ]
        assert not (await unary(server, FOREIGN[0])).warnings


async def test_the_warning_comes_out_of_the_cache_as_well() -> None:
    async with running("synthesis.cache_bytes=20000000", models=[HUM, IDENTIFIER]) as server:
        for cached in (False, True):
            reply = await unary(server, FOREIGN[0])
            assert reply.cached is cached
            assert [w.reason for w in reply.warnings] == ["LANGUAGE_NOT_SPOKEN"]
            assert reasons(await streamed(server, [said(FOREIGN[0])])) == ["LANGUAGE_NOT_SPOKEN"]
