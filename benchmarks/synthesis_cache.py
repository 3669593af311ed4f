"""A text that was spoken before: how long the front end needs for it at 50 requests/s.

Synthesize calls on four connections, open loop: each request leaves on schedule whether or not the one before came
back. Every reply must say that it came from the cache, and so must its trailing metadata. Two clocks: the server's own
(its histogram of RPC lengths: how many calls it handled within 1 ms, and ``server-timing``: up to the moment at which
the audio was found), and the client's, which has gRPC on both sides, 300 kB of reply and the client itself in it.

Target: 99 % of hits within 1 ms in the front end.
"""

import argparse
import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile, percentiles
from benchmarks.synthesis_client import TIMEOUT_S, config, connect, unary
from benchmarks.synthesis_texts import TWENTY_WORDS
from speech.v1 import synthesis_service_pb2 as pb

CONNECTIONS = 4
OVERRIDES = ("synthesis.cache_bytes=64000000",)
WITHIN_S = "0.001"
_HISTOGRAM = "grpc_server_handling_seconds"


@dataclass(slots=True)
class Pass:
    """One repeat, milliseconds."""

    client: list[float] = field(default_factory=list[float])
    found: list[float] = field(default_factory=list[float])
    """As the server says, in steps of 0.1 ms."""
    misses: int = 0
    within: float = 0.0
    """Per cent of the calls that the server handled within 1 ms."""
    cpu_ms: float = 0.0
    """Of the front end for each call, gRPC and everything."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--rate", type=float, default=50.0, help="requests per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of a repeat")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``synthesis_cache.json``."""
    record = Run("synthesis_cache", args)
    seconds, repeats = (2.0, 1) if args.quick else (args.seconds, args.repeats)
    passes: list[Pass] = []
    with harness.Server(harness.Setup(OVERRIDES), "synthesis_cache") as server:
        asyncio.run(_fill(server.target))
        with harness.progress("cache", repeats) as advance:
            for _ in range(repeats):
                passes.append(_measured(server, args.rate, seconds))
                advance("")
    settings = {
        "requests": f"{args.rate:g} per second for {seconds:g} s, open loop, {CONNECTIONS} connections",
        "texts": f"{len(TWENTY_WORDS)} of 20 words, PCM s16 at 24 kHz, unary",
        "overrides": OVERRIDES,
    }
    record.write(_figures(passes), settings, {"passes": [_summary(item) for item in passes]})


async def _fill(target: str) -> None:
    async with connect(target) as ((_, stub),):
        for text in TWENTY_WORDS:
            await unary(stub, text)


def _measured(server: harness.Server, rate: float, seconds: float) -> Pass:
    before, cpu_before = server.metrics(), server.cpu()
    result = asyncio.run(_requests(server.target, rate, seconds))
    result.cpu_ms = (server.cpu() - cpu_before).root_s * 1000 / len(result.client)
    result.within = within_percent(before, server.metrics())
    return result


def within_percent(before: Mapping[str, float], after: Mapping[str, float]) -> float:
    """Per cent of the Synthesize calls between two readings of the metrics that took 1 ms or less."""
    grown = harness.metric_delta(before, after, _HISTOGRAM)
    own = {name: value for name, value in grown.items() if 'grpc_method="Synthesize"' in name}
    fast = sum(v for name, v in own.items() if "_bucket" in name and f'le="{WITHIN_S}"' in name)
    total = sum(v for name, v in own.items() if "_count" in name)
    if not total:
        raise RuntimeError("the server's metrics count no Synthesize call")
    return 100 * fast / total


async def _requests(target: str, rate: float, seconds: float) -> Pass:
    result = Pass()
    async with connect(target, CONNECTIONS) as connections:
        for _, stub in connections:  # opening a connection is not what this measures
            await unary(stub, TWENTY_WORDS[0])
        began = time.perf_counter()
        calls: list[asyncio.Task[None]] = []
        for number in range(round(rate * seconds)):
            await asyncio.sleep(max(0.0, began + number / rate - time.perf_counter()))
            _, stub = connections[number % CONNECTIONS]
            text = TWENTY_WORDS[number % len(TWENTY_WORDS)]
            calls.append(asyncio.create_task(_one(stub, text, result)))
        await asyncio.gather(*calls)
    return result


async def _one(stub: Any, text: str, result: Pass) -> None:
    began = time.perf_counter()
    call = stub.Synthesize(pb.SynthesizeRequest(config=config(), text=text), timeout=TIMEOUT_S)
    reply = await call
    result.client.append((time.perf_counter() - began) * 1000)
    trailers = {key: value for key, value in await call.trailing_metadata()}
    if not reply.cached or trailers.get("x-speech-cache") != "hit":
        result.misses += 1
    total = re.search(r"total;dur=([\d.]+)", str(trailers.get("server-timing", "")))
    if total is None:
        raise RuntimeError("the reply has no server-timing")
    result.found.append(float(total[1]))


def _figures(passes: Sequence[Pass]) -> list[Figure]:
    return [
        Figure(
            "hits handled within 1 ms, server's histogram",
            "%",
            [item.within for item in passes],
            99.0,
            "higher",
        ),
        Figure("audio found, server's clock, p99", "ms", [percentile(p.found, 99) for p in passes]),
        Figure("whole call, client's clock, p50", "ms", [percentile(p.client, 50) for p in passes]),
        Figure("whole call, client's clock, p99", "ms", [percentile(p.client, 99) for p in passes]),
        Figure("front end, all it does for a call", "CPU ms", [p.cpu_ms for p in passes]),
        Figure("not from the cache", "replies", [float(p.misses) for p in passes], 0.0),
    ]


def _summary(item: Pass) -> dict[str, Any]:
    return {
        "client_ms": percentiles(item.client),
        "found_ms": percentiles(item.found),
        "within_1_ms_percent": round(item.within, 2),
        "cpu_ms": round(item.cpu_ms, 3),
        "misses": item.misses,
    }
