"""The table from domain errors to the wire: code, ErrorInfo, detail, size."""

import grpc
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2 as details
from google.rpc import status_pb2

from speech_service.domain import errors
from speech_service.edge.status import (
    MAX_TEXT_BYTES,
    PUSHBACK_KEY,
    STATUS_DETAILS_KEY,
    TABLE,
    RpcStatus,
    wire_error,
)

Code = grpc.StatusCode
ROWS: list[tuple[errors.SpeechError, Code, str, type[Message] | None]] = [
    (
        errors.InvalidFieldError("a.b", "is wrong", "1, 2"),
        Code.INVALID_ARGUMENT,
        "INVALID_FIELD",
        details.BadRequest,
    ),
    (
        errors.InvalidOptionError("a.b", "is wrong", "1, 2"),
        Code.INVALID_ARGUMENT,
        "INVALID_FIELD",
        details.BadRequest,
    ),
    (
        errors.UnexpectedInputError("text", "came late"),
        Code.INVALID_ARGUMENT,
        "OUT_OF_ORDER",
        details.BadRequest,
    ),
    (
        errors.InvalidAudioError("audio", "is corrupt"),
        Code.INVALID_ARGUMENT,
        "INVALID_AUDIO",
        details.BadRequest,
    ),
    (
        errors.LimitExceededError("text", "max_text_bytes", 5),
        Code.INVALID_ARGUMENT,
        "LIMIT_EXCEEDED",
        details.BadRequest,
    ),
    (
        errors.AudioLimitError("audio", "max_cpu_s", 5),
        Code.INVALID_ARGUMENT,
        "AUDIO_LIMIT_EXCEEDED",
        details.BadRequest,
    ),
    (
        errors.UnsupportedOptionError("language", "is not spoken", ["en"]),
        Code.INVALID_ARGUMENT,
        "UNSUPPORTED_OPTION",
        details.BadRequest,
    ),
    (
        errors.ResourceNotFoundError("voice", "x"),
        Code.NOT_FOUND,
        "VOICE_NOT_FOUND",
        details.ResourceInfo,
    ),
    (
        errors.ResourceExistsError("voice", "x"),
        Code.ALREADY_EXISTS,
        "RESOURCE_EXISTS",
        details.ResourceInfo,
    ),
    (
        errors.PreconditionError("model", "is not loaded", reason="NOT_LOADED"),
        Code.FAILED_PRECONDITION,
        "NOT_LOADED",
        details.PreconditionFailure,
    ),
    (errors.NotImplementedYetError("later"), Code.UNIMPLEMENTED, "NOT_IMPLEMENTED", None),
    (errors.ReplyTooLargeError("too large"), Code.OUT_OF_RANGE, "REPLY_TOO_LARGE", None),
    (errors.UnauthenticatedError("who?"), Code.UNAUTHENTICATED, "CREDENTIALS_MISSING", None),
    (
        errors.PermissionDeniedError("not you", reason="SCOPE_MISSING"),
        Code.PERMISSION_DENIED,
        "SCOPE_MISSING",
        None,
    ),
    (
        errors.QuotaExceededError("tenant:acme", "max_streams", 2, "has two open"),
        Code.RESOURCE_EXHAUSTED,
        "QUOTA_EXCEEDED",
        details.RetryInfo,
    ),
    (errors.OverloadedError("full"), Code.RESOURCE_EXHAUSTED, "OVERLOADED", details.RetryInfo),
    (errors.UnavailableError("draining"), Code.UNAVAILABLE, "UNAVAILABLE", details.RetryInfo),
    (errors.StreamAbortedError("idle"), Code.ABORTED, "STREAM_ABORTED", None),
    (errors.DeadlineError("late"), Code.DEADLINE_EXCEEDED, "DEADLINE_EXCEEDED", None),
    (errors.CancelledWorkError("gone"), Code.CANCELLED, "CANCELLED", None),
    (errors.InternalError("secret"), Code.INTERNAL, "INTERNAL", None),
    (errors.SpeechError("unforeseen"), Code.INTERNAL, "INTERNAL", None),
]


