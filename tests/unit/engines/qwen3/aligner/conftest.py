"""A tiny forced aligner for the tests."""

from pathlib import Path

import pytest
import torch

from tests.qwen_tiny.folder import TinyModels


@pytest.fixture(scope="session")
def aligner_models(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Give tiny checkpoints, written when first asked for."""
    return TinyModels(tmp_path_factory.mktemp("tiny-aligner"))


@pytest.fixture(scope="session")
def aligner_folder(aligner_models: TinyModels) -> Path:
    """Give the folder of the forced aligner."""
    return aligner_models.aligner()


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors are fastest on one thread, and tests run beside others."""
    torch.set_num_threads(1)
