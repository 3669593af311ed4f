"""What the server says, as frozen values. Every value keeps the protobuf message it came from in ``raw``.

Times are milliseconds from the start of the session's audio. Text offsets count Unicode code points.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from speech.v1 import common_pb2, recognition_service_pb2


class ResultKind(Enum):
    """State of a segment's text. A segment has any number of PARTIALs, one FINAL, at most one REFINED."""

    PARTIAL = "partial"
    FINAL = "final"
    REFINED = "refined"


class EndCause(Enum):
    """Why a segment ended."""

    ENDPOINT = "endpoint"
    FINALIZE = "finalize"
    MAX_SEGMENT = "max_segment"
    END_OF_STREAM = "end_of_stream"


class SpeechEventKind(Enum):
    """A turning point between speech and silence."""

    BEGIN = "begin"
    END = "end"


class ControlKind(Enum):
    """Which control message an ack answers."""

    FINALIZE = "finalize"
    RESET = "reset"
    UPDATE_CONFIG = "update_config"


@dataclass(frozen=True, slots=True)
class Word:
    """A word with its time (ms) and its place in the result's text (code points)."""

    text: str
    start_ms: int
    end_ms: int
    char_start: int
    char_end: int
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class LanguageGuess:
    """A language that was found; ``probability`` is 0 to 1, None where the model gives none."""

    code: str
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class RecognitionResult:
    """What is known about one segment.

    Attributes:
        segment_id: number of the segment in the session, from 1.
        channel: channel, from 0; 0 when channels are mixed.
        revision: number of this version of the segment, rising.
        kind: whether the text can still change.
        text: the segment's whole text as now known.
        stable_char_count: length of the prefix that will not change any more; never shrinks.
        start_ms: start of the segment.
        end_ms: end of the segment, or of what was heard of it.
        words: words with times; only when asked for.
        languages: languages found, likeliest first.
        confidence: 0 to 1; None where the model gives none.
        end_cause: why the segment ended; None on a PARTIAL.
    """

    segment_id: int
    channel: int
    revision: int
    kind: ResultKind
    text: str
    stable_char_count: int
    start_ms: int
    end_ms: int
    words: tuple[Word, ...] = ()
    languages: tuple[LanguageGuess, ...] = ()
    confidence: float | None = None
    end_cause: EndCause | None = None
    raw: recognition_service_pb2.RecognitionResult | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def is_final(self) -> bool:
        """True for the one FINAL of the segment. REFINED repeats its text, so it does not count."""
        return self.kind is ResultKind.FINAL

    @property
    def stable_text(self) -> str:
        """The prefix that will not change any more."""
        return (
            self.text
            if self.kind is not ResultKind.PARTIAL
            else self.text[: self.stable_char_count]
        )

    @property
    def unstable_text(self) -> str:
        """The rest, which may still change."""
        return self.text[len(self.stable_text) :]


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

    ``raw`` carries the configuration now in force after ``update_config``.
    """

    control_id: str
    kind: ControlKind | None
    last_final_segment: int | None
    raw: recognition_service_pb2.StreamingRecognizeResponse | None = field(
        default=None, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class ServiceWarning:
    """Something worth knowing that is no failure, such as an option that was left out."""

    reason: str
    field: str
    message: str


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


@dataclass(frozen=True, slots=True)
class Latency:
    """How long things took on the server, in milliseconds; None where it has no meaning."""

    queue_ms: int | None = None
    first_result_ms: int | None = None
    p50_lag_ms: int | None = None
    p95_lag_ms: int | None = None
    encode_ms: int | None = None
    decode_ms: int | None = None
    total_ms: int | None = None


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """The session is open. ``limits`` and the configuration in force are in ``raw``."""

    session_id: str
    model: str
    resume_token: str
    raw: recognition_service_pb2.StreamingRecognizeResponse | None = field(
        default=None, repr=False, compare=False
    )


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Last event of a stream that ended well."""

    usage: Usage
    latency: Latency


