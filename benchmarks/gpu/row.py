"""One row in a process of its own: ``python -m benchmarks.gpu.row JOB``. Each figure is a line of JSON on stdout."""

import importlib
import json
import logging
import math
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.gpu import lean
from benchmarks.gpu.plan import ROWS

SKIPPED = 3
logger = logging.getLogger(__name__)


def main(job: dict[str, Any]) -> int:
    """Returns the exit status: ``SKIPPED`` where a package is missing, 1 where the row failed, however it did."""
    lean.install()
    try:
        for line in measured(job):
            _say(line)
    except ModuleNotFoundError as error:
        _say({"kind": "problem", "problem": f"needs {error.name}"})
        return SKIPPED
    except Exception as error:
        logger.exception("the row failed")
        _say({"kind": "problem", "problem": f"{type(error).__name__}: {error}"[:500]})
        return 1
    return 0


def measured(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """What the row yields, as it goes into the results."""
    if job["rehearsal"]:
        from benchmarks.gpu import rehearsal

        rehearsal.install()
    from benchmarks.gpu import device, weights
    from benchmarks.gpu.bench import Bench
    from benchmarks.gpu.scripting import Director
    from benchmarks.stats import Figure

    module, _, function = ROWS[job["row"]].partition(":")
    row = getattr(importlib.import_module(f"benchmarks.gpu.{module}"), function)
    weights.install()
    director = Director()
    director.install()
    bench = Bench(
        device=job["device"],
        sizes=job["sizes"],
        quick=job["quick"],
        repeats=job["repeats"],
        weights=Path(job["weights"]),
        rates=device.known_rates(job["rates"], job["device"]),
        director=director,
        quantize=job["quantize"],
        streams=2 if job["quick"] else job["streams"],
        seconds=job["seconds"],
    )
    for found in row(bench):
        yield {"kind": "figure", "figure": found.row()} if isinstance(found, Figure) else found


def _say(line: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(_finite(line), ensure_ascii=False) + "\n")
    sys.stdout.flush()


def _finite(value: Any) -> Any:
    """NaN and infinity, which JSON lacks, become null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1])))
