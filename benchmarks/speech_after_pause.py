"""A finished sentence without a word behind it: when its first audio comes, against the same sentence with a flush.

StreamingSynthesize on one open stream. Each sentence is sent twice, in turn: alone, so that the server speaks it once
no text came for ``sentence_pause`` (0.2 s), and with a flush right behind it. The clock is the client's, from handing
the text to gRPC to having the first audio. What others do to the machine befalls both arms alike.

Target: first audio less the pause <= 1.5 x that with a flush, by medians.
"""

import argparse
import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import harness
from benchmarks.results import Run
from benchmarks.stats import Figure
from benchmarks.synthesis_client import Stream, connect

PAUSE_MS = 200.0
RATIO_TARGET = 1.5
_SENTENCES = (
    "Let me check that for you. ",
    "Sure! ",
    "How are you today? ",
    "I will look it up at once. ",
    "One moment, please. ",
    "The train leaves from platform nine. ",
    "That is a very good question! ",
    "Your order is on its way. ",
    "Did you mean the one in Lisbon? ",
    "It is going to rain this afternoon. ",
)
Round = dict[str, list[float]]
"""First audio in milliseconds, by arm: ``pause`` and ``flush``."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--rounds", type=int, default=6, help="times that each sentence is spoken")


def run(args: argparse.Namespace) -> None:
    """Measure; write ``speech_after_pause.json`` and draw ``speech_after_pause.png``."""
    record = Run("speech_after_pause", args)
    with harness.Server(harness.Setup(), "speech_after_pause") as server:
        rounds = asyncio.run(_measure(server.target, 1 if args.quick else args.rounds))
    settings = {"sentences": len(_SENTENCES), "sentence_pause_ms": PAUSE_MS}
    path = record.write(_figures(rounds), settings, {"rounds": rounds})
    draw({"detail": {"rounds": rounds}}, path.with_suffix(".png"))


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """One PNG: the first audio of every sentence, by arm."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 4.2), layout="constrained")
    for arm, color in (("flush", "#2a6f97"), ("pause", "#c1121f")):
        values = sorted(value for each in document["detail"]["rounds"] for value in each[arm])
        shares = [(index + 1) / len(values) for index in range(len(values))]
        axes.step(values, shares, where="post", color=color, label=f"with a {arm}")
    axes.axvline(PAUSE_MS, color="grey", linestyle=":", label="sentence_pause")
    axes.set_xlabel("text sent to first audio, ms")
    axes.set_ylabel("share of sentences")
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


async def _measure(target: str, count: int) -> list[Round]:
    rounds: list[Round] = []
    async with connect(target) as ((_, stub),), Stream(stub) as stream:
        for text in _SENTENCES[:2]:  # starts the worker
            await _first_audio_ms(stream, text, f"warm {text}", flushes=True)
        with harness.progress("speech_after_pause", count) as advance:
            for number in range(count):
                arms: Round = {"pause": [], "flush": []}
                for at, text in enumerate(_SENTENCES):
                    for arm in ("pause", "flush") if (at + number) % 2 else ("flush", "pause"):
                        context = f"{arm} {number} {at}"
                        flushes = arm == "flush"
                        arms[arm].append(
                            await _first_audio_ms(stream, text, context, flushes=flushes)
                        )
                rounds.append(arms)
                advance("")
    return rounds


async def _first_audio_ms(stream: Stream, text: str, context: str, *, flushes: bool) -> float:
    """Send a sentence, time its first audio, and read its context to the end."""
    heard = await (stream.speak if flushes else stream.speak_after_pause)(text, context)
    if heard.error or not heard.arrivals:
        raise RuntimeError(f"{text!r} gave no audio")
    return heard.first_audio_ms


def _figures(rounds: Sequence[Round]) -> list[Figure]:
    pause = [median(each["pause"]) for each in rounds]
    flush = [median(each["flush"]) for each in rounds]
    every = {arm: [value for each in rounds for value in each[arm]] for arm in ("pause", "flush")}
    ratio = (median(every["pause"]) - PAUSE_MS) / median(every["flush"])
    inside = [(late - PAUSE_MS) / soon for late, soon in zip(pause, flush, strict=True)]
    name = "first audio after the pause, less the pause / with a flush"
    return [
        Figure("first audio after a pause, p50", "ms", pause),
        Figure("first audio with a flush, p50", "ms", flush),
        Figure(f"{name}, of all rounds", "x", [ratio], RATIO_TARGET),
        Figure(f"{name}, inside a round", "x", inside),
        Figure("earliest first audio after a pause", "ms", [min(every["pause"])]),
    ]
