"""A machine that gives a process little: it is stopped most of the time, and others want the same cores."""

import asyncio
import contextlib
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable

CYCLE_S = 0.2
_BUSY = "while True: pass"


@contextlib.asynccontextmanager
async def slowed(pid: Callable[[], int], share: float) -> AsyncIterator[None]:
    """Let the process that ``pid`` names now run for ``share`` of the time, never stopped longer than a cycle."""
    task = asyncio.create_task(_cycle(pid, share))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@contextlib.asynccontextmanager
async def busy_machine(loops: int = 4) -> AsyncIterator[None]:
    """So many processes that take all the CPU time that they get."""
    processes = [
        await asyncio.create_subprocess_exec(sys.executable, "-S", "-c", _BUSY)
        for _ in range(loops)
    ]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            await process.wait()


async def _cycle(pid: Callable[[], int], share: float) -> None:
    while True:
        now = pid()
        await _signalled(now, signal.SIGCONT, CYCLE_S * share)
        await _signalled(now, signal.SIGSTOP, CYCLE_S * (1 - share))
        if now:
            with contextlib.suppress(ProcessLookupError):
                os.kill(now, signal.SIGCONT)


async def _signalled(pid: int, number: signal.Signals, then_s: float) -> None:
    if pid:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
    await asyncio.sleep(then_s)
