"""Where the models run: in worker processes, or in this one. Nobody else knows which."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

from speech_service.app.worker_plan import Machine, PlannedModel, plan_workers
from speech_service.config.environment import visible_gpus
from speech_service.config.tree import Config, ConfigError, ObservabilityConfig
from speech_service.dispatch.device import LanePlan, plan_lanes, usable_cores
from speech_service.dispatch.inline_control import INLINE_ID, InlineControl
from speech_service.dispatch.metrics import WorkerObserver
from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.router import Router
from speech_service.dispatch.scheduler import Scheduler
from speech_service.dispatch.workers import RemoteSubmitter
from speech_service.dispatch.workers.control import RemoteControl, WorkersControl
from speech_service.domain.models import ModelCapabilities, ModelKind
from speech_service.engines import registry
from speech_service.engines.runtimes.gpus import count_gpus
from speech_service.engines.shared import SharedModels
from speech_service.protocols import Engine, ModelControl, Observer, Submitter
from speech_service.tasks import log_failure

OnHealth = Callable[[Mapping[ModelKind, bool]], None]
"""Told of each kind of model whether work for it can be expected to succeed."""


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

    @property
    def worker_count(self) -> int:
        """How many processes they run in beside this one."""
        ...

    @property
    def lanes(self) -> Mapping[str, Sequence[LanePlan]]:
        """Of each model, at each worker that serves it."""
        ...

    def start(self, on_health: OnHealth) -> None:
        """Load what is to be there from the start, and tell whenever work of a kind can, or cannot, be expected to
        succeed.
        """
        ...

    def change_log(self, observability: ObservabilityConfig) -> None:
        """Have them log so, where they have a log of their own."""
        ...

    async def close(self) -> None:
        """Give up what is left and let go of the models."""
        ...


def host_models(config: Config, models: Sequence[ModelCapabilities], observer: Observer) -> Hosting:
    """What ``worker.mode`` says; must run on the event loop. ``models`` are those of the configuration, in order.

    Raises:
        ConfigError: its workers do not fit each other, the models or the machine.
    """
    if config.worker.mode == "process":
        return _WorkerHosting(config, models, observer)
    if config.workers:
        raise ConfigError(
            f'workers: {len(config.workers)} given, and worker.mode = "inline" runs the models in the front end. '
            'Leave [[workers]] out, or set worker.mode to "process"'
        )
    return _InlineHosting(config, models, observer)


class _WorkerHosting:
    def __init__(
        self, config: Config, models: Sequence[ModelCapabilities], observer: Observer
    ) -> None:
        planned = [
            PlannedModel(each, told, registry.device_of(each))
            for each, told in zip(config.models, models, strict=True)
        ]
        machine = Machine(usable_cores(), count_gpus, visible_gpus())
        loop = asyncio.get_running_loop()
        self._kinds = {model.name: model.kind for model in models}
        plans = plan_workers(config, planned, machine)
        self._workers = [
            RemoteSubmitter(
                plan.config,
                plan.models,
                WorkerObserver(observer, plan.place.name),
                loop,
                place=plan.place,
            )
            for plan in plans
        ]
        self.lanes = {
            model.name: [
                plan_lanes(plan.place.model_devices[model.name], plan.config.scheduler.lanes)
                for plan in plans
                if model.name in plan.place.model_devices
            ]
            for model in models
        }
        self.submitter = Router(self._workers)
        self.control = WorkersControl([RemoteControl(worker) for worker in self._workers])
        self.worker_count = len(self._workers)

    def start(self, on_health: OnHealth) -> None:
        def tell(_: bool) -> None:
            on_health(self._health())

        for worker in self._workers:
            worker.subscribe_health(tell)
            worker.start()

    def change_log(self, observability: ObservabilityConfig) -> None:
        for worker in self._workers:
            worker.change_log(observability)

    async def close(self) -> None:
        await asyncio.gather(*(worker.close() for worker in self._workers))

    def _health(self) -> Mapping[ModelKind, bool]:
        """A kind of work can be done where a worker can that has a model for it."""
        able = {model for worker in self._workers if worker.healthy for model in worker.models}
        return {
            kind: any(name in able for name, has in self._kinds.items() if has is kind)
            for kind in self._kinds.values()
        }


class _InlineHosting:
    def __init__(
        self, config: Config, models: Sequence[ModelCapabilities], observer: Observer
    ) -> None:
        names = [model.name for model in models]
        self._configured = dict(zip(names, config.models, strict=True))
        self._lanes = config.scheduler.lanes
        self._preload = config.worker.preload
        told = WorkerObserver(observer, INLINE_ID)
        self._scheduler = Scheduler({}, config.scheduler, told, asyncio.get_running_loop())
        self._loading: set[asyncio.Task[Any]] = set()
        self.submitter = ModelHost(
            names,
            self._build,
            self._scheduler,
            shared_by=lambda name: self._plan(name).shared_by,
        )
        self.control = InlineControl(self.submitter, self._scheduler)
        self.worker_count = 0
        self.lanes = {name: [self._plan(name)] for name in names}

    def start(self, on_health: OnHealth) -> None:
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
