"""Live streams at 1, 2 and 3 times what the service takes: who is admitted, how they fare, how others are refused.

One server, real embedded recognizer, admission by measured capacity. First it is let to measure itself; then as many
streams as it then says it can have (or ``--streams``) are the load of 1. For each multiple so many clients want in
within two seconds and speak in real time; who is refused comes again when the refusal said, until the step is over. The
lag of a FINAL counts from when its ``end_silence`` has passed, by schedule, plus 50 ms for all. The load of 1 is
measured before and after the others, so that what others do to the machine shows. Refusals count from the call to its
status; health checks in the same seconds are their yardstick. Last, the same crowd at the highest multiple before a
server that admits everybody. The client runs on the same cores. The figures that count are ratios of one run.
Targets: p99 FINAL lag of those admitted at 3 times <= 1.3 x that at 1; a refusal within 20 ms.
"""

import argparse
import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import grpc.aio
from grpc_health.v1 import health_pb2, health_pb2_grpc

from benchmarks import client, corpus, harness, live_lag
from benchmarks.client import Settings
from benchmarks.plotting import pyplot
from benchmarks.results import Run, console
from benchmarks.stats import Figure, percentile

_SPREAD_S = 2.0
"""In which a crowd comes."""
_HINTS = ("grpc-retry-pushback-ms", "retry-after", "grpc-status-details-bin")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument(
        "--streams", type=int, default=0, help="load of 1; 0: what the service says"
    )
    parser.add_argument("--multiples", default="1,2,3,1", help="loads, in order (default 1,2,3,1)")
    parser.add_argument("--seconds", type=float, default=30.0, help="speech of a stream at each")
    parser.add_argument("--learn", type=float, default=30.0, help="seconds to measure itself first")
    parser.add_argument("--group", default="en-read", help="manifest group")


@dataclass(slots=True)
class Step:
    """What one load saw. Lags and times in milliseconds."""

    label: str
    wanted: int
    admitted: int = 0
    lags: list[float] = field(default_factory=list[float])
    partials: int = 0
    refusals: list[float] = field(default_factory=list[float])
    unhinted: int = 0
    """Refusals that lacked one of the three hints."""
    health: list[float] = field(default_factory=list[float])
    failed: list[str] = field(default_factory=list[str])
    """How streams ended badly that had been admitted."""
    metrics: dict[str, float] = field(default_factory=dict[str, float])

    @property
    def p99(self) -> float:
        """Of the FINAL lags, with the floor."""
        return live_lag.floored(self.lags, 99)


