"""The estimate of what a worker can do: what it is to learn, and what must not fool it."""

from collections.abc import Iterator
from itertools import count

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.dispatch.capacity import MeasuredCapacity
from speech_service.dispatch.device import LanePlan
from speech_service.domain.errors import InternalError
from speech_service.domain.models import ModelKind
from speech_service.domain.synthesis import SpeechFinish
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SpeechMade,
    SynthesizeWork,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)

KINDS = {
    "ear": ModelKind.RECOGNIZER,
    "mouth": ModelKind.SYNTHESIZER,
    "gpu": ModelKind.RECOGNIZER,
    "gpus": ModelKind.RECOGNIZER,
}
LANES = {
    "ear": [LanePlan(2)],
    "mouth": [LanePlan(2)],
    "gpu": [LanePlan(1, "cuda:0")],
    "gpus": [LanePlan(1, "cuda:0"), LanePlan(1, "cuda:1")],
}


class Clock:
    """Seconds that a test sets."""

    def __init__(self) -> None:
        self.now_s = 1000.0

    def __call__(self) -> float:
        return self.now_s


class Rig:
    """A capacity, and streams that speak to it. ``final`` and ``partial``: lane seconds per second of audio."""

    def __init__(self, final: float = 0.05, partial: float = 0.05) -> None:
        self.clock = Clock()
        self.capacity = MeasuredCapacity(KINDS, LANES, self.clock)
        self.final, self.partial = final, partial
        self._ids: Iterator[int] = count()

    def work(
        self,
        kind: RecognizeKind,
        seconds: float,
        segment: int,
        work_class: WorkClass | None = None,
        model: str = "ear",
    ) -> RecognizeWork:
        """Work of stream "s"."""
        live = {
            RecognizeKind.PARTIAL: WorkClass.STREAM_PARTIAL,
            RecognizeKind.FINAL: WorkClass.STREAM_FINAL,
            RecognizeKind.CHECK: WorkClass.STREAM_FINAL,
        }
        return RecognizeWork(
            work_id=f"w{next(self._ids)}",
            segment=SegmentKey("s", 0, segment),
            kind=kind,
            work_class=live[kind] if work_class is None else work_class,
            samples=np.zeros(round(seconds * 16_000), np.float32),
            model=model,
        )

    def do(self, work: RecognizeWork, event: WorkEvent | None = None) -> None:
        """The work is asked for, and done at our pace unless something else happened to it."""
        pace = self.final if work.kind is RecognizeKind.FINAL else self.partial
        lane_ms = pace * work.cost_ms
        done = WorkDone(work.work_id, Hypothesis("x"), WorkTiming(lane_ms=lane_ms))
        self.capacity.submitted(work)
        self.capacity.happened(work, event or done)

    def segment(self, number: int, *, drop: int = 0, model: str = "ear") -> None:
        """Four seconds of speech, a partial every half second. ``drop``: so many of them are superseded."""
        for step in range(1, 8):
            work = self.work(RecognizeKind.PARTIAL, step / 2, number, model=model)
            dropped = WorkDropped(work.work_id, DropReason.SUPERSEDED)
            self.do(work, dropped if step <= drop else None)
        self.do(self.work(RecognizeKind.FINAL, 4.0, number, model=model))

    @property
    def now(self) -> float:
        """What the recognizer can do."""
        return self.capacity.live_capacity("ear")


def true_capacity(final: float, partial: float, lanes: int = 2) -> float:
    """Of segments as the rig makes them: 14 s of partials and 4 s of FINAL for 4 s of speech."""
    return lanes * 4.0 / (final * 4.0 + partial * 14.0)


def test_before_anything_is_known_lanes_and_devices_decide() -> None:
    rig = Rig()
    assert rig.now == pytest.approx(16)
    assert rig.capacity.live_capacity("mouth") == pytest.approx(40)
    assert rig.capacity.live_capacity("gpu") == pytest.approx(48)
    assert rig.capacity.live_capacity("gpus") == pytest.approx(96)
    assert rig.capacity.live_capacity("nobody") == 0
    assert rig.capacity.device("gpus") == "cuda:0+cuda:1"
    assert [rig.capacity.device(m) for m in ("ear", "mouth", "gpu")] == ["cpu", "cpu", "cuda:0"]


@pytest.mark.parametrize("pace", [0.001, 0.02, 0.1, 0.5, 3.0], ids=str)
def test_it_learns_what_the_work_costs(pace: float) -> None:
    rig = Rig(final=pace, partial=pace / 2)
    for number in range(100):
        rig.segment(number)
    assert rig.now == pytest.approx(true_capacity(pace, pace / 2), rel=0.15)


def test_it_follows_a_machine_that_becomes_slow_and_fast_again() -> None:
    rig = Rig()
    for number in range(40):
        rig.segment(number)
    fast = rig.now
    rig.final = rig.partial = 0.5
    for number in range(40, 100):
        rig.segment(number)
    assert rig.now == pytest.approx(fast / 10, rel=0.15)
    rig.final = rig.partial = 0.05
    for number in range(100, 200):
        rig.segment(number)
    assert rig.now == pytest.approx(fast, rel=0.2)


