"""One window: a stretch of audio searched for the words that may be in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import Samples
from speech_service.engines.pocketsphinx import PocketsphinxOptions
from speech_service.engines.pocketsphinx.decoder import Costs, Decoder
from speech_service.engines.pocketsphinx.evidence import (
    WordEvidence,
    believed,
    blended_scores,
    bridged,
    scores_against,
)
from speech_service.engines.pocketsphinx.sound import (
    background,
    clear,
    loudness,
    reached,
    trimmed,
)
from speech_service.engines.pocketsphinx.text_graph import (
    Candidate,
    Freedom,
    Jumps,
    Placed,
    TextGraph,
)

_BEAM = 1e-52
"""120 nats: room for the dearest jump, and not much more."""
_WIDE_BEAM = 1e-120
"""Ended all failures on voices that the model handles badly."""
_STRICT = Freedom(Jumps(100, 100, 2), ending=Jumps(100, 20, 4))
_STRICT_BUT_FOR_NUMBERS = replace(_STRICT, other_readings=True)
"""For audio that the first explains badly: numbers may be read in ways of their own. Not from the start: scores count
from the best state of a frame, and with any phones among the states those of all words would be lower."""
_NO_FILLER = 700.0
"""In the first pass a word may be left out at a high price, and no phones stand between words: text is nearly always
what was said, and more freedom would lead astray where it repeats itself, as digits do."""
_FITS_SCORE = -16.0
"""Text that scores so on the whole was said. Right text scored -9 to 2 in clean recordings, -14 to -8 over a telephone,
-20 to -1 in noise, -8 to 0 in strings of digits; other text -45 to -19, the same digits in another order -18 to -8."""
_CLOSE = Freedom(Jumps(60, 60, 2))
"""The second, for audio that the first explains badly, leaves out single words and takes in others."""
_FAR = Freedom(Jumps(60, 4, 12))
"""In the third any passage of the text may be missing."""
_POOR_FRAMES = 50
_POOR_SHARE = 0.2
_CLEARLY_MORE = 1.2
"""Letters that a freer pass must place for each that are placed, or the stricter one stands."""
_THIN_LETTERS = 40
_THIN_COVER = 0.4
_THIN_SCORE = -12.0
"""Fewer letters in less of the sound must score better than this. Some short words fit into any speech."""
_LETTERS_PER_GAP = 12
_DEAREST_GAP = 40
"""Letters that a passage left out must win: so many, and one more for each word up to a limit."""
_SPEECH_FRAMES = 40
_LONG_WORD_PHONES = 4
_LONG_WORDS = 5
_FRAMES_PER_PHONE = 3
"""A phone has three states, so nothing shorter can hold it."""
_WORTH_FILLING = 0.4
"""Share of the words between the first and the last place that must be found before gaps are filled."""
_SLACK = 8
"""Frames that a word in a gap may reach into its neighbours."""
_OTHER_SHARE = 0.5
"""Of the confidence of a word of which no reading was heard."""
_CERTAIN_SCORE = 10.0
_EVEN_SCORE = -32.0
"""Scores of a word's neighbourhood that make it certain, or as likely wrong as right; confidence lies between."""


@dataclass(frozen=True, slots=True)
class Listened:
    """What a stretch of audio holds whatever the text, by frame."""

    levels: NDArray[np.float64]
    """Loudness in dB of full scale: float64 [frames]."""
    floor: float
    """Below this loudness in dB nobody is heard."""
    free: NDArray[np.float64]
    """Scores of free phones: float64 [frames]."""
    sound: NDArray[np.bool_]
    """False where nobody speaks: bool [frames]."""

    def first(self, frames: int) -> "Listened":
        """The same for the first frames alone."""
        parts = (self.levels[:frames], self.floor, self.free[:frames], self.sound[:frames])
        return Listened(*parts)

    @property
    def has_speech(self) -> bool:
        """False where there is too little sound for speech that could be missed."""
        return int(np.count_nonzero(self.sound)) >= _SPEECH_FRAMES


@dataclass(frozen=True, slots=True)
class Heard:
    """What a window held. Frames count from its first sample."""

    places: tuple[Placed, ...]
    confidence: dict[int, float]
    listened: Listened


