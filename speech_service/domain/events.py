"""What a session tells its client, and what it asks of whoever drives it."""

from dataclasses import dataclass, field
from enum import Enum

from speech_service.domain.alignment import AlignedUnit, UnalignedSpan
from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.synthesis import SpeechFinish, SynthesisOptions
from speech_service.domain.transcript import ResultKind, TranscriptResult
from speech_service.domain.work import Work

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
    start_ms: int | None = None
    """The part of the session's audio that the warning speaks of begins here and ends at ``end_ms``, where that is
    known."""
    end_ms: int | None = None


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


@dataclass(frozen=True, slots=True, eq=False)
class SpeechSamples:
    """Raw speech of one context, float32 [n], on its way to an encoder; never sent as it is.

    ``turn`` numbers the contexts of a session: unlike an id, it is used once. ``asked_s`` is when its text went to the
    device, by the session's clock.
    """

    turn: int
    context_id: str
    samples: Samples = field(repr=False)
    sample_rate_hz: int
    options: SynthesisOptions
    asked_s: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class SpokenSamples:
    """Raw speech of one translated segment, float32 [n], on its way to its language's encoder; never sent as it is."""

    segment_id: int
    language: str
    samples: Samples = field(repr=False)
    sample_rate_hz: int
    options: SynthesisOptions


@dataclass(frozen=True, slots=True, eq=False)
class SpeechChunk:
    """Encoded speech of one context (or of one translated segment), in order.

    ``start_ms`` and ``duration_ms`` are in the audio of the context.
    """

    context_id: str
    sequence: int
    data: bytes = field(repr=False)
    start_ms: int
    duration_ms: int
    segment_id: int = 0
    language: str = ""
    turn: int = 0
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

    context_id: str
    units: tuple[SpokenUnit, ...]
    turn: int = 0


class ContextOutcome(Enum):
    """How a synthesis context ended."""

    DONE = "done"
    CANCELLED = "cancelled"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class ContextEnded:
    """The context is over; the stream lives on."""

    context_id: str
    outcome: ContextOutcome
    usage: Usage
    error: SpeechError | None = None
    turn: int = 0
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


SessionEvent = (
    SessionStarted
    | TranscriptResult
    | SpeechEvent
    | ControlAck
    | Progress
    | StreamWarning
    | GoingAway
    | SessionEnded
    | SpeechSamples
    | SpeechChunk
    | SpokenSamples
    | SpeechTimings
    | ContextEnded
    | AlignedUnits
    | UnalignedSpan
    | TranslatedSegment
)

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
class Emit:
    """Send the event to the client."""

    event: SessionEvent


@dataclass(frozen=True, slots=True)
class Finish:
    """Says that nothing more will come. ``error`` is None where all went well."""

    error: SpeechError | None = None


Action = Detect | Submit | Cancel | Emit | Finish
