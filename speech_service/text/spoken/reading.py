"""What the words of an English text sound like: exact spans in, spoken words out.

A unit is a word as it stands in the text: what is between spaces, split at dashes and ellipses, without the
punctuation around it. Numbers and symbols have several readings ("1990" is a year, a count or a room), and the
aligner chooses by ear. This module knows nothing of pronunciation.
"""

import heapq
import itertools
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from speech_service.text.english.normalize import normalize
from speech_service.text.normal_form import normal_form
from speech_service.text.spoken.forms import (
    MAX_FORM_CHARS,
    Around,
    form_readings,
    is_roman,
    with_signs,
)
from speech_service.text.spoken.numbers import (
    cardinal,
    number_readings,
    ordinal,
)
from speech_service.text.spoken.words import ABBREVIATIONS, CURRENCIES, Reading

MAX_READINGS = 24
"""Readings that one unit may have; more would slow the search and help nobody."""
MAX_WORDS_PER_UNIT = 40
"""Longer readings (a pasted key, a base64 blob) are not spoken."""
MAX_WORDS_OF_READINGS = 160
"""Of all readings of a unit but the first: a long unit has few, or searches for it would take seconds."""
MAX_VOICED = 500
"""Words of a text that are also read as the embedded voice would, which takes far longer than the rules here."""
MAX_UNIT_CHARACTERS = 400
"""A longer unit is not spoken."""

_CHUNK = re.compile(r"\S+")
_BREAK = re.compile(r"[—\u2013―…‥]+|\.{2,}|-{2,}|(?<=[^\W\d_]),(?=[^\W\d_])")
_INITIALS = re.compile(r"\b(?:[A-Za-z]\.){1,16}(?:[A-Za-z]\b)?")
_SAID = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_LEADING = frozenset("-\u2212#@*/.")
"""What is said before a word that it touches."""
_REMEMBERED = 4096
_LETTER = r"[^\W\d_\u00b2\u00b3\u00b9\u00bc-\u00be\u2070-\u209f\u2150-\u215f]"
"""Letters; raised and lowered digits and fractions count as letters for ``re``."""
_PIECE = re.compile(
    rf"(?P<number>\d[\d,]*(?:\.\d+)?(?:st|nd|rd|th|s)?%?(?!{_LETTER}))"
    r"|(?P<digits>\d+)"
    rf"|(?P<initials>(?:{_LETTER}\.){{2,}}+{_LETTER}?)"
    rf"|(?P<word>(?![\u0300-\u036f]){_LETTER}(?:{_LETTER}|[\u0300-\u036f]|['\u2019](?={_LETTER}))*+)"
    r"|(?P<symbol>\S)"
)
_SYMBOLS: Mapping[str, tuple[str, ...]] = {
    "&": ("and",),
    "%": ("percent",),
    "+": ("plus", "and"),
    "=": ("equals", "is", "is equal to"),
    "@": ("at",),
    "#": ("number", "hash", "hashtag", "pound"),
    "$": ("dollar", "dollars"),
    "\u00a3": ("pound", "pounds"),
    "\u20ac": ("euro", "euros"),
    "\u00b0": ("degrees", "degree"),
    "\u00d7": ("times", "by", "x"),
    "\u00f7": ("divided by", "over"),
    "\u2212": ("minus", "negative"),
    "\u00b1": ("plus or minus", "plus minus"),
    "\u2264": ("less than or equal to", "is less than or equal to"),
    "\u2265": ("greater than or equal to", "is greater than or equal to"),
    "\u2260": ("not equal to", "is not equal to", "does not equal"),
    "\u2248": ("approximately", "is approximately", "about"),
    "<": ("less than", "is less than"),
    ">": ("greater than", "is greater than"),
    "^": ("to the power of", "to the"),
    "*": ("times", "star", "asterisk"),
    "/": ("slash", "or", "per", "over", "and"),
    ".": ("dot", "point"),
    ":": ("colon", "to"),
    "-": ("dash", "to", "minus", "hyphen"),
    "_": ("underscore",),
    "\u00b2": ("squared",),
    "\u00b3": ("cubed",),
    "\u00bd": ("and a half", "one half", "a half"),
    "\u00bc": ("and a quarter", "one quarter", "a quarter"),
    "\u00be": ("and three quarters", "three quarters"),
    "\u2122": ("trademark",),
    "\u00a9": ("copyright",),
    "\u00a7": ("section",),
    "\u03c0": ("pi",),
    "\u221a": ("square root of", "the square root of"),
    "\u221e": ("infinity",),
}
_SPOKEN_ALONE = frozenset("&%+=@#$\u00a3\u20ac\u00b0\u00d7\u00a7")
_COMPARISONS = frozenset("<>*^")
"""Spoken where they stand alone; elsewhere they dress words."""
_MAY_BE_SILENT = frozenset("#/.+=@:-_*^\u2122\u00a9")
_EXPONENTS = str.maketrans("\u2070\u00b9\u2074\u2075\u2076\u2077\u2078\u2079", "01456789")
_EXPONENT_CHARS = frozenset("\u2070\u00b9\u2074\u2075\u2076\u2077\u2078\u2079")
_VOWELS = frozenset("aeiouy")


