"""A lane: one thread that alone touches its engine.

The loop is three verbs: admit what the policy gives -> step the engine once -> publish what ended.
An item that arrives while others decode joins at the next step; a cancelled one leaves before it.

A lane that is full of BACKGROUND work seats one live item more where its engine can pause: the engine
then steps the most urgent work alone. After each such guest the others have a step at least.
"""

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from speech_service.dispatch import metrics
from speech_service.dispatch.pool import Seat, WorkPool
from speech_service.dispatch.queue import Queued
from speech_service.domain.errors import InternalError, UnavailableError
from speech_service.domain.work import (
    DropReason,
    WorkAudio,
    WorkClass,
    WorkDone,
    WorkDropped,
    WorkEvent,
    WorkFailed,
)
from speech_service.protocols import Engine, Observer

logger = logging.getLogger(__name__)


FAILURE_PAUSE_S = 0.05


@dataclass(frozen=True, slots=True)
class LanePulse:
    """What a lane got done: steps that returned, and events that they gave. ``busy``: it has admitted work."""

    steps: int
    outputs: int
    busy: bool


def internal_failure(work_id: str) -> WorkFailed:
    """What the caller hears of a bug: nothing but that there was one."""
    return WorkFailed(work_id, InternalError("internal error"))


class Lane:
    """Runs one engine until stopped. Public methods may be called from any thread.

    An exception out of ``step`` fails every admitted item with InternalError and leaves the lane
    alive, engine and all; an exception out of ``admit`` fails that item only.
    """

    def __init__(
        self, name: str, model: str, engine: Engine, pool: WorkPool, observer: Observer
    ) -> None:
        self.name = name
        self.seat = Seat(model)
        self._max_batch = max(1, engine.capabilities.max_batch)
        self._pool = pool
        self._observer = observer
        self._admitted: dict[str, tuple[Queued, float]] = {}
        self._pauses = engine.capabilities.pauses
        self._owes_step = False
        """A guest was here, and BACKGROUND work has had no step since."""
        self._steps = 0
        self._outputs = 0
        # The engine is the thread's alone: its memory goes with the thread, not with the lane.
        self._thread = threading.Thread(target=self._run, args=(engine,), name=name, daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self, discard: bool) -> None:
        """Tell the lane to stop; does not wait. ``discard`` also gives up what it runs, after its
        step.
        """
        self._pool.stop(self.seat, discard)

    def join(self, timeout_s: float | None) -> bool:
        """Wait for the thread's end (None: for ever); False: it is still inside a step."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    @property
    def pulse(self) -> LanePulse:
        """What the lane got done so far, and whether it has more to do."""
        return LanePulse(self._steps, self._outputs, bool(self._admitted))

    def _run(self, engine: Engine) -> None:
        while True:
            try:
                if not self._admit(engine):
                    break
                self._publish(self._step(engine))
            except Exception:  # a lane that ends by itself leaves its model without hands
                logger.exception("the lane of model %s failed", self.seat.model)
                self._give_up(engine)
                time.sleep(FAILURE_PAUSE_S)

    def _give_up(self, engine: Engine) -> None:
        """End everything that is admitted: what became of it is not known."""
        ended = [internal_failure(work_id) for work_id in self._admitted]
        for work_id in self._admitted:
            self._abort(engine, work_id)
        self._admitted.clear()
        with contextlib.suppress(Exception):  # the pool itself may be what failed
            self._pool.tell(ended)

    def _admit(self, engine: Engine) -> bool:
        """Take work in and let cancelled work go; False: the lane has to stop."""
        free_slots = self._max_batch - len(self._admitted)
        if free_slots <= 0 and self._seats_guest():
            items = self._pool.take_live(self.seat)
            self._owes_step = bool(items)
        else:
            items = self._pool.take(self.seat, free_slots, wait=not self._admitted)
        if items is None:
            return False
        failed: list[WorkEvent] = []
        for item in items:
            work_id = item.work.work_id
            self._admitted[work_id] = (item, time.monotonic())
            try:
                engine.admit(item.work)
            except Exception:
                logger.exception("engine of model %s failed to admit work", self.seat.model)
                self._abort(engine, work_id)
                failed.append(internal_failure(work_id))
        self._publish([*failed, *self._let_go(engine)])
        return True

    def _seats_guest(self) -> bool:
        return self._pauses and not self._owes_step and self._is_background()

    def _is_background(self) -> bool:
        classes = (item.work.work_class for item, _ in self._admitted.values())
        return all(work_class is WorkClass.BACKGROUND for work_class in classes)

    def _let_go(self, engine: Engine) -> list[WorkEvent]:
        """Abort what was cancelled, or everything where the lane was told to discard."""
        ended: list[WorkEvent] = []
        for work_id in self._pool.aborted(self._admitted):
            self._abort(engine, work_id)
            ended.append(WorkDropped(work_id, DropReason.CANCELLED))
        if self.seat.discard:
            gone = {event.work_id for event in ended}
            for work_id in [w for w in self._admitted if w not in gone]:
                self._abort(engine, work_id)
                error = UnavailableError("the service is shutting down", reason="SHUTTING_DOWN")
                ended.append(WorkFailed(work_id, error))
        return ended

    def _step(self, engine: Engine) -> Sequence[WorkEvent]:
        """Advance everything admitted by one device step."""
        if not self._admitted:
            return ()
        started_s = time.monotonic()
        if self._is_background():
            self._owes_step = False
        try:
            events = engine.step()
        except Exception:
            logger.exception("engine of model %s failed in step", self.seat.model)
            events = [internal_failure(work_id) for work_id in self._admitted]
            for work_id in self._admitted:
                self._abort(engine, work_id)
        self._steps += 1
        self._outputs += len(events)
        model = self.seat.model
        elapsed_s = time.monotonic() - started_s
        self._observer.observe(metrics.STEP_SECONDS, elapsed_s, model=model)
        self._observer.observe(metrics.BATCH_OCCUPANCY, len(self._admitted), model=model)
        return events

    def _publish(self, events: Sequence[WorkEvent]) -> None:
        """Hand over what ended, with the time it waited, and pieces of what goes on. Events of items
        that are gone already are ignored.
        """
        told: list[WorkEvent] = []
        for event in events:
            entry = self._admitted.get(event.work_id)
            if entry is None:
                continue
            if not isinstance(event, WorkAudio):
                del self._admitted[event.work_id]
            told.append(_with_queue_time(event, *entry))
        if told:
            self._pool.tell(told)

    def _abort(self, engine: Engine, work_id: str) -> None:
        try:
            engine.abort(work_id)
        except Exception:
            logger.exception("engine of model %s failed to abort work", self.seat.model)


def _with_queue_time(event: WorkEvent, item: Queued, admitted_s: float) -> WorkEvent:
    if not isinstance(event, WorkDone):
        return event
    queue_ms = (admitted_s - item.enqueued_s) * 1000
    timing = dataclasses.replace(event.timing, queue_ms=queue_ms)
    return dataclasses.replace(event, timing=timing)
