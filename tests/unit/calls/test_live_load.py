"""What live streams ask for, and who is let in: by hand, and with a worker that is simulated second by second."""

import heapq
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.calls.admission import Admission, LiveGate
from speech_service.calls.live_lag import LiveLag
from speech_service.calls.live_load import LiveAsk, LiveLoad
from speech_service.config.tree import ServerConfig
from speech_service.dispatch.capacity import MeasuredCapacity
from speech_service.dispatch.device import LanePlan
from speech_service.dispatch.observed import ObservedSubmitter
from speech_service.domain.call import Call
from speech_service.domain.errors import OverloadedError, SpeechError
from speech_service.domain.models import ModelKind
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkTiming,
)
from speech_service.protocols import OnWorkEvent
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
    """There is all of the capacity for it, and late results do not keep it out; but no more than there is."""
    door = Door()
    door.fill(EAR)
    for number in range(3):
        door.lag.submitted(speech("s0", number, 1.0))
    door.now_s += 3.1
    assert door.lag.is_late
    before = door.load.share_taken * 8
    resumed = [make_call(f"r{number}") for number in range(20)]
    for at, call in enumerate(resumed):
        call.resumed_session_id = "s0"
        if before + at + 1 > 10:
            with pytest.raises(OverloadedError) as caught:
                door.admission.live(call, EAR)
            assert caught.value.reason == "OVER_CAPACITY"
        else:
            door.admission.live(call, EAR)


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


# --- a whole service, simulated ---

SEGMENT_S, PAUSE_S, PARTIAL_S, TICK_S = 4.0, 1.0, 0.5, 0.05


@dataclass
class Machine:
    """Lanes that take ``pace`` seconds for a second of audio. FINALs first; a newer partial takes the place of one that
    waits. Implements ``Submitter``."""

    lanes: int = 2
    pace: float = 0.02
    now_s: float = 0.0
    free_s: list[float] = field(default_factory=list[float])
    waiting: list[tuple[Work, OnWorkEvent]] = field(default_factory=list[tuple[Work, OnWorkEvent]])
    running: list[tuple[float, int, Work, OnWorkEvent, float]] = field(
        default_factory=list[tuple[float, int, Work, OnWorkEvent, float]]
    )
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        for old in [w for w in self.waiting if w[0].supersede_key == work.supersedes]:
            self.waiting.remove(old)
            old[1](WorkDropped(old[0].work_id, DropReason.SUPERSEDED))
        self.waiting.append((work, on_event))

    def cancel(self, work_id: str) -> None:
        raise AssertionError(work_id)

    def release(self, stream_id: str) -> None:
        pass

    def advance(self, to_s: float) -> None:
        """Compute until then."""
        while self._start(to_s):
            pass
        while self.running and self.running[0][0] <= to_s:
            ended_s, _, work, on_event, took_s = heapq.heappop(self.running)
            self.now_s = ended_s
            timing = WorkTiming(lane_ms=took_s * 1000)
            on_event(WorkDone(work.work_id, Hypothesis("x"), timing))
        self.now_s = to_s

    def _start(self, to_s: float) -> bool:
        while len(self.free_s) < self.lanes:
            self.free_s.append(0.0)
        at = min(range(self.lanes), key=lambda lane: self.free_s[lane])
        begin_s = max(self.free_s[at], self.now_s)
        if not self.waiting or begin_s > to_s:
            return False
        pick = min(self.waiting, key=lambda item: item[0].work_class)
        self.waiting.remove(pick)
        took_s = self.pace * pick[0].cost_ms / 1000
        self.free_s[at] = begin_s + took_s
        entry = (begin_s + took_s, next(self.numbers), *pick, took_s)
        heapq.heappush(self.running, entry)
        return True


