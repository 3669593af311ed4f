"""Silence off both ends and gain: the same however the audio arrives."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech_service.domain.audio import Samples
from speech_service.media.encode.shape import SilenceTrimmer, amplify

RATE = 8_000


def tone(seconds: float, level: float = 0.3) -> Samples:
    t = np.arange(round(RATE * seconds)) / RATE
    return (level * np.cos(2 * np.pi * 440 * t)).astype(np.float32)


def silence(seconds: float) -> Samples:
    return np.zeros(round(RATE * seconds), np.float32)


def trimmed(samples: Samples, cuts: list[int]) -> tuple[Samples, int]:
    trimmer = SilenceTrimmer(RATE)
    parts = [trimmer.push(part) for part in np.split(samples, cuts)]
    return np.concatenate(parts), trimmer.dropped_at_start


@given(st.lists(st.integers(0, 3 * RATE), max_size=20).map(sorted))
def test_silence_goes_at_both_ends_and_stays_inside(cuts: list[int]) -> None:
    speech = np.concatenate((tone(0.4), silence(1.0), tone(0.3)))
    samples = np.concatenate((silence(0.5), speech, silence(0.8)))
    out, dropped = trimmed(samples, cuts)
    keep_before, keep_after = round(0.020 * RATE), round(0.050 * RATE)
    assert dropped == RATE // 2 - keep_before
    assert len(out) == pytest.approx(keep_before + len(speech) + keep_after, abs=10)
    np.testing.assert_array_equal(out, samples[dropped : dropped + len(out)])


def test_nothing_but_silence_gives_nothing() -> None:
    assert len(trimmed(silence(2.0) + 1e-4, [100])[0]) == 0


def test_what_is_held_is_bounded() -> None:
    """Of silence too long to be held the first part stays, even at the end."""
    out, _ = trimmed(np.concatenate((tone(0.1), silence(15.0))), [])
    assert len(out) == round(5.1 * RATE)


def test_sound_leaves_at_once() -> None:
    trimmer = SilenceTrimmer(RATE)
    assert len(trimmer.push(tone(0.5))) == RATE // 2


def test_gain() -> None:
    samples = tone(0.1, 0.1)
    assert amplify(samples, 0.0) is samples
    np.testing.assert_allclose(amplify(samples, 6.0206), samples * 2, rtol=1e-4)
    np.testing.assert_allclose(amplify(samples, -40.0), samples / 100, rtol=1e-4)


def test_gain_never_clips_and_keeps_the_order_of_samples() -> None:
    samples = np.linspace(-1, 1, 2001, dtype=np.float32)
    loud = amplify(samples, 12.0)
    assert np.abs(loud).max() <= 1.0
    assert np.all(np.diff(loud) >= 0)
    quiet = np.abs(samples) < 0.2
    np.testing.assert_allclose(loud[quiet], samples[quiet] * 10 ** (12 / 20), rtol=1e-5)
