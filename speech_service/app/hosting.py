"""Where the models run: in a worker process, or in this one. Nobody else knows which."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from speech_service.config.tree import Config, ObservabilityConfig
from speech_service.dispatch.device import LanePlan, plan_lanes
from speech_service.dispatch.inline_control import InlineControl
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers import RemoteSubmitter
from speech_service.dispatch.workers.control import RemoteControl
from speech_service.domain.models import ModelCapabilities
from speech_service.engines import registry
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine, ModelControl, Observer, Submitter
from speech_service.tasks import log_failure


class Hosting(Protocol):
    """The models, wherever they run."""

    @property
    def submitter(self) -> Submitter:
        """Takes work to them."""
        ...

    @property
    def control(self) -> ModelControl:
        """Loads and unloads them."""
        ...

    def start(self, on_health: Callable[[bool], None]) -> None:
        """Load what is to be there from the start, and tell whenever work can, or cannot, be expected to succeed."""
        ...

    def change_log(self, observability: ObservabilityConfig) -> None:
        """Have them log so, where they have a log of their own."""
        ...

    async def close(self) -> None:
        """Give up what is left and let go of the models."""
        ...


def host_models(config: Config, models: Sequence[ModelCapabilities], observer: Observer) -> Hosting:
    """What ``worker.mode`` says; must run on the event loop. ``models`` are those of the configuration, in order."""
    if config.worker.mode == "process":
        return _WorkerHosting(config, models, observer)
    return _InlineHosting(config, models, observer)


class _WorkerHosting:
    def __init__(
        self, config: Config, models: Sequence[ModelCapabilities], observer: Observer
    ) -> None:
        self.submitter = RemoteSubmitter(config, models, observer, asyncio.get_running_loop())
        self.control = RemoteControl(self.submitter, [model.name for model in models])

    def start(self, on_health: Callable[[bool], None]) -> None:
        self.submitter.subscribe_health(on_health)
        self.submitter.start()

    def change_log(self, observability: ObservabilityConfig) -> None:
        self.submitter.change_log(observability)

    async def close(self) -> None:
        await self.submitter.close()


class _InlineHosting:
    def __init__(
        self, config: Config, models: Sequence[ModelCapabilities], observer: Observer
    ) -> None:
        names = [model.name for model in models]
        self._configured = dict(zip(names, config.models, strict=True))
        self._lanes = config.scheduler.lanes
        self._preload = config.worker.preload
        self._scheduler = Scheduler({}, config.scheduler, observer, asyncio.get_running_loop())
        self._loading: set[asyncio.Task[Any]] = set()
        self.submitter = ModelHost(
            names,
            self._build,
            self._scheduler,
            shared_by=lambda name: self._plan(name).shared_by,
        )
        self.control = InlineControl(self.submitter, self._scheduler)

    def start(self, on_health: Callable[[bool], None]) -> None:
        del on_health  # what runs here is as healthy as we are
        for name in self._configured if self._preload else ():
            task = asyncio.create_task(self.submitter.load(name), name=f"preload-{name}")
            self._loading.add(task)
            task.add_done_callback(self._loading.discard)
            task.add_done_callback(log_failure)

    def change_log(self, observability: ObservabilityConfig) -> None:
        del observability  # they log in this process, whose log has changed

    async def close(self) -> None:
        for task in self._loading:
            task.cancel()
        await self.submitter.close()
        await self._scheduler.close()

    def _build(self, name: str) -> Sequence[Engine]:
        shared, model = SharedModels(), self._configured[name]
        lanes = range(self._plan(name).count)
        return [registry.build_engine(model, shared) for _ in lanes]

    def _plan(self, name: str) -> LanePlan:
        return plan_lanes(registry.device_of(self._configured[name]), self._lanes)
