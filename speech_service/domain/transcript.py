"""Values of recognition: hypotheses, results, words."""

from dataclasses import dataclass
from enum import Enum


class RepairKind(Enum):
    """What was done to a recognizer's answer.

    REPETITION: it said something again and again, which the audio does not hold; that was shortened, or the audio was
    decoded again in parts. UNDECODED: it did so of the parts too; words of this audio are missing. NOISE: it said the
    word that it says of noise, where voice activity was faint; the word was left out.
    """

    REPETITION = "repetition"
    UNDECODED = "undecoded"
    NOISE = "noise"


@dataclass(frozen=True, slots=True)
class Repair:
    """A repair, and the audio that it concerns: milliseconds from the segment's start."""

    kind: RepairKind
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """What a recognizer says of one segment.

    ``tokens`` are the recognizer's own ids without start and end marks; given back as the draft of
    the segment's next update they let the engine verify instead of decode.
    ``is_cut_off``: the recognizer did not come to an end within what anyone can say in the audio. ``certainty``: how
    likely it took its tokens and its end to be, the geometric mean of their probabilities; None: it does not say.
    """

    text: str
    tokens: tuple[int, ...] = ()
    language: str = ""
    confidence: float | None = None
    is_cut_off: bool = False
    certainty: float | None = None
    repairs: tuple[Repair, ...] = ()


@dataclass(frozen=True, slots=True)
class Word:
    """One word with its place in the audio (milliseconds from the start of the stream)."""

    text: str
    start_ms: int
    end_ms: int
    confidence: float | None = None
    char_start: int = 0
    """Where the word begins in the text of the result, in code points."""
    char_end: int = 0


class ResultKind(Enum):
    """PARTIAL may change behind its stable prefix; FINAL comes once; REFINED adds times to a FINAL."""

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
class TranscriptResult:
    """One result of a segment. ``stable_char_count`` counts characters that no later result changes."""

    segment_id: int
    channel: int
    revision: int
    kind: ResultKind
    text: str
    stable_char_count: int
    start_ms: int
    end_ms: int
    language: str = ""
    confidence: float | None = None
    end_cause: EndCause | None = None
    words: tuple[Word, ...] = ()
    lag_ms: float | None = None
    """Time from the arrival of the segment's last audio to this result; of a FINAL only."""
    repairs: tuple[Repair, ...] = ()
