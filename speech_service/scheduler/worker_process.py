"""One worker process: spawn it, wait until it serves, stop it. Knows nothing of what it serves.

The process gets its configuration as one line of JSON on stdin, which then stays open: its end
tells the worker that the front end is gone. It answers one line of JSON on stdout when it serves.
Its socket lies in a fresh directory that only this user may enter.
"""

import asyncio
import contextlib
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from speech_service.config import Config, child_environment, to_mapping
from speech_service.domain.errors import UnavailableError
from speech_service.heap import HEAP_ENVIRONMENT

logger = logging.getLogger(__name__)

WORKER_COMMAND = (sys.executable, "-m", "speech_service.worker")
SOCKET_NAME = "s"
JOURNAL_NAME = "running"
MAX_SOCKET_PATH_BYTES = 100
"""Unix sockets take 107 bytes on Linux, 103 on other systems."""


class WorkerStartError(UnavailableError):
    """The worker did not come up; the message says why, the worker's log says more."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"the worker cannot be started: {problem}", reason="WORKER_LOST")


class WorkerProcess:
    """A worker process and its private directory. Event loop only."""

    def __init__(self, config: Config, command: Sequence[str] = WORKER_COMMAND) -> None:
        self._config = config
        self._command = tuple(command)
        self._process: asyncio.subprocess.Process | None = None
        self._directory: Path | None = None
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
    def socket_path(self) -> Path:
        """Where the worker serves. Valid from ``start`` to ``stop``."""
        assert self._directory is not None, "start() comes first"
        return self._directory / SOCKET_NAME

    async def start(self) -> None:
        """Spawn the process and wait until it serves.

        Raises:
            WorkerStartError: it ended, or said nothing for ``worker.start_timeout_s``.
        """
        self._directory = Path(tempfile.mkdtemp(prefix="speech-worker-"))  # mode 0700
        if len(os.fsencode(self.socket_path)) > MAX_SOCKET_PATH_BYTES:
            raise WorkerStartError("the directory for temporary files has too long a path")
        try:
            self._process = await asyncio.create_subprocess_exec(
                *self._command,
                *("--socket", str(self.socket_path)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=child_environment(HEAP_ENVIRONMENT),
            )
            async with asyncio.timeout(self._config.worker.start_timeout_s):
                await self._introduce(self._process)
        except TimeoutError as error:
            raise WorkerStartError("it did not serve in time") from error
        except OSError as error:
            raise WorkerStartError(error.strerror or "the system refused") from error

    async def wait(self) -> int:
        """Wait for the process to end; returns its exit status (negative: the signal)."""
        assert self._process is not None, "start() comes first"
        return await self._process.wait()

    def kill(self) -> None:
        """End the process at once; it may be stopped or hang."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()

    async def stop(self, grace_s: float) -> None:
        """End the process: close its stdin, kill it after ``grace_s``; remove its directory."""
        process = self._process
        if process is not None:
            if process.stdin is not None:
                process.stdin.close()
            try:
                await asyncio.wait_for(process.wait(), grace_s)
            except TimeoutError:
                self.kill()
                await process.wait()
        if self._directory is not None:
            self._ran_ids = _read_journal(self._directory)
            shutil.rmtree(self._directory, ignore_errors=True)

    async def _introduce(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        with contextlib.suppress(ConnectionError):  # it ended already; the next line tells
            process.stdin.write(json.dumps(to_mapping(self._config)).encode() + b"\n")
            await process.stdin.drain()
        if not await process.stdout.readline():
            raise WorkerStartError(f"it ended with status {await process.wait()}")


def _read_journal(directory: Path) -> list[int]:
    """Numbers of the work that lanes had admitted (``worker/journal.py`` writes them)."""
    ids: list[int] = []
    for path in directory.glob(f"{JOURNAL_NAME}-*"):
        with contextlib.suppress(OSError):
            data = path.read_bytes()
            ids += [int.from_bytes(data[at : at + 8], "little") for at in range(0, len(data), 8)]
    return [number for number in ids if number]
