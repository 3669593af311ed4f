"""What live streams ask for, and who is let in."""

import itertools
import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.calls.admission import Admission, LiveGate
from speech_service.calls.live_lag import LiveLag
from speech_service.calls.live_load import LiveAsk, LiveLoad
from speech_service.config.tree import ServerConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import OverloadedError
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    WorkAudio,
    WorkClass,
)
from tests.unit.calls.counts import Counts

EAR, MOUTH, FAR = LiveAsk("ear"), LiveAsk("mouth", channels=0), LiveAsk("far")


class Fixed:
    """Capacities that a test sets; "far" is on a device of its own."""

    def __init__(self, **capacities: float) -> None:
        self.capacities = {"ear": 10.0, "mouth": 10.0, "far": 10.0, **capacities}

    def live_capacity(self, model: str) -> float:
        return self.capacities[model]

    def device(self, model: str) -> str:
        return "cuda:0" if model == "far" else "cpu"


class Door:
    """A door before devices of a fixed capacity."""

    def __init__(self, headroom: float = 0.8, **capacities: float) -> None:
        self.now_s = 100.0
        self.counts = Counts()
        self.fixed = Fixed(**capacities)
        self.load = LiveLoad(self.fixed, headroom, lambda: self.now_s, self.counts)
        self.lag = LiveLag(3.0, lambda: self.now_s)
        gate = LiveGate(self.load, self.lag)
        self.admission = Admission(ServerConfig(), self.counts, gate)
        self._numbers = itertools.count()

    def enter(self, *asks: LiveAsk, priority: str = "default") -> Call:
        """A stream comes."""
        call = make_call(f"s{next(self._numbers)}", priority)
        self.admission.live(call, *asks)
        return call

    def fill(self, *asks: LiveAsk, most: int = 1000) -> list[Call]:
        """Streams come until one is refused."""
        calls: list[Call] = []
        try:
            while len(calls) < most:
                calls.append(self.enter(*asks))
        except OverloadedError:
            pass
        return calls


def make_call(session_id: str, priority: str = "default") -> Call:
    """A call of a stream."""
    call = Call("speech.v1.S", "M", "bidi_stream", session_id, session_id=session_id)
    call.priority = priority
    return call


def test_streams_up_to_the_headroom_of_the_device() -> None:
    door = Door()
    assert len(door.fill(EAR)) == 8
    with pytest.raises(OverloadedError) as caught:
        door.enter(EAR)
    error = caught.value
    assert error.reason == "OVER_CAPACITY"
    assert error.metadata == {"live_demand": "8.0", "live_capacity": "10.0"}
    assert 1000 <= error.retry_after_ms <= 10_000
    assert door.counts.values["speech_shed_total", "capacity"] == 2
    assert door.counts.values["speech_live_demand", "ear"] == pytest.approx(8)
    assert door.counts.values["speech_stream_load",] == pytest.approx(1)


def test_a_place_is_free_when_its_call_is_over() -> None:
    door = Door()
    calls = door.fill(EAR)
    calls[0].over()
    assert door.counts.values["speech_stream_load",] == pytest.approx(7 / 8)
    calls[1].over()
    assert len(door.fill(EAR)) == 2


def test_the_first_stream_is_always_let_in() -> None:
    """Or a device that was too slow once could never show that it is not."""
    door = Door(ear=0.1, mouth=0.1)
    assert len(door.fill(EAR)) == 1
    assert len(door.fill(FAR)) == 8
    assert len(door.fill(MOUTH)) == 0


def test_models_of_one_device_share_it_and_others_do_not_care() -> None:
    door = Door()
    assert len(door.fill(EAR, most=4)) == 4
    assert len(door.fill(MOUTH)) == 4
    assert len(door.fill(FAR)) == 8


def test_a_stream_of_several_channels_asks_for_each() -> None:
    assert len(Door().fill(LiveAsk("ear", channels=2))) == 4


def test_a_stream_that_needs_two_models_asks_for_both() -> None:
    assert len(Door().fill(EAR, MOUTH)) == 4


def test_batch_calls_are_not_counted_and_not_refused() -> None:
    door = Door()
    door.fill(EAR)
    for _ in range(100):
        door.enter(EAR, priority="batch")
    assert door.load.share_taken == pytest.approx(1)


def test_a_session_that_was_cut_off_is_let_in_before_new_ones() -> None:
    """There is twice the capacity for it, and late results do not keep it out; but no more."""
    door = Door()
    door.fill(EAR)
    for number in range(3):
        door.lag.submitted(speech("s0", number, 1.0))
    door.now_s += 3.1
    assert door.lag.is_late
    before = door.load.share_taken * 8
    resumed = [make_call(f"r{number}") for number in range(20)]
    for at, call in enumerate(resumed):
        call.resumed_session_id, call.has_room_kept = f"s{at}", True
        if before + at + 1 > 20:
            with pytest.raises(OverloadedError) as caught:
                door.admission.live(call, EAR)
            assert caught.value.reason == "OVER_CAPACITY"
        else:
            door.admission.live(call, EAR)


def test_room_is_kept_for_two_calls_of_a_session_and_for_none_that_only_says_so() -> None:
    door = Door()
    door.fill(EAR)

    def comes(number: int, *, has_room_kept: bool = True) -> Call:
        call = make_call(f"r{number}")
        call.resumed_session_id, call.has_room_kept = "s0", has_room_kept
        door.admission.live(call, EAR)
        return call

    with pytest.raises(OverloadedError):
        comes(0, has_room_kept=False)
    first, second = comes(1), comes(2)
    with pytest.raises(OverloadedError):
        comes(3)
    first.over()
    third = comes(4)
    for call in (second, third):
        call.over()
    comes(5)


