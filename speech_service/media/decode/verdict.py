"""Turns what a child reports, or how it died, into errors of the domain, and checks what it sends."""

import os
import signal

from speech_service.domain.audio import AudioLoss, LossKind
from speech_service.domain.errors import (
    AudioLimitError,
    InvalidAudioError,
    SpeechError,
    UnavailableError,
)
from speech_service.media.codec.wire import ChildExit
from speech_service.media.decode.limits import UNARY_LIMITS, DecodeLimits
from speech_service.media.decode.sniff import ACCEPTED
from speech_service.media.decode.wire import (
    MAX_CONTAINER_CHANNELS,
    MAX_CONTAINER_RATE_HZ,
    MAX_VALUE,
    MIN_CONTAINER_RATE_HZ,
    OPEN_END,
    SPAN,
    Lost,
    Reason,
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

_LOSSES = {Lost.TRUNCATED: LossKind.TRUNCATED, Lost.DAMAGED: LossKind.DAMAGED}
_OF_ITS_OWN = frozenset(
    getattr(signal, name)
    for name in ("SIGSEGV", "SIGBUS", "SIGILL", "SIGFPE", "SIGABRT", "SIGSYS", "SIGXFSZ", "SIGTRAP")
)
"""Signals by which code ends itself."""


def failure_of(reason: int, value: int, option: str, limits: DecodeLimits) -> SpeechError:
    """Give the error for a FAILED message. An unknown reason counts as corrupt audio."""
    if reason == Reason.MEMORY:
        return AudioLimitError(option, "max_memory_bytes", limits.max_memory_bytes)
    if reason == Reason.BUFFERED:
        return AudioLimitError(option, "max_buffered_bytes", limits.max_buffered_bytes)
    if reason not in _PROBLEMS or (reason == Reason.CORRUPT and not value):
        return InvalidAudioError(option, "it is corrupt")
    problem, allowed = _PROBLEMS[Reason(reason)]
    return InvalidAudioError(option, problem.format(value=value), allowed)


def strict_failure(damaged: int, truncated: bool, option: str) -> SpeechError | None:
    """Give the error of strict decoding for audio of which parts are missing; None: there are none."""
    if damaged:
        return failure_of(Reason.CORRUPT, damaged, option, UNARY_LIMITS)
    return failure_of(Reason.TRUNCATED, 0, option, UNARY_LIMITS) if truncated else None


def lost_child(exit_: ChildExit | None, option: str, limits: DecodeLimits) -> SpeechError:
    """Give the error for a child that ended without a word. None: the process that knows how is gone too.

    Bytes can make a codec crash or use up its CPU time. A signal that no code of the child raises came from outside:
    from the system's memory killer or from a person. The audio is not to blame then.
    """
    if exit_ is None or exit_.status < 0:
        return decoder_lost()
    ended_by = os.WTERMSIG(exit_.status) if os.WIFSIGNALED(exit_.status) else 0
    # At the hard limit of CPU time, a second above the soft one, the kernel sends SIGKILL.
    out_of_cpu = ended_by == signal.SIGKILL and exit_.cpu_s > limits.max_cpu_s
    if ended_by == signal.SIGXCPU or (out_of_cpu and not limits.cpu_s_per_audio_s):
        return AudioLimitError(option, "max_cpu_s", limits.max_cpu_s)
    if ended_by and ended_by not in _OF_ITS_OWN:
        return decoder_lost()
    return InvalidAudioError(option, "it is corrupt")


def decoder_lost() -> SpeechError:
    """Give the error for a decoder that somebody else ended."""
    return UnavailableError(
        "the audio decoder was lost; send the audio again", reason="DECODER_LOST"
    )


def loss_of(kind: int, payload: bytes, rate_hz: int) -> AudioLoss | None:
    """Give what a LOST message says; None where it makes no sense."""
    if len(payload) != SPAN.size or kind not in _LOSSES or rate_hz < MIN_CONTAINER_RATE_HZ:
        return None
    start, end = SPAN.unpack(payload)
    if end != OPEN_END and end < start:
        return None
    # Widened to whole milliseconds; a header may claim more than a message can say.
    end_ms = None if end == OPEN_END else min(-(-end * 1000 // rate_hz), MAX_VALUE)
    return AudioLoss(_LOSSES[Lost(kind)], min(start * 1000 // rate_hz, MAX_VALUE), end_ms)


class AudioFormatCheck:
    """Holds the format of the first AUDIO message and every later one to it. A child is not
    trusted.
    """

    def __init__(self) -> None:
        self.sample_rate_hz = 0
        self.channel_count = 0

    def take(self, rate_hz: int, channels: int, payload: bytes, option: str) -> SpeechError | None:
        """Give what is wrong with this message; None: nothing."""
        if not self.sample_rate_hz:
            if not MIN_CONTAINER_RATE_HZ <= rate_hz <= MAX_CONTAINER_RATE_HZ:
                return InvalidAudioError(option, "it is corrupt")
            if not 1 <= channels <= MAX_CONTAINER_CHANNELS:
                return InvalidAudioError(option, "it is corrupt")
            self.sample_rate_hz = rate_hz
            self.channel_count = channels
        same = rate_hz == self.sample_rate_hz and channels == self.channel_count
        if not same or len(payload) % (4 * channels):
            return InvalidAudioError(option, "it is corrupt")
        return None
