"""Phones of placed words: a second, forced pass over runs of words."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from speech_service.domain.audio import SAMPLES_PER_MS, Samples
from speech_service.engines.pocketsphinx.decoder import Decoder, Segment
from speech_service.engines.pocketsphinx.sound import FRAME_MS
from speech_service.engines.pocketsphinx.text_graph import Placed

_MAX_PAUSE_MS = 300
"""A run ends at a longer pause: what is in it may be speech that is not in the text."""
_MAX_RUN_MS = 6_000
_MARGIN_MS = 60
"""Audio around a run, for the states at its edges."""


@dataclass(frozen=True, slots=True)
class TimedPhone:
    """A phone (ARPAbet without stress). ``sure`` is False where its time is only a share of the word's."""

    name: str
    start_ms: int
    end_ms: int
    sure: bool = True


@dataclass(frozen=True, slots=True)
class TimedPart:
    """A unit with its time."""

    unit: int
    start_ms: int
    end_ms: int
    confidence: float | None = None
    phones: tuple[TimedPhone, ...] = ()

    @staticmethod
    def of(place: Placed) -> "TimedPart":
        """From frames of the window to milliseconds of it."""
        return TimedPart(place.unit, place.start * FRAME_MS, place.end * FRAME_MS)

    def moved(self, offset_ms: int, confidence: Mapping[int, float]) -> "TimedPart":
        """In milliseconds of the whole audio."""
        phones = tuple(
            replace(p, start_ms=p.start_ms + offset_ms, end_ms=p.end_ms + offset_ms)
            for p in self.phones
        )
        return TimedPart(
            self.unit,
            self.start_ms + offset_ms,
            self.end_ms + offset_ms,
            confidence.get(self.unit),
            phones,
        )


def phone_times(
    decoder: Decoder, window: Samples, places: Sequence[Placed]
) -> Iterator[list[TimedPart] | None]:
    """Yield the words of each run with their phones, and None after each pass in between.

    A run that does not fit is halved until it does. One word that does not fit alone gets its phones in equal shares,
    marked as not sure: the phones are known, only their times are not.
    """
    for run in _runs(places):
        waiting = [run]
        while waiting:
            part = waiting.pop()
            found = _align(decoder, window, part)
            if found is None and len(part) > 1:
                half = len(part) // 2
                waiting += [part[half:], part[:half]]
                yield None
            else:
                yield found if found is not None else [_shared(part[0])]


def _runs(places: Sequence[Placed]) -> list[list[Placed]]:
    runs: list[list[Placed]] = []
    for place in places:
        if runs:
            pause_ms = (place.start - runs[-1][-1].end) * FRAME_MS
            length_ms = (place.end - runs[-1][0].start) * FRAME_MS
            if pause_ms <= _MAX_PAUSE_MS and length_ms <= _MAX_RUN_MS:
                runs[-1].append(place)
                continue
        runs.append([place])
    return runs


def _align(decoder: Decoder, window: Samples, run: Sequence[Placed]) -> list[TimedPart] | None:
    begin_ms = max(0, run[0].start * FRAME_MS - _MARGIN_MS)
    end_ms = run[-1].end * FRAME_MS + _MARGIN_MS
    decoder.hear(window[begin_ms * SAMPLES_PER_MS : end_ms * SAMPLES_PER_MS])
    words = [word for place in run for word in place.words]
    # a new decoder would not know the old labels
    occurrences = [decoder.word(word.pronunciations, at) for at, word in enumerate(words)]
    phones = decoder.phones_of(occurrences)
    if phones is None:
        return None
    timed: list[TimedPart] = []
    at = 0
    for place in run:
        mine = [phone for word in phones[at : at + len(place.words)] for phone in word]
        at += len(place.words)
        timed.append(_timed(place, mine, begin_ms))
    return timed


def _timed(place: Placed, phones: Sequence[Segment], begin_ms: int) -> TimedPart:
    times = tuple(
        TimedPhone(p.label, p.start * FRAME_MS + begin_ms, p.end * FRAME_MS + begin_ms)
        for p in phones
    )
    return TimedPart(place.unit, times[0].start_ms, times[-1].end_ms, None, times)


def _shared(place: Placed) -> TimedPart:
    names = " ".join(word.pronunciations[0] for word in place.words).split(" ")
    start_ms, end_ms = place.start * FRAME_MS, place.end * FRAME_MS
    step = (end_ms - start_ms) / len(names)
    phones = tuple(
        TimedPhone(name, start_ms + int(at * step), start_ms + int((at + 1) * step), sure=False)
        for at, name in enumerate(names)
    )
    return TimedPart(place.unit, start_ms, end_ms, None, phones)
