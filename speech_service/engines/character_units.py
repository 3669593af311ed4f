"""Character times derived from a word's: no aligner here hears letters."""

import unicodedata

from speech_service.domain.alignment import AlignedUnit, Granularity


def character_units(word: AlignedUnit) -> list[AlignedUnit]:
    """Units for the characters of ``word``, each with an equal share of its time.

    A combining mark belongs to the character before it. Where a word has more characters than milliseconds, several
    characters share a unit: a unit always lasts.
    """
    clusters: list[str] = []
    for char in word.text:
        if clusters and (unicodedata.combining(char) or char in "\u200d\ufe0e\ufe0f"):
            clusters[-1] += char
        else:
            clusters.append(char)
    length_ms = word.end_ms - word.start_ms
    count = min(len(clusters), length_ms)
    units: list[AlignedUnit] = []
    at = word.char_start
    for number in range(count):
        first, last = number * len(clusters) // count, (number + 1) * len(clusters) // count
        text = "".join(clusters[first:last])
        units.append(
            AlignedUnit(
                text,
                Granularity.CHARACTER,
                at,
                at + len(text),
                word.start_ms + length_ms * number // count,
                word.start_ms + length_ms * (number + 1) // count,
                word.monotonic,
                word.confidence,
            )
        )
        at += len(text)
    return units
