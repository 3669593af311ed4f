"""Which runtime runs the audio encoder: resolved once, when a model is loaded."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch

from speech_service.engines.qwen3.encoder.check import check_encoder
from speech_service.engines.qwen3.encoder.network import AudioEncoder, Encoder
from speech_service.engines.qwen3.encoder.torch import CapturedEncoder, TorchEncoder
from speech_service.engines.qwen3.nn.packing import pack_linears
from speech_service.engines.runtimes.torch import Capture, Device

Runtime = Literal["torch", "onnx", "tensorrt"]


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """What runs the encoder; all but ``runtime`` is for runtimes other than torch."""

    runtime: Runtime = "torch"
    file: str = ""
    """What ``speech-service export-encoder`` wrote."""
    threads: int = 0


class EncoderSource(Protocol):
    """A loaded encoder, which lanes share."""

    def open(self, device: Device, capture: Capture | None, windows: int | None = None) -> Encoder:
        """One lane's encoder.

        Args:
            device: of the lane.
            capture: prepares torch's passes of fixed shapes; None: there are none.
            windows: the most that come at once; None: not known.
        """
        ...


class _TorchSource:
    def __init__(self, module: AudioEncoder) -> None:
        self._module = module

    def open(self, device: Device, capture: Capture | None, windows: int | None = None) -> Encoder:
        """Sharing the module."""
        if capture is None:
            return TorchEncoder(self._module, device)
        return CapturedEncoder(self._module, device, capture, windows)


@dataclass(frozen=True, slots=True)
class _RuntimeSource:
    make: Callable[[Device], Encoder]

    def open(self, device: Device, capture: Capture | None, windows: int | None = None) -> Encoder:
        """Sharing the session or engine."""
        del capture, windows
        return self.make(device)


MakeSource = Callable[[AudioEncoder, EncoderChoice, Device, torch.dtype], EncoderSource]


def _torch(
    module: AudioEncoder, choice: EncoderChoice, device: Device, dtype: torch.dtype
) -> EncoderSource:
    module = module.to(device.where, dtype)
    pack_linears(module)
    return _TorchSource(module)


def _onnx(
    module: AudioEncoder, choice: EncoderChoice, device: Device, dtype: torch.dtype
) -> EncoderSource:
    from speech_service.engines.qwen3.encoder.onnx import OnnxEncoder, open_session

    session = open_session(Path(choice.file), device.where, choice.threads)
    check_encoder(OnnxEncoder(session, module.shape, device, torch.float32), module)
    shape = module.shape
    return _RuntimeSource(lambda lane: OnnxEncoder(session, shape, lane, dtype))


def _tensorrt(
    module: AudioEncoder, choice: EncoderChoice, device: Device, dtype: torch.dtype
) -> EncoderSource:
    from speech_service.engines.qwen3.encoder.tensorrt import TensorrtEncoder, open_engine

    file, shape = Path(choice.file), module.shape
    engine = open_engine(file, shape, device.where)
    check_encoder(TensorrtEncoder(engine, shape, device, torch.float32), module)
    return _RuntimeSource(lambda lane: TensorrtEncoder(engine, shape, lane, dtype))


SOURCES: Mapping[Runtime, MakeSource] = {"torch": _torch, "onnx": _onnx, "tensorrt": _tensorrt}
"""By runtime: takes the module, float32 on the CPU, with the checkpoint's weights."""
