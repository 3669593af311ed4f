"""The one server interceptor: who calls, request id, error mapping, call observers.

Who is refused is refused before a message of the call is read, or at the latest, where a certificate decides, before
one is parsed: only the handler knows the connection.

Streaming behaviours of this service are async generators, never coroutines that use
``context.write``: one style. Cancellation is always raised on: swallowing it leaks the call
(grpc/grpc#43360).
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from functools import partial
from typing import Any, cast

import grpc
from google.protobuf.message import DecodeError
from grpc import aio
from loguru import logger

from speech_service import __version__
from speech_service.config.tree import Config
from speech_service.domain.call import Call
from speech_service.domain.errors import (
    CancelledWorkError,
    InternalError,
    InvalidFieldError,
    SpeechError,
)
from speech_service.domain.principal import ANONYMOUS, Principal
from speech_service.edge.auth.setup import Door
from speech_service.edge.message_size import MessageSizes
from speech_service.edge.metadata import CallContext, make_call, trailers_of
from speech_service.edge.status import RpcStatus
from speech_service.edge.v1.field_bounds import check_fields
from speech_service.protocols import CallObserver

Context = aio.ServicerContext[Any, Any]
_Continuation = Callable[
    [grpc.HandlerCallDetails], Awaitable["grpc.RpcMethodHandler[Any, Any] | None"]
]

_REQUEST_STREAMS = ("bidi_stream", "client_stream")
_CLOCK_SLACK_S = 0.02
"""A client's deadline began when it sent the call, ours when the call came: its cancellation may be first."""
# Probes of the infrastructure itself: no log line, no span, no request counts.
_QUIET = ("grpc.health.v1.Health", "grpc.reflection", "grpc.channelz")


