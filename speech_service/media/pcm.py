"""Raw audio to float32. Every message holds whole frames: half a sample is an error, not a wait."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import AudioEncoding, RawFormat, Samples
from speech_service.domain.errors import InvalidAudioError

BYTES_PER_SAMPLE: Final = {
    AudioEncoding.PCM_S16LE: 2,
    AudioEncoding.PCM_F32LE: 4,
    AudioEncoding.MULAW: 1,
    AudioEncoding.ALAW: 1,
}


def bytes_per_s(raw_format: RawFormat) -> int:
    """How many bytes a second of such audio has, all channels together."""
    frame_bytes = BYTES_PER_SAMPLE[raw_format.encoding] * raw_format.channel_count
    return frame_bytes * raw_format.sample_rate_hz


def _mulaw_table() -> Samples:
    """ITU-T G.711 §2, table 2: 14-bit magnitudes, scaled so that full scale is 32124 of 32768."""
    code = ~np.arange(256) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return (np.where(code & 0x80, -magnitude, magnitude) / 32768).astype(np.float32)


def _alaw_table() -> Samples:
    """ITU-T G.711 §2, table 1: 13-bit magnitudes, even bits inverted on the line."""
    code = np.arange(256) ^ 0x55
    exponent = code >> 4 & 7
    mantissa = ((code & 0x0F) << 4) + 8
    magnitude = np.where(exponent, mantissa + 0x100 << np.maximum(exponent - 1, 0), mantissa)
    return (np.where(code & 0x80, magnitude, -magnitude) / 32768).astype(np.float32)


MULAW_TO_FLOAT: Final = _mulaw_table()
ALAW_TO_FLOAT: Final = _alaw_table()
_S16_SCALE: Final = np.float32(1 / 32768)


class RawDecoder:
    """Decodes messages of headerless audio. Keeps no state: every message stands alone."""

    def __init__(self, raw_format: RawFormat, option: str = "audio") -> None:
        """``option``: what the bytes are to the request, for errors."""
        self._encoding = raw_format.encoding
        self._channels = raw_format.channel_count
        self._option = option
        self.frame_bytes = BYTES_PER_SAMPLE[raw_format.encoding] * raw_format.channel_count

    def feed(self, data: bytes) -> Samples:
        """Decode one message.

        Returns:
            float32 [frames, channels] in [-1, 1]. Float input beyond that range is clipped.

        Raises:
            InvalidAudioError: the message is not a whole number of frames, or holds NaN or
                infinity.
        """
        if len(data) % self.frame_bytes:
            problem = (
                f"{len(data)} bytes are not a whole number of frames; a frame of {self._channels}"
                f" channel(s) in {self._encoding.value} takes {self.frame_bytes} bytes"
            )
            raise InvalidAudioError(self._option, problem, f"multiples of {self.frame_bytes} bytes")
        return self._to_float(data).reshape(-1, self._channels)

    def _to_float(self, data: bytes) -> Samples:
        match self._encoding:
            case AudioEncoding.PCM_S16LE:
                return np.multiply(np.frombuffer(data, "<i2"), _S16_SCALE, dtype=np.float32)
            case AudioEncoding.PCM_F32LE:
                return finite_and_clipped(np.frombuffer(data, "<f4"), self._option)
            case AudioEncoding.MULAW:
                return MULAW_TO_FLOAT[np.frombuffer(data, np.uint8)]
            case AudioEncoding.ALAW:
                return ALAW_TO_FLOAT[np.frombuffer(data, np.uint8)]


def finite_and_clipped(samples: NDArray[np.float32], option: str) -> Samples:
    """Give a copy of ``samples`` within [-1, 1].

    Raises:
        InvalidAudioError: a sample is NaN or infinite. One such value would poison a whole batch.
    """
    if not np.isfinite(samples).all():
        raise InvalidAudioError(option, "a sample is NaN or infinite", "finite numbers in [-1, 1]")
    return np.clip(samples, -1.0, 1.0)
