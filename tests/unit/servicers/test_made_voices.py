"""Voices made by clients: kept, shared through a folder, and bounded in number."""

from pathlib import Path

import numpy as np
import pytest

from speech_service.domain.errors import OverloadedError, ResourceExistsError
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind, VoicePrompt
from speech_service.servicers.made_voices import MadeVoice, MadeVoices

SAMPLES = np.linspace(-1, 1, 24_000, dtype=np.float32)


def made(voice_id: str, prompt: VoicePrompt | None = None, design: str = "") -> MadeVoice:
    kind = VoiceKind.CLONED if prompt else VoiceKind.DESIGNED
    voice = Voice(
        voice_id, "Name", "m", ("en", "zh"), VoiceGender.NEUTRAL, 24_000, "", "mine", kind
    )
    return MadeVoice(voice, prompt, design)


def test_voices_are_kept_until_they_are_removed() -> None:
    voices = MadeVoices(2)
    voices.add(made("b", design="low"))
    voices.add(made("a", VoicePrompt(SAMPLES, "said")))
    assert [each.voice.voice_id for each in voices.voices] == ["a", "b"]
    with pytest.raises(ResourceExistsError):
        voices.add(made("a"))
    with pytest.raises(OverloadedError, match="delete one"):
        voices.add(made("c"))
    voices.remove("a")
    assert voices.get("a") is None
    with pytest.raises(KeyError):
        voices.remove("a")
    voices.add(made("c"))


def test_a_folder_shares_them_between_front_ends_and_runs(tmp_path: Path) -> None:
    folder = str(tmp_path / "voices")
    one, other = MadeVoices(9, folder), MadeVoices(9, folder)
    assert one.get("a") is None
    clone, timbre = made("a", VoicePrompt(SAMPLES, "said")), made("b", VoicePrompt(SAMPLES))
    for each in (clone, timbre, made("c", design="an old sailor")):
        one.add(each)
        read = other.get(each.voice.voice_id)
        assert read == each
    read = other.get("a")
    assert read is not None
    assert read.prompt is not None
    np.testing.assert_array_equal(read.prompt.samples, SAMPLES)
    with pytest.raises(ResourceExistsError):
        other.add(clone)
    other.remove("a")
    assert one.get("a") is None
    assert [each.voice.voice_id for each in MadeVoices(9, folder).voices] == ["b", "c"]
