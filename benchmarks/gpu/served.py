"""A server with one Qwen model on some of the cores, and processes on the others that load it over gRPC."""

import json
import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

from benchmarks import BUILD
from benchmarks.gpu.bench import toml
from benchmarks.gpu.load import Found, Job
from benchmarks.gpu.scripting import Script
from benchmarks.harness import OWN_PORTS, Server, Setup, program

MAX_CLIENTS = 4
STREAMS_PER_CLIENT = 200
LIMITS = {
    "server.max_streams": 4096,
    "server.admission": "fixed",
    "server.max_unary": 4096,
    "scheduler.max_queued": 16_384,
    "scheduler.max_queued_ms": 100_000_000,
    "worker.idle_timeout_s": 0,
    "worker.start_timeout_s": 600,
    "worker.nice": 0,
}
"""High enough that what is measured is the engine, not admission."""


def cores() -> tuple[set[int], set[int]]:
    """Of the server, and of the clients: disjoint where there are two at least."""
    every = sorted(os.sched_getaffinity(0))
    middle = (len(every) + 1) // 2
    return set(every[:middle]), set(every[middle:] or every)


@contextmanager
def serving(kind: str, options: dict[str, Any], script: Script | None = None) -> Iterator[Server]:
    """The server, with a model that has answered once nothing yet.

    Args:
        kind: of the model.
        options: of the model.
        script: how a recognizer's answers go.
    """
    BUILD.mkdir(parents=True, exist_ok=True)
    config = BUILD / "gpu.toml"
    config.write_text(toml(kind, options))
    command = ["-m", "benchmarks.gpu.serve", json.dumps(asdict(script or Script())), "serve"]
    command += ["--config", str(config)]
    for item in (*OWN_PORTS, *(f"{key}={value}" for key, value in LIMITS.items())):
        command += ["--set", item]
    every, (server_cores, client_cores) = os.sched_getaffinity(0), cores()
    os.sched_setaffinity(0, server_cores)  # what is started inherits it
    try:
        with Server(Setup(command=command), "gpu") as server:
            os.sched_setaffinity(0, client_cores)
            yield server
    finally:
        os.sched_setaffinity(0, every)


def loaded(server: Server, job: Job) -> Found:
    """Spread a job over processes and put together what they found.

    Raises:
        RuntimeError: one of them failed.
    """
    pipes = [
        subprocess.Popen(
            program("benchmarks.gpu.load", json.dumps(part)), stdout=subprocess.PIPE, text=True
        )
        for part in parts(job | {"target": server.target})
    ]
    answers = [pipe.communicate()[0] for pipe in pipes]
    server.check()
    if any(pipe.returncode for pipe in pipes):
        raise RuntimeError("a client failed; its output is above")
    found: Found = {}
    for answer in answers:
        for key, values in json.loads(answer).items():
            found.setdefault(key, []).extend(values)
    return found


def parts(job: Job) -> Sequence[Job]:
    """The job cut for several processes, each with a seed of its own."""
    streams = job.get("streams", 1)
    count = min(MAX_CLIENTS, -(-streams // STREAMS_PER_CLIENT))
    cut: list[Job] = []
    for number in range(count):
        part = job | {"seed": job["seed"] * MAX_CLIENTS + number}
        for key in ("streams", "requests"):
            if key in job:
                part[key] = job[key] // count + (number < job[key] % count)
        cut.append(part)
    return cut
