"""Segment audio that a worker keeps so that only new audio has to be sent, under a budget."""

from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.work import SegmentKey

GROWTH = 1.5


@dataclass(slots=True)
class _Buffer:
    """``data`` has room for more than the ``length`` samples it holds."""

    data: Samples
    length: int


class AudioStore:
    """Least recently used segments go first when the budget is exceeded; their audio is asked for
    again.

    What ``get`` returned stays valid and unchanged for ever: buffers are only written behind what
    they hold, and a full one is replaced, not resized.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._buffers: OrderedDict[SegmentKey, _Buffer] = OrderedDict()
        self._size_bytes = 0

    def __len__(self) -> int:
        return len(self._buffers)

    @property
    def size_bytes(self) -> int:
        """Memory of all buffers."""
        return self._size_bytes

    def append(self, key: SegmentKey, offset: int, samples: Samples) -> None:
        """Add samples at ``offset`` (in samples). 0 replaces the buffer; after a gap they are
        dropped.

        Samples that the buffer has already are skipped: a segment's audio never changes.
        """
        if offset == 0:
            self.release(key)
        buffer = self._buffers.get(key)
        if buffer is None:
            if offset:
                return
            buffer = self._buffers[key] = _Buffer(np.empty(0, np.float32), 0)
        if offset > buffer.length:
            return
        fresh = samples[buffer.length - offset :]
        end = buffer.length + fresh.shape[0]
        if end > buffer.data.shape[0]:
            self._grow(buffer, end)
        buffer.data[buffer.length : end] = fresh
        buffer.length = end
        self._buffers.move_to_end(key)
        self._evict(key)

    def get(self, key: SegmentKey, sample_count: int) -> Samples | None:
        """The first ``sample_count`` samples of the segment (a view); None: they are not all here."""
        buffer = self._buffers.get(key)
        if buffer is None or buffer.length < sample_count:
            return None
        self._buffers.move_to_end(key)
        return buffer.data[:sample_count]

    def release(self, key: SegmentKey) -> None:
        """Forget the segment."""
        buffer = self._buffers.pop(key, None)
        if buffer is not None:
            self._size_bytes -= buffer.data.nbytes

    def clear(self) -> None:
        """Forget everything."""
        self._buffers.clear()
        self._size_bytes = 0

    def _grow(self, buffer: _Buffer, need_samples: int) -> None:
        room = need_samples if not buffer.length else max(need_samples, int(buffer.length * GROWTH))
        data = np.empty(room, np.float32)
        data[: buffer.length] = buffer.data[: buffer.length]
        self._size_bytes += data.nbytes - buffer.data.nbytes
        buffer.data = data

    def _evict(self, keep: SegmentKey) -> None:
        while self._size_bytes > self._max_bytes:
            oldest = next(iter(self._buffers))
            if oldest == keep:
                return  # the newest alone is above the budget: it is needed now
            self.release(oldest)
