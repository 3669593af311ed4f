"""A tiny codec, loaded in the precision in which streaming is exact."""

import pytest
import torch

from speech_service.engines.qwen3.codec.decoder import CodecDecoder
from speech_service.engines.qwen3.codec.encoder import CodecEncoder
from speech_service.engines.qwen3.codec.shapes import CodecDecoderShape, CodecEncoderShape
from tests.qwen_tiny.codec import CODEBOOKS, codec_config, codec_tensors
from tests.unit.engines.qwen3.codec.decoding import Decoders


@pytest.fixture(autouse=True)
def one_thread() -> None:
    """Tiny tensors are fastest on one thread, and tests run beside others."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def decoders() -> Decoders:
    """Give the decoder in a precision."""
    shape = CodecDecoderShape.from_config(codec_config()["decoder_config"])
    tensors = codec_tensors()
    made: dict[torch.dtype, CodecDecoder] = {}

    def decoder(dtype: torch.dtype) -> CodecDecoder:
        if dtype not in made:
            made[dtype] = CodecDecoder(lambda name: tensors[name].to(dtype), shape)
        return made[dtype]

    return decoder


@pytest.fixture(scope="session")
def encoder() -> CodecEncoder:
    """Give the encoder in float32."""
    tensors = codec_tensors()
    shape = CodecEncoderShape.from_config(codec_config()["encoder_config"], CODEBOOKS)
    return CodecEncoder(lambda name: tensors[name], shape)
