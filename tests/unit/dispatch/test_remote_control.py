"""What is said of models while their worker says nothing."""

from typing import Any, cast

import pytest

from speech_service.dispatch.workers import RemoteSubmitter, WorkerState
from speech_service.dispatch.workers.control import RemoteControl
from speech_service.dispatch.workers.process import WorkerPlace
from speech_service.dispatch.workers.submitter import RemoteStats
from speech_service.domain.models import ModelState


class SilentWorker:
    """A submitter whose worker does not answer."""

    def __init__(self, state: WorkerState) -> None:
        self.state = state
        self.place = WorkerPlace("w", ("cpu",), {"a": "cpu", "b": "cpu"})

    async def status(self) -> None:
        """Nobody answers."""

    def stats(self) -> RemoteStats:
        """What the front end knows by itself."""
        return RemoteStats(self.state, False, 7, 0, 0, 0)


@pytest.mark.parametrize(
    ("worker", "model"),
    [
        (WorkerState.STOPPED, ModelState.UNLOADED),
        (WorkerState.STARTING, ModelState.LOADING),
        (WorkerState.READY, ModelState.LOADING),
        (WorkerState.FAILED, ModelState.FAILED),
    ],
)
async def test_no_model_is_ready_that_nobody_has_heard_of(
    worker: WorkerState, model: ModelState
) -> None:
    silent = cast(RemoteSubmitter, cast(Any, SilentWorker(worker)))
    statuses, _ = await RemoteControl(silent).report()
    assert [(status.model, status.state) for status in statuses] == [("a", model), ("b", model)]
