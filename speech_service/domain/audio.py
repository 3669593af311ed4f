"""What audio is called inside the service: encodings, containers, and the one model format.

Inside the service audio is always ``float32`` in [-1, 1] at ``MODEL_RATE_HZ``, one array per channel.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.errors import LimitExceededError

Samples = NDArray[np.float32]

MODEL_RATE_HZ = 16_000
SAMPLES_PER_MS = MODEL_RATE_HZ // 1000
MIN_RATE_HZ = 8_000
MAX_RATE_HZ = 48_000
MAX_CHANNELS = 8
MAX_SESSION_MS = 2**32 - 2**20
"""Times are 32-bit milliseconds on the wire; the 17 minutes below that are room for the ends of what was heard."""


class AudioEncoding(Enum):
    """Encodings of raw, headerless audio."""

    PCM_S16LE = "pcm_s16le"
    PCM_F32LE = "pcm_f32le"
    MULAW = "mulaw"
    ALAW = "alaw"


class Container(Enum):
    """Containers that the decoder accepts."""

    WAV = "wav"
    FLAC = "flac"
    OGG_OPUS = "ogg_opus"
    MP3 = "mp3"
    WEBM_OPUS = "webm_opus"
    M4A = "m4a"
    AIFF = "aiff"
    AAC = "aac"
    AMR = "amr"
    CAF = "caf"
    W64 = "w64"


@dataclass(frozen=True, slots=True)
class RawFormat:
    """Headerless audio, interleaved by channel."""

    encoding: AudioEncoding
    sample_rate_hz: int
    channel_count: int = 1


@dataclass(frozen=True, slots=True)
class ContainerFormat:
    """Audio that brings its own header. ``container=None`` means: look at the first bytes."""

    container: Container | None = None


class LossKind(Enum):
    """Why a part of encoded audio is missing; the values are the reasons of warnings."""

    TRUNCATED = "AUDIO_TRUNCATED"
    """The audio ends before its own header says, or in the middle of a part."""
    DAMAGED = "AUDIO_DAMAGED"
    """Bytes inside the audio make no sense, or a part of it is not there; silence stands in for what they held."""


@dataclass(frozen=True, slots=True)
class AudioLoss:
    """A part of encoded audio that could not be decoded, in milliseconds of that audio. ``end_ms`` None: not known."""

    kind: LossKind
    start_ms: int
    end_ms: int | None = None


@dataclass(frozen=True, slots=True)
class OpusPacketsFormat:
    """Bare Opus packets, one packet per message."""

    sample_rate_hz: int = 48_000
    channel_count: int = 1
    pre_skip_frames: int = 0
    """Frames at 48 kHz to drop from the start (RFC 7845, 4.2)."""


AudioFormat = RawFormat | ContainerFormat | OpusPacketsFormat


def samples_to_ms(samples: int) -> int:
    """Length of ``samples`` at the model rate, in whole milliseconds."""
    return samples // SAMPLES_PER_MS


def ms_to_samples(ms: float) -> int:
    """Samples at the model rate that last ``ms`` milliseconds."""
    return round(ms * SAMPLES_PER_MS)


def check_session_length(samples: int, option: str) -> None:
    """``samples`` at the model rate that a session would have after the audio in ``option``.

    Raises:
        LimitExceededError: more milliseconds than the times of the contract can say.
    """
    if samples > MAX_SESSION_MS * SAMPLES_PER_MS:
        problem = "makes the session longer than 49 days; open a new one"
        raise LimitExceededError(option, "max_session_ms", MAX_SESSION_MS, problem)


def louder(samples: Samples, gain_db: float) -> Samples:
    """Samples of any shape, ``gain_db`` louder, up to full scale; with 0 dB, the same array."""
    if not gain_db:
        return samples
    return np.clip(samples * np.float32(10 ** (gain_db / 20)), -1.0, 1.0)
