"""Holds an encoder on another runtime against the module with the checkpoint's weights."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch
from torch import Tensor

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.encoder.network import AudioEncoder, Encoder, MelWindow
from speech_service.engines.qwen3.encoder.torch import TorchEncoder
from speech_service.engines.runtimes.torch import raise_if_lost

TOLERANCE = 0.03
"""How far states may be from torch's in float32, as a share of their size."""
_SEED = 1


@torch.inference_mode()
def check_encoder(encoder: Encoder, module: AudioEncoder) -> float:
    """Compare states of noise: a whole window, one that ends inside a chunk, and a clip shorter than a chunk.

    Args:
        encoder: whose states are checked.
        module: the reference, float32 on the CPU.

    Returns:
        the greatest difference of a window: its root mean square over that of the reference.

    Raises:
        ConfigError: it is larger than ``TOLERANCE``, or the encoder cannot take the checkpoint's windows.
    """
    shape = module.shape
    random = torch.Generator().manual_seed(_SEED)
    chunk, window = shape.chunk_frames, shape.window_frames
    windows = [
        MelWindow(torch.randn(shape.mel_bins, frames, generator=random).clamp(-1.5, 1.5), is_clip)
        for frames, is_clip in ((window, False), (chunk + chunk // 3, False), (chunk // 2, True))
    ]
    reference = TorchEncoder(module).encode(windows)
    try:
        states = encoder.encode(windows)
    except RuntimeError as error:
        raise_if_lost(error)
        raise ConfigError(
            "encoder_file: it cannot be run with this checkpoint's sizes; export it from this checkpoint"
        ) from error
    worst = max(_difference(*pair) for pair in zip(states, reference, strict=True))
    if not worst <= TOLERANCE:
        raise ConfigError(
            f"encoder_file: its states differ from the checkpoint's by {worst:.2g} of their size; at most "
            f"{TOLERANCE:.2g} is allowed. Export it from this checkpoint, or use a more exact dtype"
        )
    return worst


def _difference(states: Tensor, reference: Tensor) -> float:
    gap = states.float().cpu() - reference
    return float((gap.square().mean() / reference.square().mean()).sqrt())
