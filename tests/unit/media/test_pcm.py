"""Raw audio: known values, round trips, and what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.audio import AudioEncoding, RawFormat
from speech_service.domain.errors import InvalidAudioError
from speech_service.media.pcm import ALAW_TO_FLOAT, MULAW_TO_FLOAT, RawDecoder

pytestmark = pytest.mark.unit


def decoder(encoding: AudioEncoding, channels: int = 1) -> RawDecoder:
    return RawDecoder(RawFormat(encoding, 16_000, channels), "audio.data")


def test_s16_full_scale() -> None:
    data = np.array([0, 32767, -32768, 16384], "<i2").tobytes()
    assert decoder(AudioEncoding.PCM_S16LE).feed(data)[:, 0].tolist() == [0, 32767 / 32768, -1, 0.5]


def test_channels_are_columns() -> None:
    data = np.array([1, 2, 3, 4, 5, 6], "<i2").tobytes()
    samples = decoder(AudioEncoding.PCM_S16LE, 3).feed(data)
    assert (samples * 32768).tolist() == [[1, 2, 3], [4, 5, 6]]
    assert samples.dtype == np.float32


@pytest.mark.parametrize(
    ("code", "value"),
    # ITU-T G.711 tables 2a and 2b, at 16 bits (CCITT reference values).
    [
        (0x00, -32124),
        (0x80, 32124),
        (0x7F, 0),
        (0xFF, 0),
        (0xF0, 120),
        (0x70, -120),
        (0x0F, -16764),
    ],
)
def test_mulaw_known_values(code: int, value: int) -> None:
    assert MULAW_TO_FLOAT[code] * 32768 == value


@pytest.mark.parametrize(
    ("code", "value"),
    # ITU-T G.711 tables 1a and 1b, at 16 bits.
    [(0xD5, 8), (0x55, -8), (0xAA, 32256), (0x2A, -32256), (0x80, 5504), (0x00, -5504)],
)
def test_alaw_known_values(code: int, value: int) -> None:
    assert ALAW_TO_FLOAT[code] * 32768 == value


@pytest.mark.parametrize("codec", ["pcm_mulaw", "pcm_alaw"])
def test_g711_tables_equal_ffmpeg(codec: str) -> None:
    av = pytest.importorskip("av")
    context = av.CodecContext.create(codec, "r")
    context.sample_rate, context.layout = 8000, "mono"
    frame = context.decode(av.Packet(bytes(range(256))))[0]
    table = MULAW_TO_FLOAT if codec == "pcm_mulaw" else ALAW_TO_FLOAT
    assert (table * 32768).tolist() == frame.to_ndarray()[0].tolist()


@given(st.lists(st.integers(-32000, 32000), min_size=1))
def test_g711_round_trip_is_within_one_step(values: list[int]) -> None:
    for table in (MULAW_TO_FLOAT, ALAW_TO_FLOAT):
        for value in values:
            nearest = float(np.abs(table * 32768 - value).min())
            assert nearest <= max(16, abs(value) / 16)


def test_float_is_clipped() -> None:
    data = np.array([2.0, -3.0, 0.25], "<f4").tobytes()
    assert decoder(AudioEncoding.PCM_F32LE).feed(data)[:, 0].tolist() == [1.0, -1.0, 0.25]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_float_that_is_no_number_is_refused(bad: float) -> None:
    with pytest.raises(InvalidAudioError, match=r"^audio\.data: a sample is NaN"):
        decoder(AudioEncoding.PCM_F32LE).feed(np.array([0.0, bad], "<f4").tobytes())


@given(st.sampled_from(list(AudioEncoding)), st.integers(1, 8), st.binary(max_size=100))
def test_only_whole_frames(encoding: AudioEncoding, channels: int, data: bytes) -> None:
    raw = decoder(encoding, channels)
    if len(data) % raw.frame_bytes:
        with pytest.raises(InvalidAudioError) as caught:
            raw.feed(data)
        assert caught.value.option == "audio.data"
        assert caught.value.allowed == f"multiples of {raw.frame_bytes} bytes"
        return
    try:
        samples = raw.feed(data)
    except InvalidAudioError:
        assert encoding is AudioEncoding.PCM_F32LE
        return
    assert samples.shape == (len(data) // raw.frame_bytes, channels)
    assert samples.dtype == np.float32
    assert np.abs(samples).max(initial=0) <= 1
