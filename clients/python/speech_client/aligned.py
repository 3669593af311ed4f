"""What an alignment gives, as frozen values."""

from dataclasses import dataclass
from enum import Enum


class UnitKind(Enum):
    """What an aligned unit is."""

    WORD = "word"
    PHONE = "phone"
    CHARACTER = "character"


class UnalignedReason(Enum):
    """Why a span was not aligned."""

    TEXT_NOT_SPOKEN = "text_not_spoken"
    AUDIO_NOT_IN_TEXT = "audio_not_in_text"
    NO_PRONUNCIATION = "no_pronunciation"
    NOT_SPEAKABLE = "not_speakable"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class AlignedUnit:
    """A part of the text with its time.

    Attributes:
        text: a word or character as it stands in the text, or a phone's symbol.
        kind: what it is.
        char_start: offset in the text, in code points; for a phone, its word's.
        char_end: offset just past it.
        start_ms: start in the audio.
        end_ms: end in the audio.
        monotonic: False marks a doubtful time.
        confidence: 0 to 1; None where the model gives none.
    """

    text: str
    kind: UnitKind
    char_start: int
    char_end: int
    start_ms: int
    end_ms: int
    monotonic: bool = True
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class AlignedUnits:
    """Units that were placed, in the order of the text; none comes twice."""

    units: tuple[AlignedUnit, ...]


@dataclass(frozen=True, slots=True)
class UnalignedSpan:
    """Text or audio that could not be aligned: where it stands (code points), where it would lie (ms), and why."""

    char_start: int
    char_end: int
    start_ms: int
    end_ms: int
    reason: UnalignedReason
