"""Cloned voices: made once for each content, kept on disk where asked for, and only of useful recordings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from speech_service.domain.errors import InvalidOptionError, UnsupportedOptionError
from speech_service.domain.synthesis import VoicePrompt
from speech_service.engines.qwen3.codec.streams import CodecStreams
from speech_service.engines.qwen3.tts.voices import VoiceStore
from tests.qwen_tiny.audio import speech_like
from tests.unit.engines.qwen3.tts.speaking import RECORDING, Loaded

TEXT = "the quick brown fox"
RATE = 24_000


def store(
    loaded: Loaded, folder: Path | None = None, weights: str = "w", most: int = 8
) -> VoiceStore:
    model = loaded("base")
    return VoiceStore(model, CodecStreams(model.codec, 1), weights, folder, most)


@torch.inference_mode()
def test_a_recording_goes_through_the_encoders_once(loaded: Loaded) -> None:
    voices = store(loaded)
    first = voices.voice(VoicePrompt(RECORDING, TEXT))
    assert voices.voice(VoicePrompt(RECORDING.copy(), TEXT)) is first
    assert voices.encoder_runs == 1
    assert first.reference.codes is not None
    assert first.codec_start is not None
    assert first.codec_start.position == len(first.reference.codes) == 25
    timbre = voices.voice(VoicePrompt(RECORDING))
    assert (timbre.reference.codes, timbre.codec_start) == (None, None)
    assert torch.equal(timbre.reference.embedding, first.reference.embedding)
    voices.voice(VoicePrompt(RECORDING, "other words"))
    voices.voice(VoicePrompt(speech_like(4, 2.0, RATE), TEXT))
    assert voices.encoder_runs == 4


@torch.inference_mode()
def test_the_voices_used_last_are_kept(loaded: Loaded) -> None:
    voices = store(loaded, most=2)
    one, two, three = (VoicePrompt(RECORDING, text) for text in ("one", "two", "three"))
    for prompt in (one, two, one, three, one):
        voices.voice(prompt)
    assert voices.encoder_runs == 3
    voices.voice(two)
    assert voices.encoder_runs == 4


@torch.inference_mode()
def test_a_folder_keeps_voices_between_runs(loaded: Loaded, tmp_path: Path) -> None:
    folder = tmp_path / "voices"
    first = store(loaded, folder)
    for prompt in (VoicePrompt(RECORDING, TEXT), VoicePrompt(RECORDING)):
        made = first.voice(prompt)
        second = store(loaded, folder)
        read = second.voice(prompt)
        assert second.encoder_runs == 0
        assert torch.equal(read.reference.embedding, made.reference.embedding)
        if made.reference.codes is not None:
            assert read.reference.codes is not None
            assert torch.equal(read.reference.codes, made.reference.codes)
    files = list(folder.iterdir())
    assert len(files) == 2
    assert all(file.suffix == ".safetensors" for file in files)
    assert not any(TEXT.encode() in file.read_bytes() for file in files)


@torch.inference_mode()
def test_files_of_other_weights_and_damaged_ones_are_not_used(
    loaded: Loaded, tmp_path: Path
) -> None:
    prompt = VoicePrompt(RECORDING, TEXT)
    made = store(loaded, tmp_path).voice(prompt)
    other = store(loaded, tmp_path, weights="others")
    other.voice(prompt)
    assert other.encoder_runs == 1
    for file in tmp_path.iterdir():
        file.write_bytes(file.read_bytes()[:100])
    again = store(loaded, tmp_path)
    assert torch.equal(again.voice(prompt).reference.embedding, made.reference.embedding)
    assert again.encoder_runs == 1


def quiet(seconds: float) -> NDArray[np.float32]:
    return (speech_like(5, seconds, RATE) * 1e-4).astype(np.float32)


def broken() -> NDArray[np.float32]:
    samples = speech_like(5, 2.0, RATE)
    samples[1000] = np.nan
    return samples


@torch.inference_mode()
@pytest.mark.parametrize(
    ("samples", "reason"),
    [
        (speech_like(5, 0.99, RATE), "PROMPT_LENGTH"),
        (np.zeros(0, np.float32), "PROMPT_LENGTH"),
        (np.ones(60 * RATE + 1, np.float32), "PROMPT_LENGTH"),
        (np.zeros(2 * RATE, np.float32), "PROMPT_SILENT"),
        (quiet(2.0), "PROMPT_SILENT"),
        (broken(), "INVALID_AUDIO"),
    ],
    ids=["short", "empty", "long", "zeros", "quiet", "nan"],
)
def test_useless_recordings_are_refused(
    loaded: Loaded, samples: NDArray[np.float32], reason: str
) -> None:
    voices = store(loaded)
    with pytest.raises(InvalidOptionError) as refused:
        voices.voice(VoicePrompt(samples, TEXT))
    assert refused.value.reason == reason
    assert voices.encoder_runs == 0


def test_only_a_base_model_clones(loaded: Loaded) -> None:
    model = loaded()
    voices = VoiceStore(model, CodecStreams(model.codec, 1), "w")
    with pytest.raises(UnsupportedOptionError):
        voices.voice(VoicePrompt(RECORDING, TEXT))
