"""A session over bidirectional streams: what the streams of all services have in common.

Rules:
- One background task reads, so an ack can be awaited without iterating. It stops reading (and HTTP/2 then slows the
  server) while ``MAX_UNREAD_EVENTS`` wait for the caller, unless the caller awaits an ack that lies behind them.
- Opening is retried while the server says UNAVAILABLE: no input was sent yet, so nothing can be lost or doubled.
- A session whose call is lost, or whose server drains, goes on in another call, as far as its ``Recovery`` can and its
  ``ReconnectPolicy`` lets it. Whoever sends meanwhile waits. Without either, nothing is retried.
"""

import asyncio
import itertools
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import replace
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

import grpc
from google.protobuf.message import Message

from speech_client import errors
from speech_client.channel import CallOptions, RetryPolicy
from speech_client.events import (
    ControlAck,
    GoingAway,
    Reconnected,
    SessionEnded,
    SessionStarted,
)
from speech_client.part import CallPart, OpenCall
from speech_client.reconnect import (
    NEVER,
    CannotResumeError,
    ReconnectPolicy,
    is_lost,
    may_pass,
)
from speech_client.resume import NoRecovery, Recovery
from speech_client.sent_log import ENDS, payload

MAX_UNREAD_EVENTS = 1000
_MOVE_S = 5.0
"""A server that drains is not read for longer while another is looked for."""

