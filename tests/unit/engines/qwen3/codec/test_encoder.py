"""The codec encoder: as many frames as begin, and codes that say what the recording is."""

import pytest
import torch

from speech_service.engines.qwen3.codec.encoder import CodecEncoder
from tests.qwen_tiny.audio import speech_like


@torch.inference_mode()
@pytest.mark.parametrize(
    ("samples", "frames"), [(1, 1), (1919, 1), (1920, 1), (1921, 2), (24_000, 13), (48_000, 25)]
)
def test_every_frame_that_begins_has_codes(
    encoder: CodecEncoder, samples: int, frames: int
) -> None:
    sound = torch.from_numpy(speech_like(1, 2.0, 24_000))[:samples]
    codes = encoder(sound)
    assert codes.shape == (frames, 16)
    assert codes.dtype == torch.int64
    assert 0 <= int(codes.min()) <= int(codes.max()) < 2048


@torch.inference_mode()
def test_the_encoder_is_causal(encoder: CodecEncoder) -> None:
    sound = torch.from_numpy(speech_like(2, 4.0, 24_000))
    codes = encoder(sound)
    assert torch.equal(encoder(sound[: 25 * 1920]), codes[:25])
    assert len({tuple(row) for row in codes.tolist()}) > 10
