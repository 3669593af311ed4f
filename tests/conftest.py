"""Categories of tests, one per folder, and the recordings that some tests need."""

import gc
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

import speech_service as speech_service  # switches the telemetry of libraries off before a test imports one

if TYPE_CHECKING:
    from tests.qwen_tiny.folder import TinyModels

# Tests run beside each other, and tiny tensors are fastest on one thread. Before anything imports torch.
os.environ.setdefault("OMP_NUM_THREADS", "1")

# How long an example takes says how busy the machine is, not whether the code is right. The suite tries the same
# examples each time, so who changes nothing sees nothing change; `--hypothesis-profile search` looks for new ones.
settings.register_profile("suite", deadline=None, max_examples=50, derandomize=True)
settings.register_profile("search", deadline=None, max_examples=2_000)
settings.load_profile("suite")

# What is made while tests are collected lives to the end; the collector need not walk through it.
gc.disable()

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
CATEGORIES = ("unit", "contract", "integration", "fuzz", "architecture", "deploy", "ray", "gpu")


def pytest_xdist_auto_num_workers() -> int:
    """One process more than cores: tests of servers wait as well as compute."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test with the name of its folder; a test outside the category folders is an error."""
    for item in items:
        category = item.path.relative_to(TESTS).parts[0] if item.path.is_relative_to(TESTS) else ""
        if category not in CATEGORIES:
            raise pytest.UsageError(
                f"{item.path}: a test lives under tests/ in one of {', '.join(CATEGORIES)}"
            )
        item.add_marker(category)
        if category == "gpu" and shutil.which("nvidia-smi") is None:
            item.add_marker(pytest.mark.skip(reason="no GPU: nvidia-smi is not installed"))


def pytest_collection_finish() -> None:
    """Collect garbage from here on, of what is made from here on."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.fixture(scope="session")
def speech_data() -> Path:
    """Give the folder of recordings: `manifest.jsonl` and `audio/`.

    It is the one that SPEECH_DATA names, else `../shared/data/speech` beside the repository.
    """
    named = os.environ.get("SPEECH_DATA")
    folder = Path(named) if named else ROOT.parent / "shared" / "data" / "speech"
    if not (folder / "manifest.jsonl").is_file():
        pytest.skip(
            f"no recordings: {folder} has no manifest.jsonl; set SPEECH_DATA to their folder"
        )
    return folder


@pytest.fixture(scope="session")
def tiny_models(tmp_path_factory: pytest.TempPathFactory) -> "TinyModels":
    """Give the tiny Qwen checkpoints, each written when a test first asks for it."""
    from tests.qwen_tiny.folder import TinyModels  # loads torch

    return TinyModels(tmp_path_factory.mktemp("qwen-tiny"))
