"""A live stream beside bulk jobs: how late its FINALs come and how many partials it gets, alone and beside FILE jobs.

Each of many short rounds measures, on one server: the live stream alone, the FILE streams alone, and both together;
every second round in the opposite order, so that what others do to the machine befalls all of them alike. A FILE stream
sends a recording as fast as the server takes it, for as long as the live stream lasts. The lag of a FINAL counts from
when its ``end_silence`` has passed, by schedule; a FINAL that came before that has the lag 0, plus 50 ms for all, so
that a ratio of two tiny lags says little. The client runs on the same cores. The figure that counts is the ratio of the
p95 of all FINALs of all rounds; beside it stand the ratios inside the rounds.
Targets: p95 FINAL lag beside six FILE streams <= 1.5 x alone, partials >= 0.7 x, bulk throughput >= 0.9 x.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks import client, corpus, harness, live_lag
from benchmarks.client import FILE, Settings
from benchmarks.plotting import pyplot
from benchmarks.results import Run
from benchmarks.stats import Figure
from speech.v1 import audio_pb2

_FILE = Settings(pacing=FILE, speed=0, partials=False)


@dataclass(frozen=True, slots=True)
class Part:
    """What one part of a repeat saw. Lags in milliseconds, throughput in seconds of audio per second."""

    lags: Sequence[float] = ()
    partials: int = 0
    throughput: float = 0.0

    @property
    def p95(self) -> float:
        """Of the FINAL lags, with the floor."""
        return live_lag.floored(self.lags, 95)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--files", type=int, default=6, help="FILE streams (default 6)")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of the live stream")
    parser.add_argument("--rounds", type=int, default=8, help="rounds (default 8)")
    parser.add_argument("--group", default="en-read", help="manifest group")


def run(args: argparse.Namespace) -> None:
    """Measure; write ``live_beside_files.json`` and draw ``live_beside_files.png``."""
    record = Run("live_beside_files", args)
    clips = corpus.load_or_bundled(args.group, args.data)
    number, seconds = (1, 12.0) if args.quick else (args.rounds, args.seconds)
    live = live_lag.live_pcm(clips, seconds)
    file = b"".join(clip.pcm for clip in clips)
    rounds: list[dict[str, Part]] = []
    with harness.Server(harness.Setup(), "live-beside-files") as server:
        asyncio.run(_measure(server, live_lag.live_pcm(clips, 6.0), file, args.files))
        arms = [("alone", live, 0), ("files", b"", args.files), ("beside", live, args.files)]
        with harness.progress("live_beside_files", len(arms) * number) as advance:
            for at in range(number):
                parts: dict[str, Part] = {}
                for name, pcm, files in reversed(arms) if at % 2 else arms:
                    parts[name] = asyncio.run(_measure(server, pcm, file, files, seconds))
                    advance(name)
                rounds.append(parts)
    settings = {"files": args.files, **live_lag.settings(seconds, clips)}
    detail = {"rounds": [{name: asdict(part) for name, part in r.items()} for r in rounds]}
    path = record.write(_figures(rounds, args.files), settings, detail)
    draw({"detail": detail}, path.with_suffix(".png"))


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """One PNG: the lag of every FINAL, and the partials of every round, alone and beside."""
    plt = pyplot()
    rounds = document["detail"]["rounds"]
    figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4.2), layout="constrained")
    for name, color in (("alone", "#2a6f97"), ("beside", "#c1121f")):
        lags = [lag for parts in rounds for lag in parts[name]["lags"]]
        live_lag.step_plot(left, lags, color=color, label=name)
        counts = [parts[name]["partials"] for parts in rounds]
        right.plot(range(1, len(counts) + 1), counts, "o-", color=color, label=name)
    right.set_xlabel("round")
    right.set_ylabel("partials")
    right.set_ylim(bottom=0)
    left.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _figures(rounds: Sequence[Mapping[str, Part]], files: int) -> list[Figure]:
    beside = f"beside {files} FILE streams"
    ratio = [r["beside"].p95 / r["alone"].p95 for r in rounds]
    every = {
        name: Part([lag for r in rounds for lag in r[name].lags]).p95
        for name in ("alone", "beside")
    }
    partials = [r["beside"].partials / max(1, r["alone"].partials) for r in rounds]
    bulk = [r["beside"].throughput / max(1e-9, r["files"].throughput) for r in rounds]
    return [
        Figure("FINAL lag p95, alone", "ms", [r["alone"].p95 for r in rounds]),
        Figure(f"FINAL lag p95, {beside}", "ms", [r["beside"].p95 for r in rounds]),
        Figure(
            "FINAL lag p95 of all rounds, beside / alone",
            "x",
            [every["beside"] / every["alone"]],
            1.5,
        ),
        Figure("FINAL lag p95 inside a round, beside / alone", "x", ratio),
        Figure("partials, beside / alone", "x", partials, 0.7, "higher"),
        Figure("bulk throughput, beside / without the live stream", "x", bulk, 0.9, "higher"),
    ]


async def _measure(
    server: harness.Server, live: bytes, file: bytes, files: int, seconds: float = 6.0
) -> Part:
    """Hold the live stream, if there is one, and the FILE streams as long as it, or for ``seconds``."""
    loop = asyncio.get_running_loop()
    async with client.connect_many(server.target, files + 1) as stubs:
        done_ms = [0] * files
        jobs = [asyncio.create_task(_job(stubs[n + 1], file, done_ms, n)) for n in range(files)]
        began_s = loop.time()
        if not live:
            await asyncio.sleep(seconds)
            return Part(throughput=await _end(jobs, done_ms, loop.time() - began_s))
        session = await client.stream(stubs[0], "live", live, Settings(timeout_s=60.0))
        throughput = await _end(jobs, done_ms, loop.time() - began_s)
    if session.failed:
        raise RuntimeError(f"the live stream failed: {session.error}")
    return Part(live_lag.lags_ms(session), len(session.partials), throughput)


async def _end(
    jobs: Sequence["asyncio.Task[None]"], done_ms: Sequence[int], took_s: float
) -> float:
    """Stop the FILE streams; seconds of audio that they got FINALs of, per second."""
    throughput = sum(done_ms) / 1000 / took_s
    for job in jobs:
        job.cancel()
    for outcome in await asyncio.gather(*jobs, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome
    return throughput


async def _job(stub: client.Stub, pcm: bytes, done_ms: list[int], number: int) -> None:
    """One FILE stream after the other; ``done_ms`` grows with the FINALs."""
    while True:
        call = stub.StreamingRecognize()
        sender = asyncio.create_task(_send(call, pcm))
        before_ms = done_ms[number]
        try:
            async for response in call:
                if response.result.kind == client.FINAL:
                    done_ms[number] = before_ms + response.result.end_ms
        finally:
            sender.cancel()
            call.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sender


async def _send(call: Any, pcm: bytes) -> None:
    await call.write(client.Request(config=client.config(_FILE)))
    step = corpus.BYTES_PER_S
    for at in range(0, len(pcm), step):
        await call.write(client.Request(audio=audio_pb2.AudioChunk(data=pcm[at : at + step])))
    await call.done_writing()
