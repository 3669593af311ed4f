"""Protobuf to domain and back, for what all services share."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, TypeVar

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message

from speech.v1 import audio_pb2, common_pb2
from speech_service.domain import events
from speech_service.domain.audio import (
    MAX_CHANNELS,
    MAX_RATE_HZ,
    MIN_RATE_HZ,
    AudioEncoding,
    AudioFormat,
    Container,
    ContainerFormat,
    OpusPacketsFormat,
    RawFormat,
)
from speech_service.domain.errors import (
    InvalidFieldError,
    PreconditionError,
    ReplyTooLargeError,
    SpeechError,
)
from speech_service.edge.fields import Fields
from speech_service.edge.status import wire_error

_ENCODINGS = {
    audio_pb2.AUDIO_ENCODING_PCM_S16LE: AudioEncoding.PCM_S16LE,
    audio_pb2.AUDIO_ENCODING_PCM_F32LE: AudioEncoding.PCM_F32LE,
    audio_pb2.AUDIO_ENCODING_MULAW: AudioEncoding.MULAW,
    audio_pb2.AUDIO_ENCODING_ALAW: AudioEncoding.ALAW,
}
_CONTAINERS = {
    audio_pb2.AUDIO_CONTAINER_WAV: Container.WAV,
    audio_pb2.AUDIO_CONTAINER_FLAC: Container.FLAC,
    audio_pb2.AUDIO_CONTAINER_OGG_OPUS: Container.OGG_OPUS,
    audio_pb2.AUDIO_CONTAINER_MP3: Container.MP3,
    audio_pb2.AUDIO_CONTAINER_WEBM_OPUS: Container.WEBM_OPUS,
    audio_pb2.AUDIO_CONTAINER_M4A: Container.M4A,
    audio_pb2.AUDIO_CONTAINER_AIFF: Container.AIFF,
    audio_pb2.AUDIO_CONTAINER_AAC: Container.AAC,
    audio_pb2.AUDIO_CONTAINER_AMR: Container.AMR,
    audio_pb2.AUDIO_CONTAINER_CAF: Container.CAF,
    audio_pb2.AUDIO_CONTAINER_W64: Container.W64,
}
_OPUS_RATES_HZ = (8_000, 12_000, 16_000, 24_000, 48_000)
_CONTROL_KINDS = {
    events.ControlKind.FINALIZE: common_pb2.CONTROL_KIND_FINALIZE,
    events.ControlKind.RESET: common_pb2.CONTROL_KIND_RESET,
    events.ControlKind.UPDATE_CONFIG: common_pb2.CONTROL_KIND_UPDATE_CONFIG,
    events.ControlKind.FLUSH: common_pb2.CONTROL_KIND_FLUSH,
    events.ControlKind.CANCEL: common_pb2.CONTROL_KIND_CANCEL,
}
_SPEECH_EVENTS = {
    events.SpeechEventKind.BEGIN: common_pb2.SPEECH_EVENT_KIND_BEGIN,
    events.SpeechEventKind.END: common_pb2.SPEECH_EVENT_KIND_END,
}
_LENIENT = {
    common_pb2.OPTION_HANDLING_UNSPECIFIED: False,
    common_pb2.OPTION_HANDLING_STRICT: False,
    common_pb2.OPTION_HANDLING_LENIENT: True,
}
Value = TypeVar("Value")
MAX_CONTROL_ID_CHARACTERS = 64
UINT32_MAX = 2**32 - 1


def names(values: Sequence[str], prefix: str) -> str:
    """Enum values for an error message, without their prefix and the zero value."""
    return ", ".join(v.removeprefix(prefix) for v in values if not v.endswith("_UNSPECIFIED"))


class EnumNames(Protocol):
    """An enum of the contract."""

    def keys(self) -> Sequence[str]:
        """Its names; the first says that nothing was set."""
        ...


def enum_value(table: Mapping[Any, Value], value: int, enum: EnumNames, field: str) -> Value:
    """What an enum value means.

    Raises:
        InvalidFieldError: nobody knows it.
    """
    if value not in table:
        prefix = enum.keys()[0].removesuffix("UNSPECIFIED")
        raise InvalidFieldError(field, "is unknown", names(enum.keys(), prefix))
    return table[value]


def is_lenient(value: int, field: str) -> bool:
    """Whether what a model lacks is to be left out with a warning.

    Raises:
        InvalidFieldError: it is no way to handle options.
    """
    return enum_value(_LENIENT, value, common_pb2.OptionHandling, field)


def option_handling(*, lenient: bool) -> common_pb2.OptionHandling.ValueType:
    """Domain to wire."""
    return common_pb2.OPTION_HANDLING_LENIENT if lenient else common_pb2.OPTION_HANDLING_STRICT


def audio_format(message: audio_pb2.AudioFormat, field: str, *, packets: bool) -> AudioFormat:
    """Check and convert the audio format.

    Args:
        message: as the client sent it.
        field: its path, for errors.
        packets: whether bare Opus packets make sense here (they do in a stream).

    Raises:
        InvalidFieldError: missing, unknown or out of range.
    """
    match message.WhichOneof("format"):
        case "raw":
            return _raw(message.raw, f"{field}.raw")
        case "container":
            container = _CONTAINERS.get(message.container)
            if container is None:
                allowed = names(audio_pb2.AudioContainer.keys(), "AUDIO_CONTAINER_")
                raise InvalidFieldError(f"{field}.container", "is not set or unknown", allowed)
            return ContainerFormat(container)
        case "auto_detect":
            return ContainerFormat()
        case "opus_packets":
            if not packets:
                raise InvalidFieldError(
                    f"{field}.opus_packets", "is for streams only", "raw, container, auto_detect"
                )
            return _opus_packets(message.opus_packets, f"{field}.opus_packets")
        case _:
            allowed = "raw, container, opus_packets, auto_detect"
            raise InvalidFieldError(field, "says no format", allowed)


def given_format(
    message: audio_pb2.AudioFormat, field: str, *, packets: bool
) -> AudioFormat | None:
    """As ``audio_format``; None: the client says none."""
    if message.WhichOneof("format") is None:
        return None
    return audio_format(message, field, packets=packets)


def _raw(raw: audio_pb2.RawAudio, field: str) -> RawFormat:
    encoding = _ENCODINGS.get(raw.encoding)
    if encoding is None:
        allowed = names(audio_pb2.AudioEncoding.keys(), "AUDIO_ENCODING_")
        raise InvalidFieldError(f"{field}.encoding", "is not set or unknown", allowed)
    if not MIN_RATE_HZ <= raw.sample_rate_hz <= MAX_RATE_HZ:
        raise InvalidFieldError(
            f"{field}.sample_rate_hz", f"is {raw.sample_rate_hz}", f"{MIN_RATE_HZ} to {MAX_RATE_HZ}"
        )
    if raw.channel_count > MAX_CHANNELS:
        raise InvalidFieldError(
            f"{field}.channel_count", f"is {raw.channel_count}", f"1 to {MAX_CHANNELS}"
        )
    return RawFormat(encoding, raw.sample_rate_hz, raw.channel_count or 1)


def _opus_packets(packets: audio_pb2.OpusPackets, field: str) -> OpusPacketsFormat:
    rate_hz = packets.sample_rate_hz or 48_000
    if rate_hz not in _OPUS_RATES_HZ:
        allowed = ", ".join(map(str, _OPUS_RATES_HZ))
        raise InvalidFieldError(f"{field}.sample_rate_hz", f"is {rate_hz}", allowed)
    if packets.channel_count > 2:
        raise InvalidFieldError(f"{field}.channel_count", f"is {packets.channel_count}", "1, 2")
    return OpusPacketsFormat(rate_hz, packets.channel_count or 1, packets.pre_skip_frames)


def duration_ms(message: Duration, field: str, minimum_ms: float, maximum_ms: float) -> float:
    """A duration in milliseconds.

    Raises:
        InvalidFieldError: outside the range.
    """
    value_ms = to_ms(message)
    if not minimum_ms <= value_ms <= maximum_ms:
        raise InvalidFieldError(
            field, f"is {value_ms / 1000:g} s", f"{minimum_ms / 1000:g} to {maximum_ms / 1000:g} s"
        )
    return value_ms


def to_ms(message: Duration) -> float:
    """A duration in milliseconds, whatever it is."""
    return message.seconds * 1000 + message.nanos / 1e6


def given_ms(message: Any, name: str) -> float | None:
    """A duration of a message in milliseconds; None: it is not set."""
    if not message.HasField(name):
        return None
    return to_ms(getattr(message, name))


def to_duration(value_ms: float) -> Duration:
    """Milliseconds as a protobuf duration."""
    message = Duration()
    message.FromMilliseconds(round(value_ms))
    return message


def control_id(value: str, field: str) -> str:
    """Check a client's control id.

    Raises:
        InvalidFieldError: too long.
    """
    if len(value) > MAX_CONTROL_ID_CHARACTERS:
        raise InvalidFieldError(
            field, f"has {len(value)} characters", f"at most {MAX_CONTROL_ID_CHARACTERS}"
        )
    return value


def check_audio(audio: bytes) -> None:
    """Refuse a unary request without audio.

    Raises:
        InvalidFieldError: it is one.
    """
    if not audio:
        raise InvalidFieldError("audio", "is empty", "at least one frame", reason="EMPTY_AUDIO")


def check_reply(reply: Message, limit: int, streaming: str) -> None:
    """Refuse a reply that stock clients would not take; ``streaming`` is the RPC that has no such limit.

    Raises:
        ReplyTooLargeError: it is above ``limit`` bytes.
    """
    if reply.ByteSize() > limit:
        raise ReplyTooLargeError(
            f"the reply would exceed {limit} bytes; use {streaming}",
            metadata={"max_unary_reply_bytes": str(limit), "use": streaming},
        )


def control_ack(ack: events.ControlAck, fields: Fields) -> common_pb2.ControlAck:
    """Domain to wire."""
    error = None if ack.error is None else fields.error(ack.error)
    return common_pb2.ControlAck(
        control_id=ack.control_id,
        kind=_CONTROL_KINDS[ack.kind],
        last_final_segment=ack.last_final_segment,
        context_id=ack.context_id,
        error=None if error is None else _control_error(error),
    )


def uint32(value: float) -> int:
    """``value`` rounded, as far as a 32-bit field of the contract can say it."""
    return min(round(value), UINT32_MAX)


def _control_error(error: SpeechError) -> common_pb2.ControlError:
    wire = wire_error(error)
    is_bug = wire.code.name == "INTERNAL"
    number: int = wire.code.value[0]
    return common_pb2.ControlError(
        code=number,
        reason=error.reason,
        message="internal error; the server's log says more" if is_bug else error.message,
        field=_field(error),
        metadata=error.metadata,
    )


def _field(error: SpeechError) -> str:
    match error:
        case InvalidFieldError(field=field):
            return field
        case PreconditionError(subject=subject):
            return subject
        case _:
            return ""


def speech_event(event: events.SpeechEvent) -> common_pb2.SpeechEvent:
    """Domain to wire."""
    return common_pb2.SpeechEvent(
        kind=_SPEECH_EVENTS[event.kind], time_ms=event.time_ms, channel=event.channel
    )


def progress(event: events.Progress) -> common_pb2.Progress:
    """Domain to wire."""
    return common_pb2.Progress(
        received_ms=event.received_ms,
        decoded_ms=event.decoded_ms,
        final_ms=event.final_ms,
        lag_ms=event.lag_ms,
    )


def warning(event: events.StreamWarning, fields: Fields) -> common_pb2.Warning:
    """Domain to wire."""
    message, path = event.message, fields.path(event.option)
    if event.cause is not None:
        message = message.replace(event.cause.message, fields.error(event.cause).message, 1)
    return common_pb2.Warning(
        reason=event.reason,
        field=path,
        message=message.replace("{option}", path, 1),
        start_ms=event.start_ms,
        end_ms=event.end_ms,
    )


def usage(value: events.Usage) -> common_pb2.Usage:
    """Domain to wire."""
    return common_pb2.Usage(
        audio_in_ms=value.audio_in_ms,
        audio_out_ms=value.audio_out_ms,
        characters_in=value.characters_in,
        tokens_in=value.tokens_in,
        speech_ms=value.speech_ms,
        characters_out=value.characters_out,
        tokens_out=value.tokens_out,
    )


def latency(value: events.LatencySummary) -> common_pb2.Latency:
    """Domain to wire: milliseconds rounded up, so that a stage that ran never reads 0."""
    return common_pb2.Latency(
        queue_ms=math.ceil(value.queue_ms),
        encode_ms=math.ceil(value.encode_ms),
        decode_ms=math.ceil(value.decode_ms),
        total_ms=math.ceil(value.total_ms),
        first_result_ms=_ceil(value.first_result_ms),
        p50_lag_ms=_ceil(value.lag_p50_ms),
        p95_lag_ms=_ceil(value.lag_p95_ms),
    )


def session_ended(event: events.SessionEnded) -> common_pb2.SessionEnded:
    """Domain to wire."""
    return common_pb2.SessionEnded(usage=usage(event.usage), latency=latency(event.latency))


def _ceil(value: float | None) -> int | None:
    return None if value is None else uint32(math.ceil(value))
