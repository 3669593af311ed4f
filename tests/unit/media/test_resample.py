"""Resampling in pieces equals resampling at once."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.media.resample import StreamResampler, downmix
from tests.unit.media.encode import speechlike

pytestmark = pytest.mark.unit
RATES = [8_000, 11_025, 16_000, 22_050, 24_000, 44_100, 48_000, 96_000]


@settings(max_examples=40)
@given(
    st.sampled_from(RATES),
    st.integers(1, 2),
    st.integers(0, 9_000),
    st.lists(st.integers(0, 3_000), max_size=12),
)
def test_chunked_equals_whole(rate: int, channels: int, frames: int, cuts: list[int]) -> None:
    samples = speechlike(rate, 1.2, channels)[:frames]
    whole = StreamResampler(rate, channel_count=channels).push(samples, last=True)
    stream = StreamResampler(rate, channel_count=channels)
    parts, at = [], 0
    for cut in cuts:
        parts.append(stream.push(samples[at : at + cut]))
        at += cut
    parts.append(stream.push(samples[at:], last=True))
    chunked = np.concatenate(parts)
    assert chunked.shape == whole.shape
    assert abs(len(whole) - len(samples) * 16_000 / rate) <= 1
    np.testing.assert_allclose(chunked, whole, atol=1e-6)


def test_equal_rates_pass_through() -> None:
    samples = speechlike(16_000, 0.1)
    assert StreamResampler(16_000).push(samples) is samples


def test_a_tone_stays_where_it_was() -> None:
    t = np.arange(48_000) / 48_000
    tone = np.sin(2 * np.pi * 440 * t).astype(np.float32)[:, np.newaxis]
    out = StreamResampler(48_000).push(tone, last=True)[:, 0]
    expected = np.sin(2 * np.pi * 440 * np.arange(16_000) / 16_000)
    np.testing.assert_allclose(out[500:-500], expected[500:-500], atol=1e-3)


def test_channels() -> None:
    samples = np.array([[0.0, 1.0], [0.5, -0.5]], np.float32)
    assert downmix(samples).tolist() == [0.5, 0.0]
    assert downmix(samples).dtype == np.float32
