"""A loop whose clock jumps to the next timer, and lanes that run on it: a simulation takes as long as its Python."""

import asyncio
import selectors
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from speech_service.dispatch.engine_run import EngineRun
from speech_service.dispatch.lane import Lane, OnLost
from speech_service.domain.work import WorkEvent
from speech_service.protocols import Engine

Result = TypeVar("Result")


class _Jump(selectors.DefaultSelector):
    """Waits for nothing: where there is nothing to do, it is as late as the next timer."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Jump.

        Raises:
            RuntimeError: everybody waits, and no timer is set: the simulation stands still.
        """
        if timeout is None:
            raise RuntimeError("everybody waits for somebody else")
        self.now_s += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """One thread, no sockets. Time passes between two callbacks only."""

    def __init__(self) -> None:
        self._jump = _Jump()
        super().__init__(self._jump)

    def time(self) -> float:
        """Seconds since the simulation began."""
        return self._jump.now_s

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """There is no other thread."""
        return self.call_soon(callback, *args, context=context)


def run_virtual(main: Coroutine[Any, Any, Result]) -> Result:
    """Run ``main`` on a loop of its own whose time is virtual."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)


@dataclass(slots=True)
class SimulatedDevice:
    """Adds up what a step takes. One step at a time."""

    busy_s: float = 0.0
    """Time in which it computed."""
    host_s: float = 0.0
    """Time of steps in which it waited for the host."""
    steps: int = 0
    step_s: float = 0.0
    """Of the present step, so far."""

    def compute(self, seconds: float) -> None:
        """Part of the present step is computed."""
        self.busy_s += seconds
        self.step_s += seconds

    def host(self, seconds: float, *, is_beside: bool) -> None:
        """The host's part of the present step, once all of the step is computed.

        Args:
            seconds: what it takes.
            is_beside: it runs while the device computes, which waits for what is longer; else the device waits for all.
        """
        waits_s = max(0.0, seconds - self.step_s) if is_beside else seconds
        self.host_s += waits_s
        self.step_s += waits_s

    def end_step(self) -> float:
        """What the step took."""
        step_s, self.step_s = self.step_s, 0.0
        self.steps += 1
        return step_s

    def start_lane(self, lane: Lane, on_lost: OnLost) -> None:
        """Run a lane on the running loop: a ``StartLane``. A simulated device is never lost."""
        del on_lost
        _LoopLane(lane, self)


class _LoopLane:
    """A lane whose steps take what the device says. Work that comes during a step waits for its end, as on a thread."""

    def __init__(self, lane: Lane, device: SimulatedDevice) -> None:
        self._lane = lane
        self._device = device
        self._loop = asyncio.get_running_loop()
        self._wake()

    def _wake(self) -> None:
        self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if not self._lane.has_engines():
            return
        step = self._lane.next_step()
        if step is not None:
            run, engine = step
            events = run.begin_step(engine)
            self._loop.call_later(self._device.end_step(), self._end, run, engine, events)
        elif not self._lane.call_later(self._wake):
            self._wake()

    def _end(self, run: EngineRun, engine: Engine, events: Sequence[WorkEvent]) -> None:
        run.end_step(engine, events)
        self._turn()
