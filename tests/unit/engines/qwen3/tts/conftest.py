"""Tiny synthesizers of every kind, loaded once."""

import pytest
import torch

from tests.qwen_tiny.folder import TinyModels
from tests.unit.engines.qwen3.tts.speaking import Loaded


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors are fastest on one thread, and tests run beside others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def tiny_tts(tmp_path_factory: pytest.TempPathFactory) -> TinyModels:
    """Give tiny checkpoints, written when first asked for."""
    return TinyModels(tmp_path_factory.mktemp("tiny-tts"))


@pytest.fixture(scope="session")
def loaded(tiny_tts: TinyModels) -> Loaded:
    """Give models by kind."""
    return Loaded(tiny_tts)
