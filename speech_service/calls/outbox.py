"""Events on their way to one client: bounded by coalescing, and watched for a client that does not read."""

import asyncio
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from speech_service.domain.events import Progress, TranslatedSegment
from speech_service.domain.transcript import ResultKind, TranscriptResult

Event = TypeVar("Event")


class Outbox(Generic[Event]):
    """A queue with one reader. A waiting partial gives way to newer news of its segment, a waiting progress to newer
    progress; everything else is kept."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._filled = asyncio.Event()
        self._closed = False
        self._taken_s = time.monotonic()

    def __len__(self) -> int:
        return len(self._events)

    @property
    def blocked_s(self) -> float:
        """How long events have waited for a reader that takes none."""
        return time.monotonic() - self._taken_s if self._events else 0.0

    def put(self, event: Event) -> None:
        """Add an event."""
        if not self._events:
            self._taken_s = time.monotonic()
        else:
            self._drop_superseded(event)
        self._events.append(event)
        self._filled.set()

    def discard(self, unwanted: Callable[[Event], bool]) -> list[Event]:
        """Take out what waits and is no longer wanted; returns it."""
        removed = [event for event in self._events if unwanted(event)]
        if removed:
            self._events = deque(event for event in self._events if not unwanted(event))
        return removed

    def close(self) -> None:
        """Nothing more is added; the reader gets what is there, then None."""
        self._closed = True
        self._filled.set()

    async def get(self) -> Event | None:
        """The next event; None after the last."""
        while not self._events:
            if self._closed:
                return None
            self._filled.clear()
            await self._filled.wait()
        self._taken_s = time.monotonic()
        return self._events.popleft()

    def _drop_superseded(self, event: Event) -> None:
        for waiting in self._events:
            if _supersedes(event, waiting):
                self._events.remove(waiting)
                return


def _supersedes(new: object, old: object) -> bool:
    if isinstance(new, Progress):
        return isinstance(old, Progress)
    if isinstance(new, TranslatedSegment):
        return (
            isinstance(old, TranslatedSegment)
            and old.kind is ResultKind.PARTIAL
            and (old.segment_id, old.language) == (new.segment_id, new.language)
        )
    return (
        isinstance(new, TranscriptResult)
        and isinstance(old, TranscriptResult)
        and old.kind is ResultKind.PARTIAL
        and (old.segment_id, old.channel) == (new.segment_id, new.channel)
    )
