"""Networks are made without random numbers, on devices that are there."""

import pytest
import torch
from torch import nn

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.nn.loading import WithoutInitialValues
from speech_service.engines.runtimes.torch import HOST, open_device


def test_no_parameter_is_drawn() -> None:
    before = torch.get_rng_state()
    with WithoutInitialValues():
        nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4), nn.Conv2d(1, 2, 3), nn.Embedding(5, 6))
    assert torch.equal(torch.get_rng_state(), before)
    nn.Linear(3, 4)
    assert not torch.equal(torch.get_rng_state(), before)


def test_everything_else_is_computed() -> None:
    with WithoutInitialValues():
        assert torch.equal(torch.arange(3).float().cos(), torch.tensor([0.0, 1.0, 2.0]).cos())


def test_a_device_that_is_not_there_is_an_error_of_one_line() -> None:
    assert open_device("cpu") is HOST
    for name in ("nowhere", "cuda:97"):
        with pytest.raises(
            ConfigError, match=f"^device: '{name}' cannot be used here: .+"
        ) as caught:
            open_device(name)
        assert "\n" not in str(caught.value)
