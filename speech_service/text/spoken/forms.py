"""How money, dates, times, measures and the like may be read aloud in English: more than one number at a time.

Every form gives a few readings, the most usual first; what a form does not know, ``spoken.py`` reads piece by piece.
Each pattern matches a whole word, so the work is in proportion to its length.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, product

from speech_service.text.spoken.numbers import (
    amounts,
    cardinal,
    digit_readings,
    ordinal,
    years,
)
from speech_service.text.spoken.words import (
    ABBREVIATIONS,
    CURRENCIES,
    FRACTIONS,
    MONTH_NAMES,
    MONTHS,
    OFTEN_BARE,
    SCALES,
    UNITS,
    VULGAR,
    Reading,
)

MAX_FORM_CHARS = 40
"""A longer word is no amount, date or measure."""
_NUMBER = r"(?:\d{1,3}(?:[,.\u00a0\u202f' ]\d{3}){1,9}|\d{1,40})(?:[.,]\d{1,2}(?!\d)|\.\d{1,40})?"
_SIGNS = "".join(re.escape(sign) for sign in CURRENCIES)
_MONEY = re.compile(
    rf"(?:US|R|A|C)?(?P<sign>[{_SIGNS}])(?P<amount>{_NUMBER})(?P<scale>[kKmMbB]|bn)?|(?P<amount2>{_NUMBER})(?P<sign2>[{_SIGNS}])"
)
_SCALE_LETTERS = {"k": "thousand", "m": "million", "b": "billion", "bn": "billion"}
_CLOCK = re.compile(
    r"(?P<hour>\d{1,2})[:.](?P<minute>[0-5]\d)(?::(?P<second>[0-5]\d))?(?P<half>[ap]\.?m)?", re.I
)
_HOUR = re.compile(r"(?P<hour>\d{1,2})(?P<half>[ap]\.?m)", re.IGNORECASE)
_DATE = re.compile(r"(\d{1,2})([/.-])(\d{1,2})\2(\d{4}|\d{2})")
_ISO_DATE = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})")
_FRACTION = re.compile(r"(\d{1,4})[/\u2044](\d{1,4})")
_VULGAR = re.compile(rf"(\d*)([{''.join(VULGAR)}])")
_FEET = re.compile("(\\d{1,3})['\u2019\u2032](\\d{1,2})?[\"\u201d\u2033]?")
_MEASURE = re.compile(rf"(?P<number>{_NUMBER})(?P<unit>[^\d\s].*)", re.DOTALL)
_PLAIN_NUMBER = re.compile(_NUMBER)
_ROMAN = re.compile(r"(?=[MDCLXVI])M{0,3}(CM|CD|D?C{0,3})(XC|XL|L?X{0,3})(IX|IV|V?I{0,3})")
_ROMAN_VALUES = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_QUARTERS = {15: ("quarter", "past"), 30: ("half", "past"), 45: ("quarter", "to")}


@dataclass(frozen=True, slots=True)
class Around:
    """What stands beside a word: its own punctuation, and the words before and after it in lower case."""

    before: str = ""
    after: str = ""
    previous: str = ""
    following: str = ""
    is_range: bool = False
    """It follows a dash after a number: "5-10"."""


def form_readings(word: str, around: Around) -> list[Reading]:
    """Readings of ``word`` as a whole; empty where it has no form of its own."""
    if len(word) > MAX_FORM_CHARS:
        return []
    return list(dict.fromkeys(chain.from_iterable(form(word, around) for form in _FORMS)))


def with_signs(word: str, readings: Sequence[Reading], around: Around) -> list[Reading]:
    """Readings of a number with what its punctuation may sound like: a minus, a point, "to" in a range, inches."""
    found = list(readings)
    if around.before[-1:] in ("-", "\u2212", "\u2013") and not around.is_range:
        found = [
            (said, *reading) for said in ("minus", "negative") for reading in readings[:4]
        ] + found
    if around.before[-1:] == ".":
        found = [("point", *reading) for reading in (*readings[-2:], *readings[:2])] + found
    if word[-1:].isdigit() and around.after[:1] in ('"', "\u201d", "\u2033"):
        found += [(*reading, said) for said in ("inches", "inch") for reading in readings[:3]]
    if around.is_range:
        found = [("to", *reading) for reading in readings[:6]] + found
    return found


# --- money ---


def _money(word: str, around: Around) -> Iterable[Reading]:
    match = _MONEY.fullmatch(word)
    if match is None:
        return
    sign, text = match["sign"] or match["sign2"], match["amount"] or match["amount2"]
    one, many, small_one, small_many = CURRENCIES[sign]
    whole, part = _parted(text)
    unit = one if whole == "1" else many
    values = amounts(whole, "," in text or "." in text[:-3])[:4]
    if match["scale"]:
        scale = _SCALE_LETTERS[match["scale"].lower()]
        said = values[0] if not part else (*values[0], "point", *digit_readings(part)[0])
        yield from ((*said, scale, many), (*said, match["scale"].lower(), many), (*said, scale))
        return
    if around.following in SCALES:  # "$5 million": the dollars are said behind it
        yield from (_pointed(value, part) for value in values[:2])
    if not part or not int(part):
        yield from ((*value, unit) for value in values)
        yield from values[:2]
        if not part:
            return
        zeros = digit_readings(part)[0]
        yield from ((*value, "point", *zeros, many) for value in values[:1])
        return
    if len(part) != 2:
        yield from ((*value, "point", *digit_readings(part)[0], many) for value in values)
        return
    small = small_one if part == "01" else small_many
    cents = _cents(part)
    if not int(whole):
        yield from ((*said, small) for said in cents)
    for value, said in product(values, cents[:1]):
        yield (*value, unit, *said, small)
        yield (*value, unit, "and", *said, small)
        yield (*value, *said)
        yield (*value, unit, *said)
        yield (*value, unit, "and", *said)
    yield from ((*value, *said) for value, said in product(values[:2], cents[1:]))
    yield (*values[0], "point", *digit_readings(part)[0], many)


def _cents(part: str) -> list[Reading]:
    cents = [cardinal(int(part))]
    return [*cents, ("oh", *cents[0])] if part[0] == "0" else cents


def _parted(text: str) -> tuple[str, str]:
    """Digits before and behind the point, or the comma that is one: "1.199,00" and "1,199.00"."""
    match = re.fullmatch(r"(.*\d)[.,](\d{1,2})|(\d+)\.(\d+)", text)
    if match is None:
        return "".join(filter(str.isdigit, text)), ""
    whole, part = match[1] or match[3], match[2] or match[4]
    return "".join(filter(str.isdigit, whole)), part


def _pointed(value: Reading, part: str) -> Reading:
    return (*value, "point", *digit_readings(part)[0]) if part else value


def _scale(word: str, around: Around) -> Iterable[Reading]:
    """ "million" behind "$5"."""
    sign = around.previous[:1]
    if word.lower() in SCALES and sign in CURRENCIES:
        yield (word.lower(), CURRENCIES[sign][1])
        yield (word.lower(),)


# --- dates and times ---


def _date(word: str, around: Around) -> Iterable[Reading]:
    del around
    if match := _ISO_DATE.fullmatch(word):
        year, month, day = match.groups()
        yield from _dated(int(month), int(day), year)
        spelled = (*digit_readings(month)[-1], *digit_readings(day)[-1])
        yield from ((*said, *spelled) for said in years(year)[:2])
        yield from ((*said, *cardinal(int(month)), *cardinal(int(day))) for said in years(year)[:2])
    elif match := _DATE.fullmatch(word):
        first, _, second, year = match.groups()
        yield from _dated(int(first), int(second), year)
        one, two = cardinal(int(first)), cardinal(int(second))
        yield from ((*one, *two, *said) for said in years(year)[:3])
        yield from ((*one, "slash", *two, "slash", *said) for said in years(year)[:2])
        if int(first) != int(second):
            yield from list(_dated(int(second), int(first), year))[:4]


def _dated(month: int, day: int, year: str) -> Iterable[Reading]:
    if not (1 <= month <= 12 and 1 <= day <= 31):
        return
    name, nth = MONTH_NAMES[month - 1], ordinal(cardinal(day))
    for said in years(year)[:2]:
        yield (name, *nth, *said)
        yield ("the", *nth, "of", name, *said)
        yield (name, *cardinal(day), *said)
        yield (name, "the", *nth, *said)
        yield (*nth, "of", name, *said)


def _day(word: str, around: Around) -> Iterable[Reading]:
    """ "4" beside the name of a month."""
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:3]) <= 31 and len(word) <= 2):
        return
    nth = ordinal(cardinal(int(word)))
    if around.previous in MONTHS:
        yield from (nth, ("the", *nth), cardinal(int(word)))
    elif around.following in MONTHS:
        yield from (cardinal(int(word)), nth, (*nth, "of"), ("the", *nth, "of"), ("the", *nth))


def _clock(word: str, around: Around) -> Iterable[Reading]:
    match = _CLOCK.fullmatch(word)
    is_hour = match is None
    match = match or _HOUR.fullmatch(word)
    if match is None or int(match["hour"]) > 24 or (word.count(".") > 1 and not match["half"]):
        return
    if "." in word and not match["half"]:  # a price, a time, or a number with a point
        parts = cardinal(int(match["hour"])), match["minute"]
        yield _pointed(*parts)
        yield (*parts[0], *_minute(int(parts[1])))
        return
    hour, minute = int(match["hour"]), 0 if is_hour else int(match["minute"])
    half: Reading = (match["half"][0].lower(), "m") if match["half"] else ()
    if not is_hour and match["second"]:
        parts = (cardinal(hour), _minute(minute), _minute(int(match["second"])))
        yield tuple(chain.from_iterable(parts))
        yield (
            *parts[0],
            "hours",
            *cardinal(minute),
            "minutes",
            *cardinal(int(match["second"])),
            "seconds",
        )
        return
    shown = [hour] + [(hour - 1) % 12 + 1] * (hour > 12 or hour == 0)
    for said in map(cardinal, shown):
        yield (*said, *(_minute(minute) if minute else ()), *half)
        yield from _round_hour(said, minute, half)
    if hour > 12:
        yield (*cardinal(shown[-1]), *(_minute(minute) if minute else ()), "p", "m")
    yield from _past(hour, minute)
    if is_hour:
        yield (*cardinal(hour), "o'clock", *half)


def _minute(minute: int) -> Reading:
    return ("oh", *cardinal(minute)) if minute < 10 else cardinal(minute)


def _round_hour(said: Reading, minute: int, half: Reading) -> Iterable[Reading]:
    if minute == 0:
        yield from (
            (*said, "o'clock"),
            (*said, "hundred"),
            (*said, "hundred", "hours"),
            (*said, "oh", "oh"),
        )
    elif minute < 10:
        yield (*said, *cardinal(minute), *half)
        yield (*said, "zero", *cardinal(minute), *half)


def _past(hour: int, minute: int) -> Iterable[Reading]:
    here, later = cardinal((hour - 1) % 12 + 1), cardinal(hour % 12 + 1)
    if minute in _QUARTERS:
        named = (*_QUARTERS[minute], *(later if minute == 45 else here))
        yield from (named, ("a", *named)) if minute != 30 else (named,)
    elif 0 < minute <= 30:
        yield (*cardinal(minute), "past", *here)
    elif minute > 30:
        yield (*cardinal(60 - minute), "to", *later)


def _groups(word: str, around: Around) -> Iterable[Reading]:
    """ "555-1234": digit by digit, in pairs, or each group as a number."""
    del around
    groups = re.split(r"[-.]", word)
    if len(groups) < (2 if "-" in word else 3) or not all(
        group.isascii() and group.isdigit() for group in groups
    ):
        return
    yield from _side_by_side(map(digit_readings, groups))
    yield from (
        tuple(chain.from_iterable(said)) for said in product(*(g[:2] for g in map(_said, groups)))
    )


def _said(group: str) -> list[Reading]:
    return [digit_readings(group)[0], amounts(group)[-1]]


def _side_by_side(parts: Iterable[Sequence[Reading]]) -> Iterable[Reading]:
    """Give the first readings of all parts together, then the last ones."""
    held = list(parts)
    for at in (0, -1):
        yield tuple(chain.from_iterable(readings[at] for readings in held))


# --- fractions and measures ---


def _fraction(word: str, around: Around) -> Iterable[Reading]:
    if match := _VULGAR.fullmatch(word):
        over, under = VULGAR[match[2]]
        whole = match[1]
    elif match := _FRACTION.fullmatch(word):
        over, under, whole = int(match[1]), int(match[2]), ""
    else:
        return
    parts = list(_parts_of(over, under))
    if whole:
        yield from ((*cardinal(int(whole)), "and", *part) for part in parts)
        yield from ((*cardinal(int(whole)), *part) for part in parts)
        return
    if around.previous[-1:].isdigit():
        yield from (("and", *part) for part in parts[:3])
    yield from parts
    if match.re is _FRACTION:
        one, two = cardinal(over), cardinal(under)
        yield from (
            (*one, "slash", *two),
            (*one, *two),
            (*one, "out", "of", *two),
            (*one, "to", *two),
        )


def _parts_of(over: int, under: int) -> Iterable[Reading]:
    for name, names in FRACTIONS.get(under, ()):
        if over == 1:
            yield from (("a", name), ("one", name))
            if under == 2:
                yield (name,)
        else:
            yield (*cardinal(over), names)
    if under > 2 and under not in FRACTIONS and under < 1000:
        *head, last = ordinal(cardinal(under))
        yield (*cardinal(over), *head, last if over == 1 else f"{last}s")
    yield (*cardinal(over), "over", *cardinal(under))


def _feet(word: str, around: Around) -> Iterable[Reading]:
    del around
    match = _FEET.fullmatch(word)
    if match is None:
        return
    feet, inches = cardinal(int(match[1])), cardinal(int(match[2])) if match[2] else ()
    if not inches:
        yield from ((*feet, "feet"), (*feet, "foot"), (*feet, "minutes"))
        return
    yield from (
        (*feet, "foot", *inches),
        (*feet, "feet", *inches, "inches"),
        (*feet, "foot", *inches, "inches"),
    )
    yield from (
        (*feet, *inches),
        (*feet, "feet", *inches),
        (*feet, "feet", "and", *inches, "inches"),
    )


def _measure(word: str, around: Around) -> Iterable[Reading]:
    del around
    match = _MEASURE.fullmatch(word)
    said = _unit_names(match["unit"]) if match else []
    if match is None or not said or match["unit"] == "s":  # "1990s"
        return
    whole, part = _parted(match["number"])
    is_one = whole == "1" and not part
    names = [one if is_one else many for one, many in said]
    values = [_pointed(value, part) for value in amounts(whole, "," in match["number"])]
    yield from ((*value, *name) for value in values[:3] for name in names[:4])
    yield from ((*values[0], *name) for name in names[4:])
    yield from ((*value, *name) for value in values[:1] for pair in said for name in pair)


def _unit(word: str, around: Around) -> Iterable[Reading]:
    """Give a unit behind a number of its own."""
    if (
        not _PLAIN_NUMBER.fullmatch(around.previous)
        and around.previous[-1:] not in _ENDS_OF_NUMBERS
    ):
        return
    is_one = around.previous == "1"
    for one, many in _unit_names(word):
        yield from (one, many) if is_one else (many, one)


_ENDS_OF_NUMBERS = frozenset((*VULGAR, *"0123456789", *"⁰¹²³⁴⁵⁶⁷⁸⁹"))
_SIDES = {"n": "north", "s": "south", "e": "east", "w": "west"}


def _unit_names(unit: str) -> list[tuple[Reading, Reading]]:
    """Give the names of a unit for one and for many; of "km/h" too."""
    unit = unit.strip(" \u00a0\u202f").replace("^2", "\u00b2").replace("^3", "\u00b3")
    if unit in UNITS:
        return list(UNITS[unit])
    above, slash, below = unit.partition("/")
    if above in UNITS and below[:-1] in UNITS and below[-1] == "\u00b2":
        (one, many), under = UNITS[above][0], UNITS[below[:-1]][0][0]
        per = (
            ("per", *under, "squared"),
            ("per", *under, "per", *under),
            ("per", "square", *under),
        )
        return [((*one, *said), (*many, *said)) for said in per]
    if slash and above in UNITS and below in UNITS:
        pairs = product(UNITS[above][:2], UNITS[below][:1], ("per", "a", "an"))
        return [((*a[0], per, *b[0]), (*a[1], per, *b[0])) for a, b, per in pairs]
    if unit[-1:] in "\u00b2\u00b3" and unit[:-1] in UNITS:
        named = "square" if unit[-1] == "\u00b2" else "cubic"
        power = "squared" if unit[-1] == "\u00b2" else "cubed"
        name = UNITS[unit[:-1]][0]
        return [((named, *name[0]), (named, *name[1])), ((*name[0], power), (*name[1], power))]
    return []


# --- the rest ---


def is_roman(word: str) -> bool:
    """Whether it may be a Roman numeral, of two letters at least."""
    return 2 <= len(word) <= MAX_FORM_CHARS and _ROMAN.fullmatch(word) is not None


def _roman(word: str, around: Around) -> Iterable[Reading]:
    del around
    is_small = len(word) > 1 and not word.strip("ivx") and is_roman(word.upper())
    if not is_small and not is_roman(word) and word not in ("V", "X"):
        return
    values = [_ROMAN_VALUES[letter] for letter in word.upper()]
    total = sum(
        -value if value < max(values[at:], default=0) else value for at, value in enumerate(values)
    )
    number = cardinal(total)
    if len(word) == 1:
        yield (word.lower(),)
    yield from (number, ("the", *ordinal(number)), ordinal(number))


def _half_day(word: str, around: Around) -> Iterable[Reading]:
    """ "am" behind an hour."""
    plain = word.lower().replace(".", "")
    if plain in ("am", "pm") and around.previous[-1:].isdigit():
        yield (plain[0], "m")


def _short(word: str, around: Around) -> Iterable[Reading]:
    """Abbreviations without their full stop, a quarter of the sky behind degrees, "w/", a grade with its minus."""
    lower = word.lower()
    beside_number = around.following[:1].isdigit() or around.previous[-1:].isdigit()
    if lower in OFTEN_BARE and (word[:1].isupper() or beside_number):
        whole = [tuple(said.split()) for said in ABBREVIATIONS[lower]]
        yield from whole
        if around.is_range:
            yield from (("to", *said) for said in whole)
    if lower in _SIDES and around.previous[-1:] in ("\u00b0", "'", "\u2032", '"', "\u2033"):
        yield (_SIDES[lower],)
    if lower == "w" and around.after[:1] == "/":
        yield ("with",)
    if len(word) == 1 and "A" <= word <= "F" and around.after[:1] in ("-", "\u2212"):
        yield (lower, "minus")


_FORMS: Sequence[Callable[[str, Around], Iterable[Reading]]] = (
    _money, _scale, _date, _groups, _clock, _fraction, _feet, _day, _half_day, _measure, _unit, _roman, _short,
)  # fmt: skip
