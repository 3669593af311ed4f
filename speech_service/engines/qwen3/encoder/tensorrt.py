"""The audio encoder on TensorRT: an engine built from the exported graph, once for each GPU, version and graph."""

# torch declares its types in part only, tensorrt not at all.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.engines.qwen3.encoder.graph import EXPORTED, OUTPUT
from speech_service.engines.qwen3.encoder.network import MelWindow, stack_windows
from speech_service.engines.qwen3.nn.shapes import AudioShape
from speech_service.engines.runtimes import tensorrt as tensorrt_engine
from speech_service.engines.runtimes.tensorrt import Profile, new_context, run_engine
from speech_service.engines.runtimes.torch import Device

MOST_WINDOWS = 32
"""Windows of one pass; more are encoded in several."""
_USUAL_WINDOWS = 8
"""What the engine is tuned for."""


def open_engine(file: Path, shape: AudioShape, where: torch.device) -> Any:
    """The engine of an exported encoder, kept beside its file or built anew, which takes minutes.

    Args:
        file: an exported encoder.
        shape: of the encoder.
        where: the GPU.

    Raises:
        ConfigError: there is no GPU or package, the file is no graph that TensorRT takes, or an engine cannot be kept.
    """
    return tensorrt_engine.open_engine(file, EXPORTED, where, _profile(shape))


def _profile(shape: AudioShape) -> Profile:
    """Any number of windows up to the most, each of any number of chunks."""
    sizes = ((1, shape.chunk_frames), (_USUAL_WINDOWS, shape.window_frames))
    sizes = (*sizes, (MOST_WINDOWS, shape.window_frames))
    mel, tokens, conv_frames = EXPORTED.inputs
    rows = [(rows,) for rows, _ in sizes]
    return {
        mel: [(rows, shape.mel_bins, frames) for rows, frames in sizes],
        tokens: rows,
        conv_frames: rows,
    }


class TensorrtEncoder:
    """Implements :class:`Encoder` with an execution context of its own."""

    def __init__(self, engine: Any, shape: AudioShape, device: Device, dtype: torch.dtype) -> None:
        self._context = new_context(engine)
        self._shape = shape
        self._device = device
        self._dtype = dtype

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """As the protocol says.

        Raises:
            RuntimeError: TensorRT failed.
        """
        states: list[Tensor] = []
        for at in range(0, len(windows), MOST_WINDOWS):
            states += self._pass(windows[at : at + MOST_WINDOWS])
        return states

    def _pass(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        mel, tokens, ends = stack_windows(windows, self._shape)
        stage, shape = self._device.stage, self._shape
        places = mel.shape[2] // shape.chunk_frames * shape.chunk_tokens
        states = torch.empty(len(windows), places, shape.out_size, device=self._device.where)
        given = [stage(mel, torch.float32).contiguous(), stage(tokens), stage(ends)]
        run_engine(self._context, dict(zip(EXPORTED.inputs, given, strict=True)), {OUTPUT: states})
        counts = tokens.tolist()
        return [r[:n] for r, n in zip(states.to(self._dtype), counts, strict=True)]
