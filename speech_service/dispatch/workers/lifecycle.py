"""Where a worker is in its life, who wants to know, and how long to wait after a crash. No I/O.

::

    STOPPED --need--> STARTING --serves--> READY --idle, close--> STOPPED
                          |                 |
                          +---- crash ------+--> RESTARTING --serves--> READY
                                                     | +-- too many in a row --> FAILED --serves-->
                                                     READY
"""

import logging
from collections.abc import Callable
from typing import TypeVar

from speech_service.domain.models import WorkerState

T = TypeVar("T")

logger = logging.getLogger(__name__)

FIRST_BACKOFF_S = 0.2
MAX_BACKOFF_S = 30.0
"""Each crash in a row doubles the wait, up to this; while FAILED, too, attempts go on."""


class Lifecycle:
    """State and health of a worker, observable. Health is bad while FAILED, and as heartbeats say."""

    def __init__(self, max_restarts: int) -> None:
        self._max_restarts = max_restarts
        self._state = WorkerState.STOPPED
        self._healthy = True
        self._crashes = 0
        self._crashes_in_a_row = 0
        self._backoff_s = 0.0
        self._state_callbacks: list[Callable[[WorkerState], None]] = []
        self._health_callbacks: list[Callable[[bool], None]] = []

    @property
    def state(self) -> WorkerState:
        """Where the worker is in its life."""
        return self._state

    @property
    def healthy(self) -> bool:
        """Whether work can be expected to succeed."""
        return self._healthy

    @property
    def crashes(self) -> int:
        """Crashes, and failed starts, since the front end started."""
        return self._crashes

    @property
    def backoff_s(self) -> float:
        """How long after the last crash the next start is; 0 once a worker has done something."""
        return self._backoff_s

    def subscribe(self, callback: Callable[[WorkerState], None]) -> Callable[[], None]:
        """Call ``callback`` with every new state; returns what ends that."""
        self._state_callbacks.append(callback)
        return lambda: self._state_callbacks.remove(callback)

    def subscribe_health(self, callback: Callable[[bool], None]) -> Callable[[], None]:
        """Call ``callback`` with every change of health; returns what ends that."""
        self._health_callbacks.append(callback)
        return lambda: self._health_callbacks.remove(callback)

    def enter(self, state: WorkerState) -> None:
        """Go to ``state`` and tell who asked."""
        if state is self._state:
            return
        self._state = state
        _tell(self._state_callbacks, state)
        if state is WorkerState.FAILED:
            self.set_health(False)

    def set_health(self, healthy: bool) -> None:
        """Set the health and tell who asked, if it changed."""
        if healthy is self._healthy:
            return
        self._healthy = healthy
        _tell(self._health_callbacks, healthy)

    def succeeded(self) -> None:
        """An item was finished: whatever crashed before, the worker works."""
        self._crashes_in_a_row = 0
        self._backoff_s = 0.0

    def crashed(self) -> float:
        """Record a crash and enter RESTARTING or FAILED; returns the seconds to wait before the
        next start.
        """
        self._crashes += 1
        self._crashes_in_a_row += 1
        # The first start anew is at once. 2 ** 16 times the first wait is beyond any bound.
        doublings = min(self._crashes_in_a_row - 2, 16)
        self._backoff_s = (
            0.0 if doublings < 0 else min(MAX_BACKOFF_S, FIRST_BACKOFF_S * 2**doublings)
        )
        if self._state is WorkerState.FAILED or self._crashes_in_a_row > self._max_restarts:
            self.enter(WorkerState.FAILED)
        else:
            self.enter(WorkerState.RESTARTING)
        return self._backoff_s


def _tell(callbacks: list[Callable[[T], None]], value: T) -> None:
    for callback in list(callbacks):
        try:
            callback(value)
        except Exception:
            logger.exception("a worker state callback failed")
