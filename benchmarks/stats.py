"""Small statistics: percentiles, and the spread of a figure over repeats."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value with at least ``percent`` % of all values at or below it (nearest rank); NaN for none.

    Nearest rank never invents a latency that nobody saw, and its p99 of few samples is their maximum.
    """
    ordered = sorted(values)
    if not ordered:
        return math.nan
    rank = math.ceil(percent / 100 * len(ordered))
    return ordered[min(max(rank, 1), len(ordered)) - 1]


def percentiles(values: Sequence[float]) -> dict[str, float | int]:
    """Count, p50, p95, p99 and maximum, rounded for reading."""
    return {
        "n": len(values),
        "p50": _rounded(percentile(values, 50)),
        "p95": _rounded(percentile(values, 95)),
        "p99": _rounded(percentile(values, 99)),
        "max": _rounded(max(values, default=math.nan)),
    }


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured figure: a value for each repeat, and what it should be."""

    name: str
    unit: str
    values: Sequence[float]
    """One value per repeat; a percentile inside a repeat is one value."""
    target: float | None = None
    better: str = "lower"
    """"lower" or "higher"."""
    note: str = ""

    @property
    def median(self) -> float:
        """Median over the repeats; NaN without any."""
        usable = [value for value in self.values if not math.isnan(value)]
        return median(usable) if usable else math.nan

    @property
    def met(self) -> bool | None:
        """Whether the median meets the target; None without a target."""
        if self.target is None:
            return None
        return self.median <= self.target if self.better == "lower" else self.median >= self.target

    def row(self) -> dict[str, Any]:
        """As it goes into the results file."""
        return {
            "name": self.name,
            "unit": self.unit,
            "median": _rounded(self.median),
            "min": _rounded(min(self.values, default=math.nan)),
            "max": _rounded(max(self.values, default=math.nan)),
            "repeats": len(self.values),
            "values": [_rounded(value) for value in self.values],
            "target": self.target,
            "better": self.better,
            "met": self.met,
            "note": self.note,
        }


def _rounded(value: float) -> float:
    """Five significant digits; JSON has no NaN, so that stays a float for the writer to turn into null."""
    return value if math.isnan(value) or value == 0 else float(f"{value:.5g}")
