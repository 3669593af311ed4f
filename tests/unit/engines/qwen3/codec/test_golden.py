"""The codec and the speaker encoder give what the official package gave for the same tensors."""

from functools import cache
from typing import Any

import pytest
import torch

from speech_service.engines.qwen3.codec.encoder import CodecEncoder
from speech_service.engines.qwen3.tts.speaker_encoder import (
    SpeakerEncoder,
    SpeakerShape,
    speaker_mel,
)
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.folder import tts_checkpoint
from tests.qwen_tiny.golden import Golden, difference, read_golden
from tests.qwen_tiny.tts import Variant
from tests.unit.engines.qwen3.codec.decoding import Decoders, whole

TOLERANCE = 1e-5


@cache
def golden() -> Golden:
    return read_golden("codec")


def cases(kind: str) -> list[Any]:
    found = [case for case in golden().cases if case["kind"] == kind]
    assert found, kind
    return [pytest.param(case, id=case["name"]) for case in found]


@pytest.fixture(scope="module")
def speaker() -> SpeakerEncoder:
    """Give the speaker encoder, stored as bfloat16 and computed in float32."""
    checkpoint = tts_checkpoint(Variant("base"))
    shape = SpeakerShape.from_config(checkpoint.files["config.json"]["speaker_encoder_config"])
    return SpeakerEncoder(lambda name: checkpoint.tensors[name].bfloat16().float(), shape)


@pytest.mark.parametrize("case", cases("decode"))
def test_decoding(decoders: Decoders, case: dict[str, Any]) -> None:
    codes = torch.from_numpy(golden().arrays[f"{case['name']}/codes"]).long()
    sound = whole(decoders(torch.float32), codes).reshape(len(codes), -1).numpy()
    assert difference(golden(), f"{case['name']}/sound", sound) <= TOLERANCE


@torch.inference_mode()
@pytest.mark.parametrize("case", cases("encode"))
def test_encoding(encoder: CodecEncoder, speaker: SpeakerEncoder, case: dict[str, Any]) -> None:
    audio = case["audio"]
    samples = torch.from_numpy(speech_like(audio["seed"], audio["duration_s"], 24_000))
    recorded = golden().arrays
    assert encoder(samples).tolist() == recorded[f"{case['name']}/codes"].tolist()
    mel = speaker_mel(samples).T.numpy()
    assert difference(golden(), f"{case['name']}/mel", mel) <= TOLERANCE
    embedding = speaker(samples).numpy()
    assert abs(embedding - recorded[f"{case['name']}/speaker"]).max() <= TOLERANCE
