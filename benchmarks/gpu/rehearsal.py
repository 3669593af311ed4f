"""Has every row run where there is no GPU: tiny models on the CPU, and streams and graphs of ``tests/fake_cuda``.

Engines are composed as for a GPU, with a stream of their own and captured passes. It is installed before anything
else of the engines is imported.
"""

from typing import Any

import torch

from speech_service.engines.qwen3.asr.options import Qwen3AsrOptions
from speech_service.engines.qwen3.tts.options import Qwen3TtsOptions
from speech_service.engines.runtimes import torch as devices
from tests.fake_cuda import FakeCuda


class Patch:
    """Puts something in another's place, for good."""

    def setattr(self, owner: Any, name: str, value: Any) -> None:
        """As pytest's."""
        setattr(owner, name, value)


def install() -> None:
    """From now on there is a device."""
    patch = Patch()
    FakeCuda().install(patch)

    def opened(name: str) -> devices.Device:
        del name
        return devices.Cuda(torch.device("cpu"))

    patch.setattr(devices, "open_device", opened)
    for options in (Qwen3AsrOptions, Qwen3TtsOptions):
        patch.setattr(options, "_check_device", lambda self: None)
    from speech_service.engines.qwen3.tts import compose

    patch.setattr(compose, "_capture", lambda options, device: device.graphs())
