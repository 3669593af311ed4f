"""Loads models on first need and unloads them on request, in front of a scheduler.

Which engines there are is not known here: ``build`` comes from the composition root.
"""

import asyncio
import gc
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from speech_service.dispatch.scheduler import Scheduler
from speech_service.domain.errors import (
    DeviceLostError,
    ResourceNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_service.domain.models import ModelState
from speech_service.domain.work import Work, WorkAudio, WorkEvent
from speech_service.protocols import Engine, OnWorkEvent

logger = logging.getLogger(__name__)

FAILED_RETRY_S = 5.0
"""A model that failed to load is not tried again before; its work fails at once meanwhile."""

BuildEngines = Callable[[str], Sequence[Engine]]


class ModelHost:
    """Implements ``Submitter``: work for a model that is not loaded waits while the model loads.

    A model that fails to load fails the work that waits for it with UnavailableError; the next work
    tries again. Loop thread only, as the scheduler is.
    """

    def __init__(
        self,
        names: Iterable[str],
        build: BuildEngines,
        scheduler: Scheduler,
        on_loading: Callable[[int], None] | None = None,
        shared_by: Callable[[str], str] = lambda name: "",
    ) -> None:
        """Make the models known to the scheduler; nothing is loaded yet.

        Args:
            names: what requests call the models.
            build: makes the engines of a model, one per lane; runs on a thread of its own.
            scheduler: gets the lanes.
            on_loading: told how many models are being loaded, when a load begins, when it ends, and when it has its
                lanes.
            shared_by: the device whose models share one lane with this one (``device.LanePlan``); asked at each load.
        """
        self._build = build
        self._scheduler = scheduler
        self._states = dict.fromkeys(names, ModelState.UNLOADED)
        self._loading: dict[str, asyncio.Task[None]] = {}
        self._failures: dict[str, tuple[float, SpeechError]] = {}
        self._probes: dict[str, set[str]] = {}
        """Work that is to load no model, by model; ids."""
        self._on_loading = on_loading
        self._shared_by = shared_by
        for name in self._states:
            scheduler.add_lanes(name, ())

    @property
    def states(self) -> Mapping[str, ModelState]:
        """Where each model is in its life."""
        return self._states

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Queue the work, and load its model if need be.

        Raises:
            SpeechError: as ``Scheduler.submit``, or the model just failed to load.
        """
        failed_s, failure = self._failures.get(work.model, (0.0, None))
        if failure is not None and time.monotonic() - failed_s < FAILED_RETRY_S:
            raise failure
        self._scheduler.submit(work, on_event)
        if self._states[work.model] in (ModelState.UNLOADED, ModelState.FAILED):
            self._start_loading(work.model)

    def probe(self, work: Work, on_event: OnWorkEvent) -> None:
        """Queue work that asks whether a loaded model works: it loads none, and is dropped where its model is unloaded.

        Raises:
            SpeechError: as ``Scheduler.submit``.
            ValueError: the model is not loaded.
        """
        model = work.model
        if self._states[model] is not ModelState.READY:
            raise ValueError(f"model {model} is not loaded")
        probes = self._probes.setdefault(model, set())

        def on_probe(event: WorkEvent) -> None:
            if not isinstance(event, WorkAudio):
                probes.discard(work.work_id)
            on_event(event)

        self._scheduler.submit(work, on_probe)
        probes.add(work.work_id)

    def cancel(self, work_id: str) -> None:
        """Give the work up."""
        self._scheduler.cancel(work_id)

    def release(self, stream_id: str) -> None:
        """The stream is over."""
        self._scheduler.release(stream_id)

    async def load(self, name: str) -> float:
        """Load the model if it is not loaded; returns the time it took in ms, 0 if it was loaded.

        Raises:
            ResourceNotFoundError: no such model.
            SpeechError: it cannot be loaded.
        """
        self._check(name)
        if self._states[name] is ModelState.READY:
            return 0.0
        started_s = time.monotonic()
        await asyncio.shield(self._start_loading(name))
        return (time.monotonic() - started_s) * 1000

    async def unload(self, name: str) -> bool:
        """Unload the model after what it runs; False: it was not loaded.

        Raises:
            ResourceNotFoundError: no such model.
        """
        self._check(name)
        if name in self._loading:
            await asyncio.wait([self._loading[name]])
        if self._states[name] is not ModelState.READY:
            return False
        self._states[name] = ModelState.UNLOADING
        for work_id in list(self._probes.get(name, ())):
            self._scheduler.cancel(work_id)
        await self._scheduler.remove_lanes(name)
        gc.collect()  # models are often parts of cycles; their memory is to be free when we answer
        self._states[name] = ModelState.UNLOADED
        if self._scheduler.waiting(name):
            self._start_loading(name)
        return True

    async def close(self) -> None:
        """Wait for loads under way (a thread cannot be stopped). The scheduler is closed by its
        owner.
        """
        if self._loading:
            await asyncio.wait(list(self._loading.values()))

    def _check(self, name: str) -> None:
        if name not in self._states:
            hint = f"Known here: {', '.join(sorted(self._states)) or 'none'}."
            raise ResourceNotFoundError("model", name, hint)

    def _start_loading(self, name: str) -> asyncio.Task[None]:
        task = self._loading.get(name)
        if task is None:
            self._states[name] = ModelState.LOADING
            task = self._loading[name] = asyncio.create_task(self._load(name))
            task.add_done_callback(lambda done: done.cancelled() or done.exception())
            self._tell_loading()
        return task

    def _tell_loading(self) -> None:
        if self._on_loading is not None:
            self._on_loading(len(self._loading))

    async def _load(self, name: str) -> None:
        try:
            engines = await asyncio.to_thread(self._build, name)
        except Exception as error:
            if isinstance(error, DeviceLostError):
                self._scheduler.on_lost(error)
            logger.exception("model %s failed to load", name)
            self._states[name] = ModelState.FAILED
            failure = _load_failure(name, error)
            self._failures[name] = (time.monotonic(), failure)
            self._scheduler.fail_waiting(name, failure)
            raise failure from error
        finally:
            self._loading.pop(name, None)
            self._tell_loading()  # before a lane runs: its first step may leave us no time
        self._failures.pop(name, None)
        self._states[name] = ModelState.READY
        self._scheduler.add_lanes(name, engines, self._shared_by(name))
        self._tell_loading()


def _load_failure(name: str, error: Exception) -> SpeechError:
    if isinstance(error, SpeechError):
        return error
    return UnavailableError(
        f"model {name} cannot be loaded; the server's log says why", reason="MODEL_LOAD_FAILED"
    )
