"""Recovery after file descriptors ran out: idle connections take all that there are, and then the worker dies.

The server may have 1,024 descriptors. 1,100 connections to its public port say nothing. The worker is killed among
them. Measured: until a client that was connected before is answered again, until one that comes new is, and what the
server logged about it.
"""

import asyncio
import contextlib
import socket
import time
from typing import Any

import grpc

from benchmarks import BUILD, client, corpus, harness
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.faults.starved import worker_of
from benchmarks.harness import OWN_PORTS, Server, Setup

NAME = "recovery after file descriptors ran out"
LIMIT = 1024
CONNECTIONS = 1100
TARGET_S = 30.0
GIVE_UP_S = 120.0
_LAUNCH = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, ({limit}, {limit}))
os.execv(sys.executable, [sys.executable, "-m", "speech_service", "serve", *{arguments!r}])
"""


async def run(options: Options) -> Result:
    """Each repeat has a fresh server."""
    known: list[float] = []
    new: list[float] = []
    lines: list[float] = []
    with harness.progress("descriptors", options.repeats) as advance:
        for _ in range(options.repeats):
            known_s, new_s, logged = await _one()
            known.append(known_s)
            new.append(new_s)
            lines.append(logged)
            advance("")
    figures = [
        figure_row("a connected client is answered again", "s", known, TARGET_S),
        figure_row("a new client is answered", "s", new, TARGET_S),
        figure_row("lines logged", "lines", lines, 100.0),
    ]
    settings = {
        "limit": f"ulimit -n {LIMIT}",
        "attack": f"{CONNECTIONS} connections that say nothing, opened at once",
        "worker": f"killed while they are open; the times count from there, at most {GIVE_UP_S:g} s",
    }
    return {
        "figures": figures,
        "settings": settings,
        "detail": {"known_s": known, "new_s": new, "lines": lines},
    }


def plot(axes: Any, result: Result) -> None:
    """Points for each repeat."""
    detail = result["detail"]
    for place, (key, label) in enumerate((("known_s", "connected before"), ("new_s", "new"))):
        axes.plot(detail[key], [place] * len(detail[key]), "o", color="#2a6f97", label=label)
    axes.axvline(TARGET_S, color="#c1121f")
    axes.set_yticks([0, 1], ["connected before", "new client"])
    axes.set_xlim(left=0)
    axes.set_ylim(-0.5, 1.5)
    axes.set_xlabel("seconds from the worker's death to an answer (red: target)")


async def _one() -> tuple[float, float, int]:
    arguments = [word for setting in OWN_PORTS for word in ("--set", setting)]
    command = ("-c", _LAUNCH.format(limit=LIMIT, arguments=arguments))
    pcm = corpus.bundled()[0].pcm
    log = BUILD / "logs" / "faults-descriptors.log"
    with Server(Setup(command=command), "faults-descriptors") as server:
        async with client.connect(server.target) as stub:
            await client.recognize(stub, pcm)
            idle = await asyncio.to_thread(_crowd, server.target)
            before = len(log.read_text().splitlines())
            worker = worker_of(server.pid)
            if worker is not None:
                worker.kill()
            known_s, new_s = await asyncio.gather(
                _answered(stub, pcm), _answered_anew(server.target, pcm)
            )
        for each in idle:
            each.close()
        lines = len(log.read_text().splitlines()) - before
    return known_s, new_s, lines


def _crowd(target: str) -> list[socket.socket]:
    host, _, port = target.rpartition(":")
    crowd: list[socket.socket] = []
    for _ in range(CONNECTIONS):
        each = socket.socket()
        each.settimeout(1.0)
        with contextlib.suppress(OSError):
            each.connect((host, int(port)))
        crowd.append(each)
    return crowd


async def _answered_anew(target: str, pcm: bytes) -> float:
    async with client.connect(target) as stub:
        return await _answered(stub, pcm)


async def _answered(stub: client.Stub, pcm: bytes) -> float:
    begin_s = time.monotonic()
    while time.monotonic() - begin_s < GIVE_UP_S:
        with contextlib.suppress(grpc.RpcError):
            await client.recognize(stub, pcm)
            return time.monotonic() - begin_s
        await asyncio.sleep(0.2)
    return GIVE_UP_S
