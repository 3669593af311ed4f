"""What went wrong, as one line for a person and an exit code for a script."""

from enum import IntEnum

from speech_service.config import ConfigError


class ExitCode(IntEnum):
    """Exit codes of every command; listed in ``speech_service.cli``."""

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


def explain(error: BaseException, server: str = "") -> CommandError:
    """Turn any error into a CommandError.

    Args:
        error: what was raised.
        server: address that was called, for the message.
    """
    if isinstance(error, CommandError):
        return error
    if isinstance(error, ConfigError):
        return CommandError(str(error), ExitCode.USAGE)
    from speech_client import AudioSourceError, SpeechApiError

    if isinstance(error, AudioSourceError):
        return CommandError(str(error), ExitCode.USAGE)
    if isinstance(error, SpeechApiError):
        return _explain_api_error(error, server)
    return CommandError(
        f"this is a bug in speech-service: {type(error).__name__}: {error} (--verbose shows where)",
        ExitCode.BUG,
    )


def missing_extra(extra: str, package: str) -> CommandError:
    """The command needs packages of an extra."""
    return CommandError(
        f"this needs the {extra!r} extra ({package} is not installed). "
        f"Install it: pip install 'speech-service[{extra}]'",
        ExitCode.MISSING_EXTRA,
    )


def _explain_api_error(error: Exception, server: str) -> CommandError:
    from speech_client import DeadlineError, SpeechApiError, UnavailableError

    assert isinstance(error, SpeechApiError)
    details = _details(error)
    if isinstance(error, UnavailableError) and not error.reason:
        return CommandError(
            f"no server answers at {server or 'the given address'}. "
            "Start one with `speech-service serve`, or name another with --server HOST:PORT",
            ExitCode.UNREACHABLE,
            details,
        )
    code = (
        ExitCode.UNREACHABLE
        if isinstance(error, (UnavailableError, DeadlineError))
        else ExitCode.REFUSED
    )
    hint = f" Try again in {error.retry_after_ms} ms." if error.retry_after_ms is not None else ""
    return CommandError(f"{error}{hint}", code, details)


def _details(error: Exception) -> str:
    from speech_client import SpeechApiError

    assert isinstance(error, SpeechApiError)
    lines = [f"  code: {error.code.name}", f"  request id: {error.request_id}"]
    lines += [f"  field {wrong.field}: {wrong.description}" for wrong in error.field_violations]
    lines += [f"  {key}: {value}" for key, value in sorted(error.metadata.items())]
    lines.append(f"  message: {error.message}")
    return "\n".join(lines)
