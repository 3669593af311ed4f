"""Who is let in at several times the load, and how they fare: a worker that is simulated tick by tick."""

import heapq
import itertools
import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from speech_service.calls.admission import Admission, LiveGate
from speech_service.calls.live_lag import LiveLag
from speech_service.calls.live_load import LiveLoad
from speech_service.config.tree import ServerConfig
from speech_service.dispatch.capacity import MeasuredCapacity
from speech_service.dispatch.device import LanePlan
from speech_service.dispatch.observed import ObservedSubmitter
from speech_service.domain.call import Call
from speech_service.domain.errors import SpeechError
from speech_service.domain.models import ModelKind
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    Work,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkTiming,
)
from speech_service.protocols import OnWorkEvent
from tests.unit.calls.counts import Counts
from tests.unit.calls.test_live_load import EAR, make_call

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
