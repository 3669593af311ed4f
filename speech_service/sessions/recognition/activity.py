"""From speech probabilities to speech that begins and ends: hysteresis and minimum lengths, no audio."""

from speech_service.domain.audio import ms_to_samples
from speech_service.domain.recognition import Endpointing

_CANDIDATE_GAP = ms_to_samples(160)
"""Speech not yet long enough to count is forgotten after this much silence, in samples."""


class SpeechActivity:
    """Follows one channel, frame by frame. All positions are sample counts from the start of the stream.

    A frame is voiced when its probability reaches ``threshold``, or when it follows a voiced frame and reaches
    ``release_threshold``. Voiced frames gather in a candidate; one that reaches ``min_speech_ms`` is confirmed.
    """

    __slots__ = (
        "_candidate_end",
        "_candidate_voiced",
        "_min_voiced",
        "_release_threshold",
        "_threshold",
        "candidate_start",
        "last_voiced_end",
        "speaking",
        "voiced",
    )

    def __init__(self, settings: Endpointing) -> None:
        self.update(settings)
        self.speaking = False
        """Speech was confirmed and has not ended in ``end_silence_ms`` of silence."""
        self.voiced = False
        """The newest frame was voiced."""
        self.candidate_start: int | None = None
        """Where the speech began that may open the next segment."""
        self._candidate_end = 0
        self._candidate_voiced = 0
        self.last_voiced_end = 0
        """End of the last voiced frame of confirmed speech."""

    def update(self, settings: Endpointing) -> None:
        """Other settings from the next frame on."""
        self._threshold = settings.threshold
        self._release_threshold = min(settings.release_threshold, settings.threshold)
        self._min_voiced = ms_to_samples(settings.min_speech_ms)

    @property
    def confirmed(self) -> bool:
        """The candidate is long enough to be speech."""
        return self.candidate_start is not None and self._candidate_voiced >= self._min_voiced

    @property
    def unconfirmed_samples(self) -> int:
        """Voiced samples without which the candidate, or the next one, cannot be confirmed."""
        voiced = 0 if self.candidate_start is None else self._candidate_voiced
        return self._min_voiced - voiced

    def push(self, probability: float, start: int, end: int) -> None:
        """Take the frame [start, end)."""
        level = self._release_threshold if self.voiced else self._threshold
        self.extend(probability >= level, start, end)

    def extend(self, voiced: bool, start: int, end: int) -> None:
        """Take audio [start, end) that is known to be voiced or not."""
        self.voiced = voiced
        if voiced:
            if self.candidate_start is None:
                self.candidate_start, self._candidate_voiced = start, 0
            self._candidate_voiced += end - start
            self._candidate_end = end
            if self.speaking:
                self.last_voiced_end = end
        elif end - self._candidate_end >= _CANDIDATE_GAP:
            self.candidate_start = None

    def begin(self) -> None:
        """Speech is confirmed."""
        self.speaking = True
        self.last_voiced_end = self._candidate_end

    def end(self) -> None:
        """Speech is over."""
        self.speaking = False

    def forget_candidate_before(self, sample: int) -> None:
        """A segment ended at ``sample``; what began before it belongs to that segment, and speech that goes
        on must be confirmed anew.
        """
        if self.candidate_start is not None and self.candidate_start < sample:
            self.candidate_start = None
