"""Devices, and the preparation of passes of fixed shapes, as far as a CPU can tell."""

import pytest
import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.engines.runtimes.torch import HOST, as_it_is, open_device


def test_the_cpu_copies_nothing_that_is_right_already() -> None:
    tensor = torch.ones(3)
    assert HOST.stage(tensor) is tensor
    assert HOST.stage(tensor, torch.float32) is tensor
    assert HOST.stage(tensor, torch.bfloat16).dtype is torch.bfloat16
    with HOST.stream():
        HOST.synchronize()


@pytest.mark.parametrize("name", ["nothing", "cuda:-3", "gpu"])
def test_a_device_that_does_not_exist_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"device: '{name}' cannot be used here"):
        open_device(name)


def test_no_capture_is_the_body_itself() -> None:
    def body(x: Tensor) -> Tensor:
        return x + 1

    assert as_it_is(body, [torch.ones(1)]) is body
