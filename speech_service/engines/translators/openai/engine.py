"""The engine: requests run on an event loop of its own; a device step only looks which items are done.

So a slow server holds up no other item of the lane, new items join at the next step, and an abort cancels the item's
requests at once: a step waits 20 ms at most.
"""

import asyncio
import concurrent.futures
import logging
import threading
import weakref
from collections.abc import Coroutine, Sequence
from typing import Any

from speech_service.domain.errors import InternalError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import TranslateWork, Work, WorkDone, WorkEvent, WorkFailed
from speech_service.engines.translators.openai import Options
from speech_service.engines.translators.openai.client import ChatClient
from speech_service.engines.translators.openai.item import Item

logger = logging.getLogger(__name__)

Ended = WorkDone | WorkFailed

_POLL_S = 0.02
_STOP_TIMEOUT_S = 2.0


class OpenAiTranslator:
    """Implements ``protocols.Engine``. Translates on a server."""

    def __init__(
        self, options: Options, capabilities: ModelCapabilities, client: ChatClient
    ) -> None:
        self._options = options
        self._capabilities = capabilities
        self._client = client
        self._requests = asyncio.Semaphore(options.max_requests)
        self._loop = _LoopThread(client)
        self._running: dict[str, concurrent.futures.Future[Ended]] = {}
        # A lane only drops its engine; the thread must go with it.
        self._finalizer = weakref.finalize(self, self._loop.stop)

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the server is taken to do."""
        return self._capabilities

    def admit(self, work: Work) -> None:
        """Start the item's requests."""
        assert isinstance(work, TranslateWork), "only translation is sent to a translator"
        item = Item(self._options, self._client, self._requests, work)
        self._running[work.work_id] = self._loop.run(item.run())

    def step(self) -> Sequence[WorkEvent]:
        """The items that ended; waits up to 20 ms for the first."""
        if not self._running:
            return ()
        waiting = self._running.values()
        concurrent.futures.wait(waiting, _POLL_S, concurrent.futures.FIRST_COMPLETED)
        ended = [work_id for work_id, future in self._running.items() if future.done()]
        return [_outcome(work_id, self._running.pop(work_id)) for work_id in ended]

    def abort(self, work_id: str) -> None:
        """Cancel the item's requests and forget it; does not wait for the server."""
        future = self._running.pop(work_id, None)
        if future is not None:
            future.cancel()

    def close(self) -> None:
        """Cancel everything and end the thread; harmless twice."""
        self._running.clear()
        self._finalizer()


def _outcome(work_id: str, future: "concurrent.futures.Future[Ended]") -> Ended:
    error = None if future.cancelled() else future.exception()
    if error is None and not future.cancelled():
        return future.result()
    logger.error("a translation failed", exc_info=error)
    return WorkFailed(work_id, InternalError("internal error"))


class _LoopThread:
    """An event loop on a daemon thread. Holds no reference to the engine, which would keep it alive."""

    def __init__(self, client: ChatClient) -> None:
        self._client = client
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="openai-translator", daemon=True)
        self._thread.start()

    def run(self, coroutine: Coroutine[Any, Any, Ended]) -> "concurrent.futures.Future[Ended]":
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        if threading.current_thread() is not self._thread:
            self._thread.join(_STOP_TIMEOUT_S)

    def _run(self) -> None:
        loop = self._loop
        asyncio.set_event_loop(loop)
        try:
            loop.run_forever()
        finally:
            loop.run_until_complete(_wind_up(self._client))
            loop.close()


async def _wind_up(client: ChatClient) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await client.close()
