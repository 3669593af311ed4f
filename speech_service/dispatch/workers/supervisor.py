"""Has a worker process while one is needed, replaces it when it dies, stops it when it idles."""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Coroutine, Sequence
from typing import Any, Protocol

from msgspec import structs

from speech_service.config.tree import Config, ObservabilityConfig
from speech_service.dispatch import metrics
from speech_service.dispatch.workers.health import HealthMonitor
from speech_service.dispatch.workers.lifecycle import Lifecycle
from speech_service.dispatch.workers.link import WorkerLink
from speech_service.dispatch.workers.outbox import WorkOutbox
from speech_service.dispatch.workers.process import (
    WorkerPlace,
    WorkerProcess,
    WorkerStartError,
)
from speech_service.domain.errors import UnavailableError
from speech_service.domain.models import ModelCapabilities, WorkerState
from speech_service.domain.work import WorkClass, WorkEvent
from speech_service.protocols import Observer
from speech_service.tasks import keep

logger = logging.getLogger(__name__)

STOP_GRACE_S = 3.0
LAST_WORDS_S = 0.2
"""How long outcomes are still read from the socket of a process that has ended."""
WORKER_RESTARTS_TOTAL = "speech_worker_restarts_total"
WORKER_START_SECONDS = "speech_worker_start_seconds"
WORKER_UP = "speech_worker_up"
WORKER_STATE = "speech_worker_state"


class Owner(Protocol):
    """Whose work the worker does."""

    def on_events(self, events: Sequence[WorkEvent]) -> None:
        """Items ended."""
        ...

    def on_failed(self) -> None:
        """The worker crashed too often: nothing accepted can be expected to end well."""
        ...


