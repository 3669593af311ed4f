"""Heartbeats: a real inference, real work instead where there is some, and a stuck lane is seen."""

import asyncio
import os
from collections.abc import AsyncIterator

import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.record import Record, WorkerRecord
from speech_service.dispatch.scheduler import Scheduler
from speech_service.protocols import NullObserver
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.journal import JournaledEngine, wire_id
from tests.unit.dispatch.builders import MODEL, Outcomes, ScriptedEngine, make_work, until


class Rig:
    """Two lanes behind a pulse."""

    def __init__(self) -> None:
        self.engines = [ScriptedEngine(), ScriptedEngine()]
        loop = asyncio.get_running_loop()
        self.scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), loop)
        self.models = {MODEL: self.engines[0].capabilities}
        self.host = ModelHost([MODEL], lambda name: self.engines, self.scheduler)

    def heard(self) -> list[str]:
        """Everything that was admitted to any lane."""
        return [work_id for engine in self.engines for work_id in engine.admitted]


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    """Closed afterwards."""
    made = Rig()
    yield made
    for engine in made.engines:
        engine.gate.set()
    await made.host.close()
    await made.scheduler.close()


async def test_only_loaded_models_are_asked_and_real_work_answers(rig: Rig) -> None:
    pulse = Pulse(rig.host, rig.scheduler, rig.models, interval_s=60)
    assert await pulse.beat(1.0) == []
    await rig.host.load(MODEL)
    (beat,) = await pulse.beat(1.0)
    assert beat.ok
    assert beat.latency_ms > 0
    assert rig.heard() == ["heartbeat-1"]
    outcomes = Outcomes(pulse)
    outcomes.submit(make_work("a"))
    await outcomes.wait("a")
    (beat,) = await pulse.beat(1.0)
    assert beat.ok
    assert sorted(rig.heard()) == ["a", "heartbeat-1"]


async def test_a_model_that_does_not_answer_is_asked_once_and_has_stalled(rig: Rig) -> None:
    pulse = Pulse(rig.host, rig.scheduler, rig.models, interval_s=60)
    await rig.host.load(MODEL)
    for engine in rig.engines:
        engine.gate.clear()
    async with asyncio.timeout(60):  # it has all the time, as no thread of it wants anything
        while (beat := (await pulse.beat(0.05))[0]).stalled_s <= 0.05:
            assert beat.ok, "it did not fail"
    assert rig.heard() == ["heartbeat-1"]
    for engine in rig.engines:
        engine.gate.set()
    (beat,) = await pulse.beat(5.0)
    assert beat.ok
    assert beat.latency_ms > 0
    assert beat.stalled_s == 0


async def test_a_stuck_lane_is_seen_while_the_other_works(rig: Rig) -> None:
    pulse = Pulse(rig.host, rig.scheduler, rig.models, interval_s=0.02)
    await rig.host.load(MODEL)
    outcomes = Outcomes(pulse)
    rig.engines[0].gate.clear()
    number = 0
    while not rig.engines[0].admitted:  # two items at once take two lanes, if both wait by then
        number += 1
        outcomes.submit(make_work(f"w{number}"), make_work(f"v{number}"))
        await asyncio.sleep(0.005)
    async with asyncio.timeout(60):
        while (await pulse.beat(0.02))[0].stalled_s < 0.1:
            number += 1
            outcomes.submit(make_work(f"more{number}"))
            await outcomes.wait(f"more{number}")
            await asyncio.sleep(0.02)
    rig.engines[0].gate.set()
    await until(lambda: not any(p.busy for p in rig.scheduler.pulses(MODEL).values()))
    (beat,) = await pulse.beat(5.0)
    assert beat.stalled_s == 0


async def test_a_step_that_returns_is_life_however_long_the_work_takes() -> None:
    loop = asyncio.get_running_loop()
    engine = ScriptedEngine(steps=1_000_000, step_s=0.001)
    scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), loop)
    host = ModelHost([MODEL], lambda name: [engine], scheduler)
    pulse = Pulse(host, scheduler, {MODEL: engine.capabilities}, interval_s=0.01)
    await host.load(MODEL)
    outcomes = Outcomes(pulse)
    outcomes.submit(make_work("long"))
    await until(lambda: len(engine.batches) > 1)
    for _ in range(5):
        steps = len(engine.batches)
        await until(lambda least=steps: len(engine.batches) > least)
        (beat,) = await pulse.beat(0.01)
        assert beat.ok
        assert beat.stalled_s < 0.05, "a share of the patience, for work that never ends"
    assert engine.admitted == ["long"], "work that is under way answers for the model"
    pulse.cancel("long")
    await outcomes.wait("long")
    await host.close()
    await scheduler.close()


def test_journal_holds_what_runs() -> None:
    ours = Record()
    record = WorkerRecord(ours.fileno())
    engine = JournaledEngine(ScriptedEngine(max_batch=2, steps=2), record)
    many = JournaledEngine(ScriptedEngine(max_batch=1000), record)
    assert ours.ran_ids() == []
    assert not ours.loading
    engine.admit(make_work("7"))
    engine.admit(make_work("heartbeat-3"))
    assert ours.ran_ids() == [7]
    engine.abort("heartbeat-3")
    engine.admit(make_work(f"{2**40}"))
    many.admit(make_work("9"))
    assert sorted(ours.ran_ids()) == [7, 9, 2**40]
    engine.step()
    engine.step()
    assert ours.ran_ids() == [9]
    del many
    assert ours.ran_ids() == [], (
        "the journal of a lane that is gone is empty, and given to the next"
    )
    record.set_loading(2)
    assert ours.loading
    record.set_loading(0)
    assert not ours.loading
    assert (wire_id("34"), wire_id("heartbeat-3")) == (34, 0)
    ours.close()
    ours.close()


def test_a_lane_that_comes_and_goes_takes_no_more_memory() -> None:
    ours = Record()
    record = WorkerRecord(ours.fileno())
    sizes: set[int] = set()
    for _ in range(10):
        engine = JournaledEngine(ScriptedEngine(), record)
        sizes.add(os.fstat(ours.fileno()).st_size)
        del engine
    assert len(sizes) == 1
    ours.close()
