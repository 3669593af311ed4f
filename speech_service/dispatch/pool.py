"""The meeting point of the event loop, which puts work in and cancels it, and the lanes, which take
it out.

One lock guards the queue and the table of running work. Of the lanes of a model that wait, the one that
has waited least is woken: its caches are the warmest.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch import metrics
from speech_service.dispatch.policy import LIVE_CLASSES, choose
from speech_service.dispatch.queue import ClassStats, Queued, WorkQueue
from speech_service.domain.work import (
    DropReason,
    SynthesizeWork,
    Work,
    WorkAudio,
    WorkClass,
    WorkDropped,
    WorkEvent,
)
from speech_service.protocols import Observer

Publish = Callable[[Sequence[WorkEvent]], None]
Clock = Callable[[], float]
"""Seconds of a clock that never goes back: ``time.monotonic``, or that of a simulation."""


@dataclass(eq=False, slots=True)
class Seat:
    """The place of a model on a lane, and whether the lane was told to stop it there.

    A seat that is stopping takes no more work. With ``discard`` it also gives up what it runs, after the
    step it is in. ``on_cores``: its lane computes on the cores that other lanes compute on, too.
    """

    model: str
    on_cores: bool = True
    stopping: bool = False
    discard: bool = False


@dataclass(eq=False, slots=True)
class _Sleeper:
    """A lane that waits at all its ``seats``. ``wake`` is called once, with the pool's lock held."""

    seats: Sequence[Seat]
    wake: Callable[[], None]


