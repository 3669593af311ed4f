"""Word times of Recognize and StreamingRecognize: after the FINAL, from the aligner, and never at its cost."""

from collections.abc import Sequence
from typing import Any

import pytest
from grpc import aio

from speech.v1 import common_pb2, model_service_pb2
from speech_service.config.tree import ModelConfig
from tests.integration.failures import WAIT_S, Failure
from tests.integration.harness import FAKE, Server, Talk, pb, raw_config, recognize, running
from tests.integration.sound import speech

ALIGNER = ModelConfig(kind="aligner/fake")
REFINED = 3


def aligner(**options: object) -> ModelConfig:
    return ModelConfig(kind="aligner/fake", options=options)


async def unary(server: Server, audio: bytes, **fields: Any) -> pb.RecognizeResponse:
    request = pb.RecognizeRequest(config=raw_config(**fields), audio=audio)
    return await server.recognition.Recognize(request, timeout=WAIT_S)


def check_words(result: pb.RecognitionResult) -> None:
    """Words stand in the text where they say, in order, inside the segment, and cover all of the text's words."""
    assert [w.text for w in result.words] == [
        result.text[w.char_start : w.char_end] for w in result.words
    ]
    assert " ".join(w.text for w in result.words) == result.text
    last = result.start_ms
    for word in result.words:
        assert last <= word.start_ms < word.end_ms <= result.end_ms
        last = word.end_ms


def order(talk: Talk) -> list[tuple[int, int]]:
    return [(e.result.segment_id, e.result.kind) for e in talk.events if e.HasField("result")]


async def test_a_stream_gets_one_refined_after_each_final() -> None:
    async with running(models=(FAKE, ALIGNER)) as server:
        talk = await recognize(
            server, speech(2_000, 1_500, 1_000, 1_500, 1_500), raw_config(word_times=True)
        )
        refined = talk.results(REFINED)
        assert [r.segment_id for r in talk.finals] == [1, 2, 3]
        assert sorted(r.segment_id for r in refined) == [1, 2, 3]
        finals = {r.segment_id: r for r in talk.finals}
        for result in refined:
            final = finals[result.segment_id]
            assert not final.words
            assert result.revision == final.revision + 1
            assert (result.text, result.start_ms, result.end_ms, result.end_cause) == (
                final.text,
                final.start_ms,
                final.end_ms,
                final.end_cause,
            )
            check_words(result)
            seen = order(talk)
            assert seen.index((result.segment_id, 2)) < seen.index((result.segment_id, REFINED))
        assert talk.kinds()[-1] == "session_ended"
        assert talk.events[0].effective_config.word_times


async def test_a_unary_reply_has_its_words_in_the_final() -> None:
    async with running(models=(FAKE, ALIGNER)) as server:
        reply = await unary(server, speech(2_000, 1_500, 1_000), word_times=True)
        assert len(reply.results) == 2
        for result in reply.results:
            assert result.kind == common_pb2.RESULT_KIND_FINAL
            check_words(result)
        assert not reply.warnings


async def test_words_that_were_not_found_are_told_of() -> None:
    async with running(models=(FAKE, aligner(unknown_word="one"))) as server:
        reply = await unary(server, speech(1_500), word_times=True)
        assert [w.text for w in reply.results[0].words] == ["zero", "two"]
        assert [w.reason for w in reply.warnings] == ["WORD_TIMES_INCOMPLETE"]


async def test_nobody_pays_for_what_nobody_asked_for() -> None:
    async with running(models=(FAKE, ALIGNER)) as server:
        talk = await recognize(server, speech(2_000), raw_config())
        assert not talk.results(REFINED)
        assert not (await unary(server, speech(2_000))).results[0].words


async def test_slow_alignment_holds_neither_finals_nor_is_lost_at_the_end() -> None:
    models = (FAKE, aligner(word_ms=500, step_ms=300))
    async with (
        running(models=models) as server,
        server.talk(word_times=True) as talk,
    ):
        await talk.audio(speech(1_500, 1_200))
        await talk.until("result", kind=2)
        assert not talk.results(REFINED)
        await talk.end()
        assert len(talk.results(REFINED)) == 1
        assert talk.kinds()[-1] == "session_ended"


async def test_silence_has_no_words() -> None:
    async with running(models=(FAKE, ALIGNER)) as server:
        reply = await unary(server, bytes(64_000), word_times=True)
        assert not reply.results
        assert not reply.warnings


@pytest.mark.parametrize("models", [(FAKE, aligner(fail_every=1)), (FAKE, aligner(word_ms=60_000))])
async def test_a_failed_alignment_is_a_warning(models: Sequence[ModelConfig]) -> None:
    async with running(models=models) as server:
        talk = await recognize(server, speech(1_500), raw_config(word_times=True))
        assert [r.text for r in talk.finals] == ["zero one two"]
        assert not talk.results(REFINED)
        [warning] = [e.warning for e in talk.events if e.HasField("warning")]
        assert (warning.reason, warning.field) == ("WORD_TIMES_UNAVAILABLE", "config.word_times")
        assert talk.kinds()[-1] == "session_ended"
        reply = await unary(server, speech(1_500), word_times=True)
        assert reply.results[0].text == "zero one two"
        assert not reply.results[0].words
        assert [w.reason for w in reply.warnings] == ["WORD_TIMES_UNAVAILABLE"]
        await server.idle()


@pytest.mark.parametrize("models", [(FAKE,), (FAKE, aligner(languages=("de",)))])
async def test_without_an_aligner_it_is_no_option(models: Sequence[ModelConfig]) -> None:
    async with running(models=models) as server:
        with pytest.raises(aio.AioRpcError) as caught:
            await unary(server, speech(500), word_times=True)
        failure = Failure.of(caught.value).is_(
            "INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest"
        )
        failure.names("config.word_times")
        reply = await unary(server, speech(500), word_times=True, option_handling=2)
        assert [w.reason for w in reply.warnings] == ["OPTION_IGNORED"]
        assert reply.results[0].text == "zero"


async def test_the_model_list_says_who_can() -> None:
    wanted = {
        model_service_pb2.CAPABILITY_WORD_TIMES,
        model_service_pb2.CAPABILITY_SUBTITLES_ACCURATE,
    }
    for models, able in (((FAKE,), False), ((FAKE, ALIGNER), True)):
        async with running(models=models) as server:
            listed = await server.models.ListModels(model_service_pb2.ListModelsRequest())
            [recognizer] = [m for m in listed.models if m.name == "fake"]
            assert (wanted <= set(recognizer.capabilities)) is able
            assert model_service_pb2.CAPABILITY_SUBTITLES_FAST in recognizer.capabilities


async def test_a_cancelled_stream_leaves_no_alignment_behind() -> None:
    async with running(models=(FAKE, aligner(step_ms=200, steps=20))) as server:
        async with server.talk(word_times=True) as talk:
            await talk.audio(speech(1_500, 1_200))
            await talk.until("result", kind=2)
        await server.idle()
