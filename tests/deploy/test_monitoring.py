"""What Prometheus and Grafana are given asks for metrics that exist, with labels and values that they have."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from speech_service.observability.metrics import METRICS

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
RULES = DEPLOY / "prometheus/rules.yaml"
BOARD = DEPLOY / "grafana/speech-service.json"
_NAME = re.compile(r"\b((?:speech|grpc|process)_[a-z_0-9]+)\b(?!\s*=)")
_PARTS = ("_bucket", "_count", "_sum")
_OF_THE_PROCESS = {
    "process_open_fds",
    "process_max_fds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}


def queries() -> Iterator[tuple[str, str]]:
    """Every query, with where it stands."""
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        for rule in group["rules"]:
            yield rule.get("alert") or rule["record"], rule["expr"]
    for panel in json.loads(BOARD.read_text())["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"]


def recorded() -> set[str]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


def known() -> set[str]:
    names = {metric.name for metric in METRICS}
    return names | {name + part for name in names for part in _PARTS} | _OF_THE_PROCESS


@pytest.mark.parametrize(("where", "query"), list(queries()))
def test_every_metric_asked_for_exists(where: str, query: str) -> None:
    bare = re.sub(r"by \([^)]*\)|\{[^}]*\}", "", query)
    asked = set(_NAME.findall(bare)) - {name for name in recorded() if ":" not in name}
    assert not asked - known(), where


def test_the_board_shows_every_metric_that_callers_feel() -> None:
    board = BOARD.read_text()
    for name in ("speech_final_lag_seconds", "speech_first_audio_seconds", "speech_shed_total"):
        assert name in board


def test_promtool_takes_the_rules() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus)")
    done = subprocess.run(
        [promtool, "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_systemd_takes_the_unit(tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is not installed")
    unit = (DEPLOY / "systemd/speech-service.service").read_text()
    (tmp_path / "speech-service.service").write_text(
        unit.replace("/opt/speech/bin/speech-service", "/bin/true")
    )
    done = subprocess.run(
        [analyze, "verify", str(tmp_path / "speech-service.service")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "speech-service.service" not in done.stderr, done.stderr
