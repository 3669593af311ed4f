"""Audio for tests: bursts that the loudness detector takes for speech, and the vendor's real recordings."""

import functools
import io
import wave
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE = 16_000


def burst(ms: float, rate: int = RATE, level: float = 0.3) -> NDArray[np.float32]:
    """Something loud, float32 [n]: tones under a syllable-like envelope that never falls silent."""
    t = np.arange(round(ms * rate / 1000)) / rate
    envelope = level * (0.75 + 0.25 * np.sin(2 * np.pi * 4 * t))
    tones = np.sin(2 * np.pi * 180 * t) + 0.5 * np.sin(2 * np.pi * 900 * t)
    return (envelope * tones / 1.5).astype(np.float32)


def quiet(ms: float, rate: int = RATE) -> NDArray[np.float32]:
    """Nothing, float32 [n]."""
    return np.zeros(round(ms * rate / 1000), np.float32)


def s16(samples: NDArray[np.float32]) -> bytes:
    """Signed 16-bit little-endian."""
    return (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()


@functools.cache
def speech(*ms: float, rate: int = RATE) -> bytes:
    """s16: bursts and pauses in turn, a burst first."""
    parts = [burst(n, rate) if i % 2 == 0 else quiet(n, rate) for i, n in enumerate(ms)]
    return s16(np.concatenate(parts))


def linear_to_mulaw(samples: NDArray[np.float32]) -> bytes:
    """G.711 mu-law, by looking for the nearest code."""
    from speech_service.media.pcm import MULAW_TO_FLOAT

    return _nearest(MULAW_TO_FLOAT, samples)


def linear_to_alaw(samples: NDArray[np.float32]) -> bytes:
    """G.711 A-law, by looking for the nearest code."""
    from speech_service.media.pcm import ALAW_TO_FLOAT

    return _nearest(ALAW_TO_FLOAT, samples)


def _nearest(table: NDArray[np.float32], samples: NDArray[np.float32]) -> bytes:
    order = np.argsort(table)
    at = np.clip(np.searchsorted(table[order], samples), 0, 255)
    return order[at].astype(np.uint8).tobytes()


def moonshine_asset(name: str) -> Path | None:
    """A recording inside the moonshine-voice wheel; None where it is not installed."""
    spec = find_spec("moonshine_voice")
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).parent / "assets" / name
    return path if path.is_file() else None


@functools.cache
def recording(name: str) -> tuple[bytes, int]:
    """s16 mono and rate of a recording of the wheel."""
    path = moonshine_asset(name)
    assert path is not None
    with wave.open(io.BytesIO(path.read_bytes())) as reader:
        assert (reader.getnchannels(), reader.getsampwidth()) == (1, 2)
        return reader.readframes(reader.getnframes()), reader.getframerate()
