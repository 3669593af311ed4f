"""CPU seconds per second of audio of live streaming with 0.5 s updates, against the vendor's SDK in the same run.

One stream at a time, paced at ``--speed`` times real time for both (default 1: a real-time stream, with all that idles
between chunks). The service's figure is the front end and the worker together, from /proc, gRPC, VAD and partials
included; the client is reported beside it. The SDK's figure is its whole process (it has no client) without loading.
Passes alternate: service, SDK, SDK with ``return_audio_data=false``, and again. Quote only ratios within one run.

The number of decodes and of dropped updates is recorded: a service that skipped its updates would look cheap.
Targets: <= 0.06 CPU s per audio s, on the machine for which it was set: there the SDK took 0.20 and one offline pass
of the packaged graphs 0.011. That pass (offline_pass.py) runs here as well: in its units the target is 5.5 anywhere.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks import client, corpus, harness, offline_pass, vendor
from benchmarks.client import Settings
from benchmarks.corpus import Clip
from benchmarks.results import Run, console
from benchmarks.stats import Figure

TARGET = 0.06
OFFLINE_THERE = 0.011
"""CPU s per audio s of one offline pass on the machine for which ``TARGET`` was set."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--group", default="en-read", help="manifest group")
    parser.add_argument("--speed", type=float, default=1.0, help="times real time, both sides")
    parser.add_argument(
        "--seconds", type=float, default=150.0, help="audio per pass; 0: the whole group"
    )
    parser.add_argument("--no-vendor", action="store_true", help="leave the vendor's SDK out")


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass of the service over the clips; CPU seconds are per audio second."""

    front_end: float
    total: float
    client: float
    decodes: float
    """Work items per audio second, finals included."""
    partials: float
    """PARTIAL results received per audio second; unchanged text is not sent again."""
    dropped: float
    """Per cent of partial updates that were given up."""
    work: dict[str, float]


def run(args: argparse.Namespace) -> None:
    """Measure and write ``streaming_cpu.json``."""
    record = Run("streaming_cpu", args)
    clips = corpus.of_length(
        corpus.load_or_bundled(args.group, args.data), 15 if args.quick else args.seconds
    )
    speed, repeats = (4.0 if args.quick else args.speed), 1 if args.quick else args.repeats
    passes: list[Pass] = []
    offline: list[float] = []
    rivals: dict[str, list[float]] = {} if args.no_vendor else {"vendor": [], "vendor lean": []}
    with harness.Server(harness.Setup(), "streaming_cpu") as server:
        asyncio.run(_warm_up(server.target, clips[0]))
        for number in range(repeats):
            passes.append(asyncio.run(_pass(server, clips, speed, f"{number + 1}/{repeats}")))
            offline.append(offline_pass.run(clips))
            for name, values in rivals.items():
                console.print(f"streaming_cpu: {name}, pass {number + 1}/{repeats}")
                options = vendor.Options(lean="lean" in name, speed=speed)
                report = vendor.run("stream", clips, options)
                values.append(report.cpu_s / report.audio_s)
    settings = {
        "pacing": f"one stream at a time, {speed:g} x real time, 100 ms chunks, 0.5 s updates",
        "audio": corpus.fingerprint(clips),
        "group": clips[0].group,
        "vendor": f"moonshine_voice.Transcriber {vendor.PINNED}" if rivals else None,
    }
    record.write(
        _figures(passes, offline, rivals), settings, {"passes": [vars_of(p) for p in passes]}
    )


def vars_of(item: Pass) -> dict[str, Any]:
    """A pass as plain values."""
    return {name: getattr(item, name) for name in Pass.__slots__}


async def _warm_up(target: str, clip: Clip) -> None:
    """Starts the worker and loads the models; not measured."""
    async with client.connect(target) as stub:
        session = await client.stream(stub, "warm-up", clip.pcm, Settings(speed=4, timeout_s=60))
    if session.failed:
        raise RuntimeError(f"the warm-up session failed: {session.error}")


async def _pass(server: harness.Server, clips: Sequence[Clip], speed: float, title: str) -> Pass:
    settings, partials = Settings(speed=speed, timeout_s=30), 0
    before, metrics, own = server.cpu(), server.metrics(), time.process_time()
    async with client.connect(server.target) as stub:
        with harness.progress(f"streaming_cpu {title}", len(clips)) as advance:
            for clip in clips:
                session = await client.stream(stub, clip.name, clip.pcm, settings)
                if session.failed:
                    raise RuntimeError(f"{clip.name} failed: {session.error}")
                partials += len(session.partials)
                advance(clip.name)
    used, own = server.cpu() - before, time.process_time() - own
    work = harness.metric_delta(metrics, server.metrics(), "speech_work_total")
    done = sum(value for name, value in work.items() if 'outcome="done"' in name)
    audio_s = sum(clip.duration_s for clip in clips)
    return Pass(
        front_end=used.root_s / audio_s,
        total=used.total_s / audio_s,
        client=own / audio_s,
        decodes=done / audio_s,
        partials=partials / audio_s,
        dropped=harness.dropped_partials(work),
        work=work,
    )


def _figures(
    passes: Sequence[Pass], offline: Sequence[float], rivals: dict[str, list[float]]
) -> list[Figure]:
    unit = "CPU s / audio s"
    total = [item.total for item in passes]
    figures = [
        Figure("service, front end and worker", unit, total, TARGET),
        Figure("service, front end alone", unit, [item.front_end for item in passes]),
        Figure("client (Python)", unit, [item.client for item in passes]),
        Figure(
            "decodes of the service",
            "per audio s",
            [item.decodes for item in passes],
            better="higher",
        ),
        Figure(
            "partials received", "per audio s", [item.partials for item in passes], better="higher"
        ),
    ]
    in_passes = [ours / one for ours, one in zip(total, offline, strict=True)]
    figures.append(Figure("one offline pass of the packaged graphs", unit, offline))
    figures.append(Figure("service / offline pass", "x", in_passes, TARGET / OFFLINE_THERE))
    note = "above a few per cent, the CPU figure is too low"
    figures.append(Figure("partial updates dropped", "%", [p.dropped for p in passes], note=note))
    for name, values in rivals.items():
        figures.append(Figure(name, unit, values))
        ratios = [theirs / ours for theirs, ours in zip(values, total, strict=True)]
        overall = statistics.median(values) / statistics.median(total)
        note = f"median of the ratios of alternated passes; of the medians: {overall:.2f}"
        figures.append(Figure(f"{name} / service", "x", ratios, better="higher", note=note))
    return figures
