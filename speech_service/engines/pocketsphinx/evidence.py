"""Which of the places that the search found are believed.

A search places short words wherever the sounds allow it, whatever is said. Three things give wrong text away:

- Its words score much worse than free phones over the same frames (the "goodness of pronunciation" of Witt and Young,
  2000). One word alone is too little to tell; with the two words on each side it is enough.
- Most of its neighbours in the text were not placed.
- It stands alone and fits badly.

Words that fall make their neighbours doubtful, so the rules run until nothing changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech_service.engines.pocketsphinx.text_graph import Candidate, Placed

_SIDE = 4
"""Neighbours on each side whose places speak for a word."""
_WIDE_SIDE = 8
_GOES_ON_FRAMES = 100
"""Sound after the last placed word that should hold the words that follow it."""
_BLEND = 2
"""Placed neighbours on each side whose scores are averaged with the word's own."""
_BRIDGE = 3
"""Words that may be bridged."""
_FIRM = 0.75
"""Share of the words around a bridge that must hold."""
_BRIDGE_SCORE = -45.0
_SWALLOWED_FRAMES = 10
_SWALLOWED_SCORE = -100.0
_SQUEEZED_PHONES = 4
"""Shorter words are often that quick: "the" in 60 ms."""
_SQUEEZED_FRAMES = 3.5
"""Per phone; three states need three."""
_SQUEEZED_SCORE = -35.0


@dataclass(frozen=True, slots=True)
class WordEvidence:
    """What a believed word must have; scores are per frame and against free phones."""

    min_score: float
    min_word_score: float
    min_support: float


def scores_against(places: Sequence[Placed], free: NDArray[np.float64]) -> dict[int, float]:
    """Score of each placed unit minus that of free phones, summed over its frames; by unit."""
    return {
        place.unit: place.score - float(free[max(0, place.start) : max(0, place.end)].sum())
        for place in places
    }


def believed(
    candidates: Sequence[Candidate],
    places: Sequence[Placed],
    scores: Mapping[int, float],
    sound: NDArray[np.bool_],
    limits: WordEvidence,
) -> list[Placed]:
    """The places that hold.

    Args:
        candidates: the units that were looked for, in order. Those after the last placed one are evidence only where
            sound follows it: otherwise the audio may just end before them.
        places: what was found, in order.
        scores: from :func:`scores_against`.
        sound: False where nobody speaks: bool [frames].
        limits: what is asked of a word.
    """
    left = list(places)
    while left:
        kept = _round(_considered(candidates, left, sound), left, scores, limits)
        if len(kept) == len(left):
            return kept
        left = kept
    return []


def bridged(
    candidates: Sequence[Candidate],
    found: Sequence[Placed],
    kept: Sequence[Placed],
    scores: Mapping[int, float],
) -> list[Placed]:
    """``kept``, and the few words of ``found`` that stand between them or at an end of the text.

    Short words are swallowed in fluent speech and score like wrong ones; where all around them holds they are believed
    all the same.

    Args:
        candidates: the units that were looked for, in order.
        found: the places of one pass.
        kept: those of them that hold.
        scores: of every place in ``found``.
    """
    holds = {place.unit for place in kept}
    places = {place.unit: place for place in found}
    added: list[Placed] = []
    at = 0
    while at < len(candidates):
        end = at
        while end < len(candidates) and candidates[end].unit not in holds:
            end += 1
        run = candidates[at:end]
        around = [*candidates[max(0, at - _SIDE) : at], *candidates[end : end + _SIDE]]
        firm = sum(c.unit in holds for c in around) >= max(2, _FIRM * len(around))
        if 0 < len(run) <= _BRIDGE and firm and all(c.unit in places for c in run):
            words = [places[c.unit] for c in run]
            frames = sum(word.frames for word in words)
            score = sum(scores[word.unit] for word in words) / frames
            if score >= (_BRIDGE_SCORE if frames > _SWALLOWED_FRAMES else _SWALLOWED_SCORE):
                added += words
        at = end + 1
    return sorted([*kept, *added], key=lambda place: place.unit)


def blended_scores(places: Sequence[Placed], scores: Mapping[int, float]) -> dict[int, float]:
    """Score per frame of each placed unit and its placed neighbours; by unit."""
    blended: dict[int, float] = {}
    for at, place in enumerate(places):
        near = places[max(0, at - _BLEND) : at + _BLEND + 1]
        frames = sum(other.frames for other in near)
        blended[place.unit] = sum(scores[other.unit] for other in near) / frames
    return blended


def _considered(
    candidates: Sequence[Candidate], places: Sequence[Placed], sound: NDArray[np.bool_]
) -> Sequence[Candidate]:
    end = sum(candidate.unit <= places[-1].unit for candidate in candidates)
    goes_on = np.count_nonzero(sound[max(0, places[-1].end) :]) >= _GOES_ON_FRAMES
    return candidates[: end + _WIDE_SIDE] if goes_on else candidates[:end]


def _round(
    candidates: Sequence[Candidate],
    places: Sequence[Placed],
    scores: Mapping[int, float],
    limits: WordEvidence,
) -> list[Placed]:
    blended = blended_scores(places, scores)
    heard = {place.unit for place in places}
    order = {candidate.unit: at for at, candidate in enumerate(candidates)}
    return [
        place
        for place in places
        if blended[place.unit] >= limits.min_score
        and scores[place.unit] / place.frames >= limits.min_word_score
        and not _is_squeezed(place, scores[place.unit])
        and _support(candidates, order[place.unit], heard) >= limits.min_support
    ]


def _is_squeezed(place: Placed, score: float) -> bool:
    """True for a word pressed into the fewest frames that its states can take, and fitting badly."""
    phones = sum(word.pronunciations[0].count(" ") + 1 for word in place.words)
    short = phones >= _SQUEEZED_PHONES and place.frames <= _SQUEEZED_FRAMES * phones
    return short and score / place.frames < _SQUEEZED_SCORE


def _support(candidates: Sequence[Candidate], at: int, heard: set[int]) -> float:
    """Share of the letters around that were placed; of the better side, as a passage may end here."""
    before, after = (
        candidates[max(0, at - _WIDE_SIDE) : at],
        candidates[at + 1 : at + 1 + _WIDE_SIDE],
    )
    sides = [side for side in (before, after) if len(side) >= _WIDE_SIDE // 2]
    if not sides:
        sides = [[*before, *after]]
    return max(_share(side, heard) for side in sides)


def _share(side: Sequence[Candidate], heard: set[int]) -> float:
    if not side:
        return 1.0
    return sum(c.letters for c in side if c.unit in heard) / sum(c.letters for c in side)
