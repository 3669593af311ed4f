"""Faster and slower at the same pitch, the same however the audio arrives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.domain.audio import Samples
from speech_service.media.tempo import TempoChanger

RATE = 16_000
RATES = [0.5, 0.8, 1.25, 2.0]


def voice(seconds: float = 1.0) -> Samples:
    """A voiced sound: harmonics of 140 Hz."""
    t = np.arange(round(RATE * seconds)) / RATE
    harmonics = np.arange(1, 6)[:, np.newaxis]
    return (0.2 * (np.sin(2 * np.pi * 140 * harmonics * t) / harmonics).sum(axis=0)).astype(
        np.float32
    )


def changed(samples: Samples, rate: float, cuts: list[int]) -> Samples:
    changer = TempoChanger(rate, RATE)
    parts = [changer.push(part) for part in np.split(samples, cuts)]
    return np.concatenate([*parts, changer.push(np.zeros(0, np.float32), last=True)])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("count", [0, 1, 100, 479, 5000, 16_001])
def test_length_is_exact(rate: float, count: int) -> None:
    samples = np.resize(voice(), count).astype(np.float32)
    assert len(changed(samples, rate, [])) == round(count / rate)


@settings(max_examples=40)
@given(st.sampled_from(RATES), st.lists(st.integers(0, RATE), max_size=20).map(sorted))
def test_the_same_however_it_arrives(rate: float, cuts: list[int]) -> None:
    np.testing.assert_array_equal(changed(voice(), rate, cuts), changed(voice(), rate, []))


@pytest.mark.parametrize("rate", RATES)
def test_pitch_and_loudness_stay_and_nothing_clicks(rate: float) -> None:
    samples = voice(2.0)
    out = changed(samples, rate, [])
    inside = out[RATE // 10 : -RATE // 10]
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(len(inside))))
    loudest_hz = np.argmax(spectrum) * RATE / len(inside)
    assert loudest_hz == pytest.approx(140, abs=6)
    assert np.sqrt(np.mean(inside**2)) == pytest.approx(np.sqrt(np.mean(samples**2)), rel=0.1)
    assert np.abs(np.diff(inside)).max() < 1.2 * np.abs(np.diff(samples)).max()


def test_it_holds_little() -> None:
    """What comes out lags behind by no more than two frames and the search."""
    changer = TempoChanger(1.25, RATE)
    given, out = 0, 0
    for part in np.split(voice(2.0), range(800, 2 * RATE, 800)):
        given += len(part)
        out += len(changer.push(part))
        assert given / 1.25 - out < 0.06 * RATE


def test_a_rate_of_one_passes_through() -> None:
    samples = voice()
    assert TempoChanger(1.0, RATE).push(samples) is samples


@pytest.mark.parametrize("rate", [0.49, 2.01, 0.0, -1.0, float("nan")])
def test_rates_out_of_range(rate: float) -> None:
    with pytest.raises(ValueError, match=str(rate)):
        TempoChanger(rate, RATE)
