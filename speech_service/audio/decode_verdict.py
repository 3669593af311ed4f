"""From what a child reports, or how it died, to the errors of the domain; and the check of what it
sends.
"""

import os
import signal

from speech_service.audio.decode_wire import (
    MAX_CONTAINER_CHANNELS,
    MAX_CONTAINER_RATE_HZ,
    MIN_CONTAINER_RATE_HZ,
    Reason,
)
from speech_service.audio.limits import DecodeLimits
from speech_service.audio.sniff import ACCEPTED
from speech_service.domain.errors import (
    AudioLimitError,
    InvalidAudioError,
    SpeechError,
    UnavailableError,
)

_PROBLEMS = {
    Reason.HEADER: ("its header cannot be read", ACCEPTED),
    Reason.CORRUPT: ("{value} packet(s) cannot be decoded", ""),
    Reason.TRUNCATED: ("it is truncated; what was there has been decoded", ""),
    Reason.NO_AUDIO_STREAM: ("the container holds no audio stream", ""),
    Reason.CODEC: ("its codec is not accepted", ACCEPTED),
    Reason.SAMPLE_RATE: (
        "its sample rate is {value} Hz",
        f"{MIN_CONTAINER_RATE_HZ} to {MAX_CONTAINER_RATE_HZ} Hz",
    ),
    Reason.CHANNEL_COUNT: ("it has {value} channels", f"1 to {MAX_CONTAINER_CHANNELS}"),
    Reason.PACKET: ("Opus packet {value} (from 0) cannot be decoded", ""),
}


def failure_of(reason: int, value: int, field: str, limits: DecodeLimits) -> SpeechError:
    """The error for a FAILED message. An unknown reason counts as corrupt audio."""
    if reason == Reason.MEMORY:
        return AudioLimitError(field, "max_memory_bytes", limits.max_memory_bytes)
    if reason == Reason.BUFFERED:
        return AudioLimitError(field, "max_buffered_bytes", limits.max_buffered_bytes)
    if reason not in _PROBLEMS or (reason == Reason.CORRUPT and not value):
        return InvalidAudioError(field, "it is corrupt")
    problem, allowed = _PROBLEMS[Reason(reason)]
    return InvalidAudioError(field, problem.format(value=value), allowed)


def lost_child(status: int | None, field: str, limits: DecodeLimits) -> SpeechError:
    """The error for a child that ended without a word. ``status``: as of ``os.waitpid``; None:
    zygote lost.
    """
    if status is None or status < 0:
        return UnavailableError("the audio decoder was lost", reason="DECODER_LOST")
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
    if ended_by == signal.SIGXCPU:
        return AudioLimitError(field, "max_cpu_s", limits.max_cpu_s)
    if ended_by == signal.SIGKILL:  # Not ours: the system's memory killer.
        return AudioLimitError(field, "max_memory_bytes", limits.max_memory_bytes)
    return InvalidAudioError(field, "it is corrupt")


class AudioFormatCheck:
    """Holds the format of the first AUDIO message and every later one to it. A child is not
    trusted.
    """

    def __init__(self) -> None:
        self.sample_rate_hz = 0
        self.channel_count = 0

    def take(self, rate_hz: int, channels: int, payload: bytes, field: str) -> SpeechError | None:
        """What is wrong with this message; None: nothing."""
        if not self.sample_rate_hz:
            if not MIN_CONTAINER_RATE_HZ <= rate_hz <= MAX_CONTAINER_RATE_HZ:
                return InvalidAudioError(field, "it is corrupt")
            if not 1 <= channels <= MAX_CONTAINER_CHANNELS:
                return InvalidAudioError(field, "it is corrupt")
            self.sample_rate_hz = rate_hz
            self.channel_count = channels
        same = rate_hz == self.sample_rate_hz and channels == self.channel_count
        if not same or len(payload) % (4 * channels):
            return InvalidAudioError(field, "it is corrupt")
        return None
