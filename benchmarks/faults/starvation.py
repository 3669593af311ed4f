"""Workers that are killed although they work, on a machine that gives them little, and calls that get no answer there.

Each condition has a fresh server with its shipped defaults, so that the worker also starts and loads its models under
it, and a few clients that call one after the other until their time is up.
"""

import asyncio
import contextlib
import time
from typing import Any

import grpc

from benchmarks import client, corpus, harness
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.faults.starved import busy_loops, duty
from benchmarks.harness import UNBOUNDED, Server, Setup

NAME = "workers killed although they work"
CONDITIONS = {
    "free machine": (0, 1.0),
    "four busy loops": (4, 1.0),
    "a quarter of the time": (0, 0.25),
    "an eighth of the time": (0, 0.125),
    "four busy loops, a quarter of the time": (4, 0.25),
}
"""Busy loops beside the service, and the share of the time in which the worker is not stopped."""
_CALLERS = 3
_PASS_S = 60.0
_QUICK_S = 15.0


async def run(options: Options) -> Result:
    """Every condition, ``options.repeats`` times."""
    names = list(CONDITIONS)[1:3] if options.quick else list(CONDITIONS)
    pass_s = _QUICK_S if options.quick else _PASS_S
    kills: dict[str, list[float]] = {name: [] for name in names}
    unanswered: dict[str, list[float]] = {name: [] for name in names}
    answered: dict[str, list[int]] = {name: [] for name in names}
    with harness.progress("starvation", options.repeats * len(names)) as advance:
        for _ in range(options.repeats):
            for name in names:
                killed, failed, calls = await _one(*CONDITIONS[name], pass_s)
                kills[name].append(killed)
                unanswered[name].append(failed)
                answered[name].append(calls)
                advance(name)
    figures = [figure_row(f"kills: {name}", "workers", kills[name], 0.0) for name in names]
    figures += [
        figure_row(f"calls without an answer: {name}", "calls", unanswered[name], 0.0)
        for name in names
    ]
    settings = {
        "callers": f"{_CALLERS}, each with one unary Recognize after the other for {pass_s:g} s",
        "share": "SIGSTOP and SIGCONT in cycles of 0.2 s",
    }
    detail = {"kills": kills, "unanswered": unanswered, "answered": answered}
    return {"figures": figures, "settings": settings, "detail": detail}


def plot(axes: Any, result: Result) -> None:
    """Two bars for each condition; no bar is the aim."""
    detail = result["detail"]
    names = list(detail["kills"])
    for place, (label, color) in enumerate((("kills", "#c1121f"), ("unanswered", "#2a6f97"))):
        heights = [sum(detail[label][name]) for name in names]
        at = [index + (place - 0.5) * 0.35 for index in range(len(names))]
        axes.barh(at, heights, height=0.3, color=color, label=label)
    calls = [sum(detail["answered"][name]) for name in names]
    axes.set_yticks(
        range(len(names)), [f"{n}\n({c} answered)" for n, c in zip(names, calls, strict=True)]
    )
    axes.set_xlim(left=0, right=max(1, axes.get_xlim()[1]))
    axes.set_xlabel("in all repeats")
    axes.legend()


async def _one(loops: int, share: float, pass_s: float) -> tuple[float, int, int]:
    """Kills, calls without an answer, and calls with one."""
    clips = corpus.bundled()
    with Server(Setup(UNBOUNDED), "faults-starvation") as server, busy_loops(loops):
        slowed = duty(server.pid, share) if share < 1 else contextlib.nullcontext()
        async with slowed, client.connect(server.target) as stub:
            until_s = time.monotonic() + pass_s
            outcomes = await asyncio.gather(
                *(_call(stub, clips[index % len(clips)].pcm, until_s) for index in range(_CALLERS))
            )
        metrics = await asyncio.to_thread(server.metrics)
    return (
        sum(v for name, v in metrics.items() if name.startswith("speech_worker_restarts_total")),
        sum(failed for failed, _ in outcomes),
        sum(answered for _, answered in outcomes),
    )


async def _call(stub: client.Stub, pcm: bytes, until_s: float) -> tuple[int, int]:
    failed, answered = 0, 0
    while time.monotonic() < until_s:
        try:
            await client.recognize(stub, pcm)
            answered += 1
        except grpc.RpcError:
            failed += 1
            await asyncio.sleep(0.5)
    return failed, answered
