"""Models on one accelerator share one lane: one step at a time, the most urgent first, and all of them move."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import numpy as np
import pytest

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.device import LanePlan, plan_lanes
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.domain.errors import DeviceLostError, SpeechError
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.domain.work import (
    SpeechMade,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkEvent,
    WorkTiming,
)
from speech_service.protocols import Engine, NullObserver
from tests.unit.dispatch.builders import Outcomes, make_work, until

pytestmark = pytest.mark.unit

FINAL, PARTIAL, UNARY, BACKGROUND = WorkClass
DEVICE = "cuda:0"
RATE = 24_000


class Device:
    """Writes down who steps, and lets nobody step until it is told to."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.threads: set[int] = set()
        self.waits = threading.Event()
        self._gate = threading.Event()
        self._busy = threading.Lock()

    def step(self, name: str) -> None:
        """One step of a model."""
        assert self._busy.acquire(blocking=False), "two models step at once"
        self.threads.add(threading.get_ident())
        self.waits.set()
        assert self._gate.wait(60)
        self.steps.append(name)
        self._busy.release()

    def go(self) -> None:
        """Nobody waits any more."""
        self._gate.set()


class Model:
    """Takes ``steps`` steps for each item, one item at a time. A speaker says ``frame_s`` of audio at each."""

    def __init__(
        self,
        device: Device,
        name: str,
        steps: int = 1,
        *,
        speaks: bool = False,
        frame_s: float = 0.08,
    ) -> None:
        self._device, self._name, self._steps = device, name, steps
        self._speaks, self._frame_s = speaks, frame_s
        self._left: dict[str, int] = {}

    @property
    def capabilities(self) -> ModelCapabilities:
        """One item at a time."""
        kind = ModelKind.SYNTHESIZER if self._speaks else ModelKind.RECOGNIZER
        return ModelCapabilities(self._name, kind, ("en",), RATE, 20_000)

    def admit(self, work: Work) -> None:
        """Take the item."""
        self._left[work.work_id] = self._steps

    def step(self) -> Sequence[WorkEvent]:
        """One step of it."""
        self._device.step(self._name)
        events: list[WorkEvent] = []
        for work_id in list(self._left):
            self._left[work_id] -= 1
            if self._speaks:
                audio = np.zeros(int(self._frame_s * RATE), np.float32)
                events.append(WorkAudio(work_id, audio, RATE))
            if not self._left[work_id]:
                del self._left[work_id]
                events.append(WorkDone(work_id, SpeechMade(RATE), WorkTiming()))
        return events

    def abort(self, work_id: str) -> None:
        """Forget the item."""
        self._left.pop(work_id, None)


class Ended(Outcomes):
    """Outcomes, without the audio that comes before."""

    def _on_event(self, event: WorkEvent) -> None:
        if not isinstance(event, WorkAudio):
            super()._on_event(event)


@asynccontextmanager
async def sharing(
    models: dict[str, Engine], starvation_ms: int = 60_000
) -> AsyncIterator[tuple[Scheduler, Ended]]:
    """A scheduler whose models are all on one device."""
    config = SchedulerConfig(starvation_ms=starvation_ms)
    scheduler = Scheduler({}, config, NullObserver(), asyncio.get_running_loop())
    for name, engine in models.items():
        scheduler.add_lanes(name, [engine], DEVICE)
    try:
        yield scheduler, Ended(scheduler)
    finally:
        await scheduler.close()


def recognition(work_id: str, work_class: WorkClass, model: str = "ears") -> Work:
    """Work for a recognizer."""
    return make_work(work_id, work_class, model=model)


def speech(work_id: str, work_class: WorkClass = FINAL, model: str = "mouth") -> Work:
    """Work for a speaker."""
    return SynthesizeWork(
        work_id=work_id, stream_id=work_id, work_class=work_class, model=model, text="a", voice="v"
    )


async def begun(device: Device) -> None:
    """Wait until a model is in a step."""
    assert await asyncio.to_thread(device.waits.wait, 60)


