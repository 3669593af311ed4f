"""How a number may be read aloud in English: several readings, the most usual first."""

import re
from collections.abc import Iterator
from functools import cache, lru_cache

from speech_service.text.english import number_words
from speech_service.text.spoken.words import Reading

_NUMBER = re.compile(
    r"(?P<whole>\d[\d,]*)(?:\.(?P<part>\d+))?(?P<tail>st|nd|rd|th|s)?(?P<percent>%)?"
)
_COMMA_DECIMAL = re.compile(r"\d+,\d{1,2}")
_REMEMBERED = 1024
_MAX_DIGITS = 18
"""A longer number is read digit by digit."""


def number_readings(text: str) -> list[Reading]:
    """Readings of "7", "1,250", "3.14", "0042", "3rd", "1990s" or "5%"; never empty for digits."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return digit_readings(re.sub(r"\D", "", text))
    whole = match["whole"].replace(",", "")
    is_grouped = "," in match["whole"]
    if match["part"]:
        readings = list(_decimals(whole, match["part"], is_grouped))
    elif match["tail"]:
        readings = _with_tail(whole, match["tail"])
    elif _COMMA_DECIMAL.fullmatch(match["whole"]):  # "3,5", as much of the world writes it
        whole, _, part = match["whole"].partition(",")
        readings = list(_decimals(whole, part))
    else:
        readings = _whole(whole, is_grouped)
    if match["percent"]:
        readings = [(*reading, "percent") for reading in readings]
    return list(dict.fromkeys(readings))


def digit_readings(digits: str) -> list[Reading]:
    """Digit by digit, with both names of 0."""
    named = [_digits(digits), _digits(digits, "oh")]
    return named if "0" in digits else named[:1]


def amounts(digits: str, is_grouped: bool = False) -> list[Reading]:
    """Readings of a count of something: never digit by digit, unless it begins with 0."""
    if len(digits) > _MAX_DIGITS or (digits[0] == "0" and digits != "0"):
        return digit_readings(digits)
    value = int(digits)
    found = [cardinal(value), cardinal(value, "and")]
    if 1100 <= value <= 9999 and value % 1000 >= 100:
        rest = value % 100
        found.append((*cardinal(value // 100), "hundred", *(cardinal(rest) if rest else ())))
        if not is_grouped or rest:
            found.append(_year(value))
    if digits[0] == "1" and len(digits) in (3, 4, 7):
        found += [("a", *reading[1:]) for reading in found[:2]]
    return list(dict.fromkeys(found))


def years(digits: str) -> list[Reading]:
    """Readings of a year of two or four digits."""
    value = int(digits)
    if len(digits) != 4 or value < 1000:
        return (
            [cardinal(value), *digit_readings(digits)]
            if digits[0] != "0"
            else digit_readings(digits)[::-1]
        )
    said = [
        _year(value),
        cardinal(value),
        (*_pair(digits[:2]), *_pair(digits[2:])),
        cardinal(value, "and"),
    ]
    return list(dict.fromkeys(said))


def ordinal(number: Reading) -> Reading:
    """Give the number as a place in a row."""
    return (*number[:-1], _ordinal(number[-1]))


def _decimals(whole: str, part: str, is_grouped: bool = False) -> Iterator[Reading]:
    """ "3.14": digit by digit behind the point, and as a number where it is short."""
    tails = digit_readings(part)[:2]
    if len(part) == 2 and part[0] != "0":
        tails.append(cardinal(int(part)))
    for tail in tails:
        for reading in _whole(whole, is_grouped)[:2]:
            yield (*reading, "point", *tail)
    if not int(whole):
        yield from (
            ("oh", "point", *tails[0]),
            ("point", *tails[0]),
            ("nought", "point", *tails[0]),
        )


def _digits(digits: str, zero: str = "zero") -> Reading:
    return tuple(number_words.DIGITS[int(digit)] if digit != "0" else zero for digit in digits)


def _whole(digits: str, grouped: bool = False) -> list[Reading]:
    """Give ``grouped``: it is written with commas, so it is an amount and no year."""
    one_by_one = digit_readings(digits)
    if len(digits) > _MAX_DIGITS:
        return one_by_one
    if digits[0] == "0" and digits != "0":
        return _code(digits)
    readings: list[Reading] = []
    value = int(digits)
    if len(digits) == 4 and 1100 <= value <= 2099 and not grouped:
        readings.append(_year(value))
    readings += [cardinal(value), cardinal(value, "and")]
    if len(digits) == 3:
        readings.append((*_ones(digits[0]), *_pair(digits[1:])))
    if len(digits) == 4:
        readings.append((*_pair(digits[:2]), *_pair(digits[2:])))
    readings += one_by_one
    readings += amounts(digits, grouped)
    if len(digits) in (5, 6) and not grouped:
        pairs = [digits[at : at + 2] for at in range(len(digits) % 2, len(digits), 2)]
        lead = _ones(digits[0]) if len(digits) % 2 else ()
        readings.append((*lead, *(word for pair in pairs for word in _pair(pair))))
    return readings


def _code(digits: str) -> list[Reading]:
    """Give a number that begins with 0 is a code: "0042"."""
    rest = digits.lstrip("0")
    zeros = len(digits) - len(rest)
    readings = digit_readings(digits)
    if zeros == 2:
        readings.append(("double", "oh", *_digits(rest)))
    if zeros == 3:
        readings.append(("triple", "zero", *_digits(rest)))
    if rest:
        readings += [
            (*(name,) * zeros, *cardinal(int(rest))) for name in ("zero", "oh") if len(rest) < 4
        ]
        readings.append(cardinal(int(rest)))
        readings += [
            (*said, *part) for said in ((), ("oh",)) for part in _whole(rest)[2:3] if len(rest) == 3
        ]
    return readings


@lru_cache(_REMEMBERED)
def cardinal(value: int, joiner: str = "") -> Reading:
    """Words of ``0 <= value < 10**18``; "and" as ``joiner`` stands before the tens ("one hundred and five")."""
    said = number_words.cardinal_with_and(value) if joiner else number_words.cardinal(value)
    return tuple(said.replace("-", " ").split())


def _ones(digit: str) -> Reading:
    return (number_words.DIGITS[int(digit)],)


def _pair(two: str) -> Reading:
    if two == "00":
        return ("hundred",)  # as the second pair; numbers that begin with 0 are codes
    if two[0] == "0":
        return ("oh", number_words.DIGITS[int(two[1])])
    return cardinal(int(two))


def _year(value: int) -> Reading:
    if 2000 <= value <= 2009:
        return cardinal(value)
    return (*cardinal(value // 100), *_pair(f"{value % 100:02}"))


def _with_tail(whole: str, tail: str) -> list[Reading]:
    readings = _whole(whole)[:4]
    if tail == "s":
        return [(*reading[:-1], number_words.plural(reading[-1])) for reading in readings]
    return [(*reading[:-1], _ordinal(reading[-1])) for reading in readings]


def _ordinal(word: str) -> str:
    return _ordinals().get(word) or f"{word}th"


@cache
def _ordinals() -> dict[str, str]:
    """Of the words that numbers below a hundred end in."""
    last = (*range(20), *range(20, 100, 10))
    return {number_words.cardinal(value): number_words.ordinal(value) for value in last}
