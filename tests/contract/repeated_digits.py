"""Recordings of one digit, joined as somebody says it again and again."""

import wave
from itertools import cycle, islice
from pathlib import Path

import numpy as np

from speech_service.domain.audio import Samples, ms_to_samples
from speech_service.domain.transcript import Hypothesis
from speech_service.domain.work import (
    RecognizeKind,
    RecognizeWork,
    SegmentKey,
    WorkClass,
    WorkDone,
)
from speech_service.media.resample import StreamResampler
from speech_service.protocols import Engine
from tests.contract.driving import run_to_end

SPOKEN = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def heard(engine: Engine, samples: Samples) -> Hypothesis:
    """What the engine makes of the audio."""
    key = SegmentKey("s", 0, 0)
    work = RecognizeWork("w", key, RecognizeKind.FINAL, WorkClass.UNARY, samples, "m")
    event = run_to_end(engine, [work])["w"]
    assert isinstance(event, WorkDone)
    return event.hypothesis


def at_16_khz(samples: Samples, rate_hz: int) -> Samples:
    """As recognizers want it."""
    return StreamResampler(rate_hz, 16_000).push(samples[:, np.newaxis], last=True)[:, 0]


def repeated(folder: Path, speaker: str, digit: int, times: int, gap_ms: int) -> Samples:
    """The digit so often, other takes of it, with so much silence round each."""
    gap = np.zeros(ms_to_samples(gap_ms), np.float32)
    takes = islice(cycle(range(5, 11)), times)
    parts = [part for take in takes for part in (gap, _word(folder, digit, speaker, take))]
    return np.concatenate([*parts, gap])


def count_of(text: str, digit: int) -> int:
    """How often the digit stands in the text, as a word or as a figure."""
    words = [each.strip(",.").casefold() for each in text.split()]
    return sum(each in (SPOKEN[digit], str(digit)) for each in words)


def _word(folder: Path, digit: int, speaker: str, take: int) -> Samples:
    """One digit without the silence around it."""
    with wave.open(str(folder / "recordings" / f"{digit}_{speaker}_{take}.wav")) as file:
        data = np.frombuffer(file.readframes(file.getnframes()), "<i2") / np.float32(32768)
        samples = at_16_khz(data.astype(np.float32), file.getframerate())
    loud = np.flatnonzero(np.abs(samples) > 0.03 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]
