"""What a second worker brings: unary calls per second of a fake recognizer with two workers and with one.

FAKE ENGINE: a piece of work takes `--step-ms` in which it sleeps, one at a time in each worker. So the engine is the
bottleneck and needs no core, and what is measured is whether the router keeps both workers busy. Callers wait for one
answer each before they ask again. Both set-ups run in the same repeat, alternated; the ratio is of one repeat.
Target: 1.8 times as many calls, where the machine has the cores.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping

from benchmarks import client, corpus, harness
from benchmarks.client import Stub
from benchmarks.harness import FAKE_MODEL, Setup
from benchmarks.results import Run
from benchmarks.stats import Figure

TARGET = 1.8
CALLERS = 16
WARM_UP_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument(
        "--step-ms", type=float, default=50.0, help="time that a piece of work takes"
    )
    parser.add_argument("--seconds", type=float, default=6.0, help="length of each measurement")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``workers_fake_engine.json``."""
    record = Run("workers_fake_engine", args)
    seconds, repeats = (2.0, 1) if args.quick else (args.seconds, args.repeats)
    setups = {count: _setup(count, args.step_ms) for count in (1, 2)}
    rates: dict[int, list[float]] = {count: [] for count in setups}
    shares: list[float] = []
    with harness.progress("workers", repeats * len(setups)) as advance:
        for number in range(repeats):
            for count in sorted(setups, reverse=number % 2 == 1):
                with harness.Server(setups[count], f"workers-{count}") as server:
                    rate, done = asyncio.run(_measure(server, seconds))
                rates[count].append(rate)
                if count > 1:
                    shares.append(100 * min(done.values(), default=0.0) / sum(done.values()))
                advance(f"{count} workers")
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    figures = [
        Figure("calls with two workers, of those with one", "times", ratios, TARGET, "higher"),
        Figure("calls per second, one worker", "1/s", rates[1]),
        Figure("calls per second, two workers", "1/s", rates[2]),
        Figure("work of the worker that did less", "%", shares),
    ]
    settings = {
        "callers": f"{CALLERS}, a connection each, one unary Recognize at a time",
        "setups": {str(count): setup.describe() for count, setup in setups.items()},
        "workers": "lanes = 1 each",
    }
    record.write(figures, settings, {})


def _setup(workers: int, step_ms: float) -> Setup:
    overrides = ("vad.kind=fake", "scheduler.lanes=1", "worker.preload=true")
    options = {"step_ms": step_ms, "max_batch": 1}
    return Setup(overrides, (FAKE_MODEL,), options, workers=workers)


async def _measure(server: harness.Server, seconds: float) -> tuple[float, Mapping[str, float]]:
    """Calls per second, and the pieces of work that each worker ended meanwhile."""
    pcm = corpus.bundled()[0].pcm
    async with client.connect_many(server.target, CALLERS) as stubs:
        await asyncio.gather(*(_call_for(stub, pcm, WARM_UP_S) for stub in stubs))
        before, began_s = server.metrics(), time.perf_counter()
        calls = await asyncio.gather(*(_call_for(stub, pcm, seconds) for stub in stubs))
        took_s, after = time.perf_counter() - began_s, server.metrics()
    return sum(calls) / took_s, harness.metric_delta(before, after, "speech_work_total")


async def _call_for(stub: Stub, pcm: bytes, seconds: float) -> int:
    """Calls that were answered, the last one of which began in time."""
    until_s = time.perf_counter() + seconds
    calls = 0
    while time.perf_counter() < until_s:
        await client.recognize(stub, pcm)
        calls += 1
    return calls