@dataclass(frozen=True, slots=True)
class ReadableUnit:
    """A word of the text: code points ``[char_start, char_end)`` and how it may be read.

    ``readings`` is empty where the span holds nothing that is spoken.
    """

    char_start: int
    char_end: int
    readings: tuple[Reading, ...]
    may_differ: bool = False
    """It holds digits or signs, so it may be read in yet another way."""


def spoken_units(text: str) -> list[ReadableUnit]:
    """Give the words of ``text`` in order.

    Stand-alone punctuation is no word and makes no unit; a stand-alone symbol that nobody reads aloud (an emoji,
    an arrow) makes a unit without readings. Words keep their case in the readings' letters only where it tells
    how they are said ("FBI"); everything else is lower case.
    """
    spans: list[tuple[int, int]] = []
    for chunk in _CHUNK.finditer(text):
        begin = chunk.start()
        for gap in _BREAK.finditer(text, chunk.start(), chunk.end()):
            spans.append((begin, gap.start()))
            begin = gap.end()
        spans.append((begin, chunk.end()))
    units: list[ReadableUnit] = []
    voiced = iter(range(MAX_VOICED))
    for at, (begin, end) in enumerate(spans):
        following = _neighbour(text, *spans[at + 1]) if at + 1 < len(spans) else ""
        _add_unit(text, begin, end, following, units, voiced)
    return units


def _neighbour(text: str, begin: int, end: int) -> str:
    """Give a word beside another, without the punctuation at its end; a long one is none."""
    return text[begin:end].rstrip(".,;:!?)\"'").lower() if end - begin <= MAX_FORM_CHARS else ""


def _add_unit(
    text: str,
    begin: int,
    end: int,
    following: str,
    units: list[ReadableUnit],
    voiced: Iterator[int],
) -> None:
    full_stop, first = end, begin
    if end - begin == 1 and text[begin] in _COMPARISONS:
        readings = tuple(tuple(said.split()) for said in _SYMBOLS[text[begin]])
        units.append(ReadableUnit(begin, end, readings))
        return
    while begin < end and _is_edge(text[begin]):
        begin += 1
    while begin < end and _is_edge(text[end - 1]):
        end -= 1
    if begin == end:
        return
    if end < full_stop and text[end] == "." and _ends_with_initials(text, begin, end):
        end += 1
    last = units[-1] if units else None
    around = Around(
        before=text[max(first, begin - 2) : begin] or text[max(0, begin - 1) : begin].strip(),
        after=text[end : min(full_stop, end + 2)],
        previous=_neighbour(text, last.char_start, last.char_end) if last else "",
        following=following,
        is_range=last is not None and bool(_RANGE.fullmatch(text, last.char_end - 1, begin + 1)),
    )
    word = text[begin:end]
    readings = _readings(word, around, voiced)
    units.append(ReadableUnit(begin, end, readings, _may_differ(word)))


def _may_differ(word: str) -> bool:
    return not all(char.isalpha() or char in _OF_WORDS for char in word) or is_roman(word)


_OF_WORDS = frozenset("'\u2019-.\u2010\u2011")
_RANGE = re.compile(rf"\d[\u2012-\u2014][\d{''.join(CURRENCIES)}]|\w ?[\u2012\u2013] ?\w")


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


