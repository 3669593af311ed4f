"""Latency bookkeeping of one session."""

import math
from collections.abc import Callable, Iterable, Sequence

from speech_service.domain.events import LatencySummary
from speech_service.domain.work import WorkTiming

MAX_LAGS = 4096
MAX_SPANS = 64

_Span = tuple[float, float]
"""Beginning and end, in seconds of the session's clock."""


class WorkTimes:
    """Adds up where the time of a session's work went.

    Encoder and decoder time is the device's, summed: pieces of work that are computed side by side count each. The time
    in the queue is the session's own: pieces that wait together wait once, and a session of which something is being
    computed does not wait. So it is never longer than the session.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since_s = clock()
        """Time before it is settled, or was before the session."""
        self._settled_s = 0.0
        self._waits: list[_Span] = []
        self._computations: list[_Span] = []
        self.encode_ms = 0.0
        self.decode_ms = 0.0

    @property
    def queue_ms(self) -> float:
        """Time in which work waited and none was being computed."""
        return (self._settled_s + self._unsettled_s()) * 1000

    def add(self, timing: WorkTiming) -> None:
        """A piece of work is done now: it waited, then it was computed."""
        self.encode_ms += timing.encode_ms
        self.decode_ms += timing.decode_ms
        end_s = self._clock()
        start_s = end_s - (timing.encode_ms + timing.decode_ms) / 1000
        self._waits.append(self._clipped(start_s - timing.queue_ms / 1000, start_s))
        self._computations.append(self._clipped(start_s, end_s))
        if (
            len(self._waits) >= MAX_SPANS
        ):  # an endless session; what waits across this moment loses a little
            self._settled_s += self._unsettled_s()
            self._since_s = end_s
            self._waits.clear()
            self._computations.clear()

    def _unsettled_s(self) -> float:
        computed_s = _covered_s(self._computations)
        return max(0.0, _covered_s([*self._waits, *self._computations]) - computed_s)

    def _clipped(self, start_s: float, end_s: float) -> _Span:
        return max(start_s, self._since_s), max(end_s, self._since_s)


class LatencyMeter:
    """Adds up the stages of a session's work and keeps the lag of its latest finals."""

    def __init__(self, clock: Callable[[], float], work: WorkTimes | None = None) -> None:
        """``clock``: seconds. ``work``: of a session that works for this one, when both are to be seen as one."""
        self._clock = clock
        self._started_s = clock()
        self.work = work or WorkTimes(clock)
        self._first_speech_s: float | None = None
        self._first_result_ms: float | None = None
        self._lags_ms: list[float] = []

    def speech_began(self, now_s: float) -> None:
        """The first speech was seen; later calls change nothing."""
        if self._first_speech_s is None:
            self._first_speech_s = now_s

    def result_sent(self, now_s: float) -> None:
        """A result with text goes out."""
        if self._first_result_ms is None and self._first_speech_s is not None:
            self._first_result_ms = (now_s - self._first_speech_s) * 1000

    def work_done(self, timing: WorkTiming) -> None:
        """Add the stages of a piece of work that is done now."""
        self.work.add(timing)

    def final_sent(self, lag_ms: float) -> None:
        """A FINAL goes out ``lag_ms`` after its last audio arrived."""
        self._lags_ms.append(lag_ms)
        if len(self._lags_ms) > MAX_LAGS:
            del self._lags_ms[: MAX_LAGS // 2]

    def summary(self) -> LatencySummary:
        """Everything so far."""
        return LatencySummary(
            queue_ms=self.work.queue_ms,
            encode_ms=self.work.encode_ms,
            decode_ms=self.work.decode_ms,
            total_ms=(self._clock() - self._started_s) * 1000,
            first_result_ms=self._first_result_ms,
            lag_p50_ms=_percentile(self._lags_ms, 0.5),
            lag_p95_ms=_percentile(self._lags_ms, 0.95),
        )


def _covered_s(spans: Iterable[_Span]) -> float:
    """How much time lies in at least one of them."""
    total_s, reached_s = 0.0, -math.inf
    for start_s, end_s in sorted(spans):
        total_s += max(0.0, end_s - max(start_s, reached_s))
        reached_s = max(reached_s, end_s)
    return total_s


def _percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
