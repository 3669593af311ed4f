"""One worker process: spawn it, wait until it serves, stop it. Knows nothing of what it serves.

The process inherits one end of a socket pair, which its work travels over, and the record that it keeps of itself
(``record.py``): nothing of it has a name in the file system, so nothing is left of it, however it or we end. It gets
its configuration as one line of JSON on stdin, which then stays open: a further line tells it what changed, its end
that the front end is gone. It answers one line of JSON on stdout when it serves.
"""

import asyncio
import contextlib
import json
import logging
import socket
import sys
from collections.abc import Sequence

from speech_service.config.environment import child_environment
from speech_service.config.load import to_mapping
from speech_service.config.tree import Config
from speech_service.dispatch.effort import Effort, wait_fairly
from speech_service.dispatch.record import Record
from speech_service.domain.errors import UnavailableError

logger = logging.getLogger(__name__)

WORKER_COMMAND = (sys.executable, "-P", "-m", "speech_service.worker")
"""``-P``: the folder that we run in is not searched for modules; anybody may have put one there."""
_LOOKS_AT_A_START = 6
SAFE_PATH = {"PYTHONSAFEPATH": "1"}
"""``-P`` for the processes that a worker's libraries start."""
HEAP_ENVIRONMENT = {
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1:glibc.malloc.arena_max=1",
    "PYTHONMALLOC": "malloc",
}
"""One heap for all threads and for Python's objects, on pages of 2 MiB where the system has them to give: a decoder
reads all its weights at every step (docs/performance.md). What an operator has set stays."""


class WorkerStartError(UnavailableError):
    """The worker did not come up; the message says why, the worker's log says more."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the worker cannot be started: {problem}", reason="WORKER_LOST")


class WorkerProcess:
    """A worker process, the socket to it and its record. Event loop only."""

    def __init__(self, config: Config, command: Sequence[str] = WORKER_COMMAND) -> None:
        self._config = config
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None
        self._socket: socket.socket | None = None
        self._record: Record | None = None
        self._ran_ids: list[int] = []

    @property
    def ran_ids(self) -> list[int]:
        """What the lanes had admitted when the process ended; known after ``stop``."""
        return self._ran_ids

    @property
    def pid(self) -> int:
        """Process id; 0 before ``start``."""
        return self._process.pid if self._process is not None else 0

    @property
    def loading(self) -> bool:
        """Whether it is loading a model."""
        return self._record is not None and self._record.loading

    def take_socket(self) -> socket.socket:
        """Our end of the connection, for the caller to keep and close. Once, after ``start``."""
        end, self._socket = self._socket, None
        assert end is not None, "start() comes first, and there is one end"
        return end

    async def start(self) -> None:
        """Spawn the process and wait until it serves.

        Raises:
            WorkerStartError: it ended, or said nothing in ``worker.start_timeout_s`` of a machine that is free.
        """
        try:
            await self._spawn()
        except OSError as error:
            raise WorkerStartError(error.strerror or "the system refused") from error
        assert self._process is not None
        limit_s = self._config.worker.start_timeout_s
        introduction = asyncio.ensure_future(self._introduce(self._process))
        try:
            if not await wait_fairly(
                introduction, Effort(self.pid), lambda: limit_s, limit_s / _LOOKS_AT_A_START
            ):
                raise WorkerStartError("it did not serve in time")
            await introduction
        except OSError as error:
            raise WorkerStartError(error.strerror or "its pipes are broken") from error
        finally:
            introduction.cancel()
            await asyncio.gather(introduction, return_exceptions=True)

    async def wait(self) -> int:
        """Wait for the process to end; returns its exit status (negative: the signal)."""
        assert self._process is not None, "start() comes first"
        return await self._process.wait()

    def change_log(self, config: Config) -> None:
        """Have it log as the configuration says now."""
        self._config = config
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(_line(config))  # one that is just being started may get two

    def kill(self) -> None:
        """End the process at once; it may be stopped or hang."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self, grace_s: float) -> None:
        """End the process: close its stdin, kill it after ``grace_s``; let go of all that it had. Raises nothing."""
        process = self._process
        try:
            if process is not None:
                if process.stdin is not None:
                    process.stdin.close()
                try:
                    await asyncio.wait_for(process.wait(), grace_s)
                except TimeoutError:
                    self.kill()
                    await process.wait()
            if self._record is not None:
                self._ran_ids = self._record.ran_ids()
        except OSError:
            logger.exception("a worker that ended cannot be cleared up")
        finally:
            if self._record is not None:
                self._record.close()
            if self._socket is not None:
                self._socket.close()

    async def _spawn(self) -> None:
        self._record = Record()
        self._socket, theirs = socket.socketpair()
        with theirs:
            handed = (theirs.fileno(), self._record.fileno())
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--socket", str(handed[0]), "--record", str(handed[1])),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=child_environment(HEAP_ENVIRONMENT | SAFE_PATH),
                pass_fds=handed,
            )

    async def _introduce(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it ended already; the next line tells
            process.stdin.write(_line(self._config))
            await process.stdin.drain()
        if not await process.stdout.readline():
            raise WorkerStartError(f"it ended with status {await process.wait()}")


def _line(config: Config) -> bytes:
    return json.dumps(to_mapping(config)).encode() + b"\n"
