"""How fractions are said, and what is written like one: marks, runs for wickets, shares of a hundred."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import re
import unicodedata

from speech_service.text.english.number_words import cardinal, fraction, number, year
from speech_service.text.english.rules import Rule, rule

_VULGAR = {char: unicodedata.normalize("NFKC", char) for char in "½⅓⅔¼¾⅕⅖⅗⅘⅙⅚⅐⅛⅜⅝⅞⅑⅒"}
_UNDERS = frozenset((*range(2, 11), 12, 16, 20, 32, 64, 100, 1000))
"""Denominators that people read as fractions."""
_SAID = {
    (24, 7): "twenty-four seven",
    (9, 11): "nine eleven",
    (50, 50): "fifty fifty",
    (20, 20): "twenty twenty",
}
_FULL_MARKS, _MARKS_FROM = 100, 10
"""What is had of a hundred is said "out of": "98/100"."""
_RUNS_FROM, _WICKETS = 90, 9
"""So many runs for so many wickets: "287/6"."""


def part_of(over: int, under: int) -> str:
    """Say a fraction behind a whole number: "a half", "three quarters"."""
    said = fraction(over, under)
    if over != 1:
        return said
    return f"{'an' if said.startswith('one eigh') else 'a'} {said.removeprefix('one ')}"


def _say_mixed(match: re.Match[str]) -> str | None:
    whole, over, under = match[1], int(match[2]), int(match[3])
    if not 0 < over < under:
        return None
    return f"{number(whole)} and {part_of(over, under)}"


def _say_vulgar(match: re.Match[str]) -> str:
    over, under = (int(part) for part in _VULGAR[match[2]].split("⁄"))
    if not match[1]:
        return f" {fraction(over, under)} "
    return f"{number(match[1])} and {part_of(over, under)} "


def _say_fraction(match: re.Match[str]) -> str | None:
    over, under = int(match[1]), int(match[2])
    if (over, under) in _SAID:
        return _SAID[over, under]
    if len(match[1]) > 3 and len(match[2]) > 2:
        return f"{_numbered(match[1])} slash {_numbered(match[2])}"
    if under in (0, 1) or len(match[1]) > 3:
        return f"{number(match[1])} over {number(match[2])}"
    if over >= _RUNS_FROM and under <= _WICKETS:
        return f"{cardinal(over)} for {cardinal(under)}"
    if over + under == _FULL_MARKS and min(over, under) >= _MARKS_FROM:
        return f"{cardinal(over)} {cardinal(under)}"
    if over == under or (under == _FULL_MARKS and over >= _MARKS_FROM):
        return f"{cardinal(over)} out of {cardinal(under)}"
    if under in _UNDERS:
        return fraction(over, under)
    return f"{cardinal(over)} over {cardinal(under)}"


def _say_of_a_file(match: re.Match[str]) -> str:
    """ "case 2021/45", "Regulation (EC) No 1907/2006": a number and the year that it belongs to."""
    name, first, second = match.groups()
    return f"{name}{_numbered(first)} slash {_numbered(second)}"


def _numbered(text: str) -> str:
    """A year as one, anything else as a number."""
    return year(int(text)) if len(text) == 4 and text[:2] in ("19", "20") else number(text)


def _say_out_of(match: re.Match[str]) -> str:
    return f"{number(match[1])} out of {number(match[2])}"


_FILES = (
    r"case|contract|file|directive|regulation|decision|ruling|application|resolution|reference|ref|invoice|document|"
    r"act|law|decree|docket|patent|tender|report|claim|order|appeal|petition"
)
"""What is numbered within a year."""

FILES: tuple[Rule, ...] = (
    rule(
        rf"\b((?:{_FILES})s?\.?(?:,? (?:no\.?|nr\.?|number))?:? |\((?:EU|EC|EEC)\) ?)"
        r"(\d{1,5})/(\d{1,5})(?![\w/]|[.,]\d)",
        _say_of_a_file,
        any_case=True,
    ),
    rule(
        r"\((EU|EC|EEC)\) [Nn]o\.? (\d{1,4})/(\d{4}|\d\d)(?![\w/]|[.,]\d)",
        lambda m: f"({m[1]}) number {number(m[2])} slash {_numbered(m[3])}",
    ),
)
"""Rules for numbers of files, which come before dates and years are read."""

MARKS: tuple[Rule, ...] = (
    rule(
        r"(?<![\w./,])(\d{1,2})/(5|10|20)(?![\w/]|[.,]\d)([^/\n\d]{1,40}\b(?:from|to|at|by) )"
        r"(\d{1,2})/\2(?![\w/]|[.,]\d)",
        r"\1 out of \2\3\4 out of \2",
    ),
    rule(
        r"\b((?:pain|scor(?:e|ed|es)|rat(?:ed|e|ing)|marks?|grade|gave (?:it|him|her)|give (?:it|this)|got|solid)"
        r"(?: (?:of|is|was|at|a))?:? )(\d{1,2})/(5|10|20)(?![\w/]|[.,]\d)",
        r"\1\2 out of \3",
        any_case=True,
    ),
)
"""Rules for marks, which come before dates are read."""

FRACTIONS: tuple[Rule, ...] = (
    rule(r"(?<![\w./,])(\d{1,3})/([a-z])(?![\w'’/])", lambda m: f"{number(m[1])} over {m[2]}"),
    rule(r"(?<![\w./,])(\d{1,4})(?: |-| and )(\d{1,2})[/⁄](\d{1,3})(?![\w/]|[.,]\d)", _say_mixed),
    rule(
        r"(?<!\d)(?<!\d )½[ -](?=(?:price|term|time|day|way|board|dozen|hour|mile|yearly)\b)",
        "half ",
    ),
    rule(rf"(?:(?<![\w.])(?<!\d,)(\d{{1,6}}) ?)?([{''.join(_VULGAR)}])", _say_vulgar),
    rule(
        r"(?<![\w./,])(\d{1,2})/(\d{1,3})(?:st|nd|rd|th)s?(?!\w)",
        lambda m: fraction(int(m[1]), int(m[2])) if int(m[2]) > 1 else None,
    ),
    rule(r"(?<![\w./,])(\d{1,3}\.\d)/(\d{1,3})(?![\w/]|[.,]\d)", _say_out_of),
    rule(r"(?<![\w./,])(?<![A-Za-z]-)(\d{1,4})[/⁄](\d{1,4})(?![\w/]|[.,]\d)", _say_fraction),
)
