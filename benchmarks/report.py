"""Turns the results of this machine into a Markdown table (printed) and plots (PNG beside the JSON files).

``python -m benchmarks report > table.md`` after the others; with --quick, of the quick results. Noisy results are
marked. Each result has a plot, of the figures of one unit; that of concurrency shows the final latency over the number
of streams. Spread over repeats is drawn as whiskers, targets as red lines.
"""

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from benchmarks import faults
from benchmarks.plotting import pyplot
from benchmarks.results import console, hardware

Document = dict[str, Any]
OURS, THEIRS, TARGET_COLOUR = "#2a6f97", "#bc6c25", "#c1121f"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this part alone."""
    parser.add_argument("--no-plots", action="store_true", help="the table only")


def run(args: argparse.Namespace) -> None:
    """Print the table; draw the plots."""
    folder = Path(args.out) / hardware(args.hardware)
    documents = load(folder, quick=bool(args.quick))
    if not documents:
        raise RuntimeError(f"no results in {folder}; run a benchmark first")
    sys.stdout.write(table(documents))
    if not args.no_plots:
        for path in draw(documents, folder):
            console.print(f"drawn {path}")


def load(folder: Path, quick: bool = False) -> list[Document]:
    """All results of one machine: the full ones, or those of --quick."""
    documents = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [document for document in documents if bool(document["quick"]) == quick]


def table(documents: Sequence[Document]) -> str:
    """One table for each result, with its command, date, commit and what disturbed it."""
    first = documents[0]["machine"]
    lines = [
        f"Machine: {first['cpu']}, {first['cores']} cores, {first['memory_gb']} GB, Python {first['python']}."
    ]
    for document in documents:
        git, noise = document["git"], document["noise"]
        state = f"commit `{git['commit'][:10]}`{' with changes' if git['dirty'] else ''}"
        others = f"others used {noise['others_cpu_share']:.0%} of the machine"
        warning = " **Quick run: not for quoting.**" if document["quick"] else ""
        warning += " **Noisy: not for quoting.**" if noise["noisy"] else ""
        lines += [
            "",
            f"### {document['name']}",
            "",
            f"`{document['command']}`, {document['date'][:10]}, {state}; {others}.{warning}",
            "",
            "| figure | median | min to max | repeats | unit | target | |",
            "| --- | ---: | ---: | ---: | --- | --- | --- |",
            *(_row(figure) for figure in document["figures"]),
        ]
    return "\n".join(lines) + "\n"


def _row(figure: dict[str, Any]) -> str:
    sign = "≤" if figure["better"] == "lower" else "≥"
    target = "" if figure["target"] is None else f"{sign} {figure['target']:g}"
    verdict = {True: "met", False: "**missed**", None: ""}[figure["met"]]
    spread = (
        f"{_number(figure['min'])} to {_number(figure['max'])}" if figure["repeats"] > 1 else ""
    )
    cells = [figure["name"], _number(figure["median"]), spread, str(figure["repeats"])]
    return f"| {' | '.join([*cells, figure['unit'], target, verdict])} |"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.4g}" if abs(value) < 1000 else f"{value:.0f}"


def draw(documents: Sequence[Document], folder: Path) -> list[Path]:
    """One PNG for each group of results that is there."""
    by_name = {document["name"]: document for document in documents}
    plots: dict[str, Callable[[Any, Document], None]] = {
        "accuracy": _bars("%"),
        "streaming_cpu": _bars("CPU s / audio s"),
        "grpc_overhead_fake_engine": _bars("CPU ms"),
        "memory": _bars("MB"),
        "latency": _bars("ms"),
        "k6": _bars("ms"),
        "alignment": _bars("ms"),
        "synthesis_round_trip": _bars("%"),
        "synthesis_first_audio": _bars("ms"),
        "synthesis_streams": _bars("ms"),
        "synthesis_cache": _bars("ms"),
        "synthesis_cancel": _bars("ms"),
        "concurrency": _search,
    }
    drawn: list[Path] = []
    for name, document in by_name.items():
        path = folder / f"{name}{_suffix(document)}.png"
        if name == "faults":  # its rows draw themselves
            drawn.append(faults.draw(document, path))
        else:
            drawn.append(_plot(path, document, plots.get(name) or _bars(_main_unit(document))))
    return drawn


def _main_unit(document: Document) -> str:
    """The unit of most targets, and among equals of most figures."""
    figures = document["figures"]
    aims = Counter(figure["unit"] for figure in figures if figure["target"] is not None)
    all_units = Counter(figure["unit"] for figure in figures)
    return max(all_units, key=lambda unit: (aims[unit], all_units[unit]))


def _suffix(document: Document) -> str:
    return "-quick" if document["quick"] else ""


def _plot(path: Path, document: Document, plot: Callable[[Any, Document], None]) -> Path:
    plt = pyplot()
    figure, axes = plt.subplots(figsize=(9, 4.8), layout="constrained")
    plot(axes, document)
    machine = document["machine"]
    marks = ", QUICK" * bool(document["quick"]) + ", NOISY" * bool(document["noise"]["noisy"])
    axes.set_title(
        f"{document['name']} — {machine['cpu']}, {machine['cores']} cores, {document['date'][:10]}{marks}",
        fontsize=9,
    )
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _bars(unit: str) -> Callable[[Any, Document], None]:
    """Horizontal bars of the figures in one unit, spread as whiskers."""

    def plot(axes: Any, document: Document) -> None:
        figures = [
            figure
            for figure in document["figures"]
            if figure["median"] is not None and figure["unit"] == unit
        ]
        for place, figure in enumerate(reversed(figures)):
            value = figure["median"]
            colour = THEIRS if "vendor" in figure["name"] or "echo" in figure["name"] else OURS
            reach = [[value - figure["min"]], [figure["max"] - value]]
            axes.barh(place, value, xerr=reach, color=colour, capsize=3, height=0.6)
            if figure["target"] is not None:
                ends = ([figure["target"]] * 2, [place - 0.45, place + 0.45])
                axes.plot(*ends, color=TARGET_COLOUR, linewidth=2)
        axes.set_yticks(range(len(figures)), [f["name"] for f in reversed(figures)], fontsize=8)
        axes.set_xlabel(f"{unit} (median, whiskers: min to max over repeats; red line: target)")
        axes.grid(axis="x", alpha=0.3)

    return plot


def _search(axes: Any, document: Document) -> None:
    """p50 and p95 of last audio to final over the number of streams, for the service and the vendor's SDK."""
    for key, name, colour in (
        ("search", "service", OURS),
        ("vendor_search", "vendor's SDK", THEIRS),
    ):
        loads = document["detail"][key]
        for percent, style in (("p95", "-o"), ("p50", ":o")):
            points = [
                (load["streams"], load["last_audio_to_final_ms"][percent])
                for load in loads
                if load["last_audio_to_final_ms"][percent] is not None
            ]
            if points:
                axes.plot(
                    *zip(*points, strict=True), style, color=colour, label=f"{name}, {percent}"
                )
        dropped = [load["streams"] for load in loads if load["dropped"]]
        axes.plot(dropped, [500] * len(dropped), "x", color=TARGET_COLOUR, markersize=10)
    axes.axhline(500, color=TARGET_COLOUR, label="limit; x: streams dropped")
    axes.set_yscale("symlog", linthresh=100)
    axes.set_xlabel("concurrent real-time streams, client on the same cores")
    axes.set_ylabel("last audio to final, ms")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
