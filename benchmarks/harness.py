"""Starts the server that is measured, as a process of its own with its shipped defaults, and stops it."""

import contextlib
import http.client
import json
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from benchmarks import BUILD, ROOT, STUBS, procstat
from benchmarks.results import console

START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 45.0
PYTHONPATH = f"PYTHONPATH={ROOT}:{STUBS}:{ROOT / 'clients' / 'python'}"
"""Lets a checkout that is not installed run; an installed one finds the same files."""
OWN_PORTS = (
    "server.listen=127.0.0.1:0",
    "server.admin_listen=127.0.0.1:0",
    "server.metrics_listen=127.0.0.1:0",
)
UNBOUNDED = ("server.admission=fixed",)
"""For benchmarks that look for the limit themselves: nothing is refused before it is reached."""
FAKE_MODEL = "recognizer/fake"


class ServerError(RuntimeError):
    """The server did not start or has died; the message has the end of its log."""


@dataclass(frozen=True, slots=True)
class Setup:
    """What is started."""

    overrides: Sequence[str] = ()
    """``section.key=value`` on top of the shipped defaults."""
    models: Sequence[str] = ()
    """Kinds of models instead of the default one."""
    options: Mapping[str, object] = field(default_factory=dict[str, object])
    """Of each of ``models``."""
    environment: Mapping[str, str] = field(default_factory=dict[str, str])
    """Variables beside those of this process."""
    workers: int = 0
    """So many, which all serve ``models``; 0: as the service decides."""
    command: Sequence[str] = ()
    """Another program that prints the same ready line; empty: the service."""
    base: Path | None = None
    """Another checkout, whose service is started from its own ``.venv``; None: this one."""

    def describe(self) -> dict[str, object]:
        """For the results file."""
        return {
            "overrides": list(self.overrides),
            "models": list(self.models) or "default",
            "options": dict(self.options),
            "workers": self.workers or "default",
        }


