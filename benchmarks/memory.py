"""Memory of the service: front end before and after its first stream, worker loaded, everything after idle stop.

RSS counts shared pages in every process, PSS divides them; the targets are RSS, so the sum over several processes is on
the high side. MB is 10^6 bytes. Each repeat is a fresh server. The worker's idle limit is set short (its length does
not matter for what is left); one real recording is streamed, and one container is recognized so that the decoder's
processes are counted too.

Targets: front end <= 100 MB RSS before its first stream; whole service (all processes) <= 130 MB RSS after idle stop.
"""

import argparse
import asyncio
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import grpc.aio

from benchmarks import client, corpus, harness, procstat
from benchmarks.client import Settings
from benchmarks.results import Run, console
from benchmarks.stats import Figure
from speech.v1 import audio_pb2, recognition_service_pb2

IDLE_S = 3
SETTLE_S = 5.0
STOP_WAIT_S = 60.0
OVERRIDES = (f"worker.idle_timeout_s={IDLE_S}", f"decoder.idle_timeout_s={IDLE_S}")
Reading = dict[str, Any]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--container", type=Path, help="audio file to recognize, for the decoder")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``memory.json``."""
    record = Run("memory", args)
    clip = corpus.load_or_bundled("en-read", args.data, 1)[0]
    container = (args.container or some_container()).read_bytes()
    repeats = 1 if args.quick else args.repeats
    readings: list[dict[str, Reading]] = []
    with harness.progress("memory", repeats) as advance:
        for _ in range(repeats):
            readings.append(_one(clip, container))
            advance("")
    settings = {"overrides": OVERRIDES, "settled_s": SETTLE_S, "clip": clip.name}
    record.write(_figures(readings), settings, {"readings": readings})


def some_container() -> Path:
    """A WAV file that is surely there: a sample of the recognizer's wheel."""
    from importlib.util import find_spec

    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        raise corpus.DataMissingError("no audio file at hand: name one with --container")
    return Path(spec.origin).parent / "assets" / "beckett.wav"


def _one(clip: corpus.Clip, container: bytes) -> dict[str, Reading]:
    """One server's life."""
    with harness.Server(harness.Setup(OVERRIDES), "memory") as server:
        time.sleep(SETTLE_S)
        reading = {"before_first_stream": _read(server)}
        asyncio.run(_stream(server.target, clip))
        reading["after_first_stream"] = _read(server)
        asyncio.run(_container(server.target, container))
        reading["after_first_container"] = _read(server)
        reading["after_idle_stop"] = _after_idle(server)
    return reading


def _read(server: harness.Server) -> Reading:
    return asdict(server.memory()) | {"children": procstat.children(server.pid)}


def _after_idle(server: harness.Server) -> Reading:
    """Waits until the number of processes has not changed for a while."""
    deadline = time.monotonic() + STOP_WAIT_S
    time.sleep(IDLE_S + SETTLE_S)
    while len(procstat.children(server.pid)) > 0 and time.monotonic() < deadline:
        before = procstat.children(server.pid)
        time.sleep(IDLE_S + SETTLE_S)
        if procstat.children(server.pid) == before:
            console.print(f"memory: still running after idle stop: {before}")
            break
    return _read(server)


async def _stream(target: str, clip: corpus.Clip) -> None:
    async with client.connect(target) as stub:
        session = await client.stream(stub, clip.name, clip.pcm, Settings(speed=4, timeout_s=60))
    if session.failed:
        raise RuntimeError(f"the stream failed: {session.error}")


async def _container(target: str, data: bytes) -> None:
    config = recognition_service_pb2.RecognitionConfig(
        audio=audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    )
    async with client.connect(target) as stub:
        request = recognition_service_pb2.RecognizeRequest(config=config, audio=data)
        try:
            await stub.Recognize(request, timeout=60)
        except grpc.aio.AioRpcError as error:
            raise RuntimeError(f"recognizing a container failed: {error.details()}") from error


def _figures(readings: list[dict[str, Reading]]) -> list[Figure]:
    def figure(name: str, when: str, key: str, target: float | None = None) -> Figure:
        return Figure(name, "MB", [reading[when][key] for reading in readings], target)

    return [
        figure("front end before its first stream, RSS", "before_first_stream", "root_rss", 100.0),
        figure("front end before its first stream, PSS", "before_first_stream", "root_pss"),
        figure("front end after its first stream, RSS", "after_first_stream", "root_rss"),
        figure("all processes with the worker loaded, RSS", "after_first_stream", "total_rss"),
        figure("all processes with the worker loaded, PSS", "after_first_stream", "total_pss"),
        figure("all processes after idle stop, RSS", "after_idle_stop", "total_rss", 130.0),
        figure("all processes after idle stop, PSS", "after_idle_stop", "total_pss"),
        Figure(
            "after idle stop", "processes", [r["after_idle_stop"]["processes"] for r in readings]
        ),
    ]
