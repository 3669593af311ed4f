"""Barge-in: from ``cancel`` to silence, with 10 streams that all speak as fast as the server can.

Each stream speaks a long text, so that the device is never idle, and its client takes the audio as it comes. At a
random moment after its first audio it cancels the context. Silence is when the last audio of that context was received;
the acknowledgement comes behind it, and nothing of the context may follow. The clock is the client's.

Target: <= 100 ms p99.
"""

import argparse
import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile, percentiles
from benchmarks.synthesis_client import TIMEOUT_S, Stream, connect
from benchmarks.synthesis_texts import SENTENCES
from speech.v1 import synthesis_service_pb2 as pb

TARGET_MS = 100.0
LONG = " ".join(SENTENCES * 20)
"""About half an hour: no context ends by itself."""
SPOKEN_S = (0.1, 0.6)
"""From first audio to cancel."""


@dataclass(slots=True)
class Pass:
    """One repeat, milliseconds."""

    silence: list[float] = field(default_factory=list[float])
    """Cancel to the last audio of the context; 0 where none came after the cancel."""
    ack: list[float] = field(default_factory=list[float])
    after_ack: int = 0
    """Pieces of audio behind the acknowledgement."""
    wrong_ends: int = 0
    """Contexts that did not end as cancelled."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--streams", type=int, default=10, help="streams at once")
    parser.add_argument("--cancels", type=int, default=30, help="cancels of each stream")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``synthesis_cancel.json``."""
    record = Run("synthesis_cancel", args)
    streams, cancels = (3, 2) if args.quick else (args.streams, args.cancels)
    repeats = 1 if args.quick else args.repeats
    passes: list[Pass] = []
    with harness.Server(harness.Setup(harness.UNBOUNDED), "synthesis_cancel") as server:
        asyncio.run(_pass(server.target, 1, 1))  # starts the worker
        with harness.progress("cancel", repeats) as advance:
            for _ in range(repeats):
                passes.append(asyncio.run(_pass(server.target, streams, cancels)))
                advance("")
    settings = {
        "streams": streams,
        "cancels": f"{cancels} of each stream, {SPOKEN_S[0]:g} to {SPOKEN_S[1]:g} s after first audio",
        "load": "every stream has text without end; PCM s16 at 24 kHz; client on the same cores",
    }
    record.write(_figures(passes, streams), settings, {"passes": [_summary(p) for p in passes]})


async def _pass(target: str, streams: int, cancels: int) -> Pass:
    result = Pass()
    async with connect(target, streams) as connections:
        await asyncio.gather(
            *(
                _stream(stub, random.Random(number), cancels, result)
                for number, (_, stub) in enumerate(connections)
            )
        )
    return result


async def _stream(stub: Any, moments: random.Random, cancels: int, result: Pass) -> None:
    async with Stream(stub) as stream, asyncio.timeout(TIMEOUT_S + 5 * cancels):
        for number in range(cancels):
            await _cancelled(stream, str(number), moments.uniform(*SPOKEN_S), result)


async def _cancelled(stream: Stream, name: str, spoken_s: float, result: Pass) -> None:
    """One context from its text to its end."""
    await stream.text(LONG, name)
    while not _is_audio_of(await stream.read(), name):
        pass
    cancelling = asyncio.create_task(_cancel_later(stream, name, spoken_s))
    last_audio = acked = 0.0
    while True:
        event = await stream.read()
        if _is_audio_of(event, name):
            last_audio = time.perf_counter()
            result.after_ack += bool(acked)
        elif event.HasField("control_ack") and event.control_ack.control_id == f"c{name}":
            acked = time.perf_counter()
        elif event.HasField("context_ended"):
            outcome = event.context_ended.outcome
            result.wrong_ends += outcome != pb.CONTEXT_OUTCOME_CANCELLED
            break
    cancelled = await cancelling
    result.silence.append(max(0.0, last_audio - cancelled) * 1000)
    result.ack.append((acked - cancelled) * 1000)


async def _cancel_later(stream: Stream, name: str, spoken_s: float) -> float:
    await asyncio.sleep(spoken_s)
    return await stream.cancel(name)


def _is_audio_of(event: pb.StreamingSynthesizeResponse, name: str) -> bool:
    return event.HasField("audio") and event.audio.context_id == name


def _figures(passes: Sequence[Pass], streams: int) -> list[Figure]:
    title = f"{streams} streams"
    return [
        Figure(
            f"{title}: cancel to silence, p99",
            "ms",
            [percentile(p.silence, 99) for p in passes],
            TARGET_MS,
        ),
        Figure(
            f"{title}: cancel to silence, p50", "ms", [percentile(p.silence, 50) for p in passes]
        ),
        Figure(f"{title}: cancel to ack, p50", "ms", [percentile(p.ack, 50) for p in passes]),
        Figure(f"{title}: cancel to ack, p99", "ms", [percentile(p.ack, 99) for p in passes]),
        Figure("audio after the ack", "pieces", [float(p.after_ack) for p in passes], 0.0),
        Figure("contexts not cancelled", "contexts", [float(p.wrong_ends) for p in passes], 0.0),
    ]


def _summary(item: Pass) -> dict[str, Any]:
    return {"silence_ms": percentiles(item.silence), "ack_ms": percentiles(item.ack)}
