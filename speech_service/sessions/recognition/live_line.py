"""When a live client has stopped sending: the one place where recognition asks a clock about audio.

Audio counts as heard at its time, not when it came: a client that sends two seconds at once sends nothing for two
seconds. So the line falls quiet when the last audio has been heard, at most ``_AHEAD_S`` after it came. Audio that was
held up on its way and then came at once looks like that too; but what comes next comes in its time, and the lead never
shrinks again: what all of ``_STEADY_S`` was ahead is not to be waited for.
"""

from collections.abc import Callable

from speech_service.domain.recognition import Endpointing, EndpointingMode

HOLD_S = 0.45
"""Quiet after which everything that came is decoded, so that a partial shows it and the FINAL is there in time."""
_AHEAD_S = 2.0
_STEADY_S = 1.0
_LATE_S = 0.25
"""A wake that comes later than this tells of a process that stood still: what was sent meanwhile is read first."""


class LiveLine:
    """Follows the audio of one session. ``clock`` gives seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._heard_until_s = self._steady_since_s = clock()
        self._least_lead_s = _AHEAD_S
        self._spared = False
        self.held = False
        """What came was decoded to its end since the last audio."""

    def heard(self, audio_ms: float) -> None:
        """So much audio came, or declared silence."""
        now_s = self._clock()
        self._least_lead_s = min(self._least_lead_s, max(0.0, self._heard_until_s - now_s))
        if now_s - self._steady_since_s >= _STEADY_S:
            self._heard_until_s -= self._least_lead_s
            self._steady_since_s, self._least_lead_s = now_s, _AHEAD_S
        until_s = max(self._heard_until_s, now_s) + audio_ms / 1000
        self._heard_until_s = min(until_s, now_s + _AHEAD_S)
        self._spared = self.held = False

    @property
    def hold_s(self) -> float:
        """When everything that came is to be decoded."""
        return self._heard_until_s + HOLD_S

    def over_s(self, settings: Endpointing) -> float | None:
        """When speech ends if no audio comes; None: only the client ends it."""
        if settings.mode is not EndpointingMode.VAD:
            return None
        return self._heard_until_s + (settings.end_silence_ms + settings.quiet_margin_ms) / 1000

    def is_over(self, settings: Endpointing) -> bool:
        """Whether it has ended. Asked too late, it grants the client the margin once more, until audio comes."""
        over_s = self.over_s(settings)
        if over_s is None:
            return False
        late_s = self._clock() - over_s
        if late_s > _LATE_S and not self._spared:
            self._spared = True
            self._heard_until_s += late_s + settings.quiet_margin_ms / 1000
            return False
        return late_s >= 0
