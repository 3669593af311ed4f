"""The true status of a streaming call.

A send that fails makes grpc.aio overwrite the call's status with INTERNAL "Internal error from Core", even where the
server's own status has just arrived or is about to (seen in 1 of 3 calls that a server aborted while the client sent).
Done callbacks run at each change of the status, before anything can overwrite it; so they are where it is recorded.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc
import grpc.aio

from speech_client import errors

T = TypeVar("T")

_CORE_FAILURE = "Internal error from Core"
_TRUE_STATUS_WAIT_S = 1.0

AnyCall = grpc.aio.StreamStreamCall[Any, Any]


class StatusRecorder:
    """Records how a call ends."""

    def __init__(self, call: AnyCall, request_id: str) -> None:
        self._request_id = request_id
        self._true = asyncio.Event()
        self._error: errors.SpeechApiError | None = None
        self._code = grpc.StatusCode.UNKNOWN
        call.add_done_callback(self._record)

    async def error(self) -> errors.SpeechApiError | None:
        """How the call ended; None: well. Call it only once the call has ended or a send on it has failed."""
        try:
            async with asyncio.timeout(_TRUE_STATUS_WAIT_S):
                await self._true.wait()
        except TimeoutError:  # The transport broke and no status will come.
            return errors.UnavailableError(
                grpc.StatusCode.UNAVAILABLE,
                "the connection was lost",
                request_id=self._request_id,
            )
        return self._error

    def _record(self, call: AnyCall) -> None:
        code, details = _result(call.code()), _result(call.details()) or ""
        if self._true.is_set() or (code is grpc.StatusCode.INTERNAL and details == _CORE_FAILURE):
            return
        if code is not grpc.StatusCode.OK:
            trailers = _result(call.trailing_metadata())
            self._error = errors.from_status(code, details, trailers, self._request_id)
        self._true.set()


def _result(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that does not wait: in a done callback the status is there."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise RuntimeError("grpc.aio has no status in a done callback")
