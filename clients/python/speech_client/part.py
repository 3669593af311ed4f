"""One call of a session: what a bidirectional stream of gRPC is, with the true error that it ends with."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
from google.protobuf.message import Message

from speech_client import errors
from speech_client.channel import CallOptions
from speech_client.events import SessionStarted
from speech_client.status import StatusRecorder

Call = grpc.aio.StreamStreamCall[Any, Any]
OpenCall = Callable[[CallOptions], Call]


class CallPart:
    """A call that was begun; ``open`` it first.

    grpc.aio cancels the whole call when a pending send is cancelled, and raises ``InvalidStateError`` from a send on a
    dead call; here a send on a dead call raises the error that ended it.
    """

    def __init__(self, open_call: OpenCall, options: CallOptions) -> None:
        self._request_id = options.request_id
        self._call = open_call(options)
        self._status = StatusRecorder(self._call, self._request_id)
        self._messages: AsyncIterator[Any] = aiter(self._call)

    async def open(self, first: Message, decode: Callable[[Any], object]) -> SessionStarted:
        """Send the configuration; gives the answer to it. Raises SpeechApiError."""
        try:
            await self.write(first)
            event = await self._first_event(decode)
        except BaseException:
            self.cancel()
            raise
        if not isinstance(event, SessionStarted):
            self.cancel()
            problem = "the stream did not start with session_started"
            raise errors.from_status(grpc.StatusCode.INTERNAL, problem, None, self._request_id)
        return event

    async def read(self) -> Any | None:
        """The next message; None where the call has ended, well or not."""
        try:
            return await anext(self._messages, None)
        except (asyncio.CancelledError, grpc.RpcError):
            if cancelled_here():
                raise
            return None

    async def write(self, message: Message) -> None:
        """Send a message; waits while the server takes no more. Raises SpeechApiError where the call is over."""
        try:
            await self._call.write(message)
        except (asyncio.CancelledError, asyncio.InvalidStateError, grpc.RpcError):
            if cancelled_here():
                raise
            raise await self.failure() from None

    async def done_writing(self) -> None:
        """Half-close."""
        try:
            await self._call.done_writing()
        except (asyncio.InvalidStateError, grpc.RpcError):
            return  # The server ended the call on the last message, before the half-close got there.

    def cancel(self) -> None:
        """End the call, unless it has ended."""
        self._call.cancel()

    async def error(self) -> errors.SpeechApiError | None:
        """How the call ended, once it has; None: well."""
        return await self._status.error()

    async def failure(self) -> errors.SpeechApiError:
        """Why the call ended; an end that looks well but came too early is a failure too."""
        return await self.error() or errors.interrupted(self._request_id)

    async def _first_event(self, decode: Callable[[Any], object]) -> object:
        message = await self.read()
        event = None if message is None else decode(message)
        if event is None:
            raise await self.failure()
        return event


def cancelled_here() -> bool:
    """Whether the running task was cancelled: grpc.aio raises CancelledError for a peer's cancel too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
