"""Servers for integration tests."""

from collections.abc import AsyncIterator, Iterator

import pytest

from tests.integration.commands import forget_ready_commands
from tests.integration.harness import Server, running


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    """Give a server in this process: fake recognizer and detector, inline workers, ports of its own."""
    async with running() as started:
        yield started


@pytest.fixture(scope="module", autouse=True)
def no_command_line_is_left() -> Iterator[None]:
    """End what forks commands with the file whose tests run them: others count the children of this process."""
    yield
    forget_ready_commands()
