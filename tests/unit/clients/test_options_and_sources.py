"""Options as messages, WAV headers, results, the health check's bytes."""

import json
import struct

import pytest
from grpc_health.v1 import health_pb2

from speech.v1 import audio_pb2, common_pb2
from speech.v1 import recognition_service_pb2 as pb
from speech_client import Container, EndCause, OpusPackets, Pacing, RawAudio, ResultKind
from speech_client.channel import RetryPolicy, service_config
from speech_client.health import HealthStatus, decode_response, encode_request
from speech_client.options import RecognizeOptions, build_config
from speech_client.results import event_from_proto, result_from_proto
from speech_client.sources import parse_wav


def test_no_options_detect_the_format() -> None:
    config = build_config({})
    assert config == pb.RecognitionConfig(
        audio=audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    )
    assert not config.HasField("partial_results")


def test_all_options() -> None:
    options = RecognizeOptions(
        model="m",
        format=RawAudio(8_000, "mulaw", 2),
        language=["en", "pt"],
        language_mode="allow",
        context="a talk",
        terms=["grpc"],
        replacements={"a": "b"},
        endpointing="external",
        vad_threshold=0.5,
        min_speech_ms=100,
        end_silence_ms=1500,
        max_segment_ms=20_000,
        partial_results=False,
        partial_interval_ms=250,
        word_times=True,
        punctuation=False,
        lenient=True,
        subtitles="vtt",
    )
    config = build_config(options, Pacing.FILE)
    assert config.audio.raw.encoding == audio_pb2.AUDIO_ENCODING_MULAW
    assert config.audio.raw.channel_count == 2
    assert list(config.language.codes) == ["en", "pt"]
    assert config.language.mode == common_pb2.LANGUAGE_MODE_ALLOW
    assert (config.context.text, list(config.context.terms)) == ("a talk", ["grpc"])
    assert config.context.replacements[0].replace_with == "b"
    assert config.endpointing.mode == common_pb2.ENDPOINTING_MODE_EXTERNAL
    assert config.endpointing.end_silence.ToMilliseconds() == 1500
    assert config.HasField("partial_results")
    assert config.HasField("punctuation")
    assert config.option_handling == common_pb2.OPTION_HANDLING_LENIENT
    assert config.subtitles.format == common_pb2.SUBTITLE_FORMAT_VTT
    assert config.pacing == common_pb2.PACING_FILE


def test_other_formats_and_the_escape_hatch() -> None:
    assert build_config({"format": Container("flac")}).audio.container == (
        audio_pb2.AUDIO_CONTAINER_FLAC
    )
    assert build_config({"format": OpusPackets()}).audio.opus_packets.sample_rate_hz == 48_000
    raw = pb.RecognitionConfig(model="theirs", word_confidence=True)
    raw.audio.container = audio_pb2.AUDIO_CONTAINER_MP3
    config = build_config({"raw_config": raw, "model": "mine"})
    assert (config.model, config.word_confidence) == ("mine", True)
    assert config.audio.container == audio_pb2.AUDIO_CONTAINER_MP3
    assert raw.model == "theirs"


def wav(tag: int, bits: int, *, extensible: bool = False, junk: bytes = b"") -> bytes:
    frame = 2 * bits // 8
    shown = 0xFFFE if extensible else tag
    fmt = struct.pack("<HHIIHH", shown, 2, 8000, 8000 * frame, frame, bits)
    if extensible:
        fmt += struct.pack("<HHIH14x", 22, bits, 3, tag)
    chunks = b"fmt " + struct.pack("<I", len(fmt)) + fmt
    chunks += b"LIST" + struct.pack("<I", len(junk)) + junk + b"\0" * (len(junk) % 2)
    return b"RIFF\0\0\0\0WAVE" + chunks + b"data" + struct.pack("<I", 4000) + bytes(4000)