def test_partials_that_are_dropped_do_not_make_it_look_fast() -> None:
    rig = Rig()
    for number in range(40):
        rig.segment(number)
    whole = rig.now
    for number in range(40, 120):
        rig.segment(number, drop=5)
    assert rig.now == pytest.approx(whole, rel=0.1)


def test_one_slow_piece_is_no_news() -> None:
    rig = Rig()
    for number in range(40):
        rig.segment(number)
    before = rig.now
    work = rig.work(RecognizeKind.FINAL, 4.0, 40)
    rig.do(work, WorkDone(work.work_id, Hypothesis("x"), WorkTiming(lane_ms=120_000)))
    assert rig.now > 0.8 * before


def test_loading_and_waiting_cost_nothing() -> None:
    """Only the lane's own time counts, not how long an outcome was under way."""
    one, other = Rig(), Rig()
    for number in range(10):
        one.segment(number)
        other.segment(number)
        other.clock.now_s += 0.5
    assert other.now == pytest.approx(one.now, rel=0.1)


def test_silence_proves_nothing() -> None:
    """Streams that are silent send no work; those that check a context, work that hears nothing."""
    rig = Rig()
    before = rig.now
    for number in range(500):
        rig.do(rig.work(RecognizeKind.CHECK, 0.0, number))
        rig.do(rig.work(RecognizeKind.FINAL, 0.0, number))
    assert rig.now == before


def test_background_work_teaches_nothing_for_its_lane_may_have_paused_it() -> None:
    rig = Rig(final=5.0)
    before = rig.now
    for number in range(50):
        rig.do(rig.work(RecognizeKind.FINAL, 4.0, number, WorkClass.BACKGROUND))
    assert rig.now == before


def test_unary_work_teaches_what_decoding_costs() -> None:
    rig = Rig(final=0.5)
    before = rig.now
    for number in range(50):
        rig.do(rig.work(RecognizeKind.FINAL, 4.0, number, WorkClass.UNARY))
    assert rig.now < before / 2


def test_work_that_fails_costs_and_proves_nothing() -> None:
    rig = Rig()
    for number in range(40):
        rig.segment(number)
    before = rig.now
    for number in range(40, 60):
        work = rig.work(RecognizeKind.FINAL, 4.0, number)
        rig.do(work, WorkFailed(work.work_id, InternalError("no")))
    assert before * 0.5 < rig.now < before * 3


def test_an_idle_service_slowly_forgets() -> None:
    rig = Rig(final=0.5, partial=0.5)
    for number in range(60):
        rig.segment(number)
    slow = rig.now
    rig.clock.now_s += 60
    assert rig.now < 2 * slow
    rig.clock.now_s += 24 * 3600
    assert rig.now == pytest.approx(16, rel=0.01)


@pytest.mark.parametrize("leap_s", [-1e6, -1.0, 0.0], ids=str)
def test_a_clock_that_goes_back_unlearns_nothing(leap_s: float) -> None:
    rig = Rig(final=0.5, partial=0.5)
    for number in range(60):
        rig.segment(number)
    slow = rig.now
    rig.clock.now_s += leap_s
    assert rig.now == pytest.approx(slow)


def test_models_learn_apart() -> None:
    rig = Rig(final=2.0, partial=2.0)
    other = rig.capacity.live_capacity("gpu")
    for number in range(30):
        rig.segment(number)
    assert rig.capacity.live_capacity("gpu") == other
    assert rig.now < 1


def test_speech_is_measured_by_what_was_heard() -> None:
    """Half a second of a lane for ten seconds of speech, whatever the text promised."""
    rig = Rig()
    for number in range(40):
        work = SynthesizeWork(
            work_id=f"t{number}",
            stream_id="t",
            work_class=WorkClass.STREAM_FINAL,
            model="mouth",
            text="One, two, three, four.",
            voice="v",
        )
        rig.capacity.submitted(work)
        for _ in range(2):
            samples = np.zeros(5 * 24_000, np.float32)
            rig.capacity.happened(work, WorkAudio(work.work_id, samples, 24_000))
        made = SpeechMade(24_000, finish=SpeechFinish.COMPLETE)
        rig.capacity.happened(work, WorkDone(work.work_id, made, WorkTiming(lane_ms=500)))
    assert rig.capacity.live_capacity("mouth") == pytest.approx(2 / 0.05, rel=0.1)


@given(
    st.lists(
        st.tuples(
            st.sampled_from(RecognizeKind),
            st.floats(0, 30),
            st.floats(0, 1e6),
            st.floats(-100, 1e5),
            st.sampled_from(WorkClass),
        ),
        max_size=60,
    )
)
def test_whatever_happens_it_is_a_number_above_zero(
    pieces: list[tuple[RecognizeKind, float, float, float, WorkClass]],
) -> None:
    rig = Rig()
    for number, (kind, seconds, lane_ms, passed_s, work_class) in enumerate(pieces):
        work = rig.work(kind, seconds, number % 3, work_class)
        rig.do(work, WorkDone(work.work_id, Hypothesis("x"), WorkTiming(lane_ms=lane_ms)))
        rig.clock.now_s += passed_s
        assert 0 < rig.now < 1e12
