"""The goals for an H200 by simulation: real scheduler, router and sessions on a virtual clock, steps of a cost model

Needs no GPU and measures none: a step takes what ``cost_model.py`` says, which names the source of each number. What
the service's own code decides (whose turn it is, what is superseded, when a listener has nothing left to hear) is the
service's own code. Front ends are not bound by their CPU here: their cost is a constant on the way of each message.
"""

import argparse
from collections.abc import Iterator

from benchmarks.results import Run, console
from benchmarks.simulate import plots, scaling
from benchmarks.simulate.cost_model import ALIGNER_0_6B, ASR_0_6B, ASR_1_7B, LABEL, TTS_1_7B, table
from benchmarks.simulate.rows import FULL, NOT_SIMULATED, QUICK, rows
from benchmarks.simulate.scaling import Point
from benchmarks.stats import Figure

NAME = "simulated-h200-cost-model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this part alone."""
    parser.add_argument("--no-growth", action="store_true", help="the goals only, no plots")


def run(args: argparse.Namespace) -> None:
    """Simulate the goals, then how cost grows; write and draw both."""
    args.hardware = args.hardware or "simulated-h200"
    measured = Run(NAME, args)
    figures: list[Figure] = []
    for figure in rows(QUICK if args.quick else FULL):
        console.print(f"{figure.name}: {figure.median:.4g} {figure.unit}")
        figures.append(figure)
    streams, gpus = ([], []) if args.no_growth else (_streams(args.quick), _gpus(args.quick))
    settings = {
        "label": LABEL,
        "cost_model": [table(cost) for cost in (ASR_1_7B, ASR_0_6B, ALIGNER_0_6B, TTS_1_7B)],
        "machine": "the one that simulated; nothing was measured on it but the CPU of the simulation, as a ratio",
    }
    detail = {
        "not_simulated": NOT_SIMULATED,
        "over_streams_on_one_gpu": [point.row() for point in streams],
        "over_gpus": [point.row() for point in gpus],
    }
    path = measured.write([*figures, *_growth(streams, gpus)], settings, detail)
    for goal, where in NOT_SIMULATED.items():
        console.print(f"not simulated: {goal} ({where})")
    for drawn in plots.draw(path, figures, streams, gpus):
        console.print(f"drawn {drawn}")


def _streams(is_quick: bool) -> list[Point]:
    return _told(scaling.over_streams((1, 10, 50), 1.0) if is_quick else scaling.over_streams())


def _gpus(is_quick: bool) -> list[Point]:
    return _told(scaling.over_gpus((1, 2, 4), 20) if is_quick else scaling.over_gpus())


def _told(points: Iterator[Point]) -> list[Point]:
    told: list[Point] = []
    for point in points:
        console.print(
            f"{point.streams} streams, {point.gpus} GPUs: p99 FINAL {point.final_p99_ms:.3g} ms,"
            f" {point.device_ms:.3g} ms of a device a second of a stream"
        )
        told.append(point)
    return told


def _growth(streams: list[Point], gpus: list[Point]) -> Iterator[Figure]:
    """How much dearer a second of a stream is at the end than where there is company enough to share steps."""
    if not streams or not gpus:
        return
    first, last = gpus[0], gpus[-1]
    most = f"{last.streams} streams on {last.gpus} GPUs / {first.streams} on {first.gpus}"
    for what, ratio in (
        ("device time of a second of a stream", last.device_ms / first.device_ms),
        ("p99 lag of FINALs", last.final_p99_ms / first.final_p99_ms),
        ("CPU of sessions, router, schedulers and simulation", last.cpu_ms / first.cpu_ms),
    ):
        yield Figure(f"{what}, {most} ({LABEL})", "x", [ratio])
    yield Figure(
        f"device that computed most / least, {last.gpus} GPUs ({LABEL})", "x", [last.uneven]
    )
