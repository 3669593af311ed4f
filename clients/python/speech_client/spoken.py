"""What a synthesis stream gives of its own, as frozen values."""

from dataclasses import dataclass
from enum import Enum

from speech_client import errors
from speech_client.events import Usage


class ContextOutcome(Enum):
    """How a context of a stream ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class SpeechChunk:
    """A piece of audio. A context's pieces, joined in order, make one file.

    Attributes:
        context_id: context that it belongs to; empty outside of streams with contexts.
        sequence: number of the piece in its context, from 0.
        data: audio in the form asked for.
        start_ms: start of the piece in its context's audio.
        duration_ms: length of the piece; 0 for a container's header or trailer.
    """

    context_id: str
    sequence: int
    data: bytes
    start_ms: int
    duration_ms: int


@dataclass(frozen=True, slots=True)
class SpeechTiming:
    """When a word or character is spoken (ms), and where it stands in the text (code points)."""

    text: str
    char_start: int
    char_end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpeechTimings:
    """Timings of audio that has begun to come; none comes twice."""

    context_id: str
    timings: tuple[SpeechTiming, ...]


@dataclass(frozen=True, slots=True)
class ContextEnded:
    """A context ended; its id may be used again. ``error`` is there where it failed; the stream lives on.

    ``is_cut``: the model was stopped at its limit, so the speech ends too early or went astray.
    """

    context_id: str
    outcome: ContextOutcome
    usage: Usage
    error: errors.SpeechApiError | None = None
    is_cut: bool = False
