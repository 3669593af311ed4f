"""Writes a row's figures with what they were measured on; a smoke test's are only printed."""

import argparse
from collections.abc import Sequence

from rich.table import Table

from benchmarks.gpu import device
from benchmarks.gpu.bench import SCRIPTED, Bench
from benchmarks.results import Run, console
from benchmarks.stats import Figure


class Record:
    """One row: made before it is measured, written after it."""

    def __init__(self, name: str, args: argparse.Namespace, bench: Bench) -> None:
        quantized = "" if bench.quantize == "none" else f"_{bench.quantize.replace('-', '_')}"
        self._run = Run(f"gpu_{name}{quantized}", args)
        self._bench = bench

    def write(self, figures: Sequence[Figure]) -> None:
        """Write ``gpu_<row>.json``, or print what a smoke test gave."""
        if self._bench.device == "cpu":
            _print_smoke(self._run.name, figures)
            return
        settings = {
            "weights": SCRIPTED,
            "dtype": self._bench.dtype,
            "quantize": self._bench.quantize,
            "measured": str(self._bench.rates),
            "streams": self._bench.streams,
            "load_s": self._bench.seconds,
            **device.describe(self._bench.device),
        }
        rates = {
            "copy_gb_s": self._bench.rates.copy_gb_s,
            "bf16_tflop_s": self._bench.rates.bf16_tflop_s,
            "fp8_tflop_s": self._bench.rates.fp8_tflop_s,
        }
        self._run.write(figures, settings, {"rates": rates})


def _print_smoke(name: str, figures: Sequence[Figure]) -> None:
    table = Table("figure", "value", "unit", title=f"{name}: SMOKE TEST, the numbers mean nothing")
    for figure in figures:
        table.add_row(figure.name, f"{figure.median:.4g}", figure.unit)
    console.print(table)
