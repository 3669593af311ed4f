"""How long a process had the chance to move on: what tells one that is stuck from one that is starved.

Wall time cannot tell them apart: a worker that gets an eighth of a core needs eight times as long for everything.
What a process is given must be compared with what it makes of it:

* A thread computes, waits for a core or for the disk: the machine decides how fast that goes. The process had as much
  of a chance as its busiest thread had CPU time. Threads of a process share fairly, so any other thread of it could
  have had as much. An endless loop uses its chance up; a starved worker has none.
* No thread wants anything: it is stopped, waits for itself, or for an answer from elsewhere. It had all the time.

Hence one number, in seconds of a machine that is free, and one rule: who had so many seconds and got nothing done is
stuck. It is the wall clock where the system has no ``/proc``.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_HAS_PROC = Path("/proc/self/task").is_dir()
_WANTS = frozenset("RD")
"""States of a thread that runs, could run, or waits for the disk or for memory (proc_pid_stat(5))."""
_STOPPED = frozenset("Tt")
_USED_SHARE = 0.01
"""Who used less of the time than this, and wanted nothing when we looked, was idle: threads that wait for a lock look
for it 200 times a second, and that is no work."""
_USER_TICKS, _SYSTEM_TICKS = 11, 12
"""Fields of the line behind the program's name and, at 0, the state."""


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    cpu_s: dict[int, float]
    """Of each thread."""
    wants: bool
    stopped: bool = False


class Effort:
    """Measures one process from look to look; ``without`` names a thread that does not count."""

    def __init__(self, pid: int, without: int = 0) -> None:
        self._pid = pid
        self._without = without
        self._last = self._look()

    def restart(self) -> None:
        """Measure from now on."""
        self._last = self._look()

    def chance_s(self) -> float:
        """How long the process could have moved on since the look before."""
        last, now = self._last, self._look()
        self._last = now
        wall_s = now.at_s - last.at_s
        gained = [used_s - last.cpu_s.get(thread, 0.0) for thread, used_s in now.cpu_s.items()]
        # One that is stopped and yet used something is stopped and continued again and again.
        least_s = 0.0 if now.stopped else _USED_SHARE * wall_s
        if now.wants or sum(gained) > least_s:
            return min(wall_s, max(gained, default=0.0))
        return wall_s

    def _look(self) -> _Look:
        at_s, cpu_s, wants, stopped = time.monotonic(), dict[int, float](), False, False
        if not _HAS_PROC:
            return _Look(at_s, cpu_s, wants)
        try:
            for thread in Path(f"/proc/{self._pid}/task").iterdir():
                if int(thread.name) == self._without:
                    continue
                state, used_s = _read(thread)
                cpu_s[int(thread.name)] = used_s
                wants, stopped = wants or state in _WANTS, stopped or state in _STOPPED
        except (FileNotFoundError, ProcessLookupError):
            pass  # it, or a thread of it, ended meanwhile
        except OSError:
            wants = True  # we have no descriptor to look with: that is not the fault of the process
        return _Look(at_s, cpu_s, wants, stopped)


def _read(thread: Path) -> tuple[str, float]:
    """State of a thread, and its CPU time in seconds."""
    line = (thread / "stat").read_bytes()
    fields = line.rpartition(b")")[2].split()
    try:  # in nanoseconds; the ticks of the other file are ten milliseconds long
        used_s = int((thread / "schedstat").read_bytes().split()[0]) / 1e9
    except FileNotFoundError:  # this kernel does not count them
        ticks = int(fields[_USER_TICKS]) + int(fields[_SYSTEM_TICKS])
        used_s = ticks / os.sysconf("SC_CLK_TCK")
    return fields[0].decode(), used_s


async def wait_fairly(
    awaited: "asyncio.Future[Any]",
    effort: Effort,
    limit_s: Callable[[], float],
    look_s: float,
    on_look: Callable[[float], None] | None = None,
) -> bool:
    """Wait for what another process is to bring, as long as it may still be on its way.

    Args:
        awaited: is not cancelled.
        effort: of the process.
        limit_s: how many seconds of a chance it has; asked at every look.
        look_s: how often its effort is looked at.
        on_look: told the chance that it has had.

    Returns:
        False: it had ``limit_s`` and brought nothing.
    """
    effort.restart()
    had_s = 0.0
    while True:
        began_s = time.monotonic()
        done, _ = await asyncio.wait([awaited], timeout=look_s)
        if done:
            return True
        chance_s = effort.chance_s()
        if time.monotonic() - began_s > 2 * look_s + 1:
            continue  # we were starved ourselves, and may not have read what came
        had_s += chance_s
        if on_look is not None:
            on_look(had_s)
        if had_s >= limit_s():
            return False
