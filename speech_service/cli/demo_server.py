"""A server as a child process on free ports, for the demo."""

import asyncio
import contextlib
import re
import signal
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

from speech_client import HealthStatus, RetryPolicy, SpeechApiError, SpeechClient
from speech_service.cli.failure import CommandError, ExitCode

_START_TIMEOUT_S = 300.0
"""Of a server that neither serves nor ends; one that fails says so. A busy machine loads models for a minute."""
_STOP_TIMEOUT_S = 60.0
_POLL_S = 0.2
_LOG_LINES_SHOWN = 5

# Port 0: the system picks a free one; the line `serving grpc=...` on stdout tells which.
# TLS is switched off whatever the environment says: only this process talks to it, over loopback.
_SETTINGS = (
    "server.listen=127.0.0.1:0",
    "server.admin_listen=127.0.0.1:0",
    "server.metrics_listen=",
    "server.tls_cert_file=",
    "server.tls_key_file=",
    "observability.log_format=text",
)


class DemoServer:
    """``async with`` starts the process and makes sure that it is gone afterwards."""

    def __init__(self, log_file: Path | None = None, config: Path | None = None) -> None:
        """Take the settings; entering the context starts the process.

        Args:
            log_file: keeps the server's log; None: it is shown only if the start fails.
            config: the server's configuration file; None: the defaults.
        """
        self._log_file = log_file
        self._config = config
        self._log: IO[bytes] | None = None
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        settings = [word for setting in _SETTINGS for word in ("--set", setting)]
        if self._config is not None:
            settings += ["--config", str(self._config)]
        self._log = self._open_log()
        self._process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", "speech_service", "serve", "--preload", *settings),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=self._log,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        process = self._process
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()
        if self._log is not None:
            self._log.close()

    async def ready(self) -> str:
        """Wait until it is healthy and its models are loaded; gives its address.

        Raises:
            CommandError: it ended, or does neither become ready nor end.
        """
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                target = await self._address()
                await self._healthy(target)
        except TimeoutError:
            raise self._error(f"the server was not ready after {_START_TIMEOUT_S:.0f} s") from None
        return target

    async def stop(self) -> int:
        """Send SIGTERM and wait; gives the time to exit in milliseconds.

        Raises:
            CommandError: it does not stop, or not with exit code 0.
        """
        process, begin_s = self._running(), time.monotonic()
        process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_TIMEOUT_S):
                code = await process.wait()
        except TimeoutError:
            raise self._error(f"the server did not stop within {_STOP_TIMEOUT_S:.0f} s") from None
        if code:
            raise self._error(f"the server stopped with exit code {code}")
        return round((time.monotonic() - begin_s) * 1000)

    def _running(self) -> asyncio.subprocess.Process:
        if self._process is None:
            raise RuntimeError("use DemoServer in `async with`")
        return self._process

    async def _address(self) -> str:
        process = self._running()
        async for line in cast(asyncio.StreamReader, process.stdout):  # it has a pipe
            if found := re.match(r"serving grpc=(\d+)", line.decode("utf-8", "replace")):
                return f"127.0.0.1:{found[1]}"
        raise self._error(f"the server ended with exit code {await process.wait()}")

    async def _healthy(self, target: str) -> None:
        async with SpeechClient.connect(target, retry=RetryPolicy(attempts=1)) as client:
            while True:
                if self._running().returncode is not None:
                    raise self._error("the server ended while it was loading")
                with contextlib.suppress(SpeechApiError):  # It is not there yet.
                    serving = await client.check_health() is HealthStatus.SERVING
                    states = {model.name: model.state for model in await client.list_models()}
                    if serving and all(state == "ready" for state in states.values()):
                        return
                    failed = [name for name, state in states.items() if state == "failed"]
                    if failed:
                        raise self._error(f"the server could not load {', '.join(failed)}")
                await asyncio.sleep(_POLL_S)

    def _open_log(self) -> IO[bytes]:
        if self._log_file is None:
            return tempfile.TemporaryFile()
        try:
            return self._log_file.open("w+b")
        except OSError as error:
            raise CommandError(
                f"{self._log_file}: cannot be written: {error.strerror}", ExitCode.USAGE
            ) from error

    def _error(self, what: str) -> CommandError:
        lines: list[str] = []
        if self._log is not None:
            self._log.seek(0)
            lines = self._log.read().decode("utf-8", "replace").splitlines()
        shown = "".join(f"\n  {line}" for line in lines[-_LOG_LINES_SHOWN:])
        return CommandError(
            f"{what}. `speech-service doctor` looks for the cause. Its last words:{shown or ' none'}",
            ExitCode.REFUSED,
            "\n".join(lines),
        )
