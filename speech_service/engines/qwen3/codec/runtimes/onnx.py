"""The codec's decoder on ONNX Runtime, from the file that ``speech-service export-codec`` writes."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.runtimes.graph import EXPORTED
from speech_service.engines.runtimes import onnx as onnx_runtime
from speech_service.engines.runtimes.onnx import run_bound


def open_session(file: Path, where: torch.device, threads: int) -> Any:
    """Load the graph; as :func:`onnx_runtime.open_session`."""
    return onnx_runtime.open_session(file, EXPORTED, where, threads)


class OnnxCodec:
    """Implements :class:`CodecStep`. Lanes may share it; everything is in float32."""

    dtype = torch.float32

    def __init__(self, session: Any, module: CodecDecoder, device: torch.device) -> None:
        self._session = session
        self._frame_samples = module.shape.frame_samples
        self.state_size = module.state_size
        self.device = device

    def __call__(
        self, codes: Tensor, states: Tensor, positions: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """As the protocol says.

        Raises:
            RuntimeError: the runtime failed.
        """
        streams, frames = codes.shape[:2]
        samples = torch.empty(streams, frames * self._frame_samples, device=self.device)
        next_states = torch.empty(streams, self.state_size, device=self.device)
        if self.device.type == "cuda":
            torch.cuda.current_stream(self.device).synchronize()
        given = [each.contiguous() for each in (codes, states, positions)]
        run_bound(
            self._session,
            dict(zip(EXPORTED.inputs, given, strict=True)),
            dict(zip(EXPORTED.outputs, (samples, next_states), strict=True)),
        )
        return samples, next_states