@pytest.mark.parametrize("configured", [0, 1, 16])
def test_an_accelerator_has_one_lane_and_a_cpu_one_per_core_and_model(configured: int) -> None:
    assert plan_lanes("cuda", configured) == plan_lanes("cuda:0", configured)
    assert plan_lanes("cuda:0", configured) == LanePlan(1, "cuda:0")
    assert plan_lanes("cuda:1", configured) == LanePlan(1, "cuda:1")
    cpu = plan_lanes("cpu", configured)
    assert cpu.shared_by == ""
    assert cpu.count == configured or (not configured and cpu.count >= 1)


async def test_recognition_and_synthesis_step_on_one_thread_and_never_at_once() -> None:
    device = Device()
    device.go()
    models: dict[str, Engine] = {
        "ears": Model(device, "ears", 3),
        "mouth": Model(device, "mouth", 5, speaks=True),
    }
    async with sharing(models) as (_, outcomes):
        works = [recognition(f"r{n}", FINAL) for n in range(10)]
        works += [speech(f"s{n}") for n in range(10)]
        outcomes.submit(*works)
        await outcomes.wait(*(work.work_id for work in works))
    assert len(device.threads) == 1
    assert device.steps.count("ears") == 30
    assert device.steps.count("mouth") == 50


async def test_two_devices_have_two_lanes() -> None:
    devices = Device(), Device()
    scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), asyncio.get_running_loop())
    for number, device in enumerate(devices):
        scheduler.add_lanes(f"m{number}", [Model(device, "m")], f"cuda:{number}")
    outcomes = Ended(scheduler)
    outcomes.submit(recognition("a", FINAL, "m0"), recognition("b", FINAL, "m1"))
    for device in devices:
        await begun(device)  # both at once
        device.go()
    await outcomes.wait("a", "b")
    await scheduler.close()
    assert devices[0].threads.isdisjoint(devices[1].threads)


async def test_the_most_urgent_work_of_all_models_goes_first() -> None:
    device = Device()
    wanted: list[tuple[str, Work]] = [
        ("final", recognition("1", FINAL, "final")),
        ("first audio", speech("2", FINAL, "first audio")),
        ("partial", recognition("3", PARTIAL, "partial")),
        ("unary", speech("4", UNARY, "unary")),
        ("background", recognition("5", BACKGROUND, "background")),
    ]
    models: dict[str, Engine] = {
        name: Model(device, name, 2, speaks=isinstance(work, SynthesizeWork), frame_s=9.0)
        for name, work in wanted
    }
    models["first"] = Model(device, "first")
    async with sharing(models) as (_, outcomes):
        outcomes.submit(recognition("0", FINAL, "first"))
        await begun(device)  # what comes now is all there at the next step
        outcomes.submit(*(work for _, work in reversed(wanted)))
        device.go()
        await outcomes.wait("0", *(work.work_id for _, work in wanted))
    # Speech that was begun, and is seconds ahead of its listener, lets others go first; and so goes before bulk.
    assert device.steps == [
        *("first", "final", "final", "first audio", "partial", "partial"),
        *("unary", "unary", "first audio", "background", "background"),
    ]


async def test_speech_whose_listener_has_little_left_goes_before_unary_work() -> None:
    device = Device()
    models: dict[str, Engine] = {
        "mouth": Model(device, "mouth", 3, speaks=True, frame_s=0.0005),
        "ears": Model(device, "ears", 3),
        "first": Model(device, "first"),
    }
    async with sharing(models) as (_, outcomes):
        outcomes.submit(recognition("0", FINAL, "first"))
        await begun(device)
        outcomes.submit(recognition("u", UNARY), speech("s"))
        device.go()
        await outcomes.wait("0", "u", "s")
    assert device.steps == ["first", *["mouth"] * 3, *["ears"] * 3]


