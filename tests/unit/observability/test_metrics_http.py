"""The metrics page over HTTP: what is served, what is refused, and that nobody can hold the server up."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from speech_service.observability import metrics_http
from speech_service.observability.metrics_http import MetricsServer

PAGE = "a_metric 1.0\n"


@asynccontextmanager
async def serving() -> AsyncIterator[int]:
    server = MetricsServer(lambda: PAGE, "text/plain")
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.close()


async def answer(port: int, request: bytes) -> tuple[str, dict[str, str], str]:
    """Status line, headers and body; the server closes the connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    async with asyncio.timeout(10):
        head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    status, *lines = head.split("\r\n")
    return status, dict(line.split(": ", 1) for line in lines), body


async def is_dropped(port: int, request: bytes) -> bool:
    """Whether the server closes the connection without a word."""
    try:
        return await answer(port, request) == ("", {}, "")
    except ConnectionError:
        return True


@pytest.mark.parametrize("target", ["/metrics", "/metrics?name[]=x", "/"])
async def test_the_page_is_served(target: str) -> None:
    async with serving() as port:
        status, headers, body = await answer(port, f"GET {target} HTTP/1.1\r\n\r\n".encode())
    assert status == "HTTP/1.1 200 OK"
    assert headers["Content-Type"] == "text/plain"
    assert headers["Content-Length"] == str(len(PAGE))
    assert body == PAGE


@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("HEAD /metrics HTTP/1.1", "200 OK", ""),
        ("GET /admin HTTP/1.1", "404 Not Found", "the metrics are at /metrics\n"),
        ("POST /metrics HTTP/1.1", "405 Method Not Allowed", "GET and HEAD only\n"),
        ("nonsense", "405 Method Not Allowed", "GET and HEAD only\n"),
    ],
)
async def test_other_requests(request_line: str, status: str, body: str) -> None:
    async with serving() as port:
        got = await answer(port, f"{request_line}\r\nHost: x\r\n\r\n".encode())
    assert (got[0], got[2]) == (f"HTTP/1.1 {status}", body)


async def test_a_head_without_end_and_a_silent_client_are_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(metrics_http, "_TIMEOUT_S", 0.2)
    async with serving() as port:
        flood = b"GET /metrics HTTP/1.1\r\n" + b"x: y\r\n" * 10_000
        assert await is_dropped(port, flood)
        assert await is_dropped(port, b"GET /met")
        assert (await answer(port, b"GET / HTTP/1.1\r\n\r\n"))[2] == PAGE


async def test_an_address_in_use_is_an_error() -> None:
    async with serving() as port:
        with pytest.raises(OSError, match="address"):
            await MetricsServer(lambda: PAGE, "text/plain").start("127.0.0.1", port)
