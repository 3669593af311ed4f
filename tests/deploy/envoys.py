"""The real Envoy for tests, which are skipped where it is not installed."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from benchmarks.envoy import Envoy, program, started


@asynccontextmanager
async def envoy(folder: Path, ports: Sequence[int], port: int = 0) -> AsyncIterator[Envoy]:
    """Envoy for as long as the block runs; see ``benchmarks.envoy.started``."""
    if program() is None:
        pytest.skip("envoy is not installed: make check-deploy installs it")
    async with started(folder, ports, port) as running:
        yield running
