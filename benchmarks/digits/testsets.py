"""The strings that models are measured on: unseen takes, an unseen speaker, the embedded voice, silence."""

from collections.abc import Sequence

import numpy as np

from benchmarks.digits import SAMPLE_RATE_HZ
from benchmarks.digits.corpus import Samples, Split, Utterance, speak
from benchmarks.digits.mixing import DigitString, Variation, joined

UNSEEN_TAKES = "unseen takes"
UNSEEN_SPEAKER = "unseen speaker"
EMBEDDED_VOICE = "embedded voice"
SILENCE = "silence"

_SEED = 20_261
_VOICE_SEED = 20_262
"""Not a seed of the training."""
_PASSES = 4
_MOST_DIGITS = 10
_VOICE_STRINGS = 200
_SILENCES = 60
_HISS = 1e-4
"""Level of the noise under all of it, about -80 dB: the recordings' own is as loud."""
_AS_RECORDED = Variation(pace=(1.0, 1.0))


def named_sets(split: Split, share: float = 1.0) -> dict[str, list[DigitString]]:
    """All sets by name; always the same strings.

    Args:
        split: the recordings.
        share: of the strings of each set, from the first.
    """
    voice = list(speak(_VOICE_STRINGS, _VOICE_SEED))
    sets = {
        UNSEEN_TAKES: strings_of(split.unseen_takes, _SEED),
        UNSEEN_SPEAKER: strings_of(split.unseen_speaker, _SEED + 1),
        EMBEDDED_VOICE: voice_strings(voice, _SEED + 2),
        SILENCE: silences(_SILENCES, _SEED + 3),
    }
    return {name: strings[: max(1, round(len(strings) * share))] for name, strings in sets.items()}


def strings_of(
    recordings: Sequence[Utterance], seed: int, passes: int = _PASSES
) -> list[DigitString]:
    """Strings of 1 to 10 digits of one speaker each, in which every recording is said ``passes`` times."""
    rng = np.random.default_rng(seed)
    strings: list[DigitString] = []
    for _ in range(passes):
        for speaker in sorted({each.speaker for each in recordings}):
            own = [each for each in recordings if each.speaker == speaker]
            left = [own[int(index)] for index in rng.permutation(len(own))]
            while left:
                count = int(rng.integers(1, _MOST_DIGITS + 1))
                strings.append(_recorded(left[:count], rng))
                left = left[count:]
    return [strings[int(index)] for index in rng.permutation(len(strings))]


def voice_strings(utterances: Sequence[Utterance], seed: int) -> list[DigitString]:
    """What the embedded voice said, each string with silence around it."""
    rng = np.random.default_rng(seed)
    return [_recorded([utterance], rng) for utterance in utterances]


def silences(count: int, seed: int) -> list[DigitString]:
    """Noise of many levels in which nobody speaks, 0.5 to 10 s; the first is digital zero."""
    rng = np.random.default_rng(seed)
    lengths = (rng.uniform(0.5, 10.0, count) * SAMPLE_RATE_HZ).astype(int).tolist()
    levels = [0.0, *(10.0 ** rng.uniform(-4.0, -1.5, count - 1)).tolist()]
    return [
        DigitString(np.asarray(_hiss(length, rng) * level, np.float32), ())
        for length, level in zip(lengths, levels, strict=True)
    ]


def _recorded(utterances: Sequence[Utterance], rng: np.random.Generator) -> DigitString:
    string = joined(utterances, rng, _AS_RECORDED)
    samples = string.samples + _hiss(len(string.samples), rng) * _HISS
    return DigitString(np.clip(samples, -1.0, 1.0).astype(np.float32), string.digits)


def _hiss(count: int, rng: np.random.Generator) -> Samples:
    return rng.standard_normal(count, dtype=np.float32)
