"""What a remote submitter has accepted and not yet ended: waiting here, or in flight to the worker.

No I/O and no clock, so that crashes, blame and windows are tested without a process.

An item's life::

    add -> waiting -> in flight -> ended
              ^            | +-- lost() --+   the worker died; an item that it died of ends
              with InternalError
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch.policy import Waiting, choose
from speech_service.dispatch.queue import WorkQueue
from speech_service.domain.audio import Samples
from speech_service.domain.errors import InternalError
from speech_service.domain.work import (
    DropReason,
    Work,
    WorkClass,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import OnWorkEvent

MAX_CRASHES = 2
"""A worker that crashed this often while it ran an item died of the item."""
MAX_KILLS = 6
"""As many deaths for a worker that another process killed: an operator, mostly, or the system for want of memory, which
the item may have taken."""
_KILLS_OF_A_SUSPECT = 2
MAX_IN_FLIGHT = 256
"""Items in the worker at once, finals aside. Enough to fill its batches, few enough that a crash
resends little, and that superseding mostly happens on this side of the socket. BACKGROUND work has
half of it, so that it never fills the way of what others wait for."""


@dataclass(slots=True, eq=False)
class OutboxItem:
    """One accepted work item. ``wire_id`` is its number on the wire, also its order of arrival."""

    work: Work
    on_event: OnWorkEvent
    wire_id: int
    enqueued_s: float
    sent_s: float | None = None
    crashes: int = 0
    """Deaths of the worker while it ran the item, by its own doing."""
    kills: int = 0
    """The same by another process."""
    cancelled: bool = False
    released: bool = False
    heard_samples: int = 0
    """Speech that this attempt brought."""
    delivered_samples: int = 0
    """Speech that the caller has, over all attempts."""

    @property
    def is_last(self) -> bool:
        """Whether the segment's audio is of no use after this work."""
        return self.released or self.work.is_last

    @property
    def is_suspect(self) -> bool:
        """Whether the worker may have died of it, so that it is to run alone."""
        return self.crashes > 0 or self.kills >= _KILLS_OF_A_SUSPECT

    @property
    def is_deadly(self) -> bool:
        """Whether it is taken for what the worker died of."""
        return self.crashes >= MAX_CRASHES or self.kills >= MAX_KILLS

    @property
    def size_bytes(self) -> int:
        """Memory of its audio."""
        return 0 if self.work.audio is None else self.work.audio.samples.nbytes

    def fresh(self, samples: Samples) -> Samples:
        """Of a piece of speech, what was not delivered before a crash: the same work gives the same samples."""
        start = self.heard_samples
        self.heard_samples += len(samples)
        skip = max(0, min(self.delivered_samples - start, len(samples)))
        self.delivered_samples = max(self.delivered_samples, self.heard_samples)
        return samples[skip:]


@dataclass(slots=True)
class _Load:
    """BACKGROUND work in flight."""

    items: int = 0
    size_bytes: int = 0

    def change(self, item: OutboxItem, by: int) -> None:
        if item.work.work_class is WorkClass.BACKGROUND:
            self.items += by
            self.size_bytes += by * item.size_bytes


