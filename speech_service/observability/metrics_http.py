"""The metrics page over HTTP/1.1, on the event loop: two methods, one path, one answer for each connection."""

import asyncio
import contextlib
from collections.abc import Callable

_PATHS = ("/metrics", "/")
_MAX_HEAD_BYTES = 8 * 1024
_TIMEOUT_S = 5.0
"""For the request to arrive and for the answer to leave: a client that does neither is dropped."""


class MetricsServer:
    """Serves what ``page`` returns."""

    def __init__(self, page: Callable[[], str], content_type: str) -> None:
        self._page = page
        self._content_type = content_type
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: the address is in use or not ours.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=_MAX_HEAD_BYTES)
        return int(self._server.sockets[0].getsockname()[1])

    async def start_unix(self, path: str) -> None:
        """Listen on a unix socket.

        Raises:
            OSError: it cannot be made.
        """
        self._server = await asyncio.start_unix_server(self._serve, path, limit=_MAX_HEAD_BYTES)

    async def close(self) -> None:
        """Stop listening."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        gone = (
            asyncio.IncompleteReadError,
            asyncio.LimitOverrunError,
            ConnectionError,
            TimeoutError,
        )
        with contextlib.suppress(*gone):
            async with asyncio.timeout(_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(self._answer(head))
                await writer.drain()
        writer.close()

    def _answer(self, head: bytes) -> bytes:
        """The whole answer to a request whose head that is."""
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0].decode("latin-1")
        if method not in (b"GET", b"HEAD"):
            return self._response(
                "405 Method Not Allowed", "GET and HEAD only\n", "Allow: GET, HEAD\r\n"
            )
        if path not in _PATHS:
            return self._response("404 Not Found", "the metrics are at /metrics\n")
        response = self._response("200 OK", self._page())
        return response if method == b"GET" else response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"

    def _response(self, status: str, text: str, header: str = "") -> bytes:
        body = text.encode()
        return (
            f"HTTP/1.1 {status}\r\nContent-Type: {self._content_type}\r\nContent-Length: {len(body)}\r\n"
            f"{header}Connection: close\r\n\r\n"
        ).encode() + body
