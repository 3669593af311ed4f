"""When live streams count as late: by several FINALs of late, those that are still awaited among them."""

import numpy as np
import pytest

from speech_service.calls.live_lag import LiveLag
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkTiming,
)


class Rig:
    """A lag of 3 s at most, and a clock to move."""

    def __init__(self, bound_s: float = 3.0) -> None:
        self.now_s = 50.0
        self.lag = LiveLag(bound_s, lambda: self.now_s)
        self._count = 0

    def begin(
        self,
        kind: RecognizeKind = RecognizeKind.FINAL,
        work_class: WorkClass = WorkClass.STREAM_FINAL,
    ) -> RecognizeWork:
        """Ask for work."""
        self._count += 1
        name = f"w{self._count}"
        samples = np.zeros(16, np.float32)
        work = RecognizeWork(name, SegmentKey(name, 0, 0), kind, work_class, samples, "ear")
        self.lag.submitted(work)
        return work

    def end(self, work: RecognizeWork) -> None:
        """It is done."""
        self.lag.happened(work, WorkDone(work.work_id, Hypothesis("x"), WorkTiming()))

    def finals(self, count: int, lag_s: float) -> None:
        """So many at once, each this late."""
        works = [self.begin() for _ in range(count)]
        self.now_s += lag_s
        for work in works:
            self.end(work)


def test_nothing_seen_is_in_time() -> None:
    assert not Rig().lag.is_late


def test_several_late_finals_are_late_and_one_is_not() -> None:
    rig = Rig()
    rig.finals(1, 8.0)
    assert not rig.lag.is_late
    rig.finals(2, 4.0)
    assert rig.lag.is_late


def test_five_in_a_hundred_may_be_late() -> None:
    rig = Rig()
    rig.finals(100, 0.1)
    rig.finals(5, 3.5)
    assert not rig.lag.is_late
    rig.finals(3, 3.5)
    assert rig.lag.is_late


def test_what_is_awaited_is_late_before_it_comes() -> None:
    rig = Rig()
    for _ in range(3):
        rig.begin()
    rig.now_s += 2.9
    assert not rig.lag.is_late
    rig.now_s += 0.2
    assert rig.lag.is_late


def test_late_is_over_only_well_below_the_bound() -> None:
    rig = Rig()
    rig.finals(4, 3.5)
    assert rig.lag.is_late
    rig.now_s += 19
    rig.finals(100, 2.5)
    assert rig.lag.is_late, "2.5 s is below 3 s, and not below 0.7 of it"
    rig.now_s += 21
    rig.finals(300, 1.0)
    assert not rig.lag.is_late
    rig.now_s += 21
    rig.finals(300, 2.5)
    assert not rig.lag.is_late


def test_lag_is_forgotten_when_nobody_speaks() -> None:
    rig = Rig()
    rig.finals(10, 9.0)
    assert rig.lag.is_late
    rig.now_s += 21
    assert not rig.lag.is_late


@pytest.mark.parametrize(
    ("kind", "work_class"),
    [
        (RecognizeKind.PARTIAL, WorkClass.STREAM_PARTIAL),
        (RecognizeKind.FINAL, WorkClass.BACKGROUND),
        (RecognizeKind.FINAL, WorkClass.UNARY),
    ],
    ids=["partial", "file", "unary"],
)
def test_only_finals_of_live_streams_count(kind: RecognizeKind, work_class: WorkClass) -> None:
    rig = Rig()
    for _ in range(20):
        rig.begin(kind, work_class)
    rig.now_s += 60
    assert not rig.lag.is_late


def test_work_that_was_given_up_was_not_late() -> None:
    rig = Rig()
    works = [rig.begin() for _ in range(20)]
    rig.now_s += 60
    for work in works:
        rig.lag.happened(work, WorkDropped(work.work_id, DropReason.CANCELLED))
    assert not rig.lag.is_late


def test_without_a_bound_nothing_is_late() -> None:
    rig = Rig(bound_s=0.0)
    rig.finals(50, 600.0)
    assert not rig.lag.is_late


def test_a_clock_that_steps_back_makes_nothing_late() -> None:
    rig = Rig()
    works = [rig.begin() for _ in range(20)]
    rig.now_s -= 1000
    for work in works:
        rig.end(work)
    assert not rig.lag.is_late
