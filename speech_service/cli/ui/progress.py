"""How far a command is, on stderr, where that is a terminal.

Rules:
- Shown is what was recognized (aligned, translated), never what was merely sent: a server takes audio faster than it
  works.
- Elapsed time and time left are labelled. There is no time left before there is something to reckon it by.
- A terminal that cannot redraw (``TERM=dumb``) gets a plain line for each file of several. Where stderr is no terminal,
  nothing is written: it is kept for warnings and errors.
"""

import sys
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.progress import BarColumn, Progress, ProgressColumn, Task, TaskID, TextColumn
from rich.text import Text

from speech_client import AudioSourceError, RawAudio
from speech_client.sources import is_pipe, parse_wav
from speech_service.cli.ui.console import terminal

_WAV_HEADER_BYTES = 64 * 1024
_UNKNOWN_LENGTH_BYTES = 0xFFFF_0000
"""A WAV header that says so many bytes or more means that its writer did not know the length."""
_BAR_WIDTH = 64
"""Columns of a terminal from which on there is room for a bar."""
_BAR_COLUMNS = 8
_LONGEST_NAME = 16


class ProgressScreen:
    """The bars of all files that are at work; lines printed through it stay above them.

    Args:
        sizes: bytes of each file of several; they say how much of the whole each is. Empty: there is one file only.
        doing: what is done to the audio, such as "recognized".
    """

    def __init__(self, sizes: Sequence[int] = (), doing: str = "recognized") -> None:
        self._console = terminal(stderr=True)
        self._live = self._console.is_terminal and not self._console.is_dumb_terminal
        self._plain = self._console.is_dumb_terminal and len(sizes) > 1
        width = self._console.width
        bar = [BarColumn(bar_width=_BAR_COLUMNS)] if width >= _BAR_WIDTH else []
        room = width - _LONGEST_NAME - 1 - (_BAR_COLUMNS + 1) * len(bar)
        self._progress = Progress(
            TextColumn("{task.description}", markup=False),
            *bar,
            _Status(doing, room),
            console=self._console,
            transient=True,
            # Lines are printed through this class; redirected, stdout would end up on stderr.
            redirect_stdout=False,
            redirect_stderr=False,
            disable=not self._live,
        )
        self._weights = [max(1, size) for size in sizes]
        self._done = 0
        self._all: TaskID | None = None
        self._shares: dict[int, float] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        if len(self._weights) > 1:
            # Rich's own percentage is of these; each file moves it by its share of all bytes.
            self._all = self._progress.add_task(self._title(), total=sum(self._weights))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def print(self, line: str) -> None:
        """Print a line of output on stdout; where both are one terminal, the bars step aside for it."""
        if self._live and sys.stdout.isatty():
            self._console.print(Text(line), soft_wrap=True)
        else:
            print(line, flush=True)

    def error(self, line: str) -> None:
        """Print a line on stderr."""
        self._console.print(Text(line), soft_wrap=True)

    @contextmanager
    def file(
        self, name: str, number: int = 0, audio: RawAudio | None = None
    ) -> "Generator[FileProgress, None, None]":
        """Show a bar for one file, gone when the file is done.

        Args:
            name: the file.
            number: its place among ``sizes``.
            audio: what a headerless file holds.
        """
        shown = Path(name).name if name != "-" else "standard input"
        if len(shown) > _LONGEST_NAME:
            shown = f"{shown[: _LONGEST_NAME - 3]}..."
        task = self._progress.add_task(shown, total=None, done_ms=0, total_ms=None)
        length_ms = audio_length_ms(name, audio)
        progress = FileProgress(self._progress, task, length_ms, lambda f: self._moved(number, f))
        try:
            yield progress
        finally:
            self._progress.remove_task(task)
            self._finish(number, shown)

    def _moved(self, number: int, fraction: float) -> None:
        """Take note of how far a file has come."""
        if self._all is not None:
            self._shares[number] = self._weights[number] * fraction
            self._progress.update(self._all, completed=sum(self._shares.values()))

    def _finish(self, number: int, name: str) -> None:
        self._done += 1
        self._moved(number, 1.0)
        if self._all is not None:
            self._progress.update(self._all, description=self._title())
        if self._plain:
            print(f"{name}: done, {self._title()}", file=sys.stderr, flush=True)

    def _title(self) -> str:
        return f"{self._done} of {len(self._weights)} files"


