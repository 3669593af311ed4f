"""StreamingSynthesize: contexts, controls, cancel, slow readers, failures."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from speech.v1 import synthesis_service_pb2 as pb
from tests.integration.harness import Server, codec_jobs, running, settled, until
from tests.integration.synthesis_harness import (
    FLAC,
    HUM,
    RATE,
    WAV,
    SpeechTalk,
    config,
    gather,
    hum,
    words_ms,
)

LONG = "This is one more sentence to be spoken. " * 10
DONE, CANCELLED, FAILED = 1, 2, 3


@pytest_asyncio.fixture
async def talker() -> AsyncIterator[Server]:
    async with running(models=[HUM]) as server:
        yield server


@pytest_asyncio.fixture
async def slow_talker() -> AsyncIterator[Server]:
    """A piece takes 100 ms."""
    async with running(models=[hum(step_ms=100)]) as server:
        yield server


async def test_tokens_become_speech(talker: Server) -> None:
    tokens = ["Hel", "lo the", "re. H", "ow are", " you to", "day?"]
    async with SpeechTalk(talker, config(timing=2)) as talk:
        for token in tokens:
            await talk.text(token)
        events = await talk.end()
    text = "".join(tokens)
    spoken = gather(events)
    assert spoken.duration_ms == words_ms(text)
    assert len(spoken.data) == words_ms(text) * RATE // 1000 * 2
    assert [text[t.char_start : t.char_end] for t in spoken.timings] == text.split()
    kinds = talk.kinds()
    assert kinds[0] == "session_started"
    assert kinds[-2:] == ["context_ended", "session_ended"]
    ended = events[-2].context_ended
    assert (ended.context_id, ended.outcome) == ("", DONE)
    assert ended.usage.audio_out_ms == spoken.duration_ms
    assert ended.usage.characters_in == len(text)
    session = events[-1].session_ended
    assert session.usage.audio_out_ms == spoken.duration_ms
    assert session.latency.HasField("first_result_ms")


async def test_speech_starts_before_the_text_ends(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.text("First sentence here. And then the sec")
        await talk.until("audio")
        await talk.text("ond one.")
        await talk.end()
    assert gather(talk.events).duration_ms == words_ms("Firstsentencehere.Andthenthesecondone")


@pytest.mark.parametrize("encoding", [1, WAV, FLAC])
async def test_every_context_is_a_file_of_its_own(talker: Server, encoding: int) -> None:
    async with SpeechTalk(talker, config(encoding=encoding)) as talk:
        for name in ("a", "b"):
            await talk.text(f"Context {name} speaks here. ", name)
            await talk.flush(name, f"flush {name}")
        await talk.end()
    for name in ("a", "b"):
        spoken = gather(talk.events, name)
        assert spoken.duration_ms == words_ms(f"Context {name} speaks here.")
        assert spoken.data[:4] == {1: spoken.data[:4], WAV: b"RIFF", FLAC: b"fLaC"}[encoding]
    order = [
        (e.WhichOneof("event"), e.control_ack.context_id or e.context_ended.context_id)
        for e in talk.events
        if e.WhichOneof("event") in ("control_ack", "context_ended")
    ]
    for name in ("a", "b"):
        assert order.index(("control_ack", name)) < order.index(("context_ended", name))


async def test_an_id_can_be_used_again(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        for number in range(3):
            await talk.text(f"Turn {number}.", "x")
            await talk.flush("x", str(number))
            await talk.until("context_ended", context_id="x", outcome=DONE)
        await talk.end()
    sequences = [e.audio.sequence for e in talk.events if e.HasField("audio")]
    assert sequences.count(0) == 3


async def test_cancel_stops_the_audio(slow_talker: Server) -> None:
    async with SpeechTalk(slow_talker) as talk:
        await talk.text(LONG, "a")
        await talk.until("audio", context_id="a")
        await talk.cancel("a", "stop")
        ack = await talk.until("control_ack", control_id="stop")
        assert ack.context_id == "a"
        after = len(talk.events)
        await talk.text("Something else here.", "b")
        await talk.end()
    later = talk.events[after:]
    assert not [e for e in later if e.HasField("audio") and e.audio.context_id == "a"]
    outcomes = [
        (e.context_ended.context_id, e.context_ended.outcome)
        for e in talk.events
        if e.HasField("context_ended")
    ]
    assert outcomes == [("a", CANCELLED), ("b", DONE)]
    assert gather(talk.events, "b").duration_ms == words_ms("Something else here.")
    await slow_talker.idle()


async def test_cancel_of_audio_that_was_made_already(talker: Server) -> None:
    """Ten seconds are ready long before they are read; none of them follows the ack."""
    async with SpeechTalk(talker, config(rate=48_000, encoding=2)) as talk:
        await talk.text(LONG * 5, "a")
        await talk.flush("a", "flush")
        await asyncio.sleep(0.3)
        await talk.cancel("", "stop")
        await talk.until("control_ack", control_id="stop")
        after = len(talk.events)
        await talk.end()
    assert not [e for e in talk.events[after:] if e.HasField("audio")]
    ends = [e.context_ended for e in talk.events if e.HasField("context_ended")]
    assert [(e.context_id, e.outcome) for e in ends] == [("a", CANCELLED)]
    sent_ms = gather(talk.events, "a").duration_ms
    assert sent_ms < words_ms(LONG * 5)
    assert abs(ends[0].usage.audio_out_ms - sent_ms) < 10


async def test_a_slow_reader_pauses_synthesis() -> None:
    async with running("synthesis.ahead_ms=3000", models=[HUM]) as server:
        made: list[Any] = []
        submitter = server.app.parts.tools.submitter
        submit = submitter.submit

        def counted(work: Any, on_event: Any) -> None:
            made.append(work)
            submit(work, on_event)

        submitter.submit = counted
        # 48 kHz float: 192 kB a second, so that the transport's own buffers are soon full.
        async with SpeechTalk(server, config(rate=48_000, encoding=2)) as talk:
            await talk.text(LONG * 10)
            await until(lambda: bool(made))
            assert await settled(lambda: len(made)) < 70
            await talk.end()
            assert len(made) == 100
        assert gather(talk.events).duration_ms == words_ms(LONG * 10)


async def test_one_failed_context_does_not_end_the_stream() -> None:
    async with running(models=[hum(fail_every=2)]) as server, SpeechTalk(server) as talk:
        for name in ("a", "b", "c"):
            await talk.text("Hello there.", name)
            await talk.flush(name)
            await talk.until("context_ended", context_id=name)
        await talk.end()
        ends = {e.context_ended.context_id: e.context_ended for e in talk.events}
        assert [ends[n].outcome for n in ("a", "b", "c")] == [DONE, FAILED, DONE]
        error = ends["b"].error
        assert (error.code, error.reason) == (13, "INTERNAL")
        assert error.metadata["request_id"] in error.message
        assert not ends["a"].HasField("error")


async def test_a_full_queue_holds_batch_work_back_and_refuses_none() -> None:
    batch = (("x-speech-priority", "batch"),)
    # One piece sounds on the device at a time, and another one waits: the queue is full.
    busy = running("scheduler.max_queued=1", models=[hum(step_ms=600, max_batch=1)])
    async with (
        busy as server,
        SpeechTalk(server, metadata=batch) as first,
        SpeechTalk(server, metadata=batch) as waiting,
        SpeechTalk(server, metadata=batch) as second,
        SpeechTalk(server) as urgent,
    ):

        async def work_is(queued: int, active: int) -> bool:
            return await server.work() == (queued, active)

        await first.text("One sentence here. ", "a")
        await first.flush("a")
        await until(lambda: work_is(0, 1))
        await waiting.text("This one waits. ", "w")
        await waiting.flush("w")
        await until(lambda: work_is(1, 1))
        await second.text("This waits too. ", "b")
        await second.flush("b")
        await urgent.text("This is heard.", "u")
        await urgent.end()
        assert gather(urgent.events, "u").duration_ms == words_ms("This is heard.")
        for talk in (first, waiting, second):
            await talk.end()
    for talk in (first, waiting, second):
        outcomes = [e.context_ended.outcome for e in talk.events if e.HasField("context_ended")]
        assert outcomes == [DONE]


async def test_update_config(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.text("Hello there.", "a")
        update = {
            "config": {"speaking_rate": 2.0, "output": {"encoding": WAV}},
            "update_mask": {"paths": ["speaking_rate", "output.encoding"]},
            "control_id": "u",
        }
        await talk.send(update_config=update)
        await talk.until("control_ack", control_id="u")
        effective = talk.events[-1].effective_config
        assert (effective.speaking_rate, effective.output.encoding) == (2.0, WAV)
        await talk.flush("a")
        await talk.text("Hello there.", "b")
        await talk.end()
    assert gather(talk.events, "a").duration_ms == words_ms("Hello there.")
    faster = gather(talk.events, "b")
    assert abs(faster.duration_ms * 2 - words_ms("Hello there.")) <= 2
    assert faster.data.startswith(b"RIFF")


async def test_keep_alive_and_nothing_at_all(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.send(keep_alive={})
        await talk.end()
    assert talk.kinds() == ["session_started", "session_ended"]
    assert talk.events[0].session_started.limits.max_contexts == 64


async def test_blank_contexts_end_well(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.text(" \n ", "a")
        await talk.flush("a")
        await talk.flush("never opened", "g")
        await talk.end()
    assert talk.kinds().count("context_ended") == 1
    assert [e.warning.reason for e in talk.events if e.HasField("warning")] == ["NOTHING_TO_SPEAK"]
    assert talk.kinds().count("control_ack") == 2


async def test_half_close_means_end_of_text(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.text("Hello there")
        await talk.call.done_writing()
        await talk.rest()
    assert gather(talk.events).duration_ms == words_ms("Hello there")


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"config": {}}, "config", "CONFIG_REPEATED"),
    ({}, "payload", "INVALID_FIELD"),
    ({"text": {"context_id": "x" * 65, "text": "a"}}, "text.context_id", "LIMIT_EXCEEDED"),
    ({"text": {"text": "a" * 100_001}}, "text.text", "LIMIT_EXCEEDED"),
]

REFUSED: list[tuple[dict[str, Any], str, str]] = [
    ({"flush": {"context_id": "x" * 65}}, "flush.context_id", "LIMIT_EXCEEDED"),
    ({"flush": {"control_id": "x" * 65}}, "flush.control_id", "INVALID_FIELD"),
    ({"cancel": {"context_id": "x" * 65}}, "cancel.context_id", "LIMIT_EXCEEDED"),
    ({"cancel": {"control_id": "x" * 65}}, "cancel.control_id", "INVALID_FIELD"),
    ({"update_config": {}}, "update_config.update_mask", "INVALID_FIELD"),
    (
        {"update_config": {"update_mask": {"paths": ["nonsense"]}}},
        "update_config.update_mask",
        "INVALID_FIELD",
    ),
    (
        {
            "update_config": {
                "config": {"speaking_rate": 9.0},
                "update_mask": {"paths": ["speaking_rate"]},
            }
        },
        "update_config.config.speaking_rate",
        "INVALID_FIELD",
    ),
]


@pytest.mark.parametrize(("message", "path", "reason"), BAD, ids=range(len(BAD)))
async def test_a_wrong_message(
    talker: Server, message: dict[str, Any], path: str, reason: str
) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.send(**message)
        failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names(path)
    await talker.idle()


@pytest.mark.parametrize(("message", "path", "reason"), REFUSED, ids=range(len(REFUSED)))
async def test_a_wrong_control_message_is_answered(
    talker: Server, message: dict[str, Any], path: str, reason: str
) -> None:
    async with SpeechTalk(talker) as talk:
        await talk.send(**message)
        error = (await talk.until("control_ack")).error
        await talk.end()
    assert (error.code, error.reason, error.field) == (3, reason, path)
    await talker.idle()


async def test_the_model_cannot_change(talker: Server) -> None:
    async with SpeechTalk(talker) as talk:
        mask = {"paths": ["model"]}
        await talk.send(update_config={"config": {"model": "x"}, "update_mask": mask})
        error = (await talk.until("control_ack")).error
        await talk.end()
    assert (error.code, error.reason) == (9, "IMMUTABLE_FIELD")


async def test_the_first_message_must_be_a_configuration(talker: Server) -> None:
    talk = SpeechTalk(talker)
    await talk.text("Hello")
    failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", "CONFIG_EXPECTED", "BadRequest").names("config")


async def test_too_many_contexts() -> None:
    async with (
        running("synthesis.max_contexts=3", models=[HUM]) as server,
        SpeechTalk(server) as talk,
    ):
        for name in "abcd":
            await talk.text("not a sentence", name)
        failure = await talk.fails()
        failure.is_("INVALID_ARGUMENT", "LIMIT_EXCEEDED", "BadRequest").names("text.context_id")


async def test_a_client_that_goes_leaves_nothing(slow_talker: Server) -> None:
    async with SpeechTalk(slow_talker, config(encoding=FLAC)) as talk:
        await talk.text(LONG)
        await talk.until("audio")
    await slow_talker.idle()
    await until(lambda: not codec_jobs())


async def test_a_draining_server_speaks_what_it_has() -> None:
    async with running(models=[hum(step_ms=50)]) as server:
        async with SpeechTalk(server) as talk:
            await talk.text("Hello there. General remarks follow now.")
            await talk.until("audio")
            server.app.stop(5.0)
            draining = asyncio.create_task(server.app.wait())
            failure = await talk.fails()
            failure.is_("UNAVAILABLE", "DRAINING", "RetryInfo")
            assert "going_away" in talk.kinds()
            text = "Hello there. General remarks follow now."
            assert gather(talk.events).duration_ms == words_ms(text)
        await draining


async def test_many_streams_at_once(talker: Server) -> None:
    async def one(number: int) -> None:
        async with SpeechTalk(talker) as talk:
            text = f"Stream number {number} speaks. " * 3
            await talk.text(text)
            await talk.end()
            assert gather(talk.events).duration_ms == words_ms(text)

    await asyncio.gather(*(one(number) for number in range(20)))
    await talker.idle()


def test_the_contract_has_what_is_tested() -> None:
    fields = pb.StreamingSynthesizeRequest.DESCRIPTOR.oneofs_by_name["payload"].fields
    assert len(fields) == 7
