"""Where the lines of each file of ``recognize`` go: stdout, in the order of the files, or files in a folder."""

import asyncio
from pathlib import Path
from typing import Protocol

from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.output_file import OutputFile, cannot_write
from speech_service.cli.texts import STANDARD

_STDIN_NAME = "stdin"


class LineSink(Protocol):
    """Takes the lines of one file."""

    def put(self, line: str) -> None:
        """Take a line, or several, without the last line end."""
        ...

    def end(self, *, failed: bool) -> str:
        """Take note that no more lines come; says what is left of a file that failed, or ""."""
        ...


class QueueSink:
    """Keeps the lines until their turn on stdout."""

    def __init__(self) -> None:
        self._lines = asyncio.Queue[str | None]()

    def put(self, line: str) -> None:
        """Take a line, or several, without the last line end."""
        self._lines.put_nowait(line)

    def end(self, *, failed: bool) -> str:
        """Let the reader end after the lines that are kept."""
        self._lines.put_nowait(None)
        return ""

    async def get(self) -> str | None:
        """Give the next line; None after the last."""
        return await self._lines.get()


class FileSink:
    """Writes a file as the lines come. A failed recognition leaves what it gave in a part of that name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: OutputFile | None = None

    def put(self, line: str) -> None:
        """Take a line, or several, without the last line end."""
        self._opened().write(f"{line}\n".encode("utf-8", "surrogateescape"))

    def end(self, *, failed: bool) -> str:
        """Give the file its name; silence gives an empty file. Raises CommandError when it cannot be written."""
        if failed:
            return self._file.keep() if self._file is not None else ""
        self._opened().finish()
        return ""

    def _opened(self) -> OutputFile:
        if self._file is None:
            self._file = OutputFile(self._path)
        return self._file


def files_in(folder: Path, names: list[str], suffix: str) -> list[Path]:
    """Give a file in ``folder`` for each input; the folder is made.

    Raises:
        CommandError: two inputs would write one file, one would overwrite an input, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        cannot_write(folder, error)
    made: dict[Path, str] = {}
    inputs = {Path(name).resolve() for name in names if name != STANDARD}
    for name in names:
        path = folder / f"{_STDIN_NAME if name == STANDARD else Path(name).stem}{suffix}"
        if path in made:
            raise CommandError(
                f"{made[path]} and {name} would both be written to {path}; give them different names, "
                "or run them one after the other with different --output-dir",
                ExitCode.USAGE,
            )
        if path.resolve() in inputs:
            raise CommandError(
                f"{path} is one of the inputs; it is not overwritten", ExitCode.USAGE
            )
        made[path] = name
    return list(made)
