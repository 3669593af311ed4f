"""Voices made by clients: kept, shared through a folder, and bounded in number."""

import errno
import json
import os
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from loguru import logger

from speech_service.calls.voices.files import MadeVoice
from speech_service.calls.voices.store import MadeVoices
from speech_service.domain.errors import OverloadedError, ResourceExistsError, UnavailableError
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind, VoicePrompt

SAMPLES = np.linspace(-1, 1, 24_000, dtype=np.float32)


def made(voice_id: str, prompt: VoicePrompt | None = None, design: str = "") -> MadeVoice:
    kind = VoiceKind.CLONED if prompt else VoiceKind.DESIGNED
    voice = Voice(
        voice_id, "Name", "m", ("en", "zh"), VoiceGender.NEUTRAL, 24_000, "", "mine", kind
    )
    return MadeVoice(voice, prompt, design)


async def test_voices_are_kept_until_they_are_removed() -> None:
    voices = MadeVoices(2)
    await voices.add(made("b", design="low"))
    await voices.add(made("a", VoicePrompt(SAMPLES, "said")))
    assert [each.voice.voice_id for each in voices.voices] == ["a", "b"]
    with pytest.raises(ResourceExistsError):
        await voices.add(made("a"))
    with pytest.raises(OverloadedError, match="delete one"):
        await voices.add(made("c"))
    await voices.remove("a")
    assert voices.get("a") is None
    with pytest.raises(KeyError):
        await voices.remove("a")
    await voices.add(made("c"))


async def test_a_folder_shares_them_between_front_ends_and_runs(tmp_path: Path) -> None:
    folder = str(tmp_path / "voices")
    one, other = MadeVoices(9, folder), MadeVoices(9, folder)
    await one.refresh()
    assert one.get("a") is None
    clone, timbre = made("a", VoicePrompt(SAMPLES, "said")), made("b", VoicePrompt(SAMPLES))
    for each in (clone, timbre, made("c", design="an old sailor")):
        await one.add(each)
        await other.refresh()
        assert other.get(each.voice.voice_id) == each
    read = other.get("a")
    assert read is not None
    assert read.prompt is not None
    np.testing.assert_array_equal(read.prompt.samples, SAMPLES)
    with pytest.raises(ResourceExistsError):
        await other.add(clone)
    await other.remove("a")
    await one.refresh()
    assert one.get("a") is None
    third = MadeVoices(9, folder)
    await third.refresh()
    assert [each.voice.voice_id for each in third.voices] == ["b", "c"]


# --- a folder that others use, too ---


def stored(file: Path, samples: object = SAMPLES, **text: object) -> None:
    """Write a voice as it would be, but for ``text`` (None: the key is not there)."""
    whole: dict[str, object] = {
        "voice_id": file.stem, "display_name": "N", "model": "m", "languages": ["en"],
        "sample_rate_hz": 24_000, "description": "", "kind": "cloned", "design": "",
        "made_at_s": 1.0, "transcript": "said",
    }  # fmt: skip
    whole |= text
    kept = {key: value for key, value in whole.items() if value is not ...}
    with file.open("wb") as stream:
        np.savez(stream, text=np.array(json.dumps(kept)), samples=np.asarray(samples))


def names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


def fifo(file: Path) -> None:
    os.mkfifo(file)


def bomb(file: Path) -> None:
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("text.npy", b"x")
        archive.writestr("samples.npy", bytes(80 * 1024 * 1024))


def cut(file: Path) -> None:
    stored(file)
    file.write_bytes(file.read_bytes()[:2000])


def flipped(file: Path) -> None:
    stored(file)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 0xFF
    file.write_bytes(data)


