"""What the rows about starved and killed workers share: the worker's process, and a machine that gives it little."""

import asyncio
import contextlib
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator

import psutil

from benchmarks.harness import Server

CYCLE_S = 0.2


def worker_of(front_end_pid: int) -> psutil.Process | None:
    """The worker of a front end; None while there is none."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for child in psutil.Process(front_end_pid).children():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                if "speech_service.worker" in child.cmdline():
                    return child
    return None


async def next_worker(server: Server, last_pid: int) -> psutil.Process:
    """The worker that is not ``last_pid``, once it is there."""
    while True:
        worker = worker_of(server.pid)
        if worker is not None and worker.pid != last_pid:
            return worker
        await asyncio.sleep(0.05)


async def work_done(server: Server) -> float:
    """How much work the server has finished since it started."""
    metrics = await asyncio.to_thread(server.metrics)
    done = [v for k, v in metrics.items() if k.startswith("speech_work_total") and '"done"' in k]
    return sum(done)


@contextlib.contextmanager
def busy_loops(count: int) -> Iterator[None]:
    """So many processes that take every core they get."""
    with contextlib.ExitStack() as stack:
        for _ in range(count):
            process = subprocess.Popen([sys.executable, "-S", "-c", "while True: pass"])
            stack.callback(process.wait)
            stack.callback(process.kill)
        yield


@contextlib.asynccontextmanager
async def duty(front_end_pid: int, share: float) -> AsyncIterator[None]:
    """Let the worker run for ``share`` of the time; it is never stopped for a whole cycle."""
    cycling = asyncio.create_task(_cycle(front_end_pid, share))
    try:
        yield
    finally:
        cycling.cancel()
        await asyncio.gather(cycling, return_exceptions=True)
        _send(worker_of(front_end_pid), signal.SIGCONT)


async def _cycle(front_end_pid: int, share: float) -> None:
    while True:
        worker = worker_of(front_end_pid)
        _send(worker, signal.SIGSTOP)
        await asyncio.sleep(CYCLE_S * (1 - share))
        _send(worker, signal.SIGCONT)
        await asyncio.sleep(CYCLE_S * share)


def _send(process: psutil.Process | None, number: signal.Signals) -> None:
    if process is not None:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(number)
