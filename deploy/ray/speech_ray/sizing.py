"""How many servers a fleet needs: by the share that streams take of them (speech_stream_load), as the chart scales."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Sizing:
    """Bounds of a fleet.

    Attributes:
        least: servers that are there in any case.
        most: servers that are there at most.
        target_load: share of a server that its streams should take, in (0, 1]; at 1 it refuses the next.
        quiet_s: how long fewer must have been enough before one is stopped; at least as long as the longest stream.
    """

    least: int
    most: int
    target_load: float = 0.7
    quiet_s: float = 600.0

    def __post_init__(self) -> None:
        if not 1 <= self.least <= self.most:
            raise ValueError(f"servers: {self.least} to {self.most}; allowed: 1 <= least <= most")
        if not 0 < self.target_load <= 1:
            raise ValueError(f"target load: {self.target_load}; allowed: above 0, up to 1")


@dataclass(frozen=True, slots=True)
class Load:
    """What a server said last: streams that are open, and the share that they take of what it can do."""

    open_streams: int
    share: float


class Scaler:
    """Says how many servers there should be: more at once, fewer after a quiet time, one at a time."""

    def __init__(self, sizing: Sizing) -> None:
        self._sizing = sizing
        self._fewer_since_s: float | None = None

    def wanted(self, now: int, loads: Sequence[Load], now_s: float) -> int:
        """How many there should be.

        Args:
            now: servers that there are, those that are starting among them.
            loads: of the servers that serve.
            now_s: a clock that never goes back.
        """
        needed = self._needed(loads)
        if needed is None or needed >= now:
            self._fewer_since_s = None
            return min(max(needed or now, self._sizing.least), self._sizing.most)
        if now > self._sizing.most:
            return self._sizing.most
        if self._fewer_since_s is None:
            self._fewer_since_s = now_s
        if now_s - self._fewer_since_s < self._sizing.quiet_s:
            return now
        self._fewer_since_s = now_s
        return now - 1

    def _needed(self, loads: Sequence[Load]) -> int | None:
        """Servers for the streams that are open; None while none is there to say."""
        if not loads:
            return None
        taken = sum(load.share for load in loads)
        return max(self._sizing.least, math.ceil(round(taken / self._sizing.target_load, 6)))
