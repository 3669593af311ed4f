"""Speech-like sound made from a seed, so that recorded results need no recordings."""

import functools

import numpy as np
from numpy.typing import NDArray

SYLLABLE_MS = (90, 260)
PAUSE_SHARE = 0.15  # of the syllables
UNVOICED_SHARE = 0.2
PITCH_HZ = (90.0, 240.0)
# Mean and spread of the first three formants, and their levels.
FORMANTS = ((500.0, 250.0, 1.0), (1500.0, 600.0, 0.5), (2600.0, 400.0, 0.25))


class _Random:
    """Uniform numbers from the raw words of PCG64, which no release of NumPy changes."""

    def __init__(self, seed: int) -> None:
        self._bits = np.random.PCG64(seed)

    def between(self, low: float, high: float, count: int) -> NDArray[np.float64]:
        """Give ``count`` numbers between the bounds."""
        words = self._bits.random_raw(count) >> np.uint64(11)
        return low + (high - low) * (words.astype(np.float64) / 2.0**53)


def speech_like(
    seed: int, duration_s: float, sample_rate_hz: int = 16_000, level: float = 0.3
) -> NDArray[np.float32]:
    """Make syllables of pulsed formants or noise, and pauses.

    Returns mono float32 in [-1, 1), on the grid of 16-bit samples: a last-bit difference of a sine
    between two machines does not change it.
    """
    return _speech_like(seed, duration_s, sample_rate_hz, level).copy()


@functools.cache
def _speech_like(
    seed: int, duration_s: float, sample_rate_hz: int, level: float
) -> NDArray[np.float32]:
    samples = round(duration_s * sample_rate_hz)
    random = _Random(seed)
    count = int(duration_s * 1000 / SYLLABLE_MS[0]) + 2
    lengths = (random.between(*SYLLABLE_MS, count) * sample_rate_hz / 1000).astype(np.int64)
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)

    def held(values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Hold one value for each syllable."""
        return np.repeat(values, lengths)[:samples]

    envelope = np.sin(np.pi * (within[:samples] + 0.5) / held(lengths.astype(np.float64))) ** 2
    pitch = np.cumsum(held(random.between(*PITCH_HZ, count))) / sample_rate_hz
    pulse = np.exp(-5.0 * (pitch % 1.0))  # each period decays, as after a glottal pulse
    voice = np.zeros(samples)
    for mean, spread, gain in FORMANTS:
        formant = held(random.between(mean - spread, mean + spread, count))
        voice += gain * np.sin(2 * np.pi * np.cumsum(formant) / sample_rate_hz)
    kind = held(random.between(0.0, 1.0, count))
    noise = random.between(-1.0, 1.0, samples)
    sound = np.where(kind < UNVOICED_SHARE, 0.4 * noise, voice * pulse)
    sound *= envelope * held(random.between(0.2, 1.0, count)) * (kind < 1 - PAUSE_SHARE)
    sound = level * sound + 0.001 * noise
    pcm = np.clip(np.round(sound * 32_768), -32_768, 32_767)
    return (pcm / 32_768).astype(np.float32)
