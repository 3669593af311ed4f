"""Nobody is told to install this package by its name: the name is on no index, and anybody could register it."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = re.compile(r"pip3? install [^\n]*(?<![\w/-])speech[-_]service(?![\w.-]*\.whl)(?![\w/-])")
SUFFIXES = {".md", ".py", ".toml", ".yaml", ".yml", ".txt", ""}


def test_no_command_installs_the_package_by_name() -> None:
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    told = [
        f"{name}: {line.strip()}"
        for name in tracked
        if Path(name).suffix in SUFFIXES and name != "CHANGELOG.md" and Path(name) != _THIS
        for line in (ROOT / name).read_text(errors="replace").splitlines()
        if BY_NAME.search(line)
    ]
    assert told == []


def test_the_rule_finds_what_it_is_for() -> None:
    for wrong in (
        "pip install speech-service",
        "pip install 'speech-service[server]'",
        "pip install -U speech_service[qwen]",
    ):
        assert BY_NAME.search(wrong)
    for right in (
        "pip install '.[server]'",
        "pip install 'speech_service-1.0-py3-none-any.whl[mic]'",
    ):
        assert not BY_NAME.search(right)


_THIS = Path(__file__).resolve().relative_to(ROOT)
