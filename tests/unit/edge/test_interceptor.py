"""The interceptor around handlers of every shape: metadata, errors, counts; and what a call reads of its metadata."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from grpc import aio

from speech.v1 import common_pb2
from speech_service.domain.call import Call
from speech_service.domain.errors import InvalidFieldError, StreamAbortedError
from speech_service.edge.interceptor import CallInterceptor
from speech_service.edge.metadata import make_call
from tests.integration.failures import Failure, failure_of, pairs, send
from tests.integration.harness import until

Message = common_pb2.KeepAlive


class Ended:
    """Keeps how calls ended."""

    def __init__(self) -> None:
        self.calls: list[tuple[Call, str]] = []
        self.started = 0

    def call_started(self, call: Call) -> None:
        self.started += 1

    def call_ended(self, call: Call, code: str) -> None:
        self.calls.append((call, code))


class Handlers:
    """One RPC of each shape; the method's name says what it does."""

    async def unary(self, request: Any, context: Any) -> Any:
        return request

    async def refuse(self, request: Any, context: Any) -> Any:
        raise InvalidFieldError("x", "is wrong")

    async def bug(self, request: Any, context: Any) -> Any:
        raise ZeroDivisionError("secret")

    async def stream(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            yield request

    async def abort(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        yield Message()
        raise StreamAbortedError("enough")

    async def hang(self, request: Any, context: Any) -> Any:
        await asyncio.sleep(60)


@asynccontextmanager
async def served() -> AsyncIterator[tuple[aio.Channel, Ended]]:
    ended = Ended()
    server = aio.server(interceptors=[CallInterceptor([ended])])
    handlers = Handlers()
    coded: dict[str, Any] = {
        "request_deserializer": Message.FromString,
        "response_serializer": Message.SerializeToString,
    }
    methods = {
        name: grpc.unary_unary_rpc_method_handler(getattr(handlers, name), **coded)
        for name in ("unary", "refuse", "bug", "hang")
    } | {
        name: grpc.stream_stream_rpc_method_handler(getattr(handlers, name), **coded)
        for name in ("stream", "abort")
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("t.T", methods),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        async with aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel, ended
    finally:
        await server.stop(0)


def unary(channel: aio.Channel, name: str, body: bytes = b"", **options: Any) -> Any:
    return channel.unary_unary(f"/t.T/{name}")(body, **options)


async def test_a_good_unary_call() -> None:
    async with served() as (channel, ended):
        call = unary(channel, "unary", metadata=(("x-request-id", "mine"),))
        assert await call == b""
        initial = pairs(await call.initial_metadata())
        assert initial["x-request-id"] == "mine"
        assert "x-speech-session-id" not in initial
    ((seen, code),) = ended.calls
    assert (seen.service, seen.method, seen.rpc_type, code) == ("t.T", "unary", "unary", "OK")
    assert (seen.received, seen.sent, ended.started) == (1, 1, 1)


async def test_a_good_stream() -> None:
    async with served() as (channel, ended):
        call = channel.stream_stream("/t.T/stream")(iter([b"", b"", b""]))
        assert len([m async for m in call]) == 3
        initial = pairs(await call.initial_metadata())
        assert len(initial["x-request-id"]) == len(initial["x-speech-session-id"]) == 32
    ((seen, code),) = ended.calls
    assert (seen.rpc_type, seen.received, seen.sent, code) == ("bidi_stream", 3, 3, "OK")


async def test_errors() -> None:
    async with served() as (channel, ended):
        (await failure_of(unary(channel, "refuse"))).is_(
            "INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest"
        )
        failure = (await failure_of(unary(channel, "bug"))).is_("INTERNAL", "INTERNAL")
        assert "secret" not in str(failure.details) + failure.message
        call: Any = channel.stream_stream("/t.T/abort")()
        assert await call.read() == b""
        with pytest.raises(aio.AioRpcError) as caught:
            await call.read()
        Failure.of(caught.value).is_("ABORTED", "STREAM_ABORTED")
    assert [code for _, code in ended.calls] == ["INVALID_ARGUMENT", "INTERNAL", "ABORTED"]
    assert [type(call.error).__name__ for call, _ in ended.calls] == [
        "InvalidFieldError",
        "InternalError",
        "StreamAbortedError",
    ]


async def test_bytes_that_are_no_message() -> None:
    async with served() as (channel, ended):
        failure = await failure_of(unary(channel, "unary", b"\xff"))
        failure.is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest").names("message")
        call: Any = channel.stream_stream("/t.T/stream")()
        await send(call, b"")
        await send(call, b"\xff")
        assert await call.read() == b""
        with pytest.raises(aio.AioRpcError) as caught:
            await call.read()
        Failure.of(caught.value).is_("INVALID_ARGUMENT", "INVALID_FIELD", "BadRequest")
    assert [code for _, code in ended.calls] == ["INVALID_ARGUMENT"] * 2


async def test_cancelled_and_expired_are_told_apart() -> None:
    async with served() as (channel, ended):
        call = unary(channel, "hang")
        await until(lambda: ended.started == 1)
        call.cancel()
        await until(lambda: len(ended.calls) == 1)
        timeout_s = 0.1
        while ended.started == 1:  # in so short a time it may not get there at all
            with pytest.raises(aio.AioRpcError):
                await unary(channel, "hang", timeout=timeout_s)
            timeout_s *= 2
        await until(lambda: len(ended.calls) == ended.started)
    assert {code for _, code in ended.calls[1:]} == {"DEADLINE_EXCEEDED"}
    assert ended.calls[0][1] == "CANCELLED"


GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_what_a_call_reads() -> None:
    call = make_call("/a.B/C", "unary", [])
    assert (call.service, call.method, call.priority, call.traceparent) == (
        "a.B",
        "C",
        "default",
        "",
    )
    assert len(call.request_id) == 32
    metadata = [("x-request-id", "r"), ("x-speech-priority", "batch"), ("traceparent", GOOD)]
    call = make_call("/a.B/C", "unary", metadata)
    assert (call.request_id, call.priority, call.traceparent) == ("r", "batch", GOOD)


@pytest.mark.parametrize(
    ("key", "value"),
    [("x-request-id", "a b"), ("x-request-id", "x" * 129), ("x-speech-priority", "no")],
)
def test_what_a_call_refuses(key: str, value: str) -> None:
    call = make_call("/a.B/C", "unary", [(key, value)])
    assert isinstance(call.error, InvalidFieldError)
    assert call.error.field == f"metadata.{key}"
    assert len(call.request_id) in (1, 32)


@pytest.mark.parametrize("value", ["", "x", GOOD[:-1], GOOD.upper(), "01" + GOOD[2:], GOOD + "-1"])
def test_a_malformed_traceparent_is_dropped(value: str) -> None:
    call = make_call("/a.B/C", "unary", [("traceparent", value)])
    assert call.error is None
    assert call.traceparent == ""
