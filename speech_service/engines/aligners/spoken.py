"""What the words of an English text sound like: exact spans in, spoken words out.

A unit is a word as it stands in the text: what is between spaces, split at dashes and ellipses, without the
punctuation around it. Numbers and symbols have several readings ("1990" is a year, a count or a room), and the
aligner chooses by ear. This module knows nothing of pronunciation.
"""

import itertools
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

from speech_service.engines.aligners.spoken_numbers import number_readings
from speech_service.text.normal_form import normal_form

MAX_READINGS = 12
"""Readings that one unit may have; more would slow the search and help nobody."""
MAX_WORDS_PER_UNIT = 40
"""Longer readings (a pasted key, a base64 blob) are not spoken."""
MAX_WORDS_OF_READINGS = 160
"""Of all readings of a unit but the first: a long unit has few, or searches for it would take seconds."""
MAX_UNIT_CHARACTERS = 400
"""A longer unit is not spoken."""

Reading = tuple[str, ...]

_CHUNK = re.compile(r"\S+")
_BREAK = re.compile(r"[—\u2013―…‥]+|\.{2,}|-{2,}|(?<=[^\W\d_]),(?=[^\W\d_])")
_PIECE = re.compile(
    r"(?P<number>[$£€¥]?\d[\d,]*(?:\.\d+)?(?::\d\d)?(?:st|nd|rd|th|s)?%?(?![^\W\d_]))"
    r"|(?P<digits>\d+)"
    r"|(?P<initials>(?:[^\W\d_]\.){2,}+[^\W\d_]?)"
    r"|(?P<word>[^\W\d_\u0300-\u036f](?:[^\W\d_]|[\u0300-\u036f]|['\u2019](?=[^\W\d_]))*+)"
    r"|(?P<symbol>\S)"
)
_SYMBOLS = {
    "&": "and",
    "%": "percent",
    "+": "plus",
    "=": "equals",
    "@": "at",
    "#": "number",
    "$": "dollar",
    "£": "pound",
    "€": "euro",
    "°": "degrees",
    "\u00d7": "times",
    "/": "slash",
    ".": "dot",
}
_SPOKEN_ALONE = frozenset("&%+=@#$£€°\u00d7")
_MAY_BE_SILENT = frozenset("#/.+=@")
_ABBREVIATIONS: dict[str, tuple[Reading, ...]] = {
    "mr": (("mister",),),
    "mrs": (("misses",),),
    "ms": (("miz",), ("miss",)),
    "dr": (("doctor",), ("drive",)),
    "st": (("saint",), ("street",)),
    "prof": (("professor",),),
    "vs": (("versus",),),
    "etc": (("et", "cetera"),),
    "jr": (("junior",),),
    "sr": (("senior",),),
    "no": (("no",), ("number",)),
}


@dataclass(frozen=True, slots=True)
class SpokenUnit:
    """A word of the text: code points ``[char_start, char_end)`` and how it may be read.

    ``readings`` is empty where the span holds nothing that is spoken.
    """

    char_start: int
    char_end: int
    readings: tuple[Reading, ...]


def spoken_units(text: str) -> list[SpokenUnit]:
    """The words of ``text`` in order.

    Stand-alone punctuation is no word and makes no unit; a stand-alone symbol that nobody reads aloud (an emoji,
    an arrow) makes a unit without readings. Words keep their case in the readings' letters only where it tells
    how they are said ("FBI"); everything else is lower case.
    """
    units: list[SpokenUnit] = []
    for chunk in _CHUNK.finditer(text):
        begin = chunk.start()
        for gap in _BREAK.finditer(text, chunk.start(), chunk.end()):
            _add_unit(text, begin, gap.start(), units)
            begin = gap.end()
        _add_unit(text, begin, chunk.end(), units)
    return units


def _add_unit(text: str, begin: int, end: int, units: list[SpokenUnit]) -> None:
    full_stop = end
    while begin < end and _is_edge(text[begin]):
        begin += 1
    while begin < end and _is_edge(text[end - 1]):
        end -= 1
    if begin == end:
        return
    if end < full_stop and text[end] == "." and _ends_with_initials(text, begin, end):
        end += 1
    units.append(SpokenUnit(begin, end, _readings(text[begin:end], text[end:full_stop][:1] == ".")))


def _ends_with_initials(text: str, begin: int, end: int) -> bool:
    """True for "U.S", of which the full stop behind it is a part: a letter, a full stop and a letter end it."""
    if end - begin < 3 or text[end - 2] != ".":
        return False
    if not (_is_letter(text[end - 3]) and _is_letter(text[end - 1])):
        return False
    return end - begin == 3 or not (text[end - 4].isalnum() or text[end - 4] == "_")


def _is_letter(char: str) -> bool:
    return char.isalnum() and not char.isdecimal()


def _is_edge(char: str) -> bool:
    if char in _SPOKEN_ALONE:
        return False
    kind = unicodedata.category(char)
    return kind[0] in "PZC" or kind in ("Mn", "Sk") or char in "_|~<>"


def _readings(word: str, before_full_stop: bool) -> tuple[Reading, ...]:
    if before_full_stop or word.endswith("."):
        known = _ABBREVIATIONS.get(word.rstrip(".").lower())
        if known:
            return known
    if len(word) > MAX_UNIT_CHARACTERS:
        return ()
    pieces = [_piece_readings(match, word) for match in _PIECE.finditer(word)]
    pieces = [piece for piece in pieces if piece]
    if not any(reading for piece in pieces for reading in piece):
        return ()
    product = itertools.islice(itertools.product(*pieces), MAX_READINGS)
    joined = (tuple(itertools.chain.from_iterable(parts)) for parts in product)
    unique = dict.fromkeys(r for r in joined if 0 < len(r) <= MAX_WORDS_PER_UNIT)
    return tuple(_few(tuple(unique)))


def _few(readings: tuple[Reading, ...]) -> Iterator[Reading]:
    """The first reading, and of the others what ``MAX_WORDS_OF_READINGS`` leaves."""
    words = -len(readings[0]) if readings else 0
    for reading in readings:
        words += len(reading)
        if words > MAX_WORDS_OF_READINGS:
            return
        yield reading


def _piece_readings(match: re.Match[str], word: str) -> list[Reading]:
    found = match.group()
    if match.lastgroup in ("number", "digits"):
        return number_readings(found)
    if match.lastgroup == "initials":
        return [tuple(letter.lower() for letter in found if letter.isalpha())]
    if match.lastgroup == "word":
        return _word_readings(found)
    spoken = _SYMBOLS.get(found)
    if spoken is None:
        return []
    inside = match.start() > 0 and match.end() < len(word)
    if found == "." and not inside:
        return []
    if found in _MAY_BE_SILENT and len(word) > 1:
        return [(spoken,), ()]
    return [(spoken,)]


def _word_readings(word: str) -> list[Reading]:
    plain = normal_form("NFKC", word).replace("\u2019", "'")
    lower = plain.lower()
    if 2 <= len(plain) <= 6 and plain.isupper() and plain.isalpha() and plain.isascii():
        return [(lower,), tuple(lower)]
    return [(lower,)]
