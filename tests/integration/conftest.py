"""Servers for integration tests."""

from collections.abc import AsyncIterator

import pytest

from tests.integration.harness import Server, running


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server in this process: fake recognizer and detector, inline workers, ports of its own."""
    async with running() as started:
        yield started
