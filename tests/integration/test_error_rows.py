"""The error table, row by row: what a client gets for what it did wrong, and that the service goes on.

``Failure.of`` asserts what holds of every error: exactly one ErrorInfo of domain speech.v1 with the request id, and
no stack, path or address in any text.
"""

from typing import Any

import grpc
import pytest

from speech.v1 import audio_pb2 as audio
from speech.v1 import common_pb2 as common
from speech.v1 import model_service_pb2
from speech.v1 import recognition_service_pb2 as pb
from tests.integration.failures import Failure, failure_of, half_close
from tests.integration.harness import (
    Server,
    Talk,
    auto_config,
    chunk,
    fake_model,
    raw_config,
    request,
    running,
)
from tests.integration.sound import speech

S16 = audio.AUDIO_ENCODING_PCM_S16LE


def with_format(**fields: Any) -> pb.RecognitionConfig:
    return pb.RecognitionConfig(audio=audio.AudioFormat(**fields))


def raw(**fields: Any) -> pb.RecognitionConfig:
    return with_format(raw=audio.RawAudio(**fields))


def seconds(value: float) -> dict[str, int]:
    return {"seconds": int(value), "nanos": round(value % 1 * 1e9)}


def changed(**fields: Any) -> pb.RecognitionConfig:
    config = raw_config()
    config.MergeFrom(pb.RecognitionConfig(**fields))
    return config


# Config, field path, what the description must say.
INVALID: list[tuple[str, pb.RecognitionConfig, str, str]] = [
    ("no format", pb.RecognitionConfig(), "config.audio", "raw, container"),
    ("no encoding", raw(sample_rate_hz=16000), "config.audio.raw.encoding", "PCM_S16LE"),
    ("bad encoding", raw(encoding=77, sample_rate_hz=16000), "config.audio.raw.encoding", "ALAW"),
    ("no rate", raw(encoding=S16), "config.audio.raw.sample_rate_hz", "8000 to 48000"),
    ("low rate", raw(encoding=S16, sample_rate_hz=7999), "config.audio.raw.sample_rate_hz", "8000"),
    ("high rate", raw(encoding=S16, sample_rate_hz=48001), "config.audio.raw.sample_rate_hz", "48"),
    (
        "channels",
        raw(encoding=S16, sample_rate_hz=16000, channel_count=9),
        "config.audio.raw.channel_count",
        "1 to 8",
    ),
    ("no container", with_format(container=0), "config.audio.container", "OGG_OPUS"),
    ("bad container", with_format(container=99), "config.audio.container", "M4A"),
    (
        "opus rate",
        with_format(opus_packets=audio.OpusPackets(sample_rate_hz=44100)),
        "config.audio.opus_packets.sample_rate_hz",
        "24000",
    ),
    (
        "opus channels",
        with_format(opus_packets=audio.OpusPackets(channel_count=3)),
        "config.audio.opus_packets.channel_count",
        "1, 2",
    ),
    ("pacing", changed(pacing=9), "config.pacing", "FILE"),
    ("handling", changed(option_handling=9), "config.option_handling", "LENIENT"),
    ("mode", changed(endpointing={"mode": 9}), "config.endpointing.mode", "EXTERNAL"),
    ("language mode", changed(language={"mode": 9}), "config.language.mode", "FORCE"),
    (
        "force",
        changed(language={"mode": common.LANGUAGE_MODE_FORCE}),
        "config.language.codes",
        "exactly 1",
    ),
    (
        "nan",
        changed(endpointing={"threshold": float("nan")}),
        "config.endpointing.threshold",
        "0.05",
    ),
    ("threshold", changed(endpointing={"threshold": 1.5}), "config.endpointing.threshold", "0.95"),
    (
        "min_speech",
        changed(endpointing={"min_speech": seconds(3)}),
        "config.endpointing.min_speech",
        "0 to 2 s",
    ),
    (
        "end_silence",
        changed(endpointing={"end_silence": seconds(0.05)}),
        "config.endpointing.end_silence",
        "0.1 to 10 s",
    ),
    (
        "max_segment",
        changed(endpointing={"max_segment": seconds(99)}),
        "config.endpointing.max_segment",
        "1 to 20 s",
    ),
    (
        "padding",
        changed(endpointing={"padding": {"seconds": -1}}),
        "config.endpointing.padding",
        "0 to 1 s",
    ),
    (
        "interval",
        changed(partial_interval=seconds(0.01)),
        "config.partial_interval",
        "0.1 to 10 s",
    ),
    ("context", changed(context={"text": "x" * 10_001}), "config.context", "at most 10000"),
    ("far future", changed(partial_interval={"seconds": 2**62}), "config.partial_interval", "10 s"),
]