class WorkOutbox:
    """Accepted work in the order to send it, under a window.

    An item that ran when a worker crashed is a suspect: it is sent again with nothing else in flight,
    so that a second crash blames it alone.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        max_in_flight_bytes: int,
        on_waiting: Callable[[int], None] | None = None,
    ) -> None:
        """``on_waiting`` is told whenever another number of items waits on this side."""
        self._on_waiting = on_waiting
        self._told = 0
        self._config = config
        self._max_in_flight_bytes = max_in_flight_bytes
        self._queue = WorkQueue(config)
        self._items: dict[str, OutboxItem] = {}
        self._of_stream: dict[str, set[str]] = {}
        self._in_flight: dict[int, OutboxItem] = {}
        self._in_flight_bytes = 0
        self._bulk = _Load()
        self._next_wire_id = 1
        self._aged_turn = False
        self._exclusive = False

    def __len__(self) -> int:
        return len(self._items)

    @property
    def in_flight(self) -> int:
        """Items that the worker has."""
        return len(self._in_flight)

    @property
    def waiting(self) -> int:
        """Items that wait on this side."""
        return len(self._queue)

    def add(self, work: Work, on_event: OnWorkEvent, now_s: float) -> WorkDropped | None:
        """Accept the work; returns the event of the waiting partial that gave way, if one did.

        Raises:
            OverloadedError: too much waits.
            ValueError: the work id is in use.
        """
        if work.work_id in self._items:
            raise ValueError(f"work id {work.work_id} is in use")
        dropped = self._queue.put(work, now_s)
        self._items[work.work_id] = OutboxItem(work, on_event, self._next_wire_id, now_s)
        self._of_stream.setdefault(work.stream_id, set()).add(work.work_id)
        self._next_wire_id += 1
        self._tell()
        return dropped

    def next(self, now_s: float) -> OutboxItem | None:
        """The item to send now, marked as in flight; None: nothing waits, or the window is full."""
        if self._exclusive or not len(self._queue):
            return None
        candidates: list[Waiting] = []
        for model in self._queue.models():
            candidates += self._queue.heads(model, 1, now_s)
        if self._bulk_is_full():
            candidates = [c for c in candidates if c.work_class is not WorkClass.BACKGROUND]
        if not candidates:
            return None
        candidates.sort(key=lambda waiting: -waiting.age_ms)
        plan = choose(candidates, 1, self._config.starvation_ms, self._aged_turn)
        item = self._items[plan.work_ids[0]]
        if not self._has_room(item):
            return None
        self._aged_turn = plan.aged_turn
        self._queue.take(item.work.work_id, now_s)
        self._exclusive = item.is_suspect
        item.sent_s = now_s
        self._in_flight[item.wire_id] = item
        self._in_flight_bytes += item.size_bytes
        self._bulk.change(item, 1)
        self._tell()
        return item

    def expire(self, now_s: float) -> list[WorkFailed]:
        """Take out of line what has passed its deadline. ``end`` follows for each event."""
        failed = self._queue.expire(now_s)
        self._tell()
        return failed

    def next_deadline_s(self) -> float | None:
        """The earliest deadline of an item that waits here."""
        return self._queue.next_deadline_s()

    def cancel(self, work_id: str) -> OutboxItem | None:
        """Mark the item as given up and take it out of line; None: no such item.

        One that is in flight (``sent_s`` is set) ends when the worker says so, the others at once.
        """
        item = self._items.get(work_id)
        if item is not None:
            item.cancelled = True
            self._queue.remove(work_id)
            self._tell()
        return item

    def give_back(self, work_id: str) -> OutboxItem | None:
        """Forget an item that waits here, so that another outbox adopts it; None: it does not wait."""
        if self._queue.remove(work_id) is None:
            return None
        self._tell()
        return self.end(work_id)

    def adopt(self, item: OutboxItem) -> WorkDropped | None:
        """Accept an item of another outbox, whatever waits here, with all that it is blamed for.

        Returns the event of the partial that gave way, which is this one where newer work of its segment came here
        meanwhile. ``end`` follows for it.
        """
        work, key = item.work, item.work.supersede_key
        rivals = [self._items[other] for other in self._of_stream.get(work.stream_id, ())]
        is_old = key is not None and any(
            rival.work.supersedes == key and rival.enqueued_s > item.enqueued_s for rival in rivals
        )
        self._items[work.work_id] = replace(item, wire_id=self._next_wire_id)
        self._of_stream.setdefault(work.stream_id, set()).add(work.work_id)
        self._next_wire_id += 1
        if is_old:
            return WorkDropped(work.work_id, DropReason.SUPERSEDED)
        dropped = self._queue.put(work, item.enqueued_s, force=True)
        self._tell()
        return dropped

    def release(self, stream_id: str) -> None:
        """What is left of the stream's work is its last."""
        for work_id in self._of_stream.get(stream_id, ()):
            self._items[work_id].released = True

    def get(self, work_id: str) -> OutboxItem | None:
        """The item, whether it waits or is in flight."""
        return self._items.get(work_id)

    def find(self, wire_id: int) -> OutboxItem | None:
        """The item in flight with this number."""
        return self._in_flight.get(wire_id)

    def end(self, work_id: str) -> OutboxItem | None:
        """Forget the item; its terminal event is the caller's to deliver."""
        item = self._items.pop(work_id, None)
        if item is not None:
            of_stream = self._of_stream[item.work.stream_id]
            of_stream.discard(work_id)
            if not of_stream:
                del self._of_stream[item.work.stream_id]
        if item is not None and self._in_flight.pop(item.wire_id, None) is not None:
            self._in_flight_bytes -= item.size_bytes
            self._bulk.change(item, -1)
            self._exclusive = False
        return item

    def lost(
        self, ran_wire_ids: Collection[int], now_s: float, *, killed: bool = False
    ) -> list[WorkEvent]:
        """The worker died while it ran ``ran_wire_ids``: put what was in flight back in line.

        ``killed``: by another process, so that the work is hardly to blame.

        Returns events of items that end here: cancelled ones, superseded ones, and those the worker
        died of. ``end`` follows for each.
        """
        events: list[WorkEvent] = []
        for item in self._in_flight.values():
            if item.wire_id in ran_wire_ids:
                item.crashes += not killed
                item.kills += killed
            item.sent_s = None
            item.heard_samples = 0
            if item.cancelled:
                events.append(WorkDropped(item.work.work_id, DropReason.CANCELLED))
            elif item.is_deadly:
                events.append(WorkFailed(item.work.work_id, InternalError("internal error")))
        self._in_flight.clear()
        self._in_flight_bytes = 0
        self._bulk = _Load()
        self._exclusive = False
        ended = {event.work_id for event in events}
        self._queue = WorkQueue(self._config)
        for item in sorted(self._items.values(), key=lambda item: item.wire_id):
            if item.work.work_id not in ended and not item.cancelled:
                dropped = self._queue.put(item.work, item.enqueued_s, force=True)
                if dropped is not None:
                    events.append(dropped)
        return [*events, *self.expire(now_s)]

    def work_ids(self) -> list[str]:
        """Everything that has not ended."""
        return list(self._items)

    def _tell(self) -> None:
        if self._on_waiting is not None and self.waiting != self._told:
            self._told = self.waiting
            self._on_waiting(self._told)

    def _bulk_is_full(self) -> bool:
        many = 2 * self._bulk.items >= MAX_IN_FLIGHT
        return many or (
            self._bulk.items > 0 and 2 * self._bulk.size_bytes >= self._max_in_flight_bytes
        )

    def _has_room(self, item: OutboxItem) -> bool:
        if not self._in_flight:
            return True
        if item.is_suspect:
            return False
        if item.work.work_class is WorkClass.STREAM_FINAL:
            return True
        size_bytes = self._in_flight_bytes + item.size_bytes
        return len(self._in_flight) < MAX_IN_FLIGHT and size_bytes <= self._max_in_flight_bytes
