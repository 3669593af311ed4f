"""One pool for the tests of a module would hide leaks: each test has its own."""

from collections.abc import AsyncIterator

import pytest_asyncio

from speech_service.audio.containers import DecoderPool


@pytest_asyncio.fixture
async def pool() -> AsyncIterator[DecoderPool]:
    pool = DecoderPool()
    yield pool
    await pool.close()
