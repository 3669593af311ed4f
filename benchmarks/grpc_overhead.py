"""What gRPC and the session cost per 100 ms chunk, without a model: 100 real-time streams on a fake recognizer.

FAKE ENGINE: the recognizer counts words by length; nothing here says anything about recognition. Streams carry real
speech, so that segments open and close, partials go out every 0.5 s and finals at pauses, as in service. Compared in
the same run, alternated: the service with the fake VAD and with Silero, and two servicers that do nothing
(echo_server.py), with a reply for every chunk and for every fifth.

Figures: CPU ms per chunk of the front end (median over windows of 1 s with all streams open; the worker beside it),
and the round trip of finalize -> ack on one more, idle stream, from a process that does nothing else. A keep_alive is
not answered, so it has no round trip. CPU ticks are 10 ms: with 100 streams a window resolves 0.01 ms per chunk.
Target: <= 0.3 ms p50 per chunk.
"""

import argparse
import asyncio
import json
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import BUILD, client, corpus, harness
from benchmarks.client import Request, Settings
from benchmarks.harness import FAKE_MODEL, UNBOUNDED, Setup
from benchmarks.load_streams import RAMP_S
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile, percentiles
from speech.v1 import common_pb2

TARGET_MS = 0.3
CHUNKS_PER_S = 10
PROBE_INTERVAL_S = 0.1
ECHO = "benchmarks.echo_server"
VARIANTS = {
    "fake recognizer, fake VAD": Setup(("vad.kind=fake", *UNBOUNDED), (FAKE_MODEL,)),
    "fake recognizer, Silero VAD": Setup(UNBOUNDED, (FAKE_MODEL,)),
    "echo, a reply per chunk": Setup(command=("-m", ECHO, "--reply-every", "1")),
    "echo, a reply per 5 chunks": Setup(command=("-m", ECHO, "--reply-every", "5")),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--streams", type=int, default=100, help="streams at once")
    parser.add_argument("--seconds", type=float, default=25.0, help="length of each stream")


@dataclass(frozen=True, slots=True)
class Measured:
    """One variant, one repeat."""

    front_end_ms: list[float]
    """CPU ms per chunk, a value for each window."""
    total_ms: list[float]
    round_trips_ms: list[float]
    load: dict[str, Any]
    """What the load generator saw."""


def run(args: argparse.Namespace) -> None:
    """Measure and write ``grpc_overhead_fake_engine.json``."""
    record = Run("grpc_overhead_fake_engine", args)
    quick = bool(args.quick)
    streams, seconds = (10, 8.0) if quick else (args.streams, args.seconds)
    repeats = 1 if quick else args.repeats
    clips = corpus.of_length(corpus.load_or_bundled("en-read", args.data), 60)
    speech = BUILD / "overhead.pcm"
    BUILD.mkdir(parents=True, exist_ok=True)
    speech.write_bytes((corpus.silence(0.8)).join(clip.pcm for clip in clips))
    measured: dict[str, list[Measured]] = {name: [] for name in VARIANTS}
    with harness.progress("grpc_overhead", repeats * len(VARIANTS)) as advance:
        for number in range(repeats):
            order = list(VARIANTS) if number % 2 == 0 else list(reversed(VARIANTS))
            for name in order:
                measured[name].append(_measure(name, speech, streams, seconds))
                advance(name)
    settings = {
        "streams": streams,
        "pacing": f"real time, 100 ms chunks of 16 kHz s16, {seconds:g} s each, a connection each",
        "audio": corpus.fingerprint(clips),
        "variants": {name: setup.describe() for name, setup in VARIANTS.items()},
    }
    detail = {name: [_summary(item) for item in items] for name, items in measured.items()}
    record.write(_figures(streams, measured), settings, detail)


def _measure(name: str, speech: Path, streams: int, seconds: float) -> Measured:
    slug = "".join(c if c.isalnum() else "-" for c in name)
    with harness.Server(VARIANTS[name], f"overhead-{slug}") as server:
        return asyncio.run(_observe(server, speech, streams, seconds))


async def _observe(server: harness.Server, speech: Path, streams: int, seconds: float) -> Measured:
    """Samples the server's CPU time once a second, and probes, while the load generator runs."""
    job = harness.program(
        "benchmarks.load_streams", server.target, str(streams), str(seconds), str(speech)
    )
    process = await asyncio.create_subprocess_exec(*job, stdout=subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()  # "started"
    end = time.perf_counter() + seconds - RAMP_S - 1.5
    probe = asyncio.create_task(_probe(server.target, end))
    root_ms: list[float] = []
    total_ms: list[float] = []
    before, at = server.cpu(), time.perf_counter()
    while time.perf_counter() < end:
        await asyncio.sleep(1.0)
        after, now = server.cpu(), time.perf_counter()
        used, chunks = after - before, streams * CHUNKS_PER_S * (now - at)
        root_ms.append(used.root_s * 1000 / chunks)
        total_ms.append(used.total_s * 1000 / chunks)
        before, at = after, now
    round_trips = await probe
    load = json.loads(await process.stdout.readline() or "{}")
    await process.wait()
    if not load or load["errors"]:
        raise RuntimeError(f"the load generator failed: {load.get('errors', ['no report'])[:3]}")
    return Measured(root_ms, total_ms, round_trips, load)


async def _probe(target: str, end: float) -> list[float]:
    """Milliseconds from finalize to its ack, one at a time, on a stream without audio."""
    round_trips: list[float] = []
    async with client.connect(target) as stub:
        call = stub.StreamingRecognize()
        await call.write(Request(config=client.config(Settings())))
        number = 0
        while time.perf_counter() < end:
            await asyncio.sleep(PROBE_INTERVAL_S)
            number += 1
            sent = time.perf_counter()
            await call.write(Request(finalize=common_pb2.Finalize(control_id=str(number))))
            while True:
                reply: Any = await call.read()
                if not hasattr(reply, "control_ack"):
                    raise RuntimeError("the server ended the probing stream")
                if reply.control_ack.control_id == str(number):
                    break
            round_trips.append((time.perf_counter() - sent) * 1000)
        call.cancel()
    return round_trips


def _figures(streams: int, measured: dict[str, list[Measured]]) -> list[Figure]:
    figures: list[Figure] = []
    for name, items in measured.items():
        target = None if name.startswith("echo") else TARGET_MS
        front_end = [percentile(item.front_end_ms, 50) for item in items]
        figures.append(
            Figure(
                f"{name}: front end per chunk, p50, {streams} streams", "CPU ms", front_end, target
            )
        )
        if target:
            total = [percentile(item.total_ms, 50) for item in items]
            figures.append(Figure(f"{name}: with the worker per chunk, p50", "CPU ms", total))
        for percent in (50, 99):
            trips = [percentile(item.round_trips_ms, percent) for item in items]
            figures.append(Figure(f"{name}: finalize to ack, p{percent}", "ms", trips))
    return figures


def _summary(item: Measured) -> dict[str, Any]:
    return {
        "front_end_ms_per_chunk": percentiles(item.front_end_ms),
        "total_ms_per_chunk": percentiles(item.total_ms),
        "finalize_to_ack_ms": percentiles(item.round_trips_ms),
        "load_generator": item.load,
    }
