"""Idle streams: what the front end holds for each StreamingRecognize that is open and says nothing.

Each stream sends its config and hears that its session has started; then nobody says anything. The server's limits are
raised as an operator would raise them. Memory is read when it no longer changes: before the streams, after each fifth
of them, and after all were cancelled. What a first stream brings into memory is there before.
"""

import asyncio
from typing import Any

from benchmarks import client, harness
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.harness import FAKE_MODEL, UNBOUNDED, Server, Setup

NAME = "what an idle stream holds"
STREAMS = 5_000
QUICK_STREAMS = 100
TARGET_KB = 50.0
"""Of 1,000 bytes."""
_PER_CONNECTION = 50
_STEPS = 5
_LOOK_S = 1.0
_SAME_MB = 0.5
_LOOKS = 120


async def run(options: Options) -> Result:
    """A fresh server for each repeat; it has a model that costs nothing."""
    streams = QUICK_STREAMS if options.quick else STREAMS
    overrides = (
        *(f"server.max_streams={streams}", f"server.max_connections={streams}"),
        *("stream.idle_timeout_s=3600", *UNBOUNDED),
    )
    memory_mb: list[list[float]] = []
    left_mb: list[float] = []
    with harness.progress("idle_streams", options.repeats) as advance:
        for _ in range(options.repeats):
            with Server(Setup(overrides, (FAKE_MODEL,)), "faults-idle-streams") as server:
                await _opened(server, 1)
                memory_mb.append(await _opened(server, streams))
                left_mb.append(await _steady_mb(server, 0))
            advance("")
    each_kb = [(after[-1] - after[0]) * 1000 / streams for after in memory_mb]
    figures = [
        figure_row("front end's memory for an idle stream", "kB", each_kb, TARGET_KB),
        figure_row(f"front end with {streams} of them", "MB", [after[-1] for after in memory_mb]),
        figure_row("front end after they were cancelled", "MB", left_mb),
    ]
    settings = {
        "streams": f"{streams} recognitions, {_PER_CONNECTION} on each connection, which counts too",
        "idle": "config sent, session_started heard, nothing since; all are open when memory is read",
        "server": " ".join(overrides),
    }
    return {"figures": figures, "settings": settings, "detail": {"memory_mb": memory_mb}}


def plot(axes: Any, result: Result) -> None:
    """Memory while the streams come, a line for each repeat."""
    for after in result["detail"]["memory_mb"]:
        axes.plot(range(len(after)), after, "o-", color="#2a6f97")
    axes.set_xlabel(f"parts of the streams, of {_STEPS}")
    axes.set_ylabel("front end's memory, MB")
    axes.set_ylim(bottom=0)


async def _opened(server: Server, streams: int) -> list[float]:
    """Memory before the streams and after each part of them. They are cancelled in the end."""
    after = [await _steady_mb(server, 0)]
    calls: list[Any] = []
    async with client.connect_many(server.target, -(-streams // _PER_CONNECTION)) as stubs:
        for part in range(1, _STEPS + 1):
            while len(calls) < streams * part // _STEPS:
                calls.append(await _open(stubs[len(calls) % len(stubs)]))
            after.append(await _steady_mb(server, len(calls)))
        for call in calls:
            call.cancel()
    return after


async def _open(stub: client.Stub) -> Any:
    call = stub.StreamingRecognize()
    await call.write(client.Request(config=client.config(client.Settings())))
    heard = await call.read()
    if not heard.HasField("session_started"):
        raise RuntimeError(f"a stream was not opened: {heard}")
    return call


async def _steady_mb(server: Server, streams: int) -> float:
    """The front end's memory while so many streams are open, as soon as it is the same as a second ago.

    Raises:
        RuntimeError: that many were never open, or memory never stood still.
    """
    before = 0.0
    for _ in range(_LOOKS):
        metrics = await asyncio.to_thread(server.metrics)
        now = server.memory().root_rss
        if metrics.get("speech_active_streams", 0.0) == streams and abs(now - before) < _SAME_MB:
            return now
        before = now
        await asyncio.sleep(_LOOK_S)
    raise RuntimeError(f"{streams} streams were not open with steady memory in {_LOOKS} s")
