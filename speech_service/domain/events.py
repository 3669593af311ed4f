"""What a session tells its client, and what it asks of whoever drives it."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, TypeVar

from speech_service.domain.alignment import AlignedUnit
from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.synthesis import SpeechFinish, SynthesisOptions
from speech_service.domain.transcript import ResultKind
from speech_service.domain.work import Work

Event_co = TypeVar("Event_co", covariant=True)
"""What a session of one kind tells its client."""

# --- to the client ---------------------------------------------------------------------------------------


class ControlKind(Enum):
    """The control messages that get exactly one ack each."""

    FINALIZE = "finalize"
    RESET = "reset"
    UPDATE_CONFIG = "update_config"
    FLUSH = "flush"
    CANCEL = "cancel"


class SpeechEventKind(Enum):
    """Speech began or ended."""

    BEGIN = "begin"
    END = "end"


@dataclass(frozen=True, slots=True)
class SessionStarted:
    """First event of every stream."""

    session_id: str


@dataclass(frozen=True, slots=True)
class SpeechEvent:
    """Voice activity of one channel, at ``time_ms`` of the stream."""

    kind: SpeechEventKind
    channel: int
    time_ms: int


@dataclass(frozen=True, slots=True)
class ControlAck:
    """The answer to a control message, after everything that it asked for was sent.

    ``last_final_segment`` is None where no segment was final yet. ``error``: why the message was not carried out.
    """

    control_id: str
    kind: ControlKind
    last_final_segment: int | None = None
    context_id: str = ""
    error: SpeechError | None = None


@dataclass(frozen=True, slots=True)
class Progress:
    """Cursors in milliseconds of stream time: audio received, decoded at least once, and final."""

    received_ms: int
    decoded_ms: int
    final_ms: int
    lag_ms: int


@dataclass(frozen=True, slots=True)
class StreamWarning:
    """Something the client should know that is no error."""

    reason: str
    option: str
    """What it speaks of, as errors name it; may be empty."""
    message: str
    """``{option}`` in it stands for the option, as the client spells it."""
    start_ms: int | None = None
    """The part of the session's audio that the warning speaks of begins here and ends at ``end_ms``, where that is
    known."""
    end_ms: int | None = None
    cause: SpeechError | None = field(default=None, compare=False)
    """The error that its message quotes."""


@dataclass(frozen=True, slots=True)
class GoingAway:
    """The server drains; finish within ``drain_ms`` and open new streams elsewhere."""

    drain_ms: int


@dataclass(frozen=True, slots=True)
class Usage:
    """What a session consumed."""

    audio_in_ms: int = 0
    speech_ms: int = 0
    characters_out: int = 0
    tokens_out: int = 0
    audio_out_ms: int = 0
    characters_in: int = 0
    tokens_in: int = 0


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """How long things took, in milliseconds.

    ``queue``: work waited and none was being computed, so it is at most ``total``. ``encode`` and ``decode`` are
    device time, summed: of work computed side by side they may be more. ``lag``: from the arrival of a segment's last
    audio to its FINAL. ``first_result``: from the arrival of the first speech to the first result. None: nothing of
    the kind happened.
    """

    queue_ms: float = 0.0
    encode_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0
    first_result_ms: float | None = None
    lag_p50_ms: float | None = None
    lag_p95_ms: float | None = None


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """Last event of a stream that ended well."""

    usage: Usage
    latency: LatencySummary


@dataclass(frozen=True, slots=True)
class ContextTurn:
    """A context that is spoken. ``turn`` numbers the contexts of a session: unlike an id, it is used once."""

    turn: int
    context_id: str

    @property
    def track(self) -> int:
        """Names the audio file that its speech goes to: each context has its own."""
        return self.turn


@dataclass(frozen=True, slots=True)
class SegmentInLanguage:
    """A translated segment that is spoken."""

    segment_id: int
    language: str

    @property
    def track(self) -> str:
        """Names the audio file that its speech goes to: a language has one for all its segments."""
        return self.language


Owner_co = TypeVar("Owner_co", bound=ContextTurn | SegmentInLanguage, covariant=True)
"""What speech belongs to."""


@dataclass(frozen=True, slots=True, eq=False)
class SpeechSamples(Generic[Owner_co]):
    """Raw speech, float32 [n], of what it belongs to, on its way to an encoder; never sent as it is.

    ``asked_s`` is when its text went to the device, by the session's clock.
    """

    owner: Owner_co
    samples: Samples = field(repr=False)
    sample_rate_hz: int
    options: SynthesisOptions
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SpeechChunk(Generic[Owner_co]):
    """Encoded speech of what it belongs to, in order. ``start_ms`` and ``duration_ms`` are in its track's audio."""

    owner: Owner_co
    sequence: int
    data: bytes = field(repr=False)
    start_ms: int
    duration_ms: int
    coded_samples: int = 0
    """Samples at the coded rate that ``duration_ms`` stands for."""


@dataclass(frozen=True, slots=True)
class SpokenUnit:
    """A word or character of a context's text and its time in the context's audio."""

    text: str = field(repr=False)
    char_start: int
    char_end: int
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class SpeechTimings:
    """Times of what was spoken; each unit is sent once."""

    owner: ContextTurn
    units: tuple[SpokenUnit, ...]


class ContextOutcome(Enum):
    """How a synthesis context ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ContextEnded:
    """The context is over; the stream lives on."""

    owner: ContextTurn
    outcome: ContextOutcome
    usage: Usage
    error: SpeechError | None = None
    finish: SpeechFinish | None = None
    """How the speech of a context that is DONE ended."""


@dataclass(frozen=True, slots=True)
class AlignedUnits:
    """Units whose place is settled; each is sent once."""

    units: tuple[AlignedUnit, ...]


@dataclass(frozen=True, slots=True)
class TranslatedSegment:
    """A translation of one segment into one language."""

    segment_id: int
    language: str
    kind: ResultKind
    text: str = field(repr=False)
    source_language: str = ""
    char_end: int | None = None
    """Where a segment of text ends in all text that came, in code points; None of audio, and while it is open."""


CommonEvent = SessionStarted | ControlAck | StreamWarning | GoingAway | SessionEnded
"""What every session tells; each kind has a union of its own around it."""

# --- to the driver (the pump) ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Detect:
    """Ask voice activity detection about frames (float32 [k, 512]) and report back before anything else."""

    channel: int
    frames: Samples


@dataclass(frozen=True, slots=True)
class Submit:
    """Asks for the work to be queued."""

    work: Work


@dataclass(frozen=True, slots=True)
class Cancel:
    """Asks for the work to be given up."""

    work_id: str


@dataclass(frozen=True, slots=True)
class Emit(Generic[Event_co]):
    """Send the event to the client."""

    event: Event_co


@dataclass(frozen=True, slots=True)
class Finish:
    """Says that nothing more will come. ``error`` is None where all went well."""

    error: SpeechError | None = None


Action = Submit | Cancel | Emit[Event_co] | Finish
Step = Detect | Action[Event_co]
"""Taking audio, and waking up, may ask for detection; nothing else does."""
