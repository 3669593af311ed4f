"""GPUs with a scheduler each, behind the router: everything between a session and an engine is the service's own."""

import asyncio
from collections.abc import Callable, Collection, Sequence
from functools import partial
from typing import Any

import numpy as np

from benchmarks.simulate.cost_model import WORKER_LINK_S
from benchmarks.simulate.virtual_time import SimulatedDevice
from speech_service.calls.driver import AnySession, OnEvent, SessionRunner
from speech_service.calls.session_tools import SessionTools
from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.router import Router
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers.outbox import OutboxItem
from speech_service.domain.audio import Samples
from speech_service.domain.call import Call
from speech_service.domain.models import WorkerState
from speech_service.domain.recognition import Pacing
from speech_service.domain.work import DropReason, Work, WorkDropped, WorkEvent
from speech_service.protocols import Engine, NullObserver, NullTracer, OnWorkEvent

DEVICE = "cuda:0"


class SimulatedGpu:
    """A worker with one GPU, whose models share its lane. Implements ``RoutedWorker``; it never dies."""

    state = WorkerState.READY
    healthy = True

    def __init__(self, name: str, config: SchedulerConfig | None = None) -> None:
        loop = asyncio.get_running_loop()
        self.name = name
        self.device = SimulatedDevice()
        self.models: Collection[str] = ()
        self._loop = loop
        self._scheduler = Scheduler(
            {},
            config or SchedulerConfig(max_queued=100_000, max_queued_ms=1_000_000_000),
            NullObserver(),
            loop,
            clock=loop.time,
            start_lane=self.device.start_lane,
        )

    def host(self, engine: Engine) -> None:
        """Serve a model."""
        name = engine.capabilities.name
        self.models = (*self.models, name)
        self._scheduler.add_lanes(name, [engine], DEVICE)

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """The way there is part of the way back, so that what is refused is refused at once."""
        arrive = partial(self._loop.call_later, 2 * WORKER_LINK_S, on_event)
        self._scheduler.submit(work, lambda event: void(arrive(event)))

    def cancel(self, work_id: str) -> None:
        """Give the work up."""
        self._scheduler.cancel(work_id)

    def release(self, stream_id: str) -> None:
        """The stream is over."""
        self._scheduler.release(stream_id)

    def subscribe(self, callback: Callable[[WorkerState], None]) -> Callable[[], None]:
        """Its state does not change."""
        del callback
        return lambda: None

    def subscribe_health(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Its health does not change."""
        del callback
        return lambda: None

    def wake(self) -> None:
        """It runs."""

    def give_back(self, work_id: str) -> OutboxItem | None:
        """It keeps what it has."""
        del work_id

    def take_over(self, item: OutboxItem) -> None:
        """Do what another had not finished."""
        self.submit(item.work, item.on_event)


def void(_: object) -> None:
    """Drop a result."""


class ScriptedVad:
    """Hears speech where the script says so: True for each frame of 32 ms that is speech."""

    def __init__(self, script: Sequence[bool]) -> None:
        self._script = script
        self._at = 0

    def open(self) -> "ScriptedVad":
        """The one stream that it is made for."""
        return self

    async def probabilities(self, frames: Samples) -> Samples:
        """Of the next frames."""
        begin, self._at = self._at, self._at + len(frames)
        heard = self._script[begin : self._at]
        return np.array([0.9 if is_speech else 0.05 for is_speech in heard], np.float32)


class Fleet:
    """So many GPUs, all with the same models."""

    def __init__(
        self, make_engines: Callable[[SimulatedDevice], Sequence[Engine]], gpus: int = 1
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.gpus = [SimulatedGpu(f"gpu-{number}") for number in range(gpus)]
        for gpu in self.gpus:
            for engine in make_engines(gpu.device):
                gpu.host(engine)
        self.router = Router(self.gpus, self._loop.time)
        self.ended = 0
        self.superseded = 0
        """Of the work that ended, partials that gave way to newer ones."""
        self.router.watch(self._count)
        self._calls = 0

    @property
    def now_s(self) -> float:
        """Virtual time."""
        return self._loop.time()

    @property
    def busy_s(self) -> float:
        """Time that all devices computed."""
        return sum(gpu.device.busy_s for gpu in self.gpus)

    @property
    def held_s(self) -> float:
        """Time that steps took on all devices, their waits for the host included."""
        return self.busy_s + sum(gpu.device.host_s for gpu in self.gpus)

    @property
    def next_id(self) -> str:
        """Of the call that comes next."""
        return f"call-{self._calls}"

    def new_id(self) -> str:
        """Of a call."""
        new = self.next_id
        self._calls += 1
        return new

    def drive(
        self,
        session: AnySession,
        session_id: str,
        pacing: Pacing | None,
        on_event: OnEvent[Any],
        vad: ScriptedVad | None = None,
    ) -> SessionRunner[AnySession, Any]:
        """The service's own driver of a session."""
        call = Call("speech.v1", "Stream", "bidi_stream", session_id, session_id=session_id)
        tools = SessionTools(self.router, vad or ScriptedVad(()), NullObserver(), NullTracer())
        return tools.runner(session, call, pacing, on_event)

    def _count(self, worker: str, work: Work, event: WorkEvent) -> None:
        del worker, work
        self.ended += 1
        if isinstance(event, WorkDropped):
            self.superseded += event.reason is DropReason.SUPERSEDED
