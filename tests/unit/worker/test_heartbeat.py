"""Heartbeats: a real inference, real work instead where there is some, and a stuck lane is seen."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from speech_service.config import SchedulerConfig
from speech_service.protocols import NullObserver
from speech_service.scheduler.model_host import ModelHost
from speech_service.scheduler.scheduler import Scheduler
from speech_service.worker.heartbeat import Pulse
from speech_service.worker.journal import JournaledEngine, wire_id
from tests.unit.scheduler.builders import MODEL, Outcomes, ScriptedEngine, make_work, until


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


async def test_no_result_in_time(rig: Rig) -> None:
    pulse = Pulse(rig.host, rig.scheduler, rig.models, interval_s=60)
    await rig.host.load(MODEL)
    for engine in rig.engines:
        engine.gate.clear()
    (beat,) = await pulse.beat(0.05)
    assert not beat.ok
    assert beat.message == "no result in time"


async def test_a_stuck_lane_is_seen_while_the_other_works(rig: Rig) -> None:
    pulse = Pulse(rig.host, rig.scheduler, rig.models, interval_s=0.02)
    await rig.host.load(MODEL)
    outcomes = Outcomes(pulse)
    rig.engines[0].gate.clear()
    for number in range(50):  # until the held lane has taken one: two items at once take two lanes
        outcomes.submit(make_work(f"w{number}"), make_work(f"v{number}"))
        await asyncio.sleep(0.005)
        if rig.engines[0].admitted:
            break
    await until(lambda: rig.scheduler.longest_step_s(MODEL) > 0.05)
    outcomes.submit(make_work("last"))
    await outcomes.wait("last")
    (beat,) = await pulse.beat(0.02)
    assert not beat.ok
    assert beat.message == "a lane is stuck"


def test_journal_holds_what_runs(tmp_path: object) -> None:
    from pathlib import Path

    path = Path(str(tmp_path)) / "running-1"
    engine = JournaledEngine(ScriptedEngine(max_batch=2, steps=2), path)

    def numbers() -> list[int]:
        data = path.read_bytes()
        return sorted(int.from_bytes(data[i : i + 8], "little") for i in range(0, len(data), 8))

    assert numbers() == [0, 0]
    engine.admit(make_work("run1/7"))
    engine.admit(make_work("heartbeat-3"))
    assert numbers() == [0, 7]
    engine.abort("heartbeat-3")
    engine.admit(make_work(f"run1/{2**40}"))
    assert numbers() == [7, 2**40]
    engine.step()
    engine.step()
    assert numbers() == [0, 0]
    assert wire_id("run12/34") == 34
