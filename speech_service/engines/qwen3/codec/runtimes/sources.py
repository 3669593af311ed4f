"""Which runtime runs the codec's decoder: resolved once, when a model is loaded."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.runtimes.check import (
    TF32_TOLERANCE,
    TOLERANCE,
    check_codec,
)
from speech_service.engines.qwen3.codec.streams import CodecStep
from speech_service.engines.runtimes.choice import Runtime, RuntimeChoice

OpenCodec = Callable[[], CodecStep]
"""One lane's codec; lanes share what they can."""
MakeSource = Callable[[CodecDecoder, RuntimeChoice, torch.device], OpenCodec]


def _torch(module: CodecDecoder, choice: RuntimeChoice, where: torch.device) -> OpenCodec:
    del choice
    if where.type == "cuda":
        module.freeze()
    return lambda: module


def _onnx(module: CodecDecoder, choice: RuntimeChoice, where: torch.device) -> OpenCodec:
    from speech_service.engines.qwen3.codec.runtimes.onnx import OnnxCodec, open_session

    codec = OnnxCodec(open_session(Path(choice.file), where, choice.threads), module, where)
    check_codec(codec, module, TOLERANCE if where.type == "cpu" else TF32_TOLERANCE)
    return lambda: codec


def _tensorrt(module: CodecDecoder, choice: RuntimeChoice, where: torch.device) -> OpenCodec:
    from speech_service.engines.qwen3.codec.runtimes.tensorrt import TensorrtCodec, open_engine

    engine = open_engine(Path(choice.file), module, where)
    check_codec(TensorrtCodec(engine, module, where), module, TF32_TOLERANCE)
    return lambda: TensorrtCodec(engine, module, where)


SOURCES: Mapping[Runtime, MakeSource] = {"torch": _torch, "onnx": _onnx, "tensorrt": _tensorrt}
"""By runtime: takes the module with the checkpoint's weights on the device; float32 for other runtimes than torch."""
