"""Which runtime runs the audio encoder: resolved once, when a model is loaded."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import torch

from speech_service.engines.qwen3.encoder.causal import CausalEncoder
from speech_service.engines.qwen3.encoder.check import check_encoder
from speech_service.engines.qwen3.encoder.network import Attention, AudioEncoder, Encoder
from speech_service.engines.qwen3.encoder.torch import CapturedEncoder, TorchEncoder
from speech_service.engines.qwen3.nn.packing import pack_linears
from speech_service.engines.runtimes.torch import Device, Passes

Runtime = Literal["torch", "onnx", "tensorrt"]


@dataclass(frozen=True, slots=True)
class EncoderChoice:
    """What runs the encoder; files and their like are for runtimes other than torch, ``attention`` is for torch."""

    runtime: Runtime = "torch"
    file: str = ""
    """What ``speech-service export-encoder`` wrote."""
    tolerance: float = 0.0
    cache: str = ""
    """Folder of built engines; empty: where the file is."""
    threads: int = 0
    attention: Attention = "window"
    packs: bool = True
    """Large layers of torch's are packed for the CPU; a compiler does this itself."""


class EncoderSource(Protocol):
    """A loaded encoder, which lanes share."""

    def open(self, device: Device, passes: Passes | None) -> Encoder:
        """One lane's encoder. ``passes``: how torch prepares those of fixed shapes, if at all."""
        ...


class _TorchSource:
    def __init__(self, module: AudioEncoder) -> None:
        self._module = module

    def open(self, device: Device, passes: Passes | None) -> Encoder:
        """Sharing the module."""
        if passes is None:
            return TorchEncoder(self._module, device)
        return CapturedEncoder(self._module, device, passes)


@dataclass(frozen=True, slots=True)
class _CausalSource:
    module: AudioEncoder

    def open(self, device: Device, passes: Passes | None) -> Encoder:
        """Sharing the module."""
        assert passes is None, "the options were checked"
        return CausalEncoder(self.module, device)


@dataclass(frozen=True, slots=True)
class _RuntimeSource:
    make: Callable[[Device], Encoder]

    def open(self, device: Device, passes: Passes | None) -> Encoder:
        """Sharing the session or engine."""
        del passes
        return self.make(device)


MakeSource = Callable[[AudioEncoder, EncoderChoice, Device, torch.dtype], EncoderSource]


def _torch(
    module: AudioEncoder, choice: EncoderChoice, device: Device, dtype: torch.dtype
) -> EncoderSource:
    module = module.to(device.where, dtype)
    if choice.packs:
        pack_linears(module)
    return _CausalSource(module) if choice.attention == "causal" else _TorchSource(module)


def _onnx(
    module: AudioEncoder, choice: EncoderChoice, device: Device, dtype: torch.dtype
) -> EncoderSource:
    from speech_service.engines.qwen3.encoder.onnx import OnnxEncoder, open_session

    session = open_session(Path(choice.file), device.where, choice.threads)
    check_encoder(
        OnnxEncoder(session, module.shape, device, torch.float32), module, choice.tolerance
    )
    shape = module.shape
    return _RuntimeSource(lambda lane: OnnxEncoder(session, shape, lane, dtype))


def _tensorrt(
    module: AudioEncoder, choice: EncoderChoice, device: Device, dtype: torch.dtype
) -> EncoderSource:
    from speech_service.engines.qwen3.encoder.tensorrt import TensorrtEncoder, open_engine

    file, shape = Path(choice.file), module.shape
    folder = Path(choice.cache) if choice.cache else file.parent
    engine = open_engine(file, folder, shape, device.where, dtype)
    check_encoder(TensorrtEncoder(engine, shape, device, torch.float32), module, choice.tolerance)
    return _RuntimeSource(lambda lane: TensorrtEncoder(engine, shape, lane, dtype))


SOURCES: Mapping[Runtime, MakeSource] = {"torch": _torch, "onnx": _onnx, "tensorrt": _tensorrt}
"""By runtime: takes the module, float32 on the CPU, with the checkpoint's weights."""
