"""The seat for a live item beside BACKGROUND work: order is counted in steps of a scripted engine."""

import asyncio
from itertools import groupby

import pytest

from speech_service.dispatch.record import Record, WorkerRecord
from speech_service.domain.work import WorkClass
from speech_service.worker.journal import JournaledEngine
from tests.unit.dispatch.builders import ScriptedEngine, make_work, until
from tests.unit.dispatch.test_scheduler import running

FINAL, PARTIAL, UNARY, BACKGROUND = WorkClass
STEPS = 4


@pytest.mark.parametrize("work_class", [FINAL, PARTIAL])
async def test_a_live_item_waits_for_the_step_and_not_for_the_item(work_class: WorkClass) -> None:
    engine = ScriptedEngine(steps=STEPS, pauses=True)
    engine.gate.clear()
    async with running(engine) as (_, outcomes):
        outcomes.submit(make_work("bulk", BACKGROUND))
        await until(lambda: engine.admitted == ["bulk"])
        outcomes.submit(make_work("bulk2", BACKGROUND), make_work("live", work_class))
        engine.gate.set()
        await outcomes.wait("bulk", "bulk2", "live")
        assert outcomes.order == ["live", "bulk", "bulk2"]
        assert list(engine.stepped) == [
            ["bulk"],
            *[["live"]] * STEPS,
            *[["bulk"]] * 3,
            *[["bulk2"]] * 4,
        ]


async def test_bulk_has_a_step_after_each_guest() -> None:
    engine = ScriptedEngine(steps=STEPS, pauses=True)
    engine.gate.clear()
    async with running(engine) as (_, outcomes):
        outcomes.submit(make_work("bulk", BACKGROUND))
        await until(lambda: engine.admitted == ["bulk"])
        live = [f"live{n}" for n in range(10)]
        outcomes.submit(*(make_work(name, FINAL) for name in live))
        engine.gate.set()
        await outcomes.wait("bulk", *live)
        runs = [(key, len(list(group))) for key, group in groupby(s[0] for s in engine.stepped)]
        beside = [("bulk", 1), ("live0", 4), ("bulk", 1), ("live1", 4), ("bulk", 1), ("live2", 4)]
        assert runs == [*beside, ("bulk", 1), *((name, 4) for name in live[3:])]


@pytest.mark.parametrize(
    ("seated", "comes", "pauses"),
    [
        (BACKGROUND, UNARY, True),
        (BACKGROUND, FINAL, False),
        (UNARY, FINAL, True),
        (PARTIAL, FINAL, True),
        (FINAL, FINAL, True),
    ],
)
async def test_only_live_work_is_a_guest_and_only_of_background_work(
    seated: WorkClass, comes: WorkClass, pauses: bool
) -> None:
    engine = ScriptedEngine(steps=STEPS, pauses=pauses)
    engine.gate.clear()
    async with running(engine) as (_, outcomes):
        outcomes.submit(make_work("first", seated))
        await until(lambda: engine.admitted == ["first"])
        outcomes.submit(make_work("second", comes))
        engine.gate.set()
        await outcomes.wait("first", "second")
        assert outcomes.order == ["first", "second"]
        assert list(engine.stepped) == [["first"]] * STEPS + [["second"]] * STEPS


async def test_a_guest_and_its_host_can_be_cancelled() -> None:
    engine = ScriptedEngine(steps=STEPS, pauses=True)
    engine.gate.clear()
    async with running(engine) as (scheduler, outcomes):
        outcomes.submit(make_work("bulk", BACKGROUND))
        await until(lambda: engine.admitted == ["bulk"])
        outcomes.submit(make_work("live", FINAL), make_work("bulk2", BACKGROUND))
        scheduler.cancel("bulk")
        engine.gate.set()
        await outcomes.wait("bulk", "live", "bulk2")
        assert engine.aborted == ["bulk"]
        assert not engine.items
        await asyncio.sleep(0)
        assert scheduler.stats().outstanding == 0


def test_the_journal_of_a_worker_has_a_line_for_the_guest() -> None:
    record = Record()
    engine = JournaledEngine(
        ScriptedEngine(max_batch=2, pauses=True), WorkerRecord(record.fileno())
    )
    for number, work_class in ((1, BACKGROUND), (2, BACKGROUND), (3, FINAL)):
        engine.admit(make_work(str(number), work_class))
    assert sorted(record.ran_ids()) == [1, 2, 3]
    engine.step()
    assert sorted(record.ran_ids()) == [1, 2]
    record.close()
