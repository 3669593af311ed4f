"""Text and files that commands take and give."""

import argparse
import sys
from pathlib import Path

from speech_client import Reconnected
from speech_service.cli.failure import CommandError, ExitCode
from speech_service.cli.output_file import OutputFile

STANDARD = "-"


def audio_file(text: str) -> Path:
    """Give the type of an argument that is a file of audio; ``-`` is standard input."""
    return Path("/dev/stdin" if text == STANDARD else text)


def read_argument(given: str) -> str:
    """Give a text argument: itself, the content of a file for ``@FILE``, or of standard input for ``-``.

    Raises:
        CommandError: the file cannot be read, or is not UTF-8.
    """
    if given == STANDARD:
        return _decoded(sys.stdin.buffer.read(), "standard input")
    return read_file(Path(given[1:])) if given.startswith("@") else given


def read_file(path: Path) -> str:
    """Give a whole text file, a byte order mark taken off.

    Raises:
        CommandError: it cannot be read, or is not UTF-8.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CommandError(f"{path}: cannot be read: {error.strerror}", ExitCode.USAGE) from error
    return _decoded(data, str(path))


def write_file(path: Path, data: str | bytes) -> None:
    """Write a whole file; ``-`` is standard output.

    Raises:
        CommandError: it cannot be written; what had its name is as it was.
    """
    encoded = data.encode() if isinstance(data, str) else data
    if str(path) == STANDARD:
        sys.stdout.flush()
        sys.stdout.buffer.write(encoded)
        sys.stdout.buffer.flush()
        return
    file = OutputFile(path)
    try:
        file.write(encoded)
        file.finish()
    except BaseException:
        file.drop()
        raise


def note(line: str) -> None:
    """A line for people, on stderr."""
    print(line, file=sys.stderr, flush=True)


def went_on(event: Reconnected) -> str:
    """One quiet line: the session goes on in another call."""
    why = "the server stops" if event.reason == "GOING_AWAY" else "the connection was lost"
    return f"{why}; went on elsewhere after {event.pause_ms / 1000:.1f} s"


def positive_float(text: str) -> float:
    """Give the type of an argument that is a number above 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a positive number")
    return number


def count(text: str) -> int:
    """Give the type of an argument that is a whole number, as large as a message can carry; what fits, servers say."""
    if not (text.isascii() and text.isdecimal()) or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 0 up")
    return int(text)


def _decoded(data: bytes, name: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CommandError(f"{name}: is not UTF-8 text", ExitCode.USAGE) from error