@pytest.mark.parametrize(
    ("tag", "bits", "encoding"),
    [(1, 16, "pcm_s16le"), (3, 32, "pcm_f32le"), (7, 8, "mulaw"), (6, 8, "alaw")],
)
@pytest.mark.parametrize("extensible", [False, True])
def test_wav_headers(tag: int, bits: int, encoding: str, extensible: bool) -> None:
    data = wav(tag, bits, extensible=extensible, junk=b"odd")
    info = parse_wav(data)
    assert info is not None
    assert info.audio is not None
    assert (info.audio.encoding, info.audio.sample_rate_hz, info.audio.channel_count) == (
        encoding,
        8000,
        2,
    )
    assert info.bytes_per_second == 8000 * 2 * bits // 8
    assert (info.data_offset, info.data_bytes) == (len(data) - 4000, 4000)


def test_other_wav_encodings_keep_their_header() -> None:
    info = parse_wav(wav(1, 24))
    assert info is not None
    assert info.audio is None
    assert info.bytes_per_second == 8000 * 6


def test_what_is_no_wav() -> None:
    good = wav(1, 16)
    for data in (
        b"",
        b"ID3",
        good[:30],
        b"RIFF\0\0\0\0AVI " + good[12:],
        good.replace(b"fmt ", b"xxxx"),
    ):
        assert parse_wav(data) is None


def test_text_offsets_count_code_points() -> None:
    raw = pb.RecognitionResult(
        segment_id=1, kind=common_pb2.RESULT_KIND_PARTIAL, text="😀é it", stable_char_count=3
    )
    result = result_from_proto(raw)
    assert (result.stable_text, result.unstable_text) == ("😀é ", "it")
    assert not result.is_final
    raw.kind = common_pb2.RESULT_KIND_FINAL
    raw.end_cause = pb.END_CAUSE_ENDPOINT
    final = result_from_proto(raw)
    assert (final.kind, final.end_cause) == (ResultKind.FINAL, EndCause.ENDPOINT)
    assert (final.stable_text, final.unstable_text) == ("😀é it", "")


def test_events_of_a_newer_server_are_skipped() -> None:
    assert event_from_proto(pb.StreamingRecognizeResponse.FromString(b"\xda\x01\x00")) is None


@pytest.mark.parametrize("service", ["", "speech.v1.RecognitionService"])
def test_health_request_bytes(service: str) -> None:
    expected = health_pb2.HealthCheckRequest(service=service).SerializeToString()
    assert encode_request(service) == expected


@pytest.mark.parametrize("status", list(HealthStatus))
def test_health_response_bytes(status: HealthStatus) -> None:
    data = health_pb2.HealthCheckResponse(status=status.value).SerializeToString()
    assert decode_response(data) is status


def test_a_long_service_name_is_refused() -> None:
    with pytest.raises(ValueError, match="128 bytes"):
        encode_request("x" * 128)


def test_only_unary_methods_are_retried() -> None:
    config = json.loads(service_config(RetryPolicy()))["methodConfig"][0]
    assert config["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    methods = {name["method"] for name in config["name"]}
    assert methods == {
        *("Recognize", "Synthesize", "Align", "TranslateText", "TranslateSpeech"),
        *("ListVoices", "GetVoice", "ListModels", "GetModel"),
    }
    assert "methodConfig" not in json.loads(service_config(RetryPolicy(attempts=1)))


def test_the_longest_silence_is_documented_as_the_server_has_it() -> None:
    from speech_client import RecognizeStream
    from speech_service.sessions.recognition.session import MAX_SILENCE_MS

    assert f"at most {MAX_SILENCE_MS // 60_000} minutes" in (
        RecognizeStream.send_silence.__doc__ or ""
    )


@pytest.mark.parametrize(("rate", "channels"), [(0, 1), (-1, 1), (2**32, 1), (16_000, 0)])
def test_raw_audio_that_no_message_could_carry(rate: int, channels: int) -> None:
    with pytest.raises(ValueError, match="is not in 1 to"):
        RawAudio(rate, "pcm_s16le", channels)
