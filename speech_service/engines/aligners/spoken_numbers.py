"""How a number may be read aloud in English: several readings, the most usual first."""

import re

Reading = tuple[str, ...]

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["", "", *["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]]
_SCALES = ["", "thousand", "million", "billion", "trillion", "quadrillion"]
_ORDINALS = {
    "one": "first",
    "two": "second",
    "three": "third",
    "five": "fifth",
    "eight": "eighth",
    "nine": "ninth",
    "twelve": "twelfth",
}
_MONEY = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
    "¥": ("yen", "yen", "sen", "sen"),
}
_NUMBER = re.compile(
    r"(?P<money>[$£€¥])?(?P<whole>\d[\d,]*)(?:\.(?P<part>\d+))?(?::(?P<minute>\d\d))?"
    r"(?P<tail>st|nd|rd|th|s)?(?P<percent>%)?"
)
_MAX_DIGITS = 18
"""A longer number is read digit by digit."""


def number_readings(text: str) -> list[Reading]:
    """Readings of "7", "1,250", "3.14", "$9.99", "10:30", "3rd", "1990s" or "5%"; never empty for digits."""
    match = _NUMBER.fullmatch(text)
    if match is None:
        return [_digits(re.sub(r"\D", "", text))]
    whole = match["whole"].replace(",", "")
    if match["money"]:
        readings = _money(match["money"], whole, match["part"])
    elif match["minute"]:
        readings = _clock(whole, match["minute"])
    elif match["part"]:
        point = ("point", *_digits(match["part"]))
        readings = [(*reading, *point) for reading in _whole(whole)[:2]]
    elif match["tail"]:
        readings = _with_tail(whole, match["tail"])
    else:
        readings = _whole(whole, grouped="," in match["whole"])
    if match["percent"]:
        readings = [(*reading, "percent") for reading in readings]
    return list(dict.fromkeys(readings))


def _digits(digits: str, zero: str = "zero") -> Reading:
    return tuple(_ONES[int(digit)] if digit != "0" else zero for digit in digits)


def _whole(digits: str, grouped: bool = False) -> list[Reading]:
    """``grouped``: it is written with commas, so it is an amount and no year."""
    one_by_one = [_digits(digits), _digits(digits, "oh")]
    if len(digits) > _MAX_DIGITS:
        return one_by_one
    readings: list[Reading] = []
    if digits[0] != "0" or digits == "0":
        value = int(digits)
        if len(digits) == 4 and 1100 <= value <= 2099 and not grouped:
            readings.append(_year(value))
        readings += [cardinal(value), cardinal(value, "and")]
    if len(digits) == 3:
        readings.append((*_ones(digits[0]), *_pair(digits[1:])))
    if len(digits) == 4:
        readings.append((*_pair(digits[:2]), *_pair(digits[2:])))
    return readings + one_by_one


def cardinal(value: int, joiner: str = "") -> Reading:
    """Words of ``0 <= value < 10**18``; ``joiner`` stands before the tens ("one hundred and five")."""
    if value < 20:
        return (_ONES[value],)
    groups: list[Reading] = []
    scale = 0
    while value:
        value, group = divmod(value, 1000)
        if group:
            words = _below_thousand(group, joiner)
            if joiner and scale == 0 and value and group < 100:
                words = (joiner, *words)
            groups.append((*words, _SCALES[scale]) if scale else words)
        scale += 1
    return tuple(word for group in reversed(groups) for word in group)


def _below_thousand(value: int, joiner: str) -> Reading:
    hundreds, rest = divmod(value, 100)
    words: Reading = (_ONES[hundreds], "hundred") if hundreds else ()
    if hundreds and rest and joiner:
        words = (*words, joiner)
    if not rest:
        return words
    if rest < 20:
        return (*words, _ONES[rest])
    tens, ones = divmod(rest, 10)
    return (*words, _TENS[tens], *((_ONES[ones],) if ones else ()))


def _ones(digit: str) -> Reading:
    return (_ONES[int(digit)],)


def _pair(two: str) -> Reading:
    if two == "00":
        return ("hundred",)
    if two[0] == "0":
        return ("oh", _ONES[int(two[1])])
    return cardinal(int(two))


def _year(value: int) -> Reading:
    if 2000 <= value <= 2009:
        return cardinal(value)
    return (*cardinal(value // 100), *_pair(f"{value % 100:02}"))


def _clock(hour: str, minute: str) -> list[Reading]:
    hours = _whole(hour)[0]
    if minute == "00":
        return [hours, (*hours, "o'clock"), (*hours, "hundred")]
    return [(*hours, *_pair(minute)), (*hours, *cardinal(int(minute)))]


def _money(sign: str, whole: str, part: str | None) -> list[Reading]:
    one, many, small_one, small_many = _MONEY[sign]
    unit = one if whole == "1" else many
    amounts = [reading for reading in _whole(whole)[:3] if len(whole) <= _MAX_DIGITS]
    if not amounts:
        return [_digits(whole)]
    if part is None:
        return [(*amount, unit) for amount in amounts] + amounts[:1]
    if len(part) != 2:
        return [(*amounts[0], "point", *_digits(part), many)]
    cents = cardinal(int(part))
    small = small_one if part == "01" else small_many
    if part == "00":
        return [(*amounts[0], unit)]
    return [
        (*amounts[0], unit, *cents, small),
        (*amounts[0], unit, "and", *cents, small),
        (*amounts[0], *cents),
        (*amounts[0], unit, *cents),
    ]


def _with_tail(whole: str, tail: str) -> list[Reading]:
    readings = _whole(whole)[:3]
    if tail == "s":
        return [(*reading[:-1], _plural(reading[-1])) for reading in readings]
    return [(*reading[:-1], _ordinal(reading[-1])) for reading in readings]


def _plural(word: str) -> str:
    if word.endswith("y"):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith("x") else "s")


def _ordinal(word: str) -> str:
    if word in _ORDINALS:
        return _ORDINALS[word]
    return word[:-1] + "ieth" if word.endswith("y") else word + "th"
