"""A connection, and how its calls are made: metadata, deadline, errors. Each service's methods build on it."""

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from speech_client import errors, sources
from speech_client.channel import MAX_MESSAGE_BYTES, CallOptions, RetryPolicy
from speech_client.part import OpenCall
from speech_client.reconnect import ReconnectPolicy

_REQUEST_OVERHEAD_BYTES = 64 * 1024
"""Room for the configuration beside the audio of a unary request."""

_LAST_EVENT = "session_ended"

Reply = TypeVar("Reply", bound=Message)


class Connection:
    """What the methods of all services share."""

    def __init__(
        self,
        channel: grpc.aio.Channel,
        call: CallOptions,
        retry: RetryPolicy,
        reconnect: ReconnectPolicy,
    ) -> None:
        self._channel = channel
        self._call = call
        self._retry = retry
        self._reconnect = reconnect

    async def _unary(
        self, method: Any, request: Message, reply: type[Reply], call: CallOptions | None
    ) -> Reply:
        """Make a unary call; ``reply`` is the type of its answer. Raises SpeechApiError."""
        own = (call or self._call).with_request_id()
        with decoded_errors(own):
            answer = await method(request, timeout=own.timeout_s, metadata=own.headers())
        assert isinstance(answer, reply)
        return answer

    async def _server_stream(
        self, method: Any, request: Message, call: CallOptions | None
    ) -> AsyncGenerator[Any, None]:
        """Read a server stream to its end; leaving early cancels the call.

        Raises SpeechApiError, also where the stream ends without its last event.
        """
        own = (call or self._call).with_request_id()
        stream = method(request, timeout=own.timeout_s, metadata=own.headers())
        complete = False
        try:
            with decoded_errors(own):
                async for message in stream:
                    complete = message.HasField(_LAST_EVENT)
                    yield message
        finally:
            stream.cancel()
        if not complete:
            raise errors.interrupted(own.request_id)

    def _opener(self, method: Any) -> OpenCall:
        """What opens a bidirectional stream."""

        def open_call(own: CallOptions) -> Any:
            return method(timeout=own.timeout_s, metadata=own.headers())

        return open_call


async def whole_audio(audio: str | Path | bytes, otherwise: str) -> bytes:
    """Read audio for a unary request.

    Args:
        audio: a path, or the bytes.
        otherwise: what to use for longer audio.

    Raises:
        AudioSourceError: the file cannot be read, is empty, or is too large for one request.
    """
    data = await asyncio.to_thread(sources.read_all, audio)
    if len(data) > MAX_MESSAGE_BYTES - _REQUEST_OVERHEAD_BYTES:
        raise errors.AudioSourceError(
            f"{len(data)} bytes are too many for one request (16 MiB); {otherwise}"
        )
    return data


@contextmanager
def decoded_errors(call: CallOptions) -> Generator[None, None, None]:
    """Turn gRPC's error into ours."""
    try:
        yield
    except grpc.aio.AioRpcError as error:
        raise errors.from_rpc_error(error, call.request_id) from None
