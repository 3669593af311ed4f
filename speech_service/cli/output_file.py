"""A file that a command writes: it takes its name once it is whole, so that no other of that name is half overwritten.

Rules:
- It is written beside its place, ``talk.part.wav`` for ``talk.wav``, under a name that nothing else has, and renamed at
  the end. A command that fails, is interrupted or is killed leaves what has that name as it is.
- What came of a stream stays in the part, and a message says so. What is made at once leaves no part.
- A link stays a link, and rights stay as they are. A file that may not be written is not replaced either.
- What is no file (a pipe, a terminal, ``/dev/stdout``) is written as it stands.
"""

import contextlib
import os
import stat
from itertools import count
from pathlib import Path
from typing import BinaryIO, NoReturn

from speech_service.cli.failure import CommandError, ExitCode

_SYSTEM_FOLDERS = ("/dev/", "/proc/")
"""What lies there stands for something that is open already."""


class OutputFile:
    """An open file; ``finish`` it, ``keep`` what there is of it, or ``drop`` it."""

    def __init__(self, path: Path) -> None:
        """Open it.

        Raises:
            CommandError: it cannot be written.
        """
        self._path = path
        self._target = Path(os.path.realpath(path))
        self._part: Path | None = None
        self._holds_something = False
        try:
            self._old = _status(path)
            self.stream: BinaryIO = self._open()
        except OSError as error:
            cannot_write(path, error)

    def write(self, data: bytes) -> None:
        """Write, and hand on at once: whoever reads the part sees what there is. Raises CommandError."""
        try:
            self.stream.write(data)
            self.stream.flush()
        except OSError as error:
            cannot_write(self._path, error)
        self._holds_something = self._holds_something or bool(data)

    def finish(self) -> None:
        """Give it its name.

        Raises:
            CommandError: it cannot be written, or not have its name; what is written stays in the part.
        """
        try:
            self.stream.close()
            if self._part is not None:
                self._part.replace(self._target)
        except OSError as error:
            where = f"; what was written is in {self._part}" if self._part is not None else ""
            problem = f"{self._path}: cannot be written: {error.strerror}{where}"
            raise CommandError(problem, ExitCode.USAGE) from error
        self._part = None

    def keep(self) -> str:
        """Leave what there is of it; says where, or "" where there is nothing."""
        if self._part is None or not self._holds_something:
            self.drop()
            return ""
        with contextlib.suppress(OSError):  # Told when it was written.
            self.stream.close()
        part = self._path.with_name(self._part.name)
        before = f"{self._path} is as it was; " if self._old is not None else ""
        return f"{before}what came so far is in {part}"

    def drop(self) -> None:
        """Leave nothing of it."""
        with contextlib.suppress(OSError):
            self.stream.close()
        if self._part is not None:
            self._part.unlink(missing_ok=True)
            self._part = None

    def _open(self) -> BinaryIO:
        if self._old is not None:
            if not stat.S_ISREG(self._old.st_mode) or _is_open_elsewhere(self._path):
                return self._path.open("w+b" if stat.S_ISREG(self._old.st_mode) else "wb")
            if not os.access(self._path, os.W_OK):
                raise PermissionError(13, os.strerror(13))
        for number in count(1):
            name = f"{self._target.stem}.part{number if number > 1 else ''}{self._target.suffix}"
            part = self._target.with_name(name)
            try:
                file = part.open("x+b")
            except FileExistsError:
                continue
            self._part = part
            if self._old is not None:
                os.fchmod(file.fileno(), stat.S_IMODE(self._old.st_mode))
                if self._old.st_uid != os.geteuid():
                    with contextlib.suppress(PermissionError):  # Only root may give a file away.
                        os.fchown(file.fileno(), self._old.st_uid, self._old.st_gid)
            return file
        raise AssertionError("the loop ends by itself")


def cannot_write(path: Path, error: OSError) -> NoReturn:
    """Raise the CommandError of a file that cannot be written."""
    raise CommandError(f"{path}: cannot be written: {error.strerror}", ExitCode.USAGE) from error


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _is_open_elsewhere(path: Path) -> bool:
    return str(path.absolute()).startswith(_SYSTEM_FOLDERS)
