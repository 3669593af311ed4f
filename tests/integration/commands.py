"""Runs commands of ``speech-service``: output, exit codes, and the processes that they are."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 200
"""Only a hang reaches it."""
FOLDER = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Done:
    """A command that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, object]]:
        """Of JSON Lines."""
        return [json.loads(line) for line in self.out.splitlines()]


async def start(*words: str) -> asyncio.subprocess.Process:
    """A command as an operator would start it."""
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "speech_service", *words),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_environment(),
        # A shell starts what runs in its background with SIGINT ignored, and so the tests' own children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


async def cli(*words: str, stdin: bytes | None = None) -> Done:
    """Run a command to its end; with ``stdin`` as an operator would start it, else by ``ready_commands.py``."""
    async with asyncio.timeout(TIMEOUT_S):
        done = await (_forked(words) if stdin is None else _started(words, stdin))
    assert "Traceback" not in done.err
    return done


def _environment() -> dict[str, str]:
    return {**os.environ, "COLUMNS": "200"}


async def _started(words: tuple[str, ...], stdin: bytes) -> Done:
    process = await start(*words)
    try:
        out, err = await process.communicate(stdin)
    finally:
        # Else it is found later, by a test that has nothing to do with it.
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Done(process.returncode, out.decode(), err.decode())


# --- commands that are imported already ---


@dataclass(frozen=True)
class _Ready:
    process: "subprocess.Popen[bytes]"
    control: socket.socket


_ready: list[_Ready] = []


def forget_ready_commands() -> None:
    """End the process that forks commands; the next command starts another."""
    while _ready:
        ready = _ready.pop()
        ready.control.close()
        ready.process.wait(TIMEOUT_S)


def _control() -> socket.socket:
    if not _ready:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.integration.ready_commands", str(theirs.fileno())],
                cwd=FOLDER,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                pass_fds=(theirs.fileno(),),
            )
        _ready.append(_Ready(process, ours))
    return _ready[0].control


async def _forked(words: tuple[str, ...]) -> Done:
    order = {"arguments": words, "environment": _environment(), "folder": str(Path.cwd())}
    read, written = zip(*(os.pipe() for _ in range(3)), strict=True)
    nothing = os.open(os.devnull, os.O_RDONLY)
    try:
        await asyncio.to_thread(
            socket.send_fds, _control(), [json.dumps(order).encode()], [nothing, *written]
        )
    finally:
        for each in (nothing, *written):
            os.close(each)
    out, err, code = await asyncio.gather(*map(_all_of, read))
    return Done(int(code), out.decode(), err.decode())


async def _all_of(descriptor: int) -> bytes:
    reader = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(reader), os.fdopen(descriptor, "rb", buffering=0)
    )
    try:
        return await reader.read()
    finally:
        transport.close()
