"""Audio that grows at its end and is read as views."""

import numpy as np

from speech_service.domain.audio import Samples

_FIRST_CAPACITY = 32_768


class GrowingAudio:
    """Append-only float32 samples.

    What is appended waits, uncopied, for the next view. Capacity doubles, so copying costs amortised O(1) per sample.
    A view stays valid and unchanged for ever: later samples are written behind it, and growing moves to a new array.
    """

    __slots__ = ("_length", "_samples", "_stored", "_waiting")

    def __init__(self) -> None:
        self._samples: Samples = np.empty(_FIRST_CAPACITY, np.float32)
        self._stored = 0
        self._waiting: list[Samples] = []
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def append(self, samples: Samples) -> None:
        """Add ``samples`` (float32 [n]), which must not change any more."""
        self._waiting.append(samples)
        self._length += len(samples)

    def view(self, start: int, end: int) -> Samples:
        """Samples from ``start`` to ``end``, read-only and without a copy."""
        if self._waiting:
            self._store()
        part = self._samples[start : min(end, self._length)]
        part.flags.writeable = False
        return part

    def _store(self) -> None:
        if self._length > len(self._samples):
            grown = np.empty(max(self._length, 2 * len(self._samples)), np.float32)
            grown[: self._stored] = self._samples[: self._stored]
            self._samples = grown
        np.concatenate(self._waiting, out=self._samples[self._stored : self._length])
        self._waiting.clear()
        self._stored = self._length
