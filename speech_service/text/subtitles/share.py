"""Translated subtitles of speech: the cues of the source, with the translations shared out among them.

A segment is translated as a whole, because that reads better than cue by cue, and cut where its source was cut: at the
same share of its characters, moved to an end of a word, of a sentence or clause where the source has one.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate

from speech_service.domain.translation import SubtitleCue
from speech_service.text.subtitles.cue_text import display_width, wrap
from speech_service.text.subtitles.rules import SubtitleRules

_SENSE_CHARACTERS = 12
"""A cut that keeps the sense may be this much farther from its share."""
_SENTENCE_ENDS = frozenset(".!?\u2026\u3002\uff01\uff1f\u061f\u0964")
_CLAUSE_ENDS = frozenset(",;:\u2014\u3001\uff0c\uff1b\uff1a\u060c")
_NOTHING = "\u2026"
"""Stands in a cue that no word of the translation falls to."""


def share_out(
    cues: Sequence[SubtitleCue], segments: Sequence[tuple[str, str]], rules: SubtitleRules
) -> list[SubtitleCue]:
    """Make as many cues with the same times, in another language.

    Args:
        cues: of the source; together they hold every character of the segments that is not white space.
        segments: each with its source and its translation.
        rules: width and number of lines; a long translation may take more lines.
    """
    lengths = [_solid(cue.text) for cue in cues]
    parts: list[list[str]] = [[] for _ in cues]
    cue, left = 0, lengths[0] if lengths else 0
    for source, translation in segments:
        total = _solid(source)
        shares: list[tuple[int, int]] = []
        while total > 0 and cue < len(cues):
            taken = min(total, left)
            if taken:
                shares.append((cue, taken))
            total -= taken
            left -= taken
            if left == 0:
                cue += 1
                left = lengths[cue] if cue < len(cues) else 0
        sizes = [size for _, size in shares]
        ends = [cues[place].text.rstrip()[-1:] for place, _ in shares]
        for (place, _), text in zip(shares, _cut(translation, sizes, ends), strict=True):
            parts[place].append(text)
    return [
        replace(cue, text=_lines(" ".join(filter(None, texts)), rules))
        for cue, texts in zip(cues, parts, strict=True)
    ]


def _cut(text: str, shares: Sequence[int], ends: Sequence[str]) -> list[str]:
    """Give the text in as many parts as there are shares, of about their sizes, between words where there are enough.

    ``ends``: the last characters of the source's parts. A part that ends a sentence there should end one here.
    """
    words, glue = text.split(), " "
    if len(words) == 1 and any("\u3040" <= char <= "\u9fff" for char in text):
        words, glue = list(words[0]), ""
    reached = list(accumulate(map(len, words), initial=0))
    parts: list[str] = []
    begin = share = 0
    total = sum(shares)
    for size, end_char in zip(shares[:-1], ends[:-1], strict=True):
        share += size
        goal = reached[-1] * share / total

        def cost(at: int, goal: float = goal, end_char: str = end_char) -> float:
            fits = at > 0 and _is_end(words[at - 1][-1]) == _is_end(end_char) != 0
            return abs(reached[at] - goal) - (_SENSE_CHARACTERS if fits else 0)

        end = min(_near(reached, begin, goal), key=cost)
        parts.append(glue.join(words[begin:end]))
        begin = end
    return [*parts, glue.join(words[begin:])] if shares else parts


def _near(reached: Sequence[int], begin: int, goal: float) -> range:
    """Give the places from ``begin`` on that may be the best: none farther from the goal than sense is worth."""
    after = bisect_left(reached, goal, begin)
    nearest = min(
        abs(reached[at] - goal) for at in (after - 1, after) if begin <= at < len(reached)
    )
    reach = nearest + _SENSE_CHARACTERS
    first = bisect_left(reached, goal - reach, begin)
    return range(first, bisect_right(reached, goal + reach, first))


def _is_end(char: str) -> int:
    """Give 2 for a character that ends a sentence, 1 for one that ends a clause, else 0."""
    return 2 if char in _SENTENCE_ENDS else int(char in _CLAUSE_ENDS)


def _lines(text: str, rules: SubtitleRules) -> str:
    if not text.strip():
        return _NOTHING
    count = math.ceil(display_width(text) / rules.max_columns)
    return "\n".join(wrap(text, count))


def _solid(text: str) -> int:
    return sum(not char.isspace() for char in text)
