"""How numbers are said together with what they count: units, degrees, powers, fractions, ranges, ratios, percent."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
import unicodedata

from speech_service.text.english.number_words import (
    MOST_COUNTED,
    cardinal,
    digits,
    fraction,
    number,
    ordinal,
    plural,
    spelled,
    year,
)
from speech_service.text.english.rules import MINUS, NUMBER, Rule, any_of, rule
from speech_service.text.english.units import UNITS, compound_words, one_of, singular, unit_words

_VULGAR = {char: unicodedata.normalize("NFKC", char) for char in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"}
_SUPER = {
    "⁰": "0",
    "¹": "1",
    "²": "2",
    "³": "3",
    "⁴": "4",
    "⁵": "5",
    "⁶": "6",
    "⁷": "7",
    "⁸": "8",
} | {
    **{"⁹": "9", "⁺": "+", "⁻": "-", "ⁿ": "n"},
}
_SUB = {
    "₀": "0",
    "₁": "1",
    "₂": "2",
    "₃": "3",
    "₄": "4",
    "₅": "5",
    "₆": "6",
    "₇": "7",
    "₈": "8",
    "₉": "9",
}
_UNDERS = frozenset((*range(2, 11), 12, 16, 20, 32, 64, 100, 1000))
"""Denominators that people read as fractions."""
_SAID = {
    (24, 7): "twenty-four seven",
    (9, 11): "nine eleven",
    (50, 50): "fifty fifty",
    (20, 20): "twenty twenty",
}
_UNIT = rf"(?:{any_of(UNITS)})"
_TO = r"(?:\s?[-–—]\s?|\s?\.\.\s?)"
_INCHES = r"(\d{1,2}(?:\.\d{1,2})?)(?: (\d)/(\d{1,2}))?"
_INCH_MARK = r"(?:[\"″”]|''|’’|′′)"
_COUNTED = r"(?:[€$£¥%]|(?:km|kg|people|euros?|dollars?|pounds?)\b)"
_PART = r"(?:half|thirds?|quarters?|fifths?|sixths?|eighths?|tenths?|sixteenths?)"
_COMPOUND = (
    r"(?:[A-Za-zµμΩ°]{1,7}[²³]?[·⋅/]){1,2}(?:[A-Za-zµμΩ°]{1,7}[²³]?|\([A-Za-zµμΩ°²³·⋅]{1,12}\))"
)
_SCALES = {"k": "thousand", "K": "thousand", "M": "million", "B": "billion"}
_ARTICLE = re.compile(
    r"(?:^|\W)(?:an?|the|this|that|each|every|my|your|his|her|its|our|their) $", re.IGNORECASE
)
_NOUN = re.compile(
    r" (?!(?:of|or|and|to|in|at|on|per|from|by|for|as|if|is|was|are|were|has|have|had|will|can|may|that|which|we|you|"
    r"they|he|she|it|away|more|less|long|wide|tall|high|I)\b)[A-Za-z]"
)
_BOOKS = (
    r"Genesis|Exodus|Leviticus|Deuteronomy|Joshua|Judges|Samuel|Kings|Chronicles|Psalms?|Proverbs|Isaiah|Jeremiah|"
    r"Ezekiel|Daniel|Ecclesiastes|Job|Ruth|Philippians|Colossians|Thessalonians|Timothy|Matthew|Mark|Luke|John|Acts|Romans|Corinthians|Galatians|Ephesians|Hebrews|James|Peter|Revelation"
)
_RATES = any_of(unit for unit in UNITS if "/" in unit)
_SPANS = (
    "week",
    "month",
    "year",
    "hour",
    "min",
    "sec",
    "hr",
    "h",
    "day",
    "wk",
    "mo",
    "yr",
    "kg",
    "lb",
    "km",
    "mi",
    "ml",
    "L",
    "acre",
    "ha",
)
"""What something is counted by: "beats/min"."""
_FULL_MARKS, _MARKS_FROM = 100, 10
"""What is had of a hundred is said "out of": "98/100"."""
_POURED = frozenset(["L", "l", "ml", "mL", "cl", "oz"])
"""Units of what has no sides: "2 x 1 L" are two pieces."""
_RUNS_FROM, _WICKETS = 90, 9
"""So many runs for so many wickets: "287/6"."""
_QUOTED = 300
"""Characters that a quotation has at most."""
_VERBS = r"(?:is|was|has|does|starts|begins|ends|sees|marks|brings|looks|proves|remains|seems|comes|becomes|shows)\b"
"""What a year does; no plural."""
_YEAR_FROM, _YEAR_TO, _HUNDREDS = 1100, 2099, 100


def _signed(text: str) -> str:
    return f"minus {number(text[1:])}" if text[:1] in ("-", "−") else number(text)


def _say_power_of_ten(match: re.Match[str]) -> str:
    return f"{_signed(match[1])} times ten to the power of {_exponent(match[2])}"


def _say_power(match: re.Match[str]) -> str:
    base, raised = match.groups()
    power = "".join(_SUPER.get(char, char) for char in raised.strip("^{}()"))
    said = number(base) if base[:1].isdigit() else base
    if power == "2":
        return f"{said} squared"
    if power == "3":
        return f"{said} cubed"
    return f"{said} to the power of {_exponent(power)}"


def _exponent(power: str) -> str:
    sign = "minus " if power[:1] in ("-", "−") else ""
    rest = power.lstrip("+-−")
    return sign + (number(rest) if rest[:1].isdigit() else rest)


def _say_feet(match: re.Match[str]) -> str:
    feet, inches, over, under = match.groups()
    part = f" and {_a_fraction(int(over), int(under))}" if over else ""
    return f"{number(feet)} foot {number(inches)}{part}"


def _say_only_feet(match: re.Match[str]) -> str:
    return f"{number(match[1])} {'foot' if match[1] == '1' else 'feet'}"


def _say_inches(match: re.Match[str]) -> str | None:
    """Say inches, but not where the mark closes what another one opened."""
    if match.string.count(
        '"', max(0, match.start() - _QUOTED), match.start()
    ) % 2 and match.group().endswith('"'):
        return None
    return f"{number(match[1])} {'inch' if match[1] == '1' else 'inches'}"


def _say_place(match: re.Match[str]) -> str:
    degrees, minutes, seconds, side = match.groups()
    names = {"N": " north", "S": " south", "E": " east", "W": " west", None: ""}
    said = f"{number(degrees)} degrees {number(minutes)} minutes"
    return said + (f" {number(seconds)} seconds" if seconds else "") + names[side]


def _say_degrees(match: re.Match[str]) -> str:
    first, second, scale = match.groups()
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    one = first in ("1", "-1", "−1") and not second
    side = {"N": " north", "S": " south", "E": " east", "W": " west"}
    name = {"C": " Celsius", "F": " Fahrenheit", "K": " Kelvin", None: ""} | side
    return f"{said} {'degree' if one else 'degrees'}{name[scale]}"


def _a_fraction(over: int, under: int) -> str:
    said = fraction(over, under)
    if over != 1:
        return said
    return f"{'an' if said.startswith('one eigh') else 'a'} {said.removeprefix('one ')}"


def _say_mixed(match: re.Match[str]) -> str | None:
    whole, over, under = match[1], int(match[2]), int(match[3])
    if not 0 < over < under:
        return None
    return f"{number(whole)} and {_a_fraction(over, under)}"


def _say_vulgar(match: re.Match[str]) -> str:
    over, under = (int(part) for part in _VULGAR[match[2]].split("⁄"))
    if not match[1]:
        return f" {fraction(over, under)} "
    return f"{number(match[1])} and {_a_fraction(over, under)} "


def _say_fraction(match: re.Match[str]) -> str | None:
    over, under = int(match[1]), int(match[2])
    if (over, under) in _SAID:
        return _SAID[over, under]
    if under in (0, 1) or len(match[1]) > 3:
        return f"{number(match[1])} over {number(match[2])}"
    if over >= _RUNS_FROM and under <= _WICKETS:
        return f"{cardinal(over)} for {cardinal(under)}"
    if over == under or (under == _FULL_MARKS and over >= _MARKS_FROM):
        return f"{cardinal(over)} out of {cardinal(under)}"
    if under in _UNDERS:
        return fraction(over, under)
    return f"{cardinal(over)} over {cardinal(under)}"


def _is_adjective(match: re.Match[str]) -> bool:
    """Whether it is said in the singular: "a 16 GB stick", but not "a 16 GB or so"."""
    before = match.string[max(0, match.start() - 8) : match.start()]
    return bool(_ARTICLE.search(before) and _NOUN.match(match.string, match.end()))


def _say_unit(match: re.Match[str]) -> str:
    first, second, unit, dot = match.groups()
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    one = first in ("1", "-1", "−1") and not second
    one = one or _is_adjective(match)
    return f"{said} {unit_words(unit, one=one)}{_stop(match) if dot else ''}"


def _say_compound(match: re.Match[str]) -> str | None:
    first, second, unit = match.groups()
    one = (first == "1" and not second) or _is_adjective(match)
    words = compound_words(unit, one=one)
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    return f"{said} {words}" if words else None


def _say_unit_adjective(match: re.Match[str]) -> str:
    return f"{number(match[1])} {singular(match[2])}"


def _say_fraction_unit(match: re.Match[str]) -> str:
    return f"{match[1]} {unit_words(match[2], one='and' not in match[1])}"


def _stop(match: re.Match[str]) -> str:
    """A dot behind a unit is a full stop where a sentence may end."""
    rest = match.string[match.end() : match.end() + 8].lstrip()
    return "." if not rest or rest[0].isupper() else ""


def _say_bare_area(match: re.Match[str]) -> str:
    return f"{'square' if match[2] == '²' else 'cubic'} {singular(match[1])}"


def _say_percent(match: re.Match[str]) -> str:
    first, second, sign = match.groups()
    said = _signed(first) + (f" to {_signed(second)}" if second else "")
    return f"{said} {'per mille' if sign == '‰' else 'percent'}"


def _say_by(match: re.Match[str]) -> str:
    return " by ".join(number(part) for part in re.findall(NUMBER, match.group()))


def _say_by_unit(match: re.Match[str]) -> str:
    parts = re.findall(NUMBER, match[1])
    is_pieces = len(parts) == 2 and match[2] in _POURED
    one = _is_adjective(match) or (is_pieces and parts[1] == "1")
    said = (" times " if is_pieces else " by ").join(map(number, parts))
    return f"{said} {unit_words(match[2], one=one)}"


def _say_out_of(match: re.Match[str]) -> str:
    return f"{number(match[1])} out of {number(match[2])}"


def _say_verse(match: re.Match[str]) -> str:
    book, chapter, verse, last = match.groups()
    return f"{book} {number(chapter)} {number(verse)}" + (f" to {number(last)}" if last else "")


def _say_ratio(match: re.Match[str]) -> str:
    return " to ".join(number(part) for part in match.group().split(":"))


def _say_range(match: re.Match[str]) -> str:
    return f"{_signed(match[1])} to {_signed(match[2])}"


def _say_minus(match: re.Match[str]) -> str:
    return f"{match[1]} minus "


def _say_ordinal(match: re.Match[str]) -> str:
    return ordinal(int(match[1].replace(",", "")))


def _say_times(match: re.Match[str]) -> str:
    return f"{number(match[1])} times"


def _say_short_scale(match: re.Match[str]) -> str:
    """Say a number such as "10K users"; "4K" alone is a name."""
    return f"{number(match[1])} {_SCALES[match[2]]}"


def _say_number(match: re.Match[str]) -> str:
    """Say a number that no other rule has taken. Four digits of a century are a year, unless a plural says what is
    counted."""
    text = match[2]
    minus = "minus " if match[1] else ""
    if len(text) == 4 and text.isdecimal() and not minus and not match[3]:
        value = int(text)
        if _YEAR_FROM <= value <= _YEAR_TO:
            return year(value) if value % _HUNDREDS or value < 2000 else cardinal(value)
    return minus + number(text)


def _say_magnitude(match: re.Match[str]) -> str:
    return f"{number(match[1])} {match[2]}"


def _say_long(match: re.Match[str]) -> str | None:
    run = match.group().replace(",", "")
    return f" {digits(run)} " if len(run) > MOST_COUNTED else None


def _say_chemical(match: re.Match[str]) -> str:
    letters, sub, rest = match.groups()
    said = spelled(letters) if len(letters) > 1 else letters
    return f"{said} {cardinal(int(''.join(_SUB.get(c, c) for c in sub)))} {rest}"


# What is grouped in other ways, grouped by commas.
GROUPED: tuple[Rule, ...] = (
    rule(
        r"(?<![\d.,'’])\d{1,3}(?:['’_]\d{3}){1,6}(?![\d'’_])", lambda m: re.sub(r"['’_]", ",", m[0])
    ),
    rule(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))", ","),
    rule(
        rf"(?<![\d.,-])[1-9]\d{{0,2}}(?:(?: \d{{3}}){{2,6}}| 000| \d{{3}}(?= ?{_COUNTED}|[.,]\d{{2}}(?!\d)))(?!\d)",
        lambda m: m[0].replace(" ", ","),
    ),
    rule(
        r"(?<![\d.,])\d{1,3}(?:\.\d{3}){1,6},\d{1,2}(?!\d)",
        lambda m: m[0].replace(".", "").replace(",", "."),
    ),
    rule(r"(?<![\d.,])[1-9]\d{0,2}(?:\.\d{3}){2,6}(?![\d.])", lambda m: m[0].replace(".", "")),
    rule(r"(?<![\d.,])\d{1,2}(?:,\d{2}){1,5},\d{3}(?![\d,])", lambda m: m[0].replace(",", "")),
    rule(r"(?<![\d.,])(\d{1,9}),(\d{1,2}|(?<=\b0,)\d{3,9})(?!\d|[.,]\d)", r"\1.\2"),
)

QUANTITIES: tuple[Rule, ...] = (
    rule(r"\d{1,3}(?:,\d{3}){5,9}(?!\d)|\d{16,}", _say_long),
    rule(
        rf"(?<![\w.])({MINUS}\d{{1,9}}(?:\.\d{{1,15}})?)[eE]([-+−]?\d{{1,3}})(?!\w)",
        _say_power_of_ten,
    ),
    rule(
        rf"(?<![\w.])({NUMBER}) ?[×x*·] ?10(?:\^\{{?([-−+]?\d{{1,3}})\}}?)(?!\d)", _say_power_of_ten
    ),
    rule(
        rf"(?<![\w.])({NUMBER}) ?[×x*·] ?10([{''.join(_SUPER)}]{{1,5}})",
        lambda m: (
            f"{number(m[1])} times ten to the power of {_exponent(''.join(_SUPER[c] for c in m[2]))}"
        ),
    ),
    rule(
        rf"(?<![\w.])({NUMBER}|[A-Za-z])(\^\{{?\(?[-−+]?(?:\d{{1,4}}|[a-z])\)?\}}?)(?!\w)",
        _say_power,
    ),
    rule(r"(?<![A-Za-z])([A-Z][A-Za-z]?)([₀-₉]{1,3})([A-Z]?[a-z]?)", _say_chemical),
    rule(r"(\d ?(?:['′\"″]|cm|mm|km|m|ft|in)) ?x ?(?=\d)", r"\1 by "),
    # Feet and inches, places on the globe, degrees.
    rule(
        r"(?<![\w.])(\d{1,3})° ?(\d{1,2})['′’](?: ?(\d{1,2}(?:\.\d{1,4})?)(?:[\"″”]|''))?(?: ?([NSEW])\b)?",
        _say_place,
    ),
    rule(
        rf"(?<![\w.])(\d{{1,3}}) ?['′’] ?{_INCHES}(?: ?(?:{_INCH_MARK}|in\.?(?!\w)))?(?![\w'])",
        _say_feet,
    ),
    rule(rf"(?<![\w.])(\d{{1,3}}) ?ft\.? ?{_INCHES} ?(?:{_INCH_MARK}|in\b\.?)", _say_feet),
    rule(rf"(?<![\w./'])({NUMBER})(?:''|″|\")(?!\w)", _say_inches),
    rule(r"(?<![\w.])(\d{1,2})ft(\d{1,2})(?!\w)", r"\1 foot \2"),
    rule(r"(?<![\w.,'‘])(\d{1,3}(?:,\d{3})?)['′](?![\w'])(?=[ ,.;)]|$)", _say_only_feet),
    rule(
        rf"(?<![\w.])({MINUS}{NUMBER})°?(?:{_TO}([-−]?{NUMBER}))?\s?°(?:\s?([CFKNSEW])(?!\w))?",
        _say_degrees,
    ),
    # Fractions.
    rule(r"(?<![\w./,])(\d{1,4})(?: |-| and )(\d{1,2})[/⁄](\d{1,3})(?![\w/]|[.,]\d)", _say_mixed),
    rule(rf"(?:(?<![\w.])(\d{{1,6}}) ?)?([{''.join(_VULGAR)}])", _say_vulgar),
    rule(
        r"(?<![\w./,])(\d{1,2})/(\d{1,3})(?:st|nd|rd|th)s?(?!\w)",
        lambda m: fraction(int(m[1]), int(m[2])) if int(m[2]) > 1 else None,
    ),
    rule(r"(?<![\w./,])(\d{1,3}\.\d)/(\d{1,3})(?![\w/]|[.,]\d)", _say_out_of),
    rule(r"(?<![\w./,])(\d{1,4})[/⁄](\d{1,4})(?![\w/]|[.,]\d)", _say_fraction),
    rule(
        rf"\b((?:and )?(?:[a-z]{{1,9}} )?{_PART}) {{1,2}}({_UNIT})(?![\w/²³'’-])",
        _say_fraction_unit,
    ),
    rule(rf"({_PART}) ?[\"″](?!\w)", r"\1 inch"),
    rule(
        rf"(to the power of (?:minus )?[a-z-]{{3,20}}) ({_UNIT})(?![\w/²³'’-])",
        lambda m: f"{m[1]} {unit_words(m[2], one=False)}",
    ),
    # Units.
    rule(r"(?<=\d )(sq|cu|fl)\. ?(?=(?:in|ft|yd|mi|oz|m|km|cm)\b)", r"\1 "),
    rule(
        rf"(?<![\w.])({NUMBER}(?: ?[x×] ?{NUMBER}){{1,2}})\s?({_UNIT})(?![\w/²³'’-])", _say_by_unit
    ),
    rule(
        rf"(?<![\w.])({MINUS}{NUMBER})(?:{_TO}({NUMBER}))?\s?({_COMPOUND})(?![\w/²³'’-]|°)",
        _say_compound,
    ),
    rule(r"(?<=[a-z] )mmHg(?!\w)", "millimeters of mercury"),
    rule(
        rf"(?<![\w.])({MINUS}{NUMBER})(?:{_TO}({NUMBER}))?\s?({_UNIT})(\.)?(?![\w²³'’-]|/(?!\d)|°)",
        _say_unit,
    ),
    rule(
        r"(?:(?<=[a-z] )|(?<![\w.])(?=\d{1,4}\.))(\d{1,4}(?:\.\d{1,3})?) A(?![\w'’-]|\.\w)",
        lambda m: f"{number(m[1])} {'amp' if m[1] == '1' else 'amps'}",
    ),
    rule(rf"(?<![\w.])({NUMBER})-({_UNIT})(?![\w/²³])", _say_unit_adjective),
    rule(
        rf"(?:(?<=[a-z]s)|(?<=\d req)|(?<=\d msg)|(?<=\d\d[kK])|(?<=\dM))/({any_of(_SPANS)})(?![\w/²³])",
        lambda m: f" per {one_of(m[1])}",
    ),
    rule(rf"(?<=[a-z\d²³] )({_RATES})(?![\w/²³])", lambda m: unit_words(m[1], one=False)),
    rule(r"(?<![\w.])(km|cm|mm|m|ft)([²³])", _say_bare_area),
    rule(
        r"(?<![\w.])(\d{1,4})([a-z])([²³⁴ⁿ])",
        lambda m: f"{number(m[1])} {m[2]}{m[3]}",
    ),
    rule(rf"(?<![\w.])({NUMBER}|[A-Za-z]{{1,3}})([⁺⁻]?[⁰¹²³⁴⁵⁶⁷⁸⁹ⁿ]{{1,4}})", _say_power),
    rule(
        rf"(?<![\w.])({NUMBER})\s(in)\.(?=\s?$|[,;)]|\s(?:[a-z]|[A-Z]))",
        lambda m: f"{number(m[1])} {'inch' if m[1] == '1' else 'inches'}{_stop(m)}",
    ),
    rule(
        rf"(?<![\w.])({NUMBER})(?:\s|(?<=\.\d\d)|(?<=\.\d)|(?<=[1-9]))(s)(?![\w/'’-])",
        lambda m: f"{number(m[1])} {'second' if m[1] == '1' else 'seconds'}",
    ),
    rule(rf"(?<![\w.])({MINUS}{NUMBER})\s?%?(?:{_TO}({NUMBER}))?\s?([%‰])", _say_percent),
    rule(rf"(?<![\w.])({NUMBER})\s?(million|billion|trillion|thousand|hundred)\b", _say_magnitude),
    # Numbers with each other.
    rule(
        r"(?<![\w.])(\d{1,3}(?:,\d{3}){0,4}|\d{1,12})(?:st|nd|rd|th|ST|ND|RD|TH)(?!\w)",
        _say_ordinal,
    ),
    rule(rf"(?<![\w.]){NUMBER}(?: ?x ?{NUMBER}){{1,2}}(?!\w)", _say_by),
    rule(
        r"(?<![\w.,])(\d{1,2})x(\d{1,2})s(?!\w)",
        lambda m: f"{number(m[1])} by {plural(number(m[2]))}",
    ),
    rule(r"(?<![\w.,])\d{3,5} ?× ?\d{3,5}(?![\w%]|[.,]\d| ?=)", _say_by),
    rule(rf"\b({_BOOKS}) (\d{{1,3}}):(\d{{1,3}})(?:[-–](\d{{1,3}}))?(?![\w:])", _say_verse),
    rule(r"(?<![\w.:])\d{1,6}(?:\.\d{1,3})?:\d{1,6}(?![\w:]|\.\d)", _say_ratio),
    rule(r"(?<![\w.])(\d{1,9}|[a-z]\b|\)) - (?=[\d(a-z]{1,9}(?:\.\d{1,9})?\s?=)", _say_minus),
    rule(r"(?<![\w.,-])50[-–]50(?![\w-]|[.,]\d|%)", "fifty fifty"),
    rule(r"(?<![\w.,-])20[-–]20(?![\w-]|[.,]\d|%)", "twenty twenty"),
    rule(
        r"(?<![\w.,/-])(\d{1,3})-(0\d{1,3})(?![\w/-]|[.,]\d|%)",
        lambda m: f"{number(m[1])} {number(m[2])}",
    ),
    rule(rf"(?<![\w.,)\]-])([-−]?{NUMBER}){_TO}([-−]?{NUMBER})(?![\w%-]|\.\d)", _say_range),
    rule(
        r"(?<![\w.])(\d{1,2})p(?!\w)",
        lambda m: f"{number(m[1])} {'penny' if m[1] == '1' else 'pence'}",
    ),
    rule(r"(?<![\w.])(\d{3,4})p(?!\w)", lambda m: f"{year(int(m[1]))} p"),
    rule(r"(?<![\w.,])911(?![\w,.]\d|\w)", "nine one one"),
    rule(
        rf"(?<![\w.])({NUMBER})[x×] ?/ ?({any_of(_SPANS)})(?!\w)",
        lambda m: f"{number(m[1])} times per {one_of(m[2])}",
    ),
    rule(
        rf"(?<![\w.,])({NUMBER})[-–]({NUMBER})([kKMB])(?!\w)",
        lambda m: f"{number(m[1])} to {number(m[2])} {_SCALES[m[3]]}",
    ),
    rule(rf"(?<![\w.])({NUMBER})[x×](?![\w×]| ?[-−–+=*/^<>·÷])", _say_times),
    rule(rf"(?<![\w.])({NUMBER})([kKMB])(?= [a-z]{{2,20}}s\b| people\b)", _say_short_scale),
    rule(r"(?<![\w.])(\d{1,3}\.\d{1,2})([kKMB])(?!\w)", _say_short_scale),
)

NUMBERS: tuple[Rule, ...] = (
    rule(
        rf"((?<![\w.,)\]%-])[-−])?(?<![\d.])({NUMBER}|\.\d{{1,20}})(?!\d)"
        rf"(?= (?!{_VERBS})([a-z]{{2,20}}s|people|men|women|children)\b)?",
        _say_number,
    ),
)