class Supervisor:
    """One task that owns the process and its link. Event loop only."""

    def __init__(
        self,
        config: Config,
        models: Sequence[ModelCapabilities],
        command: Sequence[str],
        place: WorkerPlace,
        outbox: WorkOutbox,
        owner: Owner,
        observer: Observer,
    ) -> None:
        """``models`` are what a worker must serve."""
        self.lifecycle = Lifecycle(config.worker.max_restarts)
        self._config = config
        self._models = models
        self._command = command
        self._place = place
        self._outbox = outbox
        self._owner = owner
        self._observer = observer
        self._process: WorkerProcess | None = None
        self._link: WorkerLink | None = None
        self._task: asyncio.Task[None] | None = None
        self._holds = 0
        self._needed = asyncio.Event()
        self._used_s = 0.0
        self._closed = asyncio.Event()
        self.lifecycle.subscribe(lambda _: self._show())
        self.lifecycle.subscribe_health(lambda _: self._show())
        self._show()

    @property
    def link(self) -> WorkerLink | None:
        """The way to the worker while it is READY."""
        return self._link

    @property
    def pid(self) -> int:
        """Process id of the worker; 0 while there is none."""
        return self._process.pid if self._process is not None else 0

    def need(self) -> None:
        """Something is to be done: have a worker."""
        self._used_s = time.monotonic()
        self._needed.set()
        if not self._closed.is_set() and (self._task is None or self._task.done()):
            self._task = keep(self._supervise, f"supervisor of {self._place.name}")

    def change_log(self, observability: ObservabilityConfig) -> None:
        """Have this worker, and those after it, log so."""
        self._config = structs.replace(self._config, observability=observability)
        if self._link is not None:
            self._link.change_log(observability)

    async def close(self) -> None:
        """Stop the worker for good."""
        self._closed.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self.lifecycle.enter(WorkerState.STOPPED)

    @contextlib.asynccontextmanager
    async def ready_link(self) -> AsyncGenerator[WorkerLink, None]:
        """A link to a running worker, which does not idle meanwhile.

        Raises:
            UnavailableError: the worker cannot be started.
        """
        self._holds += 1
        try:
            self.need()
            if self._link is None and self.lifecycle.state is not WorkerState.FAILED:
                await self._wait_ready()
            if self._link is None:
                raise self.worker_lost()
            yield self._link
        finally:
            self._holds -= 1
            self._used_s = time.monotonic()

    async def _wait_ready(self) -> None:
        """Return when there is a link, or none is to be expected."""
        settled = asyncio.Event()

        def on_state(state: WorkerState) -> None:
            if state in (WorkerState.READY, WorkerState.FAILED):
                settled.set()

        unsubscribe = self.lifecycle.subscribe(on_state)
        try:
            await _first(_then(settled.wait(), ""), _then(self._closed.wait(), ""))
        finally:
            unsubscribe()

    async def _supervise(self) -> None:
        try:
            await self._run_processes()
        except Exception:
            self.lifecycle.set_health(False)  # until a worker serves: we are started again
            raise

    async def _run_processes(self) -> None:
        while True:
            await self._needed.wait()
            if self._outbox.in_flight:
                self._owner.on_events(self._outbox.lost((), time.monotonic()))
            if self.lifecycle.state is WorkerState.STOPPED:
                self.lifecycle.enter(WorkerState.STARTING)
            elif self.lifecycle.state is WorkerState.READY:  # how the loop before this one ended
                self.lifecycle.enter(WorkerState.RESTARTING)
            problem = await self._run_process()
            if problem:
                delay_s = self.lifecycle.crashed()
                name = self._place.name
                logger.warning("%s: worker lost (%s); next start in %.1f s", name, problem, delay_s)
                self._observer.count(WORKER_RESTARTS_TOTAL)
                if self.lifecycle.state is WorkerState.FAILED:
                    self._owner.on_failed()
                await asyncio.sleep(delay_s)
            else:
                if not self._busy():
                    self._needed.clear()
                self.lifecycle.enter(WorkerState.STOPPED)

    async def _run_process(self) -> str:
        """The life of one process; returns what ended it, "" for an idle stop."""
        started_s = time.monotonic()
        problem = ""
        try:
            process = self._process = await WorkerProcess.spawn(
                self._command, self._place.environment
            )
            config = self._config
            await process.meet(config, self._models)
            self._observer.observe(WORKER_START_SECONDS, time.monotonic() - started_s)
            problem = await self._serve(process, config.observability)
        except WorkerStartError as error:
            problem = error.message
        except Exception:
            logger.exception("the supervisor of %s failed", self._place.name)
            problem = "internal error"
        finally:
            ran_ids, killed = await self._end_process(bool(problem))
            # Also after an idle stop: work may have slipped in while the process was being stopped.
            blamed = ran_ids if problem else ()
            self._owner.on_events(self._outbox.lost(blamed, time.monotonic(), killed=killed))
        return problem

    async def _end_process(self, at_once: bool) -> tuple[Sequence[int], bool]:
        """Stop the process, if there is one; returns what its lanes had admitted, and whether somebody killed it."""
        process = self._process
        if process is None:
            return (), False
        if at_once:
            await process.end()
        try:
            await process.stop(STOP_GRACE_S)
        finally:
            self._process = None
        return process.ran_ids, process.was_killed

    async def _serve(self, process: WorkerProcess, logs: ObservabilityConfig) -> str:
        """Have the worker, which logs as ``logs`` say, do the work; returns what ended that."""
        link = self._link = WorkerLink(process.frames, self._outbox, self._on_event)
        try:
            if self._config.observability is not logs:  # it changed while the worker started
                link.change_log(self._config.observability)
            monitor = HealthMonitor(
                link, process, self._config.worker, self.lifecycle, self._observer
            )
            self._used_s = time.monotonic()
            self.lifecycle.enter(WorkerState.READY)
            self.lifecycle.set_health(True)
            problem = await _first(
                _then(process.wait(), "the process ended"),
                _then(link.wait_closed(), "the connection ended"),
                monitor.run(),
                _then(self._wait_idle(), ""),
            )
            if problem:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(link.wait_drained(), LAST_WORDS_S)
            return problem
        finally:
            self._link = None
            await link.close()
            for work_class in WorkClass:  # its last word on this is not true any more
                label = work_class.name.lower()
                self._observer.gauge(metrics.QUEUE_DEPTH, 0, **{"class": label})

    def _on_event(self, event: WorkEvent) -> None:
        self.lifecycle.succeeded()
        self._owner.on_events((event,))

    def _show(self) -> None:
        """An idle worker is stopped, not lost: the state says which."""
        state = self.lifecycle.state
        up = state is WorkerState.READY and self.lifecycle.healthy
        self._observer.gauge(WORKER_UP, float(up))
        for each in WorkerState:
            self._observer.gauge(WORKER_STATE, float(each is state), state=each.value)

    def worker_lost(self) -> UnavailableError:
        """What callers hear while the worker cannot be kept alive."""
        return UnavailableError(
            "the worker cannot be kept running; the server's log says why",
            reason="WORKER_LOST",
            retry_after_ms=round(max(1.0, self.lifecycle.backoff_s) * 1000),
        )

    def _busy(self) -> bool:
        return len(self._outbox) > 0 or self._holds > 0

    async def _wait_idle(self) -> None:
        """Return when nothing was asked of the worker for ``idle_timeout_s``."""
        timeout_s = self._config.worker.idle_timeout_s
        if not timeout_s:
            await asyncio.Event().wait()
        while True:
            if self._busy():
                self._used_s = time.monotonic()
            left_s = self._used_s + timeout_s - time.monotonic()
            if left_s <= 0:
                return
            await asyncio.sleep(left_s)


async def _then(awaitable: Awaitable[object], result: str) -> str:
    await awaitable
    return result


async def _first(*coroutines: Coroutine[Any, Any, str]) -> str:
    """The result of the coroutine that returns first; the others are cancelled."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(task for task in tasks if task in done).result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