async def test_nothing_starves_beside_a_model_that_always_has_finals() -> None:
    device = Device()
    finals, others = 40, (("mouth", speech("s")), ("bulk", recognition("b", BACKGROUND, "bulk")))
    models: dict[str, Engine] = {
        "ears": Model(device, "ears"),
        "mouth": Model(device, "mouth", 5, speaks=True),
        "bulk": Model(device, "bulk", 5),
    }
    async with sharing(models, starvation_ms=0) as (_, outcomes):
        outcomes.submit(*(recognition(f"f{n}", FINAL) for n in range(finals)))
        await begun(device)
        outcomes.submit(*(work for _, work in others))
        device.go()
        await outcomes.wait("s", "b", *(f"f{n}" for n in range(finals)))
    last_of_finals = len(device.steps) - 1 - device.steps[::-1].index("ears")
    for name, _ in others:
        assert device.steps.count(name) == 5
        assert device.steps[:last_of_finals].count(name) == 5, "it did not wait for the end of them"


async def test_models_come_and_go_and_the_others_stay() -> None:
    device = Device()
    device.go()
    loop = asyncio.get_running_loop()
    scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), loop)
    host = ModelHost(
        ["ears", "mouth"],
        lambda name: [Model(device, name, 2, speaks=name == "mouth")],
        scheduler,
        shared_by=lambda name: DEVICE,
    )
    outcomes = Ended(host)
    for attempt in range(3):
        outcomes.submit(recognition(f"r{attempt}", FINAL), speech(f"s{attempt}"))
        await outcomes.wait(f"r{attempt}", f"s{attempt}")
        assert await host.unload("mouth")
        outcomes.submit(recognition(f"alone{attempt}", FINAL))
        await outcomes.wait(f"alone{attempt}")
        if attempt == 1:
            assert await host.unload("ears"), "the lane has no model left, and comes back"
    await host.close()
    await scheduler.close()
    await until(lambda: DEVICE not in {thread.name for thread in threading.enumerate()})


async def test_a_model_that_fails_costs_the_others_nothing() -> None:
    device = Device()
    device.go()

    class Broken(Model):
        """Fails in its step."""

        def step(self) -> Sequence[WorkEvent]:
            """Fail."""
            raise RuntimeError("broken")

    models: dict[str, Engine] = {"ears": Model(device, "ears"), "bad": Broken(device, "bad")}
    async with sharing(models) as (_, outcomes):
        outcomes.submit(recognition("b", FINAL, "bad"), recognition("r", FINAL))
        failed, done = await outcomes.wait("b", "r")
    assert not isinstance(failed, WorkDone)
    assert isinstance(done, WorkDone)


async def test_a_lost_device_ends_its_lane_and_fails_nobody() -> None:
    device = Device()
    device.go()
    told: list[DeviceLostError] = []

    class Lost(Model):
        """Finds in its step that the device computes nothing any more."""

        def step(self) -> Sequence[WorkEvent]:
            """Say so."""
            raise DeviceLostError("an illegal address")

    loop = asyncio.get_running_loop()
    scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), loop, told.append)
    for name, model in {"ears": Model(device, "ears"), "bad": Lost(device, "bad")}.items():
        scheduler.add_lanes(name, [model], DEVICE)
    outcomes = Ended(scheduler)
    outcomes.submit(recognition("r", FINAL))
    await outcomes.wait("r")
    outcomes.submit(recognition("b", FINAL, "bad"))
    await until(lambda: bool(told))
    await until(lambda: DEVICE not in {thread.name for thread in threading.enumerate()})
    assert [str(error) for error in told] == ["an illegal address"]
    assert "b" not in outcomes.events, "another process may do it yet"


async def test_a_device_that_is_lost_while_a_model_loads_is_told_of() -> None:
    told: list[DeviceLostError] = []
    loop = asyncio.get_running_loop()
    scheduler = Scheduler({}, SchedulerConfig(), NullObserver(), loop, told.append)

    def build(name: str) -> list[Engine]:
        raise DeviceLostError(f"an illegal address below {name}")

    host = ModelHost(["ears"], build, scheduler)
    with pytest.raises(SpeechError):
        await host.load("ears")
    assert [str(error) for error in told] == ["an illegal address below ears"]
    await host.close()
    await scheduler.close()