async def stream_failure(server: Server, config: pb.RecognitionConfig) -> Failure:
    async with server.talk(config) as talk:
        return await talk.fails()


@pytest.mark.parametrize(
    ("config", "path", "says"), [row[1:] for row in INVALID], ids=[row[0] for row in INVALID]
)
async def test_an_invalid_field_is_named(
    server: Server, config: pb.RecognitionConfig, path: str, says: str
) -> None:
    failure = await stream_failure(server, config)
    failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names(path, says)
    if "opus" not in path:
        call = server.recognition.Recognize(pb.RecognizeRequest(config=config, audio=b"\0\0"))
        unary = await failure_of(call)
        unary.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names(path, says)
    await server.works()


# What a model may lack: config, field path.
LACKING: list[tuple[pb.RecognitionConfig, str]] = [
    (changed(word_times=True), "config.word_times"),
    (changed(word_confidence=True), "config.word_confidence"),
    (changed(profanity_filter=True), "config.profanity_filter"),
    (changed(inverse_text_normalization=True), "config.inverse_text_normalization"),
    (changed(inverse_text_normalization=False), "config.inverse_text_normalization"),
    (changed(punctuation=True), "config.punctuation"),
    (changed(punctuation=False), "config.punctuation"),
    (changed(context={"text": "said before"}), "config.context.text"),
    (changed(context={"terms": ["Xylo"]}), "config.context.terms"),
    (changed(context={"replacements": [{"find": "a"}]}), "config.context.replacements"),
]


@pytest.mark.parametrize(("config", "path"), LACKING, ids=[p for _, p in LACKING])
async def test_an_option_that_the_model_lacks(
    server: Server, config: pb.RecognitionConfig, path: str
) -> None:
    failure = await stream_failure(server, config)
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest").names(path)
    assert failure.info.metadata["supported"]
    lenient = pb.RecognitionConfig()
    lenient.CopyFrom(config)
    lenient.option_handling = common.OPTION_HANDLING_LENIENT
    async with server.talk(lenient) as talk:
        warning = await talk.until("warning")
        assert (warning.reason, warning.field) == ("OPTION_IGNORED", path)
        assert warning.message
        await talk.audio(speech(1000))
        await talk.end()
    assert talk.finals[0].text == "zero one"
    reply = await server.recognition.Recognize(
        pb.RecognizeRequest(config=lenient, audio=speech(1000))
    )
    assert [w.field for w in reply.warnings] == [path]


async def test_a_language_that_the_model_lacks(server: Server) -> None:
    for code in ("pt", "pt-BR", "", "x" * 100_000):
        failure = await stream_failure(server, changed(language={"codes": ["en", code]}))
        failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
        failure.names("config.language.codes[1]", "en")
        assert failure.info.metadata["supported"] == "en"
    deny = {"codes": ["en"], "mode": common.LANGUAGE_MODE_DENY}
    failure = await stream_failure(server, changed(language=deny))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")


@pytest.mark.parametrize("codes", [["en"], ["en-US"], ["EN-gb"], []])
async def test_languages_that_the_model_has(server: Server, codes: list[str]) -> None:
    async with server.talk(language={"codes": codes}) as talk:
        event = await talk.read()
        assert event is not None
        assert list(event.effective_config.language.codes) == ["en"]


