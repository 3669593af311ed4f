"""Which runtime runs the audio encoder: resolved once, when a model is loaded."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from speech_service.engines.qwen3.encoder.check import check_encoder
from speech_service.engines.qwen3.encoder.network import AudioEncoder, Encoder
from speech_service.engines.qwen3.encoder.torch import CapturedEncoder, TorchEncoder
from speech_service.engines.qwen3.nn.packing import pack_linears
from speech_service.engines.runtimes.choice import Runtime, RuntimeChoice
from speech_service.engines.runtimes.torch import Capture, Device

OpenEncoder = Callable[[Device, Capture | None, int | None], Encoder]
"""One lane's encoder, over what lanes share: on a device, with what captures torch's passes of fixed shapes (None:
nothing does), for the most windows that come at once (None: not known)."""
MakeSource = Callable[[AudioEncoder, RuntimeChoice, Device, torch.dtype], OpenEncoder]


def _torch(
    module: AudioEncoder, choice: RuntimeChoice, device: Device, dtype: torch.dtype
) -> OpenEncoder:
    del choice
    module = module.to(device.where, dtype)
    pack_linears(module)

    def opened(lane: Device, capture: Capture | None, windows: int | None) -> Encoder:
        if capture is None:
            return TorchEncoder(module, lane)
        return CapturedEncoder(module, lane, capture, windows)

    return opened


def _onnx(
    module: AudioEncoder, choice: RuntimeChoice, device: Device, dtype: torch.dtype
) -> OpenEncoder:
    from speech_service.engines.qwen3.encoder.onnx import OnnxEncoder, open_session

    session = open_session(Path(choice.file), device.where, choice.threads)
    check_encoder(OnnxEncoder(session, module.shape, device, torch.float32), module)
    shape = module.shape
    return lambda lane, _capture, _windows: OnnxEncoder(session, shape, lane, dtype)


def _tensorrt(
    module: AudioEncoder, choice: RuntimeChoice, device: Device, dtype: torch.dtype
) -> OpenEncoder:
    from speech_service.engines.qwen3.encoder.tensorrt import TensorrtEncoder, open_engine

    file, shape = Path(choice.file), module.shape
    engine = open_engine(file, shape, device.where)
    check_encoder(TensorrtEncoder(engine, shape, device, torch.float32), module)
    return lambda lane, _capture, _windows: TensorrtEncoder(engine, shape, lane, dtype)


SOURCES: Mapping[Runtime, MakeSource] = {"torch": _torch, "onnx": _onnx, "tensorrt": _tensorrt}
"""By runtime: takes the module, float32 on the CPU, with the checkpoint's weights."""
