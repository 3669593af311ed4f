"""Metrics of a worker, kept until the next heartbeat carries them to the front end."""

import threading
from collections.abc import Collection

from speech.internal.v1 import worker_pb2 as pb

MAX_OBSERVATIONS = 4096
"""Per metric and heartbeat; more are left out, which a histogram survives."""

Key = tuple[str, tuple[tuple[str, str], ...]]


class BufferingObserver:
    """Implements ``Observer``. Any thread. Metrics named in ``skip`` are left to the front end."""

    def __init__(self, skip: Collection[str] = ()) -> None:
        self._skip = frozenset(skip)
        self._lock = threading.Lock()
        self._counts: dict[Key, float] = {}
        self._gauges: dict[Key, float] = {}
        self._observations: dict[Key, list[float]] = {}

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

    def span(
        self, name: str, start_s: float, end_s: float, parent: str, **attributes: str | int | float
    ) -> str:
        """Ignore: the front end makes the spans of work from its timing."""
        del name, start_s, end_s, parent, attributes
        return ""

    def drain(self) -> list[pb.MetricReport]:
        """Everything since the call before."""
        with self._lock:
            counts, self._counts = self._counts, {}
            gauges, self._gauges = self._gauges, {}
            observations, self._observations = self._observations, {}
        return [
            *(
                pb.MetricReport(name=name, labels=dict(labels), count=value)
                for (name, labels), value in counts.items()
            ),
            *(
                pb.MetricReport(name=name, labels=dict(labels), gauge=value)
                for (name, labels), value in gauges.items()
            ),
            *(
                pb.MetricReport(
                    name=name, labels=dict(labels), observations=pb.Observations(values=values)
                )
                for (name, labels), values in observations.items()
            ),
        ]


def _key(name: str, labels: dict[str, str]) -> Key:
    return name, tuple(sorted(labels.items()))
