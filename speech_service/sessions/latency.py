"""Latency bookkeeping of one session."""

import math
from collections.abc import Sequence
from dataclasses import replace

from speech_service.domain.events import LatencySummary
from speech_service.domain.work import WorkTiming

MAX_LAGS = 4096


class LatencyMeter:
    """Adds up the stages of a session's work and keeps the lag of its latest finals."""

    def __init__(self, started_s: float) -> None:
        self._started_s = started_s
        self._queue_ms = 0.0
        self._encode_ms = 0.0
        self._decode_ms = 0.0
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
        """Add one work item's stages."""
        self._queue_ms += timing.queue_ms
        self._encode_ms += timing.encode_ms
        self._decode_ms += timing.decode_ms

    def final_sent(self, lag_ms: float) -> None:
        """A FINAL goes out ``lag_ms`` after its last audio arrived."""
        self._lags_ms.append(lag_ms)
        if len(self._lags_ms) > MAX_LAGS:
            del self._lags_ms[: MAX_LAGS // 2]

    def summary(self, now_s: float) -> LatencySummary:
        """Everything so far."""
        return LatencySummary(
            queue_ms=self._queue_ms,
            encode_ms=self._encode_ms,
            decode_ms=self._decode_ms,
            total_ms=(now_s - self._started_s) * 1000,
            first_result_ms=self._first_result_ms,
            lag_p50_ms=_percentile(self._lags_ms, 0.5),
            lag_p95_ms=_percentile(self._lags_ms, 0.95),
        )


def together(first: LatencySummary, second: LatencySummary) -> LatencySummary:
    """Of a session that hands its results to another: the work of both, the whole time of the ``second``."""
    return replace(
        first,
        queue_ms=first.queue_ms + second.queue_ms,
        encode_ms=first.encode_ms + second.encode_ms,
        decode_ms=first.decode_ms + second.decode_ms,
        total_ms=second.total_ms,
    )


def _percentile(values: Sequence[float], share: float) -> float | None:
    """Nearest-rank percentile; None of nothing."""
    if not values:
        return None
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]
