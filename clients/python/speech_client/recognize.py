"""Streaming recognition: one session over one bidirectional stream.

Rules:
- One background task reads, so an ack can be awaited without iterating. It stops reading (and HTTP/2 then slows the
  server) while ``MAX_UNREAD_EVENTS`` wait for the caller, unless the caller awaits an ack that lies behind them.
- Opening is retried while the server says UNAVAILABLE: no audio was sent yet, so nothing can be lost or doubled.
  After that nothing is retried.
- grpc.aio cancels the whole call when a pending send is cancelled, and raises ``InvalidStateError`` from a send on a
  dead call; here a send on a dead stream raises the error that ended it.
"""

import asyncio
import itertools
import random
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from types import TracebackType
from typing import Self

import grpc
import grpc.aio
from google.protobuf.field_mask_pb2 import FieldMask

from speech.v1 import audio_pb2, common_pb2
from speech.v1.recognition_service_pb2 import (
    RecognitionConfig,
    StreamingRecognizeRequest,
    StreamingRecognizeResponse,
    UpdateRecognitionConfig,
)
from speech_client import errors
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.options import duration
from speech_client.results import (
    ControlAck,
    RecognizeEvent,
    SessionEnded,
    SessionStarted,
    event_from_proto,
)
from speech_client.status import StatusRecorder

MAX_UNREAD_EVENTS = 1000

Call = grpc.aio.StreamStreamCall[StreamingRecognizeRequest, StreamingRecognizeResponse]
OpenCall = Callable[[CallOptions], Call]


class PendingAck:
    """The answer to one control message; await it. The segment's FINAL has been received when it resolves.

    Awaiting raises SpeechApiError when the stream ends without the answer.
    """

    def __init__(self, control_id: str, wanted: Callable[[int], None]) -> None:
        self.control_id = control_id
        self._wanted = wanted
        self._future: asyncio.Future[ControlAck] = asyncio.get_running_loop().create_future()
        # An ack that nobody awaits must not be reported as a lost exception; iteration raises the same error.
        self._future.add_done_callback(lambda done: done.cancelled() or done.exception())

    def __await__(self) -> Generator[object, None, ControlAck]:
        return self._wait().__await__()

    def resolve(self, outcome: ControlAck | Exception) -> None:
        """Settle it; called by the stream."""
        if self._future.done():
            return
        if isinstance(outcome, ControlAck):
            self._future.set_result(outcome)
        else:
            self._future.set_exception(outcome)

    async def _wait(self) -> ControlAck:
        self._wanted(+1)
        try:
            return await asyncio.shield(self._future)
        finally:
            self._wanted(-1)


