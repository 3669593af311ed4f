"""How marks of lists and paragraphs are said, "ii)", "A.2.b", and the operators of programs, "x ** 2"."""

# ruff: noqa: RUF001 - typographic signs are the data of this module

import unicodedata

from speech_service.text.english.number_words import cardinal, digits, number, ordinal, spelled
from speech_service.text.english.rules import Rule, any_of, rule

_SMALL_ROMAN = ("", "i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x", "xi", "xii")
_LIST_PLACE = r"(?<![^\n])|(?<=[.;:,] )|(?<=, and )|(?<=[;,] or )"
"""Where a mark of a list stands: at the start of a line, or behind a mark that ends what was before."""
_ROUND = {
    **{10: "tens", 100: "hundreds", 1000: "thousands", 1_000_000: "millions"},
    **{10_000: "tens of thousands", 100_000: "hundreds of thousands"},
}
_KEYED = r"(?:[Pp]ress|[Hh]it|[Dd]ial|[Ee]nter|[Tt]ype|[Kk]ey|or|and|then|the|by|with)"
"""Words before a key of a telephone."""

MARKERS: tuple[Rule, ...] = (
    rule(
        rf"(?:{_LIST_PLACE})(\(?)({any_of(_SMALL_ROMAN[1:])})\)(?= )",
        lambda m: f"{m[1]}{cardinal(_SMALL_ROMAN.index(m[2]))})",
    ),
    rule(
        rf"\(({any_of(name for name in _SMALL_ROMAN if len(name) > 1)})\)",
        lambda m: f"({cardinal(_SMALL_ROMAN.index(m[1]))})",
    ),
    rule(
        r"\b([Ss]cene|[Aa]ct|[Pp]art|[Cc]hapter|[Bb]ook|[Ii]tem|[Pp]age) ([iv])(?![\w'’.]\w|\w)",
        lambda m: f"{m[1]} {cardinal(_SMALL_ROMAN.index(m[2]))}",
    ),
    rule(
        r"(?<![\w.,])([A-Z])\.(\d{1,2})(?:\.([a-z]))?(?![\w.]{1,60}\d)(?!\w|\.\w)",
        lambda m: " ".join([spelled(m[1]), number(m[2]), *([spelled(m[3])] if m[3] else [])]),
    ),
    rule(
        r"(?<![\w.,])(\d{1,2})\.([a-z])(?!\w|\.\w)",
        lambda m: f"{number(m[1])} {spelled(m[2])}",
    ),
    rule(
        r"(?<![\w.,$£€])(1(?:0{1,6}|,000|0,000|00,000|,000,000))['’]?s(?= of\b)",
        lambda m: _ROUND[int(m[1].replace(",", ""))],
    ),
    # Feet and inches, joined by a hyphen or with a fraction of one sign.
    rule(r"(?<![\w.,])(\d{1,3}['′’])-(?=\d{1,2}(?:[ -]?[½¼¾⅛⅜⅝⅞]| \d/\d{1,2})?[\"″”])", r"\1"),
    rule(
        r"(?<![\w.,])(\d{1,3}['′’] ?\d{1,2}) ?([½¼¾⅛⅜⅝⅞])(?=[\"″”])",
        lambda m: f"{m[1]} {unicodedata.normalize('NFKC', m[2]).replace('⁄', '/')}",
    ),
    rule(
        r"(?<![\w.,/$£€-])(?<!\d )(\d{3}) (0\d{3})(?![\w/-]|[ .,]\d)",
        lambda m: f"{digits(m[1])}, {digits(m[2])}",
    ),
    rule(r"(?<=[a-z,] )No (?=\d)", "number "),
    rule(r"(?<=\d-)(yd|ft|in|mi|lb|oz|gal|hr|min|sec|yr)\. (?=[a-z])", r"\1 "),
    rule(
        r"(?<![\w.,/])(\d)/10 (?=(?!(?:cups|inches|miles|hours|seconds|points|degrees|met(?:er|re)s)\b)[a-z]{3,20}s\b)",
        lambda m: f"{number(m[1])} out of ten ",
    ),
    rule(r"(?<![\w.])([fghFGPE])\(([A-Za-z]|\d{1,3})\)", r"\1 of \2"),
    rule(r"(?<=\b[Tt]he )['’]?00s(?!\w)", "two thousands"),
    rule(
        r"(?:(?<=[A-Za-z])|(?<=[A-Za-z]\d))\^(\d?)([-+−])(?!\w)",
        lambda m: f"{f' {number(m[1])}' if m[1] else ''} {'plus' if m[2] == '+' else 'minus'}",
    ),
    rule(
        r"(?<=[Tt]he )(M{0,3}(?=[IVXLC]{2})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3}))(?:st|nd|rd|th)(?!\w)",
        lambda m: ordinal(_roman(m[1])),
    ),
)
"""Rules that come before dates and sections are read."""

OPERATORS: tuple[Rule, ...] = (
    rule(r"<>", " not equal to "),
    rule(r"(?:(?<=&& )|(?<=\|\| )|(?<=&&)|(?<=\|\|)|(?<=\()|(?<== ))!(?=[A-Za-z_(])", "not "),
    rule(r"(?<=[\w)]) \*\* (?=[\w(])|(?<=[\w)])\*\*(?=\d)", " to the power of "),
    rule(r"(?<=\b[a-z]) % (?=\w)", " modulo "),
    rule(r"(?<![^\s(])#(?= of [a-z])", "number"),
    rule(
        rf"\b({_KEYED} )([*#])(?=[\s,.;:!?)]|$)(?! \d)",
        lambda m: m[1] + ("star" if m[2] == "*" else "pound"),
    ),
)
"""Rules that come before mark-up is taken out: two stars are bold there, and one sign opens a heading."""


def _roman(text: str) -> int:
    values = [{"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "M": 1000}[char] for char in text]
    return sum(
        -value if value < following else value
        for value, following in zip(values, [*values[1:], 0], strict=True)
    )
