"""Percentiles and the spread of a figure."""

import math

import pytest

from benchmarks.stats import Figure, percentile, percentiles


@pytest.mark.parametrize(
    ("percent", "expected"),
    [(0, 1), (1, 1), (10, 1), (11, 2), (50, 5), (95, 10), (99, 10), (100, 10)],
)
def test_nearest_rank(percent: float, expected: float) -> None:
    assert percentile([7, 3, 10, 1, 9, 2, 8, 4, 6, 5], percent) == expected


def test_a_percentile_is_always_a_value_that_was_seen() -> None:
    assert percentile([1.0, 100.0], 50) == 1.0
    assert percentile([1.0, 100.0], 95) == 100.0
    assert percentile([42.0], 99) == 42.0


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(percentile([], 95))
    assert percentiles([])["n"] == 0


def test_figure_has_median_spread_and_verdict() -> None:
    row = Figure("p95", "ms", [300.0, 100.0, 200.0], target=250.0).row()
    assert (row["median"], row["min"], row["max"], row["repeats"]) == (200.0, 100.0, 300.0, 3)
    assert row["met"] is True


@pytest.mark.parametrize(
    ("value", "better", "met"),
    [(4.0, "higher", True), (3.9, "higher", False), (4.1, "lower", False)],
)
def test_a_target_has_a_direction(value: float, better: str, met: bool) -> None:
    assert Figure("ratio", "x", [value], 4.0, better).met is met


def test_a_figure_without_any_value_meets_no_target() -> None:
    figure = Figure("p95", "ms", [math.nan], target=1.0)
    assert math.isnan(figure.median)
    assert figure.met is False
