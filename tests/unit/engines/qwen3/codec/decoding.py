"""Decoding a whole recording at once: what streaming is compared with."""

from collections.abc import Callable

import torch
from torch import Tensor

from speech_service.engines.qwen3.codec.decoder import CodecDecoder

Decoders = Callable[[torch.dtype], CodecDecoder]
"""Gives the decoder in a precision."""


@torch.inference_mode()
def whole(decoder: CodecDecoder, codes: Tensor) -> Tensor:
    """Decode codes [n, codebooks] in one go."""
    state = torch.zeros(1, decoder.state_size, dtype=next(decoder.parameters()).dtype)
    samples, _ = decoder(codes[None], state, torch.zeros(1, dtype=torch.int64))
    return samples[0]
