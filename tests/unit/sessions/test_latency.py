"""Latency bookkeeping: sums, nearest-rank percentiles, bounded memory."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.work import WorkTiming
from speech_service.sessions.latency import MAX_LAGS, LatencyMeter


def test_nothing_happened() -> None:
    summary = LatencyMeter(10.0).summary(12.5)
    assert summary.total_ms == 2500
    assert summary.first_result_ms is summary.lag_p50_ms is summary.lag_p95_ms is None


def test_stages_add_up() -> None:
    meter = LatencyMeter(0.0)
    meter.work_done(WorkTiming(queue_ms=1, encode_ms=2, decode_ms=3))
    meter.work_done(WorkTiming(queue_ms=10, encode_ms=20, decode_ms=30))
    summary = meter.summary(0.0)
    assert (summary.queue_ms, summary.encode_ms, summary.decode_ms) == (11, 22, 33)


def test_the_first_result_counts_from_the_first_speech() -> None:
    meter = LatencyMeter(0.0)
    meter.result_sent(1.0)  # no speech yet
    meter.speech_began(2.0)
    meter.speech_began(3.0)
    meter.result_sent(2.5)
    meter.result_sent(9.0)
    assert meter.summary(9.0).first_result_ms == 500


@pytest.mark.parametrize(
    ("lags", "p50", "p95"),
    [([7.0], 7, 7), ([1.0, 2.0], 1, 2), ([float(n) for n in range(1, 101)], 50, 95)],
)
def test_percentiles_are_nearest_rank(lags: list[float], p50: float, p95: float) -> None:
    meter = LatencyMeter(0.0)
    for lag in reversed(lags):
        meter.final_sent(lag)
    summary = meter.summary(0.0)
    assert (summary.lag_p50_ms, summary.lag_p95_ms) == (p50, p95)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_a_percentile_is_a_lag_that_enough_others_do_not_exceed(lags: list[float]) -> None:
    meter = LatencyMeter(0.0)
    for lag in lags:
        meter.final_sent(lag)
    summary = meter.summary(0.0)
    for share, value in ((0.5, summary.lag_p50_ms), (0.95, summary.lag_p95_ms)):
        assert value in lags
        assert sum(lag <= value for lag in lags) >= math.ceil(share * len(lags))
        assert sum(lag < value for lag in lags) < math.ceil(share * len(lags))


def test_an_endless_session_keeps_its_latest_lags() -> None:
    meter = LatencyMeter(0.0)
    for _ in range(MAX_LAGS):
        meter.final_sent(1.0)
    for _ in range(MAX_LAGS):
        meter.final_sent(9.0)
    assert meter.summary(0.0).lag_p50_ms == 9
