"""What is done to samples before they are encoded: silence off both ends, gain. Mono float32, in pieces.

The same samples come out however the input is cut into pushes.
"""

import numpy as np

from speech_service.domain.audio import Samples

SILENCE_DBFS = -50.0
"""A sample below this is silence. Synthesised pauses lie below -60, the weakest consonants above -45."""
_KEEP_BEFORE_S = 0.020
_KEEP_AFTER_S = 0.050
_HOLD_S = 10.0
_KNEE = 0.891
"""-1 dBFS: from here on the limiter bends."""


class SilenceTrimmer:
    """Drops silence at the start and at the end of a stream; pauses inside stay.

    A little is kept on both sides, for soft onsets and for decay. Silence is held back until it is known not to be the
    end; at most 10 s are, so of a longer silence at the end the first part stays.
    """

    def __init__(self, sample_rate_hz: int) -> None:
        self._threshold = 10 ** (SILENCE_DBFS / 20)
        self._before = round(_KEEP_BEFORE_S * sample_rate_hz)
        self._after = round(_KEEP_AFTER_S * sample_rate_hz)
        self._limit = round(_HOLD_S * sample_rate_hz)
        self._held = np.zeros(0, np.float32)
        self._held_start = 0
        self._sound_end: int | None = None
        self._dropped = 0

    @property
    def dropped_at_start(self) -> int:
        """Samples dropped before the first sound: times of the untrimmed audio are this much too late."""
        return self._dropped

    @property
    def kept(self) -> int:
        """Samples given so far: where the audio would end if only silence followed."""
        return self._held_start - self._dropped

    def push(self, samples: Samples) -> Samples:
        """Take the next samples, float32 [n]; gives those known to stay, float32 [m].

        What is still held when nothing follows is the silence at the end.
        """
        loud = np.flatnonzero(np.abs(samples) > self._threshold)
        received = self._held_start + len(self._held)
        self._held = np.concatenate((self._held, samples))
        if self._sound_end is None:
            self._forget_start(received + int(loud[0]) if loud.size else received + len(samples))
        if loud.size:
            self._sound_end = received + int(loud[-1]) + 1
        if self._sound_end is None:
            return np.zeros(0, np.float32)
        received += len(samples)
        end = max(min(self._sound_end + self._after, received), received - self._limit)
        return self._release(end)

    def _forget_start(self, sound_at: int) -> None:
        self._dropped += len(self._release(sound_at - self._before))

    def _release(self, end: int) -> Samples:
        """Take what lies before ``end`` out of what is held."""
        count = max(0, end - self._held_start)
        taken, self._held = self._held[:count], self._held[count:]
        self._held_start += count
        return taken


def amplify(samples: Samples, gain_db: float) -> Samples:
    """Apply a gain to float32 [n]; the result stays within [-1, 1].

    Above -1 dBFS a tanh bends what a plain gain would clip. It looks at single samples, so nothing is held back.
    """
    if gain_db == 0.0:
        return samples
    louder = samples * np.float32(10 ** (gain_db / 20))
    size = np.abs(louder)
    over = size > _KNEE
    if over.any():
        room = 1.0 - _KNEE
        louder[over] = np.sign(louder[over]) * (_KNEE + room * np.tanh((size[over] - _KNEE) / room))
    return louder
