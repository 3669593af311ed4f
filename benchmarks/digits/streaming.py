"""The same strings over gRPC: whole, and as live streams with voice activity detection, endpoints and partials."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import client, harness
from benchmarks.client import Settings, Stub
from benchmarks.corpus import silence
from benchmarks.digits import testsets
from benchmarks.digits.driving import Driver
from benchmarks.digits.mixing import DigitString
from benchmarks.stats import Figure
from benchmarks.wer import corpus_errors

SPEED = 10.0
"""Times real time. Finals depend on the audio alone; only partials may be fewer than in real time."""
WHOLE, UNARY, LIVE = "in one piece", "Recognize", "StreamingRecognize"
STREAM = Settings(speed=SPEED, timeout_s=60)
_TOGETHER = 2
_ROOM_S = 0.3
"""Room tone around each string: a stream does not begin with the first sound."""


def run(models: Path, sets: dict[str, list[DigitString]]) -> tuple[list[Figure], dict[str, Any]]:
    """Stream the unseen takes; returns figures and notes."""
    strings = sets[testsets.UNSEEN_TAKES]
    options = {
        "model": models / "target",
        "draft": models / "draft",
        "decoding": "previous+draft",
        "dtype": "float32",
        "threads": 1,
    }
    overrides = [f"models.0.options.{name}={value}" for name, value in options.items()]
    setup = harness.Setup(overrides=tuple(overrides), models=("recognizer/qwen3",))
    with harness.Server(setup, "digits") as server:
        texts, partials = asyncio.run(_read(server.target, strings))
    whole = Driver(models / "target").read([string.samples for string in strings])
    texts[WHOLE] = [reading.hypothesis.text for reading in whole]
    rates = {
        route: 100 * corpus_errors(zip((s.text for s in strings), read, strict=True)).rate
        for route, read in texts.items()
    }
    figures = [
        Figure(f"gRPC: WER unseen takes, {UNARY}", "%", [rates[UNARY]], 2.0),
        Figure(f"gRPC: WER unseen takes, {LIVE}", "%", [rates[LIVE]]),
        Figure(
            "gRPC: WER lost by streaming, against one piece",
            "points",
            [rates[LIVE] - rates[WHOLE]],
            0.5,
        ),
    ]
    return figures, {"gRPC: partial results": partials}


async def _read(target: str, strings: Sequence[DigitString]) -> tuple[dict[str, list[str]], int]:
    """Texts of each string by each route, and how many partials came."""
    clips = [_pcm(string) for string in strings]
    partials = 0

    async def live(stub: Stub, pcm: bytes) -> str:
        nonlocal partials
        session = await client.stream(stub, "digits", pcm, STREAM)
        if session.failed:
            raise RuntimeError(f"a stream failed: {session.error}")
        partials += len(session.partials)
        return session.text

    async with client.connect_many(target, _TOGETHER) as stubs:
        texts = {
            UNARY: await _each(stubs, clips, client.recognize),
            LIVE: await _each(stubs, clips, live),
        }
    return texts, partials


async def _each(
    stubs: Sequence[Stub], clips: Sequence[bytes], read: Callable[[Stub, bytes], Awaitable[str]]
) -> list[str]:
    """One request at a time on each connection; texts in the clips' order."""
    texts = [""] * len(clips)

    async def work(first: int, stub: Stub) -> None:
        for index in range(first, len(clips), len(stubs)):
            texts[index] = await read(stub, clips[index])

    async with asyncio.TaskGroup() as group:
        for first, stub in enumerate(stubs):
            group.create_task(work(first, stub))
    return texts


def _pcm(string: DigitString) -> bytes:
    """16 kHz mono s16."""
    samples = np.clip(np.round(string.samples * 32767), -32768, 32767).astype(np.int16)
    return silence(_ROOM_S) + samples.tobytes() + silence(_ROOM_S)
