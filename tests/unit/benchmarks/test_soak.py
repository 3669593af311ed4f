"""What a soak says of its readings."""

import math

import pytest

from benchmarks.soak import slope_per_hour, slowing

HOUR = [60.0 * minute for minute in range(60)]


def test_a_leak_shows_and_a_spike_does_not() -> None:
    leaking = [100 + at / 3600 * 5 for at in HOUR]
    leaking[30] = 900.0
    assert slope_per_hour(HOUR, leaking) == pytest.approx(5.0)


def test_what_is_level_does_not_grow() -> None:
    assert slope_per_hour(HOUR, [100.0 + minute % 2 for minute in range(60)]) == 0.0
    assert slope_per_hour([0.0], [1.0]) == 0.0


def test_slowing_compares_the_last_quarter_with_the_first() -> None:
    lags = [(float(at), 0.1 if at < 50 else 0.3) for at in range(100)]
    assert slowing(lags) == pytest.approx(3.0)
    assert math.isnan(slowing(lags[:4]))
