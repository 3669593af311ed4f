"""Plots of what was simulated; each says so in its title and its name."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.plotting import pyplot
from benchmarks.report import OURS, TARGET_COLOUR, THEIRS
from benchmarks.simulate.cost_model import LABEL
from benchmarks.simulate.scaling import PER_GPU, Point
from benchmarks.stats import Figure


def draw(
    results: Path, figures: Sequence[Figure], streams: Sequence[Point], gpus: Sequence[Point]
) -> Iterator[Path]:
    """One beside the results for the goals, and one for each way of growing."""
    yield _saved(
        results, "goals", "goals and what comes of them", lambda axes: _goals(axes, figures)
    )
    if streams:
        title = "one GPU, updates of 0.5 s"
        yield _saved(results, "streams", title, lambda axes: _growth(axes, streams, "streams"), 2)
    if gpus:
        title = f"as many streams for each GPU, {PER_GPU} where there are 10,000"
        yield _saved(results, "gpus", title, lambda axes: _growth(axes, gpus, "gpus"), 2)


def _saved(results: Path, part: str, title: str, plot: Any, rows: int = 1) -> Path:
    plt = pyplot()
    figure, axes = plt.subplots(rows, 1, figsize=(9, 5.5), layout="constrained")
    plot(axes)
    is_quick = ", QUICK" if results.stem.endswith("-quick") else ""
    figure.suptitle(f"{title}: {LABEL}{is_quick}", fontsize=10)
    path = results.with_name(f"{results.stem}-{part}.png")
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _goals(axes: Any, figures: Sequence[Figure]) -> None:
    """How much of its goal each figure reaches: beyond 1 it is met."""
    shown = [each for each in figures if each.target]
    for place, each in enumerate(reversed(shown)):
        target = each.target or 1.0
        share = target / each.median if each.better == "lower" else each.median / target
        axes.barh(place, min(share, 4.0), color=OURS if each.met else THEIRS, height=0.6)
    names = [each.name.replace(f" ({LABEL})", "") for each in reversed(shown)]
    axes.set_yticks(range(len(shown)), names, fontsize=7)
    axes.axvline(1.0, color=TARGET_COLOUR, linewidth=2)
    axes.set_xlabel("share of the goal, 4 at most (blue: met, brown: missed)")
    axes.grid(axis="x", alpha=0.3)


def _growth(axes: Any, points: Sequence[Point], over: str) -> None:
    """Lags above; below what a second of a stream costs, and how much of the devices is taken."""
    lags, costs = axes
    counts = [getattr(point, over) for point in points]
    lags.plot(counts, [p.final_p99_ms for p in points], "o-", color=OURS, label="FINAL, p99")
    lags.plot(counts, [p.update_p99_ms for p in points], "o-", color=THEIRS, label="update, p99")
    lags.set_ylabel("ms")
    costs.plot(
        counts,
        [p.device_ms for p in points],
        "o-",
        color=OURS,
        label="device, ms for a second of a stream",
    )
    costs.plot(
        counts, [100 * p.taken for p in points], "s--", color=THEIRS, label="devices taken, %"
    )
    base = points[min(len(points) - 1, 3)].cpu_ms
    costs.plot(
        counts,
        [p.cpu_ms / base for p in points],
        "^:",
        color="grey",
        label="CPU of the simulation for a second of a stream, ratio in this run",
    )
    for each in axes:
        each.set_xscale("log")
        each.set_yscale("log")
        each.set_xticks(counts, [_tick(point, over) for point in points], fontsize=7)
        each.minorticks_off()
        each.grid(alpha=0.3)
        each.legend(fontsize=7)
    costs.set_xlabel("streams" if over == "streams" else "GPUs (streams)")


def _tick(point: Point, over: str) -> str:
    return f"{point.streams}" if over == "streams" else f"{point.gpus}\n({point.streams:,})"
