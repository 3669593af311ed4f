"""The benchmarks' server harness and client, against the echo servicer."""

import asyncio

import pytest

from benchmarks import client
from benchmarks.client import Settings
from benchmarks.corpus import BYTES_PER_S
from benchmarks.harness import Server, ServerError, Setup

ECHO = Setup(command=("-m", "benchmarks.echo_server", "--reply-every", "2"))


def test_a_paced_session_is_timed_by_its_schedule() -> None:
    async def session(target: str) -> client.Session:
        async with client.connect(target) as stub:
            return await client.stream(stub, "half a second", bytes(BYTES_PER_S // 2), Settings())

    with Server(ECHO, "test-client") as server:
        seen = asyncio.run(session(server.target))
        assert server.cpu().root_s > 0
        assert server.memory().root_rss > 1
        assert server.metrics() == {}
    assert not seen.failed, seen.error
    assert len(seen.send_lags) == 5
    assert min(seen.send_lags) >= 0
    assert [len(seen.partials), len(seen.finals)] == [2, 1]
    delay = seen.final_after_last_audio()
    assert delay is not None
    assert 0 < delay < 5


def test_a_server_that_is_gone_is_an_error_of_the_session() -> None:
    async def session(target: str) -> client.Session:
        async with client.connect(target) as stub:
            return await client.stream(stub, "gone", bytes(3200), Settings(timeout_s=5))

    with Server(ECHO, "test-client") as server:
        target = server.target
    seen = asyncio.run(session(target))
    assert seen.failed
    assert seen.error


def test_a_server_that_does_not_start_says_why() -> None:
    with pytest.raises(ServerError, match="No module named no_such_module"):
        Server(Setup(command=("-m", "no_such_module")), "test-client").__enter__()
