"""Values of forced alignment: units of text with their place in the audio, and what has none."""

from dataclasses import dataclass
from enum import Enum

from speech_service.domain.recognition import Pacing


class Granularity(Enum):
    """What a unit is."""

    WORD = "word"
    PHONE = "phone"
    CHARACTER = "character"


class UnalignedReason(Enum):
    """Why a piece of text, or of audio, could not be placed."""

    TEXT_NOT_SPOKEN = "text_not_spoken"
    AUDIO_NOT_IN_TEXT = "audio_not_in_text"
    NO_PRONUNCIATION = "no_pronunciation"
    NOT_SPEAKABLE = "not_speakable"


@dataclass(frozen=True, slots=True)
class AlignedUnit:
    """A word, phone or character: where it stands in the text (code points, end exclusive) and in the audio.

    Times are milliseconds of the audio given; ``end_ms`` is after ``start_ms``. ``monotonic`` is False where a
    repair moved the unit to keep the order.
    """

    text: str
    granularity: Granularity
    char_start: int
    char_end: int
    start_ms: int
    end_ms: int
    monotonic: bool = True
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class UnalignedSpan:
    """Text without audio (equal times are allowed) or audio without text (an empty character range)."""

    char_start: int
    char_end: int
    start_ms: int
    end_ms: int
    reason: UnalignedReason


@dataclass(frozen=True, slots=True)
class Alignment:
    """Units in the order of the text. Every speakable word is in ``units`` or inside a span of ``unaligned``."""

    units: tuple[AlignedUnit, ...]
    unaligned: tuple[UnalignedSpan, ...] = ()


@dataclass(frozen=True, slots=True)
class AlignmentOptions:
    """Everything an alignment session needs to know."""

    model: str
    language: str = ""
    """Language of the text; empty means the model's own."""
    granularity: Granularity = Granularity.WORD
    pacing: Pacing = Pacing.REALTIME