def run(args: argparse.Namespace) -> None:
    """Measure; write ``overload.json`` and draw ``overload.png``."""
    record = Run("overload", args)
    clips = corpus.load_or_bundled(args.group, args.data)
    quick = bool(args.quick)
    seconds, learn_s = (6.0, 6.0) if quick else (args.seconds, args.learn)
    multiples = [int(text) for text in ("1,3" if quick else args.multiples).split(",")]
    with harness.Server(harness.Setup(), "overload") as server:
        warm = asyncio.run(_crowd(server, clips, 2, learn_s, "learn"))
        base = args.streams or max(1, round(_room(server) or 1))
        console.print(f"load of 1: {base} streams ({warm.metrics})")
        steps = [
            asyncio.run(_crowd(server, clips, base * multiple, seconds, f"{multiple}x"))
            for multiple in multiples
        ]
    most = max(multiples)
    with harness.Server(harness.Setup(harness.UNBOUNDED), "overload-fixed") as server:
        asyncio.run(_crowd(server, clips, 2, min(learn_s, 6.0), "warm-up"))
        label = f"{most}x, everybody admitted"
        steps.append(asyncio.run(_crowd(server, clips, base * most, seconds, label)))
    settings = {
        "load of 1": base,
        "crowd": f"comes in {_SPREAD_S:g} s; the refused come again when they are told to",
        **live_lag.settings(seconds, clips),
    }
    detail = {"steps": [asdict(step) for step in steps]}
    path = record.write(_figures(steps), settings, detail)
    draw({"detail": detail}, path.with_suffix(".png"))


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """One PNG: the lag of every FINAL at each load, and who was admitted and refused."""
    plt = pyplot()
    steps = document["detail"]["steps"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    for step in steps:
        label = f"{step['label']}: {step['admitted']} streams"
        live_lag.step_plot(left, step["lags"], label=label)
    left.set_xscale("log")
    left.legend()
    labels = [f"{index}: {step['label']}" for index, step in enumerate(steps)]
    right.bar(labels, [step["admitted"] for step in steps], color="#2a6f97", label="admitted")
    right.plot(labels, [step["wanted"] for step in steps], "o", color="#c1121f", label="wanted in")
    right.tick_params(axis="x", rotation=30)
    right.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _figures(steps: Sequence[Step]) -> list[Figure]:
    *bounded, unbounded = steps
    ones = [step for step in bounded if step.label == "1x"] or [bounded[0]]
    most = max(bounded, key=lambda step: step.wanted)
    alone = live_lag.floored([lag for step in ones for lag in step.lags], 99)
    refusals = [ms for step in bounded for ms in step.refusals]
    health = [ms for step in bounded for ms in step.health]
    return [
        Figure("FINAL lag p99 at 1x", "ms", [step.p99 for step in ones]),
        Figure(f"FINAL lag p99 of those admitted at {most.label}", "ms", [most.p99]),
        Figure(f"FINAL lag p99, {most.label} / 1x", "x", [most.p99 / alone], 1.3),
        Figure(f"FINAL lag p99, {unbounded.label} / 1x", "x", [unbounded.p99 / alone]),
        Figure(
            f"streams admitted, {most.label} / 1x",
            "x",
            [most.admitted / max(1, max(s.admitted for s in ones))],
        ),
        Figure("call to refusal, p50", "ms", [percentile(refusals, 50)], 20.0),
        Figure("call to refusal, p99", "ms", [percentile(refusals, 99)]),
        Figure("health check beside them, p50", "ms", [percentile(health, 50)]),
        Figure("health check beside them, p99", "ms", [percentile(health, 99)]),
        Figure(
            "refusals without one of the three hints", "", [sum(s.unhinted for s in bounded)], 0
        ),
        Figure("admitted streams that failed", "", [sum(len(s.failed) for s in bounded)], 0),
    ]


def _room(server: harness.Server) -> float:
    """Streams that speak all the time, of which the service says that it can have so many."""
    metrics = server.metrics()
    capacity = [value for name, value in metrics.items() if name.startswith("speech_live_capacity")]
    return max(capacity, default=0.0)


async def _crowd(
    server: harness.Server, clips: Sequence[corpus.Clip], wanted: int, seconds: float, label: str
) -> Step:
    """So many clients want in."""
    step = Step(label, wanted)
    ends_s = time.perf_counter() + seconds
    async with client.connect_many(server.target, wanted) as stubs:
        watching = asyncio.create_task(_watch(server, step, ends_s))
        clients = [
            _client(stub, clips, index, seconds, step, ends_s, _SPREAD_S * index / wanted)
            for index, stub in enumerate(stubs)
        ]
        await asyncio.gather(*clients)
        await watching
    return step


async def _client(
    stub: client.Stub,
    clips: Sequence[corpus.Clip],
    index: int,
    seconds: float,
    step: Step,
    ends_s: float,
    after_s: float,
) -> None:
    """Come, and come again when told to."""
    await asyncio.sleep(after_s)
    pcm = live_lag.live_pcm(clips, seconds, first=index)
    while True:
        session = await client.stream(stub, f"{step.label}-{index}", pcm, Settings(timeout_s=60.0))
        if not session.error.startswith("RESOURCE_EXHAUSTED") or session.results:
            break
        step.refusals.append((session.closed - session.called) * 1000)
        step.unhinted += any(hint not in session.trailers for hint in _HINTS)
        wait_s = float(str(session.trailers.get("grpc-retry-pushback-ms", 1000))) / 1000
        if time.perf_counter() + wait_s > ends_s:
            return
        await asyncio.sleep(wait_s)
    step.admitted += 1
    if session.failed:
        step.failed.append(session.error)
    step.partials += len(session.partials)
    step.lags += live_lag.lags_ms(session)


async def _watch(server: harness.Server, step: Step, ends_s: float) -> None:
    """Health checks, ten a second; what the service says of itself, once in the middle."""
    middle_s = (time.perf_counter() + ends_s) / 2
    async with grpc.aio.insecure_channel(server.target) as channel:
        stub: Any = health_pb2_grpc.HealthStub(channel)
        await stub.Check(health_pb2.HealthCheckRequest())
        while (began_s := time.perf_counter()) < ends_s:
            await stub.Check(health_pb2.HealthCheckRequest())
            step.health.append((time.perf_counter() - began_s) * 1000)
            if began_s > middle_s and not step.metrics:
                found = await asyncio.to_thread(server.metrics)
                names = (
                    "speech_live",
                    "speech_stream_load",
                    "speech_active_streams",
                    "speech_shed",
                )
                step.metrics = {n: v for n, v in found.items() if n.startswith(names)}
            await asyncio.sleep(0.1)
