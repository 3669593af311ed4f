"""What a codec child may use: no new file, socket or program, bounded CPU time and memory.

Linux enforces all of it. Elsewhere the rlimits hold and the ``prctl`` and memory parts are skipped.
"""

import ctypes
import os
import resource
import signal
import sys
from pathlib import Path

from speech_service.media.codec.wire import Order

_PR_SET_PDEATHSIG = 1
_PR_SET_DUMPABLE = 4
_PR_SET_NO_NEW_PRIVS = 38
_PAGE_BYTES = resource.getpagesize()


def confine(order: Order) -> None:
    """Apply the limits of ``order`` to this process for good.

    RLIMIT_NOFILE 0 forbids every new descriptor: open, socket, pipe, dup. RLIMIT_NPROC 0 forbids
    fork (not for root). The CPU soft limit ends the process by SIGXCPU; ``CpuAllowance`` may raise
    it where the order says so.
    """
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    if sys.platform == "linux":
        _limit(resource.RLIMIT_AS, _mapped_bytes() + order.memory_bytes)
    # One second apart: SIGXCPU at the soft limit says why; SIGKILL at the hard one would not.
    hard = resource.RLIM_INFINITY if order.cpu_s_per_audio_s else order.cpu_s + 1
    resource.setrlimit(resource.RLIMIT_CPU, (order.cpu_s, hard))
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_FSIZE, 0)
    _limit(resource.RLIMIT_NPROC, 0)
    _limit(resource.RLIMIT_NOFILE, 0)


class CpuAllowance:
    """CPU seconds that grow with the audio that was worked on, so that a long stream is not a long job.

    The rule: ``cpu_s + cpu_s_per_audio_s * seconds of audio``. Bytes that burn CPU without audio get
    only the base.
    """

    def __init__(self, order: Order) -> None:
        self._base_s = order.cpu_s
        self._ratio = order.cpu_s_per_audio_s
        self._allowed_s = order.cpu_s

    def earn(self, audio_s: float) -> None:
        """``audio_s``: seconds of audio so far, in total."""
        allowed_s = self._base_s + int(self._ratio * audio_s)
        if allowed_s > self._allowed_s:
            self._allowed_s = allowed_s
            resource.setrlimit(resource.RLIMIT_CPU, (allowed_s, resource.RLIM_INFINITY))


def _limit(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _mapped_bytes() -> int:
    """Address space in use: libraries alone take hundreds of MB, so the limit counts from here."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * _PAGE_BYTES


def _prctl(option: int, value: int) -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0)


def silence_standard_streams() -> None:
    """Point stdin, stdout and stderr at the null device: nothing a codec prints reaches a log."""
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    if null > 2:
        os.close(null)
