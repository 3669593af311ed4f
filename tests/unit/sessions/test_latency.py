"""Latency bookkeeping: time in the queue that is the session's own, nearest-rank percentiles, bounded memory."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.work import WorkTiming
from speech_service.sessions.latency import MAX_LAGS, MAX_SPANS, LatencyMeter


class Session:
    """A meter, and the clock that it reads."""

    def __init__(self, now_s: float = 0.0) -> None:
        self.now_s = now_s
        self.meter = LatencyMeter(lambda: self.now_s)

    def done(
        self, at_s: float, queue_ms: float, encode_ms: float = 0, decode_ms: float = 0
    ) -> None:
        """A piece of work ends at ``at_s``."""
        self.now_s = at_s
        self.meter.work_done(WorkTiming(queue_ms, encode_ms, decode_ms))

    def queue_ms(self) -> float:
        """Time in the queue so far."""
        return self.meter.summary().queue_ms


def test_nothing_happened() -> None:
    session = Session(10.0)
    session.now_s = 12.5
    summary = session.meter.summary()
    assert summary.total_ms == 2500
    assert summary.first_result_ms is summary.lag_p50_ms is summary.lag_p95_ms is None


def test_stages_that_follow_each_other_add_up() -> None:
    session = Session()
    session.done(0.006, 1, 2, 3)
    session.done(0.070, 10, 20, 30)
    summary = session.meter.summary()
    assert (summary.encode_ms, summary.decode_ms) == (22, 33)
    assert summary.queue_ms == pytest.approx(11)
    assert summary.total_ms == pytest.approx(70)


def test_pieces_of_a_file_that_wait_side_by_side_wait_once() -> None:
    """Twenty segments, submitted together to one lane: nine of ten seconds something was being computed."""
    session = Session()
    for segment in range(20):
        session.done(1.0 + (segment + 1) * 0.5, 1000 + segment * 500, 100, 400)
    assert session.queue_ms() == pytest.approx(1000)
    assert session.meter.summary().total_ms == pytest.approx(11_000)


def test_what_waits_while_nothing_is_computed_counts() -> None:
    session = Session()
    session.done(5.0, 3_000, 0, 1_000)  # waits from 1 to 4
    session.done(9.0, 4_500, 0, 1_000)  # waits from 3.5 to 8, and the first is computed from 4 to 5
    assert session.queue_ms() == pytest.approx(3_000 + 3_000)


def test_two_sessions_that_work_as_one_wait_as_one() -> None:
    clock = [0.0]
    heard = LatencyMeter(lambda: clock[0])
    translated = LatencyMeter(lambda: clock[0], heard.work)
    clock[0] = 2.0
    heard.work_done(WorkTiming(queue_ms=1_500, decode_ms=500))
    translated.work_done(WorkTiming(queue_ms=1_500, decode_ms=500))
    assert heard.summary() == translated.summary()
    assert heard.summary().queue_ms == pytest.approx(1_500)
    assert heard.summary().decode_ms == 1_000


_WORK = st.tuples(
    st.floats(0, 60), st.floats(0, 200_000), st.floats(0, 50_000), st.floats(0, 50_000)
)


@given(st.lists(_WORK, max_size=60))
def test_the_queue_is_never_longer_than_the_session(work: list[tuple[float, ...]]) -> None:
    """Whatever the timings say: even those of a clock that goes wrong."""
    session = Session(100.0)
    for passed_s, queue_ms, encode_ms, decode_ms in work:
        session.done(session.now_s + passed_s, queue_ms, encode_ms, decode_ms)
        summary = session.meter.summary()
        assert 0 <= summary.queue_ms <= summary.total_ms + 1e-6


def test_an_endless_session_keeps_counting_in_bounded_memory() -> None:
    session = Session()
    rounds = MAX_SPANS * 2 + 7
    for number in range(rounds):
        session.done(number + 1.0, 250, 0, 250)
    assert session.queue_ms() == pytest.approx(rounds * 250)


def test_the_first_result_counts_from_the_first_speech() -> None:
    session = Session()
    meter = session.meter
    meter.result_sent(1.0)  # no speech yet
    meter.speech_began(2.0)
    meter.speech_began(3.0)
    meter.result_sent(2.5)
    meter.result_sent(9.0)
    assert meter.summary().first_result_ms == 500


@pytest.mark.parametrize(
    ("lags", "p50", "p95"),
    [([7.0], 7, 7), ([1.0, 2.0], 1, 2), ([float(n) for n in range(1, 101)], 50, 95)],
)
def test_percentiles_are_nearest_rank(lags: list[float], p50: float, p95: float) -> None:
    meter = Session().meter
    for lag in reversed(lags):
        meter.final_sent(lag)
    summary = meter.summary()
    assert (summary.lag_p50_ms, summary.lag_p95_ms) == (p50, p95)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=200))
def test_a_percentile_is_a_lag_that_enough_others_do_not_exceed(lags: list[float]) -> None:
    meter = Session().meter
    for lag in lags:
        meter.final_sent(lag)
    summary = meter.summary()
    for share, value in ((0.5, summary.lag_p50_ms), (0.95, summary.lag_p95_ms)):
        assert value in lags
        assert sum(lag <= value for lag in lags) >= math.ceil(share * len(lags))
        assert sum(lag < value for lag in lags) < math.ceil(share * len(lags))


def test_an_endless_session_keeps_its_latest_lags() -> None:
    meter = Session().meter
    for _ in range(MAX_LAGS):
        meter.final_sent(1.0)
    for _ in range(MAX_LAGS):
        meter.final_sent(9.0)
    assert meter.summary().lag_p50_ms == 9
