"""From the words' times to the alignment: units that last, in order and inside the audio, and what has no place."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import replace
from itertools import groupby

from speech_service.domain.alignment import (
    AlignedUnit,
    Alignment,
    Granularity,
    UnalignedReason,
    UnalignedSpan,
)
from speech_service.engines.character_units import character_units
from speech_service.engines.qwen3.aligner.pieces import TimedWord
from speech_service.engines.qwen3.aligner.words import AlignerWord

_LEAST_MS = 20
"""Words that would be shorter are not believed: so many at one instant were not spoken."""


def report(
    text: str,
    words: Sequence[AlignerWord],
    timed: Sequence[TimedWord],
    length_ms: int,
    class_ms: int,
    granularity: Granularity,
) -> Alignment:
    """Put the alignment together.

    Args:
        text: the whole text.
        words: its words.
        timed: times of words, in their order; a word may lack one.
        length_ms: of the audio.
        class_ms: the network's resolution.
        granularity: WORD, or CHARACTER, where each gets an equal share of its word's time.
    """
    speakable = {at for at, word in enumerate(words) if any(map(str.isalnum, word.spoken))}
    if not speakable:
        return Alignment((), tuple(_unspeakable(text)))
    placed = {time.word: time for time in lasting(timed, length_ms, class_ms)}
    units: list[AlignedUnit] = []
    for index in sorted(placed.keys() & speakable):
        unit = _unit(text, words[index], placed[index])
        units += character_units(unit) if granularity is Granularity.CHARACTER else [unit]
    missing = speakable - placed.keys()
    return Alignment(tuple(units), tuple(_unplaced(words, placed, missing, length_ms)))


def lasting(timed: Sequence[TimedWord], length_ms: int, class_ms: int) -> list[TimedWord]:
    """Words with times that do not overlap, each longer than nothing, within the audio.

    Two equal classes mean "shorter than the resolution". Such words share the time up to the next word, or half of
    its time where they touch it, but no more than one class each. Those that would get next to nothing are left out.
    """
    lasting: list[TimedWord] = []
    instant: list[TimedWord] = []
    at_ms = 0
    for found in timed:
        time = replace(
            found,
            start_ms=min(max(found.start_ms, at_ms), length_ms),
            end_ms=min(max(found.end_ms, at_ms), length_ms),
        )
        if instant and time.start_ms > instant[0].start_ms:
            lasting += _shared(instant, time.start_ms, class_ms)
            instant = []
        if time.end_ms <= time.start_ms:
            instant.append(time)
            continue
        if instant:
            middle_ms = (time.start_ms + time.end_ms) // 2
            before = _shared(instant, middle_ms, class_ms)
            lasting += before
            if before:
                time = replace(time, start_ms=before[-1].end_ms, moved=True)
            instant = []
        lasting.append(time)
        at_ms = time.end_ms
    return lasting + _shared(instant, length_ms, class_ms)


def _shared(instant: Sequence[TimedWord], end_ms: int, class_ms: int) -> list[TimedWord]:
    """Words of one instant, one behind the other until ``end_ms``; none where there is no room for all."""
    if not instant:
        return []
    start_ms = instant[0].start_ms
    each_ms = min(class_ms, (end_ms - start_ms) // len(instant))
    if each_ms < _LEAST_MS:
        return []
    return [
        replace(time, start_ms=start_ms + each_ms * place, end_ms=start_ms + each_ms * (place + 1))
        for place, time in enumerate(instant)
    ]


def _unit(text: str, word: AlignerWord, time: TimedWord) -> AlignedUnit:
    return AlignedUnit(
        text[word.char_start : word.char_end],
        Granularity.WORD,
        word.char_start,
        word.char_end,
        time.start_ms,
        time.end_ms,
        monotonic=not time.moved,
    )


def _unspeakable(text: str) -> Iterator[UnalignedSpan]:
    """A text without a letter or digit is one span, so that it is not passed over in silence."""
    if text.strip():
        start, end = len(text) - len(text.lstrip()), len(text.rstrip())
        yield UnalignedSpan(start, end, 0, 0, UnalignedReason.NOT_SPEAKABLE)


def _unplaced(
    words: Sequence[AlignerWord], placed: Mapping[int, TimedWord], missing: Set[int], length_ms: int
) -> Iterator[UnalignedSpan]:
    """Runs of words without a place, in the time between their neighbours'."""
    at_ms = 0
    for is_missing, group in groupby(range(len(words)), key=missing.__contains__):
        run = list(group)
        if not is_missing:
            at_ms = max((placed[at].end_ms for at in run if at in placed), default=at_ms)
            continue
        follower = placed.get(run[-1] + 1)
        end_ms = follower.start_ms if follower else length_ms
        first, last = words[run[0]], words[run[-1]]
        yield UnalignedSpan(
            first.char_start,
            last.char_end,
            at_ms,
            max(at_ms, end_ms),
            UnalignedReason.TEXT_NOT_SPOKEN,
        )
