"""One window: a stretch of audio searched for the words that may be in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech_service.domain.audio import Samples
from speech_service.engines.aligners.pocketsphinx import Options
from speech_service.engines.aligners.pocketsphinx.decoder import Costs, Decoder
from speech_service.engines.aligners.pocketsphinx.evidence import (
    Limits,
    believed,
    blended_scores,
    bridged,
    scores_against,
)
from speech_service.engines.aligners.pocketsphinx.sound import background, loudness, trimmed
from speech_service.engines.aligners.pocketsphinx.text_graph import (
    Candidate,
    Jumps,
    Placed,
    TextGraph,
)

_BEAM = 1e-52
"""120 nats: room for the dearest jump, and not much more."""
_WIDE_BEAM = 1e-120
"""Ended all failures on voices that the model handles badly."""
_FORCED = Jumps(150, 60, 3)
_FORCED_FILLER = 40.0
"""The first pass is nearly forced. More freedom would lead astray where a text repeats itself, as digits do."""
_CLOSE = Jumps(60, 60, 2)
"""The second, for audio that the first explains badly, leaves out single words and takes in others."""
_FAR = Jumps(60, 4, 12)
"""In the third any passage of the text may be missing."""
_POOR_FRAMES = 50
_POOR_SHARE = 0.2
_CLEARLY_MORE = 1.2
"""Letters that a freer pass must place for each that are placed, or the stricter one stands."""
_LETTERS_PER_GAP = 12
_DEAREST_GAP = 40
"""Letters that a passage left out must win: so many, and one more for each word up to a limit."""
_LONG_WORD_PHONES = 4
_LONG_WORDS = 5
_FRAMES_PER_PHONE = 3
"""A phone has three states, so nothing shorter can hold it."""
_WORTH_FILLING = 0.4
"""Share of the words between the first and the last place that must be found before gaps are filled."""
_SLACK = 8
"""Frames that a word in a gap may reach into its neighbours."""
_CERTAIN_SCORE = 10.0
_EVEN_SCORE = -32.0
"""Scores of a word's neighbourhood that make it certain, or as likely wrong as right; confidence lies between."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a window held. Frames count from its first sample."""

    places: tuple[Placed, ...]
    confidence: dict[int, float]
    quiet: NDArray[np.bool_]
    """True where nobody speaks: bool [frames]."""


def search_window(
    decoder: Decoder, options: Options, samples: Samples, candidates: Sequence[Candidate]
) -> Iterator[Heard | None]:
    """Yield None after each pass over the audio but the last, then what was heard.

    Args:
        decoder: does the passes; nobody else may use it until the window is done.
        options: penalties and limits.
        samples: float32 [n] at 16 kHz, finite, not empty.
        candidates: the words that may be spoken, in order; may be empty.
    """
    decoder.hear(samples)
    search = _Search(decoder, options, candidates)
    forced, quiet = search.places(_FORCED, _FORCED_FILLER, _WIDE_BEAM)
    yield None
    search.free = decoder.free_phones()
    kept = search.believed(forced)
    for jumps in (_CLOSE, _FAR) if may_leap(candidates) else (_CLOSE,):
        if not candidates or not _is_poor(kept, quiet):
            break
        yield None
        found, heard = search.places(jumps, options.filler_penalty, _BEAM)
        others = search.believed(found)
        if _worth(candidates, others) > max(0, _CLEARLY_MORE * _worth(candidates, kept)):
            kept, quiet = others, heard
    missing = _missing(candidates, kept, len(quiet))
    if missing:
        kept = search.believed(_merged(kept, forced, missing))
    yield Heard(_trimmed(kept, samples), _confidence(kept, search.scores(kept)), quiet)


def search_far(
    decoder: Decoder, options: Options, samples: Samples, candidates: Sequence[Candidate]
) -> Iterator[Heard | None]:
    """As :func:`search_window` for text that is not due: one pass that may start anywhere in it."""
    decoder.hear(samples)
    search = _Search(decoder, options, candidates)
    found, quiet = search.places(_FAR, options.filler_penalty, _BEAM)
    yield None
    search.free = decoder.free_phones()
    kept = search.believed(found)
    yield Heard(_trimmed(kept, samples), _confidence(kept, search.scores(kept)), quiet)


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

    def __init__(self, decoder: Decoder, options: Options, candidates: Sequence[Candidate]) -> None:
        self._decoder = decoder
        self._candidates = candidates
        self._limits = Limits(options.min_score, options.min_word_score, options.min_support)
        self.free: NDArray[np.float64] = np.zeros(0)

    def places(
        self, jumps: Jumps, filler: float, beam: float
    ) -> tuple[list[Placed], NDArray[np.bool_]]:
        """What one pass finds, and where it hears nobody."""
        graph = TextGraph(self._decoder, self._candidates, jumps)
        segments = self._decoder.search(graph.arcs, graph.states, Costs(filler, beam=beam))
        return graph.places(segments), self._decoder.quiet_frames(segments)

    def scores(self, places: Sequence[Placed]) -> dict[int, float]:
        """Scores against free phones."""
        return scores_against(places, self.free)

    def believed(self, places: Sequence[Placed]) -> list[Placed]:
        """The places that hold."""
        scores = self.scores(places)
        kept = believed(self._candidates, places, scores, self._limits)
        return bridged(self._candidates, places, kept, scores)


def _is_poor(kept: Sequence[Placed], quiet: NDArray[np.bool_]) -> bool:
    """True where much of the sound is in no believed word."""
    sound = ~quiet
    total = np.count_nonzero(sound)
    for place in kept:
        sound[max(0, place.start) : max(0, place.end)] = False
    left = np.count_nonzero(sound)
    return bool(left > _POOR_FRAMES and left > _POOR_SHARE * total)


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


def _trimmed(places: Sequence[Placed], samples: Samples) -> tuple[Placed, ...]:
    levels = loudness(samples)
    floor = background(levels)
    found: list[Placed] = []
    for place in places:
        start, end = trimmed(levels, max(0, place.start), min(place.end, len(levels)), floor)
        found.append(replace(place, start=start, end=end))
    return tuple(found)


def _confidence(places: Sequence[Placed], scores: dict[int, float]) -> dict[int, float]:
    blended = blended_scores(places, scores)
    width = _CERTAIN_SCORE - _EVEN_SCORE
    return {
        unit: round(min(1.0, max(0.05, 0.5 + 0.5 * (score - _EVEN_SCORE) / width)), 3)
        for unit, score in blended.items()
    }