class CallInterceptor(aio.ServerInterceptor):
    """Wraps every RPC of the server."""

    def __init__(
        self,
        observers: Sequence[CallObserver],
        sizes: MessageSizes | None = None,
        door: Door | None = None,
    ) -> None:
        """``sizes``: of the messages that the server takes; None: those of the default configuration.

        ``door``: asks who calls; None: nobody is asked.
        """
        self._door = door
        self._observers = observers
        self._sizes = sizes or MessageSizes(Config())

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        """Return the handler, wrapped."""
        handler = await continuation(handler_call_details)
        method = str(handler_call_details.method)
        if handler is None:
            return handler
        rpc_type, make_handler, inner = _shape(cast(Any, handler))
        principal: Principal | None = ANONYMOUS
        if self._door is not None and not self._door.gate.is_open(method):
            try:
                metadata = handler_call_details.invocation_metadata or ()
                principal = await self._door.gate.by_metadata(metadata)
            except SpeechError as error:
                return self._refusing(self._door, method, rpc_type, error)
        read = self._reading(handler.request_deserializer)
        is_late = principal is None and not handler.request_streaming
        parse = read if is_late else None
        if method.lstrip("/").startswith(_QUIET):
            behaviour = _quiet(rpc_type, inner, partial(self._check_late, method, principal))
        elif handler.response_streaming:
            behaviour = self._wrap_stream(method, rpc_type, inner, principal, parse)
        else:
            behaviour = self._wrap_unary(method, rpc_type, inner, principal, parse)
        return make_handler(
            behaviour,
            request_deserializer=None if is_late else read,
            response_serializer=handler.response_serializer,
        )

    def _refusing(self, door: Door, method: str, rpc_type: str, error: SpeechError) -> Any:
        """A handler that reads nothing, whatever the shape of the RPC: on the wire they are all the same."""

        async def refuse(_: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            await _refuse(door, _call(method, rpc_type, context), error, context)
            yield  # makes it a generator

        make_handler: Any = grpc.stream_stream_rpc_method_handler
        return make_handler(refuse)

    async def _check_late(self, method: str, principal: Principal | None, context: Context) -> None:
        """As ``_certified``, of a call that is not otherwise noted."""
        if principal is None:
            await self._certified(_call(method, "bidi_stream", context), None, context)

    async def _certified(self, call: Call, principal: Principal | None, context: Context) -> None:
        """Say who calls; where the metadata did not, the certificate does, or the call ends here."""
        if principal is not None:
            call.principal = principal
            return
        assert self._door is not None, "without a door nobody is asked"
        try:
            call.principal = self._door.gate.by_certificate(context.auth_context())
        except SpeechError as error:
            await _refuse(self._door, call, error, context)

    def _reading(self, parse: Callable[[bytes], Any] | None) -> Callable[[bytes], Any] | None:
        """Parse what is small enough; else give the error, for the handler to raise: gRPC's own has no details."""
        if parse is None:
            return None
        size = self._sizes.of(getattr(getattr(parse, "__self__", None), "DESCRIPTOR", None))

        def read(data: bytes) -> Any:
            try:
                size.check(data)
                message = parse(data)
                check_fields(message)
                return message
            except SpeechError as error:
                return error.with_traceback(None)  # its frames would keep the message
            except DecodeError:
                return _malformed()

        return read

    def _wrap_unary(
        self,
        method: str,
        rpc_type: str,
        inner: Any,
        principal: Principal | None,
        parse: Callable[[bytes], Any] | None,
    ) -> Any:
        """``parse``: of a request that was not parsed yet."""

        async def unary(request: Any, context: Context) -> Any:
            call = _call(method, rpc_type, context)
            await self._certified(call, principal, context)
            request = self._begin(call, request if parse is None else parse(request))
            try:
                await self._open(call, context)
                _check(request)
                response = await inner(request, CallContext(context, call))
                call.sent += 1
            except BaseException as error:
                request = None  # see _let_go
                await self._failed(call, error, context)
                raise
            context.set_trailing_metadata(trailers_of(call))
            self._ended(call, "OK")
            return response

        return unary

    def _wrap_stream(
        self,
        method: str,
        rpc_type: str,
        inner: Any,
        principal: Principal | None,
        parse: Callable[[bytes], Any] | None,
    ) -> Any:
        async def stream(request: Any, context: Context) -> AsyncIterator[Any]:
            call = _call(method, rpc_type, context)
            await self._certified(call, principal, context)
            request = self._begin(call, request if parse is None else parse(request))
            try:
                await self._open(call, context)
                _check(request)
                async with aclosing(inner(request, CallContext(context, call))) as responses:
                    async for response in responses:
                        call.sent += 1
                        yield response
            except BaseException as error:
                request = None  # see _let_go
                await self._failed(call, error, context)
                raise
            context.set_trailing_metadata(trailers_of(call))
            self._ended(call, "OK")

        return stream

    def _begin(self, call: Call, request: Any) -> Any:
        for observer in self._observers:
            observer.call_started(call)
        if call.rpc_type in _REQUEST_STREAMS:
            return _counted(call, request)
        call.received += 1
        return request

    async def _open(self, call: Call, context: Context) -> None:
        if call.error is not None:
            raise call.error
        metadata = [("x-request-id", call.request_id), ("x-speech-version", __version__)]
        if call.session_id:
            metadata.append(("x-speech-session-id", call.session_id))
        # A call that was cancelled before it was looked at hears of it here: what it sent would stay in memory
        # (grpc/grpc#43360), and keep the pages around it.
        await asyncio.sleep(0)
        await context.send_initial_metadata(tuple(metadata))

    async def _failed(self, call: Call, error: BaseException, context: Context) -> None:
        """Tell the client and the observers. Returns only where ``error`` is to be raised on."""
        raised = error
        if isinstance(error, asyncio.CancelledError | GeneratorExit):
            self._ended(call, "DEADLINE_EXCEEDED" if _expired(call) else "CANCELLED")
            return
        if isinstance(error, aio.AbortError):
            self._ended(call, "ABORTED")
            return
        if not isinstance(error, SpeechError):
            logger.opt(exception=error).error(
                "request {} of {} failed: {}", call.request_id, call.name, type(error).__name__
            )
            error = InternalError("internal error")
        elif isinstance(error, InternalError):
            logger.error("request {} of {} failed: {}", call.request_id, call.name, error.message)
        call.error = error
        status = RpcStatus(error, call.request_id)
        # The session may hear of the end of its call before this handler does.
        is_late = isinstance(error, CancelledWorkError) and _expired(call)
        _let_go(raised)
        self._ended(call, "DEADLINE_EXCEEDED" if is_late else status.code.name)
        await context.abort_with_status(status)

    def _ended(self, call: Call, code: str) -> None:
        for observer in self._observers:
            observer.call_ended(call, code)


def _call(method: str, rpc_type: str, context: Context) -> Call:
    remaining_s = cast("float | None", context.time_remaining())  # the stub forgets None
    call = make_call(method, rpc_type, context.invocation_metadata() or (), remaining_s)
    call.peer = str(context.peer())
    context.add_done_callback(lambda _: call.over())  # pyright: ignore[reportArgumentType] - the stub wants a keyword that grpc does not use
    return call


def _expired(call: Call) -> bool:
    """Whether the call ended because its time was up; to the handler that looks like any cancellation."""
    return call.deadline_s is not None and call.deadline_s - time.monotonic() <= _CLOCK_SLACK_S


async def _counted(call: Call, requests: AsyncIterator[Any]) -> AsyncIterator[Any]:
    async for request in requests:
        call.received += 1
        _check(request)
        yield request


def _let_go(error: BaseException) -> None:
    """Drop the frames of an error and of what it came of, and with them the request that they hold.

    gRPC keeps the exception of a call that was aborted, whose context this error is, and the exception's frames keep
    the call; so do tasks that failed with it. Only a full collection of garbage ends that, and it may come after a
    thousand calls: of 15 MiB each.
    """
    chain: list[BaseException | None] = [error]
    while chain:
        if (each := chain.pop()) is not None:
            chain += (each.__context__, each.__cause__)
            each.__traceback__ = each.__context__ = each.__cause__ = None


def _malformed() -> SpeechError:
    problem, allowed = "is not a valid message of this RPC", "its protobuf encoding"
    return InvalidFieldError("message", problem, allowed)


def _check(request: object) -> None:
    """Raise what was found wrong with the message when it was read."""
    if isinstance(request, SpeechError):
        raise request


async def _refuse(door: Door, call: Call, error: SpeechError, context: Context) -> None:
    """End a call whose caller may not make it. Raises."""
    status = RpcStatus(error, call.request_id)
    door.refusals.refused(call, error, status.code.name)
    await context.abort_with_status(status)


def _quiet(rpc_type: str, inner: Any, check: Callable[[Context], Awaitable[None]]) -> Any:
    """A handler of the infrastructure's own, that refuses what could not be read."""
    if rpc_type in _REQUEST_STREAMS:

        async def stream(requests: AsyncIterator[Any], context: Context) -> AsyncIterator[Any]:
            await check(context)
            refused: list[SpeechError] = []
            async with aclosing(inner(_readable(requests, refused), context)) as responses:
                async for response in responses:
                    yield response
            if refused:
                await context.abort_with_status(RpcStatus(refused[0], ""))

        return stream

    async def one(request: Any, context: Context) -> Any:
        await check(context)
        if isinstance(request, SpeechError):
            await context.abort_with_status(RpcStatus(request, ""))
        return await inner(request, context)

    return one


async def _readable(requests: AsyncIterator[Any], refused: list[SpeechError]) -> AsyncIterator[Any]:
    """The requests up to one that could not be read, which is kept."""
    async for request in requests:
        if isinstance(request, SpeechError):
            refused.append(request)
            return
        yield request


def _shape(handler: Any) -> tuple[str, Any, Any]:
    """Type name, handler factory and behaviour of a method handler."""
    if handler.request_streaming and handler.response_streaming:
        return "bidi_stream", grpc.stream_stream_rpc_method_handler, handler.stream_stream
    if handler.response_streaming:
        return "server_stream", grpc.unary_stream_rpc_method_handler, handler.unary_stream
    if handler.request_streaming:
        return "client_stream", grpc.stream_unary_rpc_method_handler, handler.stream_unary
    return "unary", grpc.unary_unary_rpc_method_handler, handler.unary_unary