class FileProgress:
    """How far one file is.

    Its length in time is known of WAV and headerless audio. Of others it is reckoned, once the server has said how much
    audio the bytes sent so far were, by the same rate.
    """

    def __init__(
        self,
        progress: Progress,
        task: TaskID,
        length_ms: int | None,
        moved: Callable[[float], None],
    ) -> None:
        self._progress = progress
        self._task = task
        self._length_ms = length_ms
        self._is_measured = length_ms is not None
        self._moved = moved
        self._sent_bytes = 0
        self._total_bytes: int | None = None
        self._done_ms = 0

    def sent(self, done: int, total: int | None) -> None:
        """Bytes sent so far, and in all."""
        self._sent_bytes, self._total_bytes = done, total

    def received(self, milliseconds: int) -> None:
        """Audio that the server has taken out of what was sent."""
        if self._total_bytes and self._sent_bytes and not self._is_measured:
            self._length_ms = round(milliseconds * self._total_bytes / self._sent_bytes)

    def done(self, milliseconds: int) -> None:
        """Audio that the work is through with."""
        self._done_ms = max(self._done_ms, milliseconds)
        if self._length_ms is not None:
            self._length_ms = max(self._length_ms, self._done_ms)
        self._progress.update(
            self._task,
            completed=self._done_ms,
            total=self._length_ms,
            done_ms=self._done_ms,
            total_ms=self._length_ms,
        )
        if self._length_ms:
            self._moved(self._done_ms / self._length_ms)


class _Status(ProgressColumn):
    """Words beside the bar: as many of them as there is room for."""

    def __init__(self, doing: str, room: int) -> None:
        super().__init__()
        self._doing = doing
        self._room = room

    def render(self, task: Task) -> Text:
        done: float | None = task.fields.get("done_ms")
        total_ms: float | None = task.fields.get("total_ms")
        share = task.completed / task.total if task.total else None
        words = status(done, total_ms, share, task.elapsed or 0.0, self._doing, self._room)
        return Text(words, no_wrap=True, overflow="crop")


def status(
    done_ms: float | None,
    total_ms: float | None,
    share: float | None,
    elapsed_s: float,
    doing: str,
    room: int,
) -> str:
    """``12:03 of 44:10 recognized  ETA 1:20  elapsed 0:34``; what there is no room for is left out, the last first.

    Args:
        done_ms: audio that the work is through with; None for several files, which show a percentage.
        total_ms: all audio, where it is known.
        share: how much is done, 0 to 1; None while it cannot be told.
        elapsed_s: since the beginning.
        doing: what is done to the audio.
        room: columns.
    """
    length = f" of {clock(total_ms / 1000)}" if total_ms is not None else ""
    amount = f"{clock(done_ms / 1000)}{length}" if done_ms else ""
    if done_ms is None:
        amount = f"{share or 0.0:.0%}"
    eta = f"ETA {clock(elapsed_s * (1 - share) / share)}" if share else ""
    elapsed = f"elapsed {clock(elapsed_s)}"
    named = f"{amount} {doing}" if amount and done_ms is not None else amount
    for parts in ((named, eta, elapsed), (amount, eta, elapsed), (amount, eta)):
        text = "  ".join(filter(None, parts))
        if len(text) <= room:
            return text
    return amount or elapsed


def clock(seconds: float) -> str:
    """Write a time as ``m:ss`` or ``h:mm:ss``."""
    whole = round(seconds)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def audio_length_ms(name: str, audio: RawAudio | None = None) -> int | None:
    """Length of a WAV or headerless file by its size; None where only a decoder can tell."""
    try:
        if name == "-" or is_pipe(name):
            return None
        size = Path(name).stat().st_size
        if audio is not None:
            return size * 1000 // audio.bytes_per_second or None
        with Path(name).open("rb") as file:
            wav = parse_wav(file.read(_WAV_HEADER_BYTES))
    except (OSError, AudioSourceError):
        return None
    if wav is None or not wav.bytes_per_second:
        return None
    held = size - wav.data_offset
    data = held if wav.data_bytes >= _UNKNOWN_LENGTH_BYTES else min(wav.data_bytes, held)
    return max(0, data) * 1000 // wav.bytes_per_second or None
