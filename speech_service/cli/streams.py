"""Standard streams that take any text: whatever a file is called, whatever was said, whatever the terminal's encoding.

Rules:
- A character that the stream's encoding lacks is written as ``\\xhh``, ``\\uhhhh`` or ``\\Uhhhhhhhh``. A byte of a file
  name that is no text (Python holds it as a lone surrogate) is written as that byte, as ``ls`` does.
- JSON stays JSON, which is UTF-8: with another encoding, or a name that is no text, it is written in ASCII with its own
  escapes.
- A closed stream takes everything and keeps nothing.
"""

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Sequence

import msgspec

from speech_service.cli.failure import CommandError, ExitCode

_ERRORS = "speech_service.cli"


def prepare() -> None:
    """Make stdin, stdout and stderr safe to use."""
    codecs.register_error(_ERRORS, _escape)
    if sys.stdin is None:  # closed by the caller: `<&-`
        sys.stdin = open(os.devnull)  # noqa: SIM115, PTH123 - lives as long as the process
    if sys.stdout is None:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ERRORS)


def flush() -> None:
    """Write out what stdout still holds, so that a full disk or a closed pipe is told, not found at exit.

    Raises:
        BrokenPipeError: the reader of our output has enough.
        OutputError: it cannot be written.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(
            f"standard output cannot be written: {error.strerror}", ExitCode.USAGE
        ) from error


class OutputError(CommandError):
    """Standard output does not take what is written."""


def discard_output() -> None:
    """Let stdout go nowhere from now on; what it holds would fail once more when Python ends."""
    with contextlib.suppress(OSError, ValueError):  # A stream without a file, as in tests.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class JsonLine(msgspec.Struct):
    """One line of ``--json``. A command names its own in ``JSON_LINES``.

    Keys are never renamed; new ones may be added.
    """


def describe_lines(lines: Sequence[type[JsonLine]]) -> str:
    """Name the lines of ``--json`` and their keys, for the help of a command."""
    told = [f"{line.__struct_config__.tag} ({', '.join(line.__struct_fields__)})" for line in lines]
    return f"--json: lines of type {', '.join(told[:-1])} and {told[-1]}."


def json_line(line: JsonLine) -> str:
    """Write a line of JSON that stdout can take; see the rules of this module."""
    value = msgspec.to_builtins(line)
    encoding = sys.stdout.encoding or "ascii"
    if codecs.lookup(encoding).name != "utf-8":
        return json.dumps(value)
    text = json.dumps(value, ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.dumps(value)
    return text


def _escape(error: UnicodeError) -> tuple[str | bytes, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    char = error.object[error.start]
    if 0xDC80 <= ord(char) <= 0xDCFF:
        return bytes((ord(char) - 0xDC00,)), error.start + 1
    return char.encode("ascii", "backslashreplace"), error.start + 1
