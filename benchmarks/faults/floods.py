"""Floods of HTTP/2 frames: what they cost the server, and how long a health check beside them waits.

Frames are written by hand to plain sockets, and answers are never read. A connection that the server closes, or that
takes nothing for a second, is replaced by a new one. A flood ends with its last frame, or after a quarter of a minute.
"""

import asyncio
import itertools
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks import harness
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.faults.pinger import Pinger
from benchmarks.harness import FAKE_MODEL, UNBOUNDED, Server, Setup
from benchmarks.stats import percentile

NAME = "floods of HTTP/2 frames"
TARGET_MS = 5_000.0
"""What the health check of the image waits. Thousands of calls at once are work, and health has no way past them."""
TARGET_MB = 50.0
FLOODS = {
    "reset": 20_000,
    "ping": 100_000,
    "settings": 20_000,
    "headers": 1_000,
    "continuation": 1_000,
}
"""How many a connection sends. A call of "headers" has 5 kB of them; a frame of "continuation" 10 kB."""
_QUICK_SHARE = 20
_CONNECTIONS = 2
_LIMIT_S = 15.0
_STUCK_S = 1.0
_SETTLED_S = 30.0
_BURST = 100
_HEADERS, _RESET, _SETTINGS, _PING, _CONTINUATION = 1, 3, 4, 6, 9
_END_STREAM, _END_HEADERS = 1, 4
_CANCEL = 8


@dataclass(frozen=True, slots=True)
class _Cost:
    stall_ms: float
    cpu_s: float
    memory_mb: float
    frames: int


async def run(options: Options) -> Result:
    """A fresh server for each repeat; it has a model that costs nothing."""
    share = _QUICK_SHARE if options.quick else 1
    costs: dict[str, list[_Cost]] = {flood: [] for flood in FLOODS}
    with harness.progress("floods", options.repeats * len(FLOODS)) as advance:
        for _ in range(options.repeats):
            with Server(Setup(UNBOUNDED, (FAKE_MODEL,)), "faults-floods") as server:
                for flood, count in FLOODS.items():
                    costs[flood].append(
                        await asyncio.to_thread(_one, server, flood, count // share)
                    )
                    advance(flood)
    figures: list[dict[str, Any]] = []
    for flood, each in costs.items():
        figures += [
            figure_row(f"health waits: {flood}", "ms", [c.stall_ms for c in each], TARGET_MS),
            figure_row(f"front end's CPU: {flood}", "s", [c.cpu_s for c in each]),
            figure_row(f"front end grows: {flood}", "MB", [c.memory_mb for c in each], TARGET_MB),
        ]
    settings = {
        "flood": f"{_CONNECTIONS} connections; {_LIMIT_S:g} s at most; answers are not read",
        "frames of a connection": {flood: count // share for flood, count in FLOODS.items()},
        "pinger": "a process; a health check every 10 ms, before, in and after the flood",
    }
    stalls = {flood: [cost.stall_ms for cost in each] for flood, each in costs.items()}
    frames = {flood: [cost.frames for cost in each] for flood, each in costs.items()}
    return {
        "figures": figures,
        "settings": settings,
        "detail": {"stalls_ms": stalls, "frames": frames},
    }


def plot(axes: Any, result: Result) -> None:
    """The longest wait beside each flood."""
    stalls = result["detail"]["stalls_ms"]
    axes.barh(list(stalls), [percentile(each, 50) for each in stalls.values()], color="#2a6f97")
    axes.axvline(TARGET_MS, color="#c1121f")
    axes.set_xlabel("longest wait for health, ms (median; red: target)")


def frames_of(flood: str, authority: str) -> Iterator[bytes]:
    """The flood's frames without end, as one connection sends them behind its preface."""
    headers = _header_block(authority)
    for number in itertools.count(1, 2):
        match flood:
            case "reset":
                opened = _frame(_HEADERS, _END_HEADERS, number, headers)
                yield opened + _frame(_RESET, 0, number, _CANCEL.to_bytes(4, "big"))
            case "ping":
                yield _frame(_PING, 0, 0, number.to_bytes(8, "big"))
            case "settings":
                yield _frame(_SETTINGS, 0, 0, b"\x00\x04" + number.to_bytes(4, "big"))
            case "headers":
                many = b"".join(_literal(f"x-{n}", "v" * 100) for n in range(50))
                yield _frame(_HEADERS, _END_HEADERS | _END_STREAM, number, headers + many)
            case _:
                kind = _HEADERS if number == 1 else _CONTINUATION
                yield _frame(kind, 0, 1, headers if number == 1 else _literal("x", "v" * 100) * 100)


def preface() -> bytes:
    """What a client says first."""
    return b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, b"")


def _one(server: Server, flood: str, count: int) -> _Cost:
    before, memory = server.cpu(), server.memory()
    pinger = Pinger(server.target)
    with pinger:
        senders = [_Sender(server.target, flood, count) for _ in range(_CONNECTIONS)]
        until_s = time.monotonic() + _LIMIT_S
        while time.monotonic() < until_s and not all(sender.done for sender in senders):
            for sender in senders:
                sender.burst()
        for sender in senders:
            sender.close()
        _settle(server)
    return _Cost(
        pinger.longest_s * 1000,
        server.cpu().root_s - before.root_s,
        server.memory().root_rss - memory.root_rss,
        sum(sender.sent for sender in senders),
    )


def _settle(server: Server) -> None:
    """Wait until the front end has done with it: it computes for less than a tenth of the time."""
    until_s, used_s = time.monotonic() + _SETTLED_S, server.cpu().root_s
    while time.monotonic() < until_s:
        time.sleep(1.0)
        before_s, used_s = used_s, server.cpu().root_s
        if used_s - before_s < 0.1:
            return


class _Sender:
    """One attacker: a connection after the other."""

    def __init__(self, target: str, flood: str, count: int) -> None:
        self._target, self._flood, self._count = target, flood, count
        self._socket: socket.socket | None = None
        self._frames: Iterator[bytes] = iter(())
        self.sent = 0

    @property
    def done(self) -> bool:
        return self.sent >= self._count

    def burst(self) -> None:
        """Some more frames, on a new connection where the last one is gone."""
        if self.done:
            return
        try:
            if self._socket is None:
                host, _, port = self._target.rpartition(":")
                self._socket = socket.create_connection((host, int(port)), _STUCK_S)
                self._socket.sendall(preface())
                self._frames = frames_of(self._flood, self._target)
            self._socket.sendall(b"".join(itertools.islice(self._frames, _BURST)))
            self.sent += _BURST
        except OSError:
            self.close()

    def close(self) -> None:
        if self._socket is not None:
            self._socket.close()
            self._socket = None


def _header_block(authority: str) -> bytes:
    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/speech.v1.RecognitionService/StreamingRecognize",
        ":authority": authority,
        "te": "trailers",
        "content-type": "application/grpc",
    }
    return b"".join(_literal(name, value) for name, value in fields.items())


def _literal(name: str, value: str) -> bytes:
    """HPACK: a literal field, not indexed; lengths below 127."""
    return b"\x00" + b"".join(bytes([len(text)]) + text.encode() for text in (name, value))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return (
        len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload
    )
