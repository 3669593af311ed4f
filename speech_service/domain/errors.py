"""The error tree: one type per meaning. ``edge/status.py`` holds the one table to the wire.

SpeechError
├── InvalidFieldError            a field of a message; raised by ``edge`` alone, in terms of the wire
├── InvalidOptionError           an option, or part of the input, is missing, malformed or out of range
│   ├── InvalidAudioError        the audio bytes themselves are wrong
│   ├── LimitExceededError       a size limit; the limit is in ``metadata`` with its unit in the key
│   │   └── AudioLimitError      ... met while decoding audio
│   ├── UnexpectedInputError     something came that may not come now, or not at all
│   └── UnsupportedOptionError   the chosen model lacks this language, voice or option
├── ResourceNotFoundError        unknown model, voice or session
├── ResourceExistsError          duplicate name
├── PreconditionError            known model that is not loaded; lossy reconfiguration
├── NotImplementedYetError       a feature in no deployed model
├── ReplyTooLargeError           a unary reply above 4 MiB
├── UnauthenticatedError         no credential, or one that is not, or no longer, good
├── PermissionDeniedError        known, but not allowed to do this
├── OverloadedError              queue full, too many streams; retry later
│   └── QuotaExceededError       the tenant, or one of its keys, has used what it may
├── UnavailableError             draining, model loading, worker lost; retry later
├── StreamAbortedError           idle too long, client not reading
├── DeadlineError                the deadline passed while the work waited
├── CancelledWorkError           the client went away
└── InternalError                a bug; carries nothing but the request id

A message never holds a path, a stack trace, a transcript or audio: it may travel to a client.

Options and fields. Below ``edge`` nobody knows how a wire spells an option. An ``InvalidOptionError`` names it as the
domain does: ``"language"``, ``"voice"``, ``"audio"``, and what is wrong inside it after that: ``"lexicon[2].term"``.
The subject of a ``PreconditionError`` and the option of a ``StreamWarning`` are such names too, where they name an
option. Each converter in ``edge`` has a table from options to fields, and ``edge/fields.py`` applies it to errors and
warnings on their way out: an error of an option becomes an ``InvalidFieldError`` of the field, with the same problem,
reason and metadata. A name that is not in the table stays as it is, and so does what an ``UnexpectedInputError`` names.
"""

from collections.abc import Mapping, Sequence


