"""The waveform: slices joined are the whole, and the whole is what the library makes of the same noise."""

from typing import Any, cast

import hibari.dsp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech_service.domain.audio import Samples
from speech_service.engines.hibari.waveform import HOP_SAMPLES, Spectra, waveform

BINS, FRAMES = 601, 40


def spectra(frames: int = FRAMES) -> Spectra:
    """Something like speech: a voiced part that glides, noise, silence at both ends."""
    make = np.random.default_rng(5)

    def part(level: float) -> Samples:
        return make.normal(level, 1.0, (BINS, frames)).astype(np.float32)

    f0_hz = np.linspace(120, 240, frames, dtype=np.float32)
    f0_hz[::7] = 0
    return Spectra(part(-3), part(0), part(-4), part(-4), part(0), f0_hz)


def made(of: Spectra, ends: list[int]) -> list[Samples]:
    return list(waveform(of, np.random.default_rng(1), ends))


class _SameNoise:
    """Gives the library's one large draw the numbers that are drawn here frame after frame."""

    def standard_normal(self, shape: tuple[int, int], dtype: type) -> Any:
        bins, doubled = shape
        drawn = np.random.default_rng(1).standard_normal((doubled // 2, 2 * bins), dtype=np.float32)
        return np.ascontiguousarray(drawn.view(np.complex64).T).view(dtype)


@settings(max_examples=40)
@given(st.sets(st.integers(1, FRAMES - 1), max_size=6))
def test_slices_joined_are_the_whole(cuts: set[int]) -> None:
    ends = [*sorted(cuts), FRAMES]
    slices = made(spectra(), ends)
    lengths = np.diff([0, *ends]) * HOP_SAMPLES
    assert [len(samples) for samples in slices] == list(lengths)
    (whole,) = made(spectra(), [FRAMES])
    np.testing.assert_allclose(np.concatenate(slices), whole, rtol=0, atol=1e-6)


@pytest.mark.parametrize("frames", [4, 5, FRAMES])
def test_the_whole_is_what_the_library_makes(frames: int) -> None:
    of = spectra(frames)
    parts = (of.harmonic, of.turn, of.noise, of.free, of.phase, of.f0_hz)
    expected = cast(Any, hibari.dsp).synth(*parts, _SameNoise())
    (whole,) = made(of, [frames])
    assert np.abs(expected).max() > 0.01
    np.testing.assert_allclose(whole, np.clip(expected, -1, 1), rtol=0, atol=1e-6)


def test_samples_are_the_receivers_own_and_in_range() -> None:
    loud = spectra()
    loud.harmonic[:] += 9
    slices = made(loud, [10, FRAMES])
    assert max(np.abs(samples).max() for samples in slices) == 1.0
    kept = [samples.copy() for samples in slices]
    for samples in slices:
        assert samples.base is None
        samples[:] = 0
    for again, before in zip(made(loud, [10, FRAMES]), kept, strict=True):
        np.testing.assert_array_equal(again, before)
