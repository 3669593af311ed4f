"""``ModelControl`` over one worker process, and over several."""

import asyncio
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from speech_service.dispatch.workers.submitter import RemoteSubmitter
from speech_service.domain.errors import ResourceNotFoundError
from speech_service.domain.models import (
    ModelState,
    ModelStatus,
    UnloadOutcome,
    WorkerState,
    WorkerStatus,
)

T = TypeVar("T")

# What is said of a model while the worker does not answer. One that runs has shown none to be ready.
_BY_WORKER: Mapping[WorkerState, ModelState] = {
    WorkerState.STOPPED: ModelState.UNLOADED,
    WorkerState.STARTING: ModelState.LOADING,
    WorkerState.READY: ModelState.LOADING,
    WorkerState.RESTARTING: ModelState.LOADING,
    WorkerState.FAILED: ModelState.FAILED,
}


class RemoteControl:
    """The operator's hand on the models of a worker process."""

    def __init__(self, submitter: RemoteSubmitter) -> None:
        self._submitter = submitter
        self._place = submitter.place

    @property
    def models(self) -> Mapping[str, str]:
        """The models that the worker serves, each with its device."""
        return self._place.model_devices

    async def report(self) -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        """Ask the worker, if it runs."""
        answer = await self._submitter.status()
        loaded = {} if answer is None else {status.model: status for status in answer.models}
        queued = 0 if answer is None else answer.queued
        statuses: list[ModelStatus] = []
        for name, device in self.models.items():
            entry = loaded.get(name)
            state = ModelState.UNLOADED if entry is None else entry.state
            if answer is None:
                state = _BY_WORKER[self._submitter.state]
            active = 0 if entry is None else entry.active
            where = device if state is ModelState.READY else ""
            worker = self._place.name
            statuses.append(ModelStatus(name, state, worker, where, queued=queued, active=active))
        stats = self._submitter.stats()
        worker = WorkerStatus(
            self._place.name,
            stats.state,
            pid=stats.pid,
            rss_bytes=0 if answer is None else answer.rss_bytes,
            device_memory_bytes=0 if answer is None else answer.device_memory_bytes,
            restarts=stats.restarts,
            healthy=stats.healthy,
            devices=self._place.devices,
            models=tuple(self.models),
        )
        return statuses, (worker,)

    async def load(self, model: str) -> float:
        """Load the model, starting the worker if need be; returns milliseconds."""
        return await self._submitter.load(model)

    async def unload(self, model: str) -> Mapping[str, UnloadOutcome]:
        """Unload the model."""
        return {self._place.name: await self._submitter.unload(model)}


class WorkersControl:
    """The operator's hand on the models of several worker processes."""

    def __init__(self, workers: Sequence[RemoteControl]) -> None:
        self._workers = workers

    async def report(self) -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        """Ask all workers that run, at once. Instances are sorted by model and worker."""
        reports = await asyncio.gather(*(worker.report() for worker in self._workers))
        places = {name: at for at, name in enumerate(self._names())}
        statuses = [status for statuses, _ in reports for status in statuses]
        statuses.sort(key=lambda status: places[status.model])  # stable: workers stay in order
        return statuses, [status for _, workers in reports for status in workers]

    async def load(self, model: str) -> float:
        """Load the model in every worker that serves it; returns the milliseconds of the slowest."""
        return max(await _all(worker.load(model) for worker in self._serving(model)))

    async def unload(self, model: str) -> Mapping[str, UnloadOutcome]:
        """Unload the model everywhere."""
        outcomes = await _all(worker.unload(model) for worker in self._serving(model))
        return {worker: each for found in outcomes for worker, each in found.items()}

    def _names(self) -> Sequence[str]:
        return list(dict.fromkeys(name for worker in self._workers for name in worker.models))

    def _serving(self, model: str) -> Sequence[RemoteControl]:
        serving = [worker for worker in self._workers if model in worker.models]
        if not serving:
            hint = f"Known here: {', '.join(sorted(self._names()))}."
            raise ResourceNotFoundError("model", model, hint)
        return serving


async def _all(coroutines: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """What they return, once all have ended; raises what the first of them raised."""
    results = await asyncio.gather(*coroutines, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]
