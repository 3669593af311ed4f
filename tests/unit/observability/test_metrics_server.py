"""The metrics page over HTTP: in both formats, and nobody can hold the server up, flood its log or keep it alive."""

import asyncio
import contextlib
import errno
import os
import resource
import socket
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import pytest
from loguru import logger
from prometheus_client import CollectorRegistry, Counter
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as openmetrics_families,
)
from prometheus_client.parser import text_string_to_metric_families

from speech_service.observability import metrics_server
from speech_service.observability.metrics_server import MAX_CONNECTIONS, MetricsServer

OPENMETRICS = "application/openmetrics-text; version=1.0.0"


@asynccontextmanager
async def serving(registry: CollectorRegistry | None = None) -> AsyncIterator[int]:
    registry = registry or CollectorRegistry()
    Counter("a_thing_total", "Things.", registry=registry).inc()
    server = MetricsServer(registry)
    port = await server.start("127.0.0.1", 0)
    try:
        yield port
    finally:
        await server.close()


@contextmanager
def logged() -> Iterator[list[str]]:
    """What is logged above DEBUG meanwhile."""
    lines: list[str] = []
    sink = logger.add(lines.append, level="INFO", format="{level} {message}")
    try:
        yield lines
    finally:
        logger.remove(sink)


def _get(port: int, path: str = "/metrics", accept: str = "") -> tuple[str, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}")
    if accept:
        request.add_header("Accept", accept)
    with urllib.request.urlopen(request, timeout=60) as response:
        return response.headers["Content-Type"], response.read().decode()


async def get(port: int, path: str = "/metrics", accept: str = "") -> tuple[str, str]:
    """Content type and page."""
    return await asyncio.to_thread(_get, port, path, accept)


async def closed_by_server(reader: asyncio.StreamReader) -> bool:
    """Wait until the server ends the connection."""
    async with asyncio.timeout(60):
        try:
            while await reader.read(4096):
                pass
        except ConnectionError:
            pass
    return True


async def test_the_page_is_text_unless_openmetrics_is_asked_for() -> None:
    async with serving() as port:
        text_type, text = await get(port)
        open_type, opened = await get(port, accept=OPENMETRICS)
    assert text_type == "text/plain; version=0.0.4; charset=utf-8"
    assert open_type.startswith("application/openmetrics-text")
    assert "a_thing" in [family.name for family in text_string_to_metric_families(text)]
    assert "a_thing" in [family.name for family in openmetrics_families(opened)]


async def test_one_metric_can_be_asked_for() -> None:
    registry = CollectorRegistry()
    Counter("another_total", "Others.", registry=registry)
    async with serving(registry) as port:
        _, page = await get(port, "/metrics?name[]=another_total")
    assert "another_total" in page
    assert "a_thing" not in page


async def test_only_reading_is_served() -> None:
    async with serving() as port:
        request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", b"x", method="POST")
        with pytest.raises(urllib.error.HTTPError) as caught:
            await asyncio.to_thread(urllib.request.urlopen, request, timeout=60)
    caught.value.close()
    assert caught.value.code == 501


async def test_an_ipv6_address_is_served() -> None:
    server = MetricsServer(CollectorRegistry())
    try:
        port = await server.start("::1", 0)
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
        pytest.skip("this system has no IPv6")
    reader, writer = await asyncio.open_connection("::1", port)
    writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
    assert b"200 OK" in await reader.read()
    writer.close()
    await server.close()


@pytest.mark.parametrize("host", ["127.0.0.1", "192.0.2.1", "no-such-host.invalid"])
async def test_an_address_that_cannot_be_bound_is_an_error(host: str) -> None:
    """In use, not ours, unknown."""
    async with serving() as port:
        with pytest.raises(OSError, match=r".") as caught:
            await MetricsServer(CollectorRegistry()).start(host, port)
    assert caught.value.strerror


async def test_clients_that_say_nothing_or_never_end_are_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with logged() as lines:
        async with serving() as port:
            monkeypatch.setattr(metrics_server, "MAX_CONNECTION_S", 0.2)
            silent, silent_out = await asyncio.open_connection("127.0.0.1", port)
            endless, endless_out = await asyncio.open_connection("127.0.0.1", port)
            endless_out.write(b"GET /metrics HTTP/1.1\r\nx: y\r\n")
            assert await closed_by_server(silent)
            assert await closed_by_server(endless)
            monkeypatch.undo()
            assert "a_thing_total" in (await get(port))[1]
            silent_out.close()
            endless_out.close()
    assert lines == []


async def test_a_flood_of_connections_takes_few_threads_and_passes() -> None:
    async with serving() as port:
        before = threading.active_count()
        held = [
            await asyncio.open_connection("127.0.0.1", port) for _ in range(MAX_CONNECTIONS * 3)
        ]
        turned_away = [
            asyncio.create_task(closed_by_server(reader)) for reader, _ in held[MAX_CONNECTIONS:]
        ]
        await asyncio.gather(*turned_away)
        assert threading.active_count() <= before + MAX_CONNECTIONS
        for reader, writer in held:
            writer.close()
            await closed_by_server(reader)
        async with asyncio.timeout(60):
            while threading.active_count() > before:  # noqa: ASYNC110 - nothing sets an event
                await asyncio.sleep(0.01)
        assert "a_thing_total" in (await get(port))[1]


async def test_close_ends_the_thread_and_open_connections_and_frees_the_port() -> None:
    server = MetricsServer(CollectorRegistry())
    port = await server.start("127.0.0.1", 0)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await server.close()
    assert await closed_by_server(reader)
    writer.close()
    assert not any(thread.name == "metrics" for thread in threading.enumerate())
    assert await MetricsServer(CollectorRegistry()).start("127.0.0.1", port) == port
    await server.close()


async def test_a_shortage_of_descriptors_is_one_line_costs_little_and_passes() -> None:
    """At 76ad801 the loop's acceptor wrote some thousand tracebacks a minute."""
    with logged() as lines:
        async with serving() as port:
            waiting = socket.socket()
            waiting.setblocking(False)
            with no_descriptors_left():
                assert waiting.connect_ex(("127.0.0.1", port)) in (0, errno.EINPROGRESS)
                before_s = time.process_time()
                async with asyncio.timeout(60):
                    while not lines:  # noqa: ASYNC110 - the log tells when
                        await asyncio.sleep(0.05)
                await asyncio.sleep(1.0)
                used_s = time.process_time() - before_s
            waiting.close()
            assert "a_thing_total" in (await get(port))[1]
    assert len(lines) == 1
    assert "metrics cannot be served for now" in lines[0]
    assert used_s < 0.5, "it must not spin while it waits"


@contextmanager
def no_descriptors_left() -> Iterator[None]:
    """This process can open nothing meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = [os.dup(0)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(taken[0] + 64, soft), hard))
    try:
        with contextlib.suppress(OSError):
            while True:
                taken.append(os.dup(0))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        for descriptor in taken:
            os.close(descriptor)
