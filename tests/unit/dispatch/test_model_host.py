"""Models load on first need, unload on request, and a failed load fails the work that waited."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch import models as model_host
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.domain.errors import ResourceNotFoundError, UnavailableError
from speech_service.domain.models import ModelState
from speech_service.domain.work import DropReason, WorkDone, WorkDropped, WorkEvent, WorkFailed
from speech_service.protocols import Engine, NullObserver
from tests.unit.dispatch.builders import MODEL, Outcomes, ScriptedEngine, make_work, until


class Workshop:
    """Builds engines, or fails to."""

    def __init__(self) -> None:
        self.built: list[str] = []
        self.threads: set[int] = set()
        self.error: Exception | None = None
        self.engines: list[ScriptedEngine] = []

    def build(self, name: str) -> Sequence[Engine]:
        """One lane."""
        self.built.append(name)
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error
        self.engines.append(ScriptedEngine())
        return self.engines[-1:]


@pytest.fixture
async def workshop() -> Workshop:
    """Where engines come from."""
    return Workshop()


@pytest.fixture
async def host(workshop: Workshop) -> AsyncIterator[ModelHost]:
    """A host of one model."""
    loop = asyncio.get_running_loop()
    scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), loop)
    made = ModelHost([MODEL], workshop.build, scheduler)
    yield made
    await made.close()
    await scheduler.close()


async def test_loads_once_on_first_need_off_the_loop(host: ModelHost, workshop: Workshop) -> None:
    outcomes = Outcomes(host)
    assert host.states == {MODEL: ModelState.UNLOADED}
    outcomes.submit(make_work("a"), make_work("b"))
    assert host.states == {MODEL: ModelState.LOADING}
    events = await outcomes.wait("a", "b")
    assert all(isinstance(event, WorkDone) for event in events)
    assert workshop.built == [MODEL]
    assert threading.get_ident() not in workshop.threads
    assert await host.load(MODEL) == 0.0


async def test_unload_and_load_again(host: ModelHost, workshop: Workshop) -> None:
    assert not await host.unload(MODEL)
    assert await host.load(MODEL) > 0
    assert await host.unload(MODEL)
    assert host.states == {MODEL: ModelState.UNLOADED}
    outcomes = Outcomes(host)
    outcomes.submit(make_work("a"))
    await outcomes.wait("a")
    assert workshop.built == [MODEL, MODEL]
    with pytest.raises(ResourceNotFoundError):
        await host.load("other")


async def test_work_that_comes_during_unload_loads_it_again(
    host: ModelHost, workshop: Workshop
) -> None:
    await host.load(MODEL)
    unloading = asyncio.create_task(host.unload(MODEL))
    await asyncio.sleep(0)
    outcomes = Outcomes(host)
    outcomes.submit(make_work("a"))
    assert isinstance((await outcomes.wait("a"))[0], WorkDone)
    assert await unloading
    assert len(workshop.built) <= 2


async def test_a_probe_loads_no_model_and_goes_with_the_one_that_it_asks(
    host: ModelHost, workshop: Workshop
) -> None:
    with pytest.raises(ValueError, match="not loaded"):
        host.probe(make_work("early"), lambda event: None)
    await host.load(MODEL)
    (engine,) = workshop.engines
    engine.gate.clear()
    outcomes, probed = Outcomes(host), list[WorkEvent]()
    outcomes.submit(make_work("runs"))
    await until(lambda: engine.admitted == ["runs"])
    host.probe(make_work("waits"), probed.append)
    unloading = asyncio.create_task(host.unload(MODEL))
    await until(lambda: bool(probed))
    engine.gate.set()
    assert await unloading
    assert host.states == {MODEL: ModelState.UNLOADED}
    assert isinstance((await outcomes.wait("runs"))[0], WorkDone)
    assert probed == [WorkDropped("waits", DropReason.CANCELLED)]
    assert workshop.built == [MODEL]


async def test_failed_load_fails_waiting_work_and_is_tried_again_later(
    host: ModelHost, workshop: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop.error = RuntimeError("no such file: secret")
    outcomes = Outcomes(host)
    outcomes.submit(make_work("a"))
    (event,) = await outcomes.wait("a")
    assert isinstance(event, WorkFailed)
    assert event.error.reason == "MODEL_LOAD_FAILED"
    assert "secret" not in event.error.message
    assert host.states == {MODEL: ModelState.FAILED}
    with pytest.raises(UnavailableError):
        outcomes.submit(make_work("b"))
    assert len(workshop.built) == 1, "not with every work item"
    workshop.error = None
    monkeypatch.setattr(model_host, "FAILED_RETRY_S", 0.0)
    outcomes.submit(make_work("c"))
    assert isinstance((await outcomes.wait("c"))[0], WorkDone)
