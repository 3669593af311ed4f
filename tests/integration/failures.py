"""How calls fail, as a client sees it, and what holds of every error of the service."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc import aio
from grpc._cython import cygrpc  # pyright: ignore[reportAttributeAccessIssue] - compiled

DETAILS_KEY = "grpc-status-details-bin"
WAIT_S = 60.0
"""How long a test waits for what must come at once; only a hang reaches it."""

_TYPES = {
    "ErrorInfo": error_details_pb2.ErrorInfo,
    "BadRequest": error_details_pb2.BadRequest,
    "ResourceInfo": error_details_pb2.ResourceInfo,
    "PreconditionFailure": error_details_pb2.PreconditionFailure,
    "RetryInfo": error_details_pb2.RetryInfo,
    "QuotaFailure": error_details_pb2.QuotaFailure,
}
_LEAKS = re.compile(r"Traceback|File \"|\.py\b|/(usr|home|work|tmp|proc)/|0x[0-9a-f]{6,}|Error\(")


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed call as the client sees it."""

    code: grpc.StatusCode
    message: str
    trailers: dict[str, str | bytes] = field(repr=False)
    details: dict[str, Any]

    @staticmethod
    def of(error: aio.AioRpcError) -> "Failure":
        """Decode the error; asserts what holds of every error of the service."""
        trailers = pairs(error.trailing_metadata())
        assert DETAILS_KEY in trailers, f"{error.code()} without details: {error.details()}"
        raw = trailers[DETAILS_KEY]
        assert isinstance(raw, bytes)
        status = status_pb2.Status.FromString(raw)
        details: dict[str, Any] = {}
        for packed in status.details:
            name = packed.type_url.rpartition(".")[2]
            assert name not in details, f"two {name}"
            message: Message = _TYPES[name]()
            assert packed.Unpack(message)
            details[name] = message
        failure = Failure(error.code(), error.details() or "", trailers, details)
        info = failure.info
        assert status.code == error.code().value[0]
        assert status.message == failure.message
        assert info.domain == "speech.v1"
        assert re.fullmatch(r"[A-Z][A-Z0-9]*(_[A-Z0-9]+)*", info.reason)
        assert info.metadata["request_id"]
        assert not _LEAKS.search(str(status)), status
        return failure

    @property
    def info(self) -> error_details_pb2.ErrorInfo:
        """The one ErrorInfo."""
        return self.details["ErrorInfo"]

    @property
    def reason(self) -> str:
        """Its reason."""
        return self.info.reason

    @property
    def violation(self) -> error_details_pb2.BadRequest.FieldViolation:
        """The one field violation of a BadRequest."""
        (violation,) = self.details["BadRequest"].field_violations
        return violation

    def is_(self, code: str, reason: str, *details: str) -> "Failure":
        """Assert code, reason and the details beside ErrorInfo."""
        assert (self.code.name, self.reason) == (code, reason), self
        assert set(self.details) == {"ErrorInfo", *details}, self
        return self

    def names(self, field_path: str, *allowed: str) -> "Failure":
        """Assert the field path, and that the description names what is allowed."""
        assert self.violation.field == field_path, self
        for text in allowed:
            assert text in self.violation.description, self
        return self


async def rpc_error(call: Any) -> aio.AioRpcError:
    """How a finished call ended."""
    return aio.AioRpcError(
        await call.code(),
        await call.initial_metadata(),
        await call.trailing_metadata(),
        await call.details(),
    )


def pairs(metadata: Any) -> dict[str, str | bytes]:
    """Metadata as a dict; what grpc.aio gives iterates over pairs but calls itself a mapping."""
    return {key: value for key, value in metadata or ()}


async def failure_of(call: Any) -> Failure:
    """How a unary call fails."""
    try:
        async with asyncio.timeout(WAIT_S):
            reply = await call
    except aio.AioRpcError as error:
        return Failure.of(error)
    raise AssertionError(f"it did not fail: {str(reply)[:300]}")


async def send(call: Any, data: bytes) -> bool:
    """Send an encoded message; False: the call is over, and reading says how it ended.

    ``call.write`` would do, but a write that meets the end of the call makes grpc.aio replace the status that the
    server sent by INTERNAL "Internal error from Core"; this is the same write without that.
    """
    return await _unspoilt(call, lambda core: core.send_serialized_message(data))


async def half_close(call: Any) -> bool:
    """``call.done_writing``, as ``send`` is to ``call.write``."""
    return await _unspoilt(call, lambda core: core.send_receive_close())


async def _unspoilt(call: Any, operation: Callable[[Any], Awaitable[None]]) -> bool:
    await call._metadata_sent.wait()
    if call.done():
        return False
    try:
        await operation(call._cython_call)
    except cygrpc.InternalError:
        return False
    return True
