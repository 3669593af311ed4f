"""Log lines go into a bounded queue, and a thread writes it out. Whoever logs never waits for a reader."""

import contextlib
import os
import queue
import select
import threading
from collections.abc import Callable

MAX_LINES = 1_024
"""Lines that may wait. A service that logs more than its reader takes loses lines, and says how many."""
MAX_LINE_BYTES = 32 * 1024
CLOSE_S = 1.0
"""Seconds that what still waits may take to be written when the process ends."""


class LogOutput:
    """Writes lines to a descriptor, from a thread of its own.

    Lines that find the queue full, or that the descriptor refuses (a full disk, a closed pipe), are dropped and
    counted; the next line that gets through is followed by one that tells of them.
    """

    def __init__(self, descriptor: int, tell: Callable[[int], str]) -> None:
        """``tell`` makes the line about that many dropped ones. The descriptor is not closed."""
        self._descriptor = descriptor
        self._tell = tell
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._counting = threading.Lock()
        self._dropped = 0
        self._told = 0
        self._thread = threading.Thread(target=self._run, name="log-output", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Count the lines that were lost so far."""
        return self._dropped

    def put(self, line: str) -> None:
        """Take a line, with its newline. Never waits, never raises."""
        if self._lines.qsize() >= MAX_LINES:
            self._drop()
            return
        self._lines.put(_clipped(line.encode(errors="backslashreplace")))

    def close(self) -> None:
        """Write what waits, for a second at most."""
        self._lines.put(None)
        self._thread.join(CLOSE_S)

    def _drop(self) -> None:
        with self._counting:
            self._dropped += 1

    def _run(self) -> None:
        while (line := self._lines.get()) is not None:
            if not self._written(line):
                self._drop()
                continue
            missing = self._dropped - self._told
            if missing and self._written(self._tell(missing).encode()):
                self._told += missing

    def _written(self, line: bytes) -> bool:
        try:
            while line:
                try:
                    line = line[os.write(self._descriptor, line) :]
                except (
                    BlockingIOError
                ):  # somebody who shares it made it so; waiting is this thread's work
                    poll = select.poll()
                    poll.register(self._descriptor, select.POLLOUT)
                    poll.poll()
        except OSError:
            return False
        return True


class StandardStreams:
    """Takes over the standard output and error of a process, so that no library can block on them or break their form.

    ``errors`` and ``output`` are what they were. In their place stands a pipe that a thread empties line by line, and
    that loses what does not fit rather than let its writer wait: what native code and child processes print comes
    through it. Closed streams are opened on the null device first, lest a socket get their number.
    """

    def __init__(self) -> None:
        for number in range(3):
            _open_if_closed(number)
        self.output, self.errors = os.dup(1), os.dup(2)
        self._reading, writing = os.pipe()
        os.set_blocking(writing, False)
        for number in (1, 2):
            os.dup2(writing, number)
        os.close(writing)
        self._thread: threading.Thread | None = None

    def forward(self, take: Callable[[str], None]) -> None:
        """Hand each line that arrives to ``take``, without its end; from a thread of its own."""
        self._thread = threading.Thread(
            target=self._run, args=(take,), name="standard-streams", daemon=True
        )
        self._thread.start()

    def restore(self) -> None:
        """Give the process its streams back, once what is in the pipe was taken."""
        os.dup2(self.output, 1)
        os.dup2(self.errors, 2)
        if self._thread is not None:
            self._thread.join(CLOSE_S)  # it ends with the last writer; a child may be one still

    def _run(self, take: Callable[[str], None]) -> None:
        with os.fdopen(self._reading, "rb") as stream:
            while line := stream.readline(MAX_LINE_BYTES):
                text = line.decode(errors="backslashreplace").rstrip("\n")
                if text.strip():
                    take(text)


def say(descriptor: int, line: str) -> None:
    """Write a line from a thread of its own: a reader that takes nothing, or a full disk, costs only the line."""

    def write() -> None:
        with contextlib.suppress(OSError):
            os.write(descriptor, line.encode())

    threading.Thread(target=write, name="say", daemon=True).start()


def _open_if_closed(number: int) -> None:
    try:
        os.fstat(number)
    except OSError:
        opened = os.open(os.devnull, os.O_RDWR)
        if opened != number:
            os.dup2(opened, number)
            os.close(opened)


def _clipped(line: bytes) -> bytes:
    return line if len(line) <= MAX_LINE_BYTES else line[: MAX_LINE_BYTES - 1] + b"\n"
