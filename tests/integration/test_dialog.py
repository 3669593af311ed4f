"""Streams that talk like people: what the client sees when it pauses, falls silent, or says something wrong."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
import pytest_asyncio
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from grpc import aio

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from speech.v1 import synthesis_service_pb2 as synthesis
from speech_client import InvalidRequestError, RawAudio, RecognitionResult, SpeechClient
from tests.integration.failures import WAIT_S, Failure
from tests.integration.harness import FAKE, Server, fake_model, raw_config, running
from tests.integration.sound import speech
from tests.integration.synthesis_harness import SpeechTalk, config, gather, hum, words_ms

pytestmark = pytest.mark.asyncio(loop_scope="module")
WORDS = fake_model(max_context_tokens=12, languages=("en", "de"))


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def talking() -> AsyncIterator[Server]:
    async with running(models=(FAKE, hum())) as server:
        yield server


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def limited() -> AsyncIterator[Server]:
    async with running(models=(WORDS,)) as server:
        yield server


def ms(value: int) -> Duration:
    return Duration(nanos=value * 1_000_000)


# --- a pause in the text ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["Let me check that for you. ", "Sure! ", "Sure!", "How are you?", "one\n", "你好。"],
)
async def test_a_finished_sentence_is_spoken_without_more_text(talking: Server, text: str) -> None:
    async with SpeechTalk(talking, config()) as talk:
        await talk.text(text)
        await talk.until("audio")  # nothing else will come
        await talk.text("And more")
        await talk.end()
    assert talk.kinds()[-1] == "session_ended"
    assert talk.kinds().count("context_ended") == 1


async def test_a_flush_may_keep_the_context_open(talking: Server) -> None:
    async with SpeechTalk(talking, config(segmentation=synthesis.SEGMENTATION_MANUAL)) as talk:
        await talk.text("wait a moment", "c")
        await talk.send(flush={"context_id": "c", "control_id": "k", "keep_open": True})
        await talk.until("control_ack", control_id="k")
        spoken = gather(talk.events, "c")
        assert spoken.duration_ms == words_ms("wait a moment"), "all of it came before the ack"
        await talk.text(" here it is", "c")
        await talk.end()
    assert talk.kinds().count("context_ended") == 1
    audio = [event.audio for event in talk.events if event.HasField("audio")]
    assert [each.sequence for each in audio] == list(range(len(audio)))
    assert {each.context_id for each in audio} == {"c"}


async def test_the_client_keeps_a_context_open(talking: Server) -> None:
    async with (
        SpeechClient.connect(talking.target) as client,
        client.stream_synthesize(sentence_pause_ms=0) as stream,
    ):
        await stream.send_text("Hold on. ")
        await (await stream.flush(keep_open=True))
        await stream.send_text("Done.")
        await stream.end_text()
        names = [type(event).__name__ async for event in stream]
    assert names.count("ContextEnded") == 1


@pytest.mark.parametrize("pause_ms", [1, 49])
async def test_a_pause_out_of_range_is_refused(talking: Server, pause_ms: int) -> None:
    async with SpeechTalk(talking, config(sentence_pause=ms(pause_ms))) as talk:
        failure = await talk.fails()
    assert failure.violation.field == "config.sentence_pause"


async def test_the_pause_in_force_is_shown(talking: Server) -> None:
    for given, shown in ((None, 200), (0, 0), (500, 500)):
        fields: dict[str, Any] = {} if given is None else {"sentence_pause": ms(given)}
        async with SpeechTalk(talking, config(**fields)) as talk:
            await talk.read()
            effective = talk.events[0].effective_config
            assert effective.sentence_pause.ToMilliseconds() == shown


# --- a line that falls quiet --------------------------------------------------------------------------


@pytest.mark.parametrize("message_ms", [20, 100, 500])
async def test_speech_ends_when_the_client_stops_sending(talking: Server, message_ms: int) -> None:
    async with talking.talk() as talk:
        await talk.audio(speech(1500), 32 * message_ms)
        await talk.until("speech_event", kind=common.SPEECH_EVENT_KIND_END)
        final = await talk.until("result", kind=common.RESULT_KIND_FINAL)
        assert (final.text, final.end_ms) == ("zero one two", 1500)
        assert final.end_cause == pb.END_CAUSE_ENDPOINT
        assert talk.partials[-1].text == "zero one two"
        await talk.audio(speech(1000, 1000))
        second = await talk.until("result", kind=common.RESULT_KIND_FINAL)
        assert second.start_ms >= 1500
        assert second.end_ms >= 2500
        await talk.end()


async def test_keep_alive_does_not_put_the_end_off(talking: Server) -> None:
    async with talking.talk() as talk:
        await talk.audio(speech(1000))

        async def alive() -> None:
            while True:
                await talk.send(keep_alive={})
                await asyncio.sleep(0.05)

        keeping = asyncio.create_task(alive())
        await talk.until("result", kind=common.RESULT_KIND_FINAL)
        keeping.cancel()


async def test_the_margin_is_an_option(talking: Server) -> None:
    endpointing = {"quiet_margin": Duration(seconds=10), "end_silence": Duration(seconds=10)}
    async with talking.talk(endpointing=endpointing) as talk:
        await talk.audio(speech(1000))
        await talk.until("result", kind=common.RESULT_KIND_PARTIAL, text="zero one")
        assert not talk.finals
        await talk.end()
        effective = talk.events[0].effective_config.endpointing
        assert effective.quiet_margin.seconds == 10


@pytest.mark.parametrize("value_ms", [0, 99, 10_001])
async def test_a_margin_out_of_range_is_refused(talking: Server, value_ms: int) -> None:
    margin = Duration()
    margin.FromMilliseconds(value_ms)
    async with talking.talk(endpointing={"quiet_margin": margin}) as talk:
        assert (await talk.fails()).violation.field == "config.endpointing.quiet_margin"


# --- wrong control messages -------------------------------------------------------------------------

WRONG_UPDATES: list[tuple[list[str], dict[str, Any], int, str]] = [
    ([], {}, 3, "update_config.update_mask"),
    (["nonsense"], {}, 3, "update_config.update_mask"),
    (["model"], {"model": "x"}, 9, "update_config.config.model"),
    (["audio"], {}, 9, "update_config.config.audio"),
    (["pacing"], {}, 9, "update_config.config.pacing"),
    (["separate_channels"], {}, 9, "update_config.config.separate_channels"),
    (["resume"], {}, 9, "update_config.config.resume"),
    (["partial_interval"], {"partial_interval": ms(1)}, 3, "update_config.config.partial_interval"),
    (["language"], {"language": {"codes": ["xx"]}}, 3, "update_config.config.language.codes[0]"),
    (["context.text"], {"context": {"text": "a"}}, 3, "update_config.config.context.text"),
    (["word_times"], {"word_times": True}, 3, "update_config.config.word_times"),
    (["profanity_filter"], {"profanity_filter": True}, 3, "update_config.config.profanity_filter"),
    (["subtitles"], {"subtitles": {"format": 1}}, 3, "update_config.config.subtitles"),
    (
        ["endpointing"],
        {"endpointing": {"threshold": 9}},
        3,
        "update_config.config.endpointing.threshold",
    ),
]


@pytest.mark.parametrize(("paths", "fields", "code", "field"), WRONG_UPDATES)
async def test_a_wrong_update_is_answered_and_costs_no_speech(
    talking: Server, paths: list[str], fields: dict[str, Any], code: int, field: str
) -> None:
    async with talking.talk() as talk:
        await talk.audio(speech(1000))
        update = {"config": fields, "update_mask": FieldMask(paths=paths), "control_id": "u"}
        await talk.send(update_config=update)
        ack = await talk.until("control_ack", control_id="u")
        assert (ack.error.code, ack.error.field) == (code, field)
        assert ack.error.reason
        assert ack.error.message
        assert ack.kind == common.CONTROL_KIND_UPDATE_CONFIG
        assert talk.events[-1].effective_config == talk.events[0].effective_config
        await talk.audio(speech(1000))
        await talk.end()
    assert [final.text for final in talk.finals] == ["zero one two three"]


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("word_times", {"word_times": False}),
        ("punctuation", {}),
        ("inverse_text_normalization", {}),
        ("profanity_filter", {"profanity_filter": False}),
        ("word_confidence", {"word_confidence": False}),
        ("option_handling", {"option_handling": 2}),
        ("partial_results", {"partial_results": False}),
        ("endpointing.end_silence", {"endpointing": {"end_silence": ms(300)}}),
        ("subtitles", {}),
        ("context", {}),
    ],
)
async def test_all_but_what_the_contract_names_may_change(
    talking: Server, path: str, fields: dict[str, Any]
) -> None:
    async with talking.talk() as talk:
        update = {"config": fields, "update_mask": {"paths": [path]}, "control_id": "u"}
        await talk.send(update_config=update)
        ack = await talk.until("control_ack", control_id="u")
        assert not ack.HasField("error")
        await talk.end()


async def test_an_update_to_lenient_makes_the_next_a_warning(talking: Server) -> None:
    async with talking.talk() as talk:
        for path, fields in (
            ("option_handling", {"option_handling": 2}),
            ("word_times", {"word_times": True}),
        ):
            await talk.send(update_config={"config": fields, "update_mask": {"paths": [path]}})
        warning = await talk.until("warning")
        assert warning.field == "config.word_times"
        await talk.end()


@pytest.mark.parametrize("kind", ["finalize", "reset", "update_config"])
async def test_a_control_id_that_is_too_long_comes_back_cut(talking: Server, kind: str) -> None:
    async with talking.talk() as talk:
        await talk.send(**{kind: {"control_id": "x" * 65}})
        ack = await talk.until("control_ack")
        assert (ack.control_id, ack.error.field) == ("x" * 64, f"{kind}.control_id")
        await talk.end()


@pytest.mark.parametrize(
    ("payload", "field"),
    [
        ({"flush": {"control_id": "x" * 65}}, "flush.control_id"),
        ({"flush": {"context_id": "x" * 65}}, "flush.context_id"),
        ({"cancel": {"control_id": "x" * 65}}, "cancel.control_id"),
        ({"cancel": {"context_id": "x" * 65}}, "cancel.context_id"),
        ({"update_config": {}}, "update_config.update_mask"),
        ({"update_config": {"update_mask": {"paths": ["model"]}}}, "update_config.config.model"),
        (
            {
                "update_config": {
                    "config": {"speaking_rate": 9},
                    "update_mask": {"paths": ["speaking_rate"]},
                }
            },
            "update_config.config.speaking_rate",
        ),
        (
            {
                "update_config": {
                    "config": {"voice_id": "nobody"},
                    "update_mask": {"paths": ["voice_id"]},
                }
            },
            "",
        ),
    ],
)
async def test_a_wrong_control_message_costs_no_context(
    talking: Server, payload: dict[str, Any], field: str
) -> None:
    async with SpeechTalk(talking, config()) as talk:
        await talk.text("hello there")
        await talk.send(**payload)
        ack = await talk.until("control_ack")
        assert ack.error.code in (3, 5, 9)
        assert ack.error.field == field
        await talk.end()
    ended = [e.context_ended for e in talk.events if e.HasField("context_ended")]
    assert [each.outcome for each in ended] == [synthesis.CONTEXT_OUTCOME_DONE]


async def test_the_client_raises_where_the_ack_is_awaited(talking: Server) -> None:
    async with (
        SpeechClient.connect(talking.target) as client,
        client.stream_recognize(format=RawAudio(16_000)) as stream,
    ):
        pending = await stream.update_config(pb.RecognitionConfig(), "nonsense")
        with pytest.raises(InvalidRequestError) as raised:
            await pending
        assert raised.value.field_violations[0].field == "update_config.update_mask"
        await stream.send_audio(speech(1000))
        await stream.end_audio()
        texts = [
            event.text
            async for event in stream
            if isinstance(event, RecognitionResult) and event.is_final
        ]
    assert texts == ["zero one"]


# --- contexts that are too long ------------------------------------------------------------------------

LONG = " ".join(["word"] * 13)
TOO_LONG: list[tuple[dict[str, Any], str]] = [
    ({"terms": ["word"] * 13}, "terms"),
    ({"terms": ["a b c d"] * 4}, "terms"),
    ({"text": LONG}, "text"),
    ({"text": "one two three", "terms": [*"abcdefghijklmnop"]}, "terms"),
    ({"text": LONG + " and more", "terms": ["x"]}, "text"),
]


async def failure_of(server: Server, **fields: Any) -> Failure:
    async with server.talk(**fields) as talk:
        return await talk.fails()


@pytest.mark.parametrize(("context", "name"), TOO_LONG)
async def test_too_long_a_context_is_refused_before_the_session(
    limited: Server, context: dict[str, Any], name: str
) -> None:
    failure = await failure_of(limited, context=context)
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.violation.field == f"config.context.{name}"
    assert failure.info.metadata["max_context_tokens"] == "12"


@pytest.mark.parametrize(("context", "name"), TOO_LONG)
async def test_too_long_an_update_is_answered(
    limited: Server, context: dict[str, Any], name: str
) -> None:
    async with limited.talk() as talk:
        await talk.audio(speech(1000))
        update = {"config": {"context": context}, "update_mask": {"paths": ["context"]}}
        await talk.send(update_config=update)
        ack = await talk.until("control_ack")
        assert ack.error.field == f"update_config.config.context.{name}"
        await talk.end()
    assert [final.text for final in talk.finals] == ["zero one"]


@pytest.mark.parametrize(
    "context",
    [
        {"terms": ["word"] * 12},
        {"terms": ["internationalisation"] * 12},
        {"text": " ".join(["word"] * 12)},
        {"text": "x" * 500},
        {"text": "日本語" * 100},
    ],
)
async def test_a_context_that_fits_is_taken_however_many_bytes_it_has(
    limited: Server, context: dict[str, Any]
) -> None:
    async with limited.talk(context=context) as talk:
        await talk.audio(speech(1000))
        await talk.end()
    assert talk.events[0].session_started.limits.max_context_tokens == 12
    assert [final.text for final in talk.finals] == ["zero one"]


@pytest.mark.parametrize(("context", "name"), TOO_LONG)
async def test_a_lenient_request_is_told_what_was_left_out(
    limited: Server, context: dict[str, Any], name: str
) -> None:
    lenient = common.OPTION_HANDLING_LENIENT
    async with limited.talk(context=context, option_handling=lenient) as talk:
        warning = await talk.until("warning")
        assert (warning.reason, warning.field) == ("CONTEXT_CUT", f"config.context.{name}")
        await talk.audio(speech(1000))
        await talk.end()
    assert [final.text for final in talk.finals] == ["zero one"]


async def test_a_unary_call_names_the_field_too(limited: Server) -> None:
    config = raw_config(context={"text": LONG})
    with pytest.raises(aio.AioRpcError) as raised:
        await limited.recognition.Recognize(
            pb.RecognizeRequest(config=config, audio=speech(500)), timeout=WAIT_S
        )
    failure = Failure.of(raised.value)
    assert raised.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.violation.field == "config.context.text"


async def test_the_model_says_its_limit(limited: Server, talking: Server) -> None:
    from speech.v1 import model_service_pb2

    for server, expected in ((limited, 12), (talking, 0)):
        reply = await server.models.GetModel(model_service_pb2.GetModelRequest(name="fake"))
        assert reply.model.limits.max_context_tokens == expected
