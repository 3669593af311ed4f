"""Protobuf to domain and back: every field of what all services share."""

from typing import Any

import pytest
from google.protobuf.duration_pb2 import Duration

from speech.v1 import audio_pb2, common_pb2
from speech_service.domain import events
from speech_service.domain.audio import (
    AudioEncoding,
    Container,
    ContainerFormat,
    OpusPacketsFormat,
    RawFormat,
)
from speech_service.domain.errors import InvalidFieldError, UnsupportedOptionError
from speech_service.edge.fields import Fields
from speech_service.edge.metadata import make_call, trailers_of
from speech_service.edge.v1 import common as convert

FIELDS = Fields({"x": "config.x"})


def audio(**fields: Any) -> audio_pb2.AudioFormat:
    return audio_pb2.AudioFormat(**fields)


@pytest.mark.parametrize(
    "encoding",
    [AudioEncoding.PCM_S16LE, AudioEncoding.PCM_F32LE, AudioEncoding.MULAW, AudioEncoding.ALAW],
)
def test_raw_audio(encoding: AudioEncoding) -> None:
    number = audio_pb2.AudioEncoding.Value(f"AUDIO_ENCODING_{encoding.name}")
    raw = audio_pb2.RawAudio(encoding=number, sample_rate_hz=44_100, channel_count=3)
    found = convert.audio_format(audio(raw=raw), "f", packets=False)
    assert found == RawFormat(encoding, 44_100, 3)
    raw.channel_count = 0
    found = convert.audio_format(audio(raw=raw), "f", packets=False)
    assert found == RawFormat(encoding, 44_100, 1)


@pytest.mark.parametrize("container", list(Container))
def test_containers(container: Container) -> None:
    number = audio_pb2.AudioContainer.Value(f"AUDIO_CONTAINER_{container.name}")
    found = convert.audio_format(audio(container=number), "f", packets=False)
    assert found == ContainerFormat(container)


def test_every_encoding_and_container_of_the_contract_is_served() -> None:
    assert len(audio_pb2.AudioEncoding.values()) == len(AudioEncoding) + 1
    assert len(audio_pb2.AudioContainer.values()) == len(Container) + 1


def test_other_formats() -> None:
    detect = audio(auto_detect=audio_pb2.AutoDetect())
    assert convert.audio_format(detect, "f", packets=False) == ContainerFormat()
    packets = audio_pb2.OpusPackets(sample_rate_hz=24_000, channel_count=2, pre_skip_frames=312)
    found = convert.audio_format(audio(opus_packets=packets), "f", packets=True)
    assert found == OpusPacketsFormat(24_000, 2, 312)
    found = convert.audio_format(audio(opus_packets=audio_pb2.OpusPackets()), "f", packets=True)
    assert found == OpusPacketsFormat(48_000, 1, 0)
    with pytest.raises(InvalidFieldError) as caught:
        convert.audio_format(audio(opus_packets=packets), "f", packets=False)
    assert caught.value.field == "f.opus_packets"


@pytest.mark.parametrize(("ms", "fails"), [(99.9, True), (100, False), (250, False), (250.1, True)])
def test_durations(ms: float, fails: bool) -> None:
    message = Duration(nanos=round(ms * 1e6))
    if fails:
        with pytest.raises(InvalidFieldError, match=r"0\.1 to 0\.25 s"):
            convert.duration_ms(message, "d", 100, 250)
    else:
        assert convert.duration_ms(message, "d", 100, 250) == ms
        assert convert.to_duration(ms) == message


def test_control_ids() -> None:
    assert convert.control_id("\u65e5" * 64, "c") == "\u65e5" * 64
    with pytest.raises(InvalidFieldError, match="65 characters"):
        convert.control_id("x" * 65, "c")


@pytest.mark.parametrize("kind", list(events.ControlKind))
def test_acks(kind: events.ControlKind) -> None:
    ack = convert.control_ack(events.ControlAck("id", kind, 7), FIELDS)
    assert (ack.control_id, ack.last_final_segment) == ("id", 7)
    assert ack.kind == common_pb2.ControlKind.Value(f"CONTROL_KIND_{kind.name}")
    assert not convert.control_ack(events.ControlAck("", kind, None), FIELDS).HasField(
        "last_final_segment"
    )


@pytest.mark.parametrize("kind", list(events.SpeechEventKind))
def test_speech_events(kind: events.SpeechEventKind) -> None:
    event = convert.speech_event(events.SpeechEvent(kind, 2, 1234))
    assert (event.channel, event.time_ms) == (2, 1234)
    assert event.kind == common_pb2.SpeechEventKind.Value(f"SPEECH_EVENT_KIND_{kind.name}")


def test_progress_and_warnings() -> None:
    progress = convert.progress(events.Progress(4, 3, 2, 1))
    assert (progress.received_ms, progress.decoded_ms) == (4, 3)
    assert (progress.final_ms, progress.lag_ms) == (2, 1)
    warning = convert.warning(events.StreamWarning("REASON", "x[1]", "why"), FIELDS)
    assert (warning.reason, warning.field, warning.message) == ("REASON", "config.x[1]", "why")


def test_the_summary() -> None:
    latency = events.LatencySummary(0.1, 2.0, 3.4, 99.01, 10.2, None, 0.0)
    ended = events.SessionEnded(events.Usage(1, 2, 3, 4), latency)
    message = convert.session_ended(ended)
    usage = message.usage
    assert (usage.audio_in_ms, usage.speech_ms) == (1, 2)
    assert (usage.characters_out, usage.tokens_out) == (3, 4)
    times = message.latency
    assert (times.queue_ms, times.encode_ms, times.decode_ms, times.total_ms) == (1, 2, 4, 100)
    assert times.first_result_ms == 11
    assert not times.HasField("p50_lag_ms")
    assert times.HasField("p95_lag_ms")
    assert times.p95_lag_ms == 0
    call = make_call("/a.B/C", "unary", ())
    assert trailers_of(call) == ()
    call.finished(ended.usage, ended.latency)
    call.trailers = (("x-speech-cache", "hit"),)
    assert dict(trailers_of(call)) == {
        "x-speech-cache": "hit",
        "server-timing": "queue;dur=0.1, encode;dur=2.0, decode;dur=3.4, total;dur=99.0",
        "x-speech-audio-ms": "1",
    }


def test_a_warning_quotes_its_cause_in_terms_of_the_wire() -> None:
    cause = UnsupportedOptionError("x", "is unknown", ["a"])
    told = events.StreamWarning("REASON", "", f"no text: {cause.message} (WHY)", cause=cause)
    warning = convert.warning(told, FIELDS)
    assert warning.message == "no text: config.x: is unknown. Allowed: a. (WHY)"
