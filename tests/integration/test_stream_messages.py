"""Every message of StreamingRecognize: what it does, and what the server says in return."""

import asyncio
import re

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import common_pb2 as common
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.failures import half_close, pairs
from tests.integration.harness import (
    Server,
    Talk,
    chunk,
    fake_model,
    raw_config,
    recognize,
    running,
)
from tests.integration.sound import speech


def ms(value: float) -> Duration:
    return Duration(nanos=round(value * 1e6) % 10**9, seconds=round(value) // 1000)


async def test_an_utterance_from_first_event_to_last(server: Server) -> None:
    async with server.talk(metadata=[("x-request-id", "abc-1")]) as talk:
        initial = pairs(await talk.call.initial_metadata())
        assert initial["x-request-id"] == "abc-1"
        assert initial["x-speech-version"]
        await talk.audio(speech(2000, 1000))
        events = await talk.end()
        trailers = pairs(await talk.call.trailing_metadata())
    first, last = events[0], events[-1]
    assert first.session_started.session_id == initial["x-speech-session-id"]
    assert first.session_started.model == "fake"
    assert last.session_ended.usage.audio_in_ms == 3000
    assert 1900 <= last.session_ended.usage.speech_ms <= 2700
    assert last.session_ended.usage.characters_out == len(talk.finals[0].text)
    assert last.session_ended.latency.HasField("p50_lag_ms")
    assert trailers["x-speech-audio-ms"] == "3000"
    assert re.fullmatch(
        r"queue;dur=[\d.]+, encode;.*total;dur=[\d.]+", str(trailers["server-timing"])
    )
    assert talk.kinds().index("speech_event") < talk.kinds().index("result")
    begin, end = (e.speech_event for e in events if e.HasField("speech_event"))
    assert (begin.kind, end.kind) == (common.SPEECH_EVENT_KIND_BEGIN, common.SPEECH_EVENT_KIND_END)
    assert begin.time_ms == 0
    assert 1950 <= end.time_ms <= 2050
    (final,) = talk.finals
    assert final.end_cause == pb.END_CAUSE_ENDPOINT
    assert final.languages[0].code == "en"
    assert not final.HasField("confidence")


async def test_the_effective_config_and_limits_are_shown(server: Server) -> None:
    async with server.talk(endpointing={"end_silence": ms(900)}) as talk:
        event = await talk.read()
        assert event is not None
        effective, limits = event.effective_config, event.session_started.limits
    assert effective.model == "fake"
    assert effective.endpointing.end_silence == ms(900)
    assert effective.endpointing.mode == common.ENDPOINTING_MODE_VAD
    assert effective.endpointing.HasField("threshold")
    assert effective.partial_results
    assert effective.pacing == common.PACING_REALTIME
    assert limits.max_audio_message_bytes == 1024 * 1024
    assert limits.idle_timeout_ms == 600_000
    assert limits.progress_interval_ms == 20_000
    assert limits.max_channels == 8
    assert limits.max_context_characters == 10_000


async def test_partials_grow_and_their_stable_prefix_holds(server: Server) -> None:
    async with server.talk() as talk:
        for second in range(4):
            await talk.audio(speech(4000)[second * 32_000 : (second + 1) * 32_000])
            await talk.until("result")  # a partial for each second at least
        await talk.end()
    partials, (final,) = talk.partials, talk.finals
    assert len(partials) >= 4
    assert final.stable_char_count == len(final.text)
    assert final.end_cause == pb.END_CAUSE_END_OF_STREAM
    stable = ""
    for result in [*partials, final]:
        assert result.segment_id == 1
        assert result.text.startswith(stable)
        assert result.stable_char_count >= len(stable)
        stable = result.text[: result.stable_char_count]
        assert result.end_ms > result.start_ms
    # A partial that a newer one overtakes on its way to the client is dropped, so that numbers rise with gaps.
    revisions = [r.revision for r in [*partials, final]]
    assert revisions == sorted(set(revisions))
    assert revisions[0] >= 1
    assert all(p.end_cause == pb.END_CAUSE_UNSPECIFIED for p in partials)


async def test_partial_results_can_be_switched_off_and_paced(server: Server) -> None:
    audio = speech(3000, 200)
    async with server.talk(partial_results=False) as talk:
        await talk.audio(audio)
        await talk.end()
    assert talk.finals
    assert not talk.partials
    async with (
        server.talk(partial_interval=ms(200)) as often,
        server.talk(partial_interval=ms(2000)) as seldom,
    ):
        for at in range(0, len(audio), 16_000):
            await often.audio(audio[at : at + 16_000])
            await seldom.audio(audio[at : at + 16_000])
            if at < 96_000:  # the rest is silence
                await often.until("result")
        await often.end()
        await seldom.end()
    assert len(often.partials) > len(seldom.partials)


async def test_finalize_sends_the_final_and_then_the_ack(server: Server) -> None:
    async with server.talk() as talk:
        await talk.audio(speech(1000))
        await talk.send(finalize={"control_id": "one"})
        ack = await talk.until("control_ack")
        assert (ack.control_id, ack.kind) == ("one", common.CONTROL_KIND_FINALIZE)
        assert ack.last_final_segment == 1
        (final,) = talk.finals
        assert final.end_cause == pb.END_CAUSE_FINALIZE
        assert final.text == "zero one"
        await talk.audio(speech(1000))
        await talk.end()
    assert [f.segment_id for f in talk.finals] == [1, 2]
    assert talk.finals[1].start_ms >= talk.finals[0].end_ms


async def test_finalize_of_nothing_is_acked_too(server: Server) -> None:
    async with server.talk() as talk:
        await talk.send(finalize={"control_id": "before any audio"})
        ack = await talk.until("control_ack")
        assert not ack.HasField("last_final_segment")
        await talk.audio(speech(0, 500))
        await talk.send(finalize={})
        ack = await talk.until("control_ack")
        assert ack.control_id == ""
        await talk.end()
    assert not talk.finals


async def test_acks_come_once_each_and_in_order(server: Server) -> None:
    async with server.talk() as talk:
        for n in range(30):
            await talk.audio(speech(300, 100))
            if n % 3 == 0:
                await talk.send(finalize={"control_id": str(n)})
            elif n % 3 == 1:
                await talk.send(reset={"control_id": str(n)})
            else:
                mask = FieldMask(paths=["partial_results"])
                await talk.send(update_config={"control_id": str(n), "update_mask": mask})
        events = await talk.end()
    acks = [e.control_ack.control_id for e in events if e.HasField("control_ack")]
    assert acks == [str(n) for n in range(30)]


@pytest.mark.parametrize("keep_context", [True, False])
async def test_reset_drops_the_open_segment(server: Server, keep_context: bool) -> None:
    async with server.talk() as talk:
        await talk.audio(speech(1500))
        await talk.until("result")
        await talk.send(reset={"control_id": "r", "keep_context": keep_context})
        ack = await talk.until("control_ack")
        assert ack.kind == common.CONTROL_KIND_RESET
        await talk.audio(speech(600))
        events = await talk.end()
    (final,) = talk.finals
    assert final.segment_id == 2
    assert final.start_ms >= 1500
    assert events[-1].session_ended.usage.audio_in_ms == 2100


async def test_update_config_changes_what_the_mask_names_and_nothing_else(server: Server) -> None:
    first = {"end_silence": ms(300), "padding": ms(100)}
    async with server.talk(endpointing=first) as talk:
        await talk.send(
            update_config={
                "control_id": "u",
                "update_mask": {"paths": ["endpointing.end_silence"]},
                "config": {
                    "endpointing": {"end_silence": ms(2500), "padding": ms(700)},
                    "word_times": True,
                },
            }
        )
        ack = await talk.until("control_ack")
        assert (ack.control_id, ack.kind) == ("u", common.CONTROL_KIND_UPDATE_CONFIG)
        effective = talk.events[-1].effective_config.endpointing
        assert (effective.end_silence, effective.padding) == (ms(2500), ms(100))
        await talk.audio(speech(800, 1000, 800, 1000))
        await talk.end()
    assert len(talk.finals) == 1


@pytest.mark.parametrize(
    "field",
    ["audio", "model", "pacing", "separate_channels", "resume"],
)
async def test_update_config_of_an_immutable_field(server: Server, field: str) -> None:
    async with server.talk() as talk:
        await talk.send(update_config={"update_mask": {"paths": [field]}})
        error = (await talk.until("control_ack")).error
        await talk.end()
    assert (error.code, error.reason) == (9, "IMMUTABLE_FIELD")
    assert error.field == f"update_config.config.{field}"


@pytest.mark.parametrize(
    "paths", [[], ["nothing"], ["endpointing.nothing"], [""], ["language.codes.x"]]
)
async def test_update_config_with_a_bad_mask(server: Server, paths: list[str]) -> None:
    async with server.talk() as talk:
        await talk.send(update_config={"update_mask": {"paths": paths}})
        error = (await talk.until("control_ack")).error
        await talk.end()
    assert (error.code, error.reason) == (3, "INVALID_FIELD")
    assert error.field == "update_config.update_mask"
    assert "endpointing" in error.message


async def test_update_config_with_a_bad_value(server: Server) -> None:
    async with server.talk() as talk:
        await talk.send(
            update_config={
                "update_mask": {"paths": ["endpointing.threshold"]},
                "config": {"endpointing": {"threshold": 2.0}},
            }
        )
        error = (await talk.until("control_ack")).error
        await talk.end()
    assert (error.code, error.reason) == (3, "INVALID_FIELD")
    assert error.field == "update_config.config.endpointing.threshold"
    assert "0.05 to 0.95" in error.message


async def test_silence_moves_time_on_and_ends_segments(server: Server) -> None:
    async with server.talk() as talk:
        await talk.audio(speech(1000))
        await talk.send(silence={"duration": ms(5000)})
        final = await talk.until("result", kind=common.RESULT_KIND_FINAL)
        assert final.end_cause == pb.END_CAUSE_ENDPOINT
        await talk.audio(speech(1000))
        events = await talk.end()
    assert 5600 <= talk.finals[1].start_ms <= 6000
    assert events[-1].session_ended.usage.audio_in_ms == 7000


async def test_silence_before_audio_of_two_channels(server: Server) -> None:
    config = raw_config(channels=2, separate_channels=True)
    async with server.talk(config) as talk:
        await talk.send(silence={"duration": ms(1000)})
        await talk.audio(speech(2000))  # read as one second of two channels
        events = await talk.end()
    assert {f.channel for f in talk.finals} == {0, 1}
    assert events[-1].session_ended.usage.audio_in_ms == 4000


@pytest.mark.parametrize("mode", [common.ENDPOINTING_MODE_OFF, common.ENDPOINTING_MODE_EXTERNAL])
async def test_pauses_end_nothing_when_endpointing_is_off(server: Server, mode: int) -> None:
    async with server.talk(endpointing={"mode": mode}) as talk:
        await talk.audio(speech(800, 1500, 800, 1500))
        await talk.send(finalize={"control_id": "f"})
        await talk.until("control_ack")
        assert [f.end_cause for f in talk.finals] == [pb.END_CAUSE_FINALIZE]
        await talk.audio(speech(800))
        await talk.end()
    assert [f.end_cause for f in talk.finals] == [
        pb.END_CAUSE_FINALIZE,
        pb.END_CAUSE_END_OF_STREAM,
    ]


async def test_half_close_means_end_of_audio(server: Server) -> None:
    async with server.talk() as talk:
        await talk.audio(speech(1000))
        await half_close(talk.call)
        events = await talk.rest()
    assert talk.finals[0].text == "zero one"
    assert events[-1].HasField("session_ended")


async def test_what_follows_end_of_audio_is_not_read(server: Server) -> None:
    async with server.talk() as talk:
        await talk.audio(speech(1000))
        await talk.send(end_of_audio={})
        await talk.write(chunk(b"odd"))
        events = await talk.rest()
    assert events[-1].HasField("session_ended")


async def test_nothing_but_config_is_a_good_stream(server: Server) -> None:
    async with server.talk() as talk:
        await talk.end()
    assert talk.kinds() == ["session_started", "session_ended"]


async def test_progress_is_the_heartbeat() -> None:
    async with running("stream.progress_interval_s=0.05") as server, server.talk() as talk:
        await talk.audio(speech(1000, 1000))
        progress = await talk.until("progress", received_ms=2000)
        assert 0 <= progress.final_ms <= progress.decoded_ms <= 2000
        if not talk.finals:
            await talk.until("result", kind=common.RESULT_KIND_FINAL)
        progress = await talk.until("progress")
        # A frame that is not full yet, and the padding of a segment that may begin now.
        assert progress.decoded_ms > 1960
        assert progress.final_ms > 1600
        assert progress.lag_ms == 2000 - progress.decoded_ms
        for _ in range(3):
            await talk.until("progress")


async def test_keep_alive_holds_an_idle_stream_open() -> None:
    async with running("stream.idle_timeout_s=2", "stream.progress_interval_s=0.05") as server:
        async with server.talk() as kept, server.talk() as idle:
            failed = asyncio.create_task(idle.fails())
            while not failed.done():
                await kept.send(keep_alive={})
                await asyncio.sleep(0.05)
            for _ in range(4):  # past the moment at which the idle one ended
                await kept.send(keep_alive={})
                await asyncio.sleep(0.05)
            await kept.end()
        (await failed).is_("ABORTED", "IDLE_TIMEOUT")
        await server.idle()


async def test_no_config_in_time() -> None:
    async with running("stream.config_timeout_s=0.1") as server:
        call = server.recognition.StreamingRecognize()
        failure = await Talk(call, raw_config()).fails()
        failure.is_("ABORTED", "CONFIG_TIMEOUT")
        await server.idle()


async def test_file_pacing_sends_no_partials_and_the_same_finals(server: Server) -> None:
    audio = speech(2000, 1000, 3000, 1000, 500)
    file = await recognize(server, audio, raw_config(pacing=common.PACING_FILE))
    live = await recognize(server, audio, raw_config(pacing=common.PACING_REALTIME))
    assert not file.partials
    assert [(f.text, f.start_ms, f.end_ms) for f in file.finals] == [
        (f.text, f.start_ms, f.end_ms) for f in live.finals
    ]
    assert len(file.finals) == 3


async def test_a_file_stream_is_slowed_not_dropped() -> None:
    """Ten minutes of speech against a device that takes its time: bounded, complete, in order."""
    model = fake_model(step_ms=5, max_batch=1)
    async with running("stream.max_buffered_audio_ms=10000", models=[model]) as server:
        minute = speech(*[4000, 1000] * 12)
        talk = await recognize(server, minute * 5, raw_config(pacing=common.PACING_FILE))
        assert len(talk.finals) == 60
        starts = [f.start_ms for f in talk.finals]
        assert starts == sorted(starts)
        assert len({f.text for f in talk.finals[1:]}) == 1
        assert await talk.call.code() is grpc.StatusCode.OK
