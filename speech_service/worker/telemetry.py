"""Metrics of a worker, kept until the next heartbeat carries them to the front end."""

import threading
from collections.abc import Collection

from speech_service.dispatch.workers.messages import MetricKey, WorkerMetrics

MAX_OBSERVATIONS = 4096
"""Per metric and heartbeat; more are left out, which a histogram survives."""


class BufferingObserver:
    """Implements ``Observer``. Any thread. Metrics named in ``skip`` are left to the front end."""

    def __init__(self, skip: Collection[str] = ()) -> None:
        self._skip = frozenset(skip)
        self._lock = threading.Lock()
        self._counts: dict[MetricKey, float] = {}
        self._gauges: dict[MetricKey, float] = {}
        self._observations: dict[MetricKey, list[float]] = {}

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add to a counter."""
        if name not in self._skip:
            key = _key(name, labels)
            with self._lock:
                self._counts[key] = self._counts.get(key, 0.0) + value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Record one observation of a histogram."""
        if name not in self._skip:
            with self._lock:
                values = self._observations.setdefault(_key(name, labels), [])
                if len(values) < MAX_OBSERVATIONS:
                    values.append(value)

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Set a gauge."""
        if name not in self._skip:
            with self._lock:
                self._gauges[_key(name, labels)] = value

    def drain(self) -> WorkerMetrics:
        """Everything since the call before."""
        with self._lock:
            drained = WorkerMetrics(self._counts, self._gauges, self._observations)
            self._counts, self._gauges, self._observations = {}, {}, {}
        return drained


def _key(name: str, labels: dict[str, str]) -> MetricKey:
    return name, tuple(sorted(labels.items()))