def decoded(error: errors.SpeechError) -> tuple[RpcStatus, status_pb2.Status, dict[str, bytes]]:
    status = RpcStatus(error, "id-1")
    trailers = {k: v for k, v in status.trailing_metadata or ()}
    raw = trailers[STATUS_DETAILS_KEY]
    assert isinstance(raw, bytes)
    message = status_pb2.Status.FromString(raw)
    return status, message, {d.type_url: d.value for d in message.details}


@pytest.mark.parametrize(
    ("error", "code", "reason", "detail"), ROWS, ids=[type(r[0]).__name__ for r in ROWS]
)
def test_a_row(
    error: errors.SpeechError, code: Code, reason: str, detail: type[Message] | None
) -> None:
    status, message, packed = decoded(error)
    assert wire_error(error).code is status.code is code
    assert message.code == code.value[0]
    assert message.message == status.details
    info = details.ErrorInfo.FromString(packed.pop("type.googleapis.com/google.rpc.ErrorInfo"))
    assert (info.reason, info.domain) == (reason, "speech.v1")
    assert info.metadata["request_id"] == "id-1"
    if isinstance(error, errors.QuotaExceededError):
        raw = packed.pop("type.googleapis.com/google.rpc.QuotaFailure")
        (violation,) = details.QuotaFailure.FromString(raw).violations
        assert (violation.subject, violation.description) == ("tenant:acme", error.message)
        assert (info.metadata["quota"], info.metadata["limit"]) == ("max_streams", "2")
    names = [] if detail is None else [f"type.googleapis.com/google.rpc.{detail.DESCRIPTOR.name}"]
    assert list(packed) == names


def test_every_class_of_the_tree_has_a_row() -> None:
    def all_of(kind: type[errors.SpeechError]) -> set[type[errors.SpeechError]]:
        return {kind}.union(*(all_of(k) for k in kind.__subclasses__()))

    tested = {type(row[0]) for row in ROWS} | {errors.RetryableError}
    assert {k for k in all_of(errors.SpeechError) if k.__module__ == errors.__name__} == tested
    assert TABLE[-1][0] is errors.SpeechError


def test_bad_request_says_field_problem_and_what_is_allowed() -> None:
    _, _, packed = decoded(ROWS[0][0])
    raw = packed["type.googleapis.com/google.rpc.BadRequest"]
    (violation,) = details.BadRequest.FromString(raw).field_violations
    assert violation.field == "a.b"
    assert violation.description == "is wrong. Allowed: 1, 2."
    assert violation.reason == "INVALID_FIELD"


def test_retryable_errors_push_back() -> None:
    error = errors.OverloadedError("full", retry_after_ms=1234, metadata={"max_streams": "2"})
    status, _, packed = decoded(error)
    assert (PUSHBACK_KEY, "1234") in (status.trailing_metadata or ())
    info = details.RetryInfo.FromString(packed["type.googleapis.com/google.rpc.RetryInfo"])
    assert info.retry_delay.ToMilliseconds() == 1234
    assert PUSHBACK_KEY not in dict(RpcStatus(ROWS[0][0], "x").trailing_metadata or ())


def test_internal_errors_say_nothing_but_the_request_id() -> None:
    for error in (errors.InternalError("secret /etc/passwd"), errors.SpeechError("secret")):
        status, message, _ = decoded(error)
        assert "secret" not in str(message) + (status.details or "")
        assert "id-1" in (status.details or "")


@pytest.mark.parametrize("letter", ["x", "\u65e5", "\U0001f600"])
def test_an_error_always_fits_into_trailing_metadata(letter: str) -> None:
    long = letter * 100_000
    for error in (
        errors.InvalidFieldError("f", long, long, metadata={"m": long}),
        errors.ResourceNotFoundError("model", long, long),
        errors.PreconditionError("s", long),
    ):
        status, message, _ = decoded(error)
        assert len((status.details or "").encode()) <= MAX_TEXT_BYTES
        # gRPC writes grpc-message in percent encoding, and -bin values in base64.
        assert 3 * len((status.details or "").encode()) + message.ByteSize() * 4 / 3 < 8000
