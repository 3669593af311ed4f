"""Cuts a mono stream into frames of one size."""

import numpy as np

from speech_service.domain.audio import Samples

_NOTHING: Samples = np.empty(0, np.float32)


class FrameBuffer:
    """Holds samples until somebody asks for the frames that they fill."""

    __slots__ = ("_held", "_length", "_size")

    def __init__(self, frame_samples: int) -> None:
        self._size = frame_samples
        self._held: list[Samples] = []
        self._length = 0

    @property
    def whole_samples(self) -> int:
        """Samples in the frames that ``frames`` would return."""
        return self._length - self._length % self._size

    def hold(self, samples: Samples) -> None:
        """Add ``samples``, float32 [n], which must not change any more."""
        if len(samples):
            self._held.append(samples)
            self._length += len(samples)

    def frames(self) -> Samples:
        """Give the whole frames: float32 [k, frame_samples], read-only by convention; a copy if they span several
        holds."""
        whole = self.whole_samples
        samples = self.take()
        self.hold(samples[whole:].copy())  # a view would keep the whole array
        return samples[:whole].reshape(-1, self._size)

    def push(self, samples: Samples) -> Samples:
        """Hold the samples, and give the frames that are whole."""
        self.hold(samples)
        return self.frames()

    def take(self) -> Samples:
        """Give all that is held, float32 [n]; the buffer is empty afterwards."""
        held, self._held, self._length = self._held, [], 0
        return held[0] if len(held) == 1 else np.concatenate([_NOTHING, *held])