Request = TypeVar("Request", bound=Message)
Event = TypeVar("Event")


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
        reconnect: ReconnectPolicy = NEVER,
        recovery: Recovery | None = None,
    ) -> None:
        """``config`` is the first message; ``decode`` turns a server message into an event, or None to skip it."""
        self._open_call = open_call
        self._config = config
        self._decode = decode
        self._options = call_options.with_request_id()
        self._retry = retry
        self._reconnect = reconnect
        self._recovery: Recovery = NoRecovery()
        if recovery is not None and reconnect.attempts:
            self._recovery = recovery
        self._deadline_s: float | None = None
        self._part: CallPart | None = None
        self._live: CallPart | None = None
        """Takes what is sent; None while there is no call, or what was sent before is sent again."""
        self._settled = asyncio.Event()
        """There is a live call, or the session is over."""
        self._session: SessionStarted | None = None
        self._token = ""
        self._tries = 0
        """To open another call, since anything final came."""
        self._tried_mark: object = None
        self._moves = 0
        """Servers that were looked for because one drains."""
        self._move_at_s: float | None = None
        """When to look for the next; None: this one stays."""
        self._reader: asyncio.Task[None] | None = None
        self._replay: asyncio.Task[None] | None = None
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
        """The open session; of one that went on elsewhere, what the newest server said."""
        if self._session is None:
            raise RuntimeError("the stream is not open; use it in `async with`")
        return self._session

    @property
    def ended(self) -> SessionEnded | None:
        """The session's summary; None until it came."""
        return self._ended

    @property
    def request_id(self) -> str:
        """Name of the session's calls in the server's log."""
        return self._options.request_id

    async def __aenter__(self) -> Self:
        if self._options.timeout_s is not None:
            self._deadline_s = _now_s() + self._options.timeout_s
        for attempt in itertools.count(1):
            try:
                part = await self._open(self._config)
            except errors.UnavailableError as error:
                if attempt >= self._retry.attempts:
                    raise
                await asyncio.sleep(self._retry.backoff_s(attempt, error.retry_after_ms))
            else:
                self._go_live(part)
                self._reader = asyncio.create_task(self._serve(part), name="speech-client-read")
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
        if self._part is not None:
            self._part.cancel()
        for task in (self._reader, self._replay):
            if task is not None:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)
        if self._part is not None:
            self._part.cancel()
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

    # --- sending ---

    async def finish(self, last: Request) -> None:
        """Send the message that ends the input, then half-close; a second time does nothing.

        A bare half-close would mean the same, but a proxy or a cancel can look like one.
        """
        if not self._input_ended:
            await self.send(last)

    async def send(self, message: Request) -> None:
        """Send a message of the service, for what the methods do not offer; waits while the server takes no more, and
        while a lost session goes on elsewhere."""
        async with self._sending:  # gRPC takes one send at a time.
            if self._input_ended:
                raise RuntimeError("nothing can be sent after the end of the input")
            if self._part is None:
                raise RuntimeError("the stream is not open; use it in `async with`")
            if self._done:
                raise self._error or errors.interrupted(self.request_id)
            part = self._live
            self._recovery.sent(message, live=part is not None)
            if part is None or not await self._arrives(part, message):
                # It is sent again, with all that is not final, once there is another call.
                await self._settled.wait()
                if self._done:
                    raise self._error or errors.interrupted(self.request_id)
            self._input_ended = payload(message) in ENDS

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

    async def _arrives(self, part: CallPart, message: Message) -> bool:
        try:
            await self._put(part, message)
        except errors.SpeechApiError:
            self._gone(part)
            return False
        return True

    async def _put(self, part: CallPart, message: Message) -> None:
        await part.write(message)
        if payload(message) in ENDS:
            await part.done_writing()

    # --- calls ---

    async def _open(self, first: Message, within_s: float | None = None) -> CallPart:
        """One attempt at a call; raises SpeechApiError."""
        options = self._options
        if self._deadline_s is not None:
            options = replace(options, timeout_s=max(0.0, self._deadline_s - _now_s()))
        part = CallPart(self._open_call, options)
        try:
            async with asyncio.timeout(within_s):
                session = await part.open(first, self._decode)
        except TimeoutError:
            raise self._own_error(grpc.StatusCode.UNAVAILABLE, "no answer came in time") from None
        self._session, self._token, self._part = session, session.resume_token, part
        return part

    async def _serve(self, part: CallPart) -> None:
        """Read what the calls of the session say, to its end."""
        following: CallPart | None = part
        try:
            while following is not None:
                following = await self._follow(following)
        except Exception as error:  # noqa: BLE001 - whoever iterates or sends would wait for ever
            if self._part is not None:
                self._part.cancel()
            self._finish(error)

    async def _follow(self, part: CallPart) -> CallPart | None:
        """Read one call; gives the call that the session goes on in, or None: it is over."""
        self._update_room()
        while (message := await part.read()) is not None:
            self._take(message)
            await self._room.wait()
            if self._move_at_s is not None and _now_s() >= self._move_at_s:
                moved = await self._move()
                if moved is not None:
                    part.cancel()
                    return moved
        self._gone(part)
        error = await part.error()
        if error is None and self._ended is not None:
            self._finish(None)
            return None
        try:
            return await self._go_on(error or errors.interrupted(self.request_id))
        except errors.SpeechApiError as last:
            self._finish(last)
            return None

    async def _go_on(self, error: errors.SpeechApiError) -> CallPart:
        """Open another call in place of one that ended with ``error``; raises the last error where that fails."""
        policy, lost_s = self._reconnect, _now_s()
        if not is_lost(error):
            raise error
        reason = error.reason
        for waits in itertools.count():
            delay_s = policy.backoff_s(waits, error.retry_after_ms)
            left_s = policy.total_s - (_now_s() - lost_s) - delay_s
            if left_s < 0 or not self._may_try():
                raise error
            try:
                first = self._recovery.first(self._token)
                await asyncio.sleep(delay_s)
                self._tries += 1
                part = await self._open(first, left_s)
                self._resume(part, reason, waits + 1, _now_s() - lost_s)
            except CannotResumeError as why:
                error.add_note(f"The session did not go on in another call: {why}.")
                raise error from None
            except errors.SpeechApiError as failure:
                if not may_pass(failure):
                    raise
                error = failure
            else:
                return part
        raise AssertionError("the loop ends by itself")

    def _may_try(self) -> bool:
        """Whether another try is allowed: so many in a row, without anything final in between, help nobody."""
        mark = self._recovery.mark()
        if mark != self._tried_mark:
            self._tried_mark, self._tries = mark, 0
        return self._tries < self._reconnect.attempts

    async def _move(self) -> CallPart | None:
        """The server drains: look for another while this one still serves. None: not yet."""
        began_s, old = _now_s(), (self._session, self._token, self._part)
        self._move_at_s = began_s + self._reconnect.backoff_s(self._moves, None)
        if not self._recovery.may_move():
            return None
        self._moves += 1
        try:
            part = await self._open(self._recovery.first(self._token), _MOVE_S)
        except CannotResumeError:
            self._move_at_s = None
            return None
        except errors.SpeechApiError:
            return None
        try:
            self._resume(part, "GOING_AWAY", 1, _now_s() - began_s)
        except CannotResumeError:
            part.cancel()
            self._session, self._token, self._part = old
            return None
        self._move_at_s = None
        return part

    def _resume(self, part: CallPart, reason: str, tries: int, pause_s: float) -> None:
        """Go on in ``part``: what is not final is sent again, in the background. Raises CannotResumeError."""
        told = self._recovery.resumed()
        self._live = self._ended = None
        self._settled.clear()
        if self._replay is not None:
            self._replay.cancel()
        raw: Any = self.session.raw
        resend_from_ms = raw.session_started.resend_from_ms if raw is not None else 0
        for event in (Reconnected(reason, tries, round(pause_s * 1000), resend_from_ms), *told):
            self._tell(event)
        self._replay = asyncio.create_task(self._send_again(part), name="speech-client-resend")

    async def _send_again(self, part: CallPart) -> None:
        try:
            while (message := self._recovery.next()) is not None:
                await self._put(part, message)
        except errors.SpeechApiError:
            return  # The reader sees the end of the call.
        if part is self._part:
            self._go_live(part)

    def _go_live(self, part: CallPart) -> None:
        self._live = part
        self._settled.set()

    def _gone(self, part: CallPart) -> None:
        """The call takes nothing more."""
        if part is not self._part or self._done:
            return  # another has taken its place, or none will
        self._live = None
        self._settled.clear()
        if self._replay is not None:
            self._replay.cancel()

    # --- events ---

    def _take(self, message: Any) -> None:
        event = self._decode(message)
        if event is None:
            return
        if isinstance(event, SessionEnded):
            self._ended = event  # the caller is told once the status says that it is true
            return
        if isinstance(event, GoingAway) and event.resume_token:
            self._token = event.resume_token
            self._move_at_s = _now_s() + self._reconnect.backoff_s(self._moves, None)
        for told in self._recovery.taken(event):
            self._tell(told)

    def _tell(self, event: Any) -> None:
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
        for event in self._recovery.given_up():
            self._tell(event)
        if self._ended is not None:
            self._tell(self._ended)
        self._done, self._error = True, error
        self._readable.set()
        self._settled.set()
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

    def _own_error(self, code: grpc.StatusCode, message: str) -> errors.SpeechApiError:
        return errors.from_status(code, message, None, self.request_id)


def _now_s() -> float:
    return asyncio.get_running_loop().time()
