"""How late the FINALs of live streams are now: what tells overload that no estimate foresaw. Pure but for its clock."""

import math
from collections import deque
from collections.abc import Callable

from speech_service.dispatch.policy import LIVE_CLASSES
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    Work,
    WorkAudio,
    WorkDone,
    WorkEvent,
)

_WINDOW_S = 20.0
_MOST = 512
_WITNESSES = 3
"""So many FINALs must be late: one slow piece is no overload."""
_RELIEF = 0.7
"""Share of the bound that lag must fall below before it counts as over: no flutter at the bound."""


class LiveLag:
    """Is told of all work (``protocols.WorkListener``).

    The lag of a FINAL is the time from asking for it to having it. One that is still awaited is as late as it has
    waited: a device that stands still gives no outcome to count.
    """

    def __init__(self, bound_s: float, clock: Callable[[], float]) -> None:
        """``bound_s``: lag above which the service counts as late; 0: none. ``clock``: seconds that only grow."""
        self._bound_s = bound_s
        self._clock = clock
        self._awaited: dict[str, float] = {}
        """By work: since when."""
        self._seen: deque[tuple[float, float]] = deque(maxlen=_MOST)
        """When a FINAL came, and its lag."""
        self._is_late = False

    @property
    def bound_s(self) -> float:
        """Lag above which the service counts as late; 0: none."""
        return self._bound_s

    @property
    def is_late(self) -> bool:
        """Whether the p95 lag is above the bound, or was and has not fallen clearly below it."""
        if not self._bound_s:
            return False
        limit_s = self._bound_s * (_RELIEF if self._is_late else 1.0)
        self._is_late = self.p95_s > limit_s
        return self._is_late

    @property
    def p95_s(self) -> float:
        """Of the last seconds; where they had few FINALs, the third latest."""
        now_s = self._clock()
        while self._seen and now_s - self._seen[0][0] > _WINDOW_S:
            self._seen.popleft()
        lags = [lag_s for _, lag_s in self._seen]
        lags += [now_s - since_s for since_s in self._awaited.values()]
        above = max(_WITNESSES, math.ceil(len(lags) * 0.05))
        return sorted(lags)[-above] if len(lags) >= above else 0.0

    def submitted(self, work: Work) -> None:
        """As of ``WorkListener``."""
        if _is_awaited(work):
            self._awaited[work.work_id] = self._clock()

    def happened(self, work: Work, event: WorkEvent) -> None:
        """As of ``WorkListener``."""
        if isinstance(event, WorkAudio):
            return
        since_s = self._awaited.pop(work.work_id, None)
        if since_s is not None and isinstance(event, WorkDone):
            now_s = self._clock()
            self._seen.append((now_s, max(0.0, now_s - since_s)))

    def released(self, stream_id: str) -> None:
        """As of ``WorkListener``: its work still ends, one by one."""


def _is_awaited(work: Work) -> bool:
    return (
        isinstance(work, RecognizeWork)
        and work.kind is RecognizeKind.FINAL
        and work.work_class in LIVE_CLASSES
    )
