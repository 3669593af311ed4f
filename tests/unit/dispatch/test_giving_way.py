"""BACKGROUND work gives way to live work on a sister lane, and speech that is ahead to live work of any model, for a
time; seen at the pool, without a clock.
"""

import threading
from collections.abc import Sequence

import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.engine_run import EngineRun
from speech_service.dispatch.policy import LIVE_CLASSES
from speech_service.dispatch.pool import Seat, WorkPool
from speech_service.domain.work import DropReason, SynthesizeWork, WorkClass, WorkDropped
from speech_service.protocols import NullObserver
from tests.unit.dispatch.builders import MODEL, ScriptedEngine, make_work

LONG_S = 600.0
FINAL = WorkClass.STREAM_FINAL


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


# --- speech that is ahead of its listener ---


class Listening:
    """A lane that lets others listen, on a thread of its own."""

    def __init__(
        self,
        pool: WorkPool,
        limit_s: float = LONG_S,
        classes: Sequence[WorkClass] = LIVE_CLASSES,
    ) -> None:
        self.seat = Seat("voice")
        arguments = (self.seat, limit_s, classes)
        self._thread = threading.Thread(target=pool.let_listen, args=arguments)
        self._thread.start()

    def is_waiting(self) -> bool:
        return self._thread.is_alive()

    def goes_on(self) -> bool:
        self._thread.join(LONG_S)
        return not self._thread.is_alive()


def speech_work(work_id: str, ahead_ms: int = 0, work_class: WorkClass = FINAL) -> SynthesizeWork:
    return SynthesizeWork(
        work_id=work_id,
        stream_id=work_id,
        work_class=work_class,
        model="voice",
        text="Hello.",
        voice="v",
        ahead_ms=ahead_ms,
    )


@pytest.mark.parametrize("live", [WorkClass.STREAM_FINAL, WorkClass.STREAM_PARTIAL])
def test_speech_waits_until_another_model_has_heard(pool: WorkPool, live: WorkClass) -> None:
    run(pool, "live", live)
    lane = Listening(pool)
    assert lane.is_waiting()
    pool.tell([WorkDropped("live", DropReason.CANCELLED)])
    assert lane.goes_on()


@pytest.mark.parametrize("work_class", [WorkClass.UNARY, WorkClass.BACKGROUND])
def test_speech_does_not_wait_for_work_that_is_not_live(
    pool: WorkPool, work_class: WorkClass
) -> None:
    run(pool, "other", work_class)
    assert Listening(pool).goes_on()


def test_urgent_speech_waits_for_finals_alone(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_PARTIAL)
    assert Listening(pool, classes=(FINAL,)).goes_on()
    run(pool, "final", FINAL)
    assert Listening(pool, classes=(FINAL,), limit_s=0.01).goes_on()
    lane = Listening(pool, classes=(FINAL,))
    assert lane.is_waiting()
    pool.tell([WorkDropped("final", DropReason.CANCELLED)])
    assert lane.goes_on()


def test_speech_does_not_wait_for_other_speech(pool: WorkPool) -> None:
    pool.put(speech_work("other"))
    assert pool.take(Seat("voice"), 1)
    assert Listening(pool).goes_on()


def test_speech_does_not_wait_for_an_accelerator(pool: WorkPool) -> None:
    pool.put(make_work("live", WorkClass.STREAM_FINAL))
    assert pool.take(Seat(MODEL, on_cores=False), 1)
    assert Listening(pool).goes_on()


def test_speech_waits_no_longer_than_its_limit(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_FINAL)
    assert Listening(pool, limit_s=0.01).goes_on()


def test_a_speaking_lane_that_is_told_to_stop_goes_on_at_once(pool: WorkPool) -> None:
    run(pool, "live", WorkClass.STREAM_FINAL)
    lane = Listening(pool)
    pool.stop(lane.seat, discard=True)
    assert lane.goes_on()


class AskedPool(WorkPool):
    """Notes how long lanes would let others listen, and which."""

    def __init__(self) -> None:
        super().__init__(SchedulerConfig(), NullObserver(), lambda _: None)
        self.asked: list[tuple[float, Sequence[WorkClass]]] = []

    def let_listen(self, seat: Seat, limit_s: float, classes: Sequence[WorkClass]) -> None:
        self.asked.append((limit_s, classes))


def asked_by(
    ahead_ms: int, work_class: WorkClass = FINAL, *, on_cores: bool = True
) -> list[tuple[float, Sequence[WorkClass]]]:
    """What a lane asks for before its second step of a piece of speech."""
    pool, engine = AskedPool(), ScriptedEngine(steps=3, step_s=0.02)
    run_ = EngineRun("lane", "voice", engine.capabilities, pool, NullObserver(), on_cores=on_cores)
    pool.put(speech_work("speech", ahead_ms, work_class))
    run_.admit(engine)
    run_.step(engine)
    assert not run_.gives_way()
    return pool.asked


@pytest.mark.parametrize("ahead_ms", [0, 500], ids=["first", "low"])
def test_speech_that_is_needed_waits_a_few_of_its_steps_for_finals(ahead_ms: int) -> None:
    ((limit_s, classes),) = asked_by(ahead_ms)
    assert limit_s >= 4 * 0.02
    assert tuple(classes) == (FINAL,)


def test_speech_that_is_ahead_waits_for_all_live_work_but_always_moves() -> None:
    ((limit_s, classes),) = asked_by(600_000)
    assert limit_s == 1.0
    assert tuple(classes) == LIVE_CLASSES


def test_neither_an_accelerator_nor_a_unary_call_waits() -> None:
    assert not asked_by(600_000, on_cores=False)
    assert not asked_by(600_000, WorkClass.UNARY)
