"""What recognition gives, as frozen values. Every value keeps the protobuf message it came from in ``raw``.

Times are milliseconds from the start of the session's audio. Text offsets count Unicode code points.
"""

from dataclasses import dataclass, field
from enum import Enum

from speech.v1 import recognition_service_pb2
from speech_client.events import (
    LanguageGuess,
    Latency,
    ServiceWarning,
    StreamEvent,
    Usage,
    languages_from_proto,
    latency_from_proto,
    stream_event,
    usage_from_proto,
    warnings_from_proto,
)


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


RecognizeEvent = RecognitionResult | StreamEvent
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
        warnings=warnings_from_proto(raw.warnings),
        subtitles=raw.subtitles.text,
        raw=raw,
    )


def event_from_proto(
    raw: recognition_service_pb2.StreamingRecognizeResponse,
) -> RecognizeEvent | None:
    """A stream's event; None for one that this version does not know."""
    if raw.WhichOneof("event") == "result":
        return result_from_proto(raw.result)
    return stream_event(raw)


def _word(raw: recognition_service_pb2.Word) -> Word:
    return Word(
        text=raw.text,
        start_ms=raw.start_ms,
        end_ms=raw.end_ms,
        char_start=raw.char_start,
        char_end=raw.char_end,
        confidence=raw.confidence if raw.HasField("confidence") else None,
    )