BAD: dict[str, Callable[[Path], object]] = {
    "empty": lambda file: file.write_bytes(b""),
    "text": lambda file: file.write_text("not an archive"),
    "truncated": cut,
    "damaged": flipped,
    "folder": lambda file: file.mkdir(),
    "dangling": lambda file: file.symlink_to(file.parent / "nowhere"),
    "loop": lambda file: file.symlink_to(file),
    "fifo": fifo,
    "bomb": bomb,
    "other archive": lambda file: np.savez(file, weights=SAMPLES),
    "pickled": lambda file: np.savez(
        file, text=np.array([{"a": 1}], object), samples=SAMPLES, allow_pickle=True
    ),
    "no json": lambda file: np.savez(file, text=np.array("{"), samples=SAMPLES),
    "a list": lambda file: np.savez(file, text=np.array("[1]"), samples=SAMPLES),
    "renamed": lambda file: stored(file, voice_id="another"),
    "older": lambda file: stored(file, made_at_s=...),
    "kind": lambda file: stored(file, kind="sung"),
    "built in": lambda file: stored(file, kind="built_in"),
    "number": lambda file: stored(file, display_name=7),
    "surrogate": lambda file: stored(file, display_name="\ud800"),
    "languages": lambda file: stored(file, languages="en"),
    "rate": lambda file: stored(file, sample_rate_hz=2**33),
    "time": lambda file: stored(file, made_at_s=1e300),
    "nan": lambda file: stored(file, np.array([np.nan], np.float32)),
    "doubles": lambda file: stored(file, np.zeros(9)),
    "stereo": lambda file: stored(file, np.zeros((9, 2), np.float32)),
    "no recording": lambda file: stored(file, np.zeros(0, np.float32)),
}


@pytest.fixture
def logged() -> Iterator[list[str]]:
    """Collect what is logged at WARNING and above."""
    lines: list[str] = []
    handler = logger.add(lines.append, level="WARNING", format="{message}")
    yield lines
    logger.remove(handler)


@pytest.mark.parametrize("kind", BAD)
async def test_a_file_that_is_no_voice_is_skipped_and_logged_once(
    tmp_path: Path, logged: list[str], kind: str
) -> None:
    voices = MadeVoices(9, str(tmp_path))
    await voices.add(made("good", design="deep"))
    bad = tmp_path / "bad.npz"
    BAD[kind](bad)
    for _ in range(3):
        await voices.refresh()
        assert [each.voice.voice_id for each in voices.voices] == ["good"]
    assert len(logged) == 1, logged
    assert "voices_folder" in logged[0]
    assert str(tmp_path) not in logged[0]
    with pytest.raises(ResourceExistsError):
        await voices.add(made("bad"))  # it is somebody's file
    if bad.is_dir():
        bad.rmdir()
    else:
        bad.unlink()
    stored(bad)
    await voices.refresh()
    assert [each.voice.voice_id for each in voices.voices] == ["bad", "good"]
    bad.write_bytes(b"worse")
    await voices.refresh()
    assert len(logged) == 2, "a file that changes is logged again"


async def test_other_files_of_the_folder_are_no_matter(tmp_path: Path, logged: list[str]) -> None:
    (tmp_path / "README.txt").write_text("hello")
    (tmp_path / ".x.1.part").write_bytes(b"half")
    voices = MadeVoices(9, str(tmp_path))
    await voices.refresh()
    assert not voices.voices
    assert not logged


async def test_what_was_known_outlasts_a_folder_that_vanishes(
    tmp_path: Path, logged: list[str]
) -> None:
    folder = tmp_path / "voices"
    voices = MadeVoices(9, str(folder))
    await voices.add(made("a", design="deep"))
    await voices.refresh()
    folder.rename(tmp_path / "away")
    for _ in range(3):
        await voices.refresh()
        assert voices.get("a") is not None
    assert len(logged) == 1
    folder.write_text("a file where the folder was")
    await voices.refresh()
    assert voices.get("a") is not None


async def test_more_voices_than_are_kept_are_not_read(tmp_path: Path, logged: list[str]) -> None:
    for name in "abc":
        stored(tmp_path / f"{name}.npz")
    voices = MadeVoices(2, str(tmp_path))
    await voices.refresh()
    await voices.refresh()
    assert [each.voice.voice_id for each in voices.voices] == ["a", "b"]
    assert len(logged) == 1
    await voices.remove("a")
    await voices.refresh()
    assert [each.voice.voice_id for each in voices.voices] == ["b", "c"]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO])
async def test_a_voice_that_cannot_be_written_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    voices = MadeVoices(9, str(tmp_path))

    def full(stream: Any, **arrays: object) -> None:
        stream.write(b"half")
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(np, "savez", full)
    with pytest.raises(UnavailableError, match=os.strerror(code)) as caught:
        await voices.add(made("a", design="deep"))
    assert caught.value.reason == "VOICE_STORE_UNAVAILABLE"
    assert str(tmp_path) not in caught.value.message
    assert voices.get("a") is None
    assert not names(tmp_path)
