"""The scheduler of one process: admits work to device lanes and brings the results back to the
event loop.

    submit -> WorkPool (queue.py, policy.py) -> Lane (lane.py) -> Mailbox -> on_event

All public methods belong to the event loop's thread.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from speech_service.config.tree import SchedulerConfig
from speech_service.dispatch import metrics
from speech_service.dispatch.device import end_process
from speech_service.dispatch.engine_run import EngineRun, LanePulse
from speech_service.dispatch.lane import Lane, OnLost, StartLane, start_thread
from speech_service.dispatch.mailbox import Mailbox
from speech_service.dispatch.pool import Clock, WorkPool
from speech_service.dispatch.queue import ClassStats
from speech_service.domain.errors import (
    ResourceNotFoundError,
    SpeechError,
    UnavailableError,
)
from speech_service.domain.work import Work, WorkAudio, WorkClass, WorkEvent, WorkFailed
from speech_service.protocols import Engine, Observer, OnWorkEvent

JOIN_TIMEOUT_S = 10.0


@dataclass(frozen=True, slots=True)
class SchedulerStats:
    """A snapshot: what waits, what runs (items per model), and how many lanes each model has."""

    queued: Mapping[WorkClass, ClassStats]
    running: Mapping[str, int]
    lanes: Mapping[str, int]
    outstanding: int


class Scheduler:
    """Implements ``Submitter`` over lanes in this process.

    A model may be known and have no lane yet (its weights are still loading, say): its work waits
    in the queue under the same limits, deadlines and superseding as any other.
    """

    def __init__(
        self,
        lanes: Mapping[str, Sequence[Engine]],
        config: SchedulerConfig,
        observer: Observer,
        loop: asyncio.AbstractEventLoop,
        on_lost: OnLost = end_process,
        clock: Clock = time.monotonic,
        start_lane: StartLane = start_thread,
    ) -> None:
        """Start one lane per engine.

        Args:
            lanes: model name -> its engines, one lane each; an empty sequence makes the model
                known.
            config: limits and ageing.
            observer: where metrics go; called from lane threads too.
            loop: the loop that callbacks run on.
            on_lost: what a device that computes nothing any more comes to, on the thread that notices.
            clock: that of ``loop``.
            start_lane: how lanes run; a simulation runs them on its loop.
        """
        self.on_lost = on_lost
        self._observer = observer
        self._loop = loop
        self._clock = clock
        self._start_lane = start_lane
        self._mailbox = Mailbox(loop, self._deliver)
        self._pool = WorkPool(config, observer, self._mailbox.post, clock)
        self._lanes: dict[str, list[EngineRun]] = {}
        """The places of each model on lanes."""
        self._shared: dict[str, Lane] = {}
        """By device."""
        self._starvation_ms = config.starvation_ms
        self._outstanding: dict[str, tuple[Work, OnWorkEvent]] = {}
        self._refusal: SpeechError | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False
        for model, engines in lanes.items():
            self.add_lanes(model, engines)

    def submit(self, work: Work, on_event: OnWorkEvent) -> None:
        """Queue the work; ``on_event`` gets exactly one terminal event, never from inside this
        call.

        Raises:
            OverloadedError: the queue is full.
            ResourceNotFoundError: no such model.
            UnavailableError: the scheduler is closed.
            ValueError: the work id is in use.
        """
        if self._refusal is not None:
            raise self._refusal
        if work.model not in self._lanes:
            hint = f"Known here: {', '.join(sorted(self._lanes)) or 'none'}."
            raise ResourceNotFoundError("model", work.model, hint)
        if work.work_id in self._outstanding:
            raise ValueError(f"work id {work.work_id} is in use")
        self._pool.put(work)
        self._outstanding[work.work_id] = (work, on_event)
        if work.deadline_s is not None:
            self._arm(work.deadline_s)

    def cancel(self, work_id: str) -> None:
        """Give the work up: at once when it waits, before its lane's next step when it runs."""
        self._pool.cancel(work_id)

    def release(self, stream_id: str) -> None:
        """Nothing to forget: every work item carries its own audio, and engines bound their own
        caches.
        """

    def add_lanes(self, model: str, engines: Sequence[Engine], shared_by: str = "") -> None:
        """Make the model known and have a lane for each engine (not any more once closed).

        Args:
            model: its name.
            engines: are the lanes' alone from now on.
            shared_by: the device whose models share one lane; "": a lane of its own for each engine.
        """
        if self._closed:
            return
        runs = self._lanes.setdefault(model, [])
        for engine in engines:
            name = f"lane-{model}-{len(runs)}"
            run = EngineRun(
                name,
                model,
                engine.capabilities,
                self._pool,
                self._observer,
                on_cores=not shared_by,
                clock=self._clock,
            )
            runs.append(run)
            shared = self._shared.get(shared_by)
            if shared is None or not shared.host(run, engine):
                lane = Lane(shared_by or name, self._pool, self._starvation_ms, self._clock)
                lane.host(run, engine)
                self._start_lane(lane, self.on_lost)
                if shared_by:
                    self._shared[shared_by] = lane

    async def remove_lanes(self, model: str) -> None:
        """Stop the model's lanes after what they run. Its waiting work stays queued; the model
        stays known.
        """
        lanes = self._lanes.get(model, [])
        self._lanes[model] = []
        await self._stop_lanes(lanes, discard=False)

    def fail_waiting(self, model: str, error: SpeechError) -> None:
        """End everything that waits for ``model`` with ``error``."""
        self._mailbox.post([WorkFailed(work_id, error) for work_id in self._pool.clear(model)])

    def waiting(self, model: str) -> int:
        """How many items wait for ``model``."""
        return self._pool.waiting(model)

    def pulses(self, model: str) -> Mapping[str, LanePulse]:
        """What each lane of the model got done so far, by the lane's name."""
        return {lane.name: lane.pulse for lane in self._lanes.get(model, ())}

    async def close(self) -> None:
        """Stop every lane after its current step and fail what is left with UnavailableError.
        Idempotent.
        """
        error = UnavailableError("the service is shutting down", reason="SHUTTING_DOWN")
        self._refusal, self._closed = error, True
        self._mailbox.post([WorkFailed(work_id, error) for work_id in self._pool.clear()])
        lanes = [lane for lanes in self._lanes.values() for lane in lanes]
        self._lanes = {model: [] for model in self._lanes}
        await self._stop_lanes(lanes, discard=True)
        if self._timer is not None:
            self._timer.cancel()
        self._mailbox.flush()

    def stats(self) -> SchedulerStats:
        """What waits and runs now."""
        queued, running = self._pool.stats()
        lanes = {model: len(lanes) for model, lanes in self._lanes.items()}
        return SchedulerStats(queued, running, lanes, len(self._outstanding))

    async def _stop_lanes(self, lanes: Sequence[EngineRun], discard: bool) -> None:
        for lane in lanes:
            lane.stop(discard)
        for lane in lanes:
            await asyncio.to_thread(lane.ended.wait, JOIN_TIMEOUT_S if discard else None)

    def _deliver(self, event: WorkEvent) -> None:
        entry = self._outstanding.get(event.work_id)
        if entry is None:
            return
        work, on_event = entry
        if not isinstance(event, WorkAudio):
            del self._outstanding[event.work_id]
            metrics.record_outcome(self._observer, work, event)
        on_event(event)

    def _arm(self, deadline_s: float) -> None:
        """Make sure that the queue is looked at when ``deadline_s`` passes, even if no lane comes
        by.
        """
        when = self._loop.time() + max(0.0, deadline_s - self._clock())
        if self._timer is None or self._timer.cancelled() or when < self._timer.when():
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._loop.call_at(when, self._expire)

    def _expire(self) -> None:
        self._timer = None
        next_s = self._pool.expire()
        if next_s is not None:
            self._arm(next_s)
