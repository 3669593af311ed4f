"""The one loop of a bidirectional stream: read, feed the session, write, notice the end.

Facts of grpc.aio that shape it (measured on 1.75 to 1.85): the request iterator of a cancelled, expired or dropped
call just ends, as at a half-close; ``CancelledError`` comes later or never. So a done-callback of the context aborts
the session's work, and only what the client says (``end_of_audio``, or half-close while the call lives) ends it well.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

from google.protobuf.message import Message
from grpc import aio
from loguru import logger

from speech_service.calls.admission import gave_up
from speech_service.calls.driver import SessionRunner
from speech_service.calls.outbox import Outbox
from speech_service.calls.quotas import Meter
from speech_service.config.tree import StreamConfig
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    CancelledWorkError,
    InternalError,
    InvalidFieldError,
    QuotaExceededError,
    SpeechError,
    StreamAbortedError,
    UnauthenticatedError,
    UnavailableError,
)
from speech_service.domain.recognition import Pacing
from speech_service.edge.status import RpcStatus
from speech_service.tasks import keep

T = TypeVar("T")
Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response")
Event = TypeVar("Event")
Event_contra = TypeVar("Event_contra", contravariant=True)
RequestIn = TypeVar("RequestIn", contravariant=True)
ResponseOut = TypeVar("ResponseOut", covariant=True)

MAX_WAITING_EVENTS = 256
_WATCH_S = 1.0


class OpenedStream(Protocol[RequestIn, ResponseOut, Event_contra]):
    """One stream of an RPC, made by its first message: it knows what the others mean, and what is answered."""

    @property
    def runner(self) -> SessionRunner[Any, Any]:
        """Drives its session."""
        ...

    async def message(self, request: RequestIn) -> bool:
        """Handle a message after the first. False: the client said that no more follow."""
        ...

    async def half_close(self) -> None:
        """Nothing more will come: flush, and let the session end."""
        ...

    def responses(self, event: Event_contra) -> Sequence[ResponseOut]:
        """What the client is told of an event: any number of messages, none included."""
        ...

    def sent(self, event: Event_contra) -> None:
        """The event was handed to the transport: the client reads, more may be made for it."""
        ...

    async def close(self) -> None:
        """The stream is over: free what it holds."""
        ...


Opener = Callable[[Request, Outbox[Event]], Awaitable[OpenedStream[Request, Response, Event]]]
"""Checks the first message and starts the session, whose events go to the outbox."""


class StreamPump(Generic[Request, Response, Event]):
    """Runs one stream. ``drain`` may be called from outside at any time."""

    def __init__(
        self,
        opener: Opener[Request, Event, Response],
        config: StreamConfig,
        call: Call,
        meter: Meter,
    ) -> None:
        """``meter``: charges the caller."""
        self._meter = meter
        self._stopped_by: SpeechError | None = None
        """Why nothing more is read, and what the stream ends with; None where the server drains."""
        self._opener = opener
        self._config = config
        self._call = call
        self._outbox = Outbox[Event]()
        self._opened: OpenedStream[Request, Response, Event] | None = None
        self._opening = asyncio.Event()
        """Set once the stream is open, or cannot be opened."""
        self._serving: asyncio.Task[Any] | None = None
        self._drained: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """A future and no event: to wait for it needs no task, of which a thousand cancelled streams have enough."""
        self._reader: asyncio.Task[SpeechError | None] | None = None
        self._given_up: SpeechError | None = None
        """What the stream ends with, now that the server waits no longer."""
        self._in_message = False
        self._is_heard_out = False
        """The client has said that nothing more comes."""
        self._drain_ms: int | None = None
        self._waiting_since_s: float | None = None
        """Since when the client has said nothing; None while its last message is being handled."""

    async def run(
        self, requests: AsyncIterator[Request], context: aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Response]:
        """Yield the stream's responses.

        Raises:
            SpeechError: the stream failed; what was ready before went out before.
        """
        self._call.when_over(self._call_done)
        self._serving = asyncio.current_task()
        reader = self._reader = _heard(asyncio.create_task(self._read(requests)))
        watcher = keep(lambda: self._watch(context), "stream-watch")
        try:
            while (event := await self._outbox.get()) is not None:
                await self._opening.wait()
                if self._opened is None:
                    break
                for response in self._opened.responses(event):
                    yield response
                self._opened.sent(event)
            error = self._given_up or await reader
            if error is not None:
                raise error
        finally:
            for task in (reader, watcher):
                task.cancel()
            await asyncio.wait([reader, watcher])
            if self._opened is not None:
                self._opened.runner.close(CancelledWorkError("the call is over"))
                await self._opened.close()

    def going_away(self, drain_ms: int) -> None:
        """Tell the client that the server drains: now, or once its session is open."""
        self._drain_ms = drain_ms
        if self._opened is not None:
            runner = self._opened.runner
            runner.perform_now(runner.session.going_away(drain_ms))

    def drain(self) -> None:
        """Stop reading; what was received still gets its FINALs, then the stream ends with UNAVAILABLE."""
        if not self._drained.done():
            self._drained.set_result(None)

    def _stop(self, error: SpeechError) -> None:
        """As ``drain``, with another end."""
        if not self._drained.done():
            self._stopped_by = error
            self.drain()

    def give_up(self) -> None:
        """End the stream now, with UNAVAILABLE after what is ready: the server waits no longer."""
        error = gave_up()
        self._given_up = error
        self.drain()
        if self._opened is not None:
            self._opened.runner.give_up(error)
        if self._reader is not None:
            self._reader.cancel()
        self._outbox.close()

    # --- reading ---

    async def _read(self, requests: AsyncIterator[Request]) -> SpeechError | None:
        """Feed the session until it is finished; returns how it ended."""
        try:
            error = await self._converse(requests)
        except SpeechError as failure:
            error = failure
        except asyncio.CancelledError:
            raise
        except Exception as failure:  # noqa: BLE001 - a bug must end this stream only, and be logged
            logger.opt(exception=failure).error("request {} failed", self._call.request_id)
            error = InternalError("the session failed; the log above says how")
        finally:
            self._opening.set()
        if error is not None and self._opened is not None:
            self._opened.runner.close(error)
        self._outbox.close()
        return error

    async def _converse(self, requests: AsyncIterator[Request]) -> SpeechError | None:
        opened = self._opened = await self._opener(await self._first(requests), self._outbox)
        self._opening.set()
        runner = opened.runner
        if self._drain_ms is not None:
            self.going_away(self._drain_ms)
        feeding = _heard(asyncio.create_task(self._feed(requests, opened)))
        try:
            await asyncio.wait(
                [feeding, self._drained, runner.finished], return_when=asyncio.FIRST_COMPLETED
            )
            if feeding.done():
                feeding.result()  # raises what was wrong with a message
            elif not runner.finished.done():
                await self._stop_feeding(feeding, opened)
            error = await runner.finished
            return error or (self._why_drained() if self._drained.done() else None)
        finally:
            feeding.cancel()
            await asyncio.wait([feeding])

    async def _first(self, requests: AsyncIterator[Request]) -> Request:
        """The first message; neither a silent client nor a drain waits for it for ever."""
        first = _heard(asyncio.ensure_future(anext(requests, None)))
        timeout_s = self._config.config_timeout_s
        try:
            await asyncio.wait(
                [first, self._drained], timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED
            )
            if first.done():
                request = first.result()
                if request is None:
                    problem = "is missing: the stream ended without a message"
                    raise InvalidFieldError("config", problem, "config first")
                _check_config(request)
                return request
            if self._drained.done():
                raise self._why_drained()
            raise StreamAbortedError(
                f"no first message within {timeout_s:g} s", reason="CONFIG_TIMEOUT"
            )
        finally:
            first.cancel()
            await asyncio.wait([first])

    def _why_drained(self) -> SpeechError:
        return self._stopped_by or _draining()

    async def _feed(
        self, requests: AsyncIterator[Request], opened: OpenedStream[Request, Response, Event]
    ) -> None:
        runner = opened.runner
        clock = asyncio.get_running_loop().time
        self._waiting_since_s = clock()
        async for request in requests:
            self._waiting_since_s = None
            self._in_message = True
            runner.readable.clear()
            more = await opened.message(request)
            self._in_message = False
            if not more or self._drained.done():
                break
            await self._wait_for_room(runner)
            runner.readable.set()
            self._waiting_since_s = clock()
        self._waiting_since_s = None
        self._is_heard_out = True
        await opened.half_close()

    async def _stop_feeding(
        self, feeding: "asyncio.Task[None]", opened: OpenedStream[Request, Response, Event]
    ) -> None:
        """Stop reading. A message that is being handled is handled to its end: nothing of it is lost."""
        if self._in_message:
            await feeding  # it sees the drain behind this message, and flushes
            return
        feeding.cancel()
        await asyncio.wait([feeding])
        await opened.half_close()

    async def _wait_for_room(self, runner: SessionRunner[Any, Any]) -> None:
        """Back-pressure: not reading lets HTTP/2 flow control slow the sender."""
        while not runner.finished.done() and (
            runner.session.undecoded_ms > self._config.max_buffered_audio_ms
            or len(self._outbox) > MAX_WAITING_EVENTS
            or (self._call.pacing is Pacing.FILE and self._exceeded() is not None)
        ):
            runner.changed.clear()
            try:
                async with asyncio.timeout(_WATCH_S):
                    await runner.changed.wait()
            except TimeoutError:
                continue  # the outbox empties without a work event

    # --- watching ---

    async def _watch(self, context: aio.ServicerContext[Any, Any]) -> None:
        """Heartbeats, the idle limit, clients that do not read or may not go on."""
        loop = asyncio.get_running_loop()
        next_progress_s = loop.time() + self._config.progress_interval_s
        while True:
            await asyncio.sleep(min(_WATCH_S, self._config.progress_interval_s))
            now_s = loop.time()
            if self._outbox.blocked_s > self._config.slow_reader_timeout_s:
                await self._abort_slow_reader(context)
                return
            self._check_caller()
            if self._opened is None or self._opened.runner.finished.done():
                continue
            runner = self._opened.runner
            if now_s - (self._waiting_since_s or now_s) > self._config.idle_timeout_s:
                runner.close(
                    StreamAbortedError(
                        f"nothing was heard for {self._config.idle_timeout_s:g} s; send audio, "
                        "silence or keep_alive",
                        reason="IDLE_TIMEOUT",
                    )
                )
            elif now_s >= next_progress_s:
                next_progress_s = now_s + self._config.progress_interval_s
                runner.perform_now(runner.session.tick())

    def _check_caller(self) -> None:
        """Stop a stream whose credential is good no longer, or whose caller has used what it may. One that is only
        finishing goes on."""
        if self._is_heard_out:
            return
        lease, limit_s = self._call.principal.lease, self._config.expired_credential_s
        ended_for_s = lease.ended_for_s(time.monotonic())
        if ended_for_s is not None and ended_for_s >= limit_s:
            self._stop(
                UnauthenticatedError(
                    "the key or token that opened the stream has expired or was revoked; continue on a new stream",
                    reason="CREDENTIALS_EXPIRED",
                )
            )
        elif (error := self._exceeded()) is not None and self._call.pacing is not Pacing.FILE:
            self._stop(error)

    def _exceeded(self) -> QuotaExceededError | None:
        """Charge for what has come until now; returns the quota that is used up."""
        if not self._meter.is_on or self._opened is None:
            return None
        self._meter.charge(self._opened.runner.session.ended().usage)
        return self._meter.exceeded()

    async def _abort_slow_reader(self, context: aio.ServicerContext[Any, Any]) -> None:
        """The writer is stuck in flow control, so the status is sent from here.

        It waits behind the messages that the client does not take. A client that reads on gets it; one that does
        not is cut off, so that it holds no place among the streams.
        """
        error = StreamAbortedError(
            f"the client did not read for {self._config.slow_reader_timeout_s:g} s",
            reason="CLIENT_NOT_READING",
        )
        if self._opened is not None:
            self._opened.runner.close(error)
        try:
            async with asyncio.timeout(self._config.slow_reader_timeout_s):
                await context.abort_with_status(RpcStatus(error, self._call.request_id))
        except aio.AbortError:
            return
        except TimeoutError:
            if self._serving is not None:
                self._serving.cancel()

    def _call_done(self) -> None:
        """The call is over, however: give its work up at once."""
        if self._opened is not None:
            self._opened.runner.close(CancelledWorkError("the call is over"))
        self._outbox.close()


def _check_config(first: Message) -> None:
    """The request of a server stream has no payload to choose from: it is config and content in one."""
    if "payload" not in first.DESCRIPTOR.oneofs_by_name:
        return
    kind = first.WhichOneof("payload")
    if kind != "config":
        raise InvalidFieldError(
            "config",
            f"the first message is {kind or 'empty'}",
            "config first, then any other message",
            reason="CONFIG_EXPECTED",
        )


def _heard(task: "asyncio.Task[T]") -> "asyncio.Task[T]":
    """Whoever ends early does not ask how its tasks ended; without this asyncio logs that nobody did."""
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
    return task


def _draining() -> SpeechError:
    return UnavailableError(
        "the server is shutting down; everything received was transcribed, continue on a new stream",
        reason="DRAINING",
        retry_after_ms=1000,
    )
