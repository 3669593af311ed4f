"""Speech as it is made, kept as aligners want it."""

import numpy as np

from speech_service.domain.audio import MODEL_RATE_HZ, Samples
from speech_service.media.resample import StreamResampler


class Recording:
    """Of one piece of text. Converts each chunk as it comes, so that no chunk holds up the loop for long."""

    def __init__(self, sample_rate_hz: int) -> None:
        self._resampler = StreamResampler(sample_rate_hz, MODEL_RATE_HZ)
        self._parts: list[Samples] = []

    def push(self, samples: Samples) -> None:
        """Float32 [n] at the rate given."""
        self._parts.append(self._resampler.push(samples[:, np.newaxis])[:, 0])

    def finish(self) -> Samples:
        """All of it: float32 [n], 16 kHz."""
        nothing = np.zeros((0, 1), np.float32)
        self._parts.append(self._resampler.push(nothing, last=True)[:, 0])
        return np.concatenate(self._parts)
