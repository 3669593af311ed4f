"""The voices that clients made: in memory and, where a folder is configured, on disk, shared by all front ends.

A file is NumPy's ``.npz`` with the recording (no pickled objects) and JSON text; its name is the voice's id.
"""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from speech_service.domain.errors import OverloadedError, ResourceExistsError
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind, VoicePrompt

_SUFFIX = ".npz"


@dataclass(frozen=True, slots=True)
class MadeVoice:
    """A voice and what it is made from: a recording to clone, or a description in words."""

    voice: Voice
    prompt: VoicePrompt | None = None
    design: str = field(default="", repr=False)
    made_at_s: float = field(default_factory=time.time)
    """Seconds since 1970."""


class MadeVoices:
    """All of them, by id. Belongs to one event loop; files are small and local."""

    def __init__(self, max_voices: int, folder: str = "") -> None:
        """``folder``: where they are kept between runs; empty: nowhere."""
        self._max_voices = max_voices
        self._folder = Path(folder).expanduser() if folder else None
        self._voices: dict[str, MadeVoice] = {}

    @property
    def voices(self) -> Sequence[MadeVoice]:
        """All, sorted by id."""
        self._look()
        return [self._voices[voice_id] for voice_id in sorted(self._voices)]

    def get(self, voice_id: str) -> MadeVoice | None:
        """The voice of that id."""
        self._look()
        return self._voices.get(voice_id)

    def add(self, made: MadeVoice) -> None:
        """Keep a voice.

        Raises:
            ResourceExistsError: its id is taken.
            OverloadedError: there are too many.
        """
        self._look()
        voice_id = made.voice.voice_id
        if voice_id in self._voices:
            raise ResourceExistsError("voice", voice_id)
        if len(self._voices) >= self._max_voices:
            raise OverloadedError(
                f"{self._max_voices} voices are kept; delete one first", reason="TOO_MANY_VOICES"
            )
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
            _write(self._folder / f"{voice_id}{_SUFFIX}", made)
        self._voices[voice_id] = made

    def remove(self, voice_id: str) -> None:
        """Forget a voice.

        Raises:
            KeyError: there is none.
        """
        del self._voices[voice_id]
        if self._folder is not None:
            (self._folder / f"{voice_id}{_SUFFIX}").unlink(missing_ok=True)

    def _look(self) -> None:
        """Take in what other front ends, or an earlier run, have written or deleted."""
        if self._folder is None or not self._folder.is_dir():
            return
        files = {file.stem: file for file in self._folder.glob(f"*{_SUFFIX}")}
        for voice_id in self._voices.keys() - files.keys():
            del self._voices[voice_id]
        for voice_id in files.keys() - self._voices.keys():
            self._voices[voice_id] = _read(files[voice_id])


def _write(file: Path, made: MadeVoice) -> None:
    """Whole or not at all."""
    voice = made.voice
    text: dict[str, Any] = {
        "voice_id": voice.voice_id,
        "display_name": voice.display_name,
        "model": voice.model,
        "languages": voice.languages,
        "sample_rate_hz": voice.sample_rate_hz,
        "description": voice.description,
        "kind": voice.kind.value,
        "design": made.design,
        "made_at_s": made.made_at_s,
        "transcript": made.prompt.transcript if made.prompt else None,
    }
    samples = made.prompt.samples if made.prompt else np.zeros(0, np.float32)
    part = file.with_suffix(".part")
    with part.open("wb") as stream:
        np.savez(stream, text=np.array(json.dumps(text)), samples=samples)
    part.replace(file)


def _read(file: Path) -> MadeVoice:
    with np.load(file) as stored:  # reads no pickled objects unless it is told to
        text: dict[str, Any] = json.loads(str(stored["text"]))
        samples = stored["samples"]
    prompt = None if text["transcript"] is None else VoicePrompt(samples, text["transcript"])
    voice = Voice(
        voice_id=text["voice_id"],
        display_name=text["display_name"],
        model=text["model"],
        languages=tuple(text["languages"]),
        gender=VoiceGender.NEUTRAL,
        sample_rate_hz=text["sample_rate_hz"],
        description=text["description"],
        kind=VoiceKind(text["kind"]),
    )
    return MadeVoice(voice, prompt, text["design"], text["made_at_s"])
