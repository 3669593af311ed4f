"""The aligner: window by window through audio of any length, in time linear in it.

Each window is searched for the words that could be spoken in it. What is believed and well inside is kept, and the
next window starts where the last kept word ends. A window with speech and without a single believed word is tried with
text further on, in case a passage was not read; then it is passed by.
"""

import itertools
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.alignment import Alignment, Granularity, UnalignedReason
from speech_service.domain.audio import SAMPLES_PER_MS, Samples
from speech_service.engines.audio_checks import checked
from speech_service.engines.pocketsphinx import PocketsphinxOptions
from speech_service.engines.pocketsphinx.decoder import Decoder
from speech_service.engines.pocketsphinx.parts import TimedPart, phone_times
from speech_service.engines.pocketsphinx.pronunciation import Pronouncer
from speech_service.engines.pocketsphinx.report import report
from speech_service.engines.pocketsphinx.sound import FRAME_MS
from speech_service.engines.pocketsphinx.text_graph import Candidate, Placed
from speech_service.engines.pocketsphinx.window import (
    Heard,
    may_leap,
    search_far,
    search_window,
)
from speech_service.text.spoken.reading import ReadableUnit, spoken_units

_PHONES_PER_S = 22
_SPARE_PHONES = 40
"""Faster than anyone speaks: text beyond this cannot be in the window."""
_MAX_CANDIDATES = 150
_MAX_WORDS = 1_000
"""Of all readings of the candidates of one search; units with many readings then have fewer. The library builds it
in one go, with Python's lock, in time that grows with the square of them: 0.3 s for these."""
_LEAPS = 4
"""Blocks of text further on that a window without a match is compared with."""
_LEAP_MS = 10_000
"""Audio that is compared with them."""
_REST_MS = 4_000
"""A rest shorter than this is searched with the window before it."""
_BACK_MS = 100
"""Audio before the end of the last kept word that the next window sees again."""
_OVERLAP_MS = 5_000
"""Audio that is seen again after a window without a match."""
_LEAP_WORDS = 10
_LEAP_COVERS = 0.6
"""Words, and share of the sound, that text further on must explain before the text in between is given up."""


@dataclass(slots=True)
class _Progress:
    """How far the alignment is."""

    at_ms: int = 0
    next: int = 0
    """Index of the first candidate that is not settled."""