def test_without_a_gate_nothing_but_the_number_bounds_streams() -> None:
    admission = Admission(ServerConfig(), Counts())
    for number in range(1000):
        admission.live(make_call(f"s{number}"), EAR)
        admission.expect_live(make_call(f"s{number}"), [EAR])


def test_silence_makes_room_but_only_so_much() -> None:
    door = Door()
    door.fill(EAR)
    door.now_s += 600
    assert door.load.share_taken == pytest.approx(0.5, rel=0.01)
    assert len(door.fill(EAR)) == 4


def test_speech_takes_the_room_back() -> None:
    door = Door()
    calls = door.fill(EAR)
    door.now_s += 600
    for second in range(120):
        door.now_s += 1
        for call in calls:
            door.load.submitted(speech(call.session_id, second, 1.0))
    assert door.load.share_taken == pytest.approx(1, rel=0.2)


def test_repeated_audio_is_counted_once() -> None:
    door = Door()
    (call,) = door.fill(EAR, most=1)
    for second in range(600):
        door.now_s += 1
        begin = second // 10
        for _ in range(2):
            door.load.submitted(speech(call.session_id, begin, second % 10 + 1.0))
    assert door.load.share_taken == pytest.approx(1 / 8, rel=0.1)


def test_a_voice_counts_by_what_it_says() -> None:
    door = Door()
    calls = door.fill(MOUTH)
    assert len(calls) == 8
    door.now_s += 600
    assert door.load.share_taken == pytest.approx(0.25, rel=0.01)
    work = SynthesizeWork(
        work_id="w",
        stream_id=calls[0].session_id,
        work_class=WorkClass.STREAM_FINAL,
        model="mouth",
        text="Hello.",
        voice="v",
    )
    for _ in range(200):
        door.load.happened(work, WorkAudio("w", np.zeros(24_000 * 9, np.float32), 24_000))
    door.now_s += 1
    assert door.load.share_taken == pytest.approx((7 * 0.25 + 1) / 8, rel=0.01)


def test_late_results_close_the_door_whatever_the_load() -> None:
    door = Door()
    door.enter(EAR)
    for number in range(3):
        door.lag.submitted(speech("s0", number, 1.0))
    door.now_s += 5
    for enter in (
        lambda: door.enter(EAR),
        lambda: door.admission.expect_live(make_call("x"), [MOUTH]),
    ):
        with pytest.raises(OverloadedError) as caught:
            enter()
        assert caught.value.reason == "LIVE_RESULTS_LATE"
        assert caught.value.metadata == {"max_live_lag_ms": "3000"}
    door.enter(EAR, priority="batch")
    assert door.counts.values["speech_shed_total", "lag"] == 2


def test_when_those_who_were_late_are_gone_one_is_let_in() -> None:
    door = Door()
    call = door.enter(EAR)
    for number in range(3):
        door.lag.submitted(speech("s0", number, 1.0))
    door.now_s += 5
    assert not door.fill(EAR)
    call.over()
    assert len(door.fill(EAR)) == 1


def test_a_stream_is_expected_where_one_of_its_models_has_room() -> None:
    door = Door()
    door.fill(EAR)
    door.admission.expect_live(make_call("x"), [EAR, FAR])
    with pytest.raises(OverloadedError):
        door.admission.expect_live(make_call("x"), [EAR, MOUTH])
    assert door.counts.values["speech_shed_total", "capacity"] == 2


def test_who_is_refused_together_does_not_come_back_together() -> None:
    door = Door()
    waits = [door.load.retry_after_ms() for _ in range(500)]
    assert waits[0] == 1000
    assert waits == sorted(waits)
    assert len(set(waits)) > 150
    assert max(waits) <= 10_000
    door.now_s += 60
    assert door.load.retry_after_ms() == 1000


@settings(max_examples=50)
@given(
    st.lists(
        st.tuples(st.sampled_from(["come", "go", "speak"]), st.floats(-50, 200), st.integers(0, 9)),
        max_size=60,
    ),
    st.floats(0.01, 1000),
)
def test_the_load_is_bounded_by_who_is_open_whatever_happens(
    happenings: Sequence[tuple[str, float, int]], capacity: float
) -> None:
    door = Door(ear=capacity)
    calls: list[Call] = []
    for what, passed_s, which in happenings:
        door.now_s += passed_s
        if what == "come":
            calls += door.fill(EAR, most=1)
        elif calls and what == "go":
            calls.pop(which % len(calls)).over()
        elif calls:
            door.load.submitted(speech(calls[which % len(calls)].session_id, which, 1.0))
        taken = door.load.share_taken
        assert taken >= 0.5 * len(calls) / capacity / 0.8 * (1 - 1e-6)
        assert math.isfinite(taken)
        assert (taken == 0) == (not calls)


def speech(stream_id: str, segment: int, seconds: float) -> RecognizeWork:
    """The FINAL of a segment."""
    samples = np.zeros(round(seconds * 16_000), np.float32)
    return RecognizeWork(
        work_id=f"{stream_id}-{segment}-{seconds}",
        segment=SegmentKey(stream_id, 0, segment),
        kind=RecognizeKind.FINAL,
        work_class=WorkClass.STREAM_FINAL,
        samples=samples,
        model="ear",
    )
