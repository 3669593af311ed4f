"""Strings of digits, joined and varied: pace, pauses, level, noise, cuts."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from benchmarks.digits import DIGITS, SAMPLE_RATE_HZ
from benchmarks.digits.corpus import VOICE, Samples, Spoken, Utterance

LEAST_SAMPLES = SAMPLE_RATE_HZ // 10
_NOISE_SAMPLES = 4 * SAMPLE_RATE_HZ
_NOISES = 48
_FFT_STEP = 4000
"""Lengths of small prime factors: a transform of any other length takes ten times as long."""


@dataclass(frozen=True, slots=True, eq=False)
class DigitString:
    """Audio and the digits in it, in order; none: nobody speaks. float32 [n] in [-1, 1] at 16 kHz."""

    samples: Samples = field(repr=False)
    digits: tuple[Spoken, ...]

    @property
    def text(self) -> str:
        """What is said."""
        return " ".join(DIGITS[spoken.digit] for spoken in self.digits)


@dataclass(frozen=True, slots=True)
class Variation:
    """How strings are varied in training. Pairs are ranges."""

    pace: tuple[float, float] = (0.85, 1.15)
    """Factor on speed, and with it on pitch."""
    pause_s: tuple[float, float] = (0.05, 0.5)
    edge_s: tuple[float, float] = (0.0, 0.8)
    """Silence before the first and behind the last digit."""
    peak_db: tuple[float, float] = (-26.0, -0.5)
    noise_db: tuple[float, float] = (-60.0, -8.0)
    """Level of noise below the speech's own level."""
    floor_db: tuple[float, float] = (-90.0, -25.0)
    """Level of noise where nobody speaks, of full scale."""
    silent: float = 0.05
    """Share of strings in which nobody speaks."""
    voice: float = 0.3
    """Share of strings of the embedded voice, whose words flow into each other: the hardest ones."""
    mixed: float = 0.15
    """Share of strings with several speakers."""
    band_limited: float = 0.3
    """Share of full-band strings that lose what is above 4 kHz."""
    cut: float = 0.3
    """Share of strings that end at a moment of their own: what a stream has heard so far."""
    long: float = 0.04
    """Share of strings with up to twice as many digits."""


class Mixer:
    """Makes training strings; the same seed makes the same ones."""

    def __init__(
        self, utterances: Sequence[Utterance], seed: int, variation: Variation | None = None
    ) -> None:
        """Keep the utterances; there must be some of another speaker than the embedded voice."""
        self._rng = np.random.default_rng(seed)
        self._vary = variation or Variation()
        self._by_speaker: dict[str, list[Utterance]] = {}
        for utterance in utterances:
            self._by_speaker.setdefault(utterance.speaker, []).append(utterance)
        self._people = sorted(self._by_speaker.keys() - {VOICE})
        self._noises = [_coloured_noise(self._rng) for _ in range(_NOISES)]

    def string(self, most_digits: int) -> DigitString:
        """Make a string of 1 to ``most_digits`` digits, now and then more or none."""
        rng, vary = self._rng, self._vary
        if rng.random() < vary.silent:
            return self._silence()
        if rng.random() < vary.long:
            most_digits *= 2
        string = joined(self._chosen(int(rng.integers(1, most_digits + 1))), rng, vary)
        samples = string.samples
        if rng.random() < vary.band_limited:
            samples = _band_limited(samples)
        samples = samples * (_ratio(rng.uniform(*vary.peak_db)) / max(1e-4, np.abs(samples).max()))
        spoken = np.concatenate([samples[each.start : each.end] for each in string.digits])
        level = float(np.sqrt(np.mean(np.square(spoken))))
        samples = samples + self._noise(len(samples)) * level * _ratio(rng.uniform(*vary.noise_db))
        string = DigitString(np.clip(samples, -1.0, 1.0).astype(np.float32), string.digits)
        return cut(string, rng) if rng.random() < vary.cut else string

    def _chosen(self, digits: int) -> list[Utterance]:
        """Utterances with ``digits`` digits together, mostly of one speaker."""
        rng = self._rng
        speaker = self._speaker()
        is_mixed = rng.random() < self._vary.mixed
        chosen: list[Utterance] = []
        while digits > 0:
            if is_mixed:
                speaker = self._speaker()
            pool = self._by_speaker[speaker]
            utterance = pool[int(rng.integers(len(pool)))]
            if len(utterance.digits) > digits:
                utterance = first_digits(utterance, digits)
            chosen.append(utterance)
            digits -= len(utterance.digits)
        return chosen

    def _speaker(self) -> str:
        if VOICE in self._by_speaker and self._rng.random() < self._vary.voice:
            return VOICE
        return self._people[int(self._rng.integers(len(self._people)))]

    def _silence(self) -> DigitString:
        rng = self._rng
        count = int(rng.uniform(0.2, 9.0) * SAMPLE_RATE_HZ)
        level = 0.0 if rng.random() < 0.1 else _ratio(rng.uniform(*self._vary.floor_db))
        return DigitString((self._noise(count) * level).astype(np.float32), ())

    def _noise(self, count: int) -> Samples:
        """Noise of level 1."""
        noise = self._noises[int(self._rng.integers(_NOISES))]
        start = int(self._rng.integers(_NOISE_SAMPLES))
        return np.resize(np.roll(noise, -start), count)


