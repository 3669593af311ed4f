"""BACKGROUND work gives way to live work on a sister lane, for a time; seen at the pool, without a clock."""

import threading

import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.pool import Seat, WorkPool
from speech_service.domain.work import DropReason, WorkClass, WorkDropped
from speech_service.protocols import NullObserver
from tests.unit.dispatch.builders import MODEL, make_work

LONG_S = 600.0


class Yielding:
    """A lane that gives way on a thread of its own."""

    def __init__(self, pool: WorkPool, seats_guest: bool = True) -> None:
        self._answer: list[bool] = []
        self.seat = Seat(MODEL)
        self._thread = threading.Thread(
            target=lambda: self._answer.append(pool.give_way(self.seat, LONG_S, seats_guest))
        )
        self._thread.start()

    def answer(self) -> bool:
        self._thread.join(LONG_S)
        return self._answer[0]

    def is_waiting(self) -> bool:
        return self._thread.is_alive()


@pytest.fixture
def pool() -> WorkPool:
    return WorkPool(SchedulerConfig(), NullObserver(), lambda _: None)


def run(pool: WorkPool, name: str, work_class: WorkClass) -> None:
    pool.put(make_work(name, work_class))
    assert pool.take(Seat(MODEL), 1)


@pytest.mark.parametrize("live", [WorkClass.STREAM_FINAL, WorkClass.STREAM_PARTIAL])
def test_it_waits_until_the_live_work_elsewhere_has_ended(pool: WorkPool, live: WorkClass) -> None:
    run(pool, "live", live)
    run(pool, "other", live)
    lane = Yielding(pool)
    pool.tell([WorkDropped("live", DropReason.CANCELLED)])
    assert lane.is_waiting()
    pool.tell([WorkDropped("other", DropReason.CANCELLED)])
    assert not lane.answer()


@pytest.mark.parametrize("work_class", [WorkClass.UNARY, WorkClass.BACKGROUND])
def test_other_work_elsewhere_is_no_reason(pool: WorkPool, work_class: WorkClass) -> None:
    run(pool, "other", work_class)
    assert not Yielding(pool).answer()


def test_live_work_that_comes_is_told_to_a_lane_with_a_seat(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_FINAL)
    lane = Yielding(pool)
    pool.put(make_work("next", WorkClass.STREAM_PARTIAL))
    assert lane.answer()


def test_a_lane_without_a_seat_waits_on(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_FINAL)
    lane = Yielding(pool, seats_guest=False)
    pool.put(make_work("next", WorkClass.STREAM_FINAL))
    assert lane.is_waiting()
    pool.tell([WorkDropped("live", DropReason.CANCELLED)])
    assert not lane.answer()


def test_it_waits_no_longer_than_its_limit(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_FINAL)
    assert not pool.give_way(Seat(MODEL), 0.0, seats_guest=True)


def test_a_lane_that_is_told_to_stop_goes_on_at_once(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_FINAL)
    lane = Yielding(pool)
    pool.stop(lane.seat, discard=True)
    assert not lane.answer()
