"""Progress bars of streamed files, on stderr, only where that is a terminal."""

import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)
from rich.text import Text


class ProgressScreen:
    """The bars of all files that are being streamed; lines printed through it stay above them."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            DownloadColumn(),
            TextColumn("{task.fields[decoded]}", markup=False),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            # Lines are printed through this class; redirected, stdout would end up on stderr.
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not self._console.is_terminal,
        )

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def print(self, line: str) -> None:
        """A line of output on stdout; where both are one terminal, the bars step aside for it."""
        if self._console.is_terminal and sys.stdout.isatty():
            self._console.print(Text(line), soft_wrap=True)
        else:
            print(line, flush=True)

    def error(self, line: str) -> None:
        """A line on stderr."""
        self._console.print(Text(line), soft_wrap=True)

    @contextmanager
    def file(self, name: str) -> "Generator[FileProgress, None, None]":
        """A bar for one file, gone when the file is done."""
        task = self._progress.add_task(Path(name).name, total=None, decoded="")
        try:
            yield FileProgress(self._progress, task)
        finally:
            self._progress.remove_task(task)


class FileProgress:
    """The bar of one file: bytes sent, seconds decoded, and how much faster than real time that is."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._start_s = time.monotonic()
        self._decoded_ms = 0

    def sent(self, done: int, total: int | None) -> None:
        """Bytes sent so far, and in all."""
        self._progress.update(self._task, completed=done, total=total)

    def decoded(self, milliseconds: int) -> None:
        """Audio that went through recognition."""
        self._decoded_ms = max(self._decoded_ms, milliseconds)
        self._progress.update(self._task, decoded=self.describe(time.monotonic() - self._start_s))

    def describe(self, elapsed_s: float) -> str:
        """``125.0 s decoded, 41.2 x real time``."""
        decoded_s = self._decoded_ms / 1000
        return f"{decoded_s:.1f} s decoded, {decoded_s / max(elapsed_s, 0.001):.1f} x real time"