class Service:
    """Streams that speak in segments, before a simulated machine."""

    def __init__(self, machine: Machine, *, bounded: bool = True) -> None:
        self.machine = machine
        self.now_s = 0.0
        counts = Counts()
        kinds, lanes = {"ear": ModelKind.RECOGNIZER}, {"ear": [LanePlan(machine.lanes)]}
        self.capacity = MeasuredCapacity(kinds, lanes, self.clock)
        load = LiveLoad(self.capacity, 0.8, self.clock, counts)
        lag = LiveLag(3.0, self.clock)
        self.submitter = ObservedSubmitter(machine, (self.capacity, load, lag))
        gate = LiveGate(load, lag) if bounded else None
        self.admission = Admission(ServerConfig(max_streams=10_000), counts, gate)
        self.open: list[tuple[Call, float]] = []
        """Calls, and when each began."""
        self.lags_s: list[tuple[float, float]] = []
        """When a FINAL came, and how late."""
        self.refused = 0
        self._numbers = itertools.count()

    def clock(self) -> float:
        return self.machine.now_s

    def come(self) -> None:
        """One more wants in; its segments begin whenever."""
        call = make_call(f"s{next(self._numbers)}")
        try:
            self.admission.live(call, EAR)
        except SpeechError:
            self.refused += 1
            return
        self.open.append((call, self.now_s + (len(self.open) * 0.37) % 5))

    def run(self, seconds: float) -> None:
        """Time passes."""
        until_s = self.now_s + seconds
        while self.now_s < until_s:
            before_s, self.now_s = self.now_s, self.now_s + TICK_S
            for call, began_s in self.open:
                self._speak(call, before_s - began_s, self.now_s - began_s)
            self.machine.advance(self.now_s)

    def p99(self, from_s: float) -> float:
        """Lag of FINALs since then."""
        lags = sorted(lag for at_s, lag in self.lags_s if at_s >= from_s)
        return lags[min(len(lags) - 1, math.floor(len(lags) * 0.99))]

    def _speak(self, call: Call, before_s: float, now_s: float) -> None:
        if now_s < 0:
            return
        segment, at_s = divmod(now_s, SEGMENT_S + PAUSE_S)
        last_s = max(0.0, before_s - segment * (SEGMENT_S + PAUSE_S))
        if last_s < SEGMENT_S <= at_s:
            self._submit(call, int(segment), SEGMENT_S, RecognizeKind.FINAL)
        elif at_s < SEGMENT_S and math.floor(at_s / PARTIAL_S) > math.floor(last_s / PARTIAL_S):
            heard_s = math.floor(at_s / PARTIAL_S) * PARTIAL_S
            self._submit(call, int(segment), heard_s, RecognizeKind.PARTIAL)

    def _submit(self, call: Call, segment: int, heard_s: float, kind: RecognizeKind) -> None:
        is_final = kind is RecognizeKind.FINAL
        asked_s = self.machine.now_s

        def ended(event: object) -> None:
            if is_final and isinstance(event, WorkDone):
                self.lags_s.append((self.machine.now_s, self.machine.now_s - asked_s))

        work = RecognizeWork(
            work_id=f"w{next(self._numbers)}",
            segment=SegmentKey(call.session_id, 0, segment),
            kind=kind,
            work_class=WorkClass.STREAM_FINAL if is_final else WorkClass.STREAM_PARTIAL,
            samples=np.zeros(round(heard_s * 16_000), np.float32),
            model="ear",
        )
        self.submitter.submit(work, ended)


def true_capacity(machine: Machine) -> float:
    """Streams that speak without a pause: 4 s of FINAL and 14 s of partials in 4 s."""
    return machine.lanes / (machine.pace * (4 + 14) / 4)


@pytest.mark.parametrize("pace", [0.01, 0.03, 0.1], ids=str)
def test_at_three_times_the_load_those_admitted_keep_their_lag(pace: float) -> None:
    """What was admitted in a storm of streams is served as if it were alone."""
    machine = Machine(pace=pace)
    stormed = Service(machine)
    crowd = round(3 * true_capacity(machine))
    for _ in range(60):
        for _ in range(max(1, crowd // 40)):
            stormed.come()
        stormed.run(1.0)
    admitted = len(stormed.open)
    stormed.run(60.0)
    alone = Service(Machine(pace=pace), bounded=False)
    alone.open = [(call, began_s % (SEGMENT_S + PAUSE_S)) for call, began_s in stormed.open]
    alone.run(60.0)
    assert stormed.refused > crowd / 4
    assert 0.5 * true_capacity(machine) <= admitted <= 1.6 * true_capacity(machine)
    assert stormed.p99(60.0) <= 1.3 * alone.p99(0.0) + 0.02
    quiet = Service(Machine(pace=pace), bounded=False)
    for _ in range(max(1, admitted // 3)):
        quiet.come()
    quiet.run(60.0)
    assert stormed.p99(60.0) <= 2 * quiet.p99(0.0) + 0.02


def test_without_the_bound_the_same_storm_makes_everybody_late() -> None:
    """Or the test above would prove nothing."""
    machine = Machine(pace=0.1)
    service = Service(machine, bounded=False)
    for _ in range(round(6 * true_capacity(machine))):
        service.come()
    service.run(60.0)
    assert service.p99(30.0) > 3.0


def test_a_machine_that_becomes_slow_admits_less_and_more_when_it_is_fast_again() -> None:
    machine = Machine(pace=0.02)
    service = Service(machine)
    for _ in range(100):
        service.come()
        service.run(1.0)
    fast = service.capacity.live_capacity("ear")
    machine.pace = 0.08
    service.run(60.0)
    slow = service.capacity.live_capacity("ear")
    before = service.refused
    service.come()
    assert service.refused == before + 1
    for call, _ in service.open:
        call.over()
    service.open.clear()
    machine.pace = 0.02
    for _ in range(150):
        if len(service.open) < 10:
            service.come()
        service.run(1.0)
    assert slow == pytest.approx(fast / 4, rel=0.3)
    assert service.capacity.live_capacity("ear") == pytest.approx(fast, rel=0.3)
