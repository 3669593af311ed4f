"""Every record says how fast the machine was."""

import argparse
import json
from pathlib import Path

from benchmarks.machine_speed import core_speed
from benchmarks.results import Run
from benchmarks.stats import Figure


def test_a_record_holds_figures_and_the_speed_of_a_core(tmp_path: Path) -> None:
    args = argparse.Namespace(
        quick=False, out=str(tmp_path), hardware="here", command_line="python -m benchmarks x"
    )
    path = Run("x", args).write([Figure("length", "s", [1.0, 2.0])], {"clips": 2}, {})
    record = json.loads(path.read_text())
    assert record["figures"][0]["median"] == 1.5
    assert set(record["core_speed"]) == {"before", "after"}
    for measured in record["core_speed"].values():
        assert measured.keys() == core_speed().keys()
        assert all(value > 0 for value in measured.values())
