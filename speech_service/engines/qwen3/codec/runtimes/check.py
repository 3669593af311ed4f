"""Holds a codec on another runtime against the module with the checkpoint's weights."""

# torch declares its types in part only.
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false

import torch

from speech_service.config.tree import ConfigError
from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.streams import CodecStep, CodecStreams
from speech_service.engines.runtimes.torch import raise_if_lost

TOLERANCE = 0.001
"""How far samples may be from torch's in float32, as a share of their size."""
TF32_TOLERANCE = 0.01
"""The same on a GPU, where ONNX Runtime and TensorRT round what they multiply to 10 bits behind the point."""
_SEED = 1
_CHUNKS = (1, 3, 2)
"""Frames, one chunk after another, so that states matter."""


@torch.inference_mode()
def check_codec(codec: CodecStep, module: CodecDecoder, tolerance: float = TOLERANCE) -> float:
    """Compare the samples of random codes.

    Args:
        codec: whose samples are checked.
        module: the reference, float32, which torch computes in float32 (``open_device`` sees to that).
        tolerance: of the runtime, as a share of the samples' size.

    Returns:
        the root mean square of the differences over that of the reference.

    Raises:
        ConfigError: it is larger than ``tolerance``, or the codec cannot take the checkpoint's codes.
    """
    shape = module.shape
    random = torch.Generator().manual_seed(_SEED)
    found, wanted = CodecStreams(codec, 1), CodecStreams(module, 1)
    slots = found.open(), wanted.open()
    gap, size = 0.0, 0.0
    for frames in _CHUNKS:
        codes = torch.randint(shape.codebook_size, (frames, shape.codebooks), generator=random)
        try:
            samples = found.decode({slots[0]: codes.to(codec.device)})[slots[0]].cpu()
        except RuntimeError as error:
            raise_if_lost(error)
            raise ConfigError(
                "codec_file: it cannot be run with this checkpoint's sizes; export it from this checkpoint"
            ) from error
        reference = wanted.decode({slots[1]: codes.to(module.device)})[slots[1]].cpu()
        gap += float((samples - reference).square().sum())
        size += float(reference.square().sum())
    worst = (gap / size) ** 0.5 if size else float("nan")
    if not worst <= tolerance:
        raise ConfigError(
            f"codec_file: its samples differ from the checkpoint's by {worst:.2g} of their size; at most "
            f"{tolerance:.2g} is allowed. Export it from this checkpoint"
        )
    return worst
