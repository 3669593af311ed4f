"""Hours of mixed work on one server: what grows, what slows down, what fails.

Live recognition, unary calls of containers, synthesis, and streams that are cancelled go on all the time; once a
minute memory, descriptors and threads of the front end and of its processes are read. A line through the readings after
the first tenth, by the median of the slopes of all their pairs (Theil, 1950; Sen, 1968), says what an hour costs: a
leak keeps growing, a cache does not. Every stream must say what the first one of its clip said.

Targets: no error, no other text; below 2 MB an hour of growth; FINALs of the last quarter within 1.3 times those of
the first.
"""

import argparse
import asyncio
import contextlib
import itertools
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import grpc
import psutil

from benchmarks import client, corpus, harness
from benchmarks.client import Settings
from benchmarks.memory import some_container
from benchmarks.plotting import pyplot
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile
from benchmarks.synthesis_client import connect as connect_speech
from benchmarks.synthesis_client import unary as speak
from benchmarks.synthesis_texts import SENTENCES
from speech.v1 import audio_pb2, recognition_service_pb2

HOURS = 4.0
_LISTENERS = 3
_SETTINGS = Settings(timeout_s=240.0)
_PAUSE_S = 0.5
"""Between the calls of one caller, so that the machine is busy and not full."""
_CANCEL_AFTER_S = 1.0
_WARM_SHARE = 0.1


@dataclass(frozen=True, slots=True)
class Reading:
    """The server at one moment."""

    at_s: float
    front_rss: float
    all_rss: float
    descriptors: int
    threads: int


@dataclass(slots=True)
class Course:
    """What happened."""

    began: float = field(default_factory=time.monotonic)
    calls: int = 0
    errors: list[str] = field(default_factory=list[str])
    different: int = 0
    lags: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    """When a FINAL came after the last audio of its stream, and how many seconds after."""
    readings: list[Reading] = field(default_factory=list[Reading])

    @property
    def at_s(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--hours", type=float, default=HOURS, help=f"how long (default {HOURS:g})")


def run(args: argparse.Namespace) -> None:
    """Measure, write ``soak.json`` and ``soak.png``."""
    record = Run("soak", args)
    seconds = 60.0 if args.quick else args.hours * 3600
    every_s = 2.0 if args.quick else min(60.0, seconds / 60)
    course = Course()
    with harness.Server(harness.Setup(harness.UNBOUNDED), "soak") as server:
        asyncio.run(_soak(server, course, seconds, every_s))
    settings = {
        "hours": seconds / 3600,
        "callers": f"{_LISTENERS} live recognitions, one each of unary containers, synthesis, cancels",
        "reading_every_s": every_s,
    }
    detail = {
        "errors": course.errors[:100],
        "readings": [asdict(reading) for reading in course.readings],
        "lags": course.lags,
    }
    path = record.write(_figures(course), settings, detail)
    draw(course.readings, course.lags, path.with_suffix(".png"))


async def _soak(server: harness.Server, course: Course, seconds: float, every_s: float) -> None:
    clips = corpus.bundled()[:_LISTENERS]
    container = some_container().read_bytes()
    async with (
        client.connect(server.target) as stub,
        connect_speech(server.target) as [(_, speech)],
    ):
        texts = [(await client.stream(stub, "first", clip.pcm, _SETTINGS)).text for clip in clips]
        callers = [
            _listener(stub, clip.pcm, text, course) for clip, text in zip(clips, texts, strict=True)
        ]
        callers += [_reader(stub, container), _speaker(speech), _canceller(stub, clips[0].pcm)]
        tasks = [asyncio.create_task(_again(caller, course)) for caller in callers]
        with harness.progress("soak", round(seconds / every_s)) as advance:
            while course.at_s < seconds:
                await asyncio.sleep(every_s)
                course.readings.append(await asyncio.to_thread(_read, server, course.at_s))
                advance(f"{course.calls} calls, {len(course.errors)} errors")
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


async def _again(caller: Callable[[], Awaitable[None]], course: Course) -> None:
    while True:
        course.calls += 1
        try:
            await caller()
        except grpc.RpcError as error:
            course.errors.append(f"{course.at_s:.0f} s: {error}"[:500])
        await asyncio.sleep(_PAUSE_S)


def _listener(
    stub: client.Stub, pcm: bytes, right: str, course: Course
) -> Callable[[], Awaitable[None]]:
    async def listen() -> None:
        session = await client.stream(stub, "soak", pcm, _SETTINGS)
        if session.failed:
            course.errors.append(f"{course.at_s:.0f} s: {session.error}"[:500])
            return
        course.different += session.text != right
        lag = session.final_after_last_audio()
        if lag is not None:
            course.lags.append((round(course.at_s, 1), round(lag, 4)))

    return listen


def _reader(stub: Any, container: bytes) -> Callable[[], Awaitable[None]]:
    config = recognition_service_pb2.RecognitionConfig(
        audio=audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    )
    request = recognition_service_pb2.RecognizeRequest(config=config, audio=container)

    async def read() -> None:
        await stub.Recognize(request, timeout=240)

    return read


def _speaker(stub: Any) -> Callable[[], Awaitable[None]]:
    sentences = itertools.cycle(SENTENCES)

    async def say() -> None:
        await speak(stub, next(sentences))

    return say


def _canceller(stub: client.Stub, pcm: bytes) -> Callable[[], Awaitable[None]]:
    async def cancel() -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_CANCEL_AFTER_S):
                await client.stream(stub, "cancelled", pcm, _SETTINGS)

    return cancel


