"""Many streams cancelled at once: how long until they are gone, and what they leave: memory, work, descriptors.

Each round opens N idle streams, waits until all are served, cancels all of them in one go, and waits until the server
counts no stream. Small and large N take turns, so that a cost that grows faster than N shows: in CPU time for each
stream, which neither a busy machine nor the pause between two looks changes. So few streams as ``--quick`` has show
no growth, and are not judged.
"""

import asyncio
import contextlib
import time
from collections.abc import Mapping
from typing import Any

import grpc
import psutil

from benchmarks import client, harness
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.harness import UNBOUNDED, Server, Setup
from benchmarks.stats import percentile

NAME = "streams cancelled at once"
COUNTS = (250, 1_500)
QUICK_COUNTS = (20, 60)
_ROUNDS = 4
"""Of each count and repeat: memory must reach its plateau after the first."""
_MOST_GROWTH = 2.0
"""A cost that grew with the square would be six times as large with the larger count."""
_LOOK_S = 0.05
_TIMEOUT_S = 120.0


async def run(options: Options) -> Result:
    """A fresh server for each repeat."""
    counts = QUICK_COUNTS if options.quick else COUNTS
    gone_s: dict[int, list[float]] = {count: [] for count in counts}
    cpu_ms: dict[int, list[float]] = {count: [] for count in counts}
    growth_mb: list[float] = []
    work_left: list[float] = []
    descriptors: list[float] = []
    memory_mb: list[list[float]] = []
    with harness.progress("cancels", options.repeats * _ROUNDS * len(counts)) as advance:
        for _ in range(options.repeats):
            setup = Setup([f"server.max_streams={2 * max(counts)}", *UNBOUNDED])
            with Server(setup, "faults-cancels") as server:
                after: list[float] = []
                open_files: list[int] = []
                for _ in range(_ROUNDS):
                    for count in counts:
                        took_s, used_s = await _one(server, count)
                        gone_s[count].append(took_s)
                        cpu_ms[count].append(used_s * 1000 / count)
                        advance(f"{count}")
                    after.append(server.memory().root_rss)
                    open_files.append(psutil.Process(server.pid).num_fds())
                memory_mb.append(after)
                growth_mb.append(after[-1] - after[1])
                descriptors.append(open_files[-1] - open_files[1])
                work_left.append(_work_left(server.metrics()))
    small, large = counts
    rates = [count / percentile(gone_s[count], 50) for count in counts]
    costs = [percentile(cpu_ms[count], 50) for count in counts]
    most = None if options.quick else _MOST_GROWTH
    figures = [figure_row(f"{c} cancelled streams gone", "s", gone_s[c]) for c in counts]
    figures += [
        figure_row(f"front end's CPU for each of {c} streams", "ms", cpu_ms[c]) for c in counts
    ]
    figures += [
        figure_row(f"the same, {large} / {small}", "x", [costs[1] / costs[0]], most),
        figure_row(
            f"streams a second, {large} / {small}", "x", [rates[1] / rates[0]], None, "higher"
        ),
        figure_row("memory after the last round, above the second", "MB", growth_mb, 10.0),
        figure_row("descriptors after the last round, above the second", "", descriptors, 4.0),
        figure_row("work left", "items", work_left, 0.0),
    ]
    settings = {
        "streams": "one message each, one connection per 50; cancelled by the client in one go",
        "gone": "speech_active_streams is 0",
        "cancelled": f"{options.repeats * _ROUNDS * sum(counts)} streams in all",
    }
    detail = {
        "gone_s": {str(c): gone_s[c] for c in counts},
        "memory_mb": memory_mb,
    }
    return {"figures": figures, "settings": settings, "detail": detail}


def plot(axes: Any, result: Result) -> None:
    """Seconds until all are gone, round by round."""
    for (count, values), color in zip(
        result["detail"]["gone_s"].items(), ("#2a6f97", "#c1121f"), strict=True
    ):
        axes.plot(range(1, len(values) + 1), values, "o-", color=color, label=f"{count} streams")
    axes.set_xlabel("round")
    axes.set_ylabel("s until none is left")
    axes.set_ylim(bottom=0)
    axes.legend()


async def _one(server: Server, count: int) -> tuple[float, float]:
    """Seconds from the cancellation until the last stream is gone, and CPU of the front end from open to end."""
    before = server.cpu()
    async with client.connect_many(server.target, max(1, count // 50)) as stubs:
        calls = [await _open(stubs[n % len(stubs)]) for n in range(count)]
        for call in calls:
            with contextlib.suppress(grpc.RpcError):
                await call.read()
        begin_s = time.perf_counter()
        for call in calls:
            call.cancel()
        await _none_left(server)
        took_s = time.perf_counter() - begin_s
    return took_s, server.cpu().root_s - before.root_s


async def _open(stub: client.Stub) -> Any:
    call = stub.StreamingRecognize()
    await call.write(client.Request(config=client.config(client.Settings())))
    return call


def _work_left(metrics: Mapping[str, float]) -> float:
    """What waits in the front end or in the worker."""
    queues = ("speech_outbox_depth", "speech_queue_depth")
    return sum(value for name, value in metrics.items() if name.startswith(queues))


async def _none_left(server: Server) -> None:
    until_s = time.monotonic() + _TIMEOUT_S
    while (await asyncio.to_thread(server.metrics)).get("speech_active_streams", 0.0):
        if time.monotonic() > until_s:
            raise RuntimeError(f"streams were left {_TIMEOUT_S:g} s after they were cancelled")
        await asyncio.sleep(_LOOK_S)
