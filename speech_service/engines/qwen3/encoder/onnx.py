"""The audio encoder on ONNX Runtime, from the file that ``speech-service export-encoder`` writes."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.engines.qwen3.encoder.graph import EXPORTED, OUTPUT
from speech_service.engines.qwen3.encoder.network import MelWindow, stack_windows
from speech_service.engines.qwen3.nn.shapes import AudioShape
from speech_service.engines.runtimes import onnx as onnx_runtime
from speech_service.engines.runtimes.onnx import run_bound
from speech_service.engines.runtimes.torch import Device


def open_session(file: Path, where: torch.device, threads: int) -> Any:
    """Load the graph, to run on the device of the decoder; as :func:`onnx_runtime.open_session`."""
    return onnx_runtime.open_session(file, EXPORTED, where, threads)


class OnnxEncoder:
    """Implements :class:`Encoder`. Arguments and states stay in torch's memory; sessions may be shared by lanes."""

    def __init__(self, session: Any, shape: AudioShape, device: Device, dtype: torch.dtype) -> None:
        self._session = session
        self._shape = shape
        self._device = device
        self._dtype = dtype

    def encode(self, windows: Sequence[MelWindow]) -> Sequence[Tensor]:
        """As the protocol says.

        Raises:
            RuntimeError: the runtime failed.
        """
        if not windows:
            return ()
        mel, tokens, ends = stack_windows(windows, self._shape)
        stage, shape = self._device.stage, self._shape
        places = mel.shape[2] // shape.chunk_frames * shape.chunk_tokens
        states = torch.empty(len(windows), places, shape.out_size, device=self._device.where)
        given = (stage(mel, torch.float32), stage(tokens), stage(ends))
        self._device.synchronize()
        named = dict(zip(EXPORTED.inputs, [each.contiguous() for each in given], strict=True))
        run_bound(self._session, named, {OUTPUT: states})
        counts = tokens.tolist()
        return [r[:n] for r, n in zip(states.to(self._dtype), counts, strict=True)]
