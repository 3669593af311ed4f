"""Words that a recognizer says of noise, told from words that were said by how sure voice activity was.

Models that are trained on subtitles answer near silence with "You" or "Thank you." Such a word is left out where three
things agree: the model is known to say it of noise, it was not certain of it, and voice activity detection heard
little that it took for a voice. One of the three is not enough: people do say "you", and softly too.
"""

from collections import deque
from collections.abc import Iterable
from dataclasses import replace

from speech_service.domain.audio import ms_to_samples, samples_to_ms
from speech_service.domain.recognition import Endpointing
from speech_service.domain.transcript import Hypothesis, Repair, RepairKind
from speech_service.text.noise_words import says_only

_PEAK = 0.95
"""Some frame of a spoken word, as short as it may be, is as probably speech: 0.97 and more in 95 of 100 digits."""
_VOICED = ms_to_samples(320)
"""What is voiced for longer is no click, breath or creak."""
_CERTAINTY = 0.97
"""Moonshine takes the "You" of white and brown noise to be as likely as 0.4 to 0.96."""
_FRAMES_BEFORE = 16
"""Frames before a segment opens that may be in it."""


class FaintVoice:
    """Says how much of a voice there is in one channel's newest segment, by the probabilities of its frames."""

    def __init__(self, settings: Endpointing) -> None:
        self._level = settings.release_threshold
        self._recent = deque[tuple[float, int]](maxlen=_FRAMES_BEFORE)
        self._peak, self._voiced = 0.0, 0

    def hear(self, probability: float, samples: int, *, is_open: bool) -> None:
        """Take the speech probability of a frame of ``samples``; ``is_open``: it is of the open segment."""
        if is_open:
            self._add(probability, samples)
        else:
            self._recent.append((probability, samples))

    def begin(self, *, goes_on: bool) -> None:
        """A segment opens with the newest frames; ``goes_on``: it was cut from the segment before it."""
        if not goes_on:
            self._peak, self._voiced = 0.0, 0
        for probability, samples in self._recent:
            self._add(probability, samples)
        self._recent.clear()

    @property
    def is_faint(self) -> bool:
        """True where what was heard may be no voice."""
        return self._peak < _PEAK and self._voiced < _VOICED

    def _add(self, probability: float, samples: int) -> None:
        self._peak = max(self._peak, probability)
        if probability >= self._level:
            self._voiced += samples


def without_noise_words(
    hypothesis: Hypothesis, noise_words: Iterable[str], samples: int
) -> Hypothesis:
    """What a recognizer said of ``samples`` of faint voice, without what it may have said of noise."""
    certainty = hypothesis.certainty
    is_certain = certainty is not None and certainty >= _CERTAINTY
    if is_certain or not says_only(hypothesis.text, noise_words):
        return hypothesis
    repair = Repair(RepairKind.NOISE, 0, samples_to_ms(samples))
    return replace(hypothesis, text="", tokens=(), repairs=(*hypothesis.repairs, repair))
