"""Spoken digits: single ones from the Free Spoken Digit Dataset, strings from the embedded voice.

Both become an :class:`Utterance`: samples at 16 kHz and where each digit lies in them.
"""

import json
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soxr

from benchmarks.corpus import DataMissingError
from benchmarks.digits import DEFAULT_DATA, DIGITS, SAMPLE_RATE_HZ
from speech_service.engines import hibari
from speech_service.engines.shared import SharedModels
from speech_service.engines.speaking import PieceAudio

Samples = npt.NDArray[np.float32]

UNSEEN_SPEAKER = "yweweler"
"""No recording of this speaker is trained on."""
FIRST_UNSEEN_TAKE = 40
"""Takes 40 to 49 of every speaker are not trained on."""
VOICE = "hibari"
"""Speaker name of the embedded voice."""
_SEPARATORS = (" ", ", ", "; ")
_RATES = (0.75, 1.35)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A digit inside an utterance, in samples."""

    digit: int
    start: int
    end: int


@dataclass(frozen=True, slots=True, eq=False)
class Utterance:
    """Digits spoken in one breath: float32 [n] in [-1, 1] at 16 kHz."""

    speaker: str
    take: int
    samples: Samples = field(repr=False)
    digits: tuple[Spoken, ...]


@dataclass(frozen=True, slots=True)
class Split:
    """Recordings by what they may be used for."""

    training: tuple[Utterance, ...]
    unseen_takes: tuple[Utterance, ...]
    unseen_speaker: tuple[Utterance, ...]


def load(folder: Path | None = None) -> Split:
    """Read the recordings and part them.

    Args:
        folder: has ``manifest.jsonl``; None: next to the repository.

    Raises:
        DataMissingError: there is no manifest.
    """
    folder = folder or DEFAULT_DATA
    manifest = folder / "manifest.jsonl"
    if not manifest.is_file():
        raise DataMissingError(f"no digits at {folder}; name their folder with --data")
    rows = [json.loads(line) for line in manifest.read_text().splitlines() if line.strip()]
    return split([_recording(folder / row["path"]) for row in rows])


def split(recordings: Sequence[Utterance]) -> Split:
    """Part recordings: a take of the unseen speaker is in ``unseen_speaker``, however late it is."""
    known = [each for each in recordings if each.speaker != UNSEEN_SPEAKER]
    return Split(
        training=tuple(each for each in known if each.take < FIRST_UNSEEN_TAKE),
        unseen_takes=tuple(each for each in known if each.take >= FIRST_UNSEEN_TAKE),
        unseen_speaker=tuple(each for each in recordings if each.speaker == UNSEEN_SPEAKER),
    )


def speak(count: int, seed: int, most_digits: int = 10) -> Iterator[Utterance]:
    """Let the embedded voice say ``count`` strings of 1 to ``most_digits`` digits, in several paces and punctuations.

    The same seed gives the same strings. Words of a string flow into each other, as nobody's single digits do.
    """
    voice = hibari.build_speaker(hibari.HibariOptions(), SharedModels())
    rng = np.random.default_rng(seed)
    for take in range(count):
        digits = rng.integers(0, 10, rng.integers(1, most_digits + 1)).tolist()
        separator = _SEPARATORS[int(rng.integers(len(_SEPARATORS)))]
        text = separator.join(DIGITS[digit] for digit in digits) + "."
        rate, seed = float(rng.uniform(*_RATES)), int(rng.integers(1 << 30))
        spoken = voice.speak(text, speaking_rate=rate, seed=seed)
        pieces = [item for item in spoken if isinstance(item, PieceAudio)]
        words = [word for piece in pieces for word in piece.words]
        samples = np.concatenate([piece.samples for piece in pieces])
        scale = SAMPLE_RATE_HZ / voice.sample_rate_hz
        yield Utterance(
            VOICE,
            take,
            _resampled(samples, voice.sample_rate_hz),
            tuple(
                Spoken(digit, round(word.start_sample * scale), round(word.end_sample * scale))
                for digit, word in zip(digits, words, strict=True)
            ),
        )


def _recording(path: Path) -> Utterance:
    """Read one digit; its name is ``<digit>_<speaker>_<take>.wav``."""
    digit, speaker, take = path.stem.split("_")
    with wave.open(str(path)) as file:
        if (file.getnchannels(), file.getsampwidth()) != (1, 2):
            raise DataMissingError(f"{path.name} is not mono s16; take the data set unchanged")
        pcm = np.frombuffer(file.readframes(file.getnframes()), np.int16)
        samples = _resampled(pcm.astype(np.float32) / np.float32(32768), file.getframerate())
    return Utterance(speaker, int(take), samples, (Spoken(int(digit), 0, len(samples)),))


def _resampled(samples: Samples, rate_hz: int) -> Samples:
    return np.asarray(soxr.resample(samples, rate_hz, SAMPLE_RATE_HZ), np.float32)
