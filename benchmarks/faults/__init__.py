"""What harms a service that is attacked or starved, in figures: one row for each kind of fault.

Rows: the stall of health checks under the worst messages; workers killed although they work, on a starved machine;
recovery after file descriptors ran out; a worker killed under live streams, with voices and under many of
``speech_client``; front ends killed, and restarted behind Envoy, under those; many streams cancelled at once; floods of
HTTP/2 frames; streams that say nothing; forged containers; secrets in what the service leaves behind. ``--row`` runs
some of them. Writes ``faults.json``, in which each row says when and beside what it was measured, and ``faults.png``.
"""

import argparse
import asyncio
import importlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from benchmarks.corpus import DataMissingError
from benchmarks.faults.options import Options, Result, Row
from benchmarks.harness import ServerError
from benchmarks.plotting import pyplot
from benchmarks.results import Run, console
from benchmarks.stats import Figure

ROWS = (
    *("stall", "starvation", "descriptors", "kills", "worker_kills", "front_ends", "restarts"),
    *("cancels", "floods", "idle_streams", "containers", "secrets"),
)
"""Modules of this package, in the order in which they run."""


def rows(names: Sequence[str] = ROWS) -> dict[str, Row]:
    """The rows, by the name of their module."""
    modules = {name: importlib.import_module(f"{__name__}.{name}") for name in names}
    return cast(dict[str, Row], modules)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags of this benchmark alone."""
    parser.add_argument(
        "--row", action="append", choices=ROWS, help="only this one; may be repeated"
    )


def run(args: argparse.Namespace) -> None:
    """Measure row by row; write ``faults.json`` and draw ``faults.png`` after each. Rows that are not run stay in them.

    Raises:
        RuntimeError: a row failed; the others were measured.
    """
    record = Run("faults", args)
    options = Options(repeats=1 if args.quick else args.repeats, quick=bool(args.quick))
    known: dict[str, Any] = json.loads(record.path.read_text()) if record.path.exists() else {}
    results: dict[str, Any] = known["detail"]["rows"] if known else {}
    failed: list[str] = []
    for name, row in rows(args.row or ROWS).items():
        console.rule(row.NAME)
        part = Run("faults", args)
        try:
            measured = asyncio.run(row.run(options))
        except DataMissingError as error:
            console.print(f"[yellow]{name} skipped:[/] {error}")
            continue
        except (ServerError, RuntimeError, OSError) as error:
            console.print(f"[bold red]{name} failed:[/] {error}")
            failed.append(name)
            continue
        results = {**results, name: {**measured, "recorded": part.recorded()}}
        _write(record, {name: results[name] for name in ROWS if name in results})
    if failed:
        raise RuntimeError(f"rows that failed: {', '.join(failed)}")


def _write(record: Run, results: Mapping[str, Any]) -> None:
    path = record.write(
        [_figure(row) for result in results.values() for row in result["figures"]],
        {name: result["settings"] for name, result in results.items()},
        {"rows": results},
    )
    draw({"detail": {"rows": results}}, path.with_suffix(".png"))


def draw(document: Mapping[str, Any], path: Path) -> Path:
    """One PNG with a plot for each row of a results file."""
    plt = pyplot()
    results: Mapping[str, Result] = document["detail"]["rows"]
    known = {name: row for name, row in rows().items() if name in results}
    figure, grid = plt.subplots(
        len(known), figsize=(9, 4.8 * len(known)), layout="constrained", squeeze=False
    )
    for axes, (name, row) in zip(grid[:, 0], known.items(), strict=True):
        row.plot(axes, results[name])
        axes.set_title(row.NAME, fontsize=10)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    return path


def _figure(row: Mapping[str, Any]) -> Figure:
    return Figure(row["name"], row["unit"], row["values"], row["target"], row["better"])
