"""The recorded results belong to the checkpoints and sounds that the tests build; otherwise they mean nothing."""

import numpy as np
import pytest
import torch

from tests.qwen_tiny import asr, folder, tts
from tests.qwen_tiny.audio import speech_like
from tests.qwen_tiny.checkpoints import Checkpoint, stored
from tests.qwen_tiny.golden import ASSETS, Golden, audio_digest, difference, read_golden, reduced
from tests.qwen_tiny.tensors import digest

SUBJECTS = ("asr", "aligner", "text", "tts", "codec")
CODEC = "speech_tokenizer"


@pytest.fixture(scope="module")
def recorded() -> dict[str, Golden]:
    return {subject: read_golden(subject) for subject in SUBJECTS}


def built(name: str) -> tuple[Checkpoint, torch.dtype]:
    """Give the checkpoint that a recording names, and how it is stored."""
    if name.endswith(CODEC):
        return folder.codec_checkpoint(), torch.float32
    if name == "asr-target":
        return folder.asr_checkpoint(asr.TARGET_LAYERS), torch.bfloat16
    if name == "aligner":
        return folder.aligner_checkpoint(), torch.bfloat16
    for kind in ("custom_voice", "voice_design", "base"):
        for size in ("1b7", "0b6"):
            if name == f"tts-{kind}-{size}":
                return folder.tts_checkpoint(tts.Variant(kind, size)), torch.bfloat16
    raise ValueError(f"a recording names the unknown checkpoint {name}")


@pytest.mark.parametrize("subject", SUBJECTS)
def test_recordings_are_of_the_checkpoints_that_are_built(
    subject: str, recorded: dict[str, Golden]
) -> None:
    fingerprints = recorded[subject].document["checkpoints"]
    assert fingerprints
    for name, fingerprint in fingerprints.items():
        checkpoint, dtype = built(name)
        assert digest(stored(checkpoint.tensors, dtype)) == fingerprint, name


@pytest.mark.parametrize("subject", SUBJECTS)
def test_recordings_are_of_the_pinned_packages(subject: str, recorded: dict[str, Golden]) -> None:
    packages = recorded[subject].document["packages"]
    assert packages["qwen-asr"] == "0.0.6"
    assert packages["qwen-tts"] == "0.1.1"


@pytest.mark.parametrize("subject", ["asr", "aligner", "tts", "codec"])
def test_recordings_are_of_the_sounds_that_are_made(
    subject: str, recorded: dict[str, Golden]
) -> None:
    rate = 24_000 if subject in ("tts", "codec") else 16_000
    sounds = [case.get("audio") or case.get("reference") for case in recorded[subject].cases]
    checked = 0
    for sound in filter(None, sounds):
        if sound["duration_s"] <= 10:  # each sound is from its own seed; the long ones cost time
            audio = speech_like(sound["seed"], sound["duration_s"], rate)
            assert audio_digest(audio) == sound["sha256"], sound
            checked += 1
    assert checked >= 4


def test_recordings_cover_what_they_are_to_cover(recorded: dict[str, Golden]) -> None:
    clips = recorded["asr"].cases
    durations = [clip["audio"]["duration_s"] for clip in clips]
    ends = recorded["asr"].document["eos_ids"]
    ended = [clip["tokens"][-1] in ends for clip in clips]
    assert len(clips) >= 50
    assert min(durations) <= 0.3
    assert max(durations) >= 60
    assert 10 <= sum(ended) <= len(clips) - 10
    assert len({token for clip in clips for token in clip["tokens"]}) > 150
    assert len(recorded["aligner"].cases) >= 12
    assert len({case["language"].lower() for case in recorded["aligner"].cases}) >= 10


def test_greedy_codes_are_long_and_varied(recorded: dict[str, Golden]) -> None:
    golden = recorded["tts"]
    codes = {case["name"]: golden.arrays[f"{case['name']}/codes"] for case in golden.cases}
    assert {case["model"] for case in golden.cases} >= {
        *("tts-custom_voice-1b7", "tts-voice_design-1b7", "tts-base-1b7", "tts-custom_voice-0b6"),
    }
    for name, rows in codes.items():
        assert rows.shape[1] == 16
        assert len(np.unique(rows, axis=0)) == len(rows), name
        if not name.endswith("ends"):
            assert len(rows) >= 30, name
    # Both ways to stop: the end token, and the frame budget.
    budgets = {case["name"]: case["max_new_tokens"] - 1 for case in golden.cases}
    stopped = {name for name, rows in codes.items() if len(rows) < budgets[name]}
    assert 1 <= len(stopped) < len(codes) / 2


def test_recordings_stay_small() -> None:
    files = [path for path in ASSETS.iterdir() if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 3_000_000


def test_a_difference_in_any_row_is_seen() -> None:
    states = np.random.default_rng(0).standard_normal((50, 64)).astype(np.float32)
    golden = Golden({}, reduced("x", states))
    assert difference(golden, "x", states) == 0.0
    for row in (0, 1, 30, 49):
        changed = states.copy()
        changed[row, 7] += 1e-3
        assert difference(golden, "x", changed) > 1e-4
    with pytest.raises(ValueError, match="49 rows"):
        difference(golden, "x", states[:-1])
