"""Tiny recognizers for the tests of the engine."""

from pathlib import Path

import pytest
import torch

from tests.qwen_tiny.folder import TinyModels


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors are fastest on one thread, and tests run beside others."""
    torch.set_num_threads(1)


@pytest.fixture
def target(tiny_models: TinyModels) -> Path:
    """Give the target's folder."""
    return tiny_models.asr_target()


@pytest.fixture
def draft(tiny_models: TinyModels) -> Path:
    """Give the draft's folder."""
    return tiny_models.asr_draft()
