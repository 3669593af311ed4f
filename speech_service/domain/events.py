"""What a session tells its client, and what it asks of whoever drives it."""

from dataclasses import dataclass
from enum import Enum

from speech_service.domain.audio import Samples
from speech_service.domain.errors import SpeechError
from speech_service.domain.transcript import TranscriptResult
from speech_service.domain.work import Work

# --- to the client ---------------------------------------------------------------------------------------


class ControlKind(Enum):
    """The control messages that get exactly one ack each."""

    FINALIZE = "finalize"
    RESET = "reset"
    UPDATE_CONFIG = "update_config"


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

    ``last_final_segment`` is None where no segment was final yet.
    """

    control_id: str
    kind: ControlKind
    last_final_segment: int | None


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
    field: str
    message: str


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


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """How long things took, in milliseconds.

    ``lag``: from the arrival of a segment's last audio to its FINAL. ``first_result``: from the arrival of
    the first speech to the first result. None: nothing of the kind happened.
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


SessionEvent = (
    SessionStarted
    | TranscriptResult
    | SpeechEvent
    | ControlAck
    | Progress
    | StreamWarning
    | GoingAway
    | SessionEnded
)

# --- to the driver (the pump) ----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class Detect:
    """Ask voice activity detection about frames (float32 [k, 512]) and report back before anything else."""

    channel: int
    frames: Samples


@dataclass(frozen=True, slots=True)
class Submit:
    """Queue the work."""

    work: Work


@dataclass(frozen=True, slots=True)
class Cancel:
    """Give the work up."""

    work_id: str


@dataclass(frozen=True, slots=True)
class Emit:
    """Send the event to the client."""

    event: SessionEvent


@dataclass(frozen=True, slots=True)
class Finish:
    """Nothing more will come. None: all went well."""

    error: SpeechError | None = None


Action = Detect | Submit | Cancel | Emit | Finish
