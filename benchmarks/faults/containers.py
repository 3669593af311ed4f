"""Forged containers: headers that lie. Each must end as OK or INVALID_ARGUMENT, and keep nobody waiting.

Speech in every container that ffmpeg writes here, its first bytes forged in every way of ``FORGERIES``, sent to a
recognizer that costs nothing. (Accidents, which leave headers alone, are ``python -m benchmarks damaged_containers``.)
"""

import asyncio
import random
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import grpc

from benchmarks import client, corpus, harness
from benchmarks.corpus import RATE, DataMissingError
from benchmarks.damaged_containers import CONTAINERS
from benchmarks.faults.options import Options, Result, figure_row
from benchmarks.faults.pinger import Pinger
from benchmarks.harness import FAKE_MODEL, Server, Setup
from speech.v1 import audio_pb2
from speech.v1 import recognition_service_pb2 as pb

NAME = "forged containers"
TARGET_MS = 500.0
GOOD = ("OK", "INVALID_ARGUMENT")
_CLIP_S = 3
_HEAD = 256
"""Where the lies are."""
_TIMEOUT_S = 60.0
_MIB = 1024 * 1024


def _lie(value: int, draws: int) -> "Callable[[bytes, random.Random], bytes]":
    """``value`` for so many numbers of 32 bits in the head."""

    def forge(data: bytes, draw: random.Random) -> bytes:
        forged = bytearray(data)
        for _ in range(draws):
            at = draw.randrange(4, min(_HEAD, len(data)) - 4)
            forged[at : at + 4] = value.to_bytes(4, draw.choice(("big", "little")))
        return bytes(forged)

    return forge


FORGERIES: Mapping[str, Callable[[bytes, random.Random], bytes]] = {
    "a huge number": _lie(0xFFFF_FFFF, 1),
    "huge numbers": _lie(0xFFFF_FFFF, 8),
    "the largest signed number": _lie(0x7FFF_FFFF, 4),
    "the smallest signed number": _lie(0x8000_0000, 4),
    "a zero": _lie(0, 1),
    "zeros": _lie(0, 8),
    "a head and nothing": lambda data, _: data[:_HEAD],
    "a head and zeros": lambda data, _: data[:_HEAD] + bytes(_MIB),
    "a head and noise": lambda data, draw: data[:_HEAD] + draw.randbytes(_MIB),
    "a thousand heads": lambda data, _: data[:_HEAD] * 1000,
    "noise in the head": lambda data, draw: data[:8] + draw.randbytes(_HEAD) + data[8 + _HEAD :],
    "the head of another": lambda data, _: b"RIFF\xff\xff\xff\xffWAVEfmt " + data,
}


def forged(content: bytes, way: str) -> bytes:
    """``content`` with a forged head, each time the same."""
    return FORGERIES[way](content, random.Random(way))


async def run(options: Options) -> Result:
    """All of them, one after the other, once: how they end does not depend on time."""
    if shutil.which("ffmpeg") is None:
        raise DataMissingError("the program ffmpeg is not installed")
    containers = dict(list(CONTAINERS.items())[:: 6 if options.quick else 1])
    files = await asyncio.to_thread(_make, containers)
    stalls: list[float] = []
    memory: list[float] = []
    endings: dict[str, int] = {}
    wrong: list[str] = []
    with (
        Server(Setup(models=(FAKE_MODEL,)), "faults-containers") as server,
        harness.progress("forged containers", len(files)) as advance,
    ):
        pinger = await asyncio.to_thread(Pinger(server.target).__enter__)
        async with client.connect(server.target) as stub:
            for name, data in files.items():
                ending = await _send(stub, data)
                endings[ending] = endings.get(ending, 0) + 1
                wrong += [] if ending in GOOD else [f"{name}: {ending}"]
                advance(name)
        await asyncio.to_thread(pinger.__exit__, None, None, None)
        stalls.append(pinger.longest_s * 1000)
        memory.append(server.memory().root_rss)
    figures = [
        figure_row("neither OK nor INVALID_ARGUMENT", "files", [len(wrong)], 0.0),
        figure_row("health waits", "ms", stalls, TARGET_MS),
        figure_row("front end afterwards", "MB", memory, 300.0),
    ]
    settings = {
        "files": f"{len(files)}: {len(containers)} containers, {len(FORGERIES)} forgeries",
        "call": f"unary Recognize, container found by the server; {_TIMEOUT_S:g} s each at most",
    }
    return {
        "figures": figures,
        "settings": settings,
        "detail": {"endings": endings, "wrong": wrong, "stalls_ms": stalls},
    }


def plot(axes: Any, result: Result) -> None:
    """How the calls ended."""
    endings = result["detail"]["endings"]
    colors = ["#2a6f97" if ending in GOOD else "#c1121f" for ending in endings]
    axes.barh(list(endings), list(endings.values()), color=colors)
    axes.set_xlabel("files")


def _make(containers: Mapping[str, tuple[str, ...]]) -> dict[str, bytes]:
    pcm = corpus.bundled()[0].pcm[: 2 * RATE * _CLIP_S]
    files: dict[str, bytes] = {}
    with tempfile.TemporaryDirectory() as folder:
        for container, options in containers.items():
            whole = Path(folder) / f"whole.{container}"
            command = ["ffmpeg", "-v", "error", "-f", "s16le", "-ar", str(RATE), "-i", "-"]
            subprocess.run([*command, *options, str(whole)], input=pcm, check=True)
            content = whole.read_bytes()
            files |= {f"{container}, {way}": forged(content, way) for way in FORGERIES}
    return files


async def _send(stub: client.Stub, data: bytes) -> str:
    detect = audio_pb2.AudioFormat(auto_detect=audio_pb2.AutoDetect())
    request = pb.RecognizeRequest(config=pb.RecognitionConfig(audio=detect), audio=data)
    try:
        await stub.Recognize(request, timeout=_TIMEOUT_S)
    except grpc.RpcError as error:
        return error.code().name
    return grpc.StatusCode.OK.name
