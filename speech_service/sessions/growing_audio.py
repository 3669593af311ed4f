"""Audio that grows at its end and is read as views."""

import numpy as np

from speech_service.domain.audio import Samples

_FIRST_CAPACITY = 32_768


class GrowingAudio:
    """Append-only float32 samples.

    Capacity doubles, so appending costs amortised O(1) per sample. A view stays valid and unchanged for ever: later
    samples are written behind it, and growing moves to a new array.
    """

    __slots__ = ("_length", "_samples")

    def __init__(self) -> None:
        self._samples: Samples = np.empty(_FIRST_CAPACITY, np.float32)
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, samples: Samples) -> None:
        """Copy ``samples`` (float32 [n]) to the end."""
        end = self._length + len(samples)
        if end > len(self._samples):
            grown = np.empty(max(end, 2 * len(self._samples)), np.float32)
            grown[: self._length] = self._samples[: self._length]
            self._samples = grown
        self._samples[self._length : end] = samples
        self._length = end

    def view(self, start: int, end: int) -> Samples:
        """Samples from ``start`` to ``end``, read-only and without a copy."""
        part = self._samples[start : min(end, self._length)]
        part.flags.writeable = False
        return part