def search_window(
    decoder: Decoder,
    options: PocketsphinxOptions,
    samples: Samples,
    candidates: Sequence[Candidate],
) -> Iterator[Heard | None]:
    """Yield None after each pass over the audio but the last, then what was heard.

    Args:
        decoder: does the passes; nobody else may use it until the window is done.
        options: penalties and limits.
        samples: float32 [n] at 16 kHz, finite, not empty.
        candidates: the words that may be spoken, in order; may be empty.
    """
    decoder.hear(samples)
    search = _Search(decoder, options, _listen(decoder, samples), candidates)
    if not candidates or not search.listened.sound.any():
        yield search.heard(())
        return
    yield None
    strict = search.places(_STRICT, _NO_FILLER, _WIDE_BEAM)
    if search.explains(strict):  # what it placed although that was dear was swallowed, not left out
        yield search.heard(strict)
        return
    kept = search.believed(strict)
    if any(candidate.may_differ for candidate in candidates):
        yield None
        others = search.believed(search.places(_STRICT_BUT_FOR_NUMBERS, _NO_FILLER, _WIDE_BEAM))
        if _worth(candidates, others) > _worth(candidates, kept):
            kept = others
    for freedom in _freer(kept, candidates):
        if not _is_poor(kept, search.listened.sound):
            break
        yield None
        others = search.believed(search.places(freedom, options.filler_penalty, _BEAM))
        if _worth(candidates, others) > max(0, _CLEARLY_MORE * _worth(candidates, kept)):
            kept = others
    missing = _missing(candidates, kept, len(search.listened.sound))
    if missing:
        kept = search.believed(_merged(kept, strict, missing))
    yield search.heard(kept)


def search_far(
    decoder: Decoder,
    options: PocketsphinxOptions,
    samples: Samples,
    listened: Listened,
    candidates: Sequence[Candidate],
) -> Heard:
    """What is heard of a text that is not due: one pass that may start anywhere in it.

    ``listened`` is of ``samples``; the rest is as in :func:`search_window`.
    """
    decoder.hear(samples)
    search = _Search(decoder, options, listened, candidates)
    return search.heard(search.believed(search.places(_FAR, options.filler_penalty, _BEAM)))


def _listen(decoder: Decoder, samples: Samples) -> Listened:
    """One pass over the audio that the decoder hears, which is ``samples``."""
    levels = loudness(samples)
    floor = background(levels)
    free, speech = decoder.free_phones()
    return Listened(levels, floor, free, speech & (levels >= clear(levels, floor)))


def _freer(kept: Sequence[Placed], candidates: Sequence[Candidate]) -> Sequence[Freedom]:
    """The passes that may mend what the strict one left."""
    if not may_leap(candidates):
        return (_CLOSE,)
    return (_CLOSE, _FAR) if kept else (_FAR,)


def may_leap(candidates: Sequence[Candidate]) -> bool:
    """True for a text with enough different long words to know one's place in it. Strings of digits have none."""
    longer = {
        word
        for candidate in candidates
        for word in candidate.readings[0]
        if word[0].count(" ") + 1 >= _LONG_WORD_PHONES
    }
    return len(longer) >= _LONG_WORDS


class _Search:
    """The passes over one window."""

    def __init__(
        self,
        decoder: Decoder,
        options: PocketsphinxOptions,
        listened: Listened,
        candidates: Sequence[Candidate],
    ) -> None:
        self._decoder = decoder
        self._candidates = candidates
        self._limits = WordEvidence(options.min_score, options.min_word_score, options.min_support)
        self.listened = listened

    def places(self, freedom: Freedom, filler: float, beam: float) -> list[Placed]:
        """What one pass finds."""
        graph = TextGraph(self._decoder, self._candidates, freedom)
        segments = self._decoder.search(graph.arcs, graph.states, Costs(filler, beam=beam))
        return graph.places(segments)

    def explains(self, places: Sequence[Placed]) -> bool:
        """True where the places of the strict pass fit on the whole and leave no sound without a word."""
        score = sum(scores_against(places, self.listened.free).values())
        fits = score >= _FITS_SCORE * sum(place.frames for place in places)
        return bool(places) and fits and not _is_poor(places, self.listened.sound)

    def believed(self, places: Sequence[Placed]) -> list[Placed]:
        """The places that hold."""
        scores = scores_against(places, self.listened.free)
        kept = believed(self._candidates, places, scores, self.listened.sound, self._limits)
        whole = bridged(self._candidates, places, kept, scores)
        return [] if self._is_thin(whole, scores) else whole

    def _is_thin(self, kept: Sequence[Placed], scores: dict[int, float]) -> bool:
        """True for a few words in much other speech that fit no better than chance would have it."""
        explained = sum(place.frames for place in kept)
        letters = _letters(self._candidates, kept)
        if letters >= _THIN_LETTERS or explained >= _THIN_COVER * int(
            np.count_nonzero(self.listened.sound)
        ):
            return False
        score = sum(scores[place.unit] for place in kept)
        return bool(kept) and score < _THIN_SCORE * explained

    def heard(self, kept: Sequence[Placed]) -> Heard:
        """The answer, with words trimmed to what can be heard of them."""
        confidence = _confidence(kept, scores_against(kept, self.listened.free))
        return Heard(tuple(self._edged(kept)), confidence, self.listened)

    def _edged(self, kept: Sequence[Placed]) -> Iterator[Placed]:
        """The places with edges where their sound begins and ends."""
        levels, floor = self.listened.levels, self.listened.floor
        places = [
            (place, *trimmed(levels, max(0, place.start), min(place.end, len(levels)), floor))
            for place in kept
        ]
        last = 0
        for at, (place, start, end) in enumerate(places):
            following = places[at + 1][1] if at + 1 < len(places) else len(levels)
            start, end = reached(levels, start, end, floor, (min(last, start), max(following, end)))
            yield replace(place, start=start, end=end)
            last = end