def _readings(word: str, around: Around, voiced: Iterator[int]) -> tuple[Reading, ...]:
    if around.after[:1] == "." or word.endswith("."):
        known = ABBREVIATIONS.get(word.rstrip(".").lower())
        if known:
            found = [tuple(said.split()) for said in known]
            return tuple(dict.fromkeys([*found, *form_readings(word, around)]))[:MAX_READINGS]
    if len(word) > MAX_UNIT_CHARACTERS:
        return ()
    forms = form_readings(word, around)
    pieces = [_piece_readings(match, word) for match in _PIECE.finditer(word)]
    pieces = [piece for piece in pieces if piece]
    readings = [*forms, *_together(pieces)]
    if word[:1].isdigit() or word[:1] in CURRENCIES:
        readings = with_signs(word, readings, around)
    is_sign = len(word) == 1 and word.isalpha() and not word.isascii()
    is_form = is_sign or (_may_differ(word) and not word.isdigit() and any(map(str.isalnum, word)))
    if is_form and len(word) <= MAX_FORM_CHARS and next(voiced, None) is not None:
        lead = around.before[-1:] if around.before[-1:] in _LEADING else ""
        readings[1:1] = as_the_voice_reads(lead + word)
    unique = dict.fromkeys(r for r in readings if 0 < len(r) <= MAX_WORDS_PER_UNIT)
    return tuple(_few(tuple(unique)[:MAX_READINGS]))


@lru_cache(_REMEMBERED)
def as_the_voice_reads(word: str) -> tuple[Reading, ...]:
    """How the embedded voice says a form, for those that no rule here knows; empty where it says it as it stands."""
    said = _INITIALS.sub(lambda match: match.group().replace(".", " "), normalize(word))
    words = tuple(_SAID.findall(said.replace("-", " ").lower()))
    return (words,) if words and said != word and not any(map(str.isdigit, said)) else ()


def _together(pieces: Sequence[list[Reading]]) -> Iterator[Reading]:
    """Readings of the whole, of the first of each piece first: the sum of the places of its parts grows."""
    if len(pieces) > MAX_WORDS_PER_UNIT:
        return
    start = tuple(0 for _ in pieces)
    waiting, seen = [(0, start)], {start}
    for _ in range(MAX_READINGS):
        if not waiting:
            return
        rank, places = heapq.heappop(waiting)
        yield tuple(
            itertools.chain.from_iterable(p[at] for p, at in zip(pieces, places, strict=True))
        )
        for piece, at in enumerate(places):
            more = (*places[:piece], at + 1, *places[piece + 1 :])
            if at + 1 < len(pieces[piece]) and more not in seen:
                seen.add(more)
                heapq.heappush(waiting, (rank + 1, more))


def _few(readings: tuple[Reading, ...]) -> Iterator[Reading]:
    """Give the first reading, and of the others what ``MAX_WORDS_OF_READINGS`` leaves."""
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
    spoken = [tuple(said.split()) for said in _SYMBOLS.get(found, ())]
    if found in _EXPONENT_CHARS and match.start():
        power = cardinal(int(found.translate(_EXPONENTS)))
        return [
            ("to", "the", *power),
            ("to", "the", "power", "of", *power),
            ("to", "the", *ordinal(power)),
            power,
        ]
    if not spoken:
        return []
    inside = match.start() > 0 and match.end() < len(word)
    if found in ".:-" and not inside:
        return []
    if found in _MAY_BE_SILENT and len(word) > 1:
        around = word[match.start() - 1 : match.end() + 1]
        if found == "-" and not (around[0].isdigit() and around[-1].isdigit()):
            return [(), spoken[0]]
        return [spoken[0], (), *spoken[1:]] if found != "-" else [(), *spoken]
    return spoken


def _word_readings(word: str) -> list[Reading]:
    plain = normal_form("NFKC", word).replace("\u2019", "'")
    lower = plain.lower()
    letters = plain.removesuffix("s").removesuffix("'")
    is_spelled = 2 <= len(letters) <= 6 and letters.isalpha() and letters.isascii()
    if is_spelled and (letters.isupper() or not _VOWELS.intersection(lower)):
        last = f"{letters[-1].lower()}'s" if len(letters) < len(plain) else letters[-1].lower()
        return [(lower,), (*letters[:-1].lower(), last)]
    if is_spelled and sum(map(str.isupper, letters)) > 1:
        return [(lower,), tuple(letters.lower())]
    return [(lower,)]
