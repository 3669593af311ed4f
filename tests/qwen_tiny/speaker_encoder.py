"""The speaker encoder of the Base models: ECAPA-TDNN over a 24 kHz spectrogram."""

from typing import Any

from torch import Tensor

from tests.qwen_tiny.tensors import Draw

MEL_BINS = 128
CHANNELS = 16
JOINED_CHANNELS = 48  # of the three inner blocks together
PARTS = 8
BOTTLENECK = 8
KERNELS = (5, 3, 3, 3, 1)


def speaker_encoder_config(width: int) -> dict[str, Any]:
    """Give ``speaker_encoder_config``; its embedding is as wide as the talker."""
    return {
        "mel_dim": MEL_BINS,
        "enc_dim": width,
        "enc_channels": [CHANNELS] * 4 + [JOINED_CHANNELS],
        "enc_kernel_sizes": list(KERNELS),
        "enc_dilations": [1, 2, 3, 4, 1],
        "enc_attention_channels": BOTTLENECK,
        "enc_res2net_scale": PARTS,
        "enc_se_channels": BOTTLENECK,
        "sample_rate": 24_000,
    }


def speaker_encoder_tensors(draw: Draw, width: int) -> dict[str, Tensor]:
    """Give the tensors under ``speaker_encoder.``."""
    tensors: dict[str, Tensor] = {}

    def convolution(name: str, rows: int, columns: int, kernel: int, gain: float = 1.4) -> None:
        name = f"speaker_encoder.{name}"
        tensors[f"{name}.weight"] = draw.weight(f"{name}.weight", (rows, columns, kernel), gain)
        tensors[f"{name}.bias"] = draw.uniform(f"{name}.bias", (rows,), 0.1)

    convolution("blocks.0.conv", CHANNELS, MEL_BINS, KERNELS[0])
    for block in (1, 2, 3):
        name = f"blocks.{block}"
        convolution(f"{name}.tdnn1.conv", CHANNELS, CHANNELS, 1)
        for part in range(PARTS - 1):  # the first part passes through
            size = CHANNELS // PARTS
            convolution(f"{name}.res2net_block.blocks.{part}.conv", size, size, KERNELS[block])
        convolution(f"{name}.tdnn2.conv", CHANNELS, CHANNELS, 1)
        convolution(f"{name}.se_block.conv1", BOTTLENECK, CHANNELS, 1)
        convolution(f"{name}.se_block.conv2", CHANNELS, BOTTLENECK, 1)
    convolution("mfa.conv", JOINED_CHANNELS, JOINED_CHANNELS, KERNELS[4])
    # Attention over time sees each frame, and mean and deviation over time.
    convolution("asp.tdnn.conv", BOTTLENECK, 3 * JOINED_CHANNELS, 1)
    convolution("asp.conv", JOINED_CHANNELS, BOTTLENECK, 1)
    convolution("fc", width, 2 * JOINED_CHANNELS, 1, gain=0.2)
    return tensors
