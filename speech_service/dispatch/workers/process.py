"""One worker process: spawn it, meet it, stop it. Knows nothing of what it serves.

The process inherits one end of a socket pair, which everything that is said travels over, and the record that it keeps
of itself (``record.py``): nothing of it has a name in the file system, so nothing is left of it, however it or we end.
We speak first, with its configuration; it answers when it serves. The end of the connection tells it that the front
end is gone, or wants it no more.
"""

import asyncio
import contextlib
import logging
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from speech_service.config.environment import child_environment
from speech_service.config.load import to_mapping
from speech_service.config.tree import Config
from speech_service.dispatch.record import Record
from speech_service.dispatch.workers import messages
from speech_service.dispatch.workers.codec import BrokenFrameError
from speech_service.dispatch.workers.frames import FrameSocket
from speech_service.domain.errors import UnavailableError
from speech_service.domain.models import ModelCapabilities
from speech_service.effort import Effort, wait_fairly

logger = logging.getLogger(__name__)

WORKER_COMMAND = (sys.executable, "-P", "-m", "speech_service.worker")
"""``-P``: the folder that we run in is not searched for modules; anybody may have put one there."""
_LOOKS_AT_A_START = 6
LAST_MOMENT_S = 0.3
"""From the end of the connection, which a dying process closes first, to its end."""
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""``-P`` for the processes that a worker's libraries start."""
HEAP_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1",
    "PYTHONMALLOC": "malloc",
}
"""One heap for all threads and for Python's objects, on pages of 2 MiB where the system has them to give: a decoder
reads all its weights at every step (docs/performance.md). What an operator has set stays."""

NO_CHANGES: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class WorkerPlace:
    """One of the workers: its name, and where it computes.

    ``devices`` are those of the machine that are its own, and ``model_devices`` says on which of them each model is;
    ``environment`` is what makes them the only ones that its process sees.
    """

    name: str = "worker-0"
    devices: tuple[str, ...] = ("cpu",)
    model_devices: Mapping[str, str] = field(default_factory=dict[str, str])
    environment: Mapping[str, str] = field(default_factory=dict[str, str])


ONLY_PLACE = WorkerPlace()


class WorkerStartError(UnavailableError):
    """The worker did not come up; the message says why, the worker's log says more."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the worker cannot be started: {problem}", reason="WORKER_LOST")


class WorkerProcess:
    """A worker process that runs, the connection to it, and its record. Event loop only. ``stop`` it in the end."""

    def __init__(
        self, process: asyncio.subprocess.Process, frames: FrameSocket, record: Record
    ) -> None:
        self.frames = frames
        self._process = process
        self._record = record
        self._ran_ids: list[int] = []
        self._ended_by_us = False

    @staticmethod
    async def spawn(
        command: Sequence[str] = WORKER_COMMAND, environment: Mapping[str, str] = NO_CHANGES
    ) -> "WorkerProcess":
        """Start a process with ``environment`` beside, or instead of, what we have.

        Raises:
            WorkerStartError: the system refused.
        """
        async with contextlib.AsyncExitStack() as undo:
            try:
                record = undo.enter_context(contextlib.closing(Record()))
                ours, theirs = socket.socketpair()
                with theirs:
                    undo.callback(ours.close)
                    frames = await FrameSocket.over(ours)
                    undo.push_async_callback(frames.close)
                    process = await _run(command, environment, theirs, record)
            except OSError as error:
                raise WorkerStartError(error.strerror or "the system refused") from error
            undo.pop_all()
            return WorkerProcess(process, frames, record)

    @property
    def ran_ids(self) -> list[int]:
        """What the lanes had admitted when the process ended; known after ``stop``."""
        return self._ran_ids

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def loading(self) -> bool:
        """Whether it is loading a model."""
        return self._record.loading

    async def meet(self, config: Config, models: Sequence[ModelCapabilities]) -> None:
        """Tell the process what to serve, and wait until it does.

        Raises:
            WorkerStartError: it ended, is of another release, does not serve ``models``, or said nothing in
                ``worker.start_timeout_s`` of a machine that is free.
        """
        limit_s = config.worker.start_timeout_s
        meeting = asyncio.ensure_future(self._exchange(config, models))
        try:
            if not await wait_fairly(
                meeting, Effort(self.pid), lambda: limit_s, limit_s / _LOOKS_AT_A_START
            ):
                raise WorkerStartError("it did not serve in time")
            await meeting
        finally:
            meeting.cancel()
            await asyncio.gather(meeting, return_exceptions=True)

    async def wait(self) -> int:
        """Wait for the process to end; returns its exit status (negative: the signal)."""
        return await self._process.wait()

    @property
    def was_killed(self) -> bool:
        """Whether another process ended it; known after ``stop``."""
        return self._process.returncode == -signal.SIGKILL and not self._ended_by_us

    async def end(self) -> None:
        """End the process at once; it may be stopped or hang. One that is about to end has a moment for it, so that
        its status says of what.
        """
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), LAST_MOMENT_S)
        self.kill()

    def kill(self) -> None:
        """End the process at once, without a moment."""
        if self._process.returncode is None:
            self._ended_by_us = True
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self, grace_s: float) -> None:
        """End the connection, and the process with it, which is killed after ``grace_s``. Raises nothing."""
        try:
            try:
                await self.frames.close()
            finally:
                await self._wait_or_kill(grace_s)
            self._ran_ids = self._record.ran_ids()
        except OSError:
            logger.exception("a worker that ended cannot be cleared up")
        finally:
            self._record.close()

    async def _wait_or_kill(self, grace_s: float) -> None:
        try:
            await asyncio.wait_for(self._process.wait(), grace_s)
        except TimeoutError:
            self.kill()
            await self._process.wait()

    async def _exchange(self, config: Config, models: Sequence[ModelCapabilities]) -> None:
        with contextlib.suppress(ConnectionError):  # it ended already; the next line tells
            await self.frames.write(messages.encode_hello(models, to_mapping(config)))
        try:
            greeting = await self.frames.read()
            if greeting is None:
                raise WorkerStartError(f"it ended with status {await self._process.wait()}")
            messages.check_serves(messages.read_hello(greeting), models)
        except (BrokenFrameError, messages.MisfitError) as error:
            raise WorkerStartError(str(error)) from error


async def _run(
    command: Sequence[str], environment: Mapping[str, str], end: socket.socket, record: Record
) -> asyncio.subprocess.Process:
    handed = (end.fileno(), record.fileno())
    return await asyncio.create_subprocess_exec(
        *command,
        *("--socket", str(handed[0]), "--record", str(handed[1])),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        env=child_environment(HEAP_ENVIRONMENT | SAFE_PATH, environment),
        pass_fds=handed,
    )
