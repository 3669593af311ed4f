"""Errors of the service, decoded from the gRPC status and its details.

SpeechApiError
├── InvalidRequestError   a field, option or audio is wrong (INVALID_ARGUMENT), or the reply too large (OUT_OF_RANGE)
├── NotFoundError         unknown model, voice or session
├── PreconditionError     a known model that is not loaded; a change that a running session cannot take
├── OverloadedError       queue full, quota, too many streams; ``retry_after_ms`` says when to come back
├── UnavailableError      nobody answers, or the server is draining; may be retried
├── NotSupportedError     a feature that no deployed model has (UNIMPLEMENTED)
├── AccessError           authentication or permission
├── DeadlineError         the deadline passed
├── StreamAbortedError    the stream was idle too long, or its client did not read
├── StreamInterruptedError  the stream closed without ``session_ended``: results may be incomplete
├── CancelledError        the call was cancelled
└── ServerError           a bug on the server; quote ``request_id``

AudioSourceError (a ValueError) is raised on this side, before anything is sent: audio that cannot be read or paced.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import grpc
import grpc.aio
from google.protobuf.any_pb2 import Any
from google.protobuf.message import DecodeError, Message
from google.rpc import (  # pyright: ignore[reportMissingTypeStubs]
    error_details_pb2,
    status_pb2,
)

STATUS_DETAILS_KEY = "grpc-status-details-bin"
REQUEST_ID_KEY = "x-request-id"
PUSHBACK_KEY = "grpc-retry-pushback-ms"

M = TypeVar("M", bound=Message)

MetadataLike = Iterable[tuple[str, str | bytes]]


class AudioSourceError(ValueError):
    """Audio that cannot be read, or not be paced; nothing was sent. The message says what to do."""


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One wrong request field: its path, such as ``config.audio.raw.sample_rate_hz``, and what is wrong with it."""

    field: str
    description: str


