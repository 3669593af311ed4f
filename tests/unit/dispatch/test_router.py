"""The router: who gets work, who keeps it, who inherits it; every piece of work has exactly one outcome."""

from collections.abc import Callable, Mapping, Sequence

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from speech_service.dispatch.router import LOAD_FAILED, RELOAD_S, Router
from speech_service.dispatch.workers.outbox import OutboxItem
from speech_service.domain.errors import (
    OverloadedError,
    ResourceNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_service.domain.models import WorkerState
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    DropReason,
    Work,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
    WorkTiming,
)
from speech_service.protocols import OnWorkEvent
from tests.unit.dispatch.builders import make_work

pytestmark = pytest.mark.unit

STOPPED, STARTING, READY, RESTARTING, FAILED = WorkerState
MODELS: Mapping[str, frozenset[str]] = {
    "a": frozenset({"m", "only a"}),
    "b": frozenset({"m"}),
    "c": frozenset({"m", "only c"}),
}


class Worker:
    """A worker that does what a test says."""

    def __init__(self, name: str, log: list[str] | None = None) -> None:
        self.name = name
        self.models = MODELS[name]
        self.state = READY
        self.healthy = True
        self._health_callbacks: list[Callable[[bool], None]] = []
        self.refuses: SpeechError | None = None
        self.items: dict[str, OutboxItem] = {}
        self.released: list[str] = []
        self.woken = 0
        self._callbacks: list[Callable[[WorkerState], None]] = []
        self._log = log if log is not None else []

    def subscribe(self, callback: Callable[[WorkerState], None]) -> Callable[[], None]:
        self._callbacks.append(callback)
        return lambda: self._callbacks.remove(callback)

    def subscribe_health(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        self._health_callbacks.append(callback)
        return lambda: self._health_callbacks.remove(callback)

    def set_health(self, healthy: bool) -> None:
        self.healthy = healthy
        for callback in self._health_callbacks:
            callback(healthy)

    def enter(self, state: WorkerState) -> None:
        self.state = state
        for callback in self._callbacks:
            callback(state)
        if state is FAILED:
            for work_id in list(self.items):
                self.end(WorkFailed(work_id, UnavailableError("lost", reason="WORKER_LOST")))

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        if self.refuses is not None:
            raise self.refuses
        if self.state is FAILED:
            raise UnavailableError("lost", reason="WORKER_LOST")
        self._take(OutboxItem(work, on_event, 0, 0.0))
        if self.state is STOPPED:
            self.enter(STARTING)

    def cancel(self, work_id: str) -> None:
        if work_id in self.items:
            self.end(WorkDropped(work_id, DropReason.CANCELLED))

    def release(self, stream_id: str) -> None:
        self.released.append(stream_id)

    def wake(self) -> None:
        self.woken += 1

    def give_back(self, work_id: str) -> OutboxItem | None:
        return self.items.pop(work_id, None)

    def take_over(self, item: OutboxItem) -> None:
        self._take(item)

    def end(self, event: WorkEvent) -> None:
        self.items.pop(event.work_id).on_event(event)

    def finish(self, work_id: str) -> None:
        self.end(WorkDone(work_id, Hypothesis(self.name), WorkTiming()))

    def _take(self, item: OutboxItem) -> None:
        assert item.work.model in self.models, "never to a worker that lacks the model"
        assert item.work.work_id not in self.items
        self.items[item.work.work_id] = item
        self._log.append(self.name)


class Caller:
    """Keeps the outcomes."""

    def __init__(self) -> None:
        self.events: list[WorkEvent] = []

    def __call__(self, event: WorkEvent) -> None:
        self.events.append(event)


def routed(count: int = 2) -> tuple[Router, list[Worker], Caller]:
    workers = [Worker(name) for name in list(MODELS)[:count]]
    return Router(workers), workers, Caller()


def work(work_id: str, stream: str = "", model: str = "m") -> Work:
    return make_work(work_id, WorkClass.STREAM_FINAL, stream=stream, model=model)


def where(workers: Sequence[Worker]) -> list[list[str]]:
    return [list(worker.items) for worker in workers]


def test_new_streams_spread_and_each_stays() -> None:
    router, workers, caller = routed()
    for number in range(6):
        router.submit(work(f"{number}", stream=f"s{number}"), caller)
    assert where(workers) == [["0", "2", "4"], ["1", "3", "5"]]
    for number in range(6):
        workers[number % 2].finish(f"{number}")
    router.submit(work("b again", stream="s1"), caller)
    router.submit(work("b thrice", stream="s1"), caller)
    assert where(workers) == [[], ["b again", "b thrice"]]
    assert len(caller.events) == 6


def test_new_streams_spread_though_nobody_has_anything_to_do_when_they_come() -> None:
    """Work of a GPU is over in a hundredth of the time between two updates of a stream."""
    router, workers, caller = routed(3)
    for number in range(9):
        router.submit(work(f"{number}", stream=f"s{number}"), caller)
        workers[number % 3].finish(f"{number}")
    for number in (0, 3, 6):
        router.release(f"s{number}")
    for number in range(9, 12):
        router.submit(work(f"{number}", stream=f"s{number}"), caller)
        workers[0].finish(f"{number}")
    assert len(caller.events) == 12


def test_one_worker_has_a_model_and_gets_its_work_whoever_has_the_stream() -> None:
    router, workers, caller = routed(3)
    router.submit(work("x"), caller)
    router.submit(work("y", stream="s"), caller)
    router.submit(work("z", "s", "only c"), caller)
    router.submit(work("y2", stream="s"), caller)
    assert where(workers) == [["x"], ["y", "y2"], ["z"]]
    with pytest.raises(ResourceNotFoundError, match="Known here: m, only a, only c"):
        router.submit(work("n", model="nobody's"), caller)
    with pytest.raises(ValueError, match="in use"):
        router.submit(work("z"), caller)


def test_what_a_dead_worker_left_goes_to_one_that_runs_and_the_stream_with_it() -> None:
    router, (a, b), caller = routed()
    router.submit(work("1", stream="s"), caller)
    router.submit(work("2", "s", "only a"), caller)
    a.enter(RESTARTING)
    assert where([a, b]) == [["2"], ["1"]]
    router.submit(work("3", stream="s"), caller)
    a.enter(READY)
    router.submit(work("4", stream="s"), caller)
    assert where([a, b]) == [["2"], ["1", "3", "4"]]
    router.cancel("3")
    assert caller.events == [WorkDropped("3", DropReason.CANCELLED)]
    router.release("s")
    assert a.released == b.released == ["s"]


def test_when_all_are_dead_the_first_to_come_back_does_all() -> None:
    router, (a, b), caller = routed()
    router.submit(work("1"), caller)
    router.submit(work("2"), caller)
    a.enter(RESTARTING)
    b.enter(RESTARTING)
    assert where([a, b]) == [[], ["2", "1"]], "b ran when a died"
    router.submit(work("3"), caller)
    a.enter(READY)
    assert where([a, b]) == [["3", "2", "1"], []]


def test_who_fails_for_good_hands_on_to_one_that_can_be_started() -> None:
    router, (a, b), caller = routed()
    b.state = STOPPED
    router.submit(work("1"), caller)
    a.enter(RESTARTING)
    assert where([a, b]) == [["1"], []], "its successor is as near as another's first process"
    a.enter(FAILED)
    assert where([a, b]) == [[], ["1"]]
    b.enter(FAILED)
    (event,) = caller.events
    assert isinstance(event, WorkFailed)
    with pytest.raises(UnavailableError):
        router.submit(work("2"), caller)


def test_who_is_full_is_no_reason_to_refuse() -> None:
    router, (a, b), caller = routed()
    a.refuses = OverloadedError("full", retry_after_ms=7)
    router.submit(work("1"), caller)
    assert where([a, b]) == [[], ["1"]]
    b.refuses = OverloadedError("full", retry_after_ms=8)
    with pytest.raises(OverloadedError):
        router.submit(work("2"), caller)
    b.refuses = None
    b.finish("1")
    router.submit(work("2"), caller)
    assert len(caller.events) == 1


def test_a_worker_that_rests_is_woken_when_a_new_stream_finds_the_others_busy() -> None:
    router, (a, b), caller = routed()
    b.state = STOPPED
    router.submit(work("1", stream="s"), caller)
    router.submit(work("2", stream="s"), caller)
    assert b.woken == 0
    router.submit(work("3", stream="t"), caller)
    assert (b.woken, where([a, b])) == (1, [["1", "2", "3"], []])


def test_outcomes_are_told_with_the_worker_that_had_the_work() -> None:
    router, (a, b), caller = routed()
    seen: list[tuple[str, str, int]] = []
    router.watch(lambda name, work, event: seen.append((name, work.work_id, len(caller.events))))
    router.submit(work("1"), caller)
    a.enter(RESTARTING)
    b.finish("1")
    assert seen == [("b", "1", 0)], "before its caller hears of it"
    assert len(caller.events) == 1


def test_a_model_that_one_worker_cannot_load_is_asked_of_another() -> None:
    now_s = [100.0]
    workers = [Worker(name) for name in ("a", "b")]
    (a, b), caller = workers, Caller()
    router = Router(workers, lambda: now_s[0])

    def failure(work_id: str) -> WorkFailed:
        return WorkFailed(work_id, UnavailableError("it is too large", reason=LOAD_FAILED))

    router.submit(work("1", stream="s"), caller)
    a.end(failure("1"))
    router.submit(work("2", stream="s"), caller)
    router.submit(work("3", stream="t"), caller)
    assert (where(workers), caller.events) == ([[], ["1", "2", "3"]], [])
    b.end(failure("1"))
    assert [event.work_id for event in caller.events] == ["1"], "nobody is left"
    b.finish("2")
    b.finish("3")
    now_s[0] += RELOAD_S
    router.submit(work("4", stream="u"), caller)
    assert where(workers) == [["4"], []], "it may be so again"
    a.end(WorkFailed("4", UnavailableError("lost", reason="WORKER_LOST")))
    assert len(caller.events) == 4, "that is no matter of the model"


def test_streams_go_back_to_a_worker_that_returns_when_the_other_is_crowded() -> None:
    router, (a, b), caller = routed()
    for number in range(40):
        router.submit(make_work(f"{number}", stream=f"s{number}", ms=1000, model="m"), caller)
    a.enter(RESTARTING)
    a.enter(READY)
    assert len(b.items) == 40
    open_ = make_work("open", WorkClass.STREAM_PARTIAL, stream="s0", ms=1000, model="m")
    b.finish("0")
    b.finish("1")
    router.submit(make_work("new", stream="s1", ms=1000, model="m"), caller)
    assert list(a.items) == ["new"], "it has nothing there any more"
    router.submit(open_, caller)
    router.submit(make_work("more", stream="s2", ms=1000, model="m"), caller)
    assert list(a.items) == ["new", "open"], "what is under way stays where it is"
    for number in range(2, 40):
        b.finish(f"{number}")
    a.finish("open")
    b.finish("more")
    for number in range(20):
        router.submit(make_work(f"b{number}", stream=f"t{number}", ms=2000, model="m"), caller)
    assert len(b.items) > 5
    partial = make_work("open 2", WorkClass.STREAM_PARTIAL, stream="s0", ms=1500, model="m")
    router.submit(partial, caller)
    assert "open 2" in a.items, "its segment is open there"


class Life(RuleBasedStateMachine):
    """Workers live and die as they like. Nothing is lost, nothing ends twice, a stream stays where it can."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[str] = []
        self.workers = [Worker(name, self.log) for name in MODELS]
        self.router = Router(self.workers)
        self.outcomes: dict[str, list[WorkEvent]] = {}
        self.open: dict[str, Work] = {}
        self.homes: dict[tuple[str, str], str] = {}

    @rule(
        stream=st.sampled_from("stuv"),
        model=st.sampled_from(["m", "only a", "only c"]),
        last=st.booleans(),
    )
    def submit(self, stream: str, model: str, last: bool) -> None:
        """A stream has work; when it is the last, the stream is released at once."""
        work_id = f"w{len(self.outcomes)}"
        item = make_work(work_id, stream=stream, model=model)
        heard: list[WorkEvent] = []

        def on_event(event: WorkEvent) -> None:
            heard.append(event)
            self.open.pop(event.work_id, None)

        serving = [worker for worker in self.workers if model in worker.models]
        home = next((w for w in serving if w.name == self.homes.get((stream, model))), None)
        stays = home is not None and home.healthy and home.state in (STARTING, READY)
        try:
            self.router.submit(item, on_event)
        except UnavailableError:
            assert all(worker.state is FAILED for worker in serving)
            return
        self.outcomes[work_id], self.open[work_id] = heard, item
        assert not stays or home is None or self.log[-1] == home.name, "sticky"
        self.homes[stream, model] = self.log[-1]
        if last:
            self.router.release(stream)
            self.homes = {key: name for key, name in self.homes.items() if key[0] != stream}

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def finish(self, data: st.DataObject) -> None:
        """A worker that runs finishes something."""
        ready = [(w, i) for w in self.workers if w.state is READY for i in w.items]
        if ready:
            worker, work_id = data.draw(st.sampled_from(ready))
            worker.finish(work_id)

    @precondition(lambda self: self.open)
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        """Nobody wants it any more."""
        self.router.cancel(data.draw(st.sampled_from(sorted(self.open))))

    @rule(index=st.integers(0, 2), state=st.sampled_from(WorkerState), healthy=st.booleans())
    def change(self, index: int, state: WorkerState, healthy: bool) -> None:
        """A worker changes; one with work is never stopped."""
        worker = self.workers[index]
        if state is STOPPED and worker.items:
            state = READY
        worker.enter(state)
        worker.set_health(healthy and state is not FAILED)
        for key, name in self.homes.items():  # a stream follows its work
            held = [w.name for w in self.workers for i in w.items.values() if _key(i.work) == key]
            self.homes[key] = held[-1] if held else name

    @invariant()
    def each_has_one_outcome_or_one_worker(self) -> None:
        """Whatever happened."""
        held = [work_id for worker in self.workers for work_id in worker.items]
        assert sorted(held) == sorted(self.open)
        for work_id, events in self.outcomes.items():
            assert len(events) == (work_id not in self.open)

    @invariant()
    def nothing_waits_for_the_dead_while_another_runs(self) -> None:
        """Where one that runs serves the model."""
        for lost in self.workers:
            for item in lost.items.values() if lost.state in (RESTARTING, FAILED) else ():
                able = [w for w in self.workers if item.work.model in w.models]
                assert not any(w.state is READY and w.healthy for w in able)


def _key(work: Work) -> tuple[str, str]:
    return work.stream_id, work.model


TestLife = Life.TestCase
TestLife.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_nothing_is_kept_of_streams_that_are_over() -> None:
    router, (a, b), caller = routed()
    for number in range(100):
        router.submit(work(f"{number}", stream=f"s{number}"), caller)
        router.release(f"s{number}")
    a.enter(RESTARTING)
    for work_id in list(b.items):
        b.finish(work_id)
    assert len(caller.events) == 100
    a.enter(READY)
    router.submit(work("new", stream="s0"), caller)
    assert list(a.items) == ["new"], "its work went to the other, and the stream was over by then"


def test_a_stream_that_is_over_when_its_work_moves_has_no_home() -> None:
    router, (a, b), caller = routed()
    router.submit(work("moves", stream="over"), caller)
    router.release("over")
    a.enter(RESTARTING)
    assert list(b.items) == ["moves"]
    a.enter(READY)
    b.finish("moves")
    router.submit(work("one", stream="s1"), caller)
    a.finish("one")
    router.submit(work("two", stream="s2"), caller)
    b.finish("two")
    assert len(caller.events) == 3, "a took one and b the other: neither had a stream more"
