"""What a client hears that plays a stream from its first audio on: estimated from what was sent and when."""

import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Continued:
    """More of a context was ready."""

    buffer_s: float
    """What the client had left to play at that moment; 0: it was silent."""
    is_underrun: bool
    """It was silent though the text was there in time."""


class PlaybackClock:
    """Of one stream, whose contexts are played one after another.

    A client's own faults are not counted: what was ready in time and taken late, and text that came after silence fell.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._turn: int | None = None
        self._played_s = 0.0
        """When all that was sent will have been played."""

    def sent(
        self, turn: int, duration_ms: float, ready_s: float, asked_s: float
    ) -> Continued | None:
        """The client took audio of a context.

        Args:
            turn: the context's number.
            duration_ms: of the audio.
            ready_s: when it could have been taken.
            asked_s: when its text went to the device.

        Returns:
            None where a context begins.
        """
        continued = None
        if turn == self._turn:
            left_s = self._played_s - ready_s
            continued = Continued(max(0.0, left_s), left_s < 0.0 and asked_s <= self._played_s)
        self._turn = turn
        self._played_s = max(self._played_s, self._clock()) + duration_ms / 1000
        return continued

    def stop(self) -> None:
        """The client was interrupted, and forgets what it has not played."""
        self._turn, self._played_s = None, 0.0
