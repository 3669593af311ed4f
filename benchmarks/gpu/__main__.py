"""``python -m benchmarks.gpu``: measure the rows, the most worthwhile first, each in a process of its own.

What is measured is a line of JSON in the results as soon as it is known; a row that fails, crashes or takes too long
ends itself and nothing else. Run it again, and it goes on with what is not there yet. ``--cpu-rehearsal`` tries every
row on any machine, with tiny models on an acted device; its figures mean nothing. Nothing heavy is imported here.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from benchmarks import BUILD, ROOT
from benchmarks.gpu.plan import ROWS, Part, parts

COMMAND = (sys.executable, "-m", "benchmarks.gpu.row")
SKIPPED = 3
"""Exit status of a row that lacks a package."""
LEAST_S = 20.0
"""With less of the budget left than this, no row is begun."""
REHEARSAL_LIMIT_S = 600.0
Line = Mapping[str, Any]


class Results:
    """The file: a line for each figure, and one for the end of each part."""

    def __init__(self, path: Path) -> None:
        self._path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.lines: list[Line] = list(_read(path))

    def add(self, line: Line) -> None:
        """Write a line now."""
        self.lines.append(line)
        with self._path.open("a") as file:
            file.write(json.dumps(line, ensure_ascii=False) + "\n")

    def done(self, quantize: str) -> set[str]:
        """Parts that were measured to their end."""
        ends = (line for line in self.lines if line["kind"] == "end")
        return {e["part"] for e in ends if e["status"] == "ok" and e["quantize"] == quantize}

    def rates(self) -> Line | None:
        """What the device itself can do, if that was measured."""
        return next((line for line in reversed(self.lines) if line["kind"] == "rates"), None)


def _read(path: Path) -> list[Line]:
    """The lines that are whole: the last run may have ended in the middle of one."""
    found: list[Line] = []
    for text in path.read_text().splitlines() if path.exists() else ():
        try:
            found.append(json.loads(text))
        except ValueError:
            continue
    return found


def main(given: Sequence[str] | None = None) -> int:
    """Returns the exit status: 1 without a GPU, and where a row failed."""
    args = _arguments(given)
    unknown = sorted({*args.rows} - ROWS.keys())
    if unknown:
        sys.stderr.write(f"--rows {unknown[0]}: no such row. Allowed: {', '.join(ROWS)}\n")
        return 1
    if not args.cpu_rehearsal and not _has_gpu():
        sys.stderr.write("no CUDA GPU here: torch sees none, so nothing is measured\n")
        return 1
    results = Results(args.out)
    begin_s, failed = time.monotonic(), 0
    for part in parts(args.rows, args.size or (["tiny"] if args.cpu_rehearsal else [])):
        if part.key in results.done(args.quantize) and not args.again:
            sys.stderr.write(f"{part.key}: measured before\n")
            continue
        left_s = args.budget_s - (time.monotonic() - begin_s)
        if left_s < LEAST_S:
            results.add(_end(part, args, "not begun: the budget is spent", 0.0))
            continue
        limit_s = REHEARSAL_LIMIT_S if args.cpu_rehearsal else part.limit_s
        failed |= run_part(part, args, results, min(limit_s, left_s))
    return failed


def run_part(part: Part, args: argparse.Namespace, results: Results, limit_s: float) -> int:
    """Measure in another process, which is ended, with all that it started, when its time is over; returns 1 if it
    failed.
    """
    sys.stderr.write(f"{part.key}: up to {limit_s:.0f} s\n")
    begin_s = time.monotonic()
    child = subprocess.Popen(
        [*COMMAND, json.dumps(_job(part, args, results))],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        start_new_session=True,
    )
    is_over = threading.Event()

    def end_all() -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)

    def give_up() -> None:
        is_over.set()
        end_all()

    timer = threading.Timer(limit_s, give_up)
    timer.start()
    problem = ""
    with child:
        for text in child.stdout or ():
            line = _line(text)
            if line is None:
                sys.stderr.write(text)  # what a library prints
            elif line["kind"] == "problem":
                problem = line["problem"]
            else:
                results.add({**line, "part": part.key, "quantize": args.quantize})
                sys.stderr.write(f"  {_said(line)}\n")
        status = child.wait()
    timer.cancel()
    end_all()  # what a row that crashed has left
    if is_over.is_set():
        problem = f"given up after {limit_s:.0f} s"
    elif status not in (0, SKIPPED) and not problem:
        problem = f"the process ended with status {status}"
    kind = "ok" if not status else "skipped" if status == SKIPPED else "failed"
    told = f"{kind}: {problem}" if problem else kind
    results.add(_end(part, args, told, time.monotonic() - begin_s))
    sys.stderr.write(f"{part.key}: {told}\n")
    return int(kind == "failed")


def _line(text: str) -> Line | None:
    try:
        found = json.loads(text)
    except ValueError:
        return None
    return found if isinstance(found, dict) and "kind" in found else None


def _said(line: Line) -> str:
    figure = line.get("figure")
    if not figure:
        return json.dumps({key: value for key, value in line.items() if key != "kind"})
    beside = [f"{key} {figure[key]:g}" for key in ("target", "estimate") if figure.get(key)]
    value = "none" if figure["median"] is None else f"{figure['median']:g}"
    return f"{figure['name']}: {value} {figure['unit']} {', '.join(beside)}".rstrip()


def _end(part: Part, args: argparse.Namespace, status: str, wall_s: float) -> Line:
    date = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    return {
        "kind": "end",
        "part": part.key,
        "quantize": args.quantize,
        "status": status,
        "wall_s": round(wall_s, 1),
        "date": date,
    }


def _job(part: Part, args: argparse.Namespace, results: Results) -> Mapping[str, Any]:
    return {
        "row": part.row,
        "sizes": part.sizes,
        "device": "cpu" if args.cpu_rehearsal else args.device,
        "rehearsal": args.cpu_rehearsal,
        "quick": args.quick or args.cpu_rehearsal,
        "repeats": 1 if args.quick or args.cpu_rehearsal else args.repeats,
        "weights": str(args.weights),
        "quantize": args.quantize,
        "streams": args.streams,
        "seconds": args.seconds,
        "rates": results.rates(),
    }


def _has_gpu() -> bool:
    if find_spec("torch") is None:
        return False
    import torch

    return torch.cuda.is_available()


def _arguments(given: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument(
        "--budget-s", type=float, default=840.0, help="seconds for all rows (default: 840)"
    )
    parser.add_argument("--device", default="cuda", help="cuda, cuda:N")
    parser.add_argument("--size", action="append", choices=("tiny", "0.6b", "1.7b"))
    parser.add_argument(
        "--rows", type=_names, default=[], help=f"of {', '.join(ROWS)}; default: all, in this order"
    )
    parser.add_argument("--quantize", default="none", help="as the option of the backends")
    parser.add_argument("--streams", type=int, default=1000, help="most streams at once")
    parser.add_argument("--seconds", type=float, default=60.0, help="of each load with streams")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="tiny loads, not for quoting")
    parser.add_argument("--again", action="store_true", help="measure what was measured before")
    parser.add_argument(
        "--cpu-rehearsal",
        action="store_true",
        help="every row with tiny models and an acted device, which proves the script and measures nothing",
    )
    parser.add_argument("--weights", type=Path, default=BUILD / "weights", help=argparse.SUPPRESS)
    parser.add_argument("--out", type=Path, help="results: a file of JSON lines, which is added to")
    args = parser.parse_args(given)
    name = "gpu-rehearsal.jsonl" if args.cpu_rehearsal else "gpu.jsonl"
    args.out = args.out or BUILD / name
    return args


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


if __name__ == "__main__":
    sys.exit(main())
