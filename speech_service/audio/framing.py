"""Cuts a mono stream into frames of one size, each with its absolute position."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from speech_service.domain.audio import Samples


class Frame(NamedTuple):
    """``samples``: float32 [frame_samples], read-only by convention (it may be a view of what was
    pushed).

    ``start``: position of its first sample since the stream began.
    """

    start: int
    samples: Samples


class FrameBuffer:
    """Holds less than one frame; a frame is copied only where it spans two pushes."""

    def __init__(self, frame_samples: int) -> None:
        self._size = frame_samples
        self._held = np.empty(frame_samples, np.float32)
        self._held_count = 0
        self._position = 0

    @property
    def position(self) -> int:
        """Samples pushed so far."""
        return self._position + self._held_count

    @property
    def pending(self) -> Samples:
        """The samples that do not fill a frame yet: float32 [< frame_samples]; a copy."""
        return self._held[: self._held_count].copy()

    def push(self, samples: Samples) -> Iterator[Frame]:
        """Yield the frames that ``samples`` (float32 [n]) complete.

        The iterator must be exhausted before the next push: it keeps the remainder when it ends.
        """
        at = 0
        if self._held_count:
            at = min(self._size - self._held_count, len(samples))
            self._held[self._held_count : self._held_count + at] = samples[:at]
            self._held_count += at
            if self._held_count < self._size:
                return
            full = self._held
            self._held = np.empty(self._size, np.float32)
            self._held_count = 0
            yield self._emit(full)
        while len(samples) - at >= self._size:
            yield self._emit(samples[at : at + self._size])
            at += self._size
        rest = samples[at:]
        self._held[: len(rest)] = rest
        self._held_count = len(rest)

    def flush(self) -> Frame | None:
        """The last frame, padded with zeros, or None when nothing is pending. The buffer is empty
        afterwards.
        """
        if not self._held_count:
            return None
        padded = np.zeros(self._size, np.float32)
        padded[: self._held_count] = self._held[: self._held_count]
        frame = Frame(self._position, padded)
        self._position += self._held_count
        self._held_count = 0
        return frame

    def _emit(self, samples: Samples) -> Frame:
        frame = Frame(self._position, samples)
        self._position += self._size
        return frame
