"""How long a health check waits while one message of the worst kinds is handled, and what memory that takes.

Each message goes to a server with its shipped defaults while a process of its own asks for the server's health every
10 ms. The client gives its call up after 3 s, and the pinger goes on for 1 s. The baseline is the same pinger and no
message. ``attempt`` says how the call ended; most of these messages should be refused at once.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from statistics import median
from typing import Any

import grpc
from grpc import aio

from benchmarks import harness
from benchmarks.faults.messages import Worst, worst_messages
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.faults.pinger import Pinger
from benchmarks.harness import Server, Setup

NAME = "stall of health under the worst messages"
TARGET_MS = 500.0
TARGET_MB = 300.0
_GIVE_UP_S = 3.0
_AFTER_S = 1.0
_CROWD = 3


async def run(options: Options) -> Result:
    """Send every message ``options.repeats`` times; every third repeat's server is a new one."""
    worst = worst_messages()[:: 4 if options.quick else 1]
    stalls: dict[str, list[float]] = {"nothing (baseline)": []}
    endings: dict[str, list[str]] = {}
    memory: list[float] = []
    with harness.progress("stall", options.repeats * len(worst)) as advance:
        for _ in range(options.repeats):
            with Server(Setup(), "faults-stall") as server:
                await attempt(server.target, _warm_up())
                stalls["nothing (baseline)"].append(await _idle(server.target))
                for message in worst:
                    stall_ms, ending = await stall_of(server.target, message)
                    stalls.setdefault(message.name, []).append(stall_ms)
                    endings.setdefault(message.name, []).append(ending)
                    advance(message.name)
                await asyncio.gather(*(attempt(server.target, m) for m in worst[:4] * _CROWD))
                memory.append(server.memory().root_rss)
    figures = [
        figure_row(f"health waits: {name}", "ms", values, None if "baseline" in name else TARGET_MS)
        for name, values in stalls.items()
    ]
    figures.append(figure_row("front end afterwards", "MB", memory, TARGET_MB))
    settings = {
        "pinger": "a process; a health check every 10 ms; the longest wait of each message is one value",
        "client": f"on the same cores; gives its call up after {_GIVE_UP_S:g} s",
        "memory": f"RSS of the front end after all messages, the first 4 of them from {_CROWD} clients at once",
    }
    return {
        "figures": figures,
        "settings": settings,
        "detail": {"stalls_ms": stalls, "endings": endings},
    }


def plot(axes: Any, result: Result) -> None:
    """Bars of the longest waits, spread as whiskers."""
    stalls: dict[str, Sequence[float]] = result["detail"]["stalls_ms"]
    for place, values in enumerate(reversed(stalls.values())):
        middle = median(values)
        reach = [[middle - min(values)], [max(values) - middle]]
        axes.barh(place, middle, xerr=reach, color="#2a6f97", capsize=3, height=0.6)
    axes.axvline(TARGET_MS, color="#c1121f")
    axes.set_yticks(range(len(stalls)), list(reversed(stalls)), fontsize=7)
    axes.set_xscale("log")
    axes.set_xlabel("longest wait for health, ms (median, whiskers: min to max; red: target)")
    axes.grid(axis="x", alpha=0.3)


async def stall_of(target: str, message: Worst) -> tuple[float, str]:
    """The longest wait for health while the message is handled, in milliseconds, and how its call ended."""
    pinger = await asyncio.to_thread(Pinger(target).__enter__)
    ending = await attempt(target, message)
    await asyncio.sleep(_AFTER_S)
    await asyncio.to_thread(pinger.__exit__, None, None, None)
    return pinger.longest_s * 1000, ending


async def attempt(target: str, message: Worst, give_up_s: float = _GIVE_UP_S) -> str:
    """Send it, read what comes, and give up after ``give_up_s``; returns the code that the call ended with."""
    async with aio.insecure_channel(
        target, options=[("grpc.use_local_subchannel_pool", 1)]
    ) as channel:
        try:
            if message.streams:
                stream = channel.stream_stream(message.method)(
                    _each(message.messages), timeout=give_up_s
                )
                async for _ in stream:
                    pass
            else:
                await channel.unary_unary(message.method)(message.messages[0], timeout=give_up_s)
        except aio.AioRpcError as error:
            return error.code().name
    return grpc.StatusCode.OK.name


async def _each(messages: Sequence[bytes]) -> AsyncIterator[bytes]:
    for message in messages:
        yield message


async def _idle(target: str) -> float:
    pinger = await asyncio.to_thread(Pinger(target).__enter__)
    await asyncio.sleep(_AFTER_S)
    await asyncio.to_thread(pinger.__exit__, None, None, None)
    return pinger.longest_s * 1000


def _warm_up() -> Worst:
    """A call that imports what translation needs: that is not what is measured."""
    return Worst("nothing", "/speech.v1.TranslationService/TranslateText", [b""])
