"""Cuts a mono stream into frames of one size."""

import numpy as np

from speech_service.domain.audio import Samples


class FrameBuffer:
    """Holds less than one frame. What is pushed is copied only where a frame spans two pushes."""

    def __init__(self, frame_samples: int) -> None:
        self._size = frame_samples
        self._held: Samples = np.empty(0, np.float32)

    def push(self, samples: Samples) -> Samples:
        """The frames that ``samples`` (float32 [n]) complete: float32 [k, frame_samples], read-only by convention."""
        if len(self._held):
            samples = np.concatenate((self._held, samples))
        whole = len(samples) - len(samples) % self._size
        self._held = samples[whole:].copy()  # a view would keep the whole push
        return samples[:whole].reshape(-1, self._size)

    def take(self) -> Samples:
        """The samples that do not fill a frame yet, float32 [< frame_samples]; the buffer is empty afterwards."""
        held, self._held = self._held, self._held[:0]
        return held