def joined(
    utterances: Sequence[Utterance], rng: np.random.Generator, vary: Variation
) -> DigitString:
    """Say utterances one after the other, with pauses, each about as loud as the others."""
    pace = rng.uniform(*vary.pace)
    parts: list[Samples] = [_pause(rng, vary.edge_s)]
    digits: list[Spoken] = []
    at = len(parts[0])
    for index, utterance in enumerate(utterances):
        if index:
            parts.append(_pause(rng, vary.pause_s))
            at += len(parts[-1])
        own = paced(utterance, pace * rng.uniform(0.97, 1.03))
        parts.append(own.samples * _ratio(rng.uniform(-3.0, 3.0)))
        digits += [Spoken(each.digit, each.start + at, each.end + at) for each in own.digits]
        at += len(own.samples)
    parts.append(_pause(rng, vary.edge_s))
    return DigitString(np.concatenate(parts), tuple(digits))


def paced(utterance: Utterance, pace: float) -> Utterance:
    """Play faster (above 1) or slower, pitch and all."""
    count = max(1, round(len(utterance.samples) / pace))
    places = np.arange(count) * pace
    samples = np.interp(places, np.arange(len(utterance.samples)), utterance.samples)
    digits = tuple(
        Spoken(each.digit, round(each.start / pace), min(count, round(each.end / pace)))
        for each in utterance.digits
    )
    return replace(utterance, samples=samples.astype(np.float32), digits=digits)


def first_digits(utterance: Utterance, count: int) -> Utterance:
    """End an utterance behind its first ``count`` digits."""
    end = utterance.digits[count - 1].end
    return replace(utterance, samples=utterance.samples[:end], digits=utterance.digits[:count])


def cut(string: DigitString, rng: np.random.Generator) -> DigitString:
    """End a string at a random moment, with the digits that were heard by then.

    A digit of which less than a quarter was heard does not count, one of which more than three quarters were heard
    does. A moment in between would say neither: the cut is moved behind the digit.
    """
    end = int(rng.integers(LEAST_SAMPLES, max(LEAST_SAMPLES + 1, len(string.samples))))
    heard: list[Spoken] = []
    for spoken in string.digits:
        share = (end - spoken.start) / (spoken.end - spoken.start)
        if share < 0.25:
            break
        if share < 0.75:
            end = spoken.end
        heard.append(spoken)
    return DigitString(string.samples[:end], tuple(heard))


def _pause(rng: np.random.Generator, range_s: tuple[float, float]) -> Samples:
    return np.zeros(int(rng.uniform(*range_s) * SAMPLE_RATE_HZ), np.float32)


def _ratio(decibels: float) -> float:
    return 10.0 ** (decibels / 20.0)


def _band_limited(samples: Samples) -> Samples:
    """Take away what a recording at 8 kHz would lack."""
    length = -(-len(samples) // _FFT_STEP) * _FFT_STEP
    spectrum = np.fft.rfft(samples, length)
    spectrum[len(spectrum) // 2 :] = 0.0
    return np.fft.irfft(spectrum, length)[: len(samples)].astype(np.float32)


def _coloured_noise(rng: np.random.Generator) -> Samples:
    """Noise whose power falls with frequency, from not at all (white) to 1/f^2, some with mains hum; level 1."""
    spectrum = np.fft.rfft(rng.standard_normal(_NOISE_SAMPLES))
    frequencies = np.maximum(np.fft.rfftfreq(_NOISE_SAMPLES, 1 / SAMPLE_RATE_HZ), 20.0)
    noise = np.fft.irfft(spectrum * frequencies ** -rng.uniform(0.0, 1.0), _NOISE_SAMPLES)
    noise /= np.sqrt(np.mean(np.square(noise)))
    if rng.random() < 0.25:
        seconds = np.arange(_NOISE_SAMPLES) / SAMPLE_RATE_HZ
        mains_hz = 50.0 if rng.random() < 0.5 else 60.0
        noise += sum(np.sin(2 * np.pi * mains_hz * k * seconds) / k for k in (1, 2, 3, 5))
        noise /= np.sqrt(np.mean(np.square(noise)))
    return noise.astype(np.float32)
