"""Starts ``speech-service serve`` as a process of its own, as an operator would."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
START_S = 100.0
_LINE = re.compile(r"serving grpc=(\d+) admin=(\d+) metrics=(\d+)")
FAKE_TOML = """
[[models]]
kind = "recognizer/fake"
[models.options]
step_ms = {step_ms}
[vad]
kind = "fake"
"""
FREE_PORTS = (
    "--set=server.listen=127.0.0.1:0",
    "--set=server.admin_listen=127.0.0.1:0",
    "--set=server.metrics_listen=127.0.0.1:0",
    "--set=server.admission=fixed",  # what a test asks for is not for a busy machine to refuse
)


def environment() -> dict[str, str]:
    """That of the tests, less what configures a service."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SPEECH_")}
    paths = [ROOT, ROOT / "proto/gen/python", ROOT / "clients/python"]
    return kept | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONUNBUFFERED": "1"}


@dataclass(slots=True)
class ServerProcess:
    """A running ``serve``."""

    process: asyncio.subprocess.Process
    public: int
    admin: int
    metrics: int
    errors: list[str] = field(default_factory=list[str])

    @property
    def target(self) -> str:
        """Address of the public port."""
        return f"127.0.0.1:{self.public}"

    def signal(self, number: int = signal.SIGTERM) -> None:
        """Send a signal."""
        self.process.send_signal(number)

    async def exit_code(self, timeout_s: float) -> int:
        """Wait for the end."""
        async with asyncio.timeout(timeout_s):
            return await self.process.wait()


@asynccontextmanager
async def serving(
    *arguments: str, launcher: Sequence[str] = (), flags: Sequence[str] = (), cwd: Path = ROOT
) -> AsyncIterator[ServerProcess]:
    """A server process for as long as the block runs; killed at its end if it still lives.

    ``launcher`` begins the command line, ``flags`` are those of the interpreter.
    """
    python = (*launcher, sys.executable, *flags)
    process = await asyncio.create_subprocess_exec(
        *(*python, "-m", "speech_service", "serve", *FREE_PORTS, *arguments),
        cwd=cwd,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    server = ServerProcess(process, 0, 0, 0)

    async def keep_errors(stream: asyncio.StreamReader) -> None:
        async for line in stream:
            server.errors.append(line.decode())

    keeping = asyncio.create_task(keep_errors(process.stderr))
    try:
        async with asyncio.timeout(START_S):
            line = (await process.stdout.readline()).decode()
        match = _LINE.match(line)
        assert match, f"{line!r} {server.errors}"
        server.public, server.admin, server.metrics = map(int, match.groups())
        yield server
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()
        await keeping


async def run_serve(*arguments: str) -> tuple[int, str]:
    """Run ``serve`` to its end; returns its exit code and what it wrote."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speech_service", "serve", *arguments),
        cwd=ROOT,
        env=environment(),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(START_S):
        out, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode()