RecognizeEvent = (
    RecognitionResult
    | SpeechEvent
    | Progress
    | ControlAck
    | ServiceWarning
    | GoingAway
    | SessionStarted
    | SessionEnded
)
"""What a recognition stream gives."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """Reply to a unary Recognize.

    Attributes:
        results: one FINAL for each segment, in order of start time; empty for silence.
        text: the texts of all results, joined by a space.
        subtitles: the whole subtitle file; empty unless asked for.
    """

    results: tuple[RecognitionResult, ...]
    model: str
    languages: tuple[LanguageGuess, ...]
    usage: Usage
    latency: Latency
    warnings: tuple[ServiceWarning, ...]
    subtitles: str = ""
    raw: recognition_service_pb2.RecognizeResponse | None = field(
        default=None, repr=False, compare=False
    )

    @property
    def text(self) -> str:
        """The texts of all results, joined by a space."""
        return " ".join(result.text for result in self.results if result.text)


_RESULT_KINDS = {1: ResultKind.PARTIAL, 2: ResultKind.FINAL, 3: ResultKind.REFINED}
_END_CAUSES = {
    1: EndCause.ENDPOINT,
    2: EndCause.FINALIZE,
    3: EndCause.MAX_SEGMENT,
    4: EndCause.END_OF_STREAM,
}
_SPEECH_KINDS = {1: SpeechEventKind.BEGIN, 2: SpeechEventKind.END}
_CONTROL_KINDS = {1: ControlKind.FINALIZE, 2: ControlKind.RESET, 3: ControlKind.UPDATE_CONFIG}


def result_from_proto(raw: recognition_service_pb2.RecognitionResult) -> RecognitionResult:
    """One segment's state."""
    return RecognitionResult(
        segment_id=raw.segment_id,
        channel=raw.channel,
        revision=raw.revision,
        # A kind of a newer server adds to a FINAL, as REFINED does; it must not be counted as one.
        kind=_RESULT_KINDS.get(raw.kind, ResultKind.REFINED),
        text=raw.text,
        stable_char_count=raw.stable_char_count,
        start_ms=raw.start_ms,
        end_ms=raw.end_ms,
        words=tuple(_word(word) for word in raw.words),
        languages=languages_from_proto(raw.languages),
        confidence=raw.confidence if raw.HasField("confidence") else None,
        end_cause=_END_CAUSES.get(raw.end_cause),
        raw=raw,
    )


def transcript_from_proto(raw: recognition_service_pb2.RecognizeResponse) -> Transcript:
    """A unary reply."""
    return Transcript(
        results=tuple(result_from_proto(result) for result in raw.results),
        model=raw.model,
        languages=languages_from_proto(raw.languages),
        usage=usage_from_proto(raw.usage),
        latency=latency_from_proto(raw.latency),
        warnings=tuple(ServiceWarning(w.reason, w.field, w.message) for w in raw.warnings),
        subtitles=raw.subtitles.text,
        raw=raw,
    )


def event_from_proto(
    raw: recognition_service_pb2.StreamingRecognizeResponse,
) -> RecognizeEvent | None:
    """A stream's event; None for one that this version does not know."""
    match raw.WhichOneof("event"):
        case "result":
            return result_from_proto(raw.result)
        case "speech_event":
            kind = _SPEECH_KINDS.get(raw.speech_event.kind)
            event = raw.speech_event
            return None if kind is None else SpeechEvent(kind, event.time_ms, event.channel)
        case "progress":
            done = raw.progress
            return Progress(done.received_ms, done.decoded_ms, done.final_ms, done.lag_ms)
        case "control_ack":
            return _ack(raw)
        case "warning":
            return ServiceWarning(raw.warning.reason, raw.warning.field, raw.warning.message)
        case "going_away":
            return GoingAway(raw.going_away.drain_ms, raw.going_away.resume_token)
        case "session_started":
            started = raw.session_started
            return SessionStarted(started.session_id, started.model, started.resume_token, raw)
        case "session_ended":
            ended = raw.session_ended
            return SessionEnded(usage_from_proto(ended.usage), latency_from_proto(ended.latency))
        case _:
            return None


def usage_from_proto(raw: common_pb2.Usage) -> Usage:
    """What was used."""
    return Usage(
        audio_in_ms=raw.audio_in_ms,
        speech_ms=raw.speech_ms,
        characters_out=raw.characters_out,
        tokens_in=raw.tokens_in,
        tokens_out=raw.tokens_out,
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


def _word(raw: recognition_service_pb2.Word) -> Word:
    return Word(
        text=raw.text,
        start_ms=raw.start_ms,
        end_ms=raw.end_ms,
        char_start=raw.char_start,
        char_end=raw.char_end,
        confidence=raw.confidence if raw.HasField("confidence") else None,
    )


def _ack(raw: recognition_service_pb2.StreamingRecognizeResponse) -> ControlAck:
    ack = raw.control_ack
    last = ack.last_final_segment if ack.HasField("last_final_segment") else None
    return ControlAck(ack.control_id, _CONTROL_KINDS.get(ack.kind), last, raw)
