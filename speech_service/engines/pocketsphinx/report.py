"""From placed words to the alignment: units in order, and spans of what has no place."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.domain.audio import SAMPLES_PER_MS, Samples
from speech_service.engines.character_units import character_units
from speech_service.engines.pocketsphinx.parts import TimedPart
from speech_service.engines.pocketsphinx.sound import FRAME_MS, loudness
from speech_service.text.spoken.reading import ReadableUnit

_MIN_SPEECH_MS = 500
"""Less sound between two words is a breath or a filled pause, not speech that the text lacks."""
_MIN_SHARE = 0.4
"""Share of a gap that must be sound."""
_LAG_MS = 10
"""Edges inside speech come late: by 14 ms (mean) against the durations that hibari spoke 944 words with, by 10 (median)
against the Montreal Forced Aligner on human speech. After a pause they do not (-2 on 62 joined recordings)."""
_LOUD_BELOW_SPEECH_DB = 20.0
_LOUD_DBFS = -45.0
"""Sound that is much softer than the placed words (or than this, where there are none) is background."""


def report(
    text: str,
    units: Sequence[ReadableUnit],
    silent: Mapping[int, UnalignedReason],
    timed: Sequence[TimedPart],
    sound: NDArray[np.bool_],
    samples: Samples,
    granularity: Granularity,
) -> Alignment:
    """Put the alignment together.

    Args:
        text: the whole text.
        units: its words.
        silent: why words that were not looked for were not; by index of the unit.
        timed: words that were placed, in the order of the text.
        sound: False where nobody speaks: bool [frames].
        samples: float32 [n] at 16 kHz.
        granularity: which units to make.
    """
    total_ms = -(-len(samples) // SAMPLES_PER_MS)
    placed = _without_lag(list(_in_order(timed, total_ms)))
    found: list[AlignedUnit] = []
    for word in placed:
        found += _aligned(text, units[word.unit], word, granularity)
    spans = list(_text_spans(text, units, silent, placed, total_ms))
    spans += _audio_spans(units, placed, sound, samples, total_ms, len(text))
    spans.sort(key=lambda span: (span.start_ms, span.char_start, span.end_ms))
    return Alignment(tuple(found), tuple(spans))


def _in_order(timed: Sequence[TimedPart], total_ms: int) -> Iterator[TimedPart]:
    """Times inside the audio, none before the end of the word before; a word keeps at least one millisecond.

    Windows overlap by a tenth of a second, so this moves an edge by a few frames at most. A word without room left is
    dropped here and reported as not placed.
    """
    last_ms, last_unit = 0, -1
    for word in timed:
        start_ms = max(word.start_ms, last_ms)
        end_ms = min(word.end_ms, total_ms)
        if end_ms <= start_ms or word.unit <= last_unit:
            continue
        yield TimedPart(word.unit, start_ms, end_ms, word.confidence, word.phones)
        last_ms, last_unit = end_ms, word.unit


def _without_lag(placed: Sequence[TimedPart]) -> list[TimedPart]:
    """Edges between words that touch, one frame earlier, where the shorter word can spare it."""
    moved = list(placed)
    for at in range(1, len(moved)):
        before, word = moved[at - 1], moved[at]
        edge_ms = before.end_ms - _LAG_MS
        if word.start_ms - before.end_ms > _LAG_MS or edge_ms - before.start_ms < _LAG_MS:
            continue
        moved[at - 1] = replace(before, end_ms=edge_ms)
        moved[at] = replace(word, start_ms=word.start_ms - _LAG_MS)
    return moved


def _aligned(
    text: str, unit: ReadableUnit, word: TimedPart, granularity: Granularity
) -> list[AlignedUnit]:
    whole = AlignedUnit(
        text[unit.char_start : unit.char_end],
        Granularity.WORD,
        unit.char_start,
        unit.char_end,
        word.start_ms,
        word.end_ms,
        confidence=word.confidence,
    )
    if granularity is Granularity.WORD:
        return [whole]
    if granularity is Granularity.CHARACTER:
        return character_units(whole)
    phones: list[AlignedUnit] = []
    last_ms = word.start_ms
    for number, phone in enumerate(word.phones, start=1):
        start_ms = last_ms if number == 1 else max(phone.start_ms, last_ms)
        end_ms = word.end_ms if number == len(word.phones) else min(phone.end_ms, word.end_ms)
        if end_ms <= start_ms:
            continue
        phones.append(
            AlignedUnit(
                phone.name,
                Granularity.PHONE,
                unit.char_start,
                unit.char_end,
                start_ms,
                end_ms,
                phone.sure,
            )
        )
        last_ms = end_ms
    return [whole, *phones]


def _text_spans(
    text: str,
    units: Sequence[ReadableUnit],
    silent: Mapping[int, UnalignedReason],
    placed: Sequence[TimedPart],
    total_ms: int,
) -> Iterator[UnalignedSpan]:
    """Runs of words of one reason. Text without any word is one span, so that it is not passed over in silence."""
    if not units and text.strip():
        start = len(text) - len(text.lstrip())
        end = len(text.rstrip())
        yield UnalignedSpan(start, end, 0, 0, UnalignedReason.NOT_SPEAKABLE)
        return
    times = {word.unit: word for word in placed}
    left = [index for index in range(len(units)) if index not in times]
    ends = _gap_starts(len(units), times)
    starts = _gap_ends(len(units), times, total_ms)

    def run_of(item: tuple[int, int]) -> tuple[int, UnalignedReason]:
        position, index = item
        return index - position, silent.get(index, UnalignedReason.TEXT_NOT_SPOKEN)

    for (_, reason), items in groupby(enumerate(left), key=run_of):
        indices = [index for _, index in items]
        first, last = indices[0], indices[-1]
        begin_ms = ends[first]
        yield UnalignedSpan(
            units[first].char_start,
            units[last].char_end,
            begin_ms,
            max(begin_ms, starts[last]),
            reason,
        )


def _gap_starts(count: int, times: Mapping[int, TimedPart]) -> list[int]:
    """For each unit the end of the last placed one before it."""
    result: list[int] = []
    last_ms = 0
    for index in range(count):
        result.append(last_ms)
        last_ms = times[index].end_ms if index in times else last_ms
    return result


def _gap_ends(count: int, times: Mapping[int, TimedPart], total_ms: int) -> list[int]:
    """For each unit the start of the first placed one after it."""
    result = [total_ms] * count
    next_ms = total_ms
    for index in reversed(range(count)):
        result[index] = next_ms
        next_ms = times[index].start_ms if index in times else next_ms
    return result


def _audio_spans(
    units: Sequence[ReadableUnit],
    placed: Sequence[TimedPart],
    sound: NDArray[np.bool_],
    samples: Samples,
    total_ms: int,
    text_end: int,
) -> Iterator[UnalignedSpan]:
    """Gaps between placed words that hold speech. Their place in the text is where the next placed word begins."""
    levels = loudness(samples)
    floor = _floor(placed, levels)
    starts = [0, *(word.end_ms for word in placed)]
    ends = [*(word.start_ms for word in placed), total_ms]
    chars = [*(units[word.unit].char_start for word in placed), text_end]
    for start_ms, end_ms, char in zip(starts, ends, chars, strict=True):
        if end_ms - start_ms < _MIN_SPEECH_MS:
            continue
        first, last = start_ms // FRAME_MS, min(len(sound), end_ms // FRAME_MS)
        where = np.flatnonzero(sound[first:last] & (levels[first:last] > floor))
        if not len(where) or len(where) * FRAME_MS < _MIN_SPEECH_MS:
            continue
        begin, end = int(where[0]), int(where[-1]) + 1
        if len(where) < _MIN_SHARE * (end - begin):
            continue
        yield UnalignedSpan(
            char,
            char,
            max(start_ms, (first + begin) * FRAME_MS),
            min(end_ms, (first + end) * FRAME_MS),
            UnalignedReason.AUDIO_NOT_IN_TEXT,
        )


def _floor(placed: Sequence[TimedPart], levels: NDArray[np.float64]) -> float:
    """Loudness in dB below which sound is background."""
    if not placed:
        return _LOUD_DBFS
    loud = [
        float(levels[word.start_ms // FRAME_MS : word.end_ms // FRAME_MS + 1].max())
        for word in placed
    ]
    return float(np.median(loud)) - _LOUD_BELOW_SPEECH_DB
