"""What went wrong, as one line for a person and an exit code for a script."""

import argparse
from enum import IntEnum
from typing import TYPE_CHECKING

from speech_service.cli.flags import told_in_flags
from speech_service.config.environment import ENV_API_KEY
from speech_service.config.tree import ConfigError
from speech_service.domain.installing import install_extra

if (
    TYPE_CHECKING
):  # The client is imported with the first error of its own: `serve` needs none of it.
    from speech_client import SpeechApiError
    from speech_service.cli.server_address import Access


class ExitCode(IntEnum):
    """Exit codes of every command; what each means is in ``speech_service.cli`` and ``--help``."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    MISSING_EXTRA = 4
    BUG = 70
    INTERRUPTED = 130


class CommandError(Exception):
    """A command cannot go on. ``str()`` says what, where, and what to do, in one line; ``details`` is for --verbose."""

    def __init__(self, message: str, code: ExitCode, details: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.details = details


def explain(
    error: BaseException,
    access: "Access | None" = None,
    given: argparse.Namespace | None = None,
) -> CommandError:
    """Turn any error into a CommandError.

    Args:
        error: what was raised.
        access: how the server was reached for, for the message.
        given: what was typed, to name it in place of the fields of the request.
    """
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ConfigError):
        return CommandError(str(error), ExitCode.USAGE)
    if isinstance(
        error, UnicodeEncodeError
    ):  # Output takes any text (cli/streams.py); requests do not.
        shown = error.object.encode("utf-8", "backslashreplace").decode()
        return CommandError(f"the argument {shown!r} is not UTF-8 text", ExitCode.USAGE)
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else "reading or writing failed: "
        return CommandError(f"{where}{error.strerror or error}", ExitCode.USAGE)
    from speech_client import AudioSourceError, SpeechApiError

    if isinstance(error, AudioSourceError):
        return CommandError(str(error), ExitCode.USAGE)
    if isinstance(error, SpeechApiError):
        return _explain_api_error(error, access, given)
    return CommandError(
        f"this is a bug in speech-service: {type(error).__name__}: {error} (--verbose shows where)",
        ExitCode.BUG,
    )


def missing_extra(extra: str, package: str) -> CommandError:
    """Make the error of a command that needs packages of an extra."""
    return CommandError(
        f"this needs the {extra!r} extra ({package} is not installed). "
        f"Install it: {install_extra(extra)}",
        ExitCode.MISSING_EXTRA,
    )


def _explain_api_error(
    error: "SpeechApiError", access: "Access | None", given: argparse.Namespace | None
) -> CommandError:
    from speech_client import DeadlineError, NotSupportedError, UnavailableError

    details = _details(error)
    if isinstance(error, NotSupportedError) and not error.reason and access is not None:
        # What the service itself refuses has a reason: this is gRPC's own answer.
        from speech_service.cli.server_address import other_port

        return CommandError(other_port(access), ExitCode.REFUSED, details)
    if isinstance(error, UnavailableError) and not error.reason and access is not None:
        from speech_service.cli.server_address import diagnose

        return CommandError(diagnose(access), ExitCode.UNREACHABLE, details)
    if isinstance(error, NotSupportedError) and not error.reason and access is not None:
        return CommandError(
            f"{access.server} answers, but has no such service. `status` and `drain` go to server.admin_listen, by "
            "default port 50052; all others go to server.listen, by default port 50051",
            ExitCode.REFUSED,
            details,
        )
    code = (
        ExitCode.UNREACHABLE
        if isinstance(error, (UnavailableError, DeadlineError))
        else ExitCode.REFUSED
    )
    hint = f" Try again in {error.retry_after_ms} ms." if error.retry_after_ms is not None else ""
    if error.reason == "CREDENTIALS_MISSING":
        hint = f". Name a key with --api-key-file or {ENV_API_KEY}, or a token with --token-file"
    told = told_in_flags(error, given) if given is not None else error.message
    return CommandError(f"{error.reason or error.code.name}: {told}{hint}", code, details)


def _details(error: "SpeechApiError") -> str:
    lines = [f"  code: {error.code.name}", f"  request id: {error.request_id}"]
    for wrong in error.field_violations:
        # Most say what the message says, which is told above.
        said = f": {wrong.description}" if wrong.description not in error.message else ""
        lines.append(f"  field {wrong.field}{said}")
    lines += [
        f"  {key}: {value}"
        for key, value in sorted(error.metadata.items())
        if value != error.request_id
    ]
    return "\n".join(lines)