class SpeechError(Exception):
    """Root of every error that the service raises on purpose.

    Attributes:
        reason: UPPER_SNAKE identifier, stable across releases (``ErrorInfo.reason``).
        message: one sentence for a person; says what to do where that is known.
        metadata: variables of the message (``ErrorInfo.metadata``).
    """

    reason = "INTERNAL"

    def __init__(
        self, message: str, *, reason: str | None = None, metadata: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or type(self).reason
        self.metadata: dict[str, str] = dict(metadata or {})


class InvalidFieldError(SpeechError):
    """A field of a request is missing, malformed or out of range. ``field`` is its path on the wire."""

    reason = "INVALID_FIELD"

    def __init__(
        self,
        field: str,
        problem: str,
        allowed: str = "",
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.field = field
        self.problem = problem
        self.allowed = allowed
        super().__init__(_said(field, problem, allowed), reason=reason, metadata=metadata)


class InvalidOptionError(SpeechError):
    """An option, or part of the input, is missing, malformed or out of range. ``option`` is its name in the domain."""

    reason = "INVALID_FIELD"

    def __init__(
        self,
        option: str,
        problem: str,
        allowed: str = "",
        *,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        self.option = option
        self.problem = problem
        self.allowed = allowed
        super().__init__(_said(option, problem, allowed), reason=reason, metadata=metadata)


class InvalidAudioError(InvalidOptionError):
    """The audio bytes are corrupt, truncated, or not what the configuration says."""

    reason = "INVALID_AUDIO"


class LimitExceededError(InvalidOptionError):
    """Input above a size limit. ``limit_name`` carries the unit, e.g. ``max_text_bytes``."""

    reason = "LIMIT_EXCEEDED"

    def __init__(self, option: str, limit_name: str, limit: float, problem: str = "") -> None:
        super().__init__(
            option,
            problem or f"exceeds {limit_name}",
            f"at most {_plain(limit)}",
            metadata={limit_name: _plain(limit)},
        )
        self.limit_name = limit_name
        self.limit = limit


def too_many_characters(count: int, setting: str, remedy: str = "send it in parts") -> str:
    """Say of a text that is too long how long it is, what sets the limit, and what to do."""
    return f"has {count} characters, more than {setting} allows; {remedy}"


class AudioLimitError(LimitExceededError):
    """A limit met while decoding audio: bytes, samples, CPU time or memory."""

    reason = "AUDIO_LIMIT_EXCEEDED"


class UnexpectedInputError(InvalidOptionError):
    """A piece of input or a control message came that may not come any longer. ``option`` is the name of its kind:
    ``"audio"``, ``"text"``, ``"finalize"``."""

    reason = "OUT_OF_ORDER"


class UnsupportedOptionError(InvalidOptionError):
    """The chosen model has no such language, voice or option."""

    reason = "UNSUPPORTED_OPTION"

    def __init__(self, option: str, problem: str, supported: Sequence[str]) -> None:
        listed = ", ".join(supported)
        super().__init__(option, problem, listed, metadata={"supported": listed})


class ResourceNotFoundError(SpeechError):
    """Unknown model, voice or session."""

    reason = "RESOURCE_NOT_FOUND"

    def __init__(self, resource_type: str, name: str, hint: str = "") -> None:
        self.resource_type = resource_type
        self.name = name
        super().__init__(
            f"no {resource_type} is named {name!r}.{' ' + hint if hint else ''}",
            reason=f"{resource_type.upper()}_NOT_FOUND",
        )


class ResourceExistsError(SpeechError):
    """A resource of this name exists already."""

    reason = "RESOURCE_EXISTS"

    def __init__(self, resource_type: str, name: str) -> None:
        self.resource_type = resource_type
        self.name = name
        super().__init__(f"a {resource_type} named {name!r} exists already")


class PreconditionError(SpeechError):
    """The request is well formed, but the system is not in the state it needs."""

    reason = "FAILED_PRECONDITION"

    def __init__(self, subject: str, message: str, *, reason: str | None = None) -> None:
        self.subject = subject
        super().__init__(message, reason=reason)


class NotImplementedYetError(SpeechError):
    """A feature that no deployed model has."""

    reason = "NOT_IMPLEMENTED"


class ReplyTooLargeError(SpeechError):
    """A unary reply would exceed what stock clients accept; names the streaming RPC."""

    reason = "REPLY_TOO_LARGE"


class UnauthenticatedError(SpeechError):
    """No credential came, or one that is not, or no longer, good. Nothing of it is in the message."""

    reason = "CREDENTIALS_MISSING"


class PermissionDeniedError(SpeechError):
    """Who calls is known, and may not do this."""

    reason = "PERMISSION_DENIED"


class RetryableError(SpeechError):
    """A condition that passes. ``retry_after_ms`` tells the client how long to wait."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_ms: int = 1000,
        reason: str | None = None,
        metadata: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message, reason=reason, metadata=metadata)
        self.retry_after_ms = retry_after_ms


class OverloadedError(RetryableError):
    """Queue full or too many streams."""

    reason = "OVERLOADED"


class QuotaExceededError(OverloadedError):
    """A tenant, or a key of it, has used what it may.

    Attributes:
        subject: whose quota it is: ``"tenant:acme"`` or ``"key:acme/web"``.
        quota: name of the quota, as in ``[auth.quotas]``.
        limit: how much it may use.
    """

    reason = "QUOTA_EXCEEDED"

    def __init__(
        self, subject: str, quota: str, limit: float, problem: str, *, retry_after_ms: int = 1000
    ) -> None:
        self.subject = subject
        self.quota = quota
        self.limit = limit
        super().__init__(
            f"{subject} {problem}",
            retry_after_ms=retry_after_ms,
            metadata={"quota": quota, "limit": _plain(limit), "subject": subject},
        )


class UnavailableError(RetryableError):
    """Draining, model loading, or the worker was lost."""

    reason = "UNAVAILABLE"


class StreamAbortedError(SpeechError):
    """The stream was idle too long, or its client does not read."""

    reason = "STREAM_ABORTED"


class DeadlineError(SpeechError):
    """The deadline passed before the work was done."""

    reason = "DEADLINE_EXCEEDED"


class CancelledWorkError(SpeechError):
    """The client went away, or cancelled."""

    reason = "CANCELLED"


class InternalError(SpeechError):
    """A bug. Its cause is logged under the request id; the client gets only that id."""

    reason = "INTERNAL"


class DeviceLostError(Exception):
    """A device does not compute any more, for this process: only another process can use it again. No client sees it.

    Whatever was on the device is lost, and whatever is asked of it fails.
    """


def _plain(number: float) -> str:
    """Write every digit of a limit, and no exponent."""
    return str(int(number)) if float(number).is_integer() else str(number)


def _said(name: str, problem: str, allowed: str) -> str:
    hint = f" Allowed: {allowed}." if allowed else ""
    return f"{name}: {problem}.{hint}"
