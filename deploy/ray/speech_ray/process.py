"""One server process of this machine: started on free ports, asked for its load, ended with its parent."""

import contextlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1.health_pb2 import HealthCheckRequest, HealthCheckResponse
from grpc_health.v1.health_pb2_grpc import HealthStub
from prometheus_client.parser import text_string_to_metric_families

from speech_ray.sizing import Load

_SERVING = re.compile(r"serving grpc=(\d+) admin=(\d+) metrics=(\d+)")
_ANSWER_S = 2.0


class ServerProcess:
    """A running ``speech-service serve``. ``wait_until_serving`` first; the rest holds after it."""

    def __init__(self, host: str, config: Path | None, settings: Sequence[str]) -> None:
        """Start it.

        Args:
            host: address of this machine that clients reach.
            config: configuration file; None: none.
            settings: ``section.key=value``, as ``serve --set`` takes them.
        """
        given = [f"--set={setting}" for setting in settings]
        given += ["--config", str(config)] if config is not None else []
        self._host = host
        self._ports = (0, 0, 0)
        self._serving = threading.Event()
        # The kernel ends the server with the thread that started it: an actor that dies leaves none behind.
        self._process = subprocess.Popen(
            [
                *(_setpriv(), "--pdeathsig", "KILL", "--"),
                *(sys.executable, "-m", "speech_service", "serve"),
                f"--set=server.listen={host}:0",
                "--set=server.admin_listen=127.0.0.1:0",
                f"--set=server.metrics_listen={host}:0",
                *given,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        threading.Thread(target=self._read, name="server-output", daemon=True).start()

    @property
    def pid(self) -> int:
        """Of the front end."""
        return self._process.pid

    @property
    def address(self) -> tuple[str, int]:
        """Where clients call."""
        return self._host, self._ports[0]

    def wait_until_serving(self, timeout_s: float) -> None:
        """Wait until its ports are open.

        Raises:
            RuntimeError: it ended, or took longer.
        """
        if not self._serving.wait(timeout_s) or not self._ports[0]:
            raise RuntimeError("the server did not start; its log is the actor's")

    def wait(self) -> int:
        """Wait until it ends; gives its exit code."""
        return self._process.wait()

    @property
    def ended(self) -> bool:
        """It is gone."""
        return self._process.poll() is not None

    def load(self) -> Load | None:
        """Ask for its load; None: it does not serve, or drains, or does not answer."""
        try:
            return self._asked() if self._healthy() else None
        except (OSError, grpc.RpcError):
            return None

    def drain(self) -> None:
        """Let it finish what is open, and end."""
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(signal.SIGTERM)

    def _healthy(self) -> bool:
        with grpc.insecure_channel(f"127.0.0.1:{self._ports[1]}") as channel:
            health: Any = HealthStub(channel)
            answer = health.Check(HealthCheckRequest(), timeout=_ANSWER_S)
        return answer.status == HealthCheckResponse.SERVING

    def _asked(self) -> Load:
        with urllib.request.urlopen(
            f"http://{self._host}:{self._ports[2]}/metrics", timeout=_ANSWER_S
        ) as answer:
            text = answer.read().decode("utf-8")
        values = {
            sample.name: sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name in ("speech_active_streams", "speech_stream_load")
        }
        return Load(int(values["speech_active_streams"]), values["speech_stream_load"])

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            found = _SERVING.match(line)
            if found is not None:
                public, admin, metrics = map(int, found.groups())
                self._ports = (public, admin, metrics)
                self._serving.set()
        self._serving.set()


def _setpriv() -> str:
    program = shutil.which("setpriv")
    if program is None:
        raise RuntimeError("setpriv is not installed: it comes with util-linux")
    return program
