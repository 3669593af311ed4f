"""``ModelControl`` over models in this process."""

from collections.abc import Mapping, Sequence

from speech_service.dispatch.models import ModelHost
from speech_service.dispatch.scheduler import Scheduler
from speech_service.domain.models import ModelStatus, UnloadOutcome, WorkerStatus

INLINE_ID = "inline"


class InlineControl:
    """The operator's hand on the models of this process."""

    def __init__(self, host: ModelHost, scheduler: Scheduler) -> None:
        self._host = host
        self._scheduler = scheduler

    async def report(self) -> tuple[Sequence[ModelStatus], Sequence[WorkerStatus]]:
        """Every model; there is no worker process."""
        stats = self._scheduler.stats()
        queued = sum(entry.depth for entry in stats.queued.values())
        statuses = [
            ModelStatus(name, state, INLINE_ID, queued=queued, active=stats.running.get(name, 0))
            for name, state in self._host.states.items()
        ]
        return statuses, ()

    async def load(self, model: str) -> float:
        """Load the model; returns milliseconds."""
        return await self._host.load(model)

    async def unload(self, model: str) -> Mapping[str, UnloadOutcome]:
        """Unload the model."""
        was_loaded = await self._host.unload(model)
        return {INLINE_ID: UnloadOutcome.UNLOADED if was_loaded else UnloadOutcome.NOT_LOADED}
