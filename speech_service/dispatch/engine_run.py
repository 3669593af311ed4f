"""One engine on a lane: what it has admitted, how much that wants the next step, and what a step gave and cost.

An engine that is full of BACKGROUND work seats one live item more where it can pause: it then steps the most urgent
work alone. After each such guest the others have a step at least. Before each step of BACKGROUND work alone the lane
gives way to live work of the model on other lanes, which have the same cores: for twice as long as the step before
took, at most. So does speech to live work of other models on the cores that somebody who speaks waits for: what its
listener needs now to FINALs, for a while; what is ahead of its listener to partials as well, until it is needed.
"""

import contextlib
import dataclasses
import logging
import threading
import time
from collections.abc import Generator, Sequence
from dataclasses import dataclass

from speech_service.dispatch import metrics
from speech_service.dispatch.audio_pace import AudioPace
from speech_service.dispatch.policy import LIVE_CLASSES, LOW_AUDIO_S, Turn, urgency_of
from speech_service.dispatch.pool import Clock, Seat, WorkPool
from speech_service.dispatch.queue import Queued
from speech_service.dispatch.step_cost import StepCost
from speech_service.domain.errors import DeviceLostError, InternalError, UnavailableError
from speech_service.domain.models import ModelCapabilities
from speech_service.domain.work import (
    DropReason,
    SynthesizeWork,
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
WAY_PER_STEP = 2.0
"""Time that a lane gives way in, in steps of its own: BACKGROUND work has a third of its lane at least."""
WAY_PER_STEP_TO_FINALS = 4.0
"""The same of speech that its listener needs now, and only to FINALs: it has a fifth of its lane at least."""
MAX_WAY_S = 1.0
"""Most that speech which is ahead of its listener gives way before a step, however far ahead it is: it always moves."""


@dataclass(frozen=True, slots=True)
class LanePulse:
    """What a lane got done: steps that returned, and events that they gave. ``busy``: it has admitted work."""

    steps: int
    outputs: int
    busy: bool


def internal_failure(work_id: str) -> WorkFailed:
    """What the caller hears of a bug: nothing but that there was one."""
    return WorkFailed(work_id, InternalError("internal error"))


class EngineRun:
    """One engine on a lane, and what it has admitted. Only the lane's thread calls ``admit`` and ``step``.

    An exception out of ``step`` fails every admitted item with InternalError and leaves the engine
    where it is; an exception out of ``admit`` fails that item only. DeviceLostError is no item's: it ends the lane.
    """

    def __init__(
        self,
        name: str,
        model: str,
        capabilities: ModelCapabilities,
        pool: WorkPool,
        observer: Observer,
        *,
        on_cores: bool,
        clock: Clock = time.monotonic,
    ) -> None:
        """``on_cores``: its lane shares the cores with others; else it is that of an accelerator."""
        self._clock = clock
        self.name = name
        self.seat = Seat(model, on_cores)
        self.ended = threading.Event()
        """Set once the lane has let go of the engine."""
        self._max_batch = max(1, capabilities.max_batch)
        self._pool = pool
        self._observer = observer
        self._admitted: dict[str, tuple[Queued, float]] = {}
        self._pauses = capabilities.pauses
        self._owes_step = False
        """A guest was here, and BACKGROUND work has had no step since."""
        self._steps = 0
        self._step_s = 0.0
        """How long the last step took."""
        self._outputs = 0
        self._moved_s = 0.0
        """When it had its last step, or began to have work."""
        self._heard_until_s: dict[str, float] = {}
        """By work: when its listener has heard what was made of it."""
        self._pace = AudioPace()
        self._cost = StepCost(self._max_batch)
        self._charged_s: dict[str, float] = {}
        """By work: what it has cost the lane so far."""

    def stop(self, discard: bool) -> None:
        """Tell the lane to let go of the engine; does not wait. Any thread. ``discard`` also gives up what it runs,
        after its step.
        """
        self._pool.stop(self.seat, discard)

    @property
    def busy(self) -> bool:
        """Whether it has admitted work."""
        return bool(self._admitted)

    @property
    def is_over(self) -> bool:
        """Whether it was told to stop, and has nothing left."""
        return self.seat.stopping and not self._admitted

    @property
    def pulse(self) -> LanePulse:
        """What the engine got done so far, and whether it has more to do. Any thread."""
        return LanePulse(self._steps, self._outputs, self.busy)

    @property
    def usual_step_s(self) -> float:
        """What a step takes, as a rule."""
        return self._pace.step_s

    def turn(self, now_s: float, company_s: float) -> Turn:
        """How much its admitted work wants the next step of the lane.

        Args:
            now_s: by the clock.
            company_s: what a step takes of those that it takes turns with.
        """
        urgency = min(
            urgency_of(
                item.work,
                self._ahead_s(work_id, now_s),
                self._pace.next_audio_s(work_id, company_s),
            )
            for work_id, (item, _) in self._admitted.items()
        )
        return Turn(urgency, (now_s - self._moved_s) * 1000)

    def admit(self, engine: Engine) -> None:
        """Take work in and let cancelled work go."""
        with self._surviving(engine):
            self._admit(engine)

    def step(self, engine: Engine) -> None:
        """Advance everything admitted by one device step, and publish what that gave."""
        self.end_step(engine, self.begin_step(engine))

    def begin_step(self, engine: Engine) -> Sequence[WorkEvent]:
        """Have the engine step; what it gives is for ``end_step``, once the time of the step has passed."""
        with self._surviving(engine):
            return self._begin_step(engine)
        return ()

    def end_step(self, engine: Engine, events: Sequence[WorkEvent]) -> None:
        """Charge the step to those who took part, and publish what it gave."""
        with self._surviving(engine):
            self._end_step(events)

    @contextlib.contextmanager
    def _surviving(self, engine: Engine) -> Generator[None]:
        """A lane that ends by itself would leave its models without hands."""
        try:
            yield
        except DeviceLostError:
            raise
        except Exception:
            logger.exception("the lane of model %s failed", self.seat.model)
            self._give_up(engine)
            time.sleep(FAILURE_PAUSE_S)

    def _ahead_s(self, work_id: str, now_s: float) -> float | None:
        until_s = self._heard_until_s.get(work_id)
        return None if until_s is None else until_s - now_s

    def _give_up(self, engine: Engine) -> None:
        """End everything that is admitted: what became of it is not known."""
        ended = [internal_failure(work_id) for work_id in self._admitted]
        for work_id in self._admitted:
            self._abort(engine, work_id)
        self._admitted.clear()
        self._heard_until_s.clear()
        self._pace.clear()
        self._charged_s.clear()
        with contextlib.suppress(Exception):  # the pool itself may be what failed
            self._pool.tell(ended)

    def _admit(self, engine: Engine) -> None:
        free_slots = self._max_batch - len(self._admitted)
        if free_slots <= 0 and self._seats_guest():
            items = self._pool.take_live(self.seat)
            self._owes_step = bool(items)
        else:
            items = self._pool.take(self.seat, free_slots)
        if items and not self._admitted:
            self._moved_s = self._clock()
        failed: list[WorkEvent] = []
        for item in items:
            work_id = item.work.work_id
            self._admitted[work_id] = (item, self._clock())
            if item.ahead_ms:
                self._heard_until_s[work_id] = item.needed_s
            try:
                engine.admit(item.work)
            except DeviceLostError:
                raise
            except Exception:
                logger.exception("engine of model %s failed to admit work", self.seat.model)
                self._abort(engine, work_id)
                failed.append(internal_failure(work_id))
        self._publish([*failed, *self._let_go(engine)])

    def gives_way(self) -> bool:
        """Wait for live work elsewhere; True: live work came that is to be admitted first."""
        if not self._admitted:
            return False
        if not self._is_background():
            self._let_listen()
            return False
        guests = self._seats_guest() or len(self._admitted) < self._max_batch
        return self._pool.give_way(self.seat, WAY_PER_STEP * self._step_s, guests)

    def _let_listen(self) -> None:
        """Where the lane speaks on cores that others hear with, let those go first that are more urgent."""
        if not self.seat.on_cores or not all(
            _is_speech(item) for item, _ in self._admitted.values()
        ):
            return
        now_s = self._clock()
        ahead_s = min((self._ahead_s(work_id, now_s) or 0.0) for work_id in self._admitted)
        if ahead_s >= LOW_AUDIO_S:
            limit_s = min(ahead_s - LOW_AUDIO_S, MAX_WAY_S)
            self._pool.let_listen(self.seat, limit_s, LIVE_CLASSES)
        else:
            limit_s = WAY_PER_STEP_TO_FINALS * self._step_s
            self._pool.let_listen(self.seat, limit_s, (WorkClass.STREAM_FINAL,))

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

    def _begin_step(self, engine: Engine) -> Sequence[WorkEvent]:
        if not self._admitted:
            return ()
        self._moved_s = self._clock()
        if self._is_background():
            self._owes_step = False
        try:
            return engine.step()
        except DeviceLostError:
            raise
        except Exception:
            logger.exception("engine of model %s failed in step", self.seat.model)
            for work_id in self._admitted:
                self._abort(engine, work_id)
            return [internal_failure(work_id) for work_id in self._admitted]

    def _end_step(self, events: Sequence[WorkEvent]) -> None:
        if not self._admitted:
            return
        self._steps += 1
        self._outputs += len(events)
        model = self.seat.model
        self._step_s = elapsed_s = self._clock() - self._moved_s
        self._pace.stepped(elapsed_s)
        self._charge(elapsed_s)
        self._observer.observe(metrics.STEP_SECONDS, elapsed_s, model=model)
        self._observer.observe(metrics.BATCH_OCCUPANCY, len(self._admitted), model=model)
        self._publish(events)

    def _publish(self, events: Sequence[WorkEvent]) -> None:
        """Hand over what ended, with the time it waited, and pieces of what goes on. Events of items
        that are gone already are ignored.
        """
        told: list[WorkEvent] = []
        for event in events:
            entry = self._admitted.get(event.work_id)
            if entry is None:
                continue
            charged_s = 0.0
            if isinstance(event, WorkAudio):
                self._count_audio(event)
            else:
                del self._admitted[event.work_id]
                self._heard_until_s.pop(event.work_id, None)
                self._pace.ended(event.work_id)
                charged_s = self._charged_s.pop(event.work_id, 0.0)
            told.append(_with_lane_times(event, *entry, charged_s))
        if told:
            self._pool.tell(told)

    def _charge(self, elapsed_s: float) -> None:
        each_s = self._cost.charge_s(elapsed_s, len(self._admitted))
        for work_id in self._admitted:
            self._charged_s[work_id] = self._charged_s.get(work_id, 0.0) + each_s

    def _count_audio(self, audio: WorkAudio) -> None:
        self._pace.sounded(audio.work_id)
        begins_s = max(self._heard_until_s.get(audio.work_id, 0.0), self._clock())
        lasts_s = len(audio.samples) / audio.sample_rate_hz
        self._heard_until_s[audio.work_id] = begins_s + lasts_s

    def _abort(self, engine: Engine, work_id: str) -> None:
        try:
            engine.abort(work_id)
        except DeviceLostError:
            raise
        except Exception:
            logger.exception("engine of model %s failed to abort work", self.seat.model)


def _is_speech(item: Queued) -> bool:
    """For somebody who listens now."""
    return isinstance(item.work, SynthesizeWork) and item.work.work_class in LIVE_CLASSES


def _with_lane_times(
    event: WorkEvent, item: Queued, admitted_s: float, charged_s: float
) -> WorkEvent:
    if not isinstance(event, WorkDone):
        return event
    queue_ms = (admitted_s - item.enqueued_s) * 1000
    timing = dataclasses.replace(event.timing, queue_ms=queue_ms, lane_ms=charged_s * 1000)
    return dataclasses.replace(event, timing=timing)
