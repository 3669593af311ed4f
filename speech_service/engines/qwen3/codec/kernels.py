"""What the codec's decoder computes beside products and convolutions, as functions that are one kernel each on a GPU.

Here they are plain torch: what a GPU's kernels are compared with.
"""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from speech_service.engines.qwen3.codec.rotary import rotate, rotation
from speech_service.engines.qwen3.nn.kernels import PLAIN as NN_PLAIN
from speech_service.engines.qwen3.nn.kernels import AddNorm, kernels_of

SnakeKernel = Callable[[Tensor, Tensor, Tensor], Tensor]
TurnKernel = Callable[[Tensor, Tensor, Tensor], Tensor]
WindowKernel = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


@dataclass(frozen=True, slots=True)
class CodecKernels:
    """One set of the functions below, and of two of ``nn/kernels.py``."""

    snake: SnakeKernel
    turn: TurnKernel
    attend: WindowKernel
    add_norm: AddNorm
    silu_mul: Callable[[Tensor], Tensor]


def snake(x: Tensor, frequency: Tensor, height: Tensor) -> Tensor:
    """x + height * sin²(frequency * x) (Ziyin et al. 2020): [streams, channels, n]; the others [channels, 1]."""
    return x + height * (x * frequency).sin().square()


def turn(x: Tensor, positions: Tensor, frequencies: Tensor) -> Tensor:
    """Turn heads by their frames' places (Su et al. 2021).

    Args:
        x: [streams, n, heads, width].
        positions: int64 [streams], of the first of the n frames.
        frequencies: float32 [width / 2], radians per position.
    """
    at = positions[:, None] + torch.arange(x.shape[1], device=x.device)
    return rotate(x, rotation(at[:, :, None], frequencies, x.dtype))


def attend(query: Tensor, keys: Tensor, values: Tensor, positions: Tensor) -> Tensor:
    """Let each frame attend to itself and to the ``past`` frames before it, as far as its stream has had them.

    Args:
        query: [streams, n, heads, width].
        keys: [streams, past + n, kv_heads, width], those of the n frames at the end; ``values`` likewise.
        values: as ``keys``.
        positions: int64 [streams], frames that each stream had before.

    Returns:
        [streams, n, heads, width].
    """
    frames, held = query.shape[1], keys.shape[1]
    past = held - frames
    at = torch.arange(frames, device=query.device)[:, None]
    place = torch.arange(held, device=query.device)
    seen = (place >= at) & (place <= at + past)
    seen = seen & (place >= past - positions[:, None, None])
    answer = scaled_dot_product_attention(
        query.transpose(1, 2),
        keys.transpose(1, 2),
        values.transpose(1, 2),
        attn_mask=seen[:, None],
        enable_gqa=query.shape[2] != keys.shape[2],
    )
    return answer.transpose(1, 2)


PLAIN = CodecKernels(snake, turn, attend, NN_PLAIN.add_norm, NN_PLAIN.silu_mul)


def codec_kernels_of(device: torch.device) -> CodecKernels:
    """The functions that are fastest on a device.

    Raises:
        ConfigError: it is a GPU, and Triton is not installed.
    """
    if device.type != "cuda":
        return PLAIN
    kernels_of(device)
    found: CodecKernels = importlib.import_module(
        "speech_service.engines.qwen3.codec.triton_kernels"
    ).TRITON
    return found
