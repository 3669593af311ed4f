"""A lane: whose turn it is of the engines that one thread alone touches.

The loop is three verbs: admit what the policy gives -> step one engine once -> publish what ended.
An item that arrives while others decode joins at the next step; a cancelled one leaves before it.

A lane of the CPU has one engine. That of an accelerator has those of all models there, which take turns by the urgency
of their work (``policy.next_turn``).
"""

import threading
import time
from collections.abc import Callable, Sequence

from speech_service.dispatch.engine_run import EngineRun
from speech_service.dispatch.policy import next_turn
from speech_service.dispatch.pool import Clock, WorkPool
from speech_service.domain.errors import DeviceLostError
from speech_service.protocols import Engine

OnLost = Callable[[DeviceLostError], None]


class Lane:
    """The engines, and which has the next step. ``host`` may be called from any thread; all else is its runner's."""

    def __init__(
        self, name: str, pool: WorkPool, starvation_ms: float, clock: Clock = time.monotonic
    ) -> None:
        """Make a lane without engines.

        Args:
            name: of its thread.
            pool: gives the work.
            starvation_ms: how long an engine with work may be without a step because others are more urgent.
            clock: that of the pool.
        """
        self.name = name
        self._pool = pool
        self._starvation_ms = starvation_ms
        self._clock = clock
        self._hosted: list[tuple[EngineRun, Engine]] = []
        self._coming: list[tuple[EngineRun, Engine]] = []
        self._lock = threading.Lock()
        self._is_over = False
        self._aged_turn = False

    def host(self, run: EngineRun, engine: Engine) -> bool:
        """Have the lane run an engine, from its next step on; False: it has ended with its last engine."""
        with self._lock:
            if self._is_over:
                return False
            self._coming.append((run, engine))
            seats = [each.seat for each, _ in self._hosted]
        self._pool.nudge(seats)
        return True

    def has_engines(self) -> bool:
        """Let in who is new, and let go of who is over; an engine's memory is free before anybody hears of it."""
        with self._lock:
            over = [run for run, _ in self._hosted if run.is_over]
            self._hosted = [each for each in self._hosted if not each[0].is_over] + self._coming
            self._coming = []
            self._is_over = not self._hosted
        for run in over:
            run.ended.set()
        return not self._is_over

    def wait(self) -> None:
        """Wait until there may be something to do."""
        if not self._is_busy:
            self._pool.wait([run.seat for run, _ in self._hosted], lambda: bool(self._coming))

    def call_later(self, wake: Callable[[], None]) -> bool:
        """Have ``wake`` called where ``wait`` would end, with the pool's lock held. False: there is something to do."""
        seats = [run.seat for run, _ in self._hosted]
        return not self._is_busy and self._pool.call_later(seats, lambda: bool(self._coming), wake)

    def next_step(self) -> tuple[EngineRun, Engine] | None:
        """Admit what there is, and say which engine is to step; None: none for now."""
        for run, engine in self._hosted:
            run.admit(engine)
        busy = [(run, engine) for run, engine in self._hosted if run.busy]
        if not busy:
            return None
        run, engine = busy[self._next_of([run for run, _ in busy])]
        return None if run.gives_way() else (run, engine)

    @property
    def _is_busy(self) -> bool:
        return any(run.busy for run, _ in self._hosted)

    def _next_of(self, runs: Sequence[EngineRun]) -> int:
        if len(runs) == 1:
            return 0
        now_s = self._clock()
        steps_s = [run.usual_step_s for run in runs]
        turns = [
            run.turn(now_s, max(steps_s[:at] + steps_s[at + 1 :])) for at, run in enumerate(runs)
        ]
        at, self._aged_turn = next_turn(turns, self._starvation_ms, self._aged_turn)
        return at


StartLane = Callable[[Lane, OnLost], None]
"""Runs a lane until it has no engine left, or until its device is lost, which it tells."""


def start_thread(lane: Lane, on_lost: OnLost) -> None:
    """Run the lane on a thread of its own. ``on_lost`` is called there, at the end of it."""
    threading.Thread(target=_run, args=(lane, on_lost), name=lane.name, daemon=True).start()


def _run(lane: Lane, on_lost: OnLost) -> None:
    try:
        while lane.has_engines():
            lane.wait()
            _step(lane)
    except DeviceLostError as error:
        on_lost(error)


def _step(lane: Lane) -> None:
    """A function of its own: between two steps the thread holds no engine."""
    step = lane.next_step()
    if step is not None:
        run, engine = step
        run.step(engine)
