"""Audio of any length, piece by piece: which audio and which words the network reads next, and what is kept of it.

A piece ends at a quiet point. Words that are placed near the end of a piece that is not the last may belong behind
it: they are read again with the next piece, which begins in the pause behind the last word that was kept. A text is
thus cut where its words were heard, and never by its length.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass

import numpy as np

from speech_service.domain.audio import SAMPLES_PER_MS, Samples
from speech_service.engines.qwen3.aligner.repair import monotone

TAIL_MS = 10_000
"""Words that end this close to the end of a piece are read again."""
_PAUSE_MS = 10_000
"""Before that, so far back the longest pause is looked for."""
_SEARCH_MS = 5_000
"""A piece is cut at the quietest point of the last so many milliseconds that it may have."""
_LOUDNESS_MS = 100
"""Loudness is the mean over so many milliseconds."""
_CHARACTERS_PER_S = 30
_SPARE_CHARACTERS = 200
"""Nobody speaks faster: words beyond this cannot be in a piece, and would only draw the others away."""
_AHEAD = 1.5
"""Of a longer text a piece is given what should be in it at an even pace, times this, and the spare."""


@dataclass(frozen=True, slots=True, eq=False)
class AlignerPiece:
    """What the network is asked: place ``words`` in ``samples`` (float32 [n], 16 kHz)."""

    samples: Samples
    words: Sequence[str]


@dataclass(frozen=True, slots=True)
class TimedWord:
    """A word's time, in milliseconds of the whole audio; the end may equal the start. ``moved`` by the repair."""

    word: int
    start_ms: int
    end_ms: int
    moved: bool


Pieces = Generator[AlignerPiece, Sequence[int], list[TimedWord]]
"""Yields readings, is sent two times in milliseconds for each word of the reading, and returns the words' times."""


def in_pieces(samples: Samples, words: Sequence[str], piece_ms: int) -> Pieces:
    """Place ``words`` in ``samples``; words for which the audio has no room have no time in the end."""
    at, first = 0, 0
    timed: list[TimedWord] = []
    while first < len(words) and at < len(samples):
        end = _piece_end(samples, at, piece_ms)
        is_last = end == len(samples)
        due = _due(words, first, end - at, len(samples) - at)
        if not due:
            break
        found = _timed(first, (yield AlignerPiece(samples[at:end], due)), at // SAMPLES_PER_MS)
        if is_last:
            return timed + found
        limit_ms = end // SAMPLES_PER_MS - TAIL_MS
        kept, next_ms = _settled(found, limit_ms)
        timed += kept
        first += len(kept)
        at = max(next_ms * SAMPLES_PER_MS, at + SAMPLES_PER_MS * 1000)
    return timed


def _piece_end(samples: Samples, at: int, piece_ms: int) -> int:
    """Where the piece that begins at ``at`` ends: at the end, or at the quietest point before its greatest length."""
    longest = piece_ms * SAMPLES_PER_MS
    if len(samples) - at <= longest:
        return len(samples)
    width = _LOUDNESS_MS * SAMPLES_PER_MS
    begin = at + longest - _SEARCH_MS * SAMPLES_PER_MS
    sums = np.cumsum(np.abs(samples[begin : at + longest]), dtype=np.float64)
    loudness = sums[width:] - sums[:-width]
    return begin + int(np.argmin(loudness)) + width // 2


def _due(words: Sequence[str], first: int, piece: int, rest: int) -> Sequence[str]:
    """The words that may be in a piece of so many samples, of ``rest`` that are left."""
    piece_s = piece / (SAMPLES_PER_MS * 1000)
    budget = _SPARE_CHARACTERS + _CHARACTERS_PER_S * piece_s
    if piece < rest:
        left = sum(map(len, words[first:]))
        budget = min(budget, _SPARE_CHARACTERS + _AHEAD * left * piece / rest)
    last = first
    while last < len(words) and len(words[last]) <= budget:
        budget -= len(words[last])
        last += 1
    return words[first:last]


def _timed(first: int, times_ms: Sequence[int], offset_ms: int) -> list[TimedWord]:
    ordered, kept = monotone(times_ms)
    return [
        TimedWord(
            first + at // 2,
            offset_ms + ordered[at],
            offset_ms + ordered[at + 1],
            not (kept[at] and kept[at + 1]),
        )
        for at in range(0, len(ordered), 2)
    ]


def _settled(found: Sequence[TimedWord], limit_ms: int) -> tuple[list[TimedWord], int]:
    """The words of a piece that stay, up to the longest pause near the limit, and where the next piece begins.

    Behind the last word of the reading there may be words that it was not given, so that is no pause.
    """
    safe = 0
    while safe < len(found) and found[safe].end_ms <= limit_ms:
        safe += 1
    best, pause_ms, next_ms = 0, -1, limit_ms
    for count in range(safe, 0, -1):
        end_ms = found[count - 1].end_ms
        if end_ms < limit_ms - _PAUSE_MS and best:
            break
        begin_ms = min(found[count].start_ms, limit_ms) if count < len(found) else end_ms
        if begin_ms - end_ms > pause_ms:
            best, pause_ms, next_ms = count, begin_ms - end_ms, (end_ms + begin_ms) // 2
    return list(found[:best]), next_ms
