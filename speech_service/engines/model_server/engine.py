"""An engine whose items run on an event loop of its own; a device step only looks what became of them.

So a slow server holds up no other item of the lane, new items join at the next step, and an abort cancels the item's
requests at once: a step waits 20 ms at most.
"""

import asyncio
import concurrent.futures
import logging
import queue
import threading
import weakref
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Protocol

from speech_service.domain.errors import InternalError, SpeechError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import Work, WorkAudio, WorkDone, WorkEvent, WorkFailed

logger = logging.getLogger(__name__)

_POLL_S = 0.02
_STOP_TIMEOUT_S = 2.0

Emit = Callable[[WorkAudio], None]
"""Takes a piece of speech of an item that goes on."""
Ended = WorkDone | WorkFailed
Run = Callable[[Work, Emit], Coroutine[Any, Any, Ended]]
"""Works on one item to its end. A ``SpeechError`` out of it is how the item failed."""


class Closing(Protocol):
    """Connections that are closed with the engine."""

    async def close(self) -> None:
        """Close them all."""
        ...


class ServerEngine:
    """Implements ``protocols.Engine`` over ``run``, which must not refer to the engine."""

    def __init__(
        self, name: str, capabilities: ModelCapabilities, run: Run, connections: Closing
    ) -> None:
        self._capabilities = capabilities
        self._loop = _LoopThread(name, run, connections)
        self._running: dict[str, _ServerItem] = {}
        # A lane only drops its engine; the thread must go with it.
        self._finalizer = weakref.finalize(self, self._loop.stop)

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the server is taken to do."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Start the item's requests."""
        self._running[work.work_id] = self._loop.start(work)

    def step(self) -> Sequence[WorkEvent]:
        """What happened to the items; waits up to 20 ms for the first event."""
        events: list[WorkEvent] = []
        while self._running:
            try:
                item, event = self._loop.events.get(block=not events, timeout=_POLL_S)
            except queue.Empty:
                break
            if self._running.get(event.work_id) is not item:
                continue  # it was aborted
            if not isinstance(event, WorkAudio):
                del self._running[event.work_id]
            events.append(event)
        return events

    def abort(self, work_id: str) -> None:
        """Cancel the item's requests and forget it; does not wait for the server."""
        item = self._running.pop(work_id, None)
        if item is not None:
            item.cancel()

    def close(self) -> None:
        """Cancel everything and end the thread; harmless twice."""
        self._running.clear()
        self._finalizer()


class _ServerItem:
    """One admitted work item; told apart by identity, because an id may be used again after an abort."""

    def __init__(self) -> None:
        self.future: concurrent.futures.Future[None] | None = None

    def cancel(self) -> None:
        if self.future is not None:
            self.future.cancel()


class _LoopThread:
    """An event loop on a daemon thread. Holds no reference to the engine, which would keep it alive."""

    def __init__(self, name: str, run: Run, connections: Closing) -> None:
        self.events: queue.SimpleQueue[tuple[_ServerItem, WorkEvent]] = queue.SimpleQueue()
        self._run_item = run
        self._connections = connections
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def start(self, work: Work) -> _ServerItem:
        item = _ServerItem()
        item.future = asyncio.run_coroutine_threadsafe(self._finish(item, work), self._loop)
        return item

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOP_TIMEOUT_S)

    async def _finish(self, item: _ServerItem, work: Work) -> None:
        event: Ended
        try:
            event = await self._run_item(work, lambda audio: self.events.put((item, audio)))
        except SpeechError as error:
            event = WorkFailed(work.work_id, error)
        except Exception:
            logger.exception("an item on a server failed")
            event = WorkFailed(work.work_id, InternalError("internal error"))
        self.events.put((item, event))

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(self._wind_up())
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()

    async def _wind_up(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._connections.close()
