"""What the encoder has settled of open segments, for the lanes of a process together. It may be lost at any time."""

import threading
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.work import SegmentKey
from speech_service.engines.moonshine.growing import NOTHING_SETTLED, SettledStates

MAX_BYTES = 128_000_000
"""About 200 s of open segments; the longest unused goes first, and is computed again when it is asked for."""
_CHECKED_SAMPLES = 1024


@dataclass(frozen=True, slots=True)
class _Entry:
    settled: SettledStates
    end: int
    """Samples of the segment that it came from."""
    last: Samples
    """The last of them, to notice audio that does not go on from them."""


class SettledAudio:
    """By segment. May be used from any thread."""

    def __init__(self, max_bytes: int = MAX_BYTES) -> None:
        self._max_bytes = max_bytes
        self._bytes = 0
        self._entries: OrderedDict[SegmentKey, _Entry] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: SegmentKey, samples: Samples) -> SettledStates:
        """What is settled of a segment whose audio is now ``samples``, float32 [n]; nothing where that is not known."""
        with self._lock:
            entry = self._entries.get(key)
        if entry is None or len(samples) < entry.end:
            return NOTHING_SETTLED
        same = np.array_equal(samples[entry.end - len(entry.last) : entry.end], entry.last)
        return entry.settled if same else NOTHING_SETTLED

    def put(self, key: SegmentKey, samples: Samples, settled: SettledStates) -> None:
        """Keep what is settled of ``samples``."""
        entry = _Entry(settled, len(samples), samples[-_CHECKED_SAMPLES:].copy())
        with self._lock:
            self._remove(key)
            self._entries[key] = entry
            self._bytes += settled.nbytes
            while self._bytes > self._max_bytes:
                self._remove(next(iter(self._entries)))

    def drop(self, key: SegmentKey) -> None:
        """Forget a segment."""
        with self._lock:
            self._remove(key)

    def _remove(self, key: SegmentKey) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= entry.settled.nbytes
