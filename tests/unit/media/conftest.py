"""The tests of a module share one codec process, on one event loop; each must leave it without a child."""

from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from speech_service.media.codec.host import CodecHost
from speech_service.media.decode.pool import DecoderPool
from tests.unit.dispatch.builders import until

HERE = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One event loop for a module, as its codec process belongs to one."""
    for item in items:
        if item.path.parent == HERE and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def codec_process() -> AsyncIterator[CodecHost]:
    host = CodecHost()
    yield host
    await host.close()


@pytest_asyncio.fixture(loop_scope="module")
async def host(codec_process: CodecHost) -> AsyncIterator[CodecHost]:
    yield codec_process
    await until(lambda: not children_of(codec_process))  # else the test left a codec child behind


@pytest_asyncio.fixture(loop_scope="module")
async def pool(host: CodecHost) -> AsyncIterator[DecoderPool]:
    pool = DecoderPool(host=host)
    yield pool
    await pool.close()


def children_of(host: CodecHost) -> list[psutil.Process]:
    """Give the jobs that run now."""
    pid = host.zygote_pid
    return psutil.Process(pid).children() if pid is not None else []