class SpeechApiError(Exception):
    """A call that did not succeed.

    Attributes:
        code: canonical gRPC code.
        message: one sentence for people, from the server.
        reason: UPPER_SNAKE identifier that programs can act on; empty where no server answered.
        domain: who defined the reason, ``speech.v1``.
        metadata: variables of the message, such as limits and supported values.
        field_violations: wrong request fields.
        retry_after_ms: when a retry makes sense, in milliseconds; None when the server did not say.
        request_id: name of the call in the server's log.
    """

    def __init__(
        self,
        code: grpc.StatusCode,
        message: str,
        *,
        reason: str = "",
        domain: str = "",
        metadata: Mapping[str, str] | None = None,
        field_violations: Sequence[FieldViolation] = (),
        retry_after_ms: int | None = None,
        request_id: str = "",
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = reason
        self.domain = domain
        self.metadata: dict[str, str] = dict(metadata or {})
        self.field_violations = tuple(field_violations)
        self.retry_after_ms = retry_after_ms
        self.request_id = request_id

    def __str__(self) -> str:
        return f"{self.reason or self.code.name}: {self.message}"


class InvalidRequestError(SpeechApiError):
    """A field, option or audio is wrong; ``field_violations`` names it."""


class NotFoundError(SpeechApiError):
    """Unknown model, voice or session."""


class PreconditionError(SpeechApiError):
    """The server is not in the state that the request needs."""


class OverloadedError(SpeechApiError):
    """The server takes no more work now."""


class UnavailableError(SpeechApiError):
    """Nobody answers, or the server is draining."""


class NotSupportedError(SpeechApiError):
    """No deployed model has this feature."""


class AccessError(SpeechApiError):
    """Not authenticated, or not permitted."""


class DeadlineError(SpeechApiError):
    """The deadline passed."""


class StreamAbortedError(SpeechApiError):
    """The server gave the stream up: idle too long, or its events were not read."""


class StreamInterruptedError(SpeechApiError):
    """The stream closed without ``session_ended``; results may be incomplete."""


class CancelledError(SpeechApiError):
    """The call was cancelled, here or by a proxy."""


class ServerError(SpeechApiError):
    """A bug on the server."""


_CODE = grpc.StatusCode
_TYPES: dict[grpc.StatusCode, type[SpeechApiError]] = {
    _CODE.INVALID_ARGUMENT: InvalidRequestError,
    _CODE.OUT_OF_RANGE: InvalidRequestError,
    _CODE.NOT_FOUND: NotFoundError,
    _CODE.FAILED_PRECONDITION: PreconditionError,
    _CODE.RESOURCE_EXHAUSTED: OverloadedError,
    _CODE.UNAVAILABLE: UnavailableError,
    _CODE.UNIMPLEMENTED: NotSupportedError,
    _CODE.UNAUTHENTICATED: AccessError,
    _CODE.PERMISSION_DENIED: AccessError,
    _CODE.DEADLINE_EXCEEDED: DeadlineError,
    _CODE.ABORTED: StreamAbortedError,
    _CODE.CANCELLED: CancelledError,
    _CODE.INTERNAL: ServerError,
    _CODE.UNKNOWN: ServerError,
}


def from_status(
    code: grpc.StatusCode, message: str, trailers: MetadataLike | None, request_id: str = ""
) -> SpeechApiError:
    """Build the error of a finished call.

    Args:
        code: the call's status code.
        message: its status message.
        trailers: its trailing metadata; details that cannot be parsed are left out, never fatal.
        request_id: id to name when the server did not echo one.
    """
    found = {key: value for key, value in trailers or ()}
    status = _parse_status(found.get(STATUS_DETAILS_KEY))
    info = _first(status, error_details_pb2.ErrorInfo)
    bad = _first(status, error_details_pb2.BadRequest)
    return _TYPES.get(code, SpeechApiError)(
        code,
        message or code.name,
        reason=info.reason if info else "",
        domain=info.domain if info else "",
        metadata=dict(info.metadata) if info else None,
        field_violations=tuple(
            FieldViolation(violation.field, violation.description)
            for violation in (bad.field_violations if bad else ())
        ),
        retry_after_ms=_retry_after(status, found),
        request_id=_text(found.get(REQUEST_ID_KEY)) or request_id,
    )


def from_rpc_error(error: grpc.aio.AioRpcError, request_id: str = "") -> SpeechApiError:
    """Build the error of a call that raised ``AioRpcError``."""
    return from_status(error.code(), error.details() or "", error.trailing_metadata(), request_id)


def from_code(
    number: int,
    message: str,
    reason: str,
    metadata: Mapping[str, str],
    request_id: str = "",
    field: str = "",
) -> SpeechApiError:
    """Build the error of a part of a stream, such as a context, that failed while the stream lives on.

    ``number`` is a canonical gRPC code; one that this version does not know counts as UNKNOWN.
    """
    code = next((each for each in _CODE if each.value[0] == number), _CODE.UNKNOWN)
    violations = (FieldViolation(field, message),) if field else ()
    return _TYPES.get(code, SpeechApiError)(
        code,
        message,
        reason=reason,
        metadata=metadata,
        field_violations=violations,
        request_id=request_id,
    )


def interrupted(request_id: str) -> StreamInterruptedError:
    """The error of a stream that ended well but too early."""
    return StreamInterruptedError(
        grpc.StatusCode.UNKNOWN,
        "the stream closed early, without session_ended; results may be incomplete",
        reason="STREAM_INTERRUPTED",
        request_id=request_id,
    )


def _parse_status(value: str | bytes | None) -> status_pb2.Status:
    status = status_pb2.Status()
    if isinstance(value, bytes):
        try:
            status.ParseFromString(value)
        except DecodeError:
            return status_pb2.Status()
    return status


def _first(status: status_pb2.Status, kind: type[M]) -> M | None:
    for packed in status.details:
        detail = kind()
        # Unpack checks the type, and says False for another.
        if _unpack(packed, detail):
            return detail
    return None


def _unpack(packed: Any, detail: Message) -> bool:
    try:
        return packed.Unpack(detail)
    except DecodeError:
        return False


def _retry_after(status: status_pb2.Status, trailers: Mapping[str, str | bytes]) -> int | None:
    retry = _first(status, error_details_pb2.RetryInfo)
    if retry is not None:
        return retry.retry_delay.ToMilliseconds()
    pushback = _text(trailers.get(PUSHBACK_KEY))
    return int(pushback) if pushback.isdecimal() else None


def _text(value: str | bytes | None) -> str:
    return value.decode("ascii", "replace") if isinstance(value, bytes) else value or ""