def _is_poor(kept: Sequence[Placed], sound: NDArray[np.bool_]) -> bool:
    """True where much of the sound is in no believed word."""
    left = sound.copy()
    for place in kept:
        left[max(0, place.start) : max(0, place.end)] = False
    missed = int(np.count_nonzero(left))
    return missed > _POOR_FRAMES and missed > _POOR_SHARE * int(np.count_nonzero(sound))


def _letters(candidates: Sequence[Candidate], places: Sequence[Placed]) -> int:
    units = {place.unit for place in places}
    return sum(c.letters for c in candidates if c.unit in units)


def _worth(candidates: Sequence[Candidate], places: Sequence[Placed]) -> int:
    """Letters placed, less a price for each passage left out: leaving out enough makes any text fit."""
    units = {place.unit for place in places}
    letters = left_out = 0
    for candidate in candidates:
        if candidate.unit not in units:
            left_out += 1
            continue
        letters += candidate.letters - (_price_of_gap(left_out) if left_out else 0)
        left_out = 0
    return letters


def _price_of_gap(words: int) -> int:
    return _LETTERS_PER_GAP + min(words, _DEAREST_GAP)


def _missing(
    candidates: Sequence[Candidate], kept: Sequence[Placed], frames: int
) -> dict[int, tuple[int, int]]:
    """Units that are in no place though there is room for them, with the frames between which they would lie."""
    if not kept:
        return {}
    inner = [c for c in candidates if kept[0].unit <= c.unit <= kept[-1].unit]
    if len(kept) < _WORTH_FILLING * len(inner):
        return {}
    bounds = [(-1, 0), *((place.unit, place.end) for place in kept)]
    after = [(place.unit, place.start) for place in kept] + [(candidates[-1].unit + 1, frames)]
    missing: dict[int, tuple[int, int]] = {}
    for (low, start), (high, end) in zip(bounds, after, strict=True):
        gap = [c for c in candidates if low < c.unit < high]
        if gap and end - start >= _FRAMES_PER_PHONE * gap[0].fewest_phones:
            missing.update((c.unit, (start, end)) for c in gap)
    return missing


def _merged(
    kept: Sequence[Placed], forced: Sequence[Placed], missing: dict[int, tuple[int, int]]
) -> list[Placed]:
    """``kept``, and the words that the forced pass put into its gaps."""
    found = {place.unit: place for place in kept}
    for place in forced:
        if place.unit not in missing:
            continue
        low, high = missing[place.unit]
        start, end = max(low, place.start), min(high, place.end)
        if place.start >= low - _SLACK and place.end <= high + _SLACK and end > start:
            found[place.unit] = replace(place, start=start, end=end)
    return [found[unit] for unit in sorted(found)]


def _confidence(places: Sequence[Placed], scores: dict[int, float]) -> dict[int, float]:
    blended = blended_scores(places, scores)
    width = _CERTAIN_SCORE - _EVEN_SCORE
    others = {place.unit for place in places if place.is_other}
    certain = {unit: 0.5 + 0.5 * (score - _EVEN_SCORE) / width for unit, score in blended.items()}
    return {
        unit: round(min(1.0, max(0.05, value * (_OTHER_SHARE if unit in others else 1.0))), 3)
        for unit, value in certain.items()
    }