async def test_several_languages_and_no_identification() -> None:
    models = [fake_model(languages=["en", "pt"])]
    async with running(models=models) as server:
        allow = {"codes": ["en", "pt"], "mode": common.LANGUAGE_MODE_ALLOW}
        failure = await stream_failure(server, changed(language=allow))
        failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
        failure.names("config.language.mode")
        deny = {"codes": ["en"], "mode": common.LANGUAGE_MODE_DENY}
        async with server.talk(changed(language=deny)) as talk:
            await talk.audio(speech(500))
            await talk.end()
        assert talk.finals[0].languages[0].code == "pt"


async def test_streams_only_and_unary_only_fields(server: Server) -> None:
    failure = await stream_failure(server, changed(subtitles={"format": 1}))
    failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names("config.subtitles")
    unary = server.recognition.Recognize
    accurate = changed(subtitles={"format": 1, "mode": 2})
    failure = await failure_of(unary(pb.RecognizeRequest(config=accurate, audio=b"\0\0")))
    failure.is_("INVALID_ARGUMENT", "UNSUPPORTED_OPTION", "BadRequest")
    failure.names("config.subtitles.mode")
    call = unary(pb.RecognizeRequest(config=changed(partial_results=True), audio=b"\0\0"))
    (await failure_of(call)).names("config.partial_results", "StreamingRecognize")
    packets = with_format(opus_packets=audio.OpusPackets())
    call = unary(pb.RecognizeRequest(config=packets, audio=b"\0\0"))
    (await failure_of(call)).names("config.audio.opus_packets", "auto_detect")


@pytest.mark.parametrize(
    "name", ["nothing", "no\nsuch/../model", "x" * 500_000, "\u65e5\u672c" * 5000]
)
async def test_an_unknown_model(server: Server, name: str) -> None:
    calls = [
        server.recognition.Recognize(
            pb.RecognizeRequest(config=changed(model=name), audio=b"\0\0")
        ),
        server.models.GetModel(model_service_pb2.GetModelRequest(name=name)),
    ]
    failures = [await failure_of(call) for call in calls]
    failures.append(await stream_failure(server, changed(model=name)))
    for failure in failures:
        failure.is_("NOT_FOUND", "MODEL_NOT_FOUND", "ResourceInfo")
        resource = failure.details["ResourceInfo"]
        assert resource.resource_type == "model"
        assert name.startswith(resource.resource_name)
        assert "fake" in failure.message


async def test_a_token_of_no_session(server: Server) -> None:
    failure = await stream_failure(server, changed(resume={"token": "t" * 1000}))
    failure.is_("INVALID_ARGUMENT", "INVALID_RESUME_TOKEN", "BadRequest")
    failure.names("config.resume.token", "SessionStarted")


FIRST = [
    ("audio", chunk(speech(100)), "CONFIG_EXPECTED"),
    ("silence", request(silence={"duration": {"seconds": 1}}), "CONFIG_EXPECTED"),
    ("finalize", request(finalize={"control_id": "c"}), "CONFIG_EXPECTED"),
    ("reset", request(reset={}), "CONFIG_EXPECTED"),
    ("update_config", request(update_config={}), "CONFIG_EXPECTED"),
    ("keep_alive", request(keep_alive={}), "CONFIG_EXPECTED"),
    ("end_of_audio", request(end_of_audio={}), "CONFIG_EXPECTED"),
    ("empty", request(), "CONFIG_EXPECTED"),
]


@pytest.mark.parametrize(("message", "reason"), [r[1:] for r in FIRST], ids=[r[0] for r in FIRST])
async def test_a_wrong_first_message(
    server: Server, message: pb.StreamingRecognizeRequest, reason: str
) -> None:
    talk = Talk(server.recognition.StreamingRecognize(), raw_config())
    await talk.write(message)
    failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names("config", "config first")
    await server.works()


