"""What every stream and reply can carry, as frozen values: session life, control, warnings, usage, latency.

Times are milliseconds from the start of the session's audio.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from google.protobuf.message import Message

from speech.v1 import common_pb2
from speech_client import errors


class SpeechEventKind(Enum):
    """A turning point between speech and silence."""

    BEGIN = "begin"
    END = "end"


class ControlKind(Enum):
    """Which control message an ack answers."""

    FINALIZE = "finalize"
    RESET = "reset"
    UPDATE_CONFIG = "update_config"
    FLUSH = "flush"
    CANCEL = "cancel"


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """A language that was found; ``probability`` is 0 to 1, None where the model gives none."""

    code: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Speech begins or has ended, at ``time_ms``."""

    kind: SpeechEventKind
    time_ms: int
    channel: int


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the server is: audio received, decoded, and covered by finals; ``lag_ms`` behind what was received."""

    received_ms: int
    decoded_ms: int
    final_ms: int
    lag_ms: int


@dataclass(frozen=True, slots=True)
class ControlAck:
    """The one answer to a control message. ``last_final_segment`` is None while there is no FINAL.

    ``context_id`` names the synthesis context concerned. ``error`` says why the message was not carried out, and is
    raised where the ack is awaited; the stream lives on. ``raw`` is the stream's message; it carries the configuration
    now in force after ``update_config``.
    """

    control_id: str
    kind: ControlKind | None
    last_final_segment: int | None
    context_id: str = ""
    raw: Any = field(default=None, repr=False, compare=False)
    error: errors.SpeechApiError | None = None


@dataclass(frozen=True, slots=True)
class ServiceWarning:
    """Something worth knowing that is no failure, such as an option that was left out."""

    reason: str
    field: str
    message: str
    start_ms: int | None = None
    """With ``end_ms``: the part of the audio that it speaks of, in milliseconds; no end where that is not known."""
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The server stops in ``drain_ms``; open work is finished, the next session belongs elsewhere."""

    drain_ms: int
    resume_token: str


@dataclass(frozen=True, slots=True)
class Usage:
    """What a request or session used."""

    audio_in_ms: int = 0
    speech_ms: int = 0
    characters_out: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    audio_out_ms: int = 0
    characters_in: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """How long things took on the server, in milliseconds; None where it has no meaning.

    ``queue_ms``: work waited and none was being computed, never more than ``total_ms``. ``encode_ms`` and ``decode_ms``
    are device time, summed: of work computed side by side they may be more.
    """

    queue_ms: int | None = None
    first_result_ms: int | None = None
    p50_lag_ms: int | None = None
    p95_lag_ms: int | None = None
    encode_ms: int | None = None
    decode_ms: int | None = None
    total_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The session is open. ``raw`` is the stream's message, with ``limits`` and the configuration in force."""

    session_id: str
    model: str
    resume_token: str
    raw: Any = field(default=None, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Last event of a stream that ended well."""

    usage: Usage
    latency: Latency


@dataclass(frozen=True, slots=True)
class Reconnected:
    """The session goes on in another call; nothing is lost, and PARTIALs may come again. The client's own event.

    Attributes:
        reason: of the error that ended the call before, or ``"GOING_AWAY"``; empty where only the connection broke.
        attempts: tries that it took.
        pause_ms: from the loss to the new session.
        resend_from_ms: the audio is sent again from here.
    """

    reason: str
    attempts: int
    pause_ms: int
    resend_from_ms: int


StreamEvent = (
    SpeechEvent
    | Progress
    | ControlAck
    | ServiceWarning
    | GoingAway
    | Reconnected
    | SessionStarted
    | SessionEnded
)
"""Events that more than one service has."""

_SPEECH_KINDS = {1: SpeechEventKind.BEGIN, 2: SpeechEventKind.END}
_CONTROL_KINDS = {
    1: ControlKind.FINALIZE,
    2: ControlKind.RESET,
    3: ControlKind.UPDATE_CONFIG,
    4: ControlKind.FLUSH,
    5: ControlKind.CANCEL,
}


def _control_error(raw: common_pb2.ControlError) -> errors.SpeechApiError:
    return errors.from_code(raw.code, raw.message, raw.reason, raw.metadata, field=raw.field)


def stream_event(raw: Message) -> StreamEvent | None:
    """An event of any stream that is not the service's own; None for one that this version does not know.

    ``raw`` is a server message of any service: its ``event`` is found by its type.
    """
    name = raw.WhichOneof("event")
    part: object = getattr(raw, name) if name else None
    match part:
        case common_pb2.SpeechEvent():
            kind = _SPEECH_KINDS.get(part.kind)
            return None if kind is None else SpeechEvent(kind, part.time_ms, part.channel)
        case common_pb2.Progress():
            return Progress(part.received_ms, part.decoded_ms, part.final_ms, part.lag_ms)
        case common_pb2.ControlAck():
            last = part.last_final_segment if part.HasField("last_final_segment") else None
            control = _CONTROL_KINDS.get(part.kind)
            error = _control_error(part.error) if part.HasField("error") else None
            return ControlAck(part.control_id, control, last, part.context_id, raw, error)
        case common_pb2.Warning():
            return _warning(part)
        case common_pb2.GoingAway():
            return GoingAway(part.drain_ms, part.resume_token)
        case common_pb2.SessionStarted():
            return SessionStarted(part.session_id, part.model, part.resume_token, raw)
        case common_pb2.SessionEnded():
            return SessionEnded(usage_from_proto(part.usage), latency_from_proto(part.latency))
        case _:
            return None


def warnings_from_proto(raw: Iterable[common_pb2.Warning]) -> tuple[ServiceWarning, ...]:
    """Advice of a unary reply."""
    return tuple(map(_warning, raw))


def _warning(raw: common_pb2.Warning) -> ServiceWarning:
    start_ms = raw.start_ms if raw.HasField("start_ms") else None
    end_ms = raw.end_ms if raw.HasField("end_ms") else None
    return ServiceWarning(raw.reason, raw.field, raw.message, start_ms, end_ms)


def usage_from_proto(raw: common_pb2.Usage) -> Usage:
    """What was used."""
    return Usage(
        audio_in_ms=raw.audio_in_ms,
        speech_ms=raw.speech_ms,
        characters_out=raw.characters_out,
        tokens_in=raw.tokens_in,
        tokens_out=raw.tokens_out,
        audio_out_ms=raw.audio_out_ms,
        characters_in=raw.characters_in,
    )


def latency_from_proto(raw: common_pb2.Latency) -> Latency:
    """How long things took."""
    return Latency(
        queue_ms=raw.queue_ms if raw.HasField("queue_ms") else None,
        first_result_ms=raw.first_result_ms if raw.HasField("first_result_ms") else None,
        p50_lag_ms=raw.p50_lag_ms if raw.HasField("p50_lag_ms") else None,
        p95_lag_ms=raw.p95_lag_ms if raw.HasField("p95_lag_ms") else None,
        encode_ms=raw.encode_ms if raw.HasField("encode_ms") else None,
        decode_ms=raw.decode_ms if raw.HasField("decode_ms") else None,
        total_ms=raw.total_ms if raw.HasField("total_ms") else None,
    )


def languages_from_proto(raw: Iterable[common_pb2.LanguageGuess]) -> tuple[LanguageGuess, ...]:
    """Languages found, likeliest first."""
    return tuple(
        LanguageGuess(guess.code, guess.probability if guess.HasField("probability") else None)
        for guess in raw
    )