class WorkPool:
    """Thread-safe queue plus the record of who runs what. Terminal events go to ``publish``, from
    any thread.
    """

    def __init__(
        self,
        config: SchedulerConfig,
        observer: Observer,
        publish: Publish,
        clock: Clock = time.monotonic,
    ) -> None:
        self._config = config
        self._observer = observer
        self._publish = publish
        self._clock = clock
        self._lock = threading.Lock()
        self._waiting: dict[str, dict[Seat, _Sleeper]] = {}
        """Lanes that wait, by model; the last one began to wait last."""
        self._queue = WorkQueue(config)
        self._aged_turn: dict[str, bool] = {}
        self._running: dict[str, str] = {}
        self._live: dict[str, set[str]] = {}
        """The live work of each model that runs."""
        self._listening: dict[str, WorkClass] = {}
        """Live work on the cores for somebody who speaks, all but speech, and its class."""
        self._live_changed = threading.Condition(self._lock)
        self._aborts: set[str] = set()

    def put(self, work: Work) -> None:
        """Queue the work and wake a lane.

        Raises:
            OverloadedError: the queue is full.
        """
        with self._lock:
            dropped = self._queue.put(work, self._clock())
            self._wake(work.model)
            if work.work_class in LIVE_CLASSES:
                self._live_changed.notify_all()
            self._gauge((work.work_class, WorkClass.STREAM_PARTIAL))
        if dropped is not None:
            self._publish((dropped,))

    def cancel(self, work_id: str) -> None:
        """Drop the work now if it waits; mark it for its lane if it runs; ignore it otherwise."""
        with self._lock:
            item = self._queue.remove(work_id)
            if item is None:
                if work_id in self._running:
                    self._aborts.add(work_id)
                return
            self._gauge((item.work.work_class,))
        self._publish((WorkDropped(work_id, DropReason.CANCELLED),))

    def expire(self) -> float | None:
        """Fail what has passed its deadline; returns the next deadline (``time.monotonic``)."""
        with self._lock:
            failed = self._queue.expire(self._clock())
            next_s = self._queue.next_deadline_s()
            if failed:
                self._gauge(WorkClass)
        if failed:
            self._publish(failed)
        return next_s

    def clear(self, model: str | None = None) -> list[str]:
        """Empty the queue (of one model) without events; returns the ids for the caller to end."""
        with self._lock:
            ids = self._queue.work_ids(model)
            for work_id in ids:
                self._queue.remove(work_id)
            self._gauge(WorkClass)
        return ids

    def take_live(self, seat: Seat) -> list[Queued]:
        """At most one item of live work, finals first. Does not wait."""
        with self._lock:
            now_s = self._clock()
            heads = self._queue.heads(seat.model, 1, now_s)
            live = next((head for head in heads if head.work_class in LIVE_CLASSES), None)
            if seat.stopping or live is None:
                return []
            item = self._queue.take(live.work_id, now_s)
            self._begin(item, seat)
            self._gauge((live.work_class,))
        return [item]

    def give_way(self, seat: Seat, limit_s: float, seats_guest: bool) -> bool:
        """Wait while other lanes of the model run live work, ``limit_s`` at most: they share its cores.

        Args:
            seat: of a lane that runs BACKGROUND work alone.
            limit_s: how long.
            seats_guest: whether the lane could take live work that waits.

        Returns:
            Whether live work waits that the lane could take.
        """
        until_s = self._clock() + limit_s
        with self._lock:
            while not seat.stopping:
                if seats_guest and self._queue.has(seat.model, LIVE_CLASSES):
                    return True
                left_s = until_s - self._clock()
                if not self._live.get(seat.model) or left_s <= 0:
                    break
                self._live_changed.wait(left_s)
        return False

    def let_listen(self, seat: Seat, limit_s: float, classes: Sequence[WorkClass]) -> None:
        """Wait while lanes on the same cores run live work for somebody who speaks, ``limit_s`` at most.

        Args:
            seat: of a lane that speaks.
            limit_s: how long.
            classes: of the work that it waits for.
        """
        until_s = self._clock() + limit_s
        with self._lock:
            while not seat.stopping and any(c in classes for c in self._listening.values()):
                left_s = until_s - self._clock()
                if left_s <= 0:
                    break
                self._live_changed.wait(left_s)

    def take(self, seat: Seat, free_slots: int) -> list[Queued]:
        """Items for the lane to admit now, most urgent first. Does not wait. Expired work is failed here and never
        returned.
        """
        with self._lock:
            if seat.stopping:
                return []
            now_s = self._clock()
            expired = self._queue.expire(now_s)
            items = self._choose(seat, free_slots, now_s)
            if items or expired:
                self._gauge(WorkClass)
        if expired:
            self._publish(expired)
        return items

    def wait(self, seats: Sequence[Seat], is_changed: Callable[[], bool]) -> None:
        """Wait until there may be something to do at one of a lane's ``seats``, or ``nudge`` is called.

        Args:
            seats: of models that have no work on the lane.
            is_changed: whether these are not its seats any more; asked before it waits.
        """
        condition = threading.Condition(self._lock)
        with self._lock:
            if self._sleep(_Sleeper(seats, condition.notify), is_changed):
                condition.wait()

    def call_later(
        self, seats: Sequence[Seat], is_changed: Callable[[], bool], wake: Callable[[], None]
    ) -> bool:
        """Have ``wake`` called where ``wait`` would end; it must not call the pool. False: that is now."""
        with self._lock:
            return self._sleep(_Sleeper(seats, wake), is_changed)

    def nudge(self, seats: Sequence[Seat]) -> None:
        """Wake the lane of these seats if it waits."""
        with self._lock:
            for seat in seats:
                self._wake_lane(seat)

    def aborted(self, work_ids: Iterable[str]) -> list[str]:
        """Those of the lane's ``work_ids`` that were cancelled meanwhile."""
        if not self._aborts:
            return []
        with self._lock:
            return [work_id for work_id in work_ids if work_id in self._aborts]

    def tell(self, events: Sequence[WorkEvent]) -> None:
        """The lane ended these items, or has a piece of them."""
        with self._lock:
            for event in events:
                if isinstance(event, WorkAudio):
                    continue
                self._end(event.work_id)
        self._publish(events)

    def stop(self, seat: Seat, discard: bool) -> None:
        """Tell a lane to stop."""
        with self._lock:
            seat.stopping = True
            seat.discard = discard
            self._live_changed.notify_all()
            self._wake_lane(seat)

    def waiting(self, model: str) -> int:
        """How many items wait for ``model``."""
        with self._lock:
            return len(self._queue.work_ids(model))

    def stats(self) -> tuple[dict[WorkClass, ClassStats], dict[str, int]]:
        """What waits in each class, and how many items run of each model."""
        with self._lock:
            running: dict[str, int] = {}
            for model in self._running.values():
                running[model] = running.get(model, 0) + 1
            return self._queue.stats(), running

    def _choose(self, seat: Seat, free_slots: int, now_s: float) -> list[Queued]:
        model = seat.model
        if free_slots <= 0 or not self._queue.has(model):
            return []
        plan = choose(
            self._queue.heads(model, free_slots, now_s),
            free_slots,
            self._config.starvation_ms,
            self._aged_turn.get(model, False),
        )
        self._aged_turn[model] = plan.aged_turn
        items = [self._queue.take(work_id, now_s) for work_id in plan.work_ids]
        for item in items:
            self._begin(item, seat)
        return items

    def _begin(self, item: Queued, seat: Seat) -> None:
        work = item.work
        self._running[work.work_id] = work.model
        if work.work_class in LIVE_CLASSES:
            self._live.setdefault(work.model, set()).add(work.work_id)
            if seat.on_cores and not isinstance(work, SynthesizeWork):
                self._listening[work.work_id] = work.work_class

    def _end(self, work_id: str) -> None:
        model = self._running.pop(work_id, None)
        self._aborts.discard(work_id)
        live = self._live.get(model) if model is not None else None
        if live and work_id in live:
            live.remove(work_id)
            self._listening.pop(work_id, None)
            self._live_changed.notify_all()

    def _sleep(self, sleeper: _Sleeper, is_changed: Callable[[], bool]) -> bool:
        seats = sleeper.seats
        if is_changed() or any(s.stopping or self._queue.has(s.model) for s in seats):
            return False
        for seat in seats:
            self._waiting.setdefault(seat.model, {})[seat] = sleeper
        return True

    def _wake_lane(self, seat: Seat) -> None:
        sleeper = self._waiting.get(seat.model, {}).get(seat)
        if sleeper is not None:
            for each in sleeper.seats:
                del self._waiting[each.model][each]
            sleeper.wake()

    def _wake(self, model: str) -> None:
        waiting = self._waiting.get(model)
        if waiting:
            self._wake_lane(next(reversed(waiting)))

    def _gauge(self, classes: Iterable[WorkClass]) -> None:
        for work_class in classes:
            depth = self._queue.depth(work_class)
            self._observer.gauge(metrics.QUEUE_DEPTH, depth, **{"class": work_class.name.lower()})