class PocketSphinxAligner:
    """Aligns one text at a time; used by one lane."""

    def __init__(
        self, options: PocketsphinxOptions, decoder: Decoder, pronounce: Pronouncer
    ) -> None:
        self._options = options
        self._decoder = decoder
        self._pronounce = pronounce

    def pieces(
        self, samples: Samples, text: str, granularity: Granularity
    ) -> Iterator[Alignment | None]:
        """Place ``text`` in ``samples``; yield None after each pass over a window, and the alignment last.

        Args:
            samples: float32 [n] at 16 kHz.
            text: what is said; may be wrong in part or in whole. Without anything speakable nothing is placed.
            granularity: WORD gives words; PHONE words, each followed by its phones; CHARACTER gives characters, each
                with an equal share of its word's time.

        Raises:
            InvalidAudioError: the audio is empty or holds samples that are not finite numbers.
        """
        checked(samples)
        units = spoken_units(text)
        candidates, silent = self._candidates(units)
        timed: list[TimedPart] = []
        sound = np.zeros(-(-len(samples) // (SAMPLES_PER_MS * FRAME_MS)), np.bool_)
        progress = _Progress()
        while progress.at_ms < len(samples) / SAMPLES_PER_MS:
            start_ms = progress.at_ms
            heard, window = None, self._window(samples, start_ms)
            for heard in self._search(window, candidates, progress.next):
                if heard is None:
                    yield None
            assert heard is not None
            _note_sound(sound, heard.listened.sound, start_ms)
            kept = self._settle(heard, candidates, progress, samples)
            if granularity is Granularity.PHONE and kept:
                yield None
                for found in phone_times(self._decoder, window, kept):
                    if found is None:
                        yield None
                    else:
                        timed += [t.moved(start_ms, heard.confidence) for t in found]
            else:
                timed += [TimedPart.of(place).moved(start_ms, heard.confidence) for place in kept]
            yield None
        yield report(text, units, silent, timed, sound, samples, granularity)

    def _candidates(
        self, units: Sequence[ReadableUnit]
    ) -> tuple[list[Candidate], dict[int, UnalignedReason]]:
        """Units that can be looked for, and why the others cannot."""
        candidates: list[Candidate] = []
        silent: dict[int, UnalignedReason] = {}
        for index, unit in enumerate(units):
            readings = [tuple(map(self._pronounce, reading)) for reading in unit.readings]
            known = dict.fromkeys(r for r in readings if all(r))
            if known:
                letters = unit.char_end - unit.char_start
                candidates.append(Candidate(index, letters, tuple(known), unit.may_differ))
            else:
                silent[index] = (
                    UnalignedReason.NO_PRONUNCIATION
                    if unit.readings
                    else UnalignedReason.NOT_SPEAKABLE
                )
        return candidates, silent

    def _window(self, samples: Samples, start_ms: int) -> Samples:
        start = start_ms * SAMPLES_PER_MS
        length = self._options.window_ms * SAMPLES_PER_MS
        if len(samples) - start <= length + _REST_MS * SAMPLES_PER_MS:
            return samples[start:]
        return samples[start : start + length]

    def _search(
        self, window: Samples, candidates: Sequence[Candidate], first: int
    ) -> Iterator[Heard | None]:
        """Search for the text that is due, then for text further on."""
        due = _due(candidates, first, len(window))
        heard: Heard | None = None
        for heard in search_window(self._decoder, self._options, window, due):
            if heard is None:
                yield None
        assert heard is not None
        begin = first + len(due)
        for _ in range(_LEAPS):
            far = _bounded(candidates[begin : begin + _MAX_CANDIDATES])
            if heard.places or not heard.listened.has_speech or not may_leap(far):
                break
            yield None
            short = window[: _LEAP_MS * SAMPLES_PER_MS]
            listened = heard.listened.first(len(short) // (SAMPLES_PER_MS * FRAME_MS))
            leap = search_far(self._decoder, self._options, short, listened, far)
            if _is_convincing(leap):
                heard = leap
            begin += _MAX_CANDIDATES
        yield heard

    def _settle(
        self,
        heard: Heard,
        candidates: Sequence[Candidate],
        progress: _Progress,
        samples: Samples,
    ) -> list[Placed]:
        """The places that stay, and where to go on."""
        start_ms, length_ms = progress.at_ms, len(heard.listened.sound) * FRAME_MS
        total_ms = -(-len(samples) // SAMPLES_PER_MS)
        if start_ms + length_ms >= total_ms:
            progress.at_ms = total_ms
            return list(heard.places)
        safe = (length_ms - self._options.tail_ms) // FRAME_MS
        kept = _up_to_pause([place for place in heard.places if place.end <= safe], safe)
        if kept:
            last = kept[-1].unit
            progress.next = bisect_right(candidates, last, key=lambda candidate: candidate.unit)
            progress.at_ms += max(FRAME_MS, kept[-1].end * FRAME_MS - _BACK_MS)
        elif heard.places and heard.places[0].start * FRAME_MS > _OVERLAP_MS:
            progress.at_ms += heard.places[0].start * FRAME_MS - _OVERLAP_MS // 2
        else:
            progress.at_ms += max(FRAME_MS, length_ms - _OVERLAP_MS)
        return kept


def _due(candidates: Sequence[Candidate], first: int, samples: int) -> Sequence[Candidate]:
    """The candidates from ``first`` on that could be spoken in so much audio."""
    budget = samples / SAMPLES_PER_MS / 1000 * _PHONES_PER_S + _SPARE_PHONES
    last = first
    while last < len(candidates) and last - first < _MAX_CANDIDATES and budget > 0:
        budget -= candidates[last].fewest_phones
        last += 1
    return _bounded(candidates[first:last])


def _bounded(candidates: Sequence[Candidate]) -> Sequence[Candidate]:
    """The candidates with as many readings each as their share of the words of a search allows, and one at least."""
    if sum(map(_words, candidates)) <= _MAX_WORDS:
        return candidates
    share = _MAX_WORDS // len(candidates)
    return [_with_fewer_readings(candidate, share) for candidate in candidates]


def _with_fewer_readings(candidate: Candidate, words: int) -> Candidate:
    totals = itertools.accumulate(map(len, candidate.readings))
    count = max(1, sum(total <= words for total in totals))
    return replace(candidate, readings=candidate.readings[:count])


def _words(candidate: Candidate) -> int:
    return sum(map(len, candidate.readings))


def _is_convincing(heard: Heard) -> bool:
    """True where a leap over a long passage is worth it: what follows explains the audio."""
    covered = sum(place.frames for place in heard.places)
    enough = len(heard.places) >= _LEAP_WORDS
    return enough and covered >= _LEAP_COVERS * int(np.count_nonzero(heard.listened.sound))


def _up_to_pause(places: list[Placed], safe: int) -> list[Placed]:
    """Places up to the longest pause in the last quarter: the next window had better not start inside a sentence."""
    best = len(places)
    longest = 0
    for at in range(1, len(places)):
        pause = places[at].start - places[at - 1].end
        if places[at].start > safe * 3 // 4 and pause >= longest:
            best, longest = at, pause
    return places[:best] if longest > 0 else places


def _note_sound(sound: NDArray[np.bool_], heard: NDArray[np.bool_], start_ms: int) -> None:
    begin = start_ms // FRAME_MS
    end = min(len(sound), begin + len(heard))
    sound[begin:end] = heard[: end - begin]