class RecognizeStream:
    """A recognition session; made by ``SpeechClient.stream_recognize``, used in ``async with``.

    Entering opens the session and waits for the server's ``session_started``, so a wrong configuration raises there.
    Iterating gives the events, ends after ``session_ended``, and raises ``SpeechApiError`` when the stream fails.
    Leaving before the end cancels the call.
    """

    def __init__(
        self,
        open_call: OpenCall,
        config: RecognitionConfig,
        call_options: CallOptions,
        retry: RetryPolicy,
    ) -> None:
        self._open_call = open_call
        self._config = config
        self._options = call_options.with_request_id()
        self._retry = retry
        self._call: Call | None = None
        self._status: StatusRecorder | None = None
        self._session: SessionStarted | None = None
        self._reader: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._input_ended = False
        self._events: deque[RecognizeEvent] = deque()
        self._readable = asyncio.Event()
        self._room = asyncio.Event()
        self._acks: deque[PendingAck] = deque()
        self._acks_wanted = 0
        self._control_ids = itertools.count(1)
        self._ended: SessionEnded | None = None
        self._done = False
        self._error: Exception | None = None

    @property
    def session(self) -> SessionStarted:
        """The open session."""
        if self._session is None:
            raise RuntimeError("the stream is not open; use it in `async with`")
        return self._session

    @property
    def ended(self) -> SessionEnded | None:
        """The session's summary; None until it came."""
        return self._ended

    @property
    def request_id(self) -> str:
        """Name of the call in the server's log."""
        return self._options.request_id

    async def __aenter__(self) -> Self:
        for attempt in itertools.count(1):
            try:
                messages = await self._open()
            except errors.UnavailableError as error:
                if attempt >= self._retry.attempts:
                    raise
                await asyncio.sleep(self._backoff_s(attempt, error.retry_after_ms))
            except BaseException:
                self._abandon()
                raise
            else:
                self._reader = asyncio.create_task(self._read(messages), name="speech-client-read")
                break
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.cancel()

    async def cancel(self) -> None:
        """Give the session up: the call is cancelled unless it has ended, and nothing keeps running."""
        self._abandon()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._finish(self._own_error(grpc.StatusCode.CANCELLED, "the stream was closed here"))

    async def fail(self, error: Exception) -> None:
        """Give the session up because its input failed: iterating raises ``error`` after the events that came."""
        self._finish(error)
        await self.cancel()

    def __aiter__(self) -> AsyncIterator[RecognizeEvent]:
        return self

    async def __anext__(self) -> RecognizeEvent:
        while not self._events and not self._done:
            self._readable.clear()
            await self._readable.wait()
        if self._events:
            event = self._events.popleft()
            self._update_room()
            return event
        if self._error is not None:
            raise self._error
        raise StopAsyncIteration

    async def send_audio(self, data: bytes) -> None:
        """Send audio in the declared format, at most 1 MiB; 20 to 200 ms a message is advised.

        Waits while the server does not take more. Raises SpeechApiError when the stream has failed.
        """
        await self._send(StreamingRecognizeRequest(audio=audio_pb2.AudioChunk(data=data)))

    async def send_silence(self, milliseconds: int) -> None:
        """Stand for silence that is not sent, so that times keep counting; at most one hour."""
        silence = audio_pb2.SilenceChunk(duration=duration(milliseconds))
        await self._send(StreamingRecognizeRequest(silence=silence))

    async def keep_alive(self) -> None:
        """Restart the server's idle limit; not acknowledged."""
        await self._send(StreamingRecognizeRequest(keep_alive=common_pb2.KeepAlive()))

    async def finalize(self, control_id: str = "") -> PendingAck:
        """End the open segment now. Returns once sent; await the result for the ack, which follows the FINAL."""
        name = control_id or self._next_control_id()
        message = common_pb2.Finalize(control_id=name)
        return await self._send_control(name, StreamingRecognizeRequest(finalize=message))

    async def reset(self, *, keep_context: bool = False, control_id: str = "") -> PendingAck:
        """Drop the open segment without a result; times go on counting."""
        name = control_id or self._next_control_id()
        message = common_pb2.Reset(control_id=name, keep_context=keep_context)
        return await self._send_control(name, StreamingRecognizeRequest(reset=message))

    async def update_config(
        self, config: RecognitionConfig, *paths: str, control_id: str = ""
    ) -> PendingAck:
        """Change the configuration from the next segment on.

        Args:
            config: carries the new values.
            paths: what to take from it, such as ``"context.terms"``; at least one.
            control_id: repeated in the ack; empty: chosen here.
        """
        name = control_id or self._next_control_id()
        update = UpdateRecognitionConfig(
            config=config, update_mask=FieldMask(paths=paths), control_id=name
        )
        return await self._send_control(name, StreamingRecognizeRequest(update_config=update))

    async def end_audio(self) -> None:
        """Say that no more audio follows: the server transcribes what is left and ends. May be called twice.

        Sends ``end_of_audio`` and only then half-closes, since a proxy or a cancel can look like a bare half-close.
        """
        if self._input_ended:
            return
        await self._send(StreamingRecognizeRequest(end_of_audio=common_pb2.EndOfInput()))
        self._input_ended = True
        try:
            if self._call is not None:
                await self._call.done_writing()
        except (asyncio.InvalidStateError, grpc.RpcError):
            return  # The server ended the call on end_of_audio, before the half-close got there.

    async def _open(self) -> AsyncIterator[StreamingRecognizeResponse]:
        """One attempt; gives the rest of the messages."""
        call = self._open_call(self._options)
        self._call, self._status = call, StatusRecorder(call, self.request_id)
        await self._write(StreamingRecognizeRequest(config=self._config))
        messages = aiter(call)
        try:
            event = event_from_proto(await anext(messages))
        except StopAsyncIteration:
            event = None
        except (asyncio.CancelledError, grpc.RpcError):
            if _cancelled_here():
                raise
            raise await self._failure() from None
        if event is None:
            raise await self._failure()
        if not isinstance(event, SessionStarted):
            raise self._own_error(
                grpc.StatusCode.INTERNAL, "the stream did not start with session_started"
            )
        self._session = event
        return messages

    def _abandon(self) -> None:
        if self._call is not None:
            self._call.cancel()

    def _backoff_s(self, attempt: int, retry_after_ms: int | None) -> float:
        longest = min(self._retry.max_backoff_s, self._retry.initial_backoff_s * 2 ** (attempt - 1))
        return max(longest * random.uniform(0.8, 1.2), (retry_after_ms or 0) / 1000)

    async def _read(self, messages: AsyncIterator[StreamingRecognizeResponse]) -> None:
        try:
            self._update_room()
            async for message in messages:
                self._take(message)
                await self._room.wait()
        except (asyncio.CancelledError, grpc.RpcError):
            if _cancelled_here():
                raise
            self._finish(await self._failure())
        else:
            self._finish(await self._failure() if self._ended is None else None)

    def _take(self, message: StreamingRecognizeResponse) -> None:
        event = event_from_proto(message)
        if event is None:
            return
        if isinstance(event, SessionEnded):
            self._ended = event
        self._events.append(event)
        self._readable.set()
        self._update_room()
        if isinstance(event, ControlAck):
            pending = next((ack for ack in self._acks if ack.control_id == event.control_id), None)
            if pending is not None:
                self._acks.remove(pending)
                pending.resolve(event)

    def _finish(self, error: Exception | None) -> None:
        if self._done:
            return
        self._done, self._error = True, error
        self._readable.set()
        while self._acks:
            lost = self._own_error(grpc.StatusCode.UNKNOWN, "the stream ended without this ack")
            self._acks.popleft().resolve(error or lost)

    def _update_room(self) -> None:
        if self._acks_wanted or len(self._events) < MAX_UNREAD_EVENTS:
            self._room.set()
        else:
            self._room.clear()

    def _want_acks(self, change: int) -> None:
        self._acks_wanted += change
        self._update_room()

    def _next_control_id(self) -> str:
        return f"c{next(self._control_ids)}"

    async def _send_control(
        self, control_id: str, message: StreamingRecognizeRequest
    ) -> PendingAck:
        # Registered before it is sent: the answer may come while the send still waits.
        pending = PendingAck(control_id, self._want_acks)
        self._acks.append(pending)
        try:
            await self._send(message)
        except BaseException:
            if pending in self._acks:
                self._acks.remove(pending)
            raise
        return pending

    async def _send(self, message: StreamingRecognizeRequest) -> None:
        async with self._sending:  # gRPC takes one send at a time.
            if self._input_ended:
                raise RuntimeError("nothing can be sent after end_audio()")
            await self._write(message)

    async def _write(self, message: StreamingRecognizeRequest) -> None:
        if self._call is None:
            raise RuntimeError("the stream is not open; use it in `async with`")
        try:
            await self._call.write(message)
        except (asyncio.CancelledError, asyncio.InvalidStateError, grpc.RpcError):
            if _cancelled_here():
                raise
            raise await self._failure() from None

    async def _failure(self) -> Exception:
        """Why the call ended; an end that looks well but came too early is a failure too."""
        if self._error is not None:
            return self._error
        error = await self._status.error() if self._status is not None else None
        return error or errors.StreamInterruptedError(
            grpc.StatusCode.UNKNOWN,
            "the stream closed early, without session_ended; results may be incomplete",
            reason="STREAM_INTERRUPTED",
            request_id=self.request_id,
        )

    def _own_error(self, code: grpc.StatusCode, message: str) -> errors.SpeechApiError:
        return errors.from_status(code, message, None, self.request_id)


def _cancelled_here() -> bool:
    """Whether the running task was cancelled: grpc.aio raises CancelledError for a peer's cancel too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
