"""Brings events from any thread to callbacks on the event loop: one loop wake-up per batch, not per
event.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence

from speech_service.domain.work import WorkEvent

logger = logging.getLogger(__name__)


class Mailbox:
    """Collects events and hands them to ``deliver`` on the loop's thread, in the order they were
    posted.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, deliver: Callable[[WorkEvent], None]
    ) -> None:
        self._loop = loop
        self._deliver = deliver
        self._lock = threading.Lock()
        self._pending: list[WorkEvent] = []

    def post(self, events: Sequence[WorkEvent]) -> None:
        """Queue the events for delivery; returns at once. Safe from any thread."""
        if not events:
            return
        with self._lock:
            wake = not self._pending
            self._pending.extend(events)
        if wake:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody listens any more
                self._loop.call_soon_threadsafe(self.flush)

    def flush(self) -> None:
        """Deliver what has been posted. Loop thread only."""
        with self._lock:
            batch, self._pending = self._pending, []
        for event in batch:
            try:
                self._deliver(event)
            except Exception:
                logger.exception("a work callback failed")