def _read(server: harness.Server, at_s: float) -> Reading:
    front = psutil.Process(server.pid)
    memory = server.memory()
    descriptors, threads = front.num_fds(), front.num_threads()
    for child in front.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            descriptors += child.num_fds()
            threads += child.num_threads()
    return Reading(round(at_s, 1), memory.root_rss, memory.total_rss, descriptors, threads)


def slope_per_hour(times_s: Sequence[float], values: Sequence[float]) -> float:
    """The median slope of all pairs of readings, per hour; 0.0 for fewer than two."""
    points = list(zip(times_s, values, strict=True))
    slopes = [
        (later - earlier) / (late_s - early_s) * 3600
        for (early_s, earlier), (late_s, later) in itertools.combinations(points, 2)
        if late_s > early_s
    ]
    return median(slopes) if slopes else 0.0


def slowing(lags: Sequence[tuple[float, float]]) -> float:
    """p95 of the last quarter of the lags over that of the first quarter; NaN for fewer than eight."""
    quarter = len(lags) // 4
    if quarter < 2:
        return float("nan")
    values = [lag for _, lag in lags]
    return percentile(values[-quarter:], 95) / percentile(values[:quarter], 95)


def _figures(course: Course) -> list[Figure]:
    steady = course.readings[int(len(course.readings) * _WARM_SHARE) :]
    times = [reading.at_s for reading in steady]

    def growth(name: str, unit: str, values: Sequence[float], target: float) -> Figure:
        return Figure(name, unit, [slope_per_hour(times, values)], target)

    return [
        Figure("calls that failed", "calls", [len(course.errors)], 0.0, note=f"of {course.calls}"),
        Figure("streams with another text", "streams", [course.different], 0.0),
        growth("front end, RSS", "MB / hour", [r.front_rss for r in steady], 2.0),
        growth("all processes, RSS", "MB / hour", [r.all_rss for r in steady], 2.0),
        growth("descriptors", "1 / hour", [r.descriptors for r in steady], 1.0),
        growth("threads", "1 / hour", [r.threads for r in steady], 1.0),
        Figure("p95 of FINALs, last quarter / first", "x", [slowing(course.lags)], 1.3),
    ]


def draw(readings: Sequence[Reading], lags: Sequence[tuple[float, float]], path: Path) -> None:
    """Memory and lag over time."""
    plt = pyplot()
    figure, (above, below) = plt.subplots(2, figsize=(9, 7), layout="constrained", sharex=True)
    minutes = [reading.at_s / 60 for reading in readings]
    above.plot(minutes, [reading.all_rss for reading in readings], label="all processes")
    above.plot(minutes, [reading.front_rss for reading in readings], label="front end")
    above.set_ylabel("RSS, MB")
    above.set_ylim(bottom=0)
    above.legend()
    below.plot([at / 60 for at, _ in lags], [lag * 1000 for _, lag in lags], ".", markersize=3)
    below.set_ylabel("last audio to FINAL, ms")
    below.set_xlabel("minutes")
    figure.savefig(path, dpi=110)
    plt.close(figure)
