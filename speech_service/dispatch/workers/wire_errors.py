"""Errors as protobuf, both ways: a failure in the worker is the same error in the front end."""

from speech.internal.v1 import work_pb2 as pb
from speech_service.domain.errors import (
    CancelledWorkError,
    DeadlineError,
    InternalError,
    InvalidAudioError,
    InvalidOptionError,
    NotImplementedYetError,
    OverloadedError,
    PreconditionError,
    ResourceNotFoundError,
    RetryableError,
    SpeechError,
    UnavailableError,
)

# Canonical gRPC codes by number: this module converts messages and does not import grpc.
_CODE_BY_ERROR: tuple[tuple[type[SpeechError], int], ...] = (
    (CancelledWorkError, 1),
    (InvalidOptionError, 3),
    (DeadlineError, 4),
    (ResourceNotFoundError, 5),
    (OverloadedError, 8),
    (PreconditionError, 9),
    (NotImplementedYetError, 12),
    (UnavailableError, 14),
)
_INTERNAL_CODE = 13


def encode_error(error: SpeechError, wire_id: int) -> pb.WorkFailed:
    """A failure, under the number that the front end gave the work."""
    codes = (code for kind, code in _CODE_BY_ERROR if isinstance(error, kind))
    message = pb.WorkFailed(
        work_id=wire_id,
        reason=error.reason,
        message=error.message,
        code=next(codes, _INTERNAL_CODE),
        metadata=error.metadata,
    )
    if isinstance(error, RetryableError):
        message.retry_after_ms = error.retry_after_ms
    if isinstance(error, InvalidOptionError):
        message.field = error.option
    return message


def decode_error(message: pb.WorkFailed) -> SpeechError:
    """The error that the worker meant."""
    kind = next((kind for kind, code in _CODE_BY_ERROR if code == message.code), InternalError)
    reason, metadata = message.reason or None, dict(message.metadata)
    if issubclass(kind, RetryableError):
        retry_after_ms = message.retry_after_ms if message.HasField("retry_after_ms") else 1000
        return kind(
            message.message, retry_after_ms=retry_after_ms, reason=reason, metadata=metadata
        )
    if kind is InvalidOptionError:
        if message.reason == InvalidAudioError.reason:
            kind = InvalidAudioError
        problem = message.message.removeprefix(f"{message.field}: ").removesuffix(".")
        error: SpeechError = kind(message.field, problem, reason=reason, metadata=metadata)
    elif kind is ResourceNotFoundError:
        error = ResourceNotFoundError("model", metadata.get("name", ""))
    elif kind is PreconditionError:
        error = PreconditionError("worker", message.message, reason=reason)
    else:
        error = kind(message.message, reason=reason, metadata=metadata)
    error.message = message.message
    return error
