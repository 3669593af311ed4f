"""The scheduler with a scripted engine: order, steps, aborts, failures, and nothing left behind."""

import asyncio
import gc
import queue
import random
import threading
import time
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.pool import Seat, WorkPool
from speech_service.dispatch.scheduler import Scheduler
from speech_service.domain.errors import (
    DeadlineError,
    InternalError,
    OverloadedError,
    ResourceNotFoundError,
    UnavailableError,
)
from speech_service.domain.work import (
    DropReason,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import NullObserver
from tests.unit.dispatch.builders import MODEL, Outcomes, ScriptedEngine, make_work, until

FINAL, PARTIAL, UNARY, BACKGROUND = WorkClass


class RecordingObserver(NullObserver):
    """Sums counters by name and labels."""

    def __init__(self) -> None:
        self.counts: dict[tuple[str, ...], float] = {}
        self.gauges: dict[tuple[str, ...], float] = {}
        self.observed: list[str] = []

    def count(self, name: str, value: float = 1.0, **labels: str) -> None:
        """Add up."""
        key = (name, *sorted(labels.values()))
        self.counts[key] = self.counts.get(key, 0) + value

    def gauge(self, name: str, value: float, **labels: str) -> None:
        """Keep the last."""
        self.gauges[name, *sorted(labels.values())] = value

    def observe(self, name: str, value: float, **labels: str) -> None:
        """Keep the name."""
        self.observed.append(name)


@asynccontextmanager
async def running(
    *engines: ScriptedEngine,
    config: SchedulerConfig | None = None,
    observer: NullObserver | None = None,
) -> AsyncIterator[tuple[Scheduler, Outcomes]]:
    """A scheduler that is closed afterwards, with no thread left."""
    before = threading.active_count()
    scheduler = Scheduler(
        {MODEL: engines},
        config or SchedulerConfig(),
        observer or NullObserver(),
        asyncio.get_running_loop(),
    )
    try:
        yield scheduler, Outcomes(scheduler)
    finally:
        for engine in engines:
            engine.gate.set()
        await scheduler.close()
        lanes = [t for t in threading.enumerate() if t.name.startswith("lane-")]
        assert not lanes, (lanes, before)


async def held(engine: ScriptedEngine, outcomes: Outcomes) -> None:
    """Keep the lane busy with work ``plug`` until the gate opens."""
    engine.gate.clear()
    outcomes.submit(make_work("plug"))
    await until(lambda: engine.admitted == ["plug"])


async def test_classes_go_in_order_and_fifo_inside() -> None:
    engine = ScriptedEngine()
    async with running(engine) as (_, outcomes):
        await held(engine, outcomes)
        outcomes.submit(
            make_work("bg", BACKGROUND),
            make_work("u1", UNARY),
            make_work("p1", PARTIAL),
            make_work("f1", FINAL),
            make_work("u2", UNARY),
            make_work("p2", PARTIAL),
            make_work("f2", FINAL),
        )
        engine.gate.set()
        await outcomes.wait("bg")
        assert engine.admitted == ["plug", "f1", "f2", "p1", "p2", "u1", "u2", "bg"]
        assert len(engine.threads) == 1, "one thread touches the engine"
        assert threading.get_ident() not in engine.threads


async def test_new_work_joins_at_the_next_step() -> None:
    engine = ScriptedEngine(max_batch=3, steps=4)
    async with running(engine) as (_, outcomes):
        await held(engine, outcomes)
        outcomes.submit(*(make_work(f"w{i}") for i in range(4)))
        engine.gate.set()
        await outcomes.wait("plug", "w0", "w1", "w2", "w3")
        assert engine.batches[:3] == [1, 3, 3]
        assert max(engine.batches) == 3


async def test_cancelled_work_leaves_before_the_next_step() -> None:
    engine = ScriptedEngine(steps=1000)
    async with running(engine) as (scheduler, outcomes):
        await held(engine, outcomes)
        outcomes.submit(make_work("waiting"))
        scheduler.cancel("waiting")
        scheduler.cancel("plug")
        scheduler.cancel("nobody")
        (waiting,) = await outcomes.wait("waiting")
        assert waiting == WorkDropped("waiting", DropReason.CANCELLED)
        engine.gate.set()
        (running_one,) = await outcomes.wait("plug")
        assert running_one == WorkDropped("plug", DropReason.CANCELLED)
        assert engine.batches == [1], "no step after the one that it was in"
        assert engine.aborted == ["plug"]


async def test_exception_fails_the_batch_and_the_lane_lives_on() -> None:
    engine = ScriptedEngine(max_batch=2)
    async with running(engine) as (_, outcomes):
        engine.step_error = RuntimeError("secret words")
        engine.admit_error_for = {"unfit"}
        outcomes.submit(make_work("a"))
        (failed,) = await outcomes.wait("a")
        assert isinstance(failed, WorkFailed)
        assert isinstance(failed.error, InternalError)
        assert "secret" not in failed.error.message
        outcomes.submit(make_work("unfit"), make_work("b"))
        unfit, done = await outcomes.wait("unfit", "b")
        assert isinstance(unfit, WorkFailed)
        assert isinstance(done, WorkDone)
        assert engine.items == {}


async def test_superseding_and_deadlines() -> None:
    engine = ScriptedEngine()
    async with running(engine) as (_, outcomes):
        await held(engine, outcomes)
        soon_s = time.monotonic() + 0.03
        outcomes.submit(
            make_work("p1", PARTIAL, stream="a"),
            make_work("p2", PARTIAL, stream="a"),
            make_work("f1", FINAL, stream="a"),
            make_work("late", deadline_s=soon_s),
        )
        events = await outcomes.wait("p1", "p2", "late")  # all while the lane is inside a step
        assert events[0] == WorkDropped("p1", DropReason.SUPERSEDED)
        assert events[1] == WorkDropped("p2", DropReason.SUPERSEDED)
        assert isinstance(events[2], WorkFailed)
        assert isinstance(events[2].error, DeadlineError)
        engine.gate.set()
        await outcomes.wait("f1")
        assert engine.admitted == ["plug", "f1"], "expired work is never started"


async def test_lanes_of_one_model_share_its_queue() -> None:
    engines = [ScriptedEngine() for _ in range(2)]
    async with running(*engines) as (_, outcomes):
        for engine in engines:
            engine.gate.clear()
        outcomes.submit(*(make_work(f"w{i}") for i in range(8)))
        await until(lambda: all(engine.admitted for engine in engines))
        for engine in engines:
            engine.gate.set()
        await outcomes.wait(*(f"w{i}" for i in range(8)))
        assert engines[0].threads.isdisjoint(engines[1].threads)


def test_work_goes_to_the_lane_that_worked_last() -> None:
    """The one that began to wait last."""
    pool = WorkPool(SchedulerConfig(), NullObserver(), lambda events: None)
    waits, wakes = queue.Queue[int](), queue.Queue[int]()

    def lane(number: int) -> None:
        def is_changed() -> bool:  # asked under the lock that is let go of by waiting only
            waits.put(number)
            return False

        pool.wait([Seat(MODEL)], is_changed)
        wakes.put(number)

    lanes = [threading.Thread(target=lane, args=(number,)) for number in range(3)]
    for number, thread in enumerate(lanes):
        thread.start()
        assert waits.get(timeout=60) == number
    for number in (2, 1, 0):
        pool.put(make_work(f"w{number}"))
        assert wakes.get(timeout=60) == number
    for thread in lanes:
        thread.join()


async def test_refusals() -> None:
    engine = ScriptedEngine()
    config = SchedulerConfig(max_queued=1)
    async with running(engine, config=config) as (scheduler, outcomes):
        with pytest.raises(ResourceNotFoundError, match=MODEL):
            outcomes.submit(make_work("x", model="other"))
        await held(engine, outcomes)
        outcomes.submit(make_work("w1"))
        with pytest.raises(ValueError, match="in use"):
            outcomes.submit(make_work("w1"))
        with pytest.raises(OverloadedError):
            outcomes.submit(make_work("w2"))
        outcomes.submit(make_work("f1", FINAL))
        engine.gate.set()
        events = await outcomes.wait("w1", "f1")
        assert all(isinstance(event, WorkDone) for event in events)
        await scheduler.close()
        with pytest.raises(UnavailableError, match="shutting down"):
            outcomes.submit(make_work("w3"))


async def test_close_ends_everything_with_an_error() -> None:
    engine = ScriptedEngine(steps=1000)
    async with running(engine) as (scheduler, outcomes):
        await held(engine, outcomes)
        outcomes.submit(make_work("w1"))
        closing = asyncio.create_task(scheduler.close())
        await asyncio.sleep(0.01)
        engine.gate.set()
        await closing
        for event in (outcomes.events["plug"], outcomes.events["w1"]):
            assert isinstance(event, WorkFailed)
            assert isinstance(event.error, UnavailableError)
        assert engine.items == {}


async def test_callbacks_of_one_step_come_in_one_wake_up_on_the_loop_thread(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engine = ScriptedEngine(max_batch=50)
    loop = asyncio.get_running_loop()
    wakes: list[object] = []
    plain = loop.call_soon_threadsafe

    def counting(*args: Any) -> asyncio.Handle:
        wakes.append(args)
        return plain(*args)

    threads: set[int] = set()

    def on_event(event: WorkEvent) -> None:
        threads.add(threading.get_ident())
        raise RuntimeError("a callback must not take others with it")

    async with running(engine) as (scheduler, outcomes):
        await held(engine, outcomes)
        monkeypatch.setattr(loop, "call_soon_threadsafe", counting)
        for number in range(49):
            scheduler.submit(make_work(f"w{number}"), on_event)
        engine.gate.set()
        await until(lambda: scheduler.stats().outstanding == 0)
        assert len(wakes) <= 3
        assert threads == {threading.get_ident()}


async def test_metrics() -> None:
    observer = RecordingObserver()
    engine = ScriptedEngine()
    async with running(engine, observer=observer) as (scheduler, outcomes):
        await held(engine, outcomes)
        outcomes.submit(make_work("p1", PARTIAL, stream="a"), make_work("p2", PARTIAL, stream="a"))
        assert observer.gauges["speech_queue_depth", "stream_partial"] == 1
        assert scheduler.stats().queued[PARTIAL].depth == 1
        engine.gate.set()
        await outcomes.wait("plug", "p1", "p2")
    assert observer.counts["speech_work_total", "dropped", "stream_partial"] == 1
    assert observer.counts["speech_work_total", "done", "unary"] == 1
    assert observer.counts["speech_work_dropped_total", "superseded"] == 1
    assert observer.counts["speech_decode_steps_total",] == 2
    assert observer.counts["speech_draft_tokens_total", "accepted"] == 4
    assert observer.gauges["speech_queue_depth", "stream_partial"] == 0
    assert {"speech_batch_occupancy", "speech_queue_wait_seconds"} <= set(observer.observed)


async def test_thousands_of_random_cancels_leave_nothing() -> None:
    random.seed(1)
    engines = [ScriptedEngine(max_batch=4, steps=3) for _ in range(2)]
    config = SchedulerConfig(max_queued=100_000)
    async with running(*engines, config=config) as (scheduler, _):

        async def burst(first: int, count: int) -> None:
            outcomes = Outcomes(scheduler)  # a fresh one, so that it holds no memory afterwards
            ids: list[str] = []
            for number in range(first, first + count):
                stream = f"s{random.randrange(20)}"
                work_class = random.choice((FINAL, PARTIAL, UNARY))
                work_id = f"w{number}"
                deadline_s = time.monotonic() + 60 if number % 3 else None
                outcomes.submit(
                    make_work(work_id, work_class, stream=stream, ms=1, deadline_s=deadline_s)
                )
                ids.append(work_id)
                scheduler.cancel(random.choice(ids))
                if number % 25 == 0:
                    await asyncio.sleep(0)
            await outcomes.wait(*ids)

        await burst(0, 500)
        gc.collect()
        tracemalloc.start()
        base_bytes = tracemalloc.get_traced_memory()[0]
        for batch in range(10):
            await burst(1000 * (batch + 1), 500)
        for engine in engines:  # what the double writes down is no leak
            engine.admitted, engine.aborted, engine.batches = [], [], []
        gc.collect()
        grown_bytes = tracemalloc.get_traced_memory()[0] - base_bytes
        tracemalloc.stop()
        stats = scheduler.stats()
        assert stats.outstanding == 0
        assert not stats.running
        assert all(entry.depth == 0 for entry in stats.queued.values())
        assert all(engine.items == {} for engine in engines)
        assert grown_bytes < 100_000


async def test_a_lane_survives_whatever_fails_around_its_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Here: what observes it. The work at hand fails; the next work finds the lane alive."""

    class Broken(NullObserver):
        broken = True

        def observe(self, name: str, value: float, **labels: str) -> None:
            if self.broken and name == "speech_engine_step_seconds":
                raise OSError("no")

    observer, engine = Broken(), ScriptedEngine()
    monkeypatch.setattr("speech_service.dispatch.engine_run.FAILURE_PAUSE_S", 0.0)
    async with running(engine, observer=observer) as (scheduler, outcomes):
        outcomes.submit(make_work("a"))
        (event,) = await outcomes.wait("a")
        assert isinstance(event, WorkFailed)
        observer.broken = False
        outcomes.submit(make_work("b"))
        (event,) = await outcomes.wait("b")
        assert isinstance(event, WorkDone)
        assert scheduler.stats().outstanding == 0
