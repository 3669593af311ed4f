"""Errors decoded from status and trailers."""

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2, status_pb2

from speech_client import errors

CODE = grpc.StatusCode


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (CODE.INVALID_ARGUMENT, errors.InvalidRequestError),
        (CODE.OUT_OF_RANGE, errors.InvalidRequestError),
        (CODE.NOT_FOUND, errors.NotFoundError),
        (CODE.FAILED_PRECONDITION, errors.PreconditionError),
        (CODE.RESOURCE_EXHAUSTED, errors.OverloadedError),
        (CODE.UNAVAILABLE, errors.UnavailableError),
        (CODE.UNIMPLEMENTED, errors.NotSupportedError),
        (CODE.UNAUTHENTICATED, errors.AccessError),
        (CODE.PERMISSION_DENIED, errors.AccessError),
        (CODE.DEADLINE_EXCEEDED, errors.DeadlineError),
        (CODE.ABORTED, errors.StreamAbortedError),
        (CODE.CANCELLED, errors.CancelledError),
        (CODE.INTERNAL, errors.ServerError),
        (CODE.UNKNOWN, errors.ServerError),
        (CODE.ALREADY_EXISTS, errors.SpeechApiError),
        (CODE.DATA_LOSS, errors.SpeechApiError),
    ],
)
def test_each_code_has_its_type(code: grpc.StatusCode, kind: type[errors.SpeechApiError]) -> None:
    error = errors.from_status(code, "", None)
    assert type(error) is kind
    assert error.code is code
    assert str(error) == f"{code.name}: {code.name}"


def test_retry_info_and_the_ids() -> None:
    detail = Any()
    detail.Pack(error_details_pb2.RetryInfo(retry_delay=Duration(seconds=1, nanos=500_000_000)))
    unknown = Any(type_url="type.googleapis.com/speech.v9.News", value=b"\xff")
    status = status_pb2.Status(code=14, message="m", details=[unknown, detail])
    trailers = [("grpc-status-details-bin", status.SerializeToString())]
    error = errors.from_status(CODE.UNAVAILABLE, "m", trailers, "mine")
    assert error.retry_after_ms == 1500
    assert error.request_id == "mine"
    assert error.reason == ""
    echoed = errors.from_status(CODE.UNAVAILABLE, "m", [("x-request-id", "theirs")], "mine")
    assert echoed.request_id == "theirs"


def test_pushback_stands_in_for_retry_info() -> None:
    error = errors.from_status(CODE.UNAVAILABLE, "m", [("grpc-retry-pushback-ms", "250")])
    assert error.retry_after_ms == 250
    never = errors.from_status(CODE.UNAVAILABLE, "m", [("grpc-retry-pushback-ms", "-1")])
    assert never.retry_after_ms is None


def test_broken_details_are_left_out() -> None:
    broken = Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\x0a\xff")
    status = status_pb2.Status(code=3, details=[broken])
    for value in (b"\xff\xff\xff", status.SerializeToString(), b""):
        error = errors.from_status(CODE.INVALID_ARGUMENT, "m", [("grpc-status-details-bin", value)])
        assert (error.reason, error.field_violations, str(error)) == ("", (), "INVALID_ARGUMENT: m")