class Server:
    """A running server: ``with Server(setup) as server: ... server.target``."""

    def __init__(self, setup: Setup, name: str = "server") -> None:
        self._setup = setup
        self._log_path = BUILD / "logs" / f"{name}.log"
        self._log: IO[str] | None = None
        self._process: subprocess.Popen[str] | None = None
        self.ready_line = ""

    def __enter__(self) -> "Server":
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        self._log = self._log_path.open("w")
        self._process = subprocess.Popen(
            self._command(),
            stdout=subprocess.PIPE,
            stderr=self._log,
            text=True,
            cwd=self._setup.base or ROOT,
        )
        try:
            self.ready_line = self._await_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        """Process id of the front end."""
        assert self._process is not None, "the server was not started"
        return self._process.pid

    @property
    def target(self) -> str:
        """Address of the public gRPC port."""
        return f"127.0.0.1:{self._port('grpc')}"

    def cpu(self) -> procstat.TreeCpu:
        """CPU time of the front end, and of it with all its children."""
        self.check()
        return procstat.cpu(self.pid)

    def memory(self) -> procstat.TreeMemory:
        """Memory of the front end, and of it with all its children."""
        self.check()
        return procstat.memory(self.pid)

    def metrics(self) -> dict[str, float]:
        """All Prometheus samples by their full name, labels included; empty where there is no metrics port."""
        if "metrics=" not in self.ready_line:
            return {}
        connection = http.client.HTTPConnection("127.0.0.1", self._port("metrics"), timeout=10)
        with contextlib.closing(connection):
            connection.request("GET", "/metrics")
            text = connection.getresponse().read().decode()
        lines = (line.rpartition(" ") for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, _, value in lines}

    def check(self) -> None:
        """Raises ServerError if the server has died."""
        if self._process is None or self._process.poll() is not None:
            raise ServerError(f"the server has died\n{self._log_tail()}")

    def stop(self) -> None:
        """SIGTERM, and SIGKILL for one that does not end in time, which is reported."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                console.print(f"[red]the server did not stop in {STOP_TIMEOUT_S:.0f} s: killed")
                process.kill()
                process.wait()
        if process is not None and process.stdout is not None:
            process.stdout.close()
        if self._log is not None:
            self._log.close()

    def _command(self) -> list[str]:
        variables = [f"{name}={value}" for name, value in self._setup.environment.items()]
        base = self._setup.base
        interpreter = base / ".venv" / "bin" / "python" if base else Path(sys.executable)
        python_path = f"PYTHONPATH={base}" if base else PYTHONPATH
        python = ["env", python_path, *variables, str(interpreter)]
        if self._setup.command:
            return [*python, *self._setup.command]
        command = [*python, "-m", "speech_service", "serve"]
        if self._setup.models:
            command += ["--config", str(self._config_file())]
        for item in (*OWN_PORTS, *self._setup.overrides):
            command += ["--set", item]
        return command

    def _config_file(self) -> Path:
        options = ", ".join(f"{key} = {json.dumps(v)}" for key, v in self._setup.options.items())
        tables = [
            f"[[models]]\nkind = {json.dumps(kind)}\noptions = {{ {options} }}\n"
            for kind in self._setup.models
        ]
        tables += [f'[[workers]]\nname = "w{number}"\n' for number in range(self._setup.workers)]
        path = self._log_path.with_suffix(".toml")
        path.write_text("".join(tables))
        return path

    def _await_ready(self) -> str:
        assert self._process is not None
        assert self._process.stdout is not None
        deadline = time.monotonic() + START_TIMEOUT_S
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while time.monotonic() < deadline:
                if not selector.select(timeout=0.2):
                    continue
                line = self._process.stdout.readline()
                if not line:
                    raise ServerError(f"the server ended at start-up\n{self._log_tail()}")
                if line.startswith("serving "):
                    return line.strip()
        raise ServerError(
            f"the server was not ready in {START_TIMEOUT_S:.0f} s\n{self._log_tail()}"
        )

    def _port(self, name: str) -> int:
        found = re.search(rf"\b{name}=(?:\S*:)?(\d+)", self.ready_line)
        if found is None:
            raise ServerError(f"no {name} port in {self.ready_line!r}")
        return int(found[1])

    def _log_tail(self) -> str:
        if self._log is not None:
            self._log.flush()
        lines = self._log_path.read_text(errors="replace").splitlines()
        return "\n".join([f"log: {self._log_path}", *lines[-15:]])


def metric_delta(
    before: Mapping[str, float], after: Mapping[str, float], prefix: str
) -> dict[str, float]:
    """How much the counters grew whose name starts with ``prefix``; zero growth is left out."""
    grown = {
        name: value - before.get(name, 0.0)
        for name, value in after.items()
        if name.startswith(prefix)
    }
    return {name: value for name, value in grown.items() if value}


def dropped_partials(work: Mapping[str, float]) -> float:
    """Per cent of the partial updates that were given up; ``work`` is the growth of ``speech_work_total``.

    A server that drops updates does less: its CPU and latency figures mean nothing without this one.
    """
    partial = {name: value for name, value in work.items() if 'class="stream_partial"' in name}
    dropped = sum(value for name, value in partial.items() if 'outcome="dropped"' in name)
    total = sum(partial.values())
    return 100 * dropped / total if total else 0.0


def program(module: str, *arguments: str) -> list[str]:
    """Command line that runs a module of this package in a process of its own."""
    return ["env", PYTHONPATH, sys.executable, "-m", module, *arguments]


@contextlib.contextmanager
def progress(title: str, total: int) -> Iterator[Callable[[str], None]]:
    """A progress bar on standard error; call what it gives after each of ``total`` parts, with a word on it.

    It is drawn then and only then: a bar that ticks ten times a second takes caches from what is measured.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=console, auto_refresh=False) as bar:
        task = bar.add_task(title, total=total)
        yield lambda text: bar.update(task, advance=1, description=f"{title} {text}", refresh=True)