async def test_no_message_at_all(server: Server) -> None:
    talk = Talk(server.recognition.StreamingRecognize(), raw_config())
    await half_close(talk.call)
    failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names("config")


LATER = [
    ("config twice", request(config=raw_config()), "config", "CONFIG_REPEATED"),
    ("empty message", request(), "payload", "INVALID_FIELD"),
    ("no silence", request(silence={}), "silence.duration", "INVALID_FIELD"),
    (
        "negative silence",
        request(silence={"duration": {"seconds": -5}}),
        "silence.duration",
        "INVALID_FIELD",
    ),
    (
        "11 minutes of silence",
        request(silence={"duration": {"seconds": 660}}),
        "silence.duration",
        "INVALID_FIELD",
    ),
    (
        "endless silence",
        request(silence={"duration": {"seconds": 2**62, "nanos": -5}}),
        "silence.duration",
        "INVALID_FIELD",
    ),
    ("gap", chunk(b"\0\0", sequence=1), "audio.sequence", "SEQUENCE_GAP"),
    ("too large", chunk(bytes(1024 * 1024 + 2)), "audio.data", "LIMIT_EXCEEDED"),
]


@pytest.mark.parametrize(
    ("message", "path", "reason"), [r[1:] for r in LATER], ids=[r[0] for r in LATER]
)
async def test_a_wrong_later_message(
    server: Server, message: pb.StreamingRecognizeRequest, path: str, reason: str
) -> None:
    async with server.talk() as talk:
        await talk.write(message)
        failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", reason, "BadRequest").names(path)
    await server.works()


async def test_finals_of_what_came_before_the_error_are_not_lost(server: Server) -> None:
    async with server.talk() as talk:
        await talk.audio(speech(1000, 1000))
        await talk.until("result", kind=common.RESULT_KIND_FINAL)
        await talk.write(chunk(b"odd"))
        (await talk.fails()).is_("INVALID_ARGUMENT", "INVALID_AUDIO", "BadRequest")
    assert talk.finals[0].text == "zero one"


async def test_sequence_numbers(server: Server) -> None:
    async with server.talk() as talk:
        for n in range(3):
            await talk.write(chunk(speech(100), sequence=n))
        await talk.write(chunk(speech(100)))  # not numbered, but counted
        await talk.write(chunk(speech(100), sequence=4))
        await talk.write(chunk(speech(100), sequence=4))
        failure = await talk.fails()
    failure.is_("INVALID_ARGUMENT", "SEQUENCE_GAP", "BadRequest").names("audio.sequence", "5 next")


async def test_a_message_above_the_transport_limit_is_refused_by_grpc() -> None:
    """The one error without details (api.md): gRPC itself refuses."""
    async with running("server.max_message_bytes=2097152") as server:
        call = server.recognition.Recognize(
            pb.RecognizeRequest(config=raw_config(), audio=bytes(3_000_000))
        )
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        await server.works()


async def test_unary_without_config_or_audio(server: Server) -> None:
    unary = server.recognition.Recognize
    failure = await failure_of(unary(pb.RecognizeRequest(audio=b"\0\0")))
    failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names("config")
    for config in (raw_config(), auto_config()):
        failure = await failure_of(unary(pb.RecognizeRequest(config=config)))
        failure.is_("INVALID_ARGUMENT", "EMPTY_AUDIO", "BadRequest").names("audio")


async def test_a_failing_engine_is_internal_and_says_nothing() -> None:
    async with running(models=[fake_model(fail_every=2)]) as server:
        await server.works()
        call = server.recognition.Recognize(
            pb.RecognizeRequest(config=raw_config(), audio=speech(1000)),
            metadata=(("x-request-id", "mine"),),
        )
        failure = (await failure_of(call)).is_("INTERNAL", "INTERNAL")
        assert failure.info.metadata == {"request_id": "mine"}
        assert "mine" in failure.message
        await server.works()
