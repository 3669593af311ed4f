"""``ModelControl`` over a worker process."""

from collections.abc import Mapping, Sequence

from speech_service.dispatch.workers.submitter import RemoteSubmitter
from speech_service.domain.models import ModelState, ModelStatus, WorkerState, WorkerStatus

WORKER_ID = "worker-0"

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

    def __init__(self, submitter: RemoteSubmitter, models: Sequence[str]) -> None:
        self._submitter = submitter
        self._models = models

    async def report(self) -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        """Ask the worker, if it runs."""
        answer = await self._submitter.status()
        loaded = {} if answer is None else {status.model: status for status in answer.models}
        queued = 0 if answer is None else answer.queued
        statuses: list[ModelStatus] = []
        for name in self._models:
            entry = loaded.get(name)
            state = ModelState.UNLOADED if entry is None else entry.state
            if answer is None:
                state = _BY_WORKER[self._submitter.state]
            active = 0 if entry is None else entry.active
            statuses.append(ModelStatus(name, state, WORKER_ID, queued=queued, active=active))
        worker = WorkerStatus(
            WORKER_ID,
            self._submitter.state.value,
            pid=self._submitter.stats().pid,
            rss_bytes=0 if answer is None else answer.rss_bytes,
            restarts=self._submitter.stats().restarts,
        )
        return statuses, (worker,)

    async def load(self, model: str) -> float:
        """Load the model, starting the worker if need be; returns milliseconds."""
        return await self._submitter.load(model)

    async def unload(self, model: str) -> bool:
        """Unload the model."""
        return await self._submitter.unload(model)
