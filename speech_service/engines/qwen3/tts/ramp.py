"""When a stream's frames are decoded: at once at the beginning, in longer chunks as the client's buffer fills.

A chunk costs the codec about the same whatever its length, so long chunks are cheap, and late. A client plays from
the first chunk on. Its buffer is what was sent minus the time since; the next chunk may take half of that to make,
and the ramp bounds it.

Where the codec works beside the frames, a chunk is told of one step after it was begun. That is its way. A first chunk
is waited for and has none, but the second one has: the first must last while that one is spoken and on its way.
"""

import math
import time
from collections.abc import Callable, Sequence

_FRAME_S = 0.08
_SHARE = 0.5
"""Of the client's buffer that making the next chunk may use up; the rest is for the network and for company."""
_NEW = 0.1
"""Weight of what was seen last in a mean."""


class ChunkWay:
    """How long an engine's chunks are on their way: from when the codec has begun one to when it is told of.

    Where the codec computes on the thread that asks, that is next to nothing; where it works beside the frames, a step.
    """

    def __init__(self) -> None:
        self.usual_s = 0.0
        """A mean of what was seen lately."""

    def took(self, way_s: float) -> None:
        """A chunk that nobody waited for was so long on its way."""
        self.usual_s += _NEW * (way_s - self.usual_s)


class ChunkRamp:
    """Says, for one stream and after each frame, whether the frames not yet decoded are a chunk."""

    def __init__(
        self,
        sizes: Sequence[int],
        way: ChunkWay,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Begin a stream.

        Args:
            sizes: lengths of the chunks in frames, at most; the last one repeats. The first may come to more.
            way: of the engine's chunks. All streams learn it together: each needs it before its own first chunk.
            clock: in seconds.
        """
        self._sizes = tuple(sizes)
        self._way = way
        self._clock = clock
        self._chunks = 0
        self._sent = 0
        self._first_s = 0.0
        """When the first chunk was told of."""
        self._begun = 0
        """Frames of the chunk that was begun last."""
        self._begun_s = 0.0
        self._frame_s = 0.0
        """What a frame takes."""
        self._target = 0

    @property
    def has_begun(self) -> bool:
        """Whether a chunk has left."""
        return self._chunks > 0

    def due(self, frames: int) -> bool:
        """Whether ``frames`` are enough for the next chunk."""
        return frames >= (self._target if self._chunks else self._first())

    def begun(self, frames: int) -> None:
        """The codec has begun a chunk of so many, which it may compute meanwhile."""
        now_s = self._clock()
        # A way is a step, which is a frame of every stream: the pace of one that has seen none of its own yet.
        self._frame_s = (now_s - self._begun_s) / frames if self._chunks else self._way.usual_s
        self._begun, self._begun_s = frames, now_s

    def sent(self) -> None:
        """That chunk left, all of it; plan the next one by its pace."""
        now_s = self._clock()
        way_s = now_s - self._begun_s
        if self._chunks:
            self._way.took(way_s)
        else:
            self._first_s = now_s
        self._chunks += 1
        self._sent += self._begun
        self._target = self._sizes[min(self._chunks, len(self._sizes) - 1)]
        buffered_s = self._sent * _FRAME_S - (now_s - self._first_s)
        # The next one's frames are spoken from where this one was begun, and it has a way of its own.
        for_frames_s = buffered_s * _SHARE - (self._way.usual_s - way_s)
        while self._target > 1 and self._frame_s * self._target > for_frames_s:
            self._target -= 1

    def _first(self) -> int:
        """Frames, half of which last until a second chunk of one frame is there: a step to speak it, and its way."""
        lasting = math.ceil(2 * self._way.usual_s / _SHARE / _FRAME_S)
        return max(self._sizes[0], min(lasting, max(self._sizes)))
