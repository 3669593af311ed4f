"""The files that made voices are kept in: one ``.npz`` each, the voice's id as its name.

A file holds the recording (no pickled objects) and JSON text. The folder may be shared with anybody: what is no good
voice is told by ``UnusableVoiceError`` and is nobody's mistake but its own.
"""

import json
import math
import os
import re
import stat
import time
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from speech_service.domain.audio import Samples
from speech_service.domain.synthesis import Voice, VoiceGender, VoiceKind, VoicePrompt

SUFFIX = ".npz"
VOICE_ID = re.compile(r"[a-z0-9_-]{1,64}")
MAX_FILE_BYTES = 64 * 1024 * 1024
"""Of a file, and of what it unpacks to: minutes more than a prompt may last."""
_MAX_TEXT_BYTES = 1024 * 1024
_MAX_RATE_HZ = 384_000
_MAX_TIME_S = 253_402_300_799.0
"""The end of the year 9999, and of what a timestamp can say."""
_MEMBERS = {"text.npy", "samples.npy"}

Stamp = tuple[int, int, int, int]
"""Inode, size, time of the content and of the inode: different after any change of a file."""


@dataclass(frozen=True, slots=True)
class MadeVoice:
    """A voice and what it is made from: a recording to clone, or a description in words."""

    voice: Voice
    prompt: VoicePrompt | None = None
    design: str = field(default="", repr=False)
    made_at_s: float = field(default_factory=time.time)
    """Seconds since 1970."""


class UnusableVoiceError(Exception):
    """A file is no voice that this service can use; the message says why."""


def stamp(file: Path) -> Stamp:
    """What changes when the file does.

    Raises:
        OSError: it is not there.
        UnusableVoiceError: it is a folder, a pipe or the like.
    """
    found = file.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnusableVoiceError("is no regular file")
    return (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def write_voice(file: Path, made: MadeVoice) -> None:
    """Whole or not at all, also where the power fails.

    Raises:
        OSError: the folder cannot be written, or is full.
    """
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
    part = file.with_name(f".{file.stem}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            np.savez(stream, text=np.array(json.dumps(text)), samples=samples)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(file)
    except BaseException:
        with suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def read_voice(file: Path) -> MadeVoice:
    """Read a voice; nothing of the file is believed unchecked.

    Raises:
        OSError: it cannot be read.
        UnusableVoiceError: it is no voice.
    """
    try:
        text, samples = _content(file)
        return _voice(file.stem, text, samples)
    except (UnusableVoiceError, OSError):
        raise
    except KeyError as error:
        raise UnusableVoiceError(f"has no {error.args[0]}; another version wrote it") from error
    except Exception as error:  # a foreign file may break a parser anywhere
        raise UnusableVoiceError(f"cannot be parsed ({type(error).__name__})") from error


def _content(file: Path) -> tuple[Mapping[str, Any], Samples]:
    stamp(file)
    with zipfile.ZipFile(file) as archive:
        sizes = {member.filename: member.file_size for member in archive.infolist()}
    if not sizes.keys() >= _MEMBERS:
        raise UnusableVoiceError("is an archive of something else")
    if sum(sizes.values()) > MAX_FILE_BYTES or sizes["text.npy"] > _MAX_TEXT_BYTES:
        raise UnusableVoiceError("is too large")
    with np.load(file) as stored:  # reads no pickled objects unless it is told to
        text: object = json.loads(str(stored["text"]))
        samples = stored["samples"]
    if not isinstance(text, dict):
        raise UnusableVoiceError("holds no description")
    if samples.dtype != np.float32 or samples.ndim != 1 or not np.isfinite(samples).all():
        raise UnusableVoiceError("holds no recording in float32")
    return cast(Mapping[str, Any], text), samples


def _voice(name: str, text: Mapping[str, Any], samples: Samples) -> MadeVoice:
    if _text(text, "voice_id") != name or not VOICE_ID.fullmatch(name):
        raise UnusableVoiceError("is not named after its voice")
    languages, rate_hz = cast(object, text["languages"]), cast(object, text["sample_rate_hz"])
    if not isinstance(languages, list):
        raise UnusableVoiceError("names no languages")
    if isinstance(rate_hz, bool) or not isinstance(rate_hz, int) or not 0 < rate_hz <= _MAX_RATE_HZ:
        raise UnusableVoiceError("has an impossible sample rate")
    kind, made_at_s = VoiceKind(text["kind"]), float(text["made_at_s"])
    if not (math.isfinite(made_at_s) and 0 <= made_at_s <= _MAX_TIME_S):
        raise UnusableVoiceError("was made at an impossible time")
    spoken = None if text["transcript"] is None else _text(text, "transcript")
    design = _text(text, "design")
    if (kind is VoiceKind.CLONED) != (spoken is not None and samples.size > 0):
        raise UnusableVoiceError("is cloned from no recording, or designed with one")
    if kind is VoiceKind.BUILT_IN or (kind is VoiceKind.DESIGNED and not design):
        raise UnusableVoiceError("is not made of anything")
    voice = Voice(
        voice_id=name,
        display_name=_text(text, "display_name"),
        model=_text(text, "model"),
        languages=tuple(_plain(language) for language in cast("list[object]", languages)),
        gender=VoiceGender.NEUTRAL,
        sample_rate_hz=rate_hz,
        description=_text(text, "description"),
        kind=kind,
    )
    return MadeVoice(
        voice, None if spoken is None else VoicePrompt(samples, spoken), design, made_at_s
    )


def _text(text: Mapping[str, Any], key: str) -> str:
    return _plain(text[key])


def _plain(value: object) -> str:
    if not isinstance(value, str):
        raise UnusableVoiceError("has a number where a text should be")
    value.encode()  # half a surrogate cannot be sent
    return value
