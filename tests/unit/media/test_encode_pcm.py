"""Raw audio and WAV out: what was decoded comes out the same, and nothing wraps around."""

import io
import wave

import numpy as np
import pytest
from numpy.typing import NDArray

from speech_service.domain.audio import AudioEncoding, RawFormat
from speech_service.media.encode import pcm as encode_pcm
from speech_service.media.pcm import ALAW_TO_FLOAT, MULAW_TO_FLOAT, RawDecoder

EVERY_INT16 = np.arange(-32768, 32768).astype("<i2")


def as_float(pcm: NDArray[np.int16]) -> NDArray[np.float32]:
    return pcm.astype(np.float32) / np.float32(32768)


def test_s16_round_trip_is_exact() -> None:
    decoded = RawDecoder(RawFormat(AudioEncoding.PCM_S16LE, 24_000)).feed(EVERY_INT16.tobytes())
    assert encode_pcm.pcm_s16le(decoded[:, 0]) == EVERY_INT16.tobytes()


def test_f32_round_trip_is_exact() -> None:
    samples = np.linspace(-1, 1, 999, dtype=np.float32)
    assert np.frombuffer(encode_pcm.pcm_f32le(samples), "<f4").tolist() == samples.tolist()


@pytest.mark.parametrize("loud", [1.0, 1.5, 100.0])
def test_loud_samples_are_clipped(loud: float) -> None:
    samples = np.array([loud, -loud], np.float32)
    assert np.frombuffer(encode_pcm.pcm_s16le(samples), "<i2").tolist() == [32767, -32768]
    assert np.frombuffer(encode_pcm.pcm_f32le(samples), "<f4").tolist() == [1.0, -1.0]
    assert MULAW_TO_FLOAT[list(encode_pcm.mulaw(samples))].tolist() == [
        32124 / 32768,
        -32124 / 32768,
    ]
    assert ALAW_TO_FLOAT[list(encode_pcm.alaw(samples))].tolist() == [32256 / 32768, -32256 / 32768]


def test_every_g711_code_comes_back() -> None:
    codes = np.arange(256)
    assert np.array_equal(np.frombuffer(encode_pcm.alaw(ALAW_TO_FLOAT), np.uint8), codes)
    mulaw = np.frombuffer(encode_pcm.mulaw(MULAW_TO_FLOAT), np.uint8)
    minus_zero = 127  # the same value as 255, which is what zero is coded as
    assert np.array_equal(mulaw, np.where(codes == minus_zero, 255, codes))


def test_g711_takes_the_nearest_code_but_for_the_rounding_of_the_standard() -> None:
    samples = as_float(EVERY_INT16)
    for encode, table in ((encode_pcm.mulaw, MULAW_TO_FLOAT), (encode_pcm.alaw, ALAW_TO_FLOAT)):
        error = np.abs(table[np.frombuffer(encode(samples), np.uint8)] - samples)
        levels = np.unique(table)
        nearest = np.minimum.reduce(
            [
                np.abs(
                    levels[np.clip(np.searchsorted(levels, samples) + step, 0, len(levels) - 1)]
                    - samples
                )
                for step in (-1, 0)
            ]
        )
        assert np.all(error <= nearest * 2 + 16 / 32768)


def test_wav_of_unknown_and_of_known_length() -> None:
    pcm = EVERY_INT16[:1000].tobytes()
    streamed = encode_pcm.wav_header(22_050) + pcm
    assert streamed[4:8] == streamed[40:44] == b"\xff\xff\xff\xff"
    whole = encode_pcm.with_known_length(streamed)
    assert len(whole) == len(streamed)
    with wave.open(io.BytesIO(whole)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 22_050)
        assert file.readframes(2000) == pcm
