"""The codec's decoder on TensorRT: an engine built from the exported graph."""

# torch declares its types in part only, tensorrt not at all.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.runtimes.graph import EXPORTED
from speech_service.engines.runtimes import tensorrt as tensorrt_engine
from speech_service.engines.runtimes.tensorrt import Profile, new_context, run_engine

MOST_STREAMS, MOST_FRAMES = 32, 16
"""Of one pass; more are decoded in several."""
_USUAL_STREAMS, _USUAL_FRAMES = 8, 4
"""What the engine is tuned for."""


def open_engine(file: Path, module: CodecDecoder, where: torch.device) -> Any:
    """The engine of an exported codec, as :func:`tensorrt_engine.open_engine`; its products round to TF32."""
    return tensorrt_engine.open_engine(file, EXPORTED, where, _profile(module))


def _profile(module: CodecDecoder) -> Profile:
    sizes = ((1, 1), (_USUAL_STREAMS, _USUAL_FRAMES), (MOST_STREAMS, MOST_FRAMES))
    codes, states, positions = EXPORTED.inputs
    return {
        codes: [(streams, frames, module.shape.codebooks) for streams, frames in sizes],
        states: [(streams, module.state_size) for streams, _ in sizes],
        positions: [(streams,) for streams, _ in sizes],
    }


class TensorrtCodec:
    """Implements :class:`CodecStep` for one lane; everything is in float32."""

    dtype = torch.float32

    def __init__(self, engine: Any, module: CodecDecoder, device: torch.device) -> None:
        self._context = new_context(engine)
        self._frame_samples = module.shape.frame_samples
        self.state_size = module.state_size
        self.device = device

    def __call__(
        self, codes: Tensor, states: Tensor, positions: Tensor, /
    ) -> tuple[Tensor, Tensor]:
        """As the protocol says.

        Raises:
            RuntimeError: TensorRT failed.
        """
        rows = [
            self._frames(*part)
            for part in zip(
                *(each.split(MOST_STREAMS) for each in (codes, states, positions)), strict=True
            )
        ]
        samples, next_states = zip(*rows, strict=True)
        return torch.cat(samples), torch.cat(next_states)

    def _frames(self, codes: Tensor, states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Any chunking gives what one pass would."""
        samples: list[Tensor] = []
        for chunk in codes.split(MOST_FRAMES, dim=1):
            decoded, states = self._pass(chunk, states, positions)
            positions = positions + chunk.shape[1]
            samples.append(decoded)
        return torch.cat(samples, dim=1), states

    def _pass(self, codes: Tensor, states: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        streams, frames = codes.shape[:2]
        made = (
            torch.empty(streams, frames * self._frame_samples, device=self.device),
            torch.empty(streams, self.state_size, device=self.device),
        )
        given = [each.contiguous() for each in (codes, states, positions)]
        run_engine(
            self._context,
            dict(zip(EXPORTED.inputs, given, strict=True)),
            dict(zip(EXPORTED.outputs, made, strict=True)),
        )
        return made
