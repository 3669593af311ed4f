"""The metrics page over HTTP: prometheus-client's handler, on a thread of its own, that nobody can hold up."""

import asyncio
import contextlib
import errno
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loguru import logger
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import MetricsHandler

MAX_CONNECTIONS = 16
"""Each connection has a thread. Scrapers are few; a connection above this number is closed unread."""
MAX_CONNECTION_S = 10.0
"""Seconds for a request to arrive and its page to be made and sent: a client that takes longer is cut off."""
_POLL_S = 0.1
_SHORTAGE_PAUSE_S = 1.0
_SHORTAGE_LOG_INTERVAL_S = 60.0
_SHORTAGES = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)


class MetricsServer:
    """Serves a registry, in the Prometheus text format or, where the scraper asks for it, as OpenMetrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._listener: _MetricsListener | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port.

        Raises:
            OSError: there is no such host, or the address is in use or not ours.
        """
        found = await asyncio.to_thread(_resolved, host, port)
        self._serve(_MetricsListener(*found, self._registry))
        assert self._listener is not None
        return self._listener.server_port

    async def start_unix(self, path: str) -> None:
        """Listen on a unix socket; one that a server before left there gives way.

        Raises:
            OSError: it cannot be made.
        """
        _remove_socket(path)
        self._serve(_MetricsListener(socket.AF_UNIX, path, self._registry))

    def _serve(self, listener: "_MetricsListener") -> None:
        thread = threading.Thread(
            target=listener.serve_forever, args=(_POLL_S,), name="metrics", daemon=True
        )
        thread.start()
        self._listener = listener

    async def close(self) -> None:
        """Stop listening and end open connections."""
        if self._listener is not None:
            await asyncio.to_thread(self._listener.stop)
            self._listener = None


class _MetricsListener(ThreadingHTTPServer):
    """Accepts. Threads: its own, and one for each connection."""

    request_queue_size = 64

    def __init__(self, family: int, address: Any, registry: CollectorRegistry) -> None:
        """``address`` is what a socket of the ``family`` is bound to."""
        self.address_family = family
        self._lock = threading.Lock()
        self._open: dict[socket.socket, float] = {}
        """Connections, and when they came."""
        self._logged_s = -_SHORTAGE_LOG_INTERVAL_S
        super().__init__(address, MetricsHandler.factory(registry))

    def server_bind(self) -> None:
        """Bind. The base class would look the address up in DNS for a name that nobody reads."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        is_unix = self.address_family == socket.AF_UNIX
        self.server_port = 0 if is_unix else int(self.server_address[1])

    def stop(self) -> None:
        """Stop accepting, end what is open."""
        self.shutdown()
        self.server_close()
        for connection, _ in self._connections():
            _cut(connection)

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept. Where descriptors are short the connection waits, and so does this thread: it would spin."""
        try:
            return super().get_request()
        except OSError as error:
            if error.errno in _SHORTAGES:
                self._log_shortage(error)
                time.sleep(_SHORTAGE_PAUSE_S)
            raise

    def process_request(self, request: object, client_address: object) -> None:
        """Serve the connection on a thread, if there is one left for it."""
        assert isinstance(request, socket.socket)
        with self._lock:
            is_full = len(self._open) >= MAX_CONNECTIONS
            if not is_full:
                self._open[request] = time.monotonic()
        if is_full:
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def shutdown_request(self, request: object) -> None:
        """Forget the connection and close it."""
        assert isinstance(request, socket.socket)
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut off who takes too long; called several times a second."""
        oldest_s = time.monotonic() - MAX_CONNECTION_S
        for connection, came_s in self._connections():
            if came_s < oldest_s:
                _cut(connection)

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what a connection ended with; a client that went away is no news."""
        del request, client_address
        error = sys.exception()
        if isinstance(error, OSError):
            logger.debug("a metrics connection failed: {}", type(error).__name__)
        else:
            logger.opt(exception=error).error("the metrics page failed")

    def _connections(self) -> Iterator[tuple[socket.socket, float]]:
        with self._lock:
            open_ = list(self._open.items())
        return iter(open_)

    def _log_shortage(self, error: OSError) -> None:
        now_s = time.monotonic()
        if now_s - self._logged_s >= _SHORTAGE_LOG_INTERVAL_S:
            self._logged_s = now_s
            logger.warning("metrics cannot be served for now: {}", error.strerror)


def _remove_socket(path: str) -> None:
    with contextlib.suppress(OSError):
        if stat.S_ISSOCK(Path(path).stat().st_mode):
            Path(path).unlink()


def _resolved(host: str, port: int) -> tuple[int, Any]:
    """Give the family and the address of a host; an empty one is every interface."""
    family, _, _, _, address = socket.getaddrinfo(
        host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    return family, address[:2]


def _cut(connection: socket.socket) -> None:
    """End a connection under the thread that serves it: what it waits for fails at once."""
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
