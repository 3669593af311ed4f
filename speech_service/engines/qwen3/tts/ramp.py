"""When a stream's frames are decoded: at once at the beginning, in longer chunks as the client's buffer fills.

A chunk costs the codec about the same whatever its length, so long chunks are cheap, and late. A client plays from
the first chunk on. Its buffer is what was sent minus the time since; the next chunk may take half of that to make,
and the ramp bounds it.
"""

import time
from collections.abc import Callable, Sequence

_FRAME_S = 0.08
_SHARE = 0.5
"""Of the client's buffer that making the next chunk may use up; the rest is for the network and for company."""


class ChunkRamp:
    """Says, for one stream and after each frame, whether the frames not yet decoded are a chunk."""

    def __init__(
        self, sizes: Sequence[int], clock: Callable[[], float] = time.perf_counter
    ) -> None:
        """``sizes`` are the lengths of the chunks in frames, at most; the last one repeats."""
        self._sizes = tuple(sizes)
        self._clock = clock
        self._chunks = 0
        self._sent = 0
        self._first_s = 0.0
        self._last_s = 0.0
        self._target = self._sizes[0]

    @property
    def has_begun(self) -> bool:
        """Whether a chunk has left."""
        return self._chunks > 0

    def due(self, frames: int) -> bool:
        """Whether ``frames`` are enough for the next chunk."""
        return frames >= self._target

    def sent(self, frames: int) -> None:
        """A chunk of so many frames left; plan the next one by the pace of this one."""
        now_s = self._clock()
        if not self._chunks:
            self._first_s = now_s
        pace_s = (now_s - self._last_s) / frames if self._chunks else 0.0
        self._last_s = now_s
        self._chunks += 1
        self._sent += frames
        longest = self._sizes[min(self._chunks, len(self._sizes) - 1)]
        buffered_s = self._sent * _FRAME_S - (now_s - self._first_s)
        if pace_s * longest > buffered_s * _SHARE:
            longest = max(1, int(buffered_s * _SHARE / pace_s))
        self._target = longest
