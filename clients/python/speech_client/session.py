"""A session over one bidirectional stream: what the streams of all services have in common.

Rules:
- One background task reads, so an ack can be awaited without iterating. It stops reading (and HTTP/2 then slows the
  server) while ``MAX_UNREAD_EVENTS`` wait for the caller, unless the caller awaits an ack that lies behind them.
- Opening is retried while the server says UNAVAILABLE: no input was sent yet, so nothing can be lost or doubled.
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
from typing import Any, Generic, Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from speech_client import errors
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.events import ControlAck, SessionEnded, SessionStarted
from speech_client.status import StatusRecorder

MAX_UNREAD_EVENTS = 1000

Request = TypeVar("Request", bound=Message)
Event = TypeVar("Event")

Call = grpc.aio.StreamStreamCall[Any, Any]
OpenCall = Callable[[CallOptions], Call]


class PendingAck:
    """The answer to one control message; await it. The segment's FINAL has been received when it resolves.

    Awaiting raises SpeechApiError when the stream ends without the answer, and when the answer says that the message
    was not carried out; the stream lives on then.
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


class Session(Generic[Request, Event]):
    """An open stream; each service's own class adds what can be sent.

    Entering opens the session and waits for the server's ``session_started``, so a wrong configuration raises there.
    Iterating gives the events, ends after ``session_ended``, and raises ``SpeechApiError`` when the stream fails.
    Leaving before the end cancels the call.
    """

    def __init__(
        self,
        open_call: OpenCall,
        config: Request,
        decode: Callable[[Any], Event | None],
        call_options: CallOptions,
        retry: RetryPolicy,
    ) -> None:
        """``config`` is the first message; ``decode`` turns a server message into an event, or None to skip it."""
        self._open_call = open_call
        self._config = config
        self._decode = decode
        self._options = call_options.with_request_id()
        self._retry = retry
        self._call: Call | None = None
        self._status: StatusRecorder | None = None
        self._session: SessionStarted | None = None
        self._reader: asyncio.Task[None] | None = None
        self._sending = asyncio.Lock()
        self._input_ended = False
        self._events: deque[Event] = deque()
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
        await self.close()

    async def close(self) -> None:
        """Give the session up: the call is cancelled unless it has ended, and nothing keeps running."""
        self._abandon()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.gather(self._reader, return_exceptions=True)
        self._finish(self._own_error(grpc.StatusCode.CANCELLED, "the stream was closed here"))

    async def fail(self, error: Exception) -> None:
        """Give the session up because its input failed: iterating raises ``error`` after the events that came."""
        self._finish(error)
        await self.close()

    def __aiter__(self) -> AsyncIterator[Event]:
        return self

    async def __anext__(self) -> Event:
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

    async def finish(self, last: Request) -> None:
        """Send the message that ends the input, then half-close; a second time does nothing.

        A bare half-close would mean the same, but a proxy or a cancel can look like one.
        """
        if self._input_ended:
            return
        await self.send(last)
        self._input_ended = True
        try:
            if self._call is not None:
                await self._call.done_writing()
        except (asyncio.InvalidStateError, grpc.RpcError):
            return  # The server ended the call on the last message, before the half-close got there.

    async def send(self, message: Request) -> None:
        """Send a message of the service, for what the methods do not offer; waits while the server takes no more."""
        async with self._sending:  # gRPC takes one send at a time.
            if self._input_ended:
                raise RuntimeError("nothing can be sent after the end of the input")
            await self._write(message)

    async def send_control(self, control_id: str, message: Request) -> PendingAck:
        """Send a control message that carries this id; await the result for its ack."""
        # Registered before it is sent: the answer may come while the send still waits.
        pending = PendingAck(control_id, self._want_acks)
        self._acks.append(pending)
        try:
            await self.send(message)
        except BaseException:
            if pending in self._acks:
                self._acks.remove(pending)
            raise
        return pending

    def new_control_id(self) -> str:
        """An id that this session has not used."""
        return f"c{next(self._control_ids)}"

    async def _open(self) -> AsyncIterator[Any]:
        """One attempt; gives the rest of the messages."""
        call = self._open_call(self._options)
        self._call, self._status = call, StatusRecorder(call, self.request_id)
        await self._write(self._config)
        messages = aiter(call)
        try:
            event = self._decode(await anext(messages))
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

    async def _read(self, messages: AsyncIterator[Any]) -> None:
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

    def _take(self, message: Any) -> None:
        event = self._decode(message)
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
                pending.resolve(event.error or event)

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

    async def _write(self, message: Request) -> None:
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
        return error or errors.interrupted(self.request_id)

    def _own_error(self, code: grpc.StatusCode, message: str) -> errors.SpeechApiError:
        return errors.from_status(code, message, None, self.request_id)


def _cancelled_here() -> bool:
    """Whether the running task was cancelled: grpc.aio raises CancelledError for a peer's cancel too."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
