"""A live stream beside voices that nobody reads: how late its FINALs come, alone and beside them, in turns.

Each of many short rounds measures, on one server, the live stream alone and then as ``--voices`` StreamingSynthesize
calls open, are each given a long text, and are not read; every second round in the opposite order. The voices come when
the live stream has begun, so that all that they have made ahead is made beside it. The lag of a FINAL counts from when
its ``end_silence`` has passed, by schedule, plus 50 ms for all. The client runs on the same cores. The figure that
counts is the ratio of all rounds. Target: p95 FINAL lag beside 30 unread voices <= 1.5 x alone.
"""

import argparse
import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import client, corpus, harness, live_lag, synthesis_client
from benchmarks.client import Settings
from benchmarks.plotting import pyplot
from benchmarks.results import Run
from benchmarks.stats import Figure
from benchmarks.synthesis_texts import PARAGRAPHS

_HEAD_START_S = 1.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument("--voices", type=int, default=30, help="unread voices (default 30)")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of the live stream")
    parser.add_argument("--rounds", type=int, default=8, help="rounds (default 8)")
    parser.add_argument("--group", default="en-read", help="manifest group")


def run(args: argparse.Namespace) -> None:
    """Measure; write ``live_beside_voices.json`` and draw ``live_beside_voices.png``."""
    record = Run("live_beside_voices", args)
    clips = corpus.load_or_bundled(args.group, args.data)
    number, seconds = (1, 8.0) if args.quick else (args.rounds, args.seconds)
    live = live_lag.live_pcm(clips, seconds)
    rounds: list[dict[str, list[float]]] = []
    # Who is let in is another matter: `overload` measures that.
    with harness.Server(harness.Setup(harness.UNBOUNDED), "live-beside-voices") as server:
        asyncio.run(_measure(server, live_lag.live_pcm(clips, 5.0), 1))
        with harness.progress("live_beside_voices", 2 * number) as advance:
            for at in range(number):
                lags: dict[str, list[float]] = {}
                arms = [("alone", 0), ("beside", args.voices)]
                for name, voices in reversed(arms) if at % 2 else arms:
                    lags[name] = asyncio.run(_measure(server, live, voices))
                    advance(name)
                rounds.append(lags)
    settings = {"voices": args.voices, **live_lag.settings(seconds, clips)}
    path = record.write(_figures(rounds, args.voices), settings, {"rounds": rounds})
    draw({"detail": {"rounds": rounds}}, path.with_suffix(".png"))


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """One PNG: the lag of every FINAL, alone and beside."""
    plt = pyplot()
    rounds = document["detail"]["rounds"]
    figure, axes = plt.subplots(figsize=(6, 4.2), layout="constrained")
    for name, color in (("alone", "#2a6f97"), ("beside", "#c1121f")):
        lags = [lag for parts in rounds for lag in parts[name]]
        live_lag.step_plot(axes, lags, color=color, label=name)
    axes.legend()
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _figures(rounds: Sequence[Mapping[str, Sequence[float]]], voices: int) -> list[Figure]:
    def lag(name: str, percent: float) -> float:
        return live_lag.floored([lag for parts in rounds for lag in parts[name]], percent)

    beside = f"beside {voices} unread voices"
    return [
        Figure("FINAL lag p50, alone", "ms", [lag("alone", 50)]),
        Figure(f"FINAL lag p50, {beside}", "ms", [lag("beside", 50)]),
        Figure("FINAL lag p95, alone", "ms", [lag("alone", 95)]),
        Figure(f"FINAL lag p95, {beside}", "ms", [lag("beside", 95)]),
        Figure("FINAL lag p95, beside / alone", "x", [lag("beside", 95) / lag("alone", 95)], 1.5),
    ]


async def _measure(server: harness.Server, live: bytes, voices: int) -> list[float]:
    """Lags of the live stream's FINALs, in milliseconds."""
    async with (
        client.connect(server.target) as stub,
        synthesis_client.connect(server.target, max(1, voices)) as connections,
        contextlib.AsyncExitStack() as stack,
    ):
        speaking = asyncio.create_task(_speak(connections[:voices], stack))
        session = await client.stream(stub, "live", live, Settings(timeout_s=60.0))
        await speaking
    if session.failed:
        raise RuntimeError(f"the live stream failed: {session.error}")
    return live_lag.lags_ms(session)


async def _speak(connections: Sequence[tuple[Any, Any]], stack: contextlib.AsyncExitStack) -> None:
    """Have so many voices speak that are not read."""
    await asyncio.sleep(_HEAD_START_S)
    text = " ".join(PARAGRAPHS)
    for index, (_, stub) in enumerate(connections):
        voice = await stack.enter_async_context(synthesis_client.Stream(stub))
        await voice.text(text, f"c{index}")
