"""Float32 to raw audio and to WAV. Samples beyond [-1, 1] are clipped, never wrapped.

16-bit samples are ``round(32768 x)``: what was decoded from 16 bits comes out the same.
"""

import struct
from functools import cache

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import Samples

UNKNOWN_LENGTH = 0xFFFFFFFF
"""Length field of a WAV that is streamed."""

_WAV_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_WAV_BODY_BYTES = _WAV_HEADER.size - 8
_WAV_PCM = 1


def to_s16(samples: Samples) -> NDArray[np.int16]:
    """Turn float32 [n] into int16 [n], little-endian."""
    return np.clip(np.rint(samples * np.float32(32768)), -32768, 32767).astype("<i2")


def pcm_s16le(samples: Samples) -> bytes:
    """Encode float32 [n] as signed 16-bit little-endian."""
    return to_s16(samples).tobytes()


def pcm_f32le(samples: Samples) -> bytes:
    """Encode float32 [n] as 32-bit little-endian floats in [-1, 1]."""
    return np.clip(samples, -1.0, 1.0).astype("<f4").tobytes()


def mulaw(samples: Samples) -> bytes:
    """Encode float32 [n] as G.711 mu-law."""
    return _mulaw_codes()[to_s16(samples).view(np.uint16)].tobytes()


def alaw(samples: Samples) -> bytes:
    """Encode float32 [n] as G.711 A-law."""
    return _alaw_codes()[to_s16(samples).view(np.uint16)].tobytes()


def wav_header(sample_rate_hz: int, data_bytes: int | None = None) -> bytes:
    """Header of a mono WAV with 16-bit samples. ``data_bytes`` None: the length is not known yet."""
    size = UNKNOWN_LENGTH if data_bytes is None else data_bytes
    whole = UNKNOWN_LENGTH if data_bytes is None else data_bytes + _WAV_BODY_BYTES
    riff = (b"RIFF", whole, b"WAVE", b"fmt ", 16)
    fmt = (_WAV_PCM, 1, sample_rate_hz, 2 * sample_rate_hz, 2, 16)
    return _WAV_HEADER.pack(*riff, *fmt, b"data", size)


def with_known_length(wav: bytes) -> bytes:
    """Give a complete streamed WAV of this module with its length in its header: for a unary reply."""
    sample_rate_hz = int.from_bytes(wav[24:28], "little")
    return wav_header(sample_rate_hz, len(wav) - _WAV_HEADER.size) + wav[_WAV_HEADER.size :]


@cache
def _mulaw_codes() -> NDArray[np.uint8]:
    """ITU-T G.711, table 2: the code of each int16, by its bits as uint16."""
    linear = _every_int16()
    magnitude = np.minimum(np.abs(linear) >> 2, 8158) + 33
    exponent = np.floor(np.log2(magnitude)).astype(np.int32) - 5
    mantissa = magnitude >> (exponent + 1) & 0x0F
    sign = np.where(linear < 0, 0x80, 0)
    return (~(sign | exponent << 4 | mantissa) & 0xFF).astype(np.uint8)


@cache
def _alaw_codes() -> NDArray[np.uint8]:
    """ITU-T G.711, table 1: the code of each int16, by its bits as uint16."""
    linear = _every_int16()
    magnitude = np.where(linear < 0, ~linear, linear) >> 3
    exponent = np.maximum(np.floor(np.log2(np.maximum(magnitude, 1))).astype(np.int32) - 4, 0)
    mantissa = magnitude >> np.maximum(exponent, 1) & 0x0F
    sign = np.where(linear < 0, 0, 0x80)
    return ((sign | exponent << 4 | mantissa) ^ 0x55).astype(np.uint8)


def _every_int16() -> NDArray[np.int32]:
    return np.arange(65536, dtype=np.uint16).view(np.int16).astype(np.int32)
