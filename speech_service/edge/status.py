"""The one table from domain errors to the wire.

Every failure is a canonical code, exactly one ``google.rpc.ErrorInfo`` (AIP-193) and the detail its class calls
for. Nothing but the error's own message, reason, field and metadata goes out.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import grpc
from google.protobuf import any_pb2
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import (  # pyright: ignore[reportMissingTypeStubs] - types are inline
    code_pb2,
    error_details_pb2,
    status_pb2,
)

from speech_service.domain import errors

DOMAIN = "speech.v1"
STATUS_DETAILS_KEY = "grpc-status-details-bin"
PUSHBACK_KEY = "grpc-retry-pushback-ms"
RETRY_AFTER_KEY = "retry-after"
"""The same in whole seconds, for proxies, which know only what HTTP has."""

MAX_TEXT_BYTES = 600
"""Of one text in an error: clients refuse trailing metadata above 8 KiB, and then lose the whole status."""

DetailMaker = Callable[[errors.SpeechError], Message]


def _clipped(text: str) -> str:
    data = text.encode()
    return text if len(data) <= MAX_TEXT_BYTES else data[:MAX_TEXT_BYTES].decode(errors="ignore")


def _bad_request(error: errors.SpeechError) -> Message:
    assert isinstance(error, errors.InvalidFieldError | errors.InvalidOptionError)
    field = error.field if isinstance(error, errors.InvalidFieldError) else error.option
    hint = f" Allowed: {error.allowed}." if error.allowed else ""
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=field, description=_clipped(f"{error.problem}.{hint}"), reason=error.reason
    )
    return error_details_pb2.BadRequest(field_violations=[violation])


def _resource(error: errors.SpeechError) -> Message:
    assert isinstance(error, errors.ResourceNotFoundError | errors.ResourceExistsError)
    return error_details_pb2.ResourceInfo(
        resource_type=error.resource_type,
        resource_name=_clipped(error.name),
        description=_clipped(error.message),
    )


def _precondition(error: errors.SpeechError) -> Message:
    assert isinstance(error, errors.PreconditionError)
    violation = error_details_pb2.PreconditionFailure.Violation(
        type=error.reason, subject=error.subject, description=_clipped(error.message)
    )
    return error_details_pb2.PreconditionFailure(violations=[violation])


def _quota(error: errors.SpeechError) -> Message:
    assert isinstance(error, errors.QuotaExceededError)
    violation = error_details_pb2.QuotaFailure.Violation(
        subject=_clipped(error.subject), description=_clipped(error.message)
    )
    return error_details_pb2.QuotaFailure(violations=[violation])


def _retry(error: errors.SpeechError) -> Message:
    assert isinstance(error, errors.RetryableError)
    delay = Duration()
    delay.FromMilliseconds(error.retry_after_ms)
    return error_details_pb2.RetryInfo(retry_delay=delay)


@dataclass(frozen=True, slots=True)
class WireError:
    """How one class of errors looks on the wire."""

    code: grpc.StatusCode
    detail: DetailMaker | None = None
    second_detail: DetailMaker | None = None


# Looked up along the class hierarchy: the first entry that the error is an instance of.
TABLE: Sequence[tuple[type[errors.SpeechError], WireError]] = (
    (errors.InvalidFieldError, WireError(grpc.StatusCode.INVALID_ARGUMENT, _bad_request)),
    (errors.InvalidOptionError, WireError(grpc.StatusCode.INVALID_ARGUMENT, _bad_request)),
    (errors.ResourceNotFoundError, WireError(grpc.StatusCode.NOT_FOUND, _resource)),
    (errors.ResourceExistsError, WireError(grpc.StatusCode.ALREADY_EXISTS, _resource)),
    (errors.PreconditionError, WireError(grpc.StatusCode.FAILED_PRECONDITION, _precondition)),
    (errors.NotImplementedYetError, WireError(grpc.StatusCode.UNIMPLEMENTED)),
    (errors.ReplyTooLargeError, WireError(grpc.StatusCode.OUT_OF_RANGE)),
    (errors.UnauthenticatedError, WireError(grpc.StatusCode.UNAUTHENTICATED)),
    (errors.PermissionDeniedError, WireError(grpc.StatusCode.PERMISSION_DENIED)),
    (errors.QuotaExceededError, WireError(grpc.StatusCode.RESOURCE_EXHAUSTED, _retry, _quota)),
    (errors.OverloadedError, WireError(grpc.StatusCode.RESOURCE_EXHAUSTED, _retry)),
    (errors.UnavailableError, WireError(grpc.StatusCode.UNAVAILABLE, _retry)),
    (errors.StreamAbortedError, WireError(grpc.StatusCode.ABORTED)),
    (errors.DeadlineError, WireError(grpc.StatusCode.DEADLINE_EXCEEDED)),
    (errors.CancelledWorkError, WireError(grpc.StatusCode.CANCELLED)),
    (errors.SpeechError, WireError(grpc.StatusCode.INTERNAL)),
)


def wire_error(error: errors.SpeechError) -> WireError:
    """The table's entry for ``error``."""
    return next(wire for kind, wire in TABLE if isinstance(error, kind))


class RpcStatus(grpc.Status):
    """A status with details, in the form that ``context.abort_with_status`` takes."""

    def __init__(self, error: errors.SpeechError, request_id: str) -> None:
        wire = wire_error(error)
        self.code = wire.code
        text = _clipped(error.message)
        if wire.code is grpc.StatusCode.INTERNAL:
            text = (
                f"internal error; quote request id {request_id}"  # what went wrong is for the log
            )
        self.details = text
        self.trailing_metadata = _trailers(error, wire, text, request_id)


def _trailers(
    error: errors.SpeechError, wire: WireError, text: str, request_id: str
) -> tuple[tuple[str, str | bytes], ...]:
    info = error_details_pb2.ErrorInfo(
        reason=error.reason,
        domain=DOMAIN,
        metadata={
            **{name: _clipped(value) for name, value in error.metadata.items()},
            "request_id": request_id,
        },
    )
    details: list[Message] = [info]
    details += [make(error) for make in (wire.detail, wire.second_detail) if make is not None]
    number: int = wire.code.value[0]
    status = status_pb2.Status(code=number, message=text)
    for detail in details:
        packed = any_pb2.Any()
        packed.Pack(detail)
        status.details.append(packed)
    assert number in code_pb2.Code.values()
    trailers: list[tuple[str, str | bytes]] = [(STATUS_DETAILS_KEY, status.SerializeToString())]
    if isinstance(error, errors.RetryableError):
        trailers.append((PUSHBACK_KEY, str(error.retry_after_ms)))
        trailers.append((RETRY_AFTER_KEY, str(math.ceil(error.retry_after_ms / 1000))))
    return tuple(trailers)
