"""Counters, gauges and histograms, and their page in the Prometheus text format 0.0.4.

Our own, because ``prometheus_client`` brings the standard library's web server and client, mail parser and more: 4 MB
of a front end that has 60 before its first stream. The format is specified at
https://prometheus.io/docs/instrumenting/exposition_formats/; the tests read the page with that package's parser.
"""

import os
import time
from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Literal

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Declared:
    """A metric: its help, the names of its labels and, of a histogram, the upper bounds of its buckets, rising."""

    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(slots=True)
class _Distribution:
    """One child of a histogram. ``counts``: observations by bucket, those above the last bound at the end."""

    counts: list[int]
    sum: float = 0.0


@dataclass(slots=True)
class _Family:
    name: str
    kind: Literal["counter", "gauge", "histogram"]
    declared: Declared
    values: dict[tuple[str, ...], float] = field(default_factory=dict[tuple[str, ...], float])
    distributions: dict[tuple[str, ...], _Distribution] = field(
        default_factory=dict[tuple[str, ...], _Distribution]
    )

    def key(self, labels: Mapping[str, str]) -> tuple[str, ...]:
        names = self.declared.labels
        if len(labels) != len(names):
            raise KeyError(f"{self.name} has the labels {names}, not {tuple(labels)}")
        return tuple(labels[name] for name in names)

    def new(self) -> _Distribution:
        return _Distribution([0] * (len(self.declared.buckets) + 1))


class Metrics:
    """All metrics of a process. Lanes report from threads of their own: one lock guards the values."""

    def __init__(
        self,
        counters: Mapping[str, Declared],
        gauges: Mapping[str, Declared],
        histograms: Mapping[str, Declared],
    ) -> None:
        """Declare them. Those without labels are on the page from the start."""
        self._lock = Lock()
        self._families: dict[str, _Family] = {}
        self._counters = self._declare("counter", counters)
        self._gauges = self._declare("gauge", gauges)
        self._histograms = self._declare("histogram", histograms)

    def count(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Add to a counter.

        Raises:
            KeyError: no such counter, or other labels than declared.
        """
        family = self._counters[name]
        key = family.key(labels)
        with self._lock:
            family.values[key] = family.values.get(key, 0.0) + value

    def gauge(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Set a gauge.

        Raises:
            KeyError: as :meth:`count`.
        """
        family = self._gauges[name]
        key = family.key(labels)
        with self._lock:
            family.values[key] = value

    def observe(self, name: str, value: float, labels: Mapping[str, str]) -> None:
        """Record one observation.

        Raises:
            KeyError: as :meth:`count`.
        """
        family = self._histograms[name]
        key = family.key(labels)
        bucket = bisect_left(family.declared.buckets, value)
        with self._lock:
            child = family.distributions.get(key)
            if child is None:
                child = family.distributions[key] = family.new()
            child.counts[bucket] += 1
            child.sum += value

    def page(self) -> str:
        """Everything, with what the system tells of this process."""
        with self._lock:
            lines = [line for family in self._families.values() for line in _lines(family)]
        return "\n".join([*lines, *_process_lines()]) + "\n"

    def _declare(
        self, kind: Literal["counter", "gauge", "histogram"], declared: Mapping[str, Declared]
    ) -> Mapping[str, _Family]:
        families = {name: _Family(name, kind, each) for name, each in declared.items()}
        for family in families.values():
            if family.declared.labels:
                continue
            if kind == "histogram":
                family.distributions[()] = family.new()
            else:
                family.values[()] = 0.0
        self._families |= families
        return families


def _lines(family: _Family) -> Iterator[str]:
    name, declared = family.name, family.declared
    yield from _head(name, family.kind, declared.help)
    for key, value in family.values.items():
        yield f"{name}{_labels(declared.labels, key)} {float(value)!r}"
    for key, child in family.distributions.items():
        total = 0
        for bound, count in zip((*declared.buckets, "+Inf"), child.counts, strict=True):
            total += count
            le = bound if isinstance(bound, str) else repr(float(bound))
            labels = _labels((*declared.labels, "le"), (*key, le))
            yield f"{name}_bucket{labels} {float(total)!r}"
        labels = _labels(declared.labels, key)
        yield f"{name}_count{labels} {float(total)!r}"
        yield f"{name}_sum{labels} {float(child.sum)!r}"


def _head(name: str, kind: str, help_: str) -> tuple[str, str]:
    escaped = help_.replace("\\", r"\\").replace("\n", r"\n")
    return f"# HELP {name} {escaped}", f"# TYPE {name} {kind}"


def _labels(names: tuple[str, ...], values: tuple[str, ...]) -> str:
    """``{name="value",…}``, sorted by name."""
    if not names:
        return ""
    pairs = sorted(zip(names, values, strict=True))
    return "{" + ",".join(f'{name}="{_escaped(value)}"' for name, value in pairs) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


# --- the process ---

_STAT = Path("/proc/self/stat")
_START_TICKS, _USER_TICKS, _SYSTEM_TICKS, _VIRTUAL_BYTES, _RESIDENT_PAGES = 19, 11, 12, 20, 21
"""Fields of ``/proc/PID/stat`` (proc_pid_stat(5)) behind the program's name, from zero."""


def _process_lines() -> list[str]:
    """The metrics that every Prometheus client has of its process; none where the system has no ``/proc``."""
    try:
        stat = _STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        open_files = sum(1 for _ in Path("/proc/self/fd").iterdir())
        uptime_s = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    except OSError:
        return []
    ticks = os.sysconf("SC_CLK_TCK")
    started_s = time.time() - uptime_s + int(stat[_START_TICKS]) / ticks
    resident_bytes = int(stat[_RESIDENT_PAGES]) * os.sysconf("SC_PAGE_SIZE")
    cpu_s = (int(stat[_USER_TICKS]) + int(stat[_SYSTEM_TICKS])) / ticks
    told = (
        ("process_cpu_seconds_total", "counter", "User and system CPU time.", cpu_s),
        ("process_resident_memory_bytes", "gauge", "Resident memory.", float(resident_bytes)),
        ("process_virtual_memory_bytes", "gauge", "Virtual memory.", float(stat[_VIRTUAL_BYTES])),
        ("process_start_time_seconds", "gauge", "Start, seconds since the epoch.", started_s),
        ("process_open_fds", "gauge", "Open file descriptors.", float(open_files)),
    )
    return [
        line
        for name, kind, help_, value in told
        for line in (*_head(name, kind, help_), f"{name} {value!r}")
    ]
