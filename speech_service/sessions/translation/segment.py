"""One segment of a translation session: its text, and what each target has become of it."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from speech_service.domain.errors import SpeechError
from speech_service.domain.events import StreamWarning
from speech_service.domain.translation import LanguageGuess

MS_PER_CHARACTER = 60
"""Text that waits is weighed as if it were spoken."""


@dataclass(slots=True, eq=False)
class SegmentInTargets:
    """A closed segment. ``outcomes``: a translation or an error for each target that has one."""

    segment_id: int
    text: str
    source: str
    """BCP-47; empty until it is known."""
    closed_s: float
    char_end: int | None = None
    """Of a segment of text: where it ends in all text that came, in code points."""
    outcomes: dict[str, str | SpeechError] = field(default_factory=dict[str, "str | SpeechError"])
    notes: dict[str, list[StreamWarning]] = field(default_factory=dict[str, list[StreamWarning]])
    """What a translation could not keep of the request, by target; told behind it."""
    guesses: Sequence[LanguageGuess] | None = None
    """What its language may be; None while nobody knows."""
    sent: int = 0
    """How many targets the client was told of, in order."""

    @property
    def weight_ms(self) -> int:
        """What it adds to the work that waits."""
        return len(self.text) * MS_PER_CHARACTER
