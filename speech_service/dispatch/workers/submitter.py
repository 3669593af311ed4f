"""``Submitter`` over a worker process: starts it on need and keeps its crashes from the caller.

Everything that is accepted stays in the outbox until its outcome is here. A worker that dies is
replaced and gets the unfinished work again; each item is complete in itself.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from speech_service.config.tree import Config, ObservabilityConfig
from speech_service.dispatch import metrics
from speech_service.dispatch.workers.messages import ProcessStatus
from speech_service.dispatch.workers.outbox import OutboxItem, WorkOutbox
from speech_service.dispatch.workers.process import ONLY_PLACE, WORKER_COMMAND, WorkerPlace
from speech_service.dispatch.workers.supervisor import Supervisor
from speech_service.domain.errors import ResourceNotFoundError, SpeechError, UnavailableError
from speech_service.domain.models import ModelCapabilities, UnloadOutcome, WorkerState
from speech_service.domain.work import (
    DropReason,
    Work,
    WorkAudio,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import Observer, OnWorkEvent

logger = logging.getLogger(__name__)

OUTBOX_DEPTH = "speech_outbox_depth"


@dataclass(frozen=True, slots=True)
class RemoteStats:
    """A snapshot: items on this side of the socket, items in the worker, and the worker itself."""

    state: WorkerState
    healthy: bool
    pid: int
    waiting: int
    in_flight: int
    restarts: int


class RemoteSubmitter:
    """Implements ``Submitter`` with the scheduler and the models in another process.

    The caller sees what it would see of a ``Scheduler``; a crash of the worker is a pause. Only
    after ``worker.max_restarts`` crashes in a row, without one finished item between, does work
    fail, with UnavailableError. All methods belong to the event loop's thread.
    """

    def __init__(
        self,
        config: Config,
        models: Sequence[ModelCapabilities],
        observer: Observer,
        loop: asyncio.AbstractEventLoop,
        command: Sequence[str] = WORKER_COMMAND,
        place: WorkerPlace = ONLY_PLACE,
    ) -> None:
        """Nothing is started before the first work, ``start``, ``wake`` or ``load``.

        Args:
            config: goes to the worker whole.
            models: what work may ask for, and a worker must serve.
            observer: where metrics go, those of the worker included.
            loop: the running loop, which callbacks run on.
            command: what to spawn.
            place: what the worker is called, and where it computes.
        """
        self.place = place
        self.models = frozenset(model.name for model in models)
        self._observer = observer
        self._loop = loop
        self._preload = config.worker.preload
        self._status_timeout_s = config.worker.heartbeat_timeout_s
        self._outbox = WorkOutbox(
            config.scheduler, config.worker.max_audio_bytes // 2, self._show_waiting
        )
        self._supervisor = Supervisor(config, models, command, place, self._outbox, self, observer)
        self._refusal: SpeechError | None = None
        self._outcomes: list[tuple[OutboxItem, WorkEvent]] = []
        self._timer: asyncio.TimerHandle | None = None

    @property
    def name(self) -> str:
        """What the worker is called."""
        return self.place.name

    @property
    def state(self) -> WorkerState:
        """Where the worker is in its life."""
        return self._supervisor.lifecycle.state

    @property
    def healthy(self) -> bool:
        """Whether work can be expected to succeed."""
        return self._supervisor.lifecycle.healthy

    def subscribe(self, callback: Callable[[WorkerState], None]) -> Callable[[], None]:
        """Call ``callback`` with every new state; returns what ends that."""
        return self._supervisor.lifecycle.subscribe(callback)

    def subscribe_health(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call ``callback`` with every change of health; returns what ends that."""
        return self._supervisor.lifecycle.subscribe_health(callback)

    def start(self) -> None:
        """Start the worker now if ``worker.preload`` says so; it loads every model then."""
        if self._preload:
            self.wake()

    def wake(self) -> None:
        """Start the worker if it does not run: work is to be expected."""
        self._supervisor.need()

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Queue the work, and start the worker if need be.

        Raises:
            OverloadedError: too much waits.
            ResourceNotFoundError: no such model.
            UnavailableError: it is closed, or the worker crashed too often.
            ValueError: the work id is in use.
        """
        if self._refusal is not None:
            raise self._refusal
        if self.state is WorkerState.FAILED:
            raise self._supervisor.worker_lost()
        self._check(work.model)
        dropped = self._outbox.add(work, on_event, time.monotonic())
        if dropped is not None:
            self.on_events((dropped,))
        if work.deadline_s is not None:
            self._arm(work.deadline_s)
        self._supervisor.need()
        if self._supervisor.link is not None:
            self._supervisor.link.wake()

    def cancel(self, work_id: str) -> None:
        """Give the work up: at once while it waits here, within one step when it runs there."""
        item = self._outbox.cancel(work_id)
        if item is None:
            return
        if item.sent_s is None:
            self.on_events((WorkDropped(work_id, DropReason.CANCELLED),))
        elif self._supervisor.link is not None:
            self._supervisor.link.cancel(item)

    def release(self, stream_id: str) -> None:
        """The stream is over: the worker forgets its audio."""
        self._outbox.release(stream_id)
        if self._supervisor.link is not None:
            self._supervisor.link.release_stream(stream_id)

    def give_back(self, work_id: str) -> OutboxItem | None:
        """Forget work that waits here, for another worker to take over; None: the process has it, or it has ended."""
        return self._outbox.give_back(work_id)

    def take_over(self, item: OutboxItem) -> None:
        """Accept what another worker left undone, whatever waits here."""
        dropped = self._outbox.adopt(item)
        if dropped is not None:
            self.on_events((dropped,))
        if item.work.deadline_s is not None:
            self._arm(item.work.deadline_s)
        self._supervisor.need()
        if self._supervisor.link is not None:
            self._supervisor.link.wake()

    async def load(self, model: str) -> float:
        """Have the worker load the model; returns the time it took in ms, 0 if it was loaded.

        Raises:
            ResourceNotFoundError: no such model.
            UnavailableError: the worker or the model cannot be started.
        """
        self._check(model)
        self._check_open()
        async with self._supervisor.ready_link() as link:
            try:
                return await link.load(model)
            except ConnectionError as error:
                raise self._supervisor.worker_lost() from error

    async def unload(self, model: str) -> UnloadOutcome:
        """Have the worker unload the model. One that does not run has nothing loaded, and one that ends meanwhile lets
        go of it so.

        Raises:
            ResourceNotFoundError: no such model.
            UnavailableError: the service is shutting down.
        """
        self._check(model)
        self._check_open()
        if self._supervisor.link is None:
            return UnloadOutcome.NOT_LOADED
        async with self._supervisor.ready_link() as link:
            try:
                was_loaded = await link.unload(model)
            except ConnectionError:
                return UnloadOutcome.WORKER_ENDED
        return UnloadOutcome.UNLOADED if was_loaded else UnloadOutcome.NOT_LOADED

    async def status(self) -> ProcessStatus | None:
        """What the worker says of itself; None while it does not run. Starts nothing."""
        link = self._supervisor.link
        if link is not None:
            with contextlib.suppress(TimeoutError, ConnectionError):
                return await link.status(self._status_timeout_s)
        return None

    def change_log(self, observability: ObservabilityConfig) -> None:
        """Have the worker log so."""
        self._supervisor.change_log(observability)

    def stats(self) -> RemoteStats:
        """What is under way now."""
        return RemoteStats(
            self.state,
            self.healthy,
            self._supervisor.pid,
            self._outbox.waiting,
            self._outbox.in_flight,
            self._supervisor.lifecycle.crashes,
        )

    async def close(self) -> None:
        """Stop the worker and fail what is left with UnavailableError. Idempotent."""
        error = UnavailableError("the service is shutting down", reason="SHUTTING_DOWN")
        self._refusal = error
        await self._supervisor.close()
        if self._timer is not None:
            self._timer.cancel()
        self._fail_all(error)
        self._flush()

    def on_events(self, events: Sequence[WorkEvent]) -> None:
        """Forget the items that ended now; call back soon, for all of one loop turn together."""
        link = self._supervisor.link
        for event in events:
            goes_on = isinstance(event, WorkAudio)
            item = self._outbox.get(event.work_id) if goes_on else self._outbox.end(event.work_id)
            if item is None:
                continue
            if not self._outcomes:
                self._loop.call_soon(self._flush)
            self._outcomes.append((item, event))
            if not goes_on and item.is_last and link is not None and item.work.audio is not None:
                link.release(item.work.audio.key)
        if link is not None and self._outbox.waiting:
            link.wake()  # the window has room again

    def on_failed(self) -> None:
        """The worker crashed too often: end everything."""
        self._fail_all(self._supervisor.worker_lost())

    def _show_waiting(self, count: int) -> None:
        self._observer.gauge(OUTBOX_DEPTH, count)

    def _flush(self) -> None:
        outcomes, self._outcomes = self._outcomes, []
        for item, event in outcomes:
            try:
                if not isinstance(event, WorkAudio):
                    metrics.record_outcome(self._observer, item.work, event)
                item.on_event(event)
            except Exception:
                logger.exception("a work callback failed")

    def _fail_all(self, error: SpeechError) -> None:
        work_ids = self._outbox.work_ids()
        for work_id in work_ids:
            self._outbox.cancel(work_id)
        self.on_events([WorkFailed(work_id, error) for work_id in work_ids])

    def _arm(self, deadline_s: float) -> None:
        """Look at the line when ``deadline_s`` passes: the worker may not be there to do it."""
        when = self._loop.time() + max(0.0, deadline_s - time.monotonic())
        if self._timer is None or when < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        self.on_events(self._outbox.expire(time.monotonic()))
        next_s = self._outbox.next_deadline_s()
        if next_s is not None:
            self._arm(next_s)

    def _check(self, model: str) -> None:
        if model not in self.models:
            hint = f"Known here: {', '.join(sorted(self.models)) or 'none'}."
            raise ResourceNotFoundError("model", model, hint)

    def _check_open(self) -> None:
        if self._refusal is not None:
            raise self._refusal
