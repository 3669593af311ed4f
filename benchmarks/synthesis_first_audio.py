"""First audio of a 20-word text: SynthesizeChunked and StreamingSynthesize, one text at a time.

The clock is the client's, from handing the text to gRPC to having the first piece of audio; the worker is warm, nothing
is cached, and the eight texts (four of them one sentence without a comma) take turns. A stream is open before the
clock starts, as a voice assistant's is. The last piece of each text is timed too: first audio must come before it.

Target: first audio <= 60 ms p50.
"""

import argparse
import asyncio
from collections.abc import Sequence
from statistics import median
from typing import Any

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure, percentile, percentiles
from benchmarks.synthesis_client import Heard, Stream, chunked, connect
from benchmarks.synthesis_texts import TWENTY_WORDS

TARGET_MS = 60.0
GAP_S = 0.05
Pass = dict[str, list[Heard]]
"""What was heard, by RPC."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--rounds", type=int, default=5, help="times that each text is spoken")


def run(args: argparse.Namespace) -> None:
    """Measure and write ``synthesis_first_audio.json``."""
    record = Run("synthesis_first_audio", args)
    rounds = 1 if args.quick else args.rounds
    repeats = 1 if args.quick else args.repeats
    passes: list[Pass] = []
    with harness.Server(harness.Setup(), "synthesis_first_audio") as server:
        asyncio.run(_pass(server.target, 1))  # starts the worker
        with harness.progress("first audio", repeats) as advance:
            for _ in range(repeats):
                passes.append(asyncio.run(_pass(server.target, rounds)))
                advance("")
    settings = {
        "texts": f"{len(TWENTY_WORDS)} of 20 words, {rounds} times each, one after another",
        "output": "PCM s16, 24 kHz",
        "clock": "client; text handed to gRPC to first audio received; stream opened before",
    }
    record.write(_figures(passes), settings, {"passes": [_detail(item) for item in passes]})


async def _pass(target: str, rounds: int) -> Pass:
    heard: Pass = {"SynthesizeChunked": [], "StreamingSynthesize": []}
    async with connect(target) as ((_, stub),), Stream(stub) as stream:
        for number in range(rounds * len(TWENTY_WORDS)):
            text = TWENTY_WORDS[number % len(TWENTY_WORDS)]
            heard["SynthesizeChunked"].append(await chunked(stub, text))
            await asyncio.sleep(GAP_S)
            heard["StreamingSynthesize"].append(await stream.speak(text, str(number)))
            await asyncio.sleep(GAP_S)
    if any(item.error or not item.arrivals for items in heard.values() for item in items):
        raise RuntimeError("a text gave no audio")
    return heard


def _figures(passes: Sequence[Pass]) -> list[Figure]:
    figures: list[Figure] = []
    for rpc in passes[0]:
        firsts = [[heard.first_audio_ms for heard in item[rpc]] for item in passes]
        for name, values, target in (
            ("p50", [median(values) for values in firsts], TARGET_MS),
            ("p95", [percentile(values, 95) for values in firsts], None),
            ("least", [min(values) for values in firsts], None),
        ):
            figures.append(Figure(f"{rpc}: first audio, {name}", "ms", values, target))
        totals = [median(heard.total_ms for heard in item[rpc]) for item in passes]
        figures.append(Figure(f"{rpc}: last audio, p50", "ms", totals))
        late = [sum(len(h.arrivals) < 2 for h in item[rpc]) for item in passes]
        name = f"{rpc}: texts whose first audio was the last"
        figures.append(Figure(name, "texts", [float(count) for count in late], 0.0))
    return figures


def _detail(item: Pass) -> dict[str, Any]:
    return {
        rpc: {
            "first_audio_ms": percentiles([h.first_audio_ms for h in heard]),
            "last_audio_ms": percentiles([h.total_ms for h in heard]),
            "median_by_text_ms": [
                round(median(h.first_audio_ms for h in heard[at :: len(TWENTY_WORDS)]), 1)
                for at in range(len(TWENTY_WORDS))
            ],
        }
        for rpc, heard in item.items()
    }
